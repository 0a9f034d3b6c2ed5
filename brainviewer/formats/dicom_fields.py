"""The raw values of a DICOM header, and the stream they are read from. No identity attribute is ever asked for."""

from __future__ import annotations

import io
import math
import mmap
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from . import gzipped

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

_MOST_INFLATED_BYTES = 1 << 30


@cache
def library_errors() -> tuple[type[Exception], ...]:
    """What pydicom and its decoders raise on damaged files."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (*_ERRORS, BytesLengthException, InvalidDicomError)


class Fields:
    """The values of one data set or sequence item as text and numbers; what is missing or senseless reads as None or "".

    They are taken from the raw bytes: pydicom's own conversion takes most of the time and quotes values in its warnings.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def raw(self, keyword: str) -> object:
        """Bytes as they stand in the file, or what pydicom made of them where it had to."""
        return getattr(self.dataset.get_item(_tag(keyword)), "value", None)

    def strings(self, keyword: str) -> list[str]:
        value = self.raw(keyword)
        if isinstance(value, bytes):
            return [part.strip(" \0") for part in value.decode("latin-1").split("\\")]
        if value is None:
            return []
        many = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
        return [str(part).strip(" \0") for part in many]  # type: ignore[attr-defined]

    def string(self, keyword: str) -> str:
        return (self.strings(keyword) or [""])[0]

    def text(self, keyword: str) -> str:
        """Free text in the file's own character set, in one line."""
        from pydicom.charset import decode_bytes

        value = self.raw(keyword)
        if isinstance(value, bytes):
            if value.isascii() and b"\x1b" not in value:  # the same in all of them, but for a yen sign in place of a backslash
                return _one_line(value.decode("ascii"))
            try:
                return _one_line(decode_bytes(value, _encodings(self.dataset), {0x0A, 0x0C, 0x0D, 0x09}))
            except (LookupError, ValueError, TypeError):
                return _one_line(value.decode("latin-1"))
        return _one_line(str(value or ""))

    def numbers(self, keyword: str) -> list[float]:
        try:
            numbers = [float(part) for part in self.strings(keyword) if part]
        except ValueError:
            return []
        return numbers if all(math.isfinite(number) for number in numbers) else []

    def number(self, keyword: str) -> float | None:
        return next(iter(self.numbers(keyword)), None)

    def whole(self, keyword: str) -> int | None:
        number = self.number(keyword)
        return int(number) if number is not None and abs(number) < 1e15 else None

    def short(self, keyword: str, *, signed: bool = False) -> int | None:
        """A 16-bit number, whatever the file calls its type."""
        value = self.raw(keyword)
        if isinstance(value, bytes):
            if len(value) < 2:
                return None
            return int(struct.unpack(("<" if self.little else ">") + ("h" if signed else "H"), value[:2])[0])
        return int(value) if isinstance(value, int) else None

    def double(self, keyword: str) -> float | None:
        value = self.raw(keyword)
        if isinstance(value, bytes):
            if len(value) < 8:
                return None
            value = struct.unpack(("<" if self.little else ">") + "d", value[:8])[0]
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None

    def items(self, keyword: str) -> list[Fields]:
        """The items of a sequence."""
        try:
            value = getattr(self.dataset, keyword, None)
        except library_errors():
            return []
        return [Fields(item) for item in value] if value is not None and hasattr(value, "__iter__") and not isinstance(value, (str, bytes)) else []

    def item(self, keyword: str) -> Fields | None:
        return next(iter(self.items(keyword)), None)

    @property
    def little(self) -> bool:
        """Byte order."""
        return self.dataset.original_encoding[1] is not False


def _one_line(text: str) -> str:
    return " ".join(text.replace("\0", " ").split())


def _encodings(dataset: Dataset) -> list[str]:
    encodings = getattr(dataset, "_character_set", None) or ["iso8859"]
    return [encodings] if isinstance(encodings, str) else list(encodings)


_KEYWORDS = """
SpecificCharacterSet SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID SeriesNumber InstanceNumber SeriesDescription ProtocolName
Modality ImageType ImagePositionPatient ImageOrientationPatient PixelSpacing SliceThickness SpacingBetweenSlices FrameOfReferenceUID
Rows Columns SamplesPerPixel BitsAllocated BitsStored HighBit PixelRepresentation PhotometricInterpretation NumberOfFrames
RescaleSlope RescaleIntercept WindowCenter WindowWidth VOILUTFunction VOILUTSequence ModalityLUTSequence PixelPaddingValue
PixelPaddingRangeLimit LossyImageCompression LossyImageCompressionRatio RepetitionTime EchoTime InversionTime FlipAngle EchoNumbers EchoTrainLength
AcquisitionNumber TemporalPositionIdentifier TriggerTime DiffusionBValue AcquisitionTime ContentTime MagneticFieldStrength Manufacturer
ManufacturerModelName SequenceName ScanningSequence MRAcquisitionType ContrastBolusAgent AcquisitionMatrix BodyPartExamined
SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence PulseSequenceName DirectoryRecordSequence
""".split()  # noqa: SIM905 - sixty lines of quotation marks read worse
MOSAIC_TAG = 0x0019100A


@cache
def _tag(keyword: str) -> int:
    from pydicom.datadict import tag_for_keyword
    from pydicom.tag import Tag

    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return Tag(tag)


@cache
def tags() -> list[int]:
    """The tags that a listing reads."""
    return [*(_tag(keyword) for keyword in _KEYWORDS), MOSAIC_TAG]


def open_stream(path: Path) -> BinaryIO:
    """A file's content to read and seek in, inflated where it is gzipped; no read is longer than what is left of it.

    Raises:
        OSError: from the file.
        gzipped.Damaged: where a gzip stream breaks.
    """
    with open(path, "rb") as stream:
        if stream.read(2) == gzipped.MAGIC:
            content = bytearray()
            for piece in gzipped.inflate(path):
                content += piece
                if len(content) > _MOST_INFLATED_BYTES:
                    raise gzipped.Damaged("it inflates to more than 1 GB")
            return io.BytesIO(bytes(content))
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)  # type: ignore[return-value]
