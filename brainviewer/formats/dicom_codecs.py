"""Decoders of compressed DICOM pixels, from imagecodecs: JPEG (libjpeg-turbo), JPEG-LS (CharLS), JPEG 2000 and HTJ2K (OpenJPEG).

The module has the shape of a pydicom plugin: `DECODER_DEPENDENCIES`, `is_available` and a function that decodes one frame. It is the only
plugin that is used, as the others crash, or allocate what a damaged header asks for; run-length encoding is pydicom's own.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

LABEL = "brainviewer"

_JPEG = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70))
JPEG_LS = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (80, 81))
_JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203))
DECODER_DEPENDENCIES = dict.fromkeys((*_JPEG, *JPEG_LS, *_JPEG_2000), ("numpy", "imagecodecs"))

_SIZED = frozenset((*range(0xC0, 0xD0), 0xF7)) - {0xC4, 0xC8, 0xCC}
"""Markers of JPEG and JPEG-LS segments that give the size of the picture."""

_BARE = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers without a segment."""


def is_available(uid: str) -> bool:
    """Whether a transfer syntax can be decoded here."""
    try:
        import imagecodecs
    except ImportError:
        return False
    codec = imagecodecs.JPEG8 if uid in _JPEG else imagecodecs.JPEGLS if uid in JPEG_LS else imagecodecs.JPEG2K
    return bool(codec.available)


@cache
def add_codecs() -> None:
    """Makes the decoders known to pydicom, once."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    for uid in DECODER_DEPENDENCIES:
        get_decoder(UID(uid)).add_plugin(LABEL, (__name__, "decode_frame"))


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """One frame's codestream to its pixels, colour by pixel.

    Raises:
        ValueError: where the codestream is not what the file says.
        RuntimeError: from the codec.
    """
    import imagecodecs

    syntax = str(runner.transfer_syntax)
    samples = runner.samples_per_pixel
    expected = (runner.rows, runner.columns, samples)
    # Checked before the codec allocates what the codestream asks for.
    if (size := codestream_size(source)) != expected:
        raise ValueError(f"The codestream must have the file's own size. Received: {size}, expected {expected}")
    if syntax in _JPEG:
        # The same colours in and out: what they mean is the file's to say, and pydicom's to convert.
        same = "YCBCR" if samples == 3 else None
        array = imagecodecs.jpeg8_decode(source, colorspace=same, outcolorspace=same)
    elif syntax in JPEG_LS:
        array = imagecodecs.jpegls_decode(source)
    else:
        array = imagecodecs.jpeg2k_decode(source)
        if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
            runner.set_option("photometric_interpretation", "RGB")
    if array.shape != (expected if samples > 1 else expected[:2]):
        raise ValueError(f"The picture must have the file's own size. Received: shape={array.shape}, expected {expected}")
    runner.set_option("bits_allocated", 8 * array.dtype.itemsize)
    if samples > 1:
        runner.set_option("planar_configuration", 0)
    return np.ascontiguousarray(array).tobytes()


def codestream_size(source: bytes) -> tuple[int, int, int]:
    """(rows, columns, samples) that a JPEG, JPEG-LS or JPEG 2000 codestream announces.

    Raises:
        ValueError: if it announces none.
    """
    start = source.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start >= 0:
        if len(source) < start + 42:
            raise ValueError("The codestream ends within its header.")
        right, bottom, left, top = struct.unpack(">4I", source[start + 8 : start + 24])
        return bottom - top, right - left, int(struct.unpack(">H", source[start + 40 : start + 42])[0])
    position = 2
    while position + 10 <= len(source):
        if source[position] != 0xFF:
            break
        marker = source[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker in _BARE:
            position += 2
        elif marker in _SIZED:
            rows, columns, samples = struct.unpack(">HHB", source[position + 5 : position + 10])
            return rows, columns, samples
        else:
            position += 2 + int(struct.unpack(">H", source[position + 2 : position + 4])[0])
    raise ValueError("The codestream does not say how large the picture is.")
