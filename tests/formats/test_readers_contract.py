"""What every reader owes: one listing and one volume that agree, whatever the format; and a sentence for what it cannot read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from brainviewer.errors import ReadError
from brainviewer.formats import Series, describe, open_volume, scan
from brainviewer.formats.series import readers

VOXELS = np.random.default_rng(5).integers(0, 1000, (6, 24, 20), dtype=np.uint16)  # z, y, x


def tiff_folder(folder: Path) -> Path:
    for z, slice_ in enumerate(VOXELS):
        tifffile.imwrite(folder / f"s_{z + 1}.tif", slice_)
    return folder


def tiff_stack(folder: Path) -> Path:
    tifffile.imwrite(folder / "stack.tif", VOXELS, photometric="minisblack")
    return folder / "stack.tif"


def png_folder(folder: Path) -> Path:
    import cv2

    for z, slice_ in enumerate(VOXELS):
        cv2.imwrite(str(folder / f"s_{z + 1}.png"), slice_)
    return folder


def nifti_file(folder: Path) -> Path:
    image = nibabel.Nifti1Image(VOXELS.transpose(2, 1, 0).astype(np.int16), np.diag([-1.0, -1.0, 5.0, 1.0]))
    nibabel.save(image, folder / "scan.nii.gz")
    return folder / "scan.nii.gz"


def dicom_folder(folder: Path) -> Path:
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for z, slice_ in enumerate(VOXELS):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = MRImageStorage, generate_uid(), ExplicitVRLittleEndian
        data = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
        data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
        data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, series, frame
        data.Modality, data.SeriesDescription, data.SeriesNumber, data.InstanceNumber = "MR", "AX FLAIR", 3, 6 - z
        data.PatientName, data.PatientID = "Secret^Name", "12345"
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 5.0 * z], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness = [1.0, 1.0], 5.0
        data.Rows, data.Columns = slice_.shape
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation = 15, 0
        data.PixelData = slice_.tobytes()
        pydicom.dcmwrite(folder / f"IM{(z * 5) % 6}", data)
    return folder


CASES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "tiff folder": ("tiff", tiff_folder),
    "tiff stack": ("tiff", tiff_stack),
    "png folder": ("tiff", png_folder),
    "nifti": ("nifti", nifti_file),
    "dicom": ("dicom", dicom_folder),
}


@pytest.fixture(params=CASES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    reader, write = CASES[request.param]
    assert reader in [one.name for one in readers()]
    folder = tmp_path / "scan folder"
    folder.mkdir()
    return request.param, write(folder)


def only_series(path: Path) -> Series:
    listing = scan(path)
    assert len(listing.series) == 1, listing
    assert listing.ignored == ()
    return listing.series[0]


def is_sentence(text: str) -> bool:
    return text[0] in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789\"'" and text.endswith(".")


def test_the_volume_is_what_the_listing_says(opened):
    series = only_series(opened[1])
    volume = open_volume(series)
    assert volume.voxels.ndim == 4
    assert not volume.voxels.flags.writeable
    assert volume.voxels.dtype.isnative
    assert volume.shape == series.shape == VOXELS.shape
    assert str(volume.voxels.dtype) == series.dtype
    assert volume.channels == series.channels
    assert len(volume.channels) == volume.voxels.shape[-1]
    assert all(volume.channels)
    assert (volume.key, volume.format, volume.plane, volume.description) == (series.key, series.format, series.plane, series.description)
    assert (volume.reference is not None) == series.reference
    assert volume.spacing == (None if series.spacing_mm is None else pytest.approx(series.spacing_mm))
    if volume.affine is not None:
        assert volume.affine.shape == (4, 4)
        assert volume.affine.dtype == np.float64
        assert np.allclose(volume.affine, series.affine)
    if volume.stored is not None:
        assert volume.stored.restore(volume.voxels[..., 0]).shape == tuple(volume.stored.shape)


def test_the_voxels_are_the_files(opened):
    assert np.array_equal(open_volume(only_series(opened[1])).voxels[..., 0], VOXELS)


def test_names_can_be_written_and_told_apart(opened):
    series = only_series(opened[1])
    volume = open_volume(series)
    assert len(set(map(str.casefold, volume.stems))) == len(volume)
    for name in (series.key, *volume.stems):
        assert not set(name) & set('/\\:*?"<>|\0')
    for source in (series.source, *volume.sources):
        assert "\\" not in source
        assert (opened[1].parent / source).exists()  # relative to the folder that contains what was opened
    if opened[0] in ("tiff stack", "nifti", "dicom"):
        assert volume.stems[3] == f"{series.key}_z0003"


def test_words_are_sentences_and_nobody_is_named(opened):
    series = only_series(opened[1])
    volume = open_volume(series)
    for note in (*series.notes, *volume.notes):
        assert is_sentence(note), note
    told = repr((describe(scan(opened[1])), volume.notes, volume.facts, volume.description, volume.key, volume.stems))
    assert "Secret" not in told
    assert "12345" not in told


def test_a_second_look_finds_the_same(opened):
    assert describe(scan(opened[1])) == describe(scan(opened[1]))


def test_one_slice_alone_is_the_volumes(opened):
    series = only_series(opened[1])
    if series.peek is not None:
        volume = open_volume(series)
        for z in (0, 4):
            assert np.array_equal(series.peek(z), volume[z])


def test_truncated_files_never_escape(opened, tmp_path):
    path = opened[1]
    files = [path] if path.is_file() else sorted(path.iterdir())
    victim = files[len(files) // 2]
    whole = victim.read_bytes()
    for size in (0, 1, 3, 8, 60, 130, 200, len(whole) // 2, len(whole) - 200, len(whole) - 1):
        victim.write_bytes(whole[: max(size, 0)])
        listing = scan(path)
        for row in listing.ignored:
            assert is_sentence(row.why), row
            assert victim.name in row.file
        for series in listing.series:
            told = " ".join(row.why for row in listing.ignored)
            try:
                volume = open_volume(series)
            except ReadError as error:
                refused = error.sentence
            else:
                refused = ""
                told += " ".join((*volume.notes, *(why for _, why in volume.ignored)))
                assert len(volume) == len(VOXELS) or told, size
            assert not refused or (is_sentence(refused) and victim.name in refused), refused


@pytest.mark.parametrize("suffix", [".tif", ".tiff", ".png", ".jpg", ".nii", ".nii.gz", ".dcm"])
@pytest.mark.parametrize("content", [b"just some words\n", b"\0" * 400, bytes(range(256)) * 3], ids=["text", "zeros", "noise"])
def test_a_wrong_file_is_ignored_by_its_name(tmp_path, suffix, content):
    (tmp_path / f"wrong{suffix}").write_bytes(content)
    listing = scan(tmp_path)
    assert listing.series == ()
    assert [row.file for row in listing.ignored] == [f"{tmp_path.name}/wrong{suffix}"]
    assert is_sentence(listing.ignored[0].why), listing.ignored[0].why


def test_a_series_whose_files_are_gone_raises_their_name(opened):
    series = only_series(opened[1])
    for file in series.files:
        file.unlink()
    with pytest.raises(ReadError) as caught:
        open_volume(series)
    assert is_sentence(caught.value.sentence)
    assert any(file.name in caught.value.sentence for file in series.files)
