"""What makes one volume: whatever tag differs from slice to slice, a series is neither torn apart nor thrown together."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dicom_files import head_scan, write_enhanced, write_series

from brainviewer.formats import open_volume, scan

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SCENE = head_scan(8, 12, 14)

DIFFER = {
    "EchoNumbers": lambda n: n + 1,
    "EchoTime": lambda n: 80 + n / 2,
    "TemporalPositionIdentifier": lambda n: n + 1,
    "AcquisitionNumber": lambda n: n + 1,
    "ImageType": lambda n: ["ORIGINAL", "PRIMARY", "M", f"X{n}"],
    "DiffusionBValue": lambda n: 10.0 * n,
    "TriggerTime": lambda n: 11.5 * n,
    "AcquisitionTime": lambda n: f"1200{n:02}",
    "FrameOfReferenceUID": lambda n: f"1.2.3.9.{n + 1}",
    "StudyInstanceUID": lambda n: f"1.2.3.7.{n + 1}",
    "PixelSpacing": lambda n: [0.94949 + n * 1e-5] * 2,
    "SliceThickness": lambda n: 5 + n / 100,
    "SeriesDescription": lambda n: f"AX {n}",
    "RescaleSlope": lambda n: 1 + n / 10,
    "PixelPaddingValue": lambda n: n,
    "PixelRepresentation": lambda n: n % 2,
    "PhotometricInterpretation": lambda n: ("MONOCHROME2", "MONOCHROME1")[n % 2],
}


def series_of(path):
    listing = scan(path)
    assert listing.ignored == ()
    return listing.series


def shapes(path):
    return [one.shape[0] for one in series_of(path)]


@pytest.mark.parametrize("keyword", DIFFER)
def test_a_tag_of_each_slices_own_tears_no_series_apart(tmp_path, keyword):
    write_series(tmp_path, SCENE, edit=lambda dataset, number: setattr(dataset, keyword, DIFFER[keyword](number)))
    assert shapes(tmp_path) == [8]


@pytest.mark.parametrize("keyword", DIFFER)
@pytest.mark.parametrize("marked", ["", "EchoNumbers"], ids=lambda name: name or "unmarked")
def test_nor_two_volumes_at_the_same_places(tmp_path, keyword, marked):
    if keyword == marked:
        pytest.skip("the tag is the mark")
    for volume in range(2):

        def edit(dataset, number, volume=volume):
            setattr(dataset, keyword, DIFFER[keyword]((number * 3 + volume * 5) % 8))
            if marked:
                setattr(dataset, marked, str(101010 + volume) if marked == "AcquisitionTime" else volume + 1)

        write_series(tmp_path / str(volume), SCENE + volume, edit=edit, numbers=list(range(1 + 8 * volume, 9 + 8 * volume)))
    series = series_of(tmp_path)
    assert [one.shape[0] for one in series] == [8, 8]
    if keyword not in ("RescaleSlope", "PhotometricInterpretation"):
        firsts = [open_volume(one).voxels[:, 0, 0, 0].astype(int) - SCENE[:, 0, 0] for one in series]
        assert sorted(map(tuple, firsts)) == [(0,) * 8, (1,) * 8]  # each from files of its own


def test_two_contrasts_side_by_side_stay_two(tmp_path):
    write_series(tmp_path, SCENE, edit=lambda dataset, number: setattr(dataset, "EchoTime", (10, 90)[number // 4]))
    assert shapes(tmp_path) == [4, 4]


def test_two_frames_of_reference_stay_two(tmp_path):
    write_series(tmp_path, SCENE, edit=lambda dataset, number: setattr(dataset, "FrameOfReferenceUID", f"1.2.3.9.{number // 4 + 1}"))
    series = series_of(tmp_path)
    assert [one.shape[0] for one in series] == [4, 4]
    assert len({one.frame_of_reference for one in series}) == 2


def test_a_frame_of_reference_of_each_slices_own_names_no_space(tmp_path):
    write_series(tmp_path, SCENE, edit=lambda dataset, number: setattr(dataset, "FrameOfReferenceUID", f"1.2.3.9.{number}"))
    (series,) = series_of(tmp_path)
    assert series.frame_of_reference == open_volume(series).frame_of_reference == ""


def without_series(dataset, number):
    del dataset.SeriesInstanceUID


def test_files_without_a_series_stay_together(tmp_path):
    write_series(tmp_path / "a", SCENE, edit=without_series)
    write_series(tmp_path / "b", SCENE, edit=without_series)
    for path in write_series(tmp_path / "t1", SCENE[:5], edit=without_series, SeriesDescription="AX T1"):
        path.rename(tmp_path / "b" / f"t1 {path.name}")
    series = series_of(tmp_path)
    assert sorted(one.shape[0] for one in series) == [5, 8, 8]
    assert len({one.key for one in series}) == 3
    assert {one.key for one in series_of(tmp_path)} == {one.key for one in series}
    assert np.array_equal(open_volume(next(one for one in series if one.source.endswith("/a"))).voxels[..., 0], SCENE)


def test_of_a_series_of_many_volumes_the_first_are_listed(tmp_path):
    many = np.concatenate([SCENE[:2] + n for n in range(20)])

    def edit(dataset):
        for number, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            content = group.FrameContentSequence[0]
            content.StackID, content.TemporalPositionIndex = "1", number // 2 + 1
            group.PlanePositionSequence[0].ImagePositionPatient = [0, 0, 5 * (number % 2)]

    write_enhanced(tmp_path / "a.dcm", many, edit=edit)
    series = series_of(tmp_path)
    assert [one.shape[0] for one in series] == [2] * 16
    assert int(open_volume(series[0]).voxels[0, 0, 0, 0]) == int(SCENE[0, 0, 0])
    for time in range(20):
        write_series(
            tmp_path / "classic" / str(time),
            SCENE[:3],
            TemporalPositionIdentifier=time + 1,
            series="1.2.3.5",
            numbers=[3 * time + n for n in (1, 2, 3)],
        )
    listing = scan(tmp_path / "classic")
    assert len(listing.series) == 16
    assert len(listing.ignored) == 12
    assert listing.ignored[0].why == "It belongs to volume 17 of the 20 of its series; only the first 16 are listed."
