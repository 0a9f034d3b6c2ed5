"""Index, splits and loading of labelled slices."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pytest

from brainviewer.errors import TrainingError
from brainviewer.training import data, finish

from .conftest import make_patient


@pytest.fixture
def folder(tmp_path: Path, make_patients: Callable[..., Path]) -> Path:
    return make_patients(tmp_path, 12, 11, range(4, 8))


def test_index_is_in_natural_order_and_leaves_out_what_it_must(folder: Path) -> None:
    cases = data.index(folder, exclude=["TCGA_A_0000_19990101"])
    assert len(cases) == 11
    assert cases[0].patient == "TCGA_A_0002_19990101"
    assert cases[0].site == "A"
    assert [int(f.stem.split("_")[-1]) for f in cases[0].series.files] == list(range(1, 12))


def test_a_file_is_no_folder_of_scans(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(TrainingError, match=r"settings.json. is a file, not a folder"):
        data.index(tmp_path / "settings.json")


def test_every_patient_has_a_name_of_its_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder, name in ((tmp_path, "1.2.84.0"), (tmp_path, "1.2.84.1"), (tmp_path / "a", "head"), (tmp_path / "b", "head")):
        make_patient(folder, name, 3, rng, range(2, 3))
    assert [case.patient for case in data.index(tmp_path)] == ["1.2.84.0", "1.2.84.1", "a_head", "b_head"]
    said: list[str] = []
    left = data.index(tmp_path, ["1.2.84.0", "a_head", "c"], said.append)
    assert [case.patient for case in left] == ["1.2.84.1", "b_head"]
    assert any("not in the data: c" in text for text in said)
    assert [case.patient for case in data.index(tmp_path, ["head"])] == ["1.2.84.0", "1.2.84.1"], "a name that several share leaves out all of them"


def test_pairs_of_nifti_files_are_found_again_by_their_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("p0", "p1"):
        (tmp_path / folder).mkdir()
        for name, voxels in (("flair", rng.integers(1, 900, (40, 40, 4)).astype(np.int16)), ("flair_seg", np.eye(40, dtype=np.uint8)[..., None])):
            image = nibabel.Nifti1Image(voxels * np.ones((1, 1, 4), voxels.dtype), np.diag([-1.0, -1.0, 5.0, 1.0]))
            nibabel.save(image, tmp_path / folder / f"{name}.nii.gz")
    names = [case.patient for case in data.index(tmp_path)]
    assert names == ["p0_flair", "p1_flair"]
    assert len(finish.digests(tmp_path)) == 2
    (volume,) = finish.volumes_of(tmp_path, names[1:])
    assert volume.key == "p1_flair"
    with pytest.raises(TrainingError, match="Not in the data any more: p7"):
        finish.volumes_of(tmp_path, ["p7"])


def test_an_empty_folder_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="No slices with masks"):
        data.index(tmp_path)


def test_an_unreadable_file_is_named_and_the_rest_is_used(folder: Path) -> None:
    cases = data.index(folder)[:1]
    broken = cases[0].series.files[3]
    broken.write_bytes(broken.read_bytes()[:2000])
    said: list[str] = []
    slices = data.load(data.index(folder)[:1], 32, said.append)
    assert len(slices.labels) == 10
    assert any(broken.name in text for text in said)


def test_a_patient_that_cannot_be_read_or_has_no_masks_is_named_and_the_rest_is_used(folder: Path) -> None:
    first, second, *_ = sorted(folder.iterdir())
    for file in first.glob("*_mask.tif"):
        file.unlink()
    said: list[str] = []
    cases = data.index(folder, say=said.append)
    assert first.name in said[0]
    assert len(cases) == 11
    for file in second.iterdir():
        file.write_bytes(b"no picture")
    said.clear()
    slices = data.load(cases[:2], 32, said.append)
    assert f"{second.name} is left out" in said[0]
    assert slices.cases.tolist() == [1] * 11
    with pytest.raises(TrainingError, match="None of the labelled scans"):
        data.load(cases[:1], 32)


def test_a_slice_whose_mask_is_missing_broken_or_of_another_size_does_not_teach_that_it_shows_nothing(folder: Path) -> None:
    case = data.index(folder)[0]
    masks = [file.with_name(f"{file.stem}_mask.tif") for file in case.series.files]
    masks[4].unlink()
    masks[5].write_bytes(masks[5].read_bytes()[:50])
    cv2.imwrite(str(masks[6]), np.zeros((32, 32), np.uint8))
    slices = data.load(data.index(folder)[:1], 32)
    assert len(slices.labels) == 8
    assert slices.labels.sum() == 1


def test_load_gives_what_the_viewer_would_feed(folder: Path) -> None:
    slices = data.load(data.index(folder)[:2], 32)
    assert slices.images.shape == (22, 32, 32, 3)
    assert slices.masks.shape == (22, 32, 32)
    assert slices.labels.sum() == 8
    assert slices.images.max() <= 1


def test_split_by_patient_is_disjoint_stratified_and_seeded(folder: Path) -> None:
    cases = data.index(folder)
    train, validation = data.split_patients(cases, 0.34, seed=3)
    assert set(train) | set(validation) == set(range(12))
    assert not set(train) & set(validation)
    assert abs([cases[n].site for n in validation].count("A") - len(validation) / 2) <= 0.5
    assert data.split_patients(cases, 0.34, seed=3) == (train, validation)
    assert any(data.split_patients(cases, 0.34, seed=n) != (train, validation) for n in range(4, 8))


def a_case(number: int, site: str) -> data.Case:
    return data.Case(f"TCGA_{site}_{number:04}", site, series=None)  # type: ignore[arg-type]


def test_a_lone_site_does_not_switch_the_stratification_off() -> None:
    sites = ["CS"] * 11 + ["DU"] * 32 + ["EZ"] + ["FG"] * 10 + ["HT"] * 24
    cases = [a_case(n, site) for n, site in enumerate(sites)]
    for seed in range(5):
        said: list[str] = []
        _, validation = data.split_patients(cases, 0.15, seed, said.append)
        assert {cases[n].site for n in validation} >= {"CS", "DU", "FG", "HT"}
        assert not said


def test_too_few_patients_for_their_sites_are_split_at_random_and_that_is_said() -> None:
    cases = [a_case(n, site) for n, site in enumerate(["A"] * 4 + ["B"] * 4)]
    said: list[str] = []
    train, validation = data.split_patients(cases, 0.15, 1, said.append)
    assert (len(train), len(validation)) == (7, 1)
    assert "at random" in said[0]
    with pytest.raises(TrainingError, match="two patients"):
        data.split_patients(cases[:1], 0.15, 1)


def test_patients_with_equal_slices_stay_on_one_side(make_patients: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_patients(tmp_path, 6, 4, range(1, 3))
    first = sorted(path for path in folder.iterdir() if path.is_dir())[0]
    twin = shutil.copytree(first, folder / "TCGA_B_9999_19990101")  # the same patient under another name
    for path in list(twin.iterdir()):
        path.rename(twin / path.name.replace(first.name, twin.name))
    cases = data.index(folder)
    groups = data.alike(cases, data.load(cases, 64))
    assert [[cases[n].patient for n in group] for group in groups if len(group) > 1] == [[first.name, twin.name]]
    assert sorted(n for group in groups for n in group) == list(range(7))
    for seed in range(12):
        sides = data.split_patients(cases, 0.34, seed, groups=groups)
        assert sorted(sides[0] + sides[1]) == list(range(7))
        assert any(set(groups[0]) <= set(side) for side in sides)


def test_validation_patients_may_be_given_by_name() -> None:
    cases = [a_case(n, "A") for n in range(4)]
    assert data.named_split(cases, ["TCGA_A_0002", "TCGA_A_0000"]) == ([1, 3], [0, 2])
    with pytest.raises(TrainingError, match="TCGA_B_0009"):
        data.named_split(cases, ["TCGA_B_0009"])
    with pytest.raises(TrainingError, match="none is left"):
        data.named_split(cases, [case.patient for case in cases])


def test_the_leaky_split_says_so_in_its_name_and_keeps_the_notebooks_shares() -> None:
    labels = np.arange(1000) % 3 == 0
    train, validation, test = data.split_slices_leaky(labels, 0.15, 0.15, 0)
    assert len(test) == 150
    assert len(validation) == 128
    assert len(train) + len(validation) + len(test) == 1000
