"""Many slices on one picture, and one slice with its measures drawn on it: made for paper and mail."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from .measure import Diameters

LONGEST_SIDE_PX = 4096
CELLS_PX = (48, 256)
"""The smallest and largest side of a cell."""
CAPTION_PX = 18
GAP_PX = 4
SMALLEST_NAMED_PX = 64
GREY = (205, 205, 205)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def in_proportion(picture: np.ndarray, pixel_mm: tuple[float, float] | None, longest_px: int) -> np.ndarray:
    """(H, W, 3) uint8: a picture (Y, X, 3) uint8 with its true proportions and its longer side `longest_px` long.

    Args:
        pixel_mm: (dy, dx), or None where pixels count as squares.
    """
    dy, dx = pixel_mm or (1.0, 1.0)
    height, width = picture.shape[0] * dy, picture.shape[1] * dx
    scale = longest_px / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    smaller = size[0] < picture.shape[1] or size[1] < picture.shape[0]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def contact_sheet(
    pictures: Sequence[np.ndarray], captions: Sequence[str], pixel_mm: tuple[float, float] | None, longest_px: int = LONGEST_SIDE_PX
) -> np.ndarray:
    """(H, W, 3) uint8 RGB: pictures (Y, X, 3) uint8 in rows on black, each over its caption where there is room for one."""
    columns = _columns(len(pictures))
    rows = -(-len(pictures) // columns)
    room = longest_px // max(columns, rows) - GAP_PX - CAPTION_PX
    cells = [in_proportion(picture, pixel_mm, min(max(room, CELLS_PX[0]), CELLS_PX[1])) for picture in pictures]
    height, width = (max(cell.shape[axis] for cell in cells) for axis in (0, 1))
    caption = CAPTION_PX if width >= SMALLEST_NAMED_PX else 0
    sheet = np.zeros((rows * (height + caption + GAP_PX) - GAP_PX, columns * (width + GAP_PX) - GAP_PX, 3), np.uint8)
    for number, (cell, words) in enumerate(zip(cells, captions, strict=True)):
        top, left = (number // columns) * (height + caption + GAP_PX), (number % columns) * (width + GAP_PX)
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
        if caption:
            strip = np.zeros((caption, width, 3), np.uint8)
            cv2.putText(strip, words, (2, caption - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, GREY, 1, cv2.LINE_AA)
            sheet[top + height : top + height + caption, left : left + width] = strip
    return sheet


def _columns(count: int) -> int:
    """About a third more columns than rows."""
    return min(count, max(1, math.ceil(math.sqrt(count * 4 / 3))))


def with_diameters(picture: np.ndarray, slice_shape: tuple[int, int], diameters: Diameters) -> np.ndarray:
    """(H, W, 3) uint8: an enlarged picture of a slice of (Y, X) pixels with both diameters as lines."""
    result = picture.copy()
    scale = np.array([picture.shape[0] / slice_shape[0], picture.shape[1] / slice_shape[1]])
    for ends in (diameters.longest_ends, diameters.perpendicular_ends):
        (ay, ax), (by, bx) = (np.array(end) * scale for end in ends)
        for colour, width in ((BLACK, 4), (WHITE, 2)):
            cv2.line(result, (round(ax), round(ay)), (round(bx), round(by)), colour, width, cv2.LINE_AA)
    return result
