"""How a stored array is turned into the displayed volume: which axis is the slices', which way each axis runs, and the way back.

World coordinates are RAS millimetres: x to the patient's right, y to the front (anterior), z to the head (superior).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from .volume import StoredGrid, Volume

T = TypeVar("T")

PLANES = ("sagittal", "coronal", "axial")
"""By the world axis (x, y, z) that the slices are stacked along."""

_POSITIVE, _NEGATIVE = "RAS", "LPI"

_DIRECTIONS = {
    "axial": ((2, 1), (1, -1), (0, -1)),
    "sagittal": ((0, 1), (2, -1), (1, -1)),
    "coronal": ((1, -1), (2, -1), (0, -1)),
}
"""(world axis, sign) of the displayed z, y and x axes. Axial: feet to head, front to back, patient's right to left. Sagittal: head to feet,
front to back. Coronal: head to feet, right to left. The slices of the last two run so that the three axes are right-handed, as in DICOM."""

_NEAR_ISOTROPIC = 1.5
_TIE = 1.001


@dataclass(frozen=True, eq=False, slots=True)
class Arrangement:
    """A stored array's place on the screen.

    Attributes:
        grid: the stored grid, and how the displayed one lies in it.
        shape: (Z, Y, X) displayed.
        affine: (4, 4) displayed voxel (x, y, z) to RAS mm, or None.
        spacing: (dz, dy, dx) displayed, mm, or None.
        plane: "axial", "coronal", "sagittal", or None where the orientation is not known.
        axes: directions of the stored axes, e.g. "LPS", or "" where unknown.
    """

    grid: StoredGrid
    shape: tuple[int, int, int]
    affine: np.ndarray | None
    spacing: tuple[float, float, float] | None
    plane: str | None
    axes: str


def three(values: Iterable[T]) -> tuple[T, T, T]:
    """Three values as a tuple of three.

    Raises:
        ValueError: if there are not three.
    """
    first, second, third = values
    return first, second, third


def arrange(shape: tuple[int, int, int], affine: np.ndarray | None, spacing: tuple[float, float, float] | None = None) -> Arrangement:
    """Chooses slice axis, order and flips of a stored array.

    The slices are stacked along the axis with the coarsest spacing. Where the spacings differ by less than a factor of 1.5, the slices are
    axial; a single plane of voxels stays one slice. Without an orientation no axis is flipped, the third one is the slices' unless another
    is coarser, and of the other two the later one is the rows'.

    Args:
        shape: of the stored array (i, j, k).
        affine: (4, 4) stored voxel (i, j, k) to RAS mm, `usable`; or None.
        spacing: (di, dj, dk) mm where the file states it without an orientation; not looked at if there is an affine.
    """
    if affine is None:
        slices = slice_axis(shape, spacing, (0, 1, 2))
        axes = three((slices, *(axis for axis in (2, 1, 0) if axis != slices)))
        displayed_spacing = None if spacing is None else three(float(spacing[axis]) for axis in axes)
        grid = StoredGrid(shape, axes, (False, False, False))
        return Arrangement(grid, three(shape[axis] for axis in axes), None, displayed_spacing, None, "")

    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    world = world_axes(affine)
    slices = slice_axis(shape, three(lengths), three(axis for axis, _ in world))
    plane = PLANES[world[slices][0]]
    nearest = [axis for axis, _ in world]
    axes = three(nearest.index(target) for target, _ in _DIRECTIONS[plane])
    flips = three(world[stored][1] != sign for stored, (_, sign) in zip(axes, _DIRECTIONS[plane], strict=True))
    grid = StoredGrid(shape, axes, flips, np.asarray(affine, np.float64))
    return Arrangement(
        grid=grid,
        shape=three(shape[axis] for axis in axes),
        affine=affine @ displayed_to_stored(grid),
        spacing=three(float(lengths[axis]) for axis in axes),
        plane=plane,
        axes="".join((_POSITIVE if sign > 0 else _NEGATIVE)[axis] for axis, sign in world),
    )


def slice_axis(shape: tuple[int, int, int], spacing: tuple[float, float, float] | None, world: tuple[int, int, int]) -> int:
    """The stored axis along which the slices are stacked.

    Args:
        shape: of the stored array.
        spacing: mm along each stored axis, or None.
        world: the world axis nearest to each stored axis.
    """
    single = [axis for axis in range(3) if shape[axis] == 1]
    if len(single) == 1:
        return single[0]
    if spacing is None or max(spacing) < _NEAR_ISOTROPIC * min(spacing):
        return world.index(2)
    coarsest = [axis for axis in range(3) if spacing[axis] * _TIE >= max(spacing)]
    return max(coarsest, key=lambda axis: world[axis])


def world_axes(affine: np.ndarray) -> tuple[tuple[int, int], ...]:
    """For each stored axis the nearest world axis (0, 1, 2) and its sign; each world axis is used once.

    The nearest rotation decides, its clearest axis first, so that a sheared or oblique grid gets the order that nibabel gives it.
    """
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(columns)
    rotation = left @ right
    found: dict[int, tuple[int, int]] = {}
    for stored in np.argsort(-np.max(rotation**2, axis=0), kind="stable"):
        column = rotation[:, stored]
        axis = int(np.argmax(np.abs(column)))
        found[int(stored)] = (axis, 1 if column[axis] >= 0 else -1)
        rotation[axis, :] = 0
    return tuple(found[stored] for stored in range(3))


def displayed_to_stored(grid: StoredGrid) -> np.ndarray:
    """(4, 4) displayed voxel (x, y, z) to stored voxel (i, j, k)."""
    to_stored = np.zeros((4, 4))
    to_stored[3, 3] = 1
    for displayed, (stored, flip) in enumerate(zip(grid.axes, grid.flips, strict=True)):
        column = 2 - displayed  # z, y, x to x, y, z
        to_stored[stored, column] = -1 if flip else 1
        to_stored[stored, 3] = grid.shape[stored] - 1 if flip else 0
    return to_stored


def usable(affine: np.ndarray) -> bool:
    """Whether a matrix places voxels in space: finite, every axis between a micrometre and a metre long, no two of them (nearly) parallel."""
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if lengths.min() < 1e-3 or lengths.max() > 1e3 or np.abs(affine[:3, 3]).max() > 1e6:
        return False
    return abs(float(np.linalg.det(affine[:3, :3] / lengths))) > 0.05


def edges(affine: np.ndarray | None) -> tuple[str, str, str, str] | None:
    """Letters at the left, right, top and bottom edge of a displayed slice: "R", "L", "A" and "P" of an axial one. None where unknown."""
    if affine is None:
        return None
    (x_axis, x_sign), (y_axis, y_sign), _ = world_axes(affine)
    right, left = (_POSITIVE, _NEGATIVE)[::x_sign]
    bottom, top = (_POSITIVE, _NEGATIVE)[::y_sign]
    return left[x_axis], right[x_axis], top[y_axis], bottom[y_axis]


def oblique_degrees(affine: np.ndarray) -> float:
    """The largest angle between a stored axis and the world axis nearest to it."""
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = [abs(columns[axis, stored]) for stored, (axis, _) in enumerate(world_axes(affine))]
    return float(np.degrees(np.arccos(np.clip(min(cosines), 0, 1))))


def shear_degrees(affine: np.ndarray) -> float:
    """How far the stored axes are from right angles to each other, at worst."""
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs(columns.T @ columns - np.eye(3))
    return float(np.degrees(np.arcsin(np.clip(cosines.max(), 0, 1))))


def describe_grid(affine: np.ndarray, tilt: float = 0.0) -> list[str]:
    """Sentences about a grid that is not parallel to the body's axes, or whose axes are not at right angles.

    Args:
        affine: (4, 4) voxel to RAS mm.
        tilt: degrees by which slices are known to be stacked aslant (a tilted gantry), 0 if not.
    """
    if tilt:
        return [f"The gantry was tilted: the slices are shifted against each other by {tilt:.1f} degrees and are shown as stored."]
    if (shear := shear_degrees(affine)) > 1:
        return [f"The voxel grid is sheared by {shear:.0f} degrees; slices are shown as stored, so angles and lengths across them are not true."]
    if (oblique := oblique_degrees(affine)) > 1:
        return [f"The slices are oblique by {oblique:.0f} degrees; they are shown as stored."]
    return []


def plane_refusal(plane: str | None) -> str:
    """Why slices of a plane must not be analysed, as a sentence, or ""."""
    if plane in ("sagittal", "coronal"):
        return f"The slices are {plane}; the models know axial slices only, so this series is shown but not analysed."
    return ""


def analysis_refusal(volume: Volume) -> str | None:
    """A sentence that says why the models must not be asked about a scan, or None where they may."""
    return volume.refusal or plane_refusal(volume.plane) or None
