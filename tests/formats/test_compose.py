"""Three sequences on one grid: landmarks stay where they are in space, and what does not go together is refused."""

import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

pytest.importorskip("pydicom")
sys.path.insert(0, str(Path(__file__).parent))

import tifffile
from dicom_files import head_scan, write_series

from brainviewer.errors import RefusalError
from brainviewer.formats import find_series, open_volume, scan
from brainviewer.formats.compose import Channels, check_channels, compose, guess_channels, open_channels

LANDMARK = np.array([4.0, -6.0, 12.0])
"""LPS mm."""

AXIAL = {"shape": (14, 40, 44), "origin": (-40, -45, -20), "row": (1, 0, 0), "column": (0, 1, 0), "spacing": (2.1, 1.9), "depth": 5.0}
SHIFTED = {"shape": (17, 60, 50), "origin": (-33.3, -51.2, -24.4), "row": (1, 0, 0), "column": (0, 1, 0), "spacing": (1.3, 1.4), "depth": 4.0}
SAGITTAL = {"shape": (70, 64, 68), "origin": (46, -50, 56), "row": (0, 1, 0), "column": (0, 0, -1), "spacing": (1.2, 1.3), "depth": 1.2}
TURNED = {**SHIFTED, "row": (0.96, 0.28, 0), "column": (-0.28, 0.96, 0), "origin": (-20, -55, -24.4)}
GRIDS = {"shifted": SHIFTED, "sagittal": SAGITTAL, "turned": TURNED}


def ramp(places):
    """A field that linear interpolation keeps; (..., 3) LPS mm to values."""
    return 1000 + places @ np.array([3.0, -2.0, 5.0])


def blob(places):
    return 4000 * np.exp(-(np.square(places - LANDMARK).sum(axis=-1)) / (2 * 7.0**2))


def write(folder, grid, field, sequence="AX FLAIR", series="1.2.3.4", **values):
    """A field of space as DICOM files on a grid."""
    normal = np.cross(grid["row"], grid["column"])
    k, j, i = (axis[..., np.newaxis] for axis in np.mgrid[tuple(map(slice, grid["shape"]))])
    along, down = np.array(grid["row"]) * grid["spacing"][1], np.array(grid["column"]) * grid["spacing"][0]
    places = np.array(grid["origin"]) + i * along + j * down + k * normal * grid["depth"]
    how = {name: grid[name] for name in ("origin", "row", "column", "spacing", "depth")}
    write_series(folder, np.round(field(places)).astype(np.uint16), series=series, SeriesDescription=sequence, **how, **values)


def places_of(volume):
    """(Z, Y, X, 3) LPS mm of a volume's voxels."""
    z, y, x = np.mgrid[tuple(map(slice, volume.shape))]
    ras = np.stack([x, y, z, np.ones_like(x)], axis=-1) @ volume.affine.T
    return ras[..., :3] * (-1, -1, 1)


def opened(path):
    (series,) = scan(path).series
    return open_volume(series)


def test_one_grid_is_stacked_as_it_is(tmp_path):
    for number, name in enumerate(("T1", "FLAIR", "T1 +C")):
        write_series(tmp_path / str(number), head_scan() + number, series=f"1.2.{number}", SeriesDescription=f"AX {name}")
    pre, flair, post = (opened(tmp_path / str(number)) for number in range(3))
    volume = compose(flair, pre, post)
    assert volume.channels == ("pre", "flair", "post")
    assert volume.composed
    assert volume.voxels.dtype == flair.voxels.dtype
    for channel, part in enumerate((pre, flair, post)):
        assert np.array_equal(volume.voxels[..., channel], part.voxels[..., 0])
    assert (volume.key, volume.stems, volume.instances) == (flair.key, flair.stems, flair.instances)
    assert not any("interpolation" in note for note in volume.notes)
    assert any(pre.key in note and post.key in note for note in volume.notes)


@pytest.mark.parametrize("name", GRIDS)
def test_other_grids_come_through_their_affines(tmp_path, name):
    write(tmp_path / "flair", AXIAL, ramp)
    write(tmp_path / "pre", GRIDS[name], ramp, series="1.2.5")
    flair, pre = opened(tmp_path / "flair"), opened(tmp_path / "pre")
    volume = compose(flair, pre)
    assert volume.voxels.dtype == np.float32
    assert np.array_equal(volume.affine, flair.affine)
    assert np.array_equal(volume.voxels[..., 1], flair.voxels[..., 0])
    assert np.array_equal(volume.voxels[..., 2], volume.voxels[..., 1]), "FLAIR takes the place of what is missing"
    source = places_of(pre).reshape(-1, 3)
    inner = np.all((places_of(volume) > source.min(axis=0)) & (places_of(volume) < source.max(axis=0)), axis=-1)
    if name == "turned":
        inner &= volume.voxels[..., 0] > pre.voxels.min()
        inner = inner & np.roll(inner, 1, 1) & np.roll(inner, -1, 1) & np.roll(inner, 1, 2) & np.roll(inner, -1, 2)
    assert np.count_nonzero(inner) > 2000
    assert np.abs(volume.voxels[..., 0] - ramp(places_of(volume)))[inner].max() < 1.0
    notes = " ".join(volume.notes)
    assert "linear interpolation: pre-contrast T1." in notes
    assert "FLAIR takes the place of post-contrast T1" in notes


@pytest.mark.parametrize("name", GRIDS)
def test_a_landmark_stays_in_its_place(tmp_path, name):
    write(tmp_path / "flair", AXIAL, blob)
    write(tmp_path / "post", GRIDS[name], blob, series="1.2.5")
    volume = compose(opened(tmp_path / "flair"), None, opened(tmp_path / "post"))
    places = places_of(volume)
    for channel in (1, 2):
        values = volume.voxels[..., channel].astype(float)
        centre = (places * values[..., np.newaxis]).reshape(-1, 3).sum(axis=0) / values.sum()
        assert np.all(np.abs(centre - LANDMARK) < np.array([1.9, 2.1, 5.0]) / 2)
        brightest = places.reshape(-1, 3)[values.argmax()]
        assert np.all(np.abs(brightest - LANDMARK) <= np.array([1.9, 2.1, 5.0]) / 2 + 1e-3)


def test_what_lies_outside_is_empty_and_said(tmp_path):
    write(tmp_path / "flair", AXIAL, ramp)
    write(tmp_path / "pre", {**AXIAL, "shape": (5, 40, 44)}, ramp, series="1.2.5")
    flair, pre = opened(tmp_path / "flair"), opened(tmp_path / "pre")
    volume = compose(flair, pre)
    assert np.array_equal(volume.voxels[:5, ..., 0], flair.voxels[:5, ..., 0])
    assert np.all(volume.voxels[5:, ..., 0] == pre.voxels.min())
    assert any("covers only 36 %" in note for note in volume.notes)


def test_voxels_that_are_not_numbers_spread_nowhere(tmp_path):
    values = np.full((20, 20, 10), 7, np.float32)
    values[3, 3, 3] = np.nan
    nibabel.save(nibabel.Nifti1Image(np.full((20, 20, 5), 3, np.float32), np.diag([1, 1, 4, 1])), tmp_path / "flair.nii")
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1, 1, 2, 1])), tmp_path / "t1.nii")
    listing = scan(tmp_path)
    volume = open_channels(Channels(find_series(listing, "flair"), find_series(listing, "t1")))
    assert np.isfinite(volume.voxels).all()
    assert any("taken as registered" in note for note in volume.notes)


def test_series_that_do_not_go_together_are_refused(tmp_path):
    write(tmp_path / "flair", AXIAL, ramp)
    write(tmp_path / "other", AXIAL, ramp, series="1.2.5", FrameOfReferenceUID="1.2.3.10")
    write(tmp_path / "away", {**AXIAL, "origin": (500, 0, 0)}, ramp, series="1.2.6")
    nibabel.save(
        nibabel.Nifti1Image(np.zeros((44, 40, 14, 1, 3), np.uint8).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0, 0], np.eye(4)),
        tmp_path / "rgb.nii",
    )
    bare = nibabel.Nifti1Image(np.zeros((44, 40, 14), np.int16), None)
    nibabel.save(bare, tmp_path / "bare.nii")
    flair = opened(tmp_path / "flair")
    for name, words in (
        ("other", "different frames of reference"),
        ("away", "do not overlap"),
        ("rgb.nii", "three channels already"),
        ("bare.nii", "does not say where its slices lie"),
    ):
        with pytest.raises(RefusalError, match=words) as caught:
            compose(flair, opened(tmp_path / name))
        assert caught.value.sentence.endswith(".")


def test_without_a_place_only_equal_shapes_go_together(tmp_path):
    chance = np.random.default_rng(4)
    for name, shape in (("flair", (6, 20, 24)), ("t1", (6, 20, 24)), ("t1ce", (6, 20, 25))):
        tifffile.imwrite(tmp_path / f"{name}.tif", chance.integers(0, 900, shape).astype(np.uint16))
    listing = scan(tmp_path)
    flair, pre, post = (find_series(listing, name) for name in ("flair", "t1", "t1ce"))
    volume = open_channels(Channels(flair, pre))
    assert np.array_equal(volume.voxels[..., 0], open_volume(pre).voxels[..., 0])
    assert any("same number" in note for note in volume.notes)
    with pytest.raises(RefusalError, match="25 x 20 x 6 and 24 x 20 x 6"):
        check_channels(Channels(flair, pre, post))


def test_the_reading_of_three_series_is_told_and_can_be_stopped(tmp_path):
    write(tmp_path / "flair", AXIAL, ramp)
    write(tmp_path / "pre", SHIFTED, ramp, series="1.2.5")
    pre, flair = sorted(scan(tmp_path).series, key=lambda series: "pre" not in series.source)
    seen = []
    open_channels(Channels(flair, pre), lambda done, total: seen.append(done / total))
    assert seen == sorted(seen)
    assert seen[-1] == 1

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_channels(Channels(flair, pre), stop)


def test_a_coarse_sagittal_flair_is_not_composed_for_the_models(tmp_path):
    write(tmp_path / "flair", {**SAGITTAL, "shape": (12, 64, 68), "depth": 6.0}, ramp)
    (series,) = scan(tmp_path).series
    with pytest.raises(RefusalError, match="sagittal"):
        check_channels(Channels(series))
    assert "sagittal" in compose(open_volume(series)).refusal


# --- which is which


def names(channels):
    return None if channels is None else tuple(series.description for series in (channels.pre, channels.flair, channels.post))


def test_the_three_of_a_study_are_found(tmp_path):
    study = [
        ("localizer", SHIFTED, {}),
        ("SAG T1", {**SAGITTAL, "shape": (12, 64, 68), "depth": 6.0}, {}),
        ("AX T1", AXIAL, {}),
        ("AX T2", AXIAL, {}),
        ("AX FLAIR", AXIAL, {}),
        ("ADC map", AXIAL, {}),
        ("AX T1 +C moved", AXIAL, {"FrameOfReferenceUID": "1.2.3.11"}),
        ("AX T1 +C", AXIAL, {}),
    ]
    for number, (name, grid, values) in enumerate(study):
        write(tmp_path / f"s{number}", {**grid, "shape": (6, 20, 20)}, ramp, name, series=f"1.2.3.{number + 20}", SeriesNumber=number + 1, **values)
    assert names(guess_channels(scan(tmp_path))) == ("AX T1", "AX FLAIR", "AX T1 +C")


def test_sequences_of_two_patients_are_never_mixed(tmp_path):
    grid = {**AXIAL, "shape": (6, 20, 20)}
    for number, (name, study) in enumerate((("AX T1", "1.9.1"), ("AX FLAIR", "1.9.1"), ("AX T1 +C", "1.9.2"))):
        write(tmp_path / "dicom" / str(number), grid, ramp, name, series=f"1.2.3.{number + 20}", StudyInstanceUID=study)
    assert guess_channels(scan(tmp_path / "dicom")) is None

    image = nibabel.Nifti1Image(np.zeros((20, 20, 6), np.int16), np.diag([1, 1, 5, 1]))
    (tmp_path / "nifti").mkdir()
    for name in ("p1_t1", "p1_flair", "p2_t1ce", "p2_flair"):
        nibabel.save(image, tmp_path / "nifti" / f"{name}.nii")
    assert guess_channels(scan(tmp_path / "nifti")) is None
    nibabel.save(image, tmp_path / "nifti" / "p2_t1.nii")
    assert names(guess_channels(scan(tmp_path / "nifti"))) == ("p2_t1", "p2_flair", "p2_t1ce")
