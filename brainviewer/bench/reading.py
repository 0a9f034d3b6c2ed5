"""Opening scans: 500 DICOM files against SimpleITK, a gzipped NIfTI against nibabel, a folder of 3,000 slices; all on a warm disk."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from ..formats import open_volume, scan
from .measurement import Measurement, measured, not_measured
from .memory import peak_mb
from .runner import apart

ROUNDS = 5
DICOM_FILES, DICOM_SIDE_PX = 500, 512
NIFTI_SHAPE = (256, 256, 176)
SLICES, SLICE_SIDE_PX = 3000, 256
MEMORY_SHARE, MEMORY_ROOM_MB = 1.5, 150.0
"""Opening may hold that many times the volume, and that much beside it, at most."""


def rows() -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        yield from _dicom_rows(Path(folder) / "dicom")
        yield from _nifti_rows(Path(folder) / "scan.nii.gz")
        yield from _slice_rows(Path(folder) / "slices")


def head(slices: int, side_px: int) -> Iterator[np.ndarray]:
    """(Y, X) uint16 slices of a head's outline with noise, of 12 bits."""
    random = np.random.default_rng(1)
    for z in range(slices):
        share = np.sqrt(max(1 - ((z - slices / 2) / (0.55 * slices)) ** 2, 0.05))
        picture = np.zeros((side_px, side_px), np.float32)
        cv2.ellipse(picture, (side_px // 2, side_px // 2), (int(0.35 * side_px * share), int(0.43 * side_px * share)), 0, 0, 360, 900, -1)
        yield np.clip(picture + random.normal(60, 20, picture.shape), 0, 4095).astype(np.uint16)


# --- DICOM ---------------------------------------------------------------------------------------------------------------------------------


def _dicom_rows(folder: Path) -> Iterator[Measurement]:
    name = f"open {DICOM_FILES} DICOM files of {DICOM_SIDE_PX} x {DICOM_SIDE_PX}"
    write_dicom(folder)
    found: dict[str, list[dict]] = {"ours": [], "SimpleITK": []}
    ways = ["ours", "SimpleITK"] if find_spec("SimpleITK") else ["ours"]
    for _ in range(ROUNDS):
        for way in ways:
            found[way].append(apart("read-dicom", str(folder), way))
    seconds = {way: [answer["seconds"] for answer in answers] for way, answers in found.items()}
    if seconds["SimpleITK"]:
        yield _against(name, seconds["ours"], seconds["SimpleITK"], "SimpleITK ImageSeriesReader", 1.2)
    else:
        yield not_measured(name, f"SimpleITK is not installed; {statistics.median(seconds['ours']):.2f} s here")
    volume_mb = DICOM_FILES * DICOM_SIDE_PX**2 * 2 / (1 << 20)
    limit_mb = MEMORY_SHARE * volume_mb + MEMORY_ROOM_MB
    note = f"the whole process; the volume alone is {volume_mb:.0f} MB"
    yield measured(f"{name}: most memory", max(answer["peak_mb"] for answer in found["ours"]), "MB", at_most=limit_mb, note=note)


def write_dicom(folder: Path) -> None:
    """One uncompressed MR file a slice."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    folder.mkdir(parents=True)
    study, series, space = generate_uid(), generate_uid(), generate_uid()
    for z, slice_ in enumerate(head(DICOM_FILES, DICOM_SIDE_PX)):
        data = Dataset()
        data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, generate_uid()
        data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, series, space
        data.Modality, data.SeriesNumber, data.InstanceNumber, data.SeriesDescription = "MR", 1, z + 1, "AX FLAIR"
        data.ImagePositionPatient, data.ImageOrientationPatient = [-128, -128, float(z)], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness = [0.5, 0.5], 1.0
        data.Rows, data.Columns = slice_.shape
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelData = slice_.tobytes()
        data["PixelData"].VR = "OW"
        data.file_meta = FileMetaDataset()
        data.file_meta.MediaStorageSOPClassUID, data.file_meta.MediaStorageSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.save_as(folder / f"{z:04}.dcm", enforce_file_format=True)


def read_dicom(folder: str, way: str) -> dict:
    """Seconds and the process's peak of memory for one opening; what has to be imported is imported before."""
    for file in Path(folder).iterdir():
        file.read_bytes()
    opened: Callable[[], tuple[int, ...]]
    if way == "ours":
        from ..formats.series import readers

        readers()
        open_volume(scan(min(Path(folder).iterdir())).series[0])

        def opened() -> tuple[int, ...]:
            return open_volume(scan(Path(folder)).series[0]).shape
    else:
        import SimpleITK  # type: ignore[import-not-found]

        def opened() -> tuple[int, ...]:
            reader = SimpleITK.ImageSeriesReader()
            reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder))
            return SimpleITK.GetArrayViewFromImage(reader.Execute()).shape

    started = time.perf_counter()
    shape = opened()
    seconds = time.perf_counter() - started
    assert tuple(shape) == (DICOM_FILES, DICOM_SIDE_PX, DICOM_SIDE_PX)
    return {"seconds": seconds, "peak_mb": peak_mb()}


# --- NIfTI ---------------------------------------------------------------------------------------------------------------------------------


def _nifti_rows(file: Path) -> Iterator[Measurement]:
    import nibabel

    x, y, z = NIFTI_SHAPE
    voxels = np.stack(list(head(z, x)), axis=-1).transpose(1, 0, 2)[:, :y].astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1, 1, 1, 1.0])), file)

    def ours() -> None:
        assert open_volume(scan(file).series[0]).voxels.size == voxels.size

    def bare() -> None:
        assert np.asanyarray(nibabel.nifti1.load(file).dataobj).size == voxels.size

    ours_s, bare_s = _in_turn(ours, bare)
    yield _against(f"open a gzipped NIfTI of {x} x {y} x {z} int16", ours_s, bare_s, "nibabel, voxels only", 1.1)


# --- TIFF ----------------------------------------------------------------------------------------------------------------------------------


def _slice_rows(folder: Path) -> Iterator[Measurement]:
    import tifffile

    folder.mkdir()
    for z, slice_ in enumerate(head(SLICES, SLICE_SIDE_PX)):
        tifffile.imwrite(folder / f"scan_{z + 1}.tif", slice_)
    listing_s, first_s = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        (series,) = scan(folder).series
        listed = time.perf_counter()
        assert series.peek is not None
        series.peek(len(series.files) // 2)
        listing_s.append(listed - started)
        first_s.append(time.perf_counter() - listed)
    yield measured(f"list a folder of {SLICES:,} TIFF slices", statistics.median(listing_s), "s", at_most=1.0)
    note = f"after the listing; {statistics.median(map(sum, zip(listing_s, first_s, strict=True))):.2f} s with it"
    yield measured(f"first slice of {SLICES:,}", statistics.median(first_s), "s", at_most=0.5, note=note)


# --- rounds --------------------------------------------------------------------------------------------------------------------------------


def _in_turn(*ways: Callable[[], object]) -> list[list[float]]:
    """Seconds of each way in each round, one after the other; the first round does not count."""
    seconds: list[list[float]] = [[] for _ in ways]
    for number in range(ROUNDS + 1):
        for way, own in zip(ways, seconds, strict=True):
            started = time.perf_counter()
            way()
            if number:
                own.append(time.perf_counter() - started)
    return seconds


def _against(name: str, ours: list[float], theirs: list[float], rival: str, limit: float) -> Measurement:
    """The median of the rounds' own ratios: the machine is never the same from one round to the next."""
    ratio, rival_s = statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), statistics.median(theirs)
    return measured(name, ratio * rival_s, "s", rival=rival, rival_value=rival_s, ratio_at_most=limit, note=f"median of {len(ours)} rounds in turn")
