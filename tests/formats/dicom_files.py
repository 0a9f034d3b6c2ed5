"""Makes small DICOM files, one classic file a slice or one enhanced file, in every transfer syntax that can be written here."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)

MR_IMAGE, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"

NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


def _imagecodecs(name: str, **options: object) -> Callable[[np.ndarray], bytes]:
    def encode(array: np.ndarray) -> bytes:
        import imagecodecs

        return getattr(imagecodecs, name)(array, **options)

    return encode


ENCODERS: dict[str, Callable[[np.ndarray], bytes]] = {
    "1.2.840.10008.1.2.4.57": _imagecodecs("ljpeg_encode"),
    "1.2.840.10008.1.2.4.70": _imagecodecs("ljpeg_encode"),
    "1.2.840.10008.1.2.4.80": _imagecodecs("jpegls_encode"),
    "1.2.840.10008.1.2.4.90": _imagecodecs("jpeg2k_encode", level=0, codecformat="j2k", reversible=True),
    "1.2.840.10008.1.2.4.201": _imagecodecs("htj2k_encode", reversible=True),
}
"""Lossless codecs of pixels of up to 16 bits, by transfer syntax."""

KNOW_SIGNS = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201")
"""Syntaxes whose codestream says whether its numbers are signed; the others hold two's complement as it is."""

LOSSLESS = (*NATIVE, RLELossless, *(UID(uid) for uid in ENCODERS))


def head_scan(slices: int = 6, rows: int = 20, columns: int = 24, top: int = 4095) -> np.ndarray:
    """(z, y, x) uint16 without any symmetry, of at most 12 bits: displayed order, axial."""
    z, y, x = np.mgrid[:slices, :rows, :columns]
    values = 40 * x + 23 * y + 311 * z + 900 * ((x - columns / 3) ** 2 + (y - rows / 2.5) ** 2 < 30)
    return (values % (top + 1)).astype(np.uint16)


def base(series: str = "1.2.3.4", **values: object) -> Dataset:
    """What every file of a series has in common."""
    dataset = Dataset()
    dataset.SOPClassUID = MR_IMAGE
    dataset.PatientName = "Doe^Jane"
    dataset.PatientID = "SECRET-17"
    dataset.PatientBirthDate = "19700101"
    dataset.InstitutionName = "Secret Hospital"
    dataset.StudyInstanceUID = "1.2.3"
    dataset.SeriesInstanceUID = series
    dataset.FrameOfReferenceUID = "1.2.3.9"
    dataset.Modality = "MR"
    dataset.SeriesNumber = 5
    dataset.SeriesDescription = "AX FLAIR"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def set_pixels(dataset: Dataset, array: np.ndarray, syntax: UID, bits: int | None = None) -> None:
    """Stores (rows, columns), (frames, rows, columns) or (rows, columns, 3) pixels in a transfer syntax."""
    colour = array.ndim == 3 and array.shape[-1] == 3
    rows, columns = array.shape[:2] if colour else array.shape[-2:]
    dataset.Rows, dataset.Columns = rows, columns
    dataset.SamplesPerPixel = 3 if colour else 1
    if "PhotometricInterpretation" not in dataset:
        dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 * array.dtype.itemsize
    dataset.BitsStored = bits or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(array.dtype.kind == "i")
    frames = array if array.ndim == 3 and not colour else array[np.newaxis]
    if len(frames) > 1:
        dataset.NumberOfFrames = len(frames)
    if syntax in ENCODERS:
        if array.dtype.kind == "i" and syntax not in KNOW_SIGNS:
            frames = frames.view(f"u{array.dtype.itemsize}") & ((1 << dataset.BitsStored) - 1)
        dataset.PixelData = encapsulate([ENCODERS[syntax](frame) for frame in frames])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    else:
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        dataset.PixelData = array.astype(array.dtype.newbyteorder(order)).tobytes()
        dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
        if len(dataset.PixelData) % 2:
            dataset.PixelData += b"\0"


def save(dataset: Dataset, path: Path, syntax: UID = ExplicitVRLittleEndian) -> Path:
    """Writes a file with DICOM's mark; run-length encoding is done here."""
    if "SOPInstanceUID" not in dataset:
        dataset.SOPInstanceUID = generate_uid()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    if syntax == RLELossless:
        uid = dataset.SOPInstanceUID
        dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.SOPInstanceUID = uid
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder: Path,
    stored: np.ndarray,
    *,
    origin: tuple[float, float, float] = (-11.0, -7.0, 30.0),
    row: tuple[float, float, float] = (1, 0, 0),
    column: tuple[float, float, float] = (0, 1, 0),
    step: tuple[float, float, float] | None = None,
    spacing: tuple[float, float] = (0.9, 1.1),
    depth: float = 5.0,
    syntax: UID = ExplicitVRLittleEndian,
    bits: int | None = None,
    numbers: list[int] | None = None,
    seed: int | None = None,
    rescale: Callable[[int], tuple[float, float]] | None = None,
    edit: Callable[[Dataset, int], None] = lambda dataset, number: None,
    **values: object,
) -> list[Path]:
    """One classic file a slice: `stored` (slice, row, column), slice k at `origin` + k * `step`.

    Args:
        row: direction cosines of increasing column index, as in ImageOrientationPatient.
        column: of increasing row index.
        step: mm from slice to slice; along the normal by `depth` if None.
        numbers: instance numbers; 1, 2, 3 ... if None.
        seed: gives the files random names, without suffix, in folders of their own.
        rescale: slice to (slope, intercept); the values stored are those that give `stored` back.
        edit: last changes of a slice's data set, before it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    normal = np.cross(row, column)
    step = tuple(depth * normal) if step is None else step
    paths = []
    for number, slice_ in enumerate(stored):
        dataset = base(**values)
        dataset.InstanceNumber = number + 1 if numbers is None else numbers[number]
        dataset.ImagePositionPatient = [f"{origin[axis] + number * step[axis]:.6f}" for axis in range(3)]
        dataset.ImageOrientationPatient = [f"{value:.8f}" for value in (*row, *column)]
        dataset.PixelSpacing = list(spacing)
        dataset.SliceThickness = depth
        pixels = slice_
        if rescale is not None:
            slope, intercept = rescale(number)
            dataset.RescaleSlope, dataset.RescaleIntercept = f"{slope:.10g}", f"{intercept:.10g}"
            pixels = np.round((slice_.astype(np.float64) - intercept) / slope).astype(slice_.dtype)
        set_pixels(dataset, pixels, syntax, bits)
        edit(dataset, number)
        name = f"IM{number:04}.dcm" if seed is None else f"{chance.choice('abc')}/{chance.randrange(10**9)}"
        (folder / name).parent.mkdir(exist_ok=True)
        paths.append(save(dataset, folder / name, syntax))
    return paths


def write_enhanced(
    path: Path,
    stored: np.ndarray,
    *,
    origin: tuple[float, float, float] = (-11.0, -7.0, 30.0),
    depth: float = 5.0,
    order: list[int] | None = None,
    stacks: int = 1,
    syntax: UID = ExplicitVRLittleEndian,
    edit: Callable[[Dataset], None] = lambda dataset: None,
    **values: object,
) -> Path:
    """One enhanced file: frames of `stored` (frame, row, column) in any order, of one or more stacks one above the other."""
    frames = list(range(len(stored))) if order is None else order
    dataset = base(**{"SOPClassUID": ENHANCED_MR, **values})
    dataset.InstanceNumber = 1
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness, measures.SpacingBetweenSlices = [0.9, 1.1], depth, depth
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([plane])
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    per_stack = len(stored) // stacks
    for number in frames:
        group, place, content = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [*origin[:2], origin[2] + (number % per_stack) * depth]
        content.StackID = str(number // per_stack + 1)
        content.InStackPositionNumber = number % per_stack + 1
        group.PlanePositionSequence, group.FrameContentSequence = Sequence([place]), Sequence([content])
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    set_pixels(dataset, stored[frames], syntax)
    edit(dataset)
    return save(dataset, path, syntax)
