"""Decoders that pydicom has no plugin for, from imagecodecs: 12-bit JPEG (libjpeg-turbo) and high-throughput JPEG 2000 (OpenJPEG).

The module has the shape of a pydicom plugin: `DECODER_DEPENDENCIES`, `is_available` and a function that decodes one frame.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_HTJ2K = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")
DECODER_DEPENDENCIES = dict.fromkeys((_JPEG_EXTENDED, *_HTJ2K), ("numpy", "imagecodecs"))
_LABEL = "brainviewer"


def is_available(uid: str) -> bool:
    """Whether a transfer syntax can be decoded here."""
    try:
        import imagecodecs
    except ImportError:
        return False
    return bool((imagecodecs.JPEG8 if uid == _JPEG_EXTENDED else imagecodecs.JPEG2K).available)


@cache
def add_codecs() -> None:
    """Makes the decoders known to pydicom, once."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    for uid in DECODER_DEPENDENCIES:
        get_decoder(UID(uid)).add_plugin(_LABEL, (__name__, "decode_frame"))


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """One frame's codestream to its pixels, colour by pixel.

    Raises:
        ValueError: where the codestream is not what the file says.
        RuntimeError: from the codec.
    """
    import imagecodecs

    extended = runner.transfer_syntax == _JPEG_EXTENDED
    array = (imagecodecs.jpeg8_decode if extended else imagecodecs.jpeg2k_decode)(source)
    expected = (runner.rows, runner.columns, runner.samples_per_pixel)[: 2 if runner.samples_per_pixel == 1 else 3]
    if array.shape != expected:
        raise ValueError(f"The codestream must have the file's own size. Received: shape={array.shape}, expected={expected}")
    runner.set_option("bits_allocated", 8 * array.dtype.itemsize)
    if runner.samples_per_pixel > 1:
        runner.set_option("planar_configuration", 0)
        runner.set_option("photometric_interpretation", "RGB")
    return np.ascontiguousarray(array).tobytes()
