"""How the pages of a stack are arranged, and what ImageJ and OME say of their spacing."""

from __future__ import annotations

import math
import re

import numpy as np

from .picture_file import Page, Picture
from .tiff_headers import imagej_number


def first_time(picture: Picture) -> tuple[list[tuple[Page, ...]], list[str]]:
    """The pages of each slice, of the first point in time, and what is left out: most stacks have a page a slice."""
    pages = picture.pages
    layout = _ome_layout(picture.description) or _imagej_layout(picture.description)
    if layout is None or math.prod(layout.values()) != len(pages):
        return [(page,) for page in pages], []
    # Many writers call the slices of a stack points in time.
    along, other = ("T", "Z") if layout["Z"] == 1 else ("Z", "T")
    axes = list(layout)
    grid = np.arange(len(pages)).reshape([layout[axis] for axis in axes]).transpose([axes.index(axis) for axis in (other, along, "C")])
    notes = []
    if grid.shape[0] > 1:
        notes.append(f"The file holds {grid.shape[0]} points in time; the first is shown.")
    slices = grid[0]
    if slices.shape[1] == 3 and all(page.channels == 1 for page in pages):
        return [tuple(pages[number] for number in row) for row in slices], notes
    if slices.shape[1] > 1:
        notes.append(f"The file holds {slices.shape[1]} channels; the first is shown.")
    return [(pages[row[0]],) for row in slices], notes


def _imagej_layout(description: str) -> dict[str, int] | None:
    """Sizes of the axes of an ImageJ hyperstack, slowest first."""
    if not imagej_number(description, "images"):
        return None
    return {axis: imagej_number(description, name) or 1 for axis, name in (("T", "frames"), ("Z", "slices"), ("C", "channels"))}


def _ome_layout(description: str) -> dict[str, int] | None:
    """Sizes of the axes of an OME stack, slowest first; colour that lies within a page does not count."""
    pixels = _ome_pixels(description)
    order = re.search(r'\bDimensionOrder="XY([ZCT]{3})"', pixels)
    if order is None or len(set(order.group(1))) < 3:
        return None
    sizes = {axis: int(found.group(1)) for axis in "ZCT" if (found := re.search(rf'\bSize{axis}="([0-9]{{1,9}})"', pixels))}
    if len(sizes) < 3:
        return None
    within = re.search(r'<(?:\w+:)?Channel\b[^>]*\bSamplesPerPixel="([0-9]{1,3})"', description)
    if within and int(within.group(1)) > 0:
        sizes["C"] = max(1, sizes["C"] // int(within.group(1)))
    return {axis: sizes[axis] for axis in reversed(order.group(1))}


def _ome_pixels(description: str) -> str:
    """The first `Pixels` tag of an OME description, or ""."""
    if "<OME" not in description[:2000] and ":OME" not in description[:2000]:
        return ""
    found = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", description)
    return found.group(0) if found else ""


_MM = {
    "mm": 1.0,
    "millimeter": 1.0,
    "cm": 10.0,
    "um": 1e-3,
    "µm": 1e-3,
    "μm": 1e-3,
    "micron": 1e-3,
    "microns": 1e-3,
    "\\u00b5m": 1e-3,
    "nm": 1e-6,
    "m": 1e3,
    "inch": 25.4,
}


def spacing_of(picture: Picture) -> tuple[float, float, float] | None:
    """(dz, dy, dx) mm where ImageJ or OME wrote all three with a unit; dots per inch of a plain TIFF are print sizes and do not count."""
    pixels = _ome_pixels(picture.description)
    if pixels:
        sizes = []
        for axis in "ZYX":
            size = re.search(rf'\bPhysicalSize{axis}="([0-9.eE+-]{{1,30}})"', pixels)
            unit = re.search(rf'\bPhysicalSize{axis}Unit="([^"]{{1,20}})"', pixels)
            sizes.append(_number(size.group(1) if size else "") * _MM.get(unit.group(1).lower() if unit else "um", math.nan))
    elif picture.description.startswith("ImageJ=") and picture.pixels_per_unit:
        unit = re.search(r"^unit=(.{1,20}?)\s*$", picture.description, re.MULTILINE)
        apart = re.search(r"^spacing=([0-9.eE+-]{1,30})\s*$", picture.description, re.MULTILINE)
        scale = _MM.get(unit.group(1).lower() if unit else "", math.nan)
        x, y = picture.pixels_per_unit
        sizes = [_number(apart.group(1) if apart else "") * scale, scale / y, scale / x]
    else:
        return None
    if picture.pages[0].orientation > 4:
        sizes[1:] = sizes[:0:-1]
    return (sizes[0], sizes[1], sizes[2]) if all(1e-6 <= size <= 1e3 for size in sizes) else None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
