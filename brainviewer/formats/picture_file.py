"""What is known of a picture file before its pixels are read, and the careful reading of its first bytes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

SMALLEST_SIDE = 4
"""Pictures with fewer pixels to a side are refused."""

ROOM_BYTES = 1 << 24
RATIO = 1400
DENSE_RATIO = 20_000
"""A compressed file may claim 16 MiB, or this many times its size: Deflate reaches 1,032, LZW some 1,300; an empty picture in ZSTD, LZMA,
WebP, JPEG or fax goes beyond that."""

TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PNG_MARK = b"\x89PNG\r\n\x1a\n"
JPEG_MARK = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Page:
    """One picture of a file.

    Attributes:
        index: position in the file's chain of directories.
        height, width: in pixels, as shown: after the turn that the file asks for.
        colour: "grey", "rgb" (three channels of any meaning), "palette", "cmyk" or "ycbcr".
        samples: values a pixel in the file.
        dtype: of what is read: native byte order, complex numbers by their magnitude.
        orientation: 1..8 as in TIFF and EXIF.
        inverted: whether 0 is white.
        bilevel: whether a pixel has one bit.
        offset: where the uncompressed pixels lie, of pages that have no directory of their own; else None.
        notes: sentences.
        problem: why it cannot be read, as the end of a sentence, or "".
    """

    index: int
    height: int = 0
    width: int = 0
    colour: str = "grey"
    samples: int = 1
    dtype: str = "uint8"
    orientation: int = 1
    inverted: bool = False
    offset: int | None = None
    bilevel: bool = False
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def channels(self) -> int:
        """Channels of what is read: 1 or 3."""
        return 1 if self.colour == "grey" else 3


@dataclass(frozen=True, slots=True)
class Picture:
    """One file.

    Attributes:
        format: "tiff" or "picture".
        pages: at least one; thumbnails are left out.
        description: the first page's, for ImageJ and OME.
        pixels_per_unit: (x, y) of the first page's resolution tags, or None.
        notes: sentences.
    """

    path: Path
    format: str
    pages: tuple[Page, ...]
    description: str = ""
    pixels_per_unit: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


class Unreadable(Exception):
    """Its text is the end of a sentence: `the file is cut short`."""


class BoundedBytes:
    """Bounded reading of a file through one small window: most headers lie close together."""

    __slots__ = ("_descriptor", "_start", "_window", "size")

    def __init__(self, descriptor: int, size: int) -> None:
        self.size = size
        self._descriptor = descriptor
        self._start, self._window = 0, b""

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes.

        Raises:
            Unreadable: where the file ends before.
        """
        at = offset - self._start
        if not 0 <= at <= len(self._window) - count:
            if offset < 0 or offset + count > self.size:
                raise Unreadable(f"the file is cut short or damaged (it has {self.size:,} bytes and refers to byte {offset + count:,})")
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            self._start, self._window = offset, os.read(self._descriptor, max(count, 4096))
            while len(self._window) < count:
                more = os.read(self._descriptor, count - len(self._window))
                if not more:
                    raise Unreadable("the file became shorter while it was read")
                self._window += more
            at = 0
        return self._window[at : at + count]


def check_room(wanted: int, held: int, ratio: int = RATIO) -> None:
    """Refuses a size that no such file can hold.

    Args:
        wanted: bytes of the decoded picture.
        held: bytes of the file.
        ratio: how densely its codec can pack.

    Raises:
        Unreadable: with the numbers.
    """
    if wanted > max(ROOM_BYTES, ratio * held):
        raise Unreadable(f"its header promises {wanted:,} bytes of pixels, more than a file of {held:,} bytes can hold")


def check_side(height: int, width: int) -> None:
    if height < SMALLEST_SIDE or width < SMALLEST_SIDE:
        raise Unreadable(f"a picture of {width} x {height} pixels is too small for a scan")
