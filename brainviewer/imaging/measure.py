"""Areas, volume, diameters and number of lesions of a mask. Lengths are in mm, and None where the spacing is not known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

Spacing = tuple[float, float, float]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Diameters:
    """The longest diameter of one lesion in one slice, and the longest one perpendicular to it.

    Attributes:
        z: displayed index of the slice.
        longest_mm, perpendicular_mm: from outer edge to outer edge of the pixels.
        longest_ends, perpendicular_ends: two (y, x) each, in pixels; 0 is the outer edge of the first pixel, so that its centre is at 0.5.
    """

    z: int
    longest_mm: float
    perpendicular_mm: float
    longest_ends: tuple[Point, Point]
    perpendicular_ends: tuple[Point, Point]

    @property
    def product_mm2(self) -> float:
        return self.longest_mm * self.perpendicular_mm


@dataclass(frozen=True, slots=True)
class Measures:
    """A mask in numbers.

    Attributes:
        areas_px: of each slice.
        areas_mm2: likewise, or None.
        volume_ml: or None.
        diameters: of the lesion and slice with the largest product of both (as in the RANO criteria), or None.
        largest_slice: displayed index of that slice; where the spacing is not known, of the largest area; None where the mask is empty.
        centroid: (z, y, x) mean voxel index, or None where the mask is empty.
        lesions: how many parts do not touch, not even at a corner.
    """

    areas_px: tuple[int, ...]
    areas_mm2: tuple[float, ...] | None
    volume_ml: float | None
    diameters: Diameters | None
    largest_slice: int | None
    centroid: tuple[float, float, float] | None
    lesions: int


def measure(mask: np.ndarray, spacing: Spacing | None, voxel_mm3: float | None = None) -> Measures:
    """All measures of a (Z, Y, X) bool mask.

    Args:
        spacing: (dz, dy, dx) mm, or None.
        voxel_mm3: of one voxel, where the grid is not at right angles; else the product of the spacing.
    """
    if voxel_mm3 is None and spacing is not None:
        voxel_mm3 = spacing[0] * spacing[1] * spacing[2]
    areas = tuple(int(area) for area in np.count_nonzero(mask, axis=(1, 2)))
    total = sum(areas)
    longest = None if spacing is None or total == 0 else scan_diameters(mask, spacing)
    largest = None if total == 0 else int(np.argmax(areas))
    return Measures(
        areas_px=areas,
        areas_mm2=None if spacing is None else tuple(area * spacing[1] * spacing[2] for area in areas),
        volume_ml=None if voxel_mm3 is None else total * voxel_mm3 / 1000,
        diameters=longest,
        largest_slice=longest.z if longest is not None else largest,
        centroid=centroid(mask),
        lesions=count_lesions(mask),
    )


def fullest_slice(mask: np.ndarray) -> int:
    """Which slice of a (Z, Y, X) bool mask has the largest area, the first of several; the middle one where it is empty: what is shown of a scan
    in one picture."""
    areas = np.count_nonzero(mask, axis=(1, 2))
    return int(areas.argmax()) if areas.any() else len(mask) // 2


def line_mm(ends: tuple[Point, Point], spacing: Spacing) -> float:
    """How long a line between two points (y, x) in pixels is, with a spacing of (dz, dy, dx) mm."""
    (ay, ax), (by, bx) = ends
    return float(np.hypot((by - ay) * spacing[1], (bx - ax) * spacing[2]))


def dice(mask: np.ndarray, reference: np.ndarray) -> float:
    """2 |A and B| / (|A| + |B|) of two bool arrays of one shape; 1 where both are empty."""
    total = int(np.count_nonzero(mask)) + int(np.count_nonzero(reference))
    return 1.0 if total == 0 else 2 * int(np.count_nonzero(mask & reference)) / total


def centroid(mask: np.ndarray) -> tuple[float, float, float] | None:
    """Mean (z, y, x) voxel index of a (Z, Y, X) bool mask, or None where it is empty."""
    box = _box(mask)
    if box is None:
        return None
    z, y, x = (float(places.mean()) + part.start for places, part in zip(np.nonzero(mask[box]), box, strict=True))
    return z, y, x


def count_lesions(mask: np.ndarray) -> int:
    """Parts of a (Z, Y, X) bool mask that do not touch by face, edge or corner (26-connected)."""
    box = _box(mask)
    if box is None:
        return 0
    from scipy import ndimage  # not needed before there is a mask

    return int(ndimage.label(mask[box], np.ones((3, 3, 3), bool))[1])


def _box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    """The smallest part of a (Z, Y, X) bool mask that holds all of it: much less than a whole scan to go through."""
    used = np.nonzero(mask.any(axis=(1, 2)))[0]
    if used.size == 0:
        return None
    z = slice(int(used[0]), int(used[-1]) + 1)
    rows, columns = np.nonzero(np.logical_or.reduce(mask[z], axis=0))
    return z, slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1)


def scan_diameters(mask: np.ndarray, spacing: Spacing) -> Diameters | None:
    """The diameters of the lesion and slice whose product is largest, of a (Z, Y, X) bool mask; None where it is empty."""
    best: Diameters | None = None
    for z in range(mask.shape[0]):
        found = slice_diameters(mask[z], spacing, z, 0.0 if best is None else best.product_mm2)
        if found is not None and (best is None or found.product_mm2 > best.product_mm2):
            best = found
    return best


def slice_diameters(mask: np.ndarray, spacing: Spacing, z: int = 0, least_mm2: float = 0.0) -> Diameters | None:
    """The diameters of the lesion of one slice whose product is largest.

    Both are taken over a lesion's convex outline; parts that do not touch (8-connected) are lesions of their own.

    Args:
        mask: (Y, X) bool.
        spacing: (dz, dy, dx) mm.
        z: goes into the answer.
        least_mm2: lesions that cannot exceed this product are passed over.
    """
    best: Diameters | None = None
    for corners in _outlines(mask, spacing, least_mm2):
        found = _diameters(corners, spacing, z)
        if best is None or found.product_mm2 > best.product_mm2:
            best = found
    return best


def _outlines(mask: np.ndarray, spacing: Spacing, least_mm2: float) -> Iterator[np.ndarray]:
    """The convex outline of each 8-connected part of a (Y, X) mask: (N, 2) corners (y, x) of its pixels, in pixels, in order."""
    if not mask.any():
        return
    number, labels, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    for part in range(1, number):
        left, top, width, height = (int(v) for v in boxes[part, :4])
        if (width * spacing[2]) ** 2 + (height * spacing[1]) ** 2 <= least_mm2:
            continue  # no two perpendicular lines in its box have a larger product
        own = labels[top : top + height, left : left + width] == part
        first = own.argmax(axis=1)
        last = width - own[:, ::-1].argmax(axis=1)
        rows = np.arange(height)
        points = np.concatenate([np.stack([x + left, rows + top + below], axis=-1) for x in (first, last) for below in (0, 1)])
        yield cv2.convexHull(points.astype(np.int32))[:, 0, ::-1].astype(np.float64)


def _diameters(corners: np.ndarray, spacing: Spacing, z: int) -> Diameters:
    """Of one convex outline: (N, 2) corners (y, x) in pixels, in order."""
    scale = np.array(spacing[1:])
    points = corners * scale
    distances = np.linalg.norm(points[:, np.newaxis] - points[np.newaxis], axis=-1)
    longest = distances.max()
    best = None
    # A symmetric lesion has several longest diameters: the one with the longest perpendicular counts.
    for i, j in np.argwhere(np.triu(distances >= longest * (1 - 1e-9))):
        along = (points[j] - points[i]) / longest
        length, ends = _longest_chord(points, np.array([-along[1], along[0]]))
        if best is None or length > best[0]:
            best = (length, ends, (points[i], points[j]))
    perpendicular, chord, ends = best  # type: ignore[misc]

    def in_pixels(pair: tuple[np.ndarray, np.ndarray]) -> tuple[Point, Point]:
        (ay, ax), (by, bx) = (point / scale for point in pair)
        return (float(ay), float(ax)), (float(by), float(bx))

    return Diameters(z, float(longest), float(perpendicular), in_pixels(ends), in_pixels(chord))


def _longest_chord(points: np.ndarray, direction: np.ndarray) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """The longest chord of a convex polygon (N, 2) in a direction (unit vector), and its ends.

    Along the polygon the chord's length is concave and straight between corners, so the longest one passes through a corner.
    """
    across = np.array([direction[1], -direction[0]])
    position, height = points @ across, points @ direction
    following = np.roll(np.arange(len(points)), -1)
    best, where = -1.0, (0.0, 0.0, 0.0)
    for at in position:
        low, high = np.minimum(position, position[following]), np.maximum(position, position[following])
        crossed = (low <= at) & (at <= high)
        start, end = position[crossed], position[following][crossed]
        span = end - start
        level = np.abs(span) < 1e-12
        share = np.where(level, 0.0, (at - start) / np.where(level, 1.0, span))
        heights = height[crossed] + share * (height[following][crossed] - height[crossed])
        heights = np.concatenate([heights, height[following][crossed][level]])
        length = heights.max() - heights.min()
        if length > best:
            best, where = length, (at, heights.min(), heights.max())
    at, low_end, high_end = where
    return float(best), (at * across + low_end * direction, at * across + high_end * direction)
