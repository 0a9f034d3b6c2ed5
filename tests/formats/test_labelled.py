"""Labelled cases: training's own readers find scan and mask as they were, under a code."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from brainviewer.errors import WriteError
from brainviewer.formats import open_volume, scan
from brainviewer.formats.labelled import by_slice, export_case
from brainviewer.imaging.volume import CHANNEL_NAMES, Volume
from brainviewer.training.data import index

CASE = "case-0123abcd"


def made(channels: tuple[str, ...], dtype: str, format_: str = "tiff", *, placed: bool = False) -> Volume:
    voxels = np.random.default_rng(5).integers(1, 200, (6, 20, 16, len(channels))).astype(dtype)
    names = tuple(f"Jane Doe {z}" for z in range(6))
    affine = np.diag([-0.9, -0.8, 3.0, 1.0]) if placed else None
    if affine is not None:
        affine[:3, 3] = 20, 30, -40
    plane = "axial" if placed else None
    return Volume(voxels, affine, channels, Path("/scans/Jane Doe"), "Jane Doe", format_, names, names, plane=plane, description="Jane Doe")


def mask_of(volume: Volume) -> np.ndarray:
    mask = np.zeros(volume.shape, bool)
    mask[2:4, 5:11, 4:9] = True
    return mask


@pytest.mark.parametrize(
    ("channels", "dtype", "suffix"),
    [
        (CHANNEL_NAMES, "uint8", ".tif"),
        (CHANNEL_NAMES, "uint16", ".tif"),
        (("grey",), "uint8", ".tif"),
        (("flair",), "int16", ".tif"),
        (("grey",), "float32", ".tif"),
        (("red", "green", "blue"), "uint8", ".png"),
    ],
)
def test_single_slices_come_back(tmp_path: Path, channels: tuple[str, ...], dtype: str, suffix: str) -> None:
    volume = made(channels, dtype)
    slices = (0, 2, 3, 5)
    folder = export_case(tmp_path, CASE, volume, mask_of(volume), slices)
    assert sorted(file.name for file in folder.iterdir()) == sorted(f"{CASE}_{z + 1}{mark}{suffix}" for z in slices for mark in ("", "_mask"))
    (case,) = index(tmp_path)
    assert case.patient == CASE
    again = open_volume(case.series)
    assert np.array_equal(again.voxels, volume.voxels[list(slices)])
    assert again.reference is not None
    assert np.array_equal(again.reference, mask_of(volume)[list(slices)])
    assert again.labelled.all()
    assert (again.channels == CHANNEL_NAMES) == volume.composed


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_a_placed_scan_comes_back_as_a_pair(tmp_path: Path, dtype: str) -> None:
    volume = made(("flair",), dtype, "nifti", placed=True)
    export_case(tmp_path, CASE, volume, mask_of(volume), range(6))
    (case,) = index(tmp_path)
    again = open_volume(case.series)
    assert np.array_equal(again.voxels, volume.voxels)
    assert again.reference is not None
    assert np.array_equal(again.reference, mask_of(volume))
    assert np.allclose(again.affine, volume.affine, atol=1e-4)


def test_a_composed_scan_keeps_its_sequences(tmp_path: Path) -> None:
    volume = made(CHANNEL_NAMES, "float32", "dicom", placed=True)
    assert by_slice(volume)
    export_case(tmp_path, CASE, volume, mask_of(volume), range(6))
    again = open_volume(index(tmp_path)[0].series)
    assert again.composed
    spread = (volume.voxels - volume.voxels.min()) * (65535 / np.ptp(volume.voxels))
    assert np.abs(again.voxels - spread).max() <= 0.51


def test_several_cases_lie_side_by_side_and_a_new_state_replaces_the_old(tmp_path: Path) -> None:
    volume = made(("flair",), "uint8", "nifti", placed=True)
    for case in (CASE, "case-0123ffff"):
        export_case(tmp_path, case, volume, mask_of(volume), range(6))
    export_case(tmp_path, CASE, volume, ~mask_of(volume), range(6))
    first, second = (open_volume(case.series).reference for case in index(tmp_path))
    assert np.array_equal(first, ~mask_of(volume))
    assert np.array_equal(second, mask_of(volume))
    slices = made(CHANNEL_NAMES, "uint8")
    export_case(tmp_path, "case-77", slices, mask_of(slices), (1, 2))
    export_case(tmp_path, "case-77", slices, mask_of(slices), (4,))
    assert len(list((tmp_path / "case-77").iterdir())) == 2
    assert [series.reference for series in scan(tmp_path).series] == [True] * 3


def test_no_name_goes_along(tmp_path: Path) -> None:
    for volume in (made(("flair",), "uint8", "nifti", placed=True), made(CHANNEL_NAMES, "uint8")):
        folder = export_case(tmp_path, CASE, volume, mask_of(volume), range(6))
        for file in folder.iterdir():
            assert "Jane" not in file.name
            assert b"Jane" not in file.read_bytes()


def test_the_data_check_finds_nothing_wrong_but_the_number_of_cases(tmp_path: Path) -> None:
    from brainviewer.training.check import check

    volume = made(CHANNEL_NAMES, "uint8")
    export_case(tmp_path, CASE, volume, mask_of(volume), range(6))
    checked = check(scan(tmp_path))
    assert [patient.labelled for patient in checked.patients] == [6]
    assert {finding.kind for finding in checked.findings} <= {"mask-empty"}, json.dumps([f.to_json() for f in checked.findings])


def test_a_full_disk_leaves_the_old_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = made(("flair",), "uint8", "nifti", placed=True)
    export_case(tmp_path, CASE, volume, mask_of(volume), range(6))
    before = {file.name: file.read_bytes() for file in (tmp_path / CASE).iterdir()}

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", full)
        with pytest.raises(WriteError, match="not enough room"):
            export_case(tmp_path, CASE, volume, ~mask_of(volume), range(6))
    assert {file.name: file.read_bytes() for file in (tmp_path / CASE).iterdir()} == before
    assert os.listdir(tmp_path) == [CASE]


def test_a_scan_in_one_piece_is_written_whole(tmp_path: Path) -> None:
    volume = made(("flair",), "uint8", "nifti", placed=True)
    with pytest.raises(ValueError, match="whole"):
        export_case(tmp_path, CASE, volume, mask_of(volume), (1,))
