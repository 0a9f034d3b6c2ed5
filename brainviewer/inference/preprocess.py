"""From a slice to the networks' input and back: the one function for training, every format and every engine.

The method is named and versioned (`NAME`, `VERSION`, stored in each `bundle.json`): a network only understands what it was trained on.

- Intensity: per channel and over the whole volume, `low` is the 1st percentile of all voxels and `high` the 99.5th percentile of the
  foreground (voxels above `low` by a tenth of the range); low..high becomes 0..1, clipped. Percentiles follow any factor and offset, so a
  scan stored with other units or bits gives the same input.
- Geometry: the slice is padded to a centred square and resampled to `size` x `size` by proportion, never by millimetres (many files carry
  none). Pixel centres keep their places (half-pixel convention), so the way back is exact.
- One grey sequence fills all three channels.
"""

from __future__ import annotations

import cv2
import numpy as np

NAME = "volume-range"
VERSION = 1
LOW_PERCENTILE = 1.0
HIGH_PERCENTILE = 99.5
FOREGROUND = 0.1
MOST_VOXELS = 4_000_000
"""Percentiles of larger volumes are taken on every n-th voxel: the same answer to three digits in a fraction of the time."""


def intensity_ranges(voxels: np.ndarray) -> np.ndarray:
    """Robust intensity range of each channel of a volume.

    Args:
        voxels: (Z, Y, X, C), any real dtype; NaN and infinite voxels are left out.

    Returns:
        (C, 2) float64, `low` and `high` in voxel units, `high` > `low` always.
    """
    ranges = np.empty((voxels.shape[-1], 2))
    for channel in range(voxels.shape[-1]):
        values = voxels[..., channel].reshape(-1)
        values = values[:: max(1, -(-values.size // MOST_VOXELS))]
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        if values.size == 0:
            ranges[channel] = 0.0, 1.0
            continue
        found = _Counted.of(values) if values.dtype.kind in "iu" and values.dtype.itemsize <= 2 else _Plain(values.astype(np.float64))
        low, top = found.percentile(LOW_PERCENTILE), found.percentile(99.9)
        foreground = found.above(low + FOREGROUND * (top - low))
        high = foreground.percentile(HIGH_PERCENTILE) if foreground.size else top
        ranges[channel] = low, high if high > low else low + 1.0
    return ranges


class _Plain:
    """Values, of which percentiles are wanted."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.size = values, values.size

    def percentile(self, q: float) -> float:
        return float(np.percentile(self.values, q))

    def above(self, limit: float) -> _Plain:
        return _Plain(self.values[self.values > limit])


class _Counted:
    """Whole numbers of at most 16 bits, counted: the very percentiles of `_Plain` in a tenth of the time."""

    def __init__(self, levels: np.ndarray, counts: np.ndarray) -> None:
        self.levels, self.counts = levels, counts
        self.size = int(counts.sum())

    @classmethod
    def of(cls, values: np.ndarray) -> _Counted:
        if values.dtype == np.uint8:
            least, counts = 0, cv2.calcHist([values], [0], None, [256], [0, 256]).reshape(-1).astype(np.int64)
        else:
            least = int(values.min())
            counts = np.bincount((values.astype(np.int32) - least) if least else values)
        present = np.flatnonzero(counts)
        return cls((present + least).astype(np.float64), counts[present])

    def percentile(self, q: float) -> float:
        """As NumPy's "linear" method, step by step, so that both give the same bits."""
        place = (self.size - 1) * (q / 100)
        before = int(place)
        share = place - before
        upto = np.cumsum(self.counts)
        a, b = (float(self.levels[np.searchsorted(upto, min(n, self.size - 1), side="right")]) for n in (before, before + 1))
        return a + (b - a) * share if share < 0.5 else b - (b - a) * (1 - share)

    def above(self, limit: float) -> _Counted:
        kept = self.levels > limit
        return _Counted(self.levels[kept], self.counts[kept])


def to_network(image: np.ndarray, ranges: np.ndarray, size: int = 256) -> np.ndarray:
    """One slice as the networks' input.

    Args:
        image: (Y, X, C), C = 1 or 3, voxel units.
        ranges: (C, 2) from `intensity_ranges` of the volume.
        size: rows and columns of the network's input.

    Returns:
        (size, size, 3) float32, 0..1.
    """
    if image.dtype == np.uint8:  # 256 values: each is looked up
        steps = _scaled(np.arange(256)[:, np.newaxis], ranges)
        scaled = np.stack([steps[:, channel][image[..., channel]] for channel in range(image.shape[-1])], axis=-1)
    else:
        scaled = _scaled(image, ranges)
    grid = resample(pad_to_square(scaled), size)
    if grid.shape[-1] == 1:
        grid = np.repeat(grid, 3, axis=-1)
    return grid


def _scaled(values: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """(..., C) float32 0..1 of values (..., C) in voxel units."""
    low, high = ranges[:, 0], ranges[:, 1]
    exact = values.astype(np.float64)
    if values.dtype.kind == "f":
        exact = np.nan_to_num(exact)
    return np.clip((exact - low) / (high - low), 0.0, 1.0).astype(np.float32)


def to_slice(probability: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The way back: a map on the networks' grid brought to the slice's own grid.

    Args:
        probability: (size, size) float32.
        shape: (Y, X) of the slice.

    Returns:
        (Y, X) float32.
    """
    rows, columns = shape
    side = max(shape)
    square = resample(probability[..., np.newaxis], side)[..., 0]
    top, left = (side - rows) // 2, (side - columns) // 2
    return np.ascontiguousarray(square[top : top + rows, left : left + columns])


def pad_to_square(image: np.ndarray) -> np.ndarray:
    """(Y, X, C) padded with zeros to (S, S, C), S = max(Y, X), centred (the odd pixel goes below and to the right)."""
    rows, columns = image.shape[:2]
    side = max(rows, columns)
    if rows == columns:
        return image
    square = np.zeros((side, side, *image.shape[2:]), image.dtype)
    top, left = (side - rows) // 2, (side - columns) // 2
    square[top : top + rows, left : left + columns] = image
    return square


def resample(image: np.ndarray, size: int) -> np.ndarray:
    """(S, S, C) float32 resampled to (size, size, C): area average when it shrinks, linear when it grows."""
    if image.shape[0] == size:
        return image
    how = cv2.INTER_AREA if size < image.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(image, (size, size), interpolation=how).reshape(size, size, image.shape[2])
