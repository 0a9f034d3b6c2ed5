"""What a DICOM file says about itself, read once, as far as the pixels and no further: the file, and each of its frames."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from . import gzipped
from .dicom_fields import MOSAIC_TAG, Fields, library_errors, open_stream, tags
from .dicom_storage import Pixels, deflated_pixels, pixels_at
from .sequence import Timing
from .series import natural_path, reason

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_FAR_MM = 1e6


class NotAnImage(Exception):
    """The file holds nothing to show; the message is a sentence."""


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

    @property
    def placed(self) -> bool:
        """Whether the file says where the frame lies in space."""
        return self.position is not None and self.orientation is not None

    @property
    def normal(self) -> tuple[float, float, float]:
        """The direction in which slices are stacked, LPS; of a placed frame."""
        assert self.orientation is not None
        (a, b, c), (d, e, f) = self.orientation[:3], self.orientation[3:]
        return b * f - c * e, c * d - a * f, a * e - b * d

    @property
    def along_mm(self) -> float:
        """Where a placed frame lies along its own normal."""
        assert self.position is not None
        return sum(p * n for p, n in zip(self.position, self.normal, strict=True))

    @property
    def taken_order(self) -> tuple:
        """The order in which frames were taken, as far as their numbers say; never equal for two frames."""
        number = self.file.instance_number
        return number is None, number or 0, self.index, natural_path(self.file.path)


# --- reading -------------------------------------------------------------------------------------------------------------------------------


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
    except OSError as error:
        raise NotAnImage(f"It cannot be read: {reason(error)}.") from error
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
    deflated = syntax == DeflatedExplicitVRLittleEndian
    pixels = deflated_pixels(stream, fields) if deflated else pixels_at(stream, fields, syntax, size, zipped=zipped)
    if pixels is None:
        raise NotAnImage(_why_no_pixels(fields))
    refusal = _no_scan(fields)
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
    if MOSAIC_TAG not in fields.dataset:
        return None
    value = getattr(fields.dataset.get_item(MOSAIC_TAG), "value", None)
    if isinstance(value, bytes):
        return int(struct.unpack("<H", value)[0]) if len(value) == 2 else None
    return int(value) if isinstance(value, int) else None


def _matrix(fields: Fields) -> list[int]:
    value = fields.raw("AcquisitionMatrix")
    if isinstance(value, bytes) and len(value) == 8:
        return list(struct.unpack(("<" if fields.little else ">") + "4H", value))
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
            times = item.raw("InversionTimes")
            if isinstance(times, bytes) and len(times) >= 8:
                ti = struct.unpack(("<" if item.little else ">") + "d", times[:8])[0] or ti
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
    value = table.raw("LUTDescriptor")
    if not isinstance(value, bytes) or len(value) != 6:
        return None
    order = "<" if table.little else ">"
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
    value = fields.raw(keyword)
    if isinstance(value, bytes) and len(value) >= 4:
        return int(struct.unpack(("<" if fields.little else ">") + "I", value[:4])[0])
    return None


def _frame_type(own: Fields | None, shared: Fields | None) -> tuple[str, ...]:
    for groups in (own, shared):
        if groups is not None and (item := groups.item("MRImageFrameTypeSequence")) is not None:
            return tuple(item.strings("FrameType"))
    return ()
