"""DICOM SEG: the mask as a DICOM object that refers to the instances it was computed from, through highdicom.

The file carries the identity of its source, as DICOM wants it: it belongs to the same patient and study. It can be written without.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import __version__
from ..errors import WriteError
from ..imaging.prediction import ScanResult
from ..imaging.volume import Volume
from . import gzipped
from .dicom_fields import library_errors, open_stream
from .dicom_headers import Frame, NotAnImage, read_file
from .series import Series

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

NAME = "seg.dcm"
LABEL = "Tumour (predicted)"
EDITED_LABEL = "Tumour (predicted, edited by hand)"
CARRIES_IDENTITY = f"{NAME} carries the patient's identity, as its source files do: treat it like them."
WITHOUT_IDENTITY = f"{NAME} names no patient, but refers to the source files by their numbers (UIDs)."

_NEEDED = {
    "StudyInstanceUID": "study",
    "SeriesInstanceUID": "series",
    "SOPInstanceUID": "instance",
    "SOPClassUID": "kind of object",
    "FrameOfReferenceUID": "frame of reference",
}
_MAY_BE_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""Attributes that must be there, but may say nothing (DICOM's type 2)."""

_OTHER_FORMAT = "Leave dicom-seg out; `--save nifti` writes the mask of any scan."
_LONGEST = 64


def check_series(series: Series) -> None:
    """Whether a DICOM SEG of a series can be written; asked before any analysis. The headers are read, and a trial is made in memory.

    Raises:
        WriteError: with the reason.
    """
    if series.format != "dicom":
        raise WriteError(f'A DICOM SEG can only be made of a DICOM source, and "{series.key}" is none.', _OTHER_FORMAT)
    if series.affine is None or not series.instances:
        raise WriteError(f'No DICOM SEG can be made of "{series.key}": its files do not say where the slices lie.', _OTHER_FORMAT)
    frames, datasets = _sources(series.key, series.instances)
    trial = np.zeros((len(frames), frames[0].file.pixels.rows, frames[0].file.pixels.columns), bool)
    trial[0, 0, 0] = True
    _segmentation(series.key, frames, datasets, trial, (("trial", "0", "segment", ""),), 0.5, identity=True)


def write_segmentation(path: Path, volume: Volume, result: ScanResult, threshold: float, *, identity: bool = True) -> None:
    """Writes the mask of a scan as one binary segment on the stored grid; slices without a tumour are left out, unless all are.

    Args:
        path: of the new file.
        volume: read from DICOM files that are still there.
        result: its analysis.
        threshold: pixel probability from which a pixel belongs to the mask.
        identity: whether what the source says of patient and study goes along. Without it, the file still names the source's instances.

    Raises:
        WriteError: if it cannot be made; nothing is written then.
        OSError: if it cannot be written.
    """
    if volume.stored is None or volume.affine is None or not volume.instances:
        raise WriteError(f'No DICOM SEG can be made of "{volume.key}": it was not read from DICOM files that lie in space.', _OTHER_FORMAT)
    mask = volume.stored.restore(result.mask(threshold, volume.shape)).transpose(2, 1, 0)
    frames, datasets = _sources(volume.key, volume.instances)
    edited = bool(result.drawn_slices)
    segmentation = _segmentation(volume.key, frames, datasets, np.ascontiguousarray(mask), result.models, threshold, identity=identity, edited=edited)
    with _told_plainly(volume.key):
        segmentation.save_as(path, enforce_file_format=True)


# --- sources -------------------------------------------------------------------------------------------------------------------------------


def _sources(key: str, instances: Sequence[tuple[Path, int]]) -> tuple[list[Frame], dict[Path, Dataset]]:
    """The frames of a volume in stored order, and the header of each file of theirs.

    Raises:
        WriteError: where the files are gone, changed, or do not name what a DICOM SEG must refer to.
    """
    wanted: dict[Path, list[int]] = defaultdict(list)
    for path, index in instances:
        wanted[path].append(index)
    found: dict[tuple[Path, int], Frame] = {}
    datasets = {}
    for path, indices in wanted.items():
        try:
            frames = read_file(path)
            with _told_plainly(key):
                datasets[path] = _header(path)
        except NotAnImage as error:
            raise WriteError(f'No DICOM SEG can be made of "{key}": "{path.name}" could not be read again.', str(error)) from error
        except (OSError, gzipped.Damaged) as error:
            raise WriteError(f'No DICOM SEG can be made of "{key}": "{path.name}" could not be read again.', "Open the scan again.") from error
        for index in indices:
            if index >= len(frames) or not frames[index].placed:
                raise WriteError(f'No DICOM SEG can be made of "{key}": "{path.name}" has changed.', "Open the scan again.")
            found[path, index] = frames[index]
    with _told_plainly(key):
        _check(key, datasets)
    return [found[instance] for instance in instances], datasets


def _header(path: Path) -> Dataset:
    """All of a file before its pixels: a copy in memory; the file itself is never written to."""
    from pydicom import dcmread

    with open_stream(path) as stream:
        return dcmread(stream, stop_before_pixels=True, force=True)


def _check(key: str, datasets: dict[Path, Dataset]) -> None:
    for path, dataset in datasets.items():
        for keyword, words in _NEEDED.items():
            if not dataset.get(keyword):
                raise WriteError(f'No DICOM SEG can be made of "{key}": "{path.name}" does not name its {words}.', _OTHER_FORMAT)
    if len(datasets) > 1 and any("PerFrameFunctionalGroupsSequence" in dataset for dataset in datasets.values()):
        raise WriteError(f'No DICOM SEG can be made of "{key}": its slices are spread over several multi-frame files.', _OTHER_FORMAT)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "FrameOfReferenceUID"):
        if len({str(dataset.get(keyword)) for dataset in datasets.values()}) > 1:
            raise WriteError(f'No DICOM SEG can be made of "{key}": its files do not agree on their {_NEEDED[keyword]}.', _OTHER_FORMAT)


# --- the object ----------------------------------------------------------------------------------------------------------------------------


def _segmentation(
    key: str,
    frames: Sequence[Frame],
    datasets: dict[Path, Dataset],
    mask: np.ndarray,
    models: Sequence[tuple[str, str, str, str]],
    threshold: float,
    *,
    identity: bool,
    edited: bool = False,
) -> Dataset:
    """The SEG object of a mask (slice, row, column) bool whose slices are `frames`; `edited` says that a person drew on it."""
    with _told_plainly(key):
        import highdicom
        from pydicom.sr.codedict import codes

        sources = [_single_frame(datasets[frame.file.path], frame, frames[0]) for frame in frames]
        if len(datasets) == 1:
            sources = [_multi_frame(sources[0], frames)]
        sources = [_presentable(source, identity=identity) for source in sources]
        segmenter = next((model for model in models if model[2] == "segment"), models[-1])
        identification = highdicom.AlgorithmIdentificationSequence(
            name=segmenter[0][:_LONGEST],
            version=segmenter[1][:_LONGEST],
            family=codes.cid7162.ArtificialIntelligence,
            source=f"brainviewer {__version__}",
            parameters={"models": " and ".join(f"{name} {version}" for name, version, *_ in models), "threshold": f"{threshold:g}"},
        )
        segment = highdicom.seg.SegmentDescription(
            segment_number=1,
            segment_label=EDITED_LABEL if edited else LABEL,
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Neoplasm,
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC if edited else highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=identification,
            anatomic_regions=[codes.SCT.Brain],
        )
        segmentation = highdicom.seg.Segmentation(
            source_images=sources,
            pixel_array=mask.astype(np.uint8),
            segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[segment],
            series_instance_uid=highdicom.UID(),
            series_number=1000 + max(0, frames[0].file.series_number or 0),
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="brainviewer",
            manufacturer_model_name="brainviewer",
            software_versions=__version__,
            device_serial_number="none",
            content_label="TUMOUR",
            content_description="Research use only. Not for diagnosis.",
            series_description=EDITED_LABEL if edited else LABEL,
        )
        _name_frames(segmentation, [frame.index for frame in frames])
    return segmentation


def _measures(dataset: Dataset, frame: Frame) -> None:
    """What a pixel measures; the step from slice to slice is left to be computed from the positions."""
    from pydicom.valuerep import DSfloat

    assert frame.spacing is not None
    dataset.PixelSpacing = [DSfloat(value, auto_format=True) for value in frame.spacing]
    thickness = dataset.get("SliceThickness")
    dataset.SliceThickness = thickness if thickness else DSfloat(frame.depth_mm or 1.0, auto_format=True)
    if "SpacingBetweenSlices" in dataset:
        del dataset.SpacingBetweenSlices


def _directions(dataset: Dataset, frame: Frame) -> None:
    from pydicom.valuerep import DSfloat

    assert frame.orientation is not None
    dataset.ImageOrientationPatient = [DSfloat(value, auto_format=True) for value in frame.orientation]


def _place(dataset: Dataset, frame: Frame) -> None:
    from pydicom.valuerep import DSfloat

    assert frame.position is not None
    dataset.ImagePositionPatient = [DSfloat(value, auto_format=True) for value in frame.position]


def _single_frame(dataset: Dataset, frame: Frame, first: Frame) -> Dataset:
    """The header of one slice; all share the first one's direction, as those of one volume differ by rounding only."""
    _measures(dataset, first)
    _directions(dataset, first)
    _place(dataset, frame)
    return dataset


def _multi_frame(dataset: Dataset, frames: Sequence[Frame]) -> Dataset:
    """The header of a file that may hold several frames, as if it held only those of one volume, in their order.

    A class of objects that has no frames (a single classic slice) does not look at it.
    """
    from pydicom.dataset import Dataset as New

    measures, directions, shared = New(), New(), New()
    groups = getattr(dataset, "SharedFunctionalGroupsSequence", None)
    stated = groups[0].get("PixelMeasuresSequence") if groups else None
    if stated and stated[0].get("SliceThickness"):
        measures.SliceThickness = stated[0].SliceThickness
    _measures(measures, frames[0])
    _directions(directions, frames[0])
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [directions]
    items = []
    for frame in frames:
        place, item = New(), New()
        _place(place, frame)
        item.PlanePositionSequence = [place]
        items.append(item)
    dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence = [shared], items
    dataset.NumberOfFrames = len(items)
    return dataset


def _name_frames(segmentation: Dataset, indices: Sequence[int]) -> None:
    """Puts the numbers that frames have in their multi-frame file in the place of those they have in the volume."""
    for group in segmentation.PerFrameFunctionalGroupsSequence:
        for derivation in group.DerivationImageSequence:
            for source in derivation.SourceImageSequence:
                if "ReferencedFrameNumber" in source:
                    source.ReferencedFrameNumber = indices[int(source.ReferencedFrameNumber) - 1] + 1


_IDENTITY = (
    *_MAY_BE_EMPTY,
    "IssuerOfPatientID",
    "OtherPatientIDs",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "StudyDescription",
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "DeviceSerialNumber",
)
"""What the SEG says of patient, study and scanner."""

_TECHNICAL = (
    *_NEEDED,
    "SpecificCharacterSet",
    "Modality",
    "Rows",
    "Columns",
    "PixelSpacing",
    "SliceThickness",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "NumberOfFrames",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)


def _presentable(dataset: Dataset, *, identity: bool) -> Dataset:
    """A copy of what goes into the SEG: what must be there is, though it may be empty; values that DICOM does not allow are left out."""
    from pydicom.dataset import Dataset as New
    from pydicom.valuerep import DA, TM

    copy = New()
    for keyword in (*_TECHNICAL, *(_IDENTITY if identity else ())):
        with suppress(*library_errors()):
            if keyword in dataset:
                copy[keyword] = dataset[keyword]
    for keyword in _MAY_BE_EMPTY:
        if copy.get(keyword) is None:
            setattr(copy, keyword, "")
    for keyword, kind in (("PatientBirthDate", DA), ("StudyDate", DA), ("StudyTime", TM)):
        try:
            kind(copy.get(keyword))
        except ValueError:
            setattr(copy, keyword, "")
    if copy.PatientSex not in ("M", "F", "O"):
        copy.PatientSex = ""
    return copy


@contextmanager
def _told_plainly(key: str) -> Iterator[None]:
    """What the libraries raise, as one sentence; what they warn of is not repeated, as it may quote who the patient is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except OSError:
            raise
        except library_errors() as error:
            raise WriteError(f'No DICOM SEG can be made of "{key}": the headers of its files do not hold what one needs.', _OTHER_FORMAT) from error
