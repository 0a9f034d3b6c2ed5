"""DICOM SEG, written from real files and opened again with other libraries."""

import hashlib
import random
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

pytest.importorskip("highdicom")
sys.path.insert(0, str(Path(__file__).parent))

import highdicom
import pydicom
from dicom_files import head_scan, write_enhanced, write_series
from pydicom.dataset import Dataset

from brainviewer.errors import ReadError, WriteError
from brainviewer.formats import dicom_seg, export, open_volume, scan
from brainviewer.imaging.prediction import Mask, OverlayStyle, Prediction, ScanResult
from brainviewer.imaging.volume import Volume

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

THRESHOLD = 0.5


def answer(volume: Volume, *, empty: bool = False) -> ScanResult:
    """A blob without any symmetry in some slices."""
    depth, rows, columns = volume.shape
    z, y, x = np.mgrid[:depth, :rows, :columns]
    probability = (((x - columns * 0.3) / 4) ** 2 + ((y - rows * 0.6) / 3) ** 2 + ((z - depth * 0.4) / 2) ** 2 < 1.5).astype(np.float32)
    probability[depth // 2, 1, columns - 2] = 0.9
    predictions = tuple(Prediction(n, 0.9, not empty and bool(map_.any()), Mask(map_), False) for n, map_ in enumerate(probability))
    models = (("resnet50", "1.0.0", "classify", "a" * 64), ("resunet", "1.2.0", "segment", "b" * 64))
    return ScanResult(predictions, THRESHOLD, 0.5, None, "onnx", "cpu", "float32", models)


def only(path):
    (series,) = scan(path).series
    return series


def written(series, tmp_path, **how):
    """The SEG of a series as pydicom reads it, the volume and its result."""
    dicom_seg.check_series(series)
    volume = open_volume(series)
    result = answer(volume, **{name: value for name, value in how.items() if name == "empty"})
    path = tmp_path / "seg.dcm"
    dicom_seg.write_segmentation(path, volume, result, THRESHOLD, identity=how.get("identity", True))
    return path, volume, result


def marked_points(path):
    """Places (x, y, z) LPS mm of all pixels of a SEG, from nothing but its own attributes; and what each frame refers to."""
    dataset = pydicom.dcmread(path)
    frames = dataset.pixel_array if dataset.NumberOfFrames > 1 else dataset.pixel_array[np.newaxis]
    shared = dataset.SharedFunctionalGroupsSequence[0]
    cosines = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    down, across = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    points, references = [], []
    for frame, group in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        origin = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        rows, columns = np.nonzero(frame)
        points.append(origin + np.outer(columns * across, cosines[:3]) + np.outer(rows * down, cosines[3:]))
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        references.append((origin, source.ReferencedSOPInstanceUID, source.get("ReferencedFrameNumber")))
    return np.concatenate(points), references


def nifti_points(path):
    """Places LPS mm of the voxels of `mask.nii.gz`, from its affine."""
    image = nibabel.load(path)
    places = nibabel.affines.apply_affine(image.affine, np.argwhere(np.asarray(image.dataobj) > 0))
    return places * (-1, -1, 1)


def same_points(first, second, within=1e-3):
    def key(points):
        return np.lexsort(np.round(points, 2).T)

    assert len(first) == len(second) > 0
    assert np.abs(first[key(first)] - second[key(second)]).max() < within


CASES = {
    "classic": lambda folder: write_series(folder, head_scan(), seed=5, numbers=[6, 5, 4, 3, 2, 1]),
    "classic, from the head down": lambda folder: write_series(folder, head_scan(), step=(0, 0, -5), column=(0, -1, 0)),
    "oblique": lambda folder: write_series(folder, head_scan(), row=(0.96, 0.28, 0), column=(-0.28, 0.96, 0)),
    "near-isotropic sagittal": lambda folder: write_series(
        folder, head_scan(), row=(0, 1, 0), column=(0, 0, -1), step=(1.0, 0, 0), spacing=(1.0, 1.1), depth=1.0
    ),
    "one slice": lambda folder: write_series(folder, head_scan(slices=1)),
    "enhanced": lambda folder: (folder.mkdir(), write_enhanced(folder / "e.dcm", head_scan(), order=[3, 1, 5, 0, 4, 2])),
}


@pytest.mark.parametrize("case", CASES)
def test_the_mask_is_where_mask_nii_gz_has_it_and_refers_to_the_right_slices(tmp_path, case):
    CASES[case](tmp_path / "scan")
    path, volume, result = written(only(tmp_path / "scan"), tmp_path)
    export.write_results(tmp_path / "out", volume, result, OverlayStyle(threshold=THRESHOLD), save=["nifti"])
    points, references = marked_points(path)
    same_points(points, nifti_points(tmp_path / "out" / "mask.nii.gz"))

    places = {}
    for file in (tmp_path / "scan").rglob("*"):
        if file.is_file():
            source = pydicom.dcmread(file)
            groups = source.get("PerFrameFunctionalGroupsSequence")
            if groups is None:
                places[source.SOPInstanceUID, None] = source.ImagePositionPatient
            else:
                places |= {(source.SOPInstanceUID, n + 1): group.PlanePositionSequence[0].ImagePositionPatient for n, group in enumerate(groups)}
    for origin, uid, number in references:
        assert np.allclose(origin, np.array(places[uid, number], float), atol=1e-4)


def test_highdicom_reads_it_back_slice_by_slice(tmp_path):
    write_series(tmp_path / "scan", head_scan())
    path, volume, result = written(only(tmp_path / "scan"), tmp_path)
    segmentation = highdicom.seg.segread(path)
    uids = [pydicom.dcmread(file).SOPInstanceUID for file, _ in volume.instances]
    pixels = segmentation.get_pixels_by_source_instance(uids, assert_missing_frames_are_empty=True, ignore_spatial_locations=True)[..., 0]
    mask = volume.stored.restore(result.mask(THRESHOLD, volume.shape)).transpose(2, 1, 0)
    assert np.array_equal(pixels > 0, mask)

    (description,) = segmentation.SegmentSequence
    assert description.SegmentLabel == "Tumour (predicted)"
    (algorithm,) = description.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("resunet", "1.2.0")
    assert "resnet50 1.0.0 and resunet 1.2.0" in algorithm.AlgorithmParameters
    assert segmentation.Modality == "SEG"
    assert segmentation.SegmentationType == "BINARY"
    assert segmentation.FrameOfReferenceUID == "1.2.3.9"
    assert segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.3.4"
    assert segmentation.SeriesInstanceUID != "1.2.3.4"


def test_it_belongs_to_the_patient_and_may_be_written_without(tmp_path):
    def edit(dataset: Dataset, number: int) -> None:
        dataset.AccessionNumber = "A-99"

    files = write_series(tmp_path / "scan", head_scan(), edit=edit)
    before = [hashlib.sha256(file.read_bytes()).digest() for file in files]
    path, *_ = written(only(tmp_path / "scan"), tmp_path)
    dataset = pydicom.dcmread(path)
    assert (dataset.PatientName, dataset.PatientID, dataset.AccessionNumber) == ("Doe^Jane", "SECRET-17", "A-99")
    assert dataset.PatientSex in ("", None), "what the source leaves out is there, but empty"
    assert dataset.StudyDate in ("", None)
    assert dataset.StudyInstanceUID == "1.2.3"

    bare, *_ = written(only(tmp_path / "scan"), tmp_path, identity=False)
    data = bare.read_bytes()
    for word in (b"Jane", b"SECRET", b"19700101", b"A-99", b"Secret Hospital"):
        assert word not in data
    assert pydicom.dcmread(bare).PatientName in ("", None)
    assert len(marked_points(bare)[0]) == len(marked_points(path)[0])
    assert [hashlib.sha256(file.read_bytes()).digest() for file in files] == before


def test_what_scanners_write_wrongly_does_no_harm(tmp_path):
    """Numbers (UIDs) with leading zeros, a birth date with slashes, a name without carets, letters beyond ASCII, words for numbers."""

    def edit(dataset: Dataset, number: int) -> None:
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName = "Müller Jürgen"
        dataset.add_new("PatientBirthDate", "LO", "01/02/1970")
        dataset.add_new("PatientWeight", "LO", "70 kg")
        dataset.PatientSex = "N/A"
        dataset.PatientAge = "055Y"

    write_series(tmp_path / "scan", head_scan(), edit=edit, StudyInstanceUID="1.02.3")
    path, *_ = written(only(tmp_path / "scan"), tmp_path)
    dataset = pydicom.dcmread(path)
    assert dataset.PatientName == "Müller Jürgen"
    assert (dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge) == ("", "", "055Y")
    assert dataset.StudyInstanceUID == "1.02.3"


def test_a_scan_without_a_tumour_has_an_empty_segment(tmp_path):
    write_series(tmp_path / "scan", head_scan())
    path, *_ = written(only(tmp_path / "scan"), tmp_path, empty=True)
    dataset = pydicom.dcmread(path)
    assert dataset.NumberOfFrames == 6
    assert not dataset.pixel_array.any()


def test_stacks_at_the_same_places_refer_to_their_own_frames(tmp_path):
    """Two stacks of one file lie over each other: position alone cannot tell which frames a mask belongs to."""
    (tmp_path / "scan").mkdir()
    scene = head_scan(slices=12)
    write_enhanced(tmp_path / "scan" / "e.dcm", scene, stacks=2)
    for series in scan(tmp_path / "scan").series:
        path, volume, result = written(series, tmp_path)
        marked = [z for z, slice_ in enumerate(result.mask(THRESHOLD, volume.shape)) if slice_.any()]
        frames = {next(n for n, frame in enumerate(scene) if np.array_equal(frame, volume[z][..., 0])) + 1 for z in marked}
        assert {int(number) for _, _, number in marked_points(path)[1]} == frames


def test_a_slice_that_could_not_be_read_shifts_nothing(tmp_path):
    files = write_series(tmp_path / "scan", head_scan(), syntax=pydicom.uid.RLELossless)
    damaged = pydicom.dcmread(files[2])
    damaged.PixelData = pydicom.encaps.encapsulate([b"\x02\0\0\0rubbish!"])
    damaged.save_as(files[2])
    path, volume, result = written(only(tmp_path / "scan"), tmp_path)
    assert len(volume) == 5
    assert files[2] not in [file for file, _ in volume.instances]
    export.write_results(tmp_path / "out", volume, result, OverlayStyle(threshold=THRESHOLD), save=["nifti"])
    uids = {uid for _, uid, _ in marked_points(path)[1]}
    assert damaged.SOPInstanceUID not in uids
    for origin, uid, _ in marked_points(path)[1]:
        source = next(one for one in map(pydicom.dcmread, files) if one.SOPInstanceUID == uid)
        assert np.allclose(origin, np.array(source.ImagePositionPatient, float))


def refused(series) -> str:
    with pytest.raises(WriteError) as caught:
        dicom_seg.check_series(series)
    sentence = caught.value.sentence
    assert sentence.endswith(".")
    assert series.key in sentence
    return sentence


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"FrameOfReferenceUID": ""}, "does not name its frame of reference"),
        ({"StudyInstanceUID": ""}, "does not name its study"),
        ({"SOPClassUID": "1.2.3.4.5"}, "do not hold what one needs"),
    ],
)
def test_what_cannot_be_referred_to_is_refused_before_any_analysis(tmp_path, values, words):
    write_series(tmp_path / "scan", head_scan(), **values)
    assert words in refused(only(tmp_path / "scan"))


def test_sources_without_a_place_or_of_another_format_are_refused(tmp_path):
    def edit(dataset: Dataset, number: int) -> None:
        del dataset.ImagePositionPatient

    write_series(tmp_path / "scan", head_scan(), edit=edit)
    assert "do not say where the slices lie" in refused(only(tmp_path / "scan"))
    nibabel.save(nibabel.Nifti1Image(head_scan().T.astype(np.int16), np.diag([1, 1, 5, 1])), tmp_path / "scan.nii")
    assert "DICOM source" in refused(only(tmp_path / "scan.nii"))


def test_slices_in_several_multi_frame_files_are_refused(tmp_path):
    (tmp_path / "scan").mkdir()
    write_enhanced(tmp_path / "scan" / "a.dcm", head_scan()[:3])
    write_enhanced(tmp_path / "scan" / "b.dcm", head_scan()[3:], origin=(-11.0, -7.0, 45.0))
    assert "several multi-frame files" in refused(only(tmp_path / "scan"))


def test_damaged_headers_are_written_or_refused_with_a_sentence(tmp_path):
    files = write_series(tmp_path / "scan", head_scan(slices=2))
    files.append(write_enhanced(tmp_path / "scan" / "e.dcm", head_scan(slices=2), SeriesInstanceUID="1.2.9"))
    whole = {file: file.read_bytes() for file in files}
    chance = random.Random(11)
    done, sentences = 0, []
    for number in range(36):
        file = files[number % len(files)]
        data = bytearray(whole[file])
        for _ in range(chance.choice((1, 2, 8))):
            data[chance.randrange(132, len(data) - 900)] = chance.randrange(256)  # the pixels are the last 960 or 1920 bytes
        file.write_bytes(data)
        for series in scan(tmp_path / "scan").series:
            try:
                written(series, tmp_path)
                done += 1
            except (ReadError, WriteError) as error:
                sentences.append(error.sentence)
        file.write_bytes(whole[file])
    assert done > 25
    assert all(sentence.endswith(".") for sentence in sentences)


def test_files_that_went_away_are_said(tmp_path):
    files = write_series(tmp_path / "scan", head_scan())
    volume = open_volume(only(tmp_path / "scan"))
    files[3].unlink()
    with pytest.raises(WriteError, match=files[3].name):
        dicom_seg.write_segmentation(tmp_path / "seg.dcm", volume, answer(volume), THRESHOLD)
    assert not (tmp_path / "seg.dcm").exists()


def test_a_single_picture_class_with_a_place(tmp_path):
    """A secondary capture that says where it lies; its class knows no positions, but the file has them."""

    def edit(dataset: Dataset, number: int) -> None:
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"

    write_series(tmp_path / "scan", head_scan(), edit=edit)
    path, *_ = written(only(tmp_path / "scan"), tmp_path)
    assert len(marked_points(path)[0]) > 0
