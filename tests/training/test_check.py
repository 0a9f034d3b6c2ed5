"""Each fault of a labelled folder: one sentence, and nothing else is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pytest

from brainviewer.formats import scan
from brainviewer.training.check import Finding, check, fingerprint


def findings(folder: Path) -> list[Finding]:
    return list(check(scan(folder)).findings)


def only(folder: Path) -> Finding:
    found = findings(folder)
    assert len(found) == 1, found
    return found[0]


def read(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_a_good_folder_has_no_findings(heads: Path) -> None:
    checked = check(scan(heads))
    assert checked.findings == ()
    assert [(p.patient, p.slices, p.labelled, p.tumour, p.tumour_px) for p in checked.patients[:2]] == [("p0", 6, 6, 2, 120), ("p1", 6, 6, 2, 200)]
    assert checked.patients[0].tumour_ml is None


def test_a_missing_mask(heads: Path) -> None:
    (heads / "p1" / "p1_2_mask.tif").unlink()
    finding = only(heads)
    assert (finding.kind, finding.patient, finding.file, finding.slice) == ("missing-mask", "p1", "heads/p1/p1_2.tif", 1)
    assert "p1_2.tif" in finding.sentence


def test_a_mask_of_another_size_is_told_once_and_not_as_missing(heads: Path) -> None:
    cv2.imwrite(str(heads / "p1" / "p1_2_mask.tif"), np.zeros((32, 48), np.uint8))
    finding = only(heads)
    assert (finding.kind, finding.patient, finding.file) == ("mask-size", "p1", "heads/p1/p1_2_mask.tif")
    assert finding.sentence == '"p1_2_mask.tif" is not used: the reference mask has 48 x 32 pixels, its slice 64 x 64.'


def test_an_unreadable_mask(heads: Path) -> None:
    path = heads / "p1" / "p1_2_mask.tif"
    path.write_bytes(path.read_bytes()[:50])
    finding = only(heads)
    assert (finding.kind, finding.file) == ("unreadable", "heads/p1/p1_2_mask.tif")


@pytest.mark.parametrize("content", [b"", b"not a picture at all", None])
def test_one_unreadable_slice_leaves_the_others(heads: Path, content: bytes | None) -> None:
    path = heads / "p2" / "p2_5.tif"
    path.write_bytes(path.read_bytes()[:900] if content is None else content)
    checked = check(scan(heads))
    assert [(f.kind, f.file) for f in checked.findings if f.kind == "unreadable"] == [("unreadable", "heads/p2/p2_5.tif")]
    assert "p2_5.tif" in checked.findings[0].sentence
    assert [p.slices for p in checked.patients] == [6, 6, 5, 6]


def test_a_patient_without_masks(heads: Path) -> None:
    for path in (heads / "p3").glob("*_mask.tif"):
        path.unlink()
    finding = only(heads)
    assert (finding.kind, finding.patient) == ("no-masks", "p3")


def test_a_mask_without_its_slice(heads: Path) -> None:
    (heads / "p3" / "p3_6.tif").unlink()
    finding = only(heads)
    assert (finding.kind, finding.patient, finding.file) == ("mask-without-scan", "p3", "heads/p3/p3_6_mask.tif")


def test_a_mask_that_is_not_binary(heads: Path) -> None:
    path = heads / "p0" / "p0_3_mask.tif"
    cv2.imwrite(str(path), cv2.GaussianBlur(read(path), (0, 0), 1))
    finding = only(heads)
    assert (finding.kind, finding.patient, finding.file, finding.slice) == ("mask-not-binary", "p0", "heads/p0/p0_3_mask.tif", 2)


def test_masks_that_are_all_empty_and_one_that_is_empty_in_between(heads: Path) -> None:
    for n in (3, 4):
        cv2.imwrite(str(heads / "p0" / f"p0_{n}_mask.tif"), np.zeros((64, 64), np.uint8))
    cv2.imwrite(str(heads / "p1" / "p1_6_mask.tif"), read(heads / "p1" / "p1_4_mask.tif"))
    found = findings(heads)
    assert [(f.kind, f.patient, f.slice) for f in found] == [("mask-empty", "p0", None), ("mask-empty", "p1", 4)]


def test_a_mask_beside_the_head(heads: Path) -> None:
    path = heads / "p1" / "p1_3_mask.tif"
    cv2.imwrite(str(path), np.roll(read(path), 32, axis=1))
    finding = only(heads)
    assert (finding.kind, finding.patient, finding.slice) == ("mask-misaligned", "p1", 2)


def test_a_mask_in_noisy_air_beside_the_head(heads: Path) -> None:
    rng = np.random.default_rng(0)
    for path in heads.glob("p1/p1_?.tif"):
        picture = read(path)
        cv2.imwrite(str(path), np.maximum(picture, rng.integers(0, 40, picture.shape).astype(np.uint8)))
    assert findings(heads) == []
    mask = np.zeros((64, 64), np.uint8)
    mask[:8, :8] = 255
    cv2.imwrite(str(heads / "p1" / "p1_3_mask.tif"), mask)
    finding = only(heads)
    assert (finding.kind, finding.patient, finding.slice) == ("mask-misaligned", "p1", 2)


def test_the_dark_within_a_head_is_no_outside(heads: Path) -> None:
    path = heads / "p1" / "p1_3.tif"
    picture = read(path)
    picture[24:26, 26:28] = 0
    cv2.imwrite(str(path), picture)
    assert findings(heads) == []


def test_a_blank_slice(heads: Path) -> None:
    cv2.imwrite(str(heads / "p1" / "p1_6.tif"), np.zeros((64, 64, 3), np.uint8))
    finding = only(heads)
    assert (finding.kind, finding.slice) == ("blank-slice", 5)


def test_equal_pixels_under_another_name(heads: Path) -> None:
    shutil.copy(heads / "p1" / "p1_3.tif", heads / "p1" / "p1_6.tif")
    finding = only(heads)
    assert (finding.kind, finding.patient, finding.file) == ("duplicate", "p1", "heads/p1/p1_6.tif")
    assert finding.sentence == '"p1_6.tif" holds the same pixels as "p1_3.tif". Their masks differ.'


def test_a_copied_patient_is_one_finding(heads: Path) -> None:
    (heads / "copy").mkdir()
    for path in (heads / "p1").iterdir():
        shutil.copy(path, heads / "copy" / path.name.replace("p1", "copy"))
    finding = only(heads)
    assert (finding.kind, finding.patient) == ("duplicate", "p1")
    assert finding.sentence.startswith('6 slices of "p1" have the same pixels as slices of "copy"')
    assert "masks differ" not in finding.sentence


@pytest.mark.parametrize("change", ["noise", "darker", "smaller"])
def test_near_duplicates_across_patients(heads: Path, change: str) -> None:
    rng = np.random.default_rng(2)
    for n in range(1, 7):
        picture = read(heads / "p0" / f"p0_{n}.tif")
        if change == "noise":
            picture = np.clip(picture + rng.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)
        elif change == "darker":
            picture = (picture * 0.6).astype(np.uint8)
        else:
            picture = cv2.resize(picture, (48, 48), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(heads / "p3" / f"p3_{n}_mask.tif"), cv2.resize(read(heads / "p3" / f"p3_{n}_mask.tif"), (48, 48), interpolation=0))
        cv2.imwrite(str(heads / "p3" / f"p3_{n}.tif"), picture)
    finding = only(heads)
    assert (finding.kind, finding.patient) == ("near-duplicate", "p3")
    assert finding.sentence.startswith('6 slices of "p3" are nearly equal to slices of "p0"')


def test_neighbours_in_one_scan_are_no_near_duplicates(heads: Path) -> None:
    picture = read(heads / "p0" / "p0_1.tif")
    cv2.imwrite(str(heads / "p0" / "p0_2.tif"), (picture * 0.9).astype(np.uint8))
    assert findings(heads) == []


def test_fingerprints_do_not_depend_on_brightness_and_contrast() -> None:
    image = np.random.default_rng(0).integers(0, 200, (64, 64)).astype(np.uint8)
    one, two = fingerprint(image), fingerprint(image.astype(np.float64) * 7.5 + 300)
    assert one is not None
    assert two is not None
    assert float(one @ two) == pytest.approx(1, abs=1e-5)
    assert fingerprint(np.full((64, 64), 9, np.uint16)) is None


@pytest.mark.parametrize("value", [0, 255])
def test_one_class_only(heads: Path, value: int) -> None:
    for path in heads.glob("*/*_mask.tif"):
        mask = np.zeros((64, 64), np.uint8)
        mask[30:34, 30:34] = value
        cv2.imwrite(str(path), mask)
    found = [f for f in findings(heads) if f.kind == "one-class"]
    assert len(found) == 1
    assert found[0].sentence.startswith("Every slice shows" if value else "No slice shows")


def test_other_files_are_named_and_nothing_more(heads: Path) -> None:
    (heads / "data.csv").write_text("Patient,age\n")
    finding = only(heads)
    assert (finding.kind, finding.file) == ("other-file", "heads/data.csv")


def test_everything_wrong_at_once_loses_nothing(heads: Path) -> None:
    (heads / "p0" / "p0_1_mask.tif").unlink()
    (heads / "p0" / "p0_2.tif").write_bytes(b"II*\0")
    cv2.imwrite(str(heads / "p0" / "p0_5_mask.tif"), np.zeros((9, 9), np.uint8))
    for path in (heads / "p1").glob("*_mask.tif"):
        path.unlink()
    shutil.copy(heads / "p2" / "p2_1.tif", heads / "p3" / "p3_1.tif")
    checked = check(scan(heads))
    assert [finding.kind for finding in checked.findings] == ["unreadable", "no-masks", "missing-mask", "mask-size", "duplicate"]
    assert [p.slices for p in checked.patients] == [5, 6, 6, 6]
    assert all(f.sentence.endswith((".", "?")) for f in checked.findings)


def save(path: Path, voxels: np.ndarray, spacing: tuple[float, float, float]) -> None:
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])), path)


def test_nifti_pairs_with_labels_and_a_mask_that_fits_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(2):
        voxels = cv2.resize(rng.integers(1, 900, (16, 16)).astype(np.float32), (40, 40))[..., np.newaxis] * np.ones(6, np.float32)
        voxels += rng.normal(0, 20, voxels.shape)
        save(tmp_path / f"case{number}.nii.gz", voxels.astype(np.int16), (1, 1, 5))
        mask = np.zeros((40, 40, 6 - number), np.uint8)
        mask[10:20, 10:20, 2] = 1
        mask[12:14, 12:14, 2] = 4
        save(tmp_path / f"case{number}_seg.nii.gz", mask, (1, 1, 5))
    checked = check(scan(tmp_path))
    assert [(f.kind, f.patient) for f in checked.findings] == [("no-masks", "case1"), ("mask-not-binary", "case0"), ("mask-without-scan", "")]
    assert checked.patients[0].tumour_ml == pytest.approx(0.5)
