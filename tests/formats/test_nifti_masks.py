"""Whose mask a mask is: right by its name, or nobody's; never another patient's."""

import nibabel
import numpy as np
import pytest

from brainviewer.formats import open_volume, scan

SCENE = np.arange(4 * 6 * 7).reshape(4, 6, 7).astype(np.int16)
GRID = np.diag([-1, -1, 5, 1.0])
"""One grid for all, as after registration to a template."""


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        words = name.lower()
        values = SCENE % 2 if any(word in words for word in ("seg", "mask", "label")) else SCENE
        nibabel.save(nibabel.Nifti1Image(values.T, GRID), folder / f"{name}.nii")


def referenced(folder):
    """{series' source less its suffix: whether it has a reference}"""
    return {one.source.removeprefix(f"{folder.name}/").removesuffix(".nii"): one.reference for one in scan(folder).series}


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["p1_flair", "p1_t1"], ["p1_seg"]),
        (["p1_flair", "p2_flair"], ["p1_seg", "p2_seg"]),
        (["flair", "t1", "t1ce"], ["seg"]),
        (["BraTS-GLI-00005-000-t1c", "BraTS-GLI-00005-000-t2f"], ["BraTS-GLI-00005-000-seg"]),
        (["UPENN-GBM-00001_11_FLAIR", "UPENN-GBM-00001_11_T1"], ["UPENN-GBM-00001_11_segm"]),
        (["a/flair", "b/flair"], ["a/seg", "b/seg"]),
        (["imagesTr/x_01", "imagesTr/x_02"], ["labelsTr/x_01", "labelsTr/x_02"]),
        (["imagesTr/x_001_0000", "imagesTr/x_001_0001"], ["labelsTr/x_001"]),
        (["p1_flair_registered", "p1_t1_registered"], ["p1_seg"]),
        (["case"], ["case_tumour_mask"]),
    ],
)
def test_masks_of_the_same_patient(tmp_path, images, masks):
    write(tmp_path, *images, *masks)
    assert referenced(tmp_path) == dict.fromkeys(images, True)


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        (["p1/flair"], ["p2/flair_seg"]),
        (["p1/flair", "p2/flair"], ["labels/flair"]),
        (["p1_flair", "p2_flair"], ["seg"]),
        (["PD001_flair", "PD002_flair"], ["seg"]),
        (["case_1", "case_2"], ["case_seg"]),
        (["case_2"], ["case_seg"]),
        (["case"], ["case_2_seg"]),
        (["imagesTr/x_01"], ["labelsTr/x_02"]),
        (["imagesTr/x_01_0000"], ["labelsTr/x"]),
        (["a/scan"], ["b/seg"]),
    ],
)
def test_masks_that_may_be_another_patients(tmp_path, images, masks):
    write(tmp_path, *images, *masks)
    assert referenced(tmp_path) == dict.fromkeys((*images, *masks), False)


def test_a_mask_of_one_patient_is_not_the_next_ones(tmp_path):
    write(tmp_path, "p1_flair", "p2_flair", "p1_seg")
    assert referenced(tmp_path) == {"p1_flair": True, "p2_flair": False}


def test_every_mask_is_the_one_of_its_scan(tmp_path):
    for number in range(3):
        nibabel.save(nibabel.Nifti1Image(SCENE.T, GRID), tmp_path / f"p{number}_flair.nii")
        nibabel.save(nibabel.Nifti1Image((number == SCENE.T % 3).astype(np.uint8), GRID), tmp_path / f"p{number}_seg.nii")
    for number, series in enumerate(scan(tmp_path).series):
        assert np.array_equal(open_volume(series).reference, number == SCENE % 3)
