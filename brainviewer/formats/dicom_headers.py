"""What a DICOM file says about itself, read once, as far as the pixels and no further. No identity attribute is ever asked for."""

from __future__ import annotations

import io
import math
import mmap
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from . import gzipped
from .sequence import Timing

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
_SMALL_RATIO = 4096
_SMALL_BYTES = 16 << 20
_FAR_MM = 1e6


@cache
def library_errors() -> tuple[type[Exception], ...]:
    """What pydicom and its decoders raise on damaged files."""
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (*_ERRORS, BytesLengthException, InvalidDicomError)


class NotAnImage(Exception):
    """The file holds nothing to show; the message is a sentence."""


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


@dataclass(frozen=True, eq=False, slots=True)
class DicomFile:
    """One file that holds an image."""

    path: Path
    sop_class: str
    sop_instance: str
    study: str
    series: str
    series_number: int | None
    instance_number: int | None
    description: str
    modality: str
    words: str
    image_type: tuple[str, ...]
    frame_of_reference: str
    timing: Timing
    facts: dict[str, str]
    pixels: Pixels
    enhanced: bool
    mosaic: bool
    lossy: bool


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """One picture: a classic file, or one frame of a multi-frame file.

    Attributes:
        position: (x, y, z) LPS mm of the centre of the first voxel, or None.
        orientation: direction cosines of increasing column, then of increasing row, LPS; or None.
        spacing: (between rows, between columns) mm, or None.
        depth_mm: from slice to slice where only one slice is there to tell, or None.
        window: (low, high) in values, or None.
        splits: (name, value) of what tells volumes of one series apart, strongest first.
    """

    file: DicomFile
    index: int
    position: tuple[float, float, float] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    depth_mm: float | None
    slope: float
    intercept: float
    window: tuple[float, float] | None
    stack: str
    splits: dict[str, str] = field(default_factory=dict)


# --- raw values ----------------------------------------------------------------------------------------------------------------------------


class Fields:
    """The values of one data set or sequence item as text and numbers; what is missing or senseless reads as None or "".

    They are taken from the raw bytes: pydicom's own conversion takes most of the time and quotes values in its warnings.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def _raw(self, keyword: str) -> object:
        from pydicom.datadict import tag_for_keyword

        tag = tag_for_keyword(keyword)
        if tag is None or tag not in self.dataset:
            return None
        return getattr(self.dataset.get_item(tag), "value", None)

    def strings(self, keyword: str) -> list[str]:
        value = self._raw(keyword)
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

        value = self._raw(keyword)
        if isinstance(value, bytes):
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
        value = self._raw(keyword)
        if isinstance(value, bytes):
            if len(value) < 2:
                return None
            return int(struct.unpack(("<" if self._little else ">") + ("h" if signed else "H"), value[:2])[0])
        return int(value) if isinstance(value, int) else None

    def double(self, keyword: str) -> float | None:
        value = self._raw(keyword)
        if isinstance(value, bytes):
            if len(value) < 8:
                return None
            value = struct.unpack(("<" if self._little else ">") + "d", value[:8])[0]
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
    def _little(self) -> bool:
        return self.dataset.original_encoding[1] is not False


def _one_line(text: str) -> str:
    return " ".join(text.replace("\0", " ").split())


def _encodings(dataset: Dataset) -> list[str]:
    encodings = getattr(dataset, "_character_set", None) or ["iso8859"]
    return [encodings] if isinstance(encodings, str) else list(encodings)


# --- reading -------------------------------------------------------------------------------------------------------------------------------

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
_MOSAIC_TAG = 0x0019100A
_PIXEL_KEYWORDS = {0x0010: "PixelData", 0x0009: "DoubleFloatPixelData", 0x0008: "FloatPixelData"}


def tags() -> list[int]:
    """The tags that a listing reads."""
    from pydicom.datadict import tag_for_keyword

    return [tag for keyword in _KEYWORDS if (tag := tag_for_keyword(keyword)) is not None] + [_MOSAIC_TAG]


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


def read_file(path: Path) -> list[Frame]:
    """The frames of one file.

    Raises:
        NotAnImage: with a sentence that says what it is instead, or what is wrong.
    """
    try:
        with open_stream(path) as stream:
            return _read(path, stream)
    except gzipped.Damaged as error:
        raise NotAnImage(f"It could not be read: {error}.") from error
    except library_errors() as error:
        raise NotAnImage("Its DICOM header is damaged, or the file is cut short.") from error


def _read(path: Path, stream: BinaryIO) -> list[Frame]:
    from pydicom import dcmread
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    zipped = isinstance(stream, io.BytesIO)
    size = _size(stream)
    dataset = dcmread(stream, stop_before_pixels=True, specific_tags=tags(), force=True)
    syntax = _syntax(dataset)
    fields = Fields(dataset)
    if syntax == DeflatedExplicitVRLittleEndian:
        pixels = _deflated_pixels(stream, fields, size)
    else:
        pixels = _pixels(stream, fields, syntax, size, zipped=zipped)
    refusal = _no_scan(fields) if not isinstance(pixels, str) or fields.short("Rows") else None
    if refusal or isinstance(pixels, str):
        raise NotAnImage(refusal or str(pixels))
    file = _file(path, fields, pixels)
    return _frames(file, fields)


def _size(stream: BinaryIO) -> int:
    stream.seek(0, io.SEEK_END)
    size = stream.tell()
    stream.seek(0)
    return size


def _syntax(dataset: Dataset) -> str:
    """The transfer syntax; what was guessed where the file does not say."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    stated = str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", "") or "")
    if stated:
        return stated
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _no_scan(fields: Fields) -> str | None:
    """Why a file with pixels is no scan all the same."""
    name = _class_name(fields)
    if name.startswith("Segmentation") or fields.string("Modality") == "SEG":
        return "It is a segmentation (DICOM SEG), not a scan."
    if name.startswith("RT ") or fields.string("Modality") in ("RTDOSE", "RTIMAGE"):
        return f"It is a radiotherapy object ({name or fields.string('Modality')}), not a scan."
    return None


def _class_name(fields: Fields) -> str:
    from pydicom.uid import UID

    uid = UID(fields.string("SOPClassUID"))
    return "" if uid.name == str(uid) else uid.name.removesuffix(" Storage")


def _why_no_pixels(fields: Fields) -> str:
    """What a file without pixels is."""
    dataset = fields.dataset
    name, modality = _class_name(fields), fields.string("Modality")
    if "DirectoryRecordSequence" in dataset or "Directory" in name:
        return "It is an index of DICOM files (DICOMDIR); the files themselves are read."
    if "Presentation State" in name:
        return f"It is a presentation state ({name}), not an image."
    if name.startswith("RT ") or modality in ("RTPLAN", "RTSTRUCT", "RTRECORD"):
        return f"It is a radiotherapy object ({name or modality}), not an image."
    if " SR" in name or modality == "SR" or "Encapsulated" in name or "Document" in name or "Report" in name:
        return f"It is a report or document ({name or modality}), not an image."
    if fields.short("Rows") and fields.short("Columns"):
        return "It is cut short before its pixels, or was stored without them."
    if name or modality:
        return f"It holds no image ({name or modality})."
    if not len(dataset) and getattr(dataset, "preamble", None) is None:
        return "It is no DICOM file."
    return "It holds no image that is described in public DICOM attributes."


def _pixels(stream: BinaryIO, fields: Fields, syntax: str, size: int, *, zipped: bool) -> Pixels | str:
    """How the pixels are stored, or a sentence that says why there are none to show.

    The stream stands where the pixel element begins, or at its end.
    """
    dataset = fields.dataset
    implicit, little = dataset.original_encoding
    order = "<" if little is not False else ">"
    head = stream.read(12)
    if len(head) < 8:
        return _why_no_pixels(fields)
    group, element = struct.unpack(order + "HH", head[:4])
    if group != 0x7FE0 or element not in _PIXEL_KEYWORDS:
        return _why_no_pixels(fields)
    start = stream.tell()
    if implicit:
        length, start = struct.unpack(order + "I", head[4:8])[0], start - len(head) + 8
    elif len(head) == 12:
        length = struct.unpack(order + "I", head[8:12])[0]
    else:
        return "It is cut short before its pixels."
    return _described(fields, syntax, _PIXEL_KEYWORDS[element], start, length, size, big=order == ">", zipped=zipped, stream=stream)


def _deflated_pixels(stream: BinaryIO, fields: Fields, size: int) -> Pixels | str:
    from pydicom import dcmread
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    stream.seek(0)
    whole = dcmread(stream, specific_tags=[0x7FE00010], force=True)
    data = whole.get("PixelData")
    if not isinstance(data, bytes):
        return _why_no_pixels(fields)
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
    native = keyword != "PixelData" or not is_compressed(syntax)
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
        available = min(length, size - max(start, 0)) if length != 0xFFFFFFFF else size - max(start, 0)
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

    native = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, "1.2.840.113619.5.2")
    return syntax not in native


# --- one file ------------------------------------------------------------------------------------------------------------------------------

_FACTS = (
    ("Modality", "Modality", ""),
    ("Manufacturer", "Manufacturer", ""),
    ("Scanner", "ManufacturerModelName", ""),
    ("Field strength", "MagneticFieldStrength", " T"),
    ("Protocol", "ProtocolName", ""),
    ("Sequence", "SequenceName", ""),
    ("Acquisition", "MRAcquisitionType", ""),
    ("Repetition time", "RepetitionTime", " ms"),
    ("Echo time", "EchoTime", " ms"),
    ("Inversion time", "InversionTime", " ms"),
    ("Flip angle", "FlipAngle", "°"),
    ("Slice thickness", "SliceThickness", " mm"),
    ("Contrast agent", "ContrastBolusAgent", ""),
    ("Body part", "BodyPartExamined", ""),
)


def _file(path: Path, fields: Fields, pixels: Pixels) -> DicomFile:
    from pydicom.uid import UID

    per_frame = fields.items("PerFrameFunctionalGroupsSequence")
    enhanced = bool(per_frame)
    shared = fields.item("SharedFunctionalGroupsSequence")
    timing = _timing(fields, shared, per_frame[0] if per_frame else None)
    facts = {label: value + unit for label, keyword, unit in _FACTS if (value := fields.text(keyword))}
    facts["Stored as"] = f"{pixels.bits_stored} bits, {UID(pixels.syntax).name}"
    image_type = tuple(fields.strings("ImageType"))
    words = (fields.text("SeriesDescription"), fields.text("ProtocolName"), fields.text("SequenceName"), fields.text("PulseSequenceName"))
    description = fields.text("SeriesDescription") or fields.text("ProtocolName")
    series = fields.string("SeriesInstanceUID")
    return DicomFile(
        path=path,
        sop_class=fields.string("SOPClassUID"),
        sop_instance=fields.string("SOPInstanceUID"),
        study=fields.string("StudyInstanceUID"),
        series=series,
        series_number=fields.whole("SeriesNumber"),
        instance_number=fields.whole("InstanceNumber"),
        description=description[:80],
        modality=fields.string("Modality"),
        words=" ".join((*words, *image_type[2:])),
        image_type=image_type,
        frame_of_reference=fields.string("FrameOfReferenceUID"),
        timing=timing,
        facts=facts,
        pixels=pixels,
        enhanced=enhanced,
        mosaic=_is_mosaic(fields, pixels, image_type, enhanced=enhanced),
        lossy=fields.string("LossyImageCompression") == "01" or pixels.syntax in _LOSSY,
    )


_LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81")


def _is_mosaic(fields: Fields, pixels: Pixels, image_type: Sequence[str], *, enhanced: bool) -> bool:
    """Whether one picture holds the tiles of a whole volume (Siemens).

    The image type alone is not to be trusted: newer scanners leave the word behind in files whose slices are frames of their own.
    """
    tiles = _tiles(fields)
    if tiles is not None:
        return tiles > 1
    if "MOSAIC" not in (word.upper() for word in image_type):
        return False
    matrix = [number for number in _matrix(fields) if number]
    if matrix:
        return max(pixels.rows, pixels.columns) >= 1.5 * max(matrix)
    return not (enhanced and pixels.frames > 1)


def _tiles(fields: Fields) -> int | None:
    """Siemens' own count of the slices in a mosaic."""
    if _MOSAIC_TAG not in fields.dataset:
        return None
    value = getattr(fields.dataset.get_item(_MOSAIC_TAG), "value", None)
    if isinstance(value, bytes):
        return int(struct.unpack("<H", value)[0]) if len(value) == 2 else None
    return int(value) if isinstance(value, int) else None


def _matrix(fields: Fields) -> list[int]:
    value = fields._raw("AcquisitionMatrix")
    if isinstance(value, bytes) and len(value) == 8:
        return list(struct.unpack(("<" if fields._little else ">") + "4H", value))
    return []


def _timing(fields: Fields, shared: Fields | None, frame: Fields | None) -> Timing:
    tr, te, ti = fields.number("RepetitionTime"), fields.number("EchoTime"), fields.number("InversionTime")
    for groups in (shared, frame):
        if groups is None:
            continue
        if (item := groups.item("MRTimingAndRelatedParametersSequence")) is not None:
            tr = item.number("RepetitionTime") or tr
        if (item := groups.item("MREchoSequence")) is not None:
            te = item.double("EffectiveEchoTime") or te
        if (item := groups.item("MRModifierSequence")) is not None:
            times = item._raw("InversionTimes")
            if isinstance(times, bytes) and len(times) >= 8:
                ti = struct.unpack(("<" if item._little else ">") + "d", times[:8])[0] or ti
    return Timing(tr, te, ti, contrast=bool(fields.string("ContrastBolusAgent")))


# --- frames --------------------------------------------------------------------------------------------------------------------------------


def _frames(file: DicomFile, fields: Fields) -> list[Frame]:
    per_frame = fields.items("PerFrameFunctionalGroupsSequence")
    shared = fields.item("SharedFunctionalGroupsSequence")
    count = file.pixels.frames
    if len(per_frame) < count:
        # A classic multi-frame file has one position for all its frames: it places one frame only.
        return [_frame(file, index, fields, None, None, placed=count == 1) for index in range(count)]
    return [_frame(file, index, fields, shared, per_frame[index], placed=True) for index in range(count)]


def _group(name: str, own: Fields | None, shared: Fields | None, top: Fields) -> Fields:
    """The functional group of one frame: its own, else the one that all frames share, else the file's own attributes."""
    for groups in (own, shared):
        if groups is not None and (item := groups.item(name)) is not None:
            return item
    return top


def _frame(file: DicomFile, index: int, fields: Fields, shared: Fields | None, own: Fields | None, *, placed: bool) -> Frame:
    position = _group("PlanePositionSequence", own, shared, fields).numbers("ImagePositionPatient")
    orientation = _group("PlaneOrientationSequence", own, shared, fields).numbers("ImageOrientationPatient")
    measures = _group("PixelMeasuresSequence", own, shared, fields)
    spacing = measures.numbers("PixelSpacing")
    depth = measures.number("SpacingBetweenSlices") or fields.number("SpacingBetweenSlices") or measures.number("SliceThickness")
    rescale = _group("PixelValueTransformationSequence", own, shared, fields)
    slope, intercept = rescale.number("RescaleSlope"), rescale.number("RescaleIntercept")
    content = own.item("FrameContentSequence") if own is not None else None
    slope = slope if slope else 1.0
    good_position = placed and len(position) == 3 and max(abs(value) for value in position) < _FAR_MM and not file.mosaic
    good_spacing = len(spacing) == 2 and all(1e-3 <= value <= 1e3 for value in spacing)
    return Frame(
        file=file,
        index=index,
        position=(position[0], position[1], position[2]) if good_position else None,
        orientation=_directions(orientation) if good_position and good_spacing else None,
        spacing=(spacing[0], spacing[1]) if good_spacing else None,
        depth_mm=abs(depth) if depth and 1e-3 <= abs(depth) <= 1e3 else None,
        slope=slope,
        intercept=intercept or 0.0,
        window=_window(_group("FrameVOILUTSequence", own, shared, fields)),
        stack=content.string("StackID") if content is not None else "",
        splits=_splits(file, fields, content, shared, own),
    )


def _directions(cosines: list[float]) -> tuple[float, ...] | None:
    """Two unit vectors at right angles, or None. Small errors of rounding are left in, so that positions are those that other programs compute."""
    if len(cosines) != 6:
        return None
    first, second = cosines[:3], cosines[3:]
    lengths = math.dist(first, (0, 0, 0)), math.dist(second, (0, 0, 0))
    if not all(0.9 < length < 1.1 for length in lengths):
        return None
    if max(abs(length - 1) for length in lengths) > 0.01:
        first, second = [value / lengths[0] for value in first], [value / lengths[1] for value in second]
    if abs(sum(a * b for a, b in zip(first, second, strict=True))) > 0.01:
        return None
    return (*first, *second)


def _window(fields: Fields) -> tuple[float, float] | None:
    """The range of values that the file asks to be shown with."""
    centre, width = fields.number("WindowCenter"), fields.number("WindowWidth")
    if centre is not None and width is not None and width >= 1:
        if fields.string("VOILUTFunction").upper() == "LINEAR_EXACT":
            return centre - width / 2, centre + width / 2
        return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2 + (width == 1)
    table = fields.item("VOILUTSequence")
    if table is None:
        return None
    value = table._raw("LUTDescriptor")
    if not isinstance(value, bytes) or len(value) != 6:
        return None
    order = "<" if table._little else ">"
    entries, first, _ = struct.unpack(order + "HhH", value)
    return (float(first), float(first + (entries or 65536) - 1)) if entries != 1 else None


def _splits(file: DicomFile, fields: Fields, content: Fields | None, shared: Fields | None, own: Fields | None) -> dict[str, str]:
    """What may tell this frame's volume from another of the same series; empty values say nothing."""
    echo = _group("MREchoSequence", own, shared, fields)
    diffusion = _group("MRDiffusionSequence", own, shared, fields)
    te = echo.double("EffectiveEchoTime") if echo is not fields else fields.number("EchoTime")
    b_value = diffusion.double("DiffusionBValue")
    temporal: object = fields.whole("TemporalPositionIdentifier")
    acquisition: object = fields.whole("AcquisitionNumber")
    if content is not None:
        temporal = _long(content, "TemporalPositionIndex") or temporal
        acquisition = content.short("FrameAcquisitionNumber") or acquisition
    kind = _frame_type(own, shared) or file.image_type
    values: dict[str, object] = {
        "echo": fields.whole("EchoNumbers"),
        "echo time": None if te is None else f"{te:.2f}",
        "temporal position": temporal,
        "acquisition": acquisition,
        "image type": "\\".join(kind[2:]),
        "b-value": None if b_value is None else f"{b_value:.0f}",
        "trigger time": fields.number("TriggerTime"),
        "acquisition time": fields.string("AcquisitionTime"),
    }
    return {name: "" if value is None else str(value) for name, value in values.items()}


def _long(fields: Fields, keyword: str) -> int | None:
    value = fields._raw(keyword)
    if isinstance(value, bytes) and len(value) >= 4:
        return int(struct.unpack(("<" if fields._little else ">") + "I", value[:4])[0])
    return None


def _frame_type(own: Fields | None, shared: Fields | None) -> tuple[str, ...]:
    for groups in (own, shared):
        if groups is not None and (item := groups.item("MRImageFrameTypeSequence")) is not None:
            return tuple(item.strings("FrameType"))
    return ()
