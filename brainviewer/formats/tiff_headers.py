"""The directories of TIFF files: what each page promises, checked against what the file can really hold.

tifffile reads the pixels; these few tags are read here because a listing of thousands of slices must take a second, and because a
header that lies must be found out before memory is asked for.
"""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from pathlib import Path

from .picture_file import DENSE_RATIO, RATIO, BoundedBytes, Page, Picture, Unreadable, check_room, check_side

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_TYPE_CODES = {1: "B", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}
SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, DESCRIPTION, OFFSETS, ORIENTATION = 254, 256, 257, 258, 259, 262, 270, 273, 274
SAMPLES, ROWS, COUNTS, X_RESOLUTION, Y_RESOLUTION, PLANAR, COLOUR_MAP = 277, 278, 279, 282, 283, 284, 320
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, SAMPLE_FORMAT, DEPTH = 322, 323, 324, 325, 339, 32997
_WANTED = frozenset(
    [
        *(SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, DESCRIPTION, OFFSETS, ORIENTATION),
        *(SAMPLES, ROWS, COUNTS, X_RESOLUTION, Y_RESOLUTION, PLANAR, COLOUR_MAP),
        *(TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, SAMPLE_FORMAT, DEPTH),
    ]
)
_PLAIN_CODECS = (1, 5, 8, 32773, 32946)  # none, LZW, Deflate, PackBits
_JPEG_CODECS = (6, 7, 34892, 33007)
_UNSUPPORTED_COLOURS = {
    4: "a transparency mask",
    8: "CIELab colour",
    9: "ICCLab colour",
    10: "ITULab colour",
    32803: "a raw camera mosaic",
    32844: "LogL light",
    32845: "LogLuv light",
    34892: "raw camera data",
}


class _Directories:
    """The chain of a TIFF's image file directories."""

    def __init__(self, file: BoundedBytes, head: bytes) -> None:
        self.file = file
        self.order = "<" if head[:2] == b"II" else ">"
        self.big = head[2:4] in (b"+\0", b"\0+")
        self._entry_bytes, self._count_code, self._word = (20, "Q", "Q") if self.big else (12, "H", "I")
        self.first = self._unpack("Q", file.read(8, 8))[0] if self.big else self._unpack("I", head[4:8])[0]

    def _unpack(self, code: str, data: bytes) -> tuple:
        return struct.unpack(self.order + code, data)

    def read(self, offset: int) -> tuple[dict[int, tuple[int, int, bytes]], int]:
        """The wanted tags of one directory as {code: (type, count, 4 or 8 bytes)}, and where the next one lies (0 after the last)."""
        width = 8 if self.big else 2
        entries = self._unpack(self._count_code, self.file.read(offset, width))[0]
        if not 0 < entries <= 4096:
            raise Unreadable("its directory is damaged")
        table = self.file.read(offset + width, entries * self._entry_bytes)
        tags: dict[int, tuple[int, int, bytes]] = {}
        entry = struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))
        for code, kind, count, value in entry.iter_unpack(table):
            if code in _WANTED and code not in tags:
                tags[code] = (kind, count, value)
        word = 8 if self.big else 4
        end = offset + width + len(table)
        # Some writers leave out the last link.
        following = self._unpack(self._word, self.file.read(end, word))[0] if end + word <= self.file.size else 0
        return tags, following

    def values(self, tag: tuple[int, int, bytes]) -> tuple:
        """The numbers of a tag, or its bytes as the only element where it is text."""
        kind, count, value = tag
        size = _TYPE_BYTES.get(kind, 0) * count
        if size == 0:
            raise Unreadable("its directory is damaged")
        data = value[:size] if size <= len(value) else self.file.read(self._unpack(self._word, value)[0], size)
        if kind in (2, 7):
            return (data,)
        code = _TYPE_CODES[kind]
        return self._unpack(f"{count}{code}" if len(code) == 1 else code * count, data)


def tiff_picture(path: Path, file: BoundedBytes, head: bytes) -> Picture:
    directories = _Directories(file, head)
    pages: list[Page] = []
    notes: list[str] = []
    description, resolution = "", None
    seen: set[int] = set()
    offset, index, decoded = directories.first, 0, 0
    while offset:
        if offset in seen:
            notes.append(f'"{path.name}" is damaged: its chain of pages leads back to itself.')
            break
        seen.add(offset)
        try:
            tags, offset = directories.read(offset)
        except Unreadable as error:
            pages.append(Page(index, problem=str(error)))
            break
        try:
            subfile = directories.values(tags[SUBFILE])[0] if SUBFILE in tags else 0
            if isinstance(subfile, int) and subfile & 5 and index > 0:
                index += 1
                continue  # a thumbnail or a transparency mask
            page, size = _page(directories, tags, index)
            decoded += size
            check_room(decoded, file.size, _ratio(directories, tags))
        except Unreadable as error:
            page = Page(index, problem=str(error))
        except (TypeError, ValueError, struct.error):  # a tag of another type than it may have
            page = Page(index, problem="its directory is damaged")
        if index == 0:
            description, resolution = _first_page_texts(directories, tags)
        pages.append(page)
        index += 1
    if not pages:
        raise Unreadable("it holds no picture")
    pages, more = _imagej_pages(directories, pages, description)
    return Picture(path, "tiff", tuple(pages), description, resolution, (*notes, *more))


def _first_page_texts(directories: _Directories, tags: dict) -> tuple[str, tuple[float, float] | None]:
    """The description, and pixels a unit in x and y."""
    description, resolution = "", None
    try:
        if DESCRIPTION in tags and tags[DESCRIPTION][0] in (2, 7):
            description = directories.values(tags[DESCRIPTION])[0].rstrip(b"\0").decode("utf-8", errors="replace")
        if X_RESOLUTION in tags and Y_RESOLUTION in tags:
            (x, dx), (y, dy) = (directories.values(tags[code])[:2] for code in (X_RESOLUTION, Y_RESOLUTION))
            if x and dx and y and dy:
                resolution = (x / dx, y / dy)
    except (Unreadable, ValueError, TypeError, struct.error):
        pass  # nothing that the pixels need
    return description, resolution


def _page(directories: _Directories, tags: dict, index: int) -> tuple[Page, int]:
    """One directory's page and the bytes of its pixels.

    Raises:
        Unreadable: where the file cannot hold it, or it is none of the kinds that can be read.
    """

    def one(code: int, default: int) -> int:
        return directories.values(tags[code])[0] if code in tags else default

    if WIDTH not in tags or HEIGHT not in tags:
        raise Unreadable("its directory does not say how large the picture is")
    width, height, samples = one(WIDTH, 0), one(HEIGHT, 0), one(SAMPLES, 1)
    bits = directories.values(tags[BITS]) if BITS in tags else (1,)
    formats = directories.values(tags[SAMPLE_FORMAT]) if SAMPLE_FORMAT in tags else (1,)
    if one(DEPTH, 1) > 1:
        raise Unreadable("pages with a depth of their own are not supported")
    if not 0 < samples <= 4096 or not 0 < max(bits) <= 128:
        raise Unreadable("its directory is damaged")
    check_side(height, width)
    needed = _check_chunks(directories, tags, width, height, samples, max(bits))
    compression = one(COMPRESSION, 1)
    photometric = one(PHOTOMETRIC, 1)
    colour, notes = _colour(photometric, samples, compression, tags)
    dtype = _dtype(max(bits), formats[0])
    if colour == "palette":
        dtype = "uint8"
    if (colour == "ycbcr" and dtype != "uint8") or (colour == "cmyk" and dtype not in ("uint8", "uint16")):
        raise Unreadable("colour of this kind is not supported")
    orientation = one(ORIENTATION, 1)
    if not 1 <= orientation <= 8:
        orientation = 1
    if orientation > 4:
        height, width = width, height
    return Page(index, height, width, colour, samples, dtype, orientation, photometric == 0, None, max(bits) == 1, notes), needed


def _check_chunks(directories: _Directories, tags: dict, width: int, height: int, samples: int, bits: int) -> int:
    """Whether every strip or tile lies in the file; returns the bytes of the decoded picture in memory."""

    def one(code: int, default: int) -> int:
        return directories.values(tags[code])[0] if code in tags else default

    size = directories.file.size
    separate = one(PLANAR, 1) == 2
    planes = samples if separate else 1
    row_bytes = -(-width * (1 if separate else samples) * bits // 8)
    needed = row_bytes * height * planes
    ratio = _ratio(directories, tags)
    in_memory = height * width * samples * max(1, bits // 8)
    check_room(in_memory, size, ratio)
    compressed = one(COMPRESSION, 1) != 1
    if TILE_WIDTH in tags:
        tile_width, tile_height = one(TILE_WIDTH, 0), one(TILE_HEIGHT, 0)
        if tile_width <= 0 or tile_height <= 0:
            raise Unreadable("its directory is damaged")
        chunk_bytes = -(-tile_width * (1 if separate else samples) * bits // 8) * tile_height
        check_room(chunk_bytes, size, ratio)
        chunks = -(-width // tile_width) * -(-height // tile_height) * planes
        offsets, counts = tags.get(TILE_OFFSETS, tags.get(OFFSETS)), tags.get(TILE_COUNTS, tags.get(COUNTS))
    else:
        rows = min(one(ROWS, height), height)
        if rows <= 0:
            raise Unreadable("its directory is damaged")
        chunk_bytes = row_bytes * rows
        chunks = -(-height // rows) * planes
        offsets, counts = tags.get(OFFSETS), tags.get(COUNTS)
    if offsets is None:
        raise Unreadable("its directory does not say where the pixels are")
    starts = directories.values(offsets)
    if counts is None:
        if chunks > 1 or compressed:
            raise Unreadable("its directory does not say how long the pixels are")
        lengths: tuple = (needed,)
    else:
        lengths = directories.values(counts)
    if len(starts) < chunks or len(lengths) < chunks:
        raise Unreadable(f"{chunks - min(len(starts), len(lengths))} of its {chunks} strips of pixels are missing")
    starts, lengths = starts[:chunks], lengths[:chunks]
    if min(lengths) <= 0 or min(starts) <= 0:
        raise Unreadable("some of its strips of pixels are missing")
    last = max(map(int.__add__, starts, lengths))
    if last > size:
        raise Unreadable(f"the file is cut short ({size:,} of {last:,} bytes)")
    held = sum(lengths)
    if not compressed and (held < needed or (TILE_WIDTH in tags and min(lengths) < chunk_bytes)):
        raise Unreadable(f"it holds {held:,} of the {needed:,} bytes that its header promises")
    return in_memory


def _ratio(directories: _Directories, tags: dict) -> int:
    codec = directories.values(tags[COMPRESSION])[0] if COMPRESSION in tags else 1
    return RATIO if codec in _PLAIN_CODECS else DENSE_RATIO


def _colour(photometric: int, samples: int, compression: int, tags: dict) -> tuple[str, tuple[str, ...]]:
    if photometric in _UNSUPPORTED_COLOURS:
        raise Unreadable(f"{_UNSUPPORTED_COLOURS[photometric]} is not supported")
    colour, own = {2: ("rgb", 3), 3: ("palette", 1), 5: ("cmyk", 4), 6: ("ycbcr", 3)}.get(photometric, ("grey", 1))
    if colour == "grey" and samples == 3:
        colour, own = "rgb", 3
    if samples < own:
        raise Unreadable(f"its header promises colour but has {samples} of {own} values a pixel")
    if colour == "palette" and COLOUR_MAP not in tags:
        raise Unreadable("its table of colours is missing")
    if colour == "ycbcr" and compression in _JPEG_CODECS:
        colour = "rgb"  # decoded as such
    if samples == own:
        return colour, ()
    if samples == own + 1:
        return colour, ("The transparency of the slices, or their last channel, is left out.",)
    shown = "only the first is shown" if own == 1 else f"only the first {own} are shown"
    return colour, (f"Each pixel has {samples} values; {shown}.",)


def _dtype(bits: int, sample_format: int) -> str:
    """As numpy calls it; raises Unreadable for what has no name."""
    width = next(size for size in (8, 16, 32, 64, 128) if bits <= size)
    kind = {1: "uint", 2: "int", 3: "float", 4: "uint", 5: "complex", 6: "complex"}.get(sample_format)
    if kind in ("uint", "int") and width <= 64:
        return f"{kind}{width}"
    if kind == "float" and bits in (16, 24, 32, 64):
        return f"float{width}"
    if kind == "complex" and bits in (64, 128):
        return f"float{width // 2}"
    if kind == "complex" and bits == 32:
        return "float32"
    raise Unreadable(f"pixels of {bits} bits of this kind are not supported")


def _imagej_pages(directories: _Directories, pages: list[Page], description: str) -> tuple[list[Page], list[str]]:
    """Pages of an ImageJ stack over 4 GB and the like: one directory, the rest of the pictures right behind the first one's pixels."""
    images = imagej_number(description, "images")
    if not images or images <= len(pages) or len(pages) != 1 or pages[0].problem:
        return pages, []
    try:
        tags, _ = directories.read(directories.first)
        starts = directories.values(tags[OFFSETS])
        if COMPRESSION in tags and directories.values(tags[COMPRESSION])[0] != 1:
            return pages, []
        bits = directories.values(tags[BITS])
        lengths = directories.values(tags[COUNTS])
    except (Unreadable, KeyError):
        return pages, []
    page = pages[0]
    if (
        page.colour not in ("grey", "rgb")
        or max(bits) % 8
        or page.orientation != 1
        or any(a + n != b for a, n, b in zip(starts, lengths, starts[1:], strict=False))
    ):
        return pages, []
    size = page.height * page.width * page.samples * max(bits) // 8
    held = min(images, (directories.file.size - starts[0]) // size)
    notes = [] if held == images else [f"The file is cut short: {held} of its {images} slices are there."]
    dtype = page.dtype if page.dtype.startswith(("u", "i", "f")) else ""
    if not dtype or held < 1 or size != page.height * page.width * page.samples * int(re.sub(r"\D", "", dtype)) // 8:
        return pages, []
    return [replace(page, index=0, offset=starts[0] + z * size) for z in range(held)], notes


def imagej_number(description: str, name: str) -> int:
    """A whole number of ImageJ's description, e.g. `slices`; 0 where it is none."""
    if not description.startswith("ImageJ="):
        return 0
    found = re.search(rf"^{name}=([0-9]{{1,9}})\s*$", description, re.MULTILINE)
    return int(found.group(1)) if found else 0
