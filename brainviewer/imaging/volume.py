"""The scan as it is displayed, and the range of its values that is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

CHANNEL_NAMES = ("pre", "flair", "post")
"""Names of the three channels of a composed scan, in the order in which the networks know them."""


@dataclass(frozen=True, eq=False, slots=True)
class StoredGrid:
    """How the displayed voxels lie in the file.

    Attributes:
        shape: of the stored array, its own axis order, channels left out.
        axes: for each displayed axis (z, y, x), the stored axis it comes from.
        flips: for each displayed axis (z, y, x), whether it runs against the stored one.
        affine: (4, 4) stored voxel (i, j, k) to RAS mm, or None if the file says nothing.
    """

    shape: tuple[int, int, int]
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    affine: np.ndarray | None = None

    def restore(self, displayed: np.ndarray) -> np.ndarray:
        """(Z, Y, X) displayed to the stored axis order and direction; a view."""
        flipped = displayed[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]
        return np.transpose(flipped, np.argsort(self.axes))

    def display(self, stored: np.ndarray) -> np.ndarray:
        """The stored array to displayed (Z, Y, X); a view. Further axes stay at the end."""
        order = (*self.axes, *range(3, stored.ndim))
        turned = np.transpose(stored, order)
        return turned[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]


@dataclass(frozen=True, slots=True)
class MaskFile:
    """Where a slice's reference mask came from.

    Attributes:
        file: relative to the folder that holds what was opened.
        levels: number of different values in the file, where they are more than marked and not marked; else 2.
    """

    file: str
    levels: int = 2


@dataclass(frozen=True, eq=False, slots=True)
class Volume:
    """A scan on the displayed grid: axes z (slice), y (row), x (column), c (channel).

    Attributes:
        voxels: (Z, Y, X, C), native dtype, read-only, C = 1 or 3.
        affine: (4, 4) float64 displayed voxel (x, y, z) to RAS mm, or None where the file says nothing; never invented.
        channels: names, length C: ("pre", "flair", "post") of a composed scan, ("red", "green", "blue") of a picture, or one name.
        source: the file or folder it was read from.
        key: stable, safe as a folder name, free of identity.
        format: "tiff", "dicom", "nifti" or "picture".
        plane: "axial", "coronal", "sagittal", or None where unknown.
        sources: Z names of the slices' files, relative to the folder that holds what was opened.
        stems: Z unique names for what is written of each slice.
        reference: (Z, Y, X) bool mask that came with the scan, or None.
        mask_files: Z files of the reference masks, None for a slice without a usable one, whose reference is empty; () without any.
        stored: the way back to the stored grid, or None for one-file-a-slice formats, whose stored grid is the displayed one.
        description: what the file calls the series, free of identity.
        notes: sentences for the user (uneven gaps, missing slices).
        ignored: (file, why) of what lay beside the slices and was not used.
        facts: white-listed acquisition text, no identity.
        window: (low, high) that the file asks to be shown with, or None.
        voxel_mm: (dz, dy, dx) where the file, or the user, states the size of its voxels but not how they lie in space (`affine` is None), else None.
        spacing_assumed: whether `voxel_mm` was typed by a user and not read: everything in mm is then an assumption.
        refusal: a sentence that says why this must not be analysed (a mosaic of slices, say), or "".
        frame_of_reference: names the space that `affine` leads to; two volumes with the same name lie in the same space, with different
            names not. "" where the file does not name it.
        instances: of DICOM, (file, index of the frame in it) of each slice of the stored grid, in stored order; () of other formats.
    """

    voxels: np.ndarray
    affine: np.ndarray | None
    channels: tuple[str, ...]
    source: Path
    key: str
    format: str
    sources: tuple[str, ...]
    stems: tuple[str, ...]
    plane: str | None = None
    reference: np.ndarray | None = None
    mask_files: tuple[MaskFile | None, ...] = ()
    stored: StoredGrid | None = None
    description: str = ""
    notes: tuple[str, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    window: tuple[float, float] | None = None
    voxel_mm: tuple[float, float, float] | None = None
    spacing_assumed: bool = False
    refusal: str = ""
    frame_of_reference: str = ""
    instances: tuple[tuple[Path, int], ...] = ()

    def __post_init__(self) -> None:
        if self.voxels.ndim != 4 or self.voxels.shape[-1] not in (1, 3):
            raise ValueError(f"voxels must be (Z, Y, X, 1 or 3). Received: shape={self.voxels.shape}")
        if len(self.channels) != self.voxels.shape[-1] or not len(self.sources) == len(self.stems) == len(self):
            raise ValueError("channels, sources and stems must name every channel and every slice")
        if self.mask_files and len(self.mask_files) != len(self):
            raise ValueError("mask_files must have an entry for every slice")
        self.voxels.flags.writeable = False

    def __len__(self) -> int:
        return self.voxels.shape[0]

    def __getitem__(self, z: int) -> np.ndarray:
        """(Y, X, C) view of one slice."""
        return self.voxels[z]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X)."""
        return self.voxels.shape[:3]

    @property
    def spacing(self) -> tuple[float, float, float] | None:
        """(dz, dy, dx) in mm, or None where the file says nothing."""
        if self.affine is None:
            return self.voxel_mm
        dx, dy, dz = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(dz), float(dy), float(dx)

    @property
    def voxel_mm3(self) -> float | None:
        """The volume of one voxel, or None where the file says nothing. On a sheared grid (a tilted gantry) less than the product of the
        spacing, as its slices lie closer together than their centres."""
        if self.affine is not None:
            return abs(float(np.linalg.det(self.affine[:3, :3])))
        return None if self.voxel_mm is None else float(np.prod(self.voxel_mm))

    @property
    def labelled(self) -> np.ndarray:
        """(Z,) bool: slices that a usable reference mask came with, empty or not."""
        return np.array([mask is not None for mask in self.mask_files], bool) if self.mask_files else np.full(len(self), self.reference is not None)

    @property
    def composed(self) -> bool:
        """Whether the three channels are the three sequences that the networks know."""
        return self.channels == CHANNEL_NAMES


TABLED = tuple(map(np.dtype, ("u1", "i1", "u2", "i2")))
"""Kinds of voxels of which a table holds every value."""


@lru_cache(maxsize=8)
def _table(window: Window, dtype: np.dtype) -> np.ndarray:
    """(256,) or (65536,) uint8: what a window makes of each value, by its bits."""
    values = np.arange(1 << 8 * dtype.itemsize, dtype=f"u{dtype.itemsize}")
    return window._computed(values.view(dtype))


@dataclass(frozen=True, slots=True)
class Window:
    """The values shown from black (`low`) to white (`high`), in voxel units; inverted where `low` is the larger one."""

    low: float
    high: float

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Any real array to uint8 0..255 of the same shape; NaN becomes black."""
        values = np.asarray(values)
        if values.dtype in TABLED and values.size and values.ndim >= 2:  # this stands between the wheel and the picture
            rows = values.reshape(len(values), -1).view(f"u{values.itemsize}")
            return cv2.LUT(rows, _table(self, values.dtype)).reshape(values.shape)
        return self._computed(values)

    def _computed(self, values: np.ndarray) -> np.ndarray:
        span = self.high - self.low
        scale = 255.0 / span if span else 255.0
        scaled = np.array(values, np.float32)
        # One array, changed in place.
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is white or black all the same
            low, factor = np.float32(self.low), np.float32(scale)
            scaled -= low
            scaled *= factor
        if values.dtype.kind == "f" or not (np.isfinite(low) and np.isfinite(factor)):  # whole numbers alone make no NaN
            np.nan_to_num(scaled, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
        scaled += np.float32(0.5)
        return np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)

    @property
    def inverted(self) -> Window:
        """The same values the other way round: what was black is white."""
        return Window(self.high, self.low)

    def shows(self, values: np.ndarray) -> bool:
        """Whether it leaves an array neither all black nor all white."""
        low, high = sorted((self.low, self.high))
        return bool(np.count_nonzero(values > low) and np.count_nonzero(values < high))

    @property
    def width(self) -> float:
        return abs(self.high - self.low)

    @property
    def level(self) -> float:
        return (self.high + self.low) / 2

    @classmethod
    def auto(cls, voxels: np.ndarray) -> Window:
        """From the 0.5th to the 99.7th percentile of the finite values of any array; of at most a million of them."""
        values = voxels.reshape(-1)
        values = values[:: max(1, -(-values.size // 1_000_000))]
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        if values.size == 0:
            return cls(0.0, 1.0)
        low, high = (float(v) for v in np.percentile(values, (0.5, 99.7)))
        if high <= low:
            low, high = float(values.min()), float(values.max())
        return cls(low, high if high > low else low + 1.0)
