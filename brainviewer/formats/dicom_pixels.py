"""The pixels of DICOM frames as values: unpacked, decoded, turned the right way round, rescaled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import gzipped
from .dicom_codecs import DECODER_DEPENDENCIES, LABEL, add_codecs, is_available
from .dicom_fields import library_errors, open_stream
from .dicom_headers import Frame
from .dicom_storage import Pixels, is_compressed
from .series import reason

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_DECODED_KEYWORDS = """
Rows Columns SamplesPerPixel BitsAllocated BitsStored HighBit PixelRepresentation PhotometricInterpretation PlanarConfiguration NumberOfFrames
PixelData ExtendedOffsetTable ExtendedOffsetTableLengths ModalityLUTSequence
RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor
RedPaletteColorLookupTableData GreenPaletteColorLookupTableData BluePaletteColorLookupTableData
SegmentedRedPaletteColorLookupTableData SegmentedGreenPaletteColorLookupTableData SegmentedBluePaletteColorLookupTableData
""".split()  # noqa: SIM905 - forty lines of quotation marks read worse

_WHOLE_WORDS = ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1.99")
"""Syntaxes that pack the words of the file as they are: run lengths and deflated data sets."""


class Unreadable(Exception):
    """A frame's pixels cannot be had; the message is a clause that says why."""


@dataclass(frozen=True, slots=True)
class Values:
    """What the stored numbers of a stack become: one type for all its frames."""

    dtype: np.dtype
    channels: tuple[str, ...]


def values_of(frames: Sequence[Frame]) -> Values:
    """The smallest type that holds every value of a stack exactly, or floats where a rescale gives fractions."""
    pixels = frames[0].file.pixels
    if pixels.colour:
        return Values(np.dtype(np.uint8), ("red", "green", "blue"))
    if any(frame.file.pixels.lookup for frame in frames):
        return Values(np.dtype(np.uint16), ("grey",))
    if pixels.floating:
        return Values(np.dtype(np.float64 if pixels.keyword.startswith("Double") else np.float32), ("grey",))
    if all(_identity(frame) for frame in frames):
        kinds = [np.dtype(f"{'i' if frame.file.pixels.signed else 'u'}{frame.file.pixels.bits_allocated // 8}") for frame in frames]
        return Values(np.result_type(*set(kinds)), ("grey",))
    if all(float(frame.slope).is_integer() and float(frame.intercept).is_integer() for frame in frames):
        ends = [frame.slope * end + frame.intercept for frame in frames for end in frame.file.pixels.stored_range]
        for kind in (np.int16, np.uint16, np.int32):
            if np.iinfo(kind).min <= min(ends) and max(ends) <= np.iinfo(kind).max:
                return Values(np.dtype(kind), ("grey",))
    deep = max(frame.file.pixels.bits_stored for frame in frames) > 24
    return Values(np.dtype(np.float64 if deep else np.float32), ("grey",))


def read_frame(frame: Frame, target: np.ndarray) -> None:
    """Fills (rows, columns, C) of the stack's dtype with one frame's values.

    Raises:
        Unreadable: with the reason.
    """
    pixels = frame.file.pixels
    try:
        if pixels.colour:
            target[...] = _colour(frame)
            return
        if pixels.lookup:
            target[..., 0] = _looked_up(frame)
            return
        if _plain(frame, target):
            _read_into(frame, target)
            return
        stored = _native(frame) if pixels.offset >= 0 else _decoded(frame)[0]
        if stored.shape != target.shape[:2]:
            raise Unreadable("its pixels are not what its header announces")
        target[..., 0] = _rescaled(stored, frame, target.dtype)
    except OSError as error:
        raise Unreadable(reason(error)) from error
    except MemoryError as error:
        raise Unreadable("there is not enough memory") from error


def _identity(frame: Frame) -> bool:
    return frame.slope == 1 and frame.intercept == 0


# --- uncompressed --------------------------------------------------------------------------------------------------------------------------


def _plain(frame: Frame, target: np.ndarray) -> bool:
    """Whether the file's bytes are the values as they stand."""
    pixels = frame.file.pixels
    return (
        pixels.offset >= 0
        and not pixels.zipped
        and not pixels.inverted
        and not pixels.floating
        and _identity(frame)
        and pixels.bits_stored == pixels.bits_allocated
        and target.dtype == _stored_dtype(pixels)
        and target.flags.c_contiguous
    )


def _stored_dtype(pixels: Pixels) -> np.dtype:
    kind = "f" if pixels.floating else "i" if pixels.signed else "u"
    return np.dtype(f"{'>' if pixels.big_endian else '<'}{kind}{pixels.bits_allocated // 8}")


def _read_into(frame: Frame, target: np.ndarray) -> None:
    """Bytes straight from the file into an array of their own size."""
    pixels = frame.file.pixels
    place = target.reshape(-1).view(np.uint8).data
    with open(frame.file.path, "rb", buffering=0) as stream:
        stream.seek(pixels.offset + frame.index * pixels.frame_bytes)
        filled = 0
        while filled < len(place):
            got = stream.readinto(place[filled:])
            if not got:
                raise Unreadable(f"it is cut short ({filled:,} of {len(place):,} bytes)")
            filled += got


def _native(frame: Frame) -> np.ndarray:
    """(rows, columns) of uncompressed stored values, native byte order, cleared of what is not theirs."""
    pixels = frame.file.pixels
    stored = np.empty((pixels.rows, pixels.columns), _stored_dtype(pixels))
    if pixels.zipped:
        start = pixels.offset + frame.index * pixels.frame_bytes
        data = _inflated(frame.file.path)[start : start + pixels.frame_bytes]
        if len(data) < pixels.frame_bytes:
            raise Unreadable(f"it is cut short ({len(data):,} of {pixels.frame_bytes:,} bytes)")
        stored[...] = np.frombuffer(data, stored.dtype).reshape(stored.shape)
    else:
        _read_into(frame, stored)
    stored = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    return stored if pixels.floating else _clear_unused(stored, pixels)


@lru_cache(maxsize=1)
def _inflated(path: Path) -> memoryview:
    """The whole content of a gzipped file; the last one is kept, as its frames come one after another."""
    try:
        with open_stream(path) as stream:
            return memoryview(stream.read())
    except gzipped.Damaged as error:
        raise Unreadable(str(error)) from error


def _clear_unused(stored: np.ndarray, pixels: Pixels) -> np.ndarray:
    """The bits that are the pixel's own, sign and all: the others may hold overlays or rubbish."""
    width = 8 * stored.dtype.itemsize
    if pixels.bits_stored >= width:
        return stored
    stored = np.left_shift(stored, stored.dtype.type(width - 1 - pixels.high_bit))
    return np.right_shift(stored, stored.dtype.type(width - pixels.bits_stored))


# --- decoded -------------------------------------------------------------------------------------------------------------------------------


def _decoded(frame: Frame) -> tuple[np.ndarray, Dataset]:
    """One frame through pydicom's decoders: (rows, columns) or (rows, columns, 3), and the data set with what else is needed."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    add_codecs()
    syntax = UID(frame.file.pixels.syntax)
    name = syntax.name if syntax.name != str(syntax) else f"transfer syntax {syntax or 'without a name'}"
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise Unreadable(f"its pixels are compressed as {name}, which cannot be decoded") from error
    plugin = LABEL if syntax in DECODER_DEPENDENCIES else ""
    if is_compressed(syntax) and not (is_available(syntax) if plugin else decoder.is_available):
        raise Unreadable(f"its pixels are compressed as {name}, which cannot be decoded here")
    dataset = _pixel_dataset(frame.file.path)
    try:
        array, _ = decoder.as_array(dataset, index=frame.index, decoding_plugin=plugin, correct_unused_bits=False)  # type: ignore[arg-type]
    except library_errors() as error:
        raise Unreadable(f"its pixels ({name}) are damaged or of a kind that cannot be decoded") from error
    return _own_bits(array, frame.file.pixels), dataset


def _own_bits(decoded: np.ndarray, pixels: Pixels) -> np.ndarray:
    """The same of decoded values: a codestream may hold the whole words of the file, rubbish and all, and some codecs know no signs.

    Raises:
        Unreadable: where a codestream may or may not hold the bits in the unusual place that the header gives.
    """
    if decoded.dtype.kind not in "iu" or pixels.high_bit == pixels.bits_stored - 1:
        return _clear_unused(decoded, pixels)
    if pixels.syntax not in _WHOLE_WORDS:
        raise Unreadable(f"its header puts {pixels.bits_stored} bits below bit {pixels.high_bit + 1}, which compressed pixels do not allow")
    return _clear_unused(decoded, pixels)


@lru_cache(maxsize=1)
def _pixel_dataset(path: Path) -> Dataset:
    """The data set of a file with its pixels, none of its other content; the last one is kept, as its frames come one after another."""
    from pydicom import dcmread
    from pydicom.datadict import tag_for_keyword

    tags = [tag for keyword in _DECODED_KEYWORDS if (tag := tag_for_keyword(keyword)) is not None]
    try:
        with open_stream(path) as stream:
            dataset = dcmread(stream, specific_tags=tags, force=True)
            _fill_in(dataset)
            return dataset
    except gzipped.Damaged as error:
        raise Unreadable(str(error)) from error
    except library_errors() as error:
        raise Unreadable("its header is damaged, or it is cut short") from error


def forget_file() -> None:
    """Lets go of the file that was read last."""
    _pixel_dataset.cache_clear()
    _inflated.cache_clear()


def _fill_in(dataset: Dataset) -> None:
    """pydicom's decoders ask for the defaults that many files leave out."""
    if "SamplesPerPixel" not in dataset:
        dataset.SamplesPerPixel = 1
    if "PhotometricInterpretation" not in dataset:
        dataset.PhotometricInterpretation = "RGB" if dataset.SamplesPerPixel == 3 else "MONOCHROME2"
    if "PixelRepresentation" not in dataset:
        dataset.PixelRepresentation = 0
    if "BitsStored" not in dataset:
        dataset.BitsStored = dataset.BitsAllocated
    if dataset.SamplesPerPixel == 3 and "PlanarConfiguration" not in dataset:
        dataset.PlanarConfiguration = 0


def _colour(frame: Frame) -> np.ndarray:
    """(rows, columns, 3) uint8 RGB."""
    from pydicom.pixels import apply_color_lut

    array, dataset = _decoded(frame)
    if frame.file.pixels.photometric == "PALETTE COLOR":
        try:
            array = apply_color_lut(array, dataset)[..., :3]
        except library_errors() as error:
            raise Unreadable("its palette is damaged") from error
        bits = 8 * array.dtype.itemsize
    else:
        bits = frame.file.pixels.bits_stored
    if array.shape != (frame.file.pixels.rows, frame.file.pixels.columns, 3):
        raise Unreadable("its pixels are not what its header announces")
    return (array >> (bits - 8) if bits > 8 else array).astype(np.uint8)


def _looked_up(frame: Frame) -> np.ndarray:
    """(rows, columns) uint16 through the file's own table of values."""
    from pydicom.pixels import apply_modality_lut

    array, dataset = _decoded(frame)
    try:
        return np.clip(apply_modality_lut(array, dataset), 0, 65535)
    except library_errors() as error:
        raise Unreadable("its table of values (modality LUT) is damaged") from error


# --- values --------------------------------------------------------------------------------------------------------------------------------


def _rescaled(stored: np.ndarray, frame: Frame, dtype: np.dtype) -> np.ndarray:
    """Stored numbers to values: MONOCHROME1 turned round (bright means much everywhere), then slope and intercept."""
    pixels = frame.file.pixels
    if pixels.inverted:
        low, high = pixels.stored_range if not pixels.floating else (float(np.nanmin(stored)), float(np.nanmax(stored)))
        stored = (low + high) - stored.astype(np.float64 if pixels.floating else np.int64)
    if _identity(frame):
        return stored.astype(dtype, copy=False)
    wide = np.float32 if dtype == np.float32 else np.float64
    values = stored.astype(wide)
    np.multiply(values, frame.slope, out=values)
    np.add(values, frame.intercept, out=values)
    return values.astype(dtype, copy=False)


def turned_window(frame: Frame) -> tuple[float, float] | None:
    """The file's window in the values that `read_frame` gives."""
    if frame.window is None or not frame.file.pixels.inverted or frame.file.pixels.floating:
        return frame.window
    low, high = frame.file.pixels.stored_range
    total = frame.slope * (low + high) + 2 * frame.intercept
    return total - frame.window[1], total - frame.window[0]


def padding_of(frame: Frame) -> tuple[float, float] | None:
    """(lowest, highest) value that stands for no tissue, in the values that `read_frame` gives, or None."""
    pixels = frame.file.pixels
    if pixels.padding is None:
        return None
    ends = pixels.padding
    if pixels.inverted:
        total = sum(pixels.stored_range)
        ends = (total - ends[1], total - ends[0])
    values = sorted(frame.slope * end + frame.intercept for end in ends)
    return (values[0], values[1]) if all(math.isfinite(value) for value in values) else None
