"""How the pixels of one DICOM file are stored, believed only as far as the file's size allows."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from .dicom_fields import Fields

_SMALL_RATIO = 4096
_SMALL_BYTES = 16 << 20
"""Compressed pixels may become that many times their size, or that many bytes, whichever is more."""

GE_BIG_ENDIAN = "1.2.840.113619.5.2"
"""GE's own transfer syntax: a little endian header before big endian pixels."""

_LONG_TYPES = (b"OB", b"OW", b"OF", b"OD", b"OV", b"UN")
"""Types that an element of pixels may state. No implicit length begins with one of them: it would be odd, or over a gigabyte."""

_UNDEFINED = 0xFFFFFFFF
"""The length of an element that ends where it says so."""

_PIXEL_KEYWORDS = {0x0010: "PixelData", 0x0009: "DoubleFloatPixelData", 0x0008: "FloatPixelData"}


@dataclass(frozen=True, slots=True)
class Pixels:
    """How the pixels of one file are stored.

    Attributes:
        syntax: UID of the transfer syntax.
        keyword: of the element that holds them.
        offset: of the first byte of an uncompressed file's pixels, or -1 where a decoder is needed.
        big_endian: byte order of uncompressed pixels.
        padding: (lowest, highest) stored value that stands for no tissue, or None.
    """

    syntax: str
    keyword: str
    offset: int
    big_endian: bool
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    frames: int
    padding: tuple[int, int] | None
    lookup: bool
    zipped: bool

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * self.samples * self.bits_allocated // 8

    @property
    def colour(self) -> bool:
        return self.samples == 3 or self.photometric == "PALETTE COLOR"

    @property
    def inverted(self) -> bool:
        return self.photometric == "MONOCHROME1"

    @property
    def floating(self) -> bool:
        return self.keyword != "PixelData"

    @property
    def stored_range(self) -> tuple[int, int]:
        """The lowest and highest stored value that the bits can hold."""
        return (-(1 << self.bits_stored - 1), (1 << self.bits_stored - 1) - 1) if self.signed else (0, (1 << self.bits_stored) - 1)


def pixels_at(stream: BinaryIO, fields: Fields, syntax: str, size: int, *, zipped: bool) -> Pixels | str | None:
    """How the pixels are stored, a sentence that says why they cannot be shown, or None where there are none.

    The stream stands where the pixel element begins, or at its end.
    """
    dataset = fields.dataset
    order = "<" if dataset.original_encoding[1] is not False else ">"
    head = stream.read(12)
    if len(head) < 8:
        return None
    group, element = struct.unpack(order + "HH", head[:4])
    if group != 0x7FE0 or element not in _PIXEL_KEYWORDS:
        return None
    start = stream.tell()
    # The element itself tells, not the transfer syntax: some programs write another one than they state.
    if head[4:6] not in _LONG_TYPES:
        length, start = struct.unpack(order + "I", head[4:8])[0], start - len(head) + 8
    elif len(head) == 12:
        length = struct.unpack(order + "I", head[8:12])[0]
    else:
        return "It is cut short before its pixels."
    big = order == ">" or syntax == GE_BIG_ENDIAN
    return _described(fields, syntax, _PIXEL_KEYWORDS[element], start, length, size, big=big, zipped=zipped, stream=stream)


def deflated_pixels(stream: BinaryIO, fields: Fields) -> Pixels | str | None:
    """The same of a file whose whole data set is deflated."""
    from pydicom import dcmread
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    stream.seek(0)
    whole = dcmread(stream, specific_tags=[0x7FE00010], force=True)
    data = whole.get("PixelData")
    if not isinstance(data, bytes):
        return None
    syntax = str(DeflatedExplicitVRLittleEndian)
    return _described(fields, syntax, "PixelData", -1, len(data), len(data), big=False, zipped=False, stream=None)


def _described(
    fields: Fields, syntax: str, keyword: str, start: int, length: int, size: int, *, big: bool, zipped: bool, stream: BinaryIO | None
) -> Pixels | str:
    rows, columns = fields.short("Rows"), fields.short("Columns")
    if not rows or not columns:
        return "It has pixels, but does not say how many rows and columns."
    allocated = fields.short("BitsAllocated") or (16 if keyword == "PixelData" else 64 if keyword.startswith("Double") else 32)
    if keyword != "PixelData" and allocated != (32 if keyword == "FloatPixelData" else 64):
        return f"Its pixels are floats of {allocated} bits, which DICOM does not define."
    if keyword == "PixelData" and allocated not in (8, 16, 32):
        return f"Its pixels have {allocated} bits each, which cannot be shown."
    stored = fields.short("BitsStored") or allocated
    high = fields.short("HighBit")
    stored = stored if 1 <= stored <= allocated else allocated
    high = high if high is not None and stored - 1 <= high < allocated else stored - 1
    samples = fields.short("SamplesPerPixel") or 1
    if samples not in (1, 3):
        return f"Its pixels have {samples} colours each, which cannot be shown."
    signed = fields.short("PixelRepresentation") == 1
    frames = fields.whole("NumberOfFrames") or 1
    stated_native = keyword != "PixelData" or not is_compressed(syntax)
    needed = rows * columns * samples * allocated // 8 * frames
    # Pixels of exactly the right length are no codestream, whatever the file states: some programs decompress and keep the syntax.
    native = stated_native or (length != _UNDEFINED and length - needed in (0, 1) and samples == 1)
    if stated_native and length == _UNDEFINED and keyword == "PixelData":
        return "Its pixels come in pieces, as compressed ones do, but its header says that they are not compressed."
    photometric = fields.string("PhotometricInterpretation").upper() or ("RGB" if samples == 3 else "MONOCHROME2")
    direct = native and start >= 0 and samples == 1 and photometric != "PALETTE COLOR"
    low = fields.short("PixelPaddingValue", signed=signed)
    other = fields.short("PixelPaddingRangeLimit", signed=signed)
    padding = (
        None if low is None or keyword != "PixelData" else (min(low, low if other is None else other), max(low, low if other is None else other))
    )
    pixels = Pixels(
        syntax=syntax,
        keyword=keyword,
        offset=start if direct else -1,
        big_endian=big,
        rows=rows,
        columns=columns,
        samples=samples,
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        signed=signed,
        photometric=photometric,
        frames=frames,
        padding=padding,
        lookup=fields.item("ModalityLUTSequence") is not None,
        zipped=zipped,
    )
    return _size_refusal(pixels, start, length, size, stream, native=native) or pixels


def _size_refusal(pixels: Pixels, start: int, length: int, size: int, stream: BinaryIO | None, *, native: bool) -> str | None:
    """Why a header's numbers cannot be true of a file of this size, or None."""
    shape = f"{pixels.columns} x {pixels.rows} pixels" + (f" in {pixels.frames:,} frames" if pixels.frames != 1 else "")
    if pixels.frames < 1:
        return f"It announces {pixels.frames} frames."
    if native:
        needed = pixels.frame_bytes * pixels.frames
        if pixels.photometric == "YBR_FULL_422":
            needed = needed * 2 // 3
        available = min(length, size - max(start, 0)) if length != _UNDEFINED else size - max(start, 0)
        if available < needed:
            return f"It is cut short: {max(available, 0):,} of the {needed:,} bytes of {shape}."
        return None
    available = size - start
    if pixels.frame_bytes * pixels.frames > max(_SMALL_BYTES, _SMALL_RATIO * available):
        return f"It announces {shape}, but holds only {available:,} bytes."
    if pixels.frames > 1 and stream is not None and (fragments := _count_fragments(stream, start, size, pixels.frames)) < pixels.frames:
        return f"It is cut short: {fragments:,} of {pixels.frames:,} frames."
    return None


def _count_fragments(stream: BinaryIO, start: int, size: int, most: int) -> int:
    """How many pieces the compressed pixels come in, without the offset table; counted no further than `most`."""
    position, count = start, -1
    while count < most and position + 8 <= size:
        stream.seek(position)
        group, element, length = struct.unpack("<HHI", stream.read(8))
        if (group, element) != (0xFFFE, 0xE000) or position + 8 + length > size:
            break
        count += 1
        position += 8 + length
    return max(count, 0)


def is_compressed(syntax: str) -> bool:
    """Whether pixels of this transfer syntax need a decoder; True for syntaxes that nobody knows."""
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    native = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, GE_BIG_ENDIAN)
    return syntax not in native
