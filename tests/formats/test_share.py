"""What is taken along of a scan: the command line's own bytes, what a person did to it, and files that other programs read."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pytest

from brainviewer.errors import WriteError
from brainviewer.formats import dicom_seg, open_volume, scan
from brainviewer.formats.export import write_results
from brainviewer.formats.receipt import receipt_of
from brainviewer.formats.share import Scene, What, without_folders, write
from brainviewer.imaging import render
from brainviewer.imaging.prediction import Mask, OverlayStyle, Prediction, ScanResult
from brainviewer.imaging.volume import CHANNEL_NAMES, Volume

from .dicom_files import head_scan, write_series

Z, Y, X = 6, 40, 32
EVERYTHING = tuple(what for what in What if what is not What.SEG)
MODELS = (("resnet50", "1.0.0", "classify", "ab" * 32), ("resunet", "1.0.0", "segment", "cd" * 32))


def volume_of(spacing: tuple[float, float, float] | None = None) -> Volume:
    voxels = np.random.default_rng(2).integers(0, 250, (Z, Y, X, 3), dtype=np.uint8)
    reference = np.zeros((Z, Y, X), bool)
    reference[2:4, 10:20, 8:16] = True
    names = tuple(f"s_{z + 1}.tif" for z in range(Z))
    stems = tuple(name[:-4] for name in names)
    volume = Volume(voxels, None, CHANNEL_NAMES, Path("all/case"), "case", "tiff", names, stems, reference=reference, voxel_mm=spacing)
    return replace(volume, notes=("One slice is missing.",), ignored=(("all/case/x.txt", "It is no picture."),))


def result_of(volume: Volume, drawn: dict[int, np.ndarray] | None = None) -> ScanResult:
    predictions = []
    for z in range(len(volume)):
        soft = cv2.GaussianBlur(np.zeros(volume.shape[1:], np.float32) if z not in (2, 3) else _disc(volume.shape[1:]), (0, 0), 1.5)
        prediction = Prediction(z, 0.97 if z in (2, 3) else 0.02, z in (2, 3), Mask(soft), False, 0.01)
        predictions.append(prediction.with_drawn(drawn[z]) if drawn and z in drawn else prediction)
    return ScanResult(tuple(predictions), 0.5, 0.5, 0.9, "onnx", "CPU", "float32", MODELS, ("Fits well.",), 0.5)


def _disc(shape: tuple[int, int]) -> np.ndarray:
    disc = np.zeros(shape, np.float32)
    cv2.circle(disc, (shape[1] // 2, shape[0] // 2), min(shape) // 5, 1.0, -1)
    return disc


def scene_of(volume: Volume, drawn: dict[int, np.ndarray] | None = None, **changes: object) -> Scene:
    result = result_of(volume, drawn)
    scene = Scene(volume, render.windows_of(volume), result.predictions, result, OverlayStyle(threshold=0.5), source="case")
    return replace(scene, **changes)


def by_hand(z: int = 4) -> dict[int, np.ndarray]:
    mask = np.zeros((Y, X), bool)
    mask[5:9, 6:11] = True
    return {z: mask}


def test_overlays_are_the_command_lines_bytes(tmp_path: Path) -> None:
    scene = scene_of(volume_of())
    write_results(tmp_path / "cli", scene.volume, scene.result, scene.style)
    write(tmp_path / "window", scene, (What.OVERLAYS,), (1, 3))
    ours = {file.name: file.read_bytes() for file in (tmp_path / "window").glob("*.png")}
    assert list(sorted(ours)) == ["s_2_overlay.png", "s_4_overlay.png"]
    assert all(data == (tmp_path / "cli" / name).read_bytes() for name, data in ours.items())


def test_everything_that_was_named_is_written_and_nothing_else(tmp_path: Path) -> None:
    for scene in (scene_of(volume_of((5.0, 1.0, 0.9))), scene_of(volume_of(), by_hand(), reviewed=frozenset({1, 4}))):
        out = tmp_path / str(len(scene.result.drawn_slices))
        names = write(out, scene, EVERYTHING, (1, 2, 3, 4))
        assert sorted(names) == sorted(file.name for file in out.iterdir())
        assert sorted(names) == sorted(scene.names(EVERYTHING, (1, 2, 3, 4)))
        assert len(set(names)) == len(names) == 4 * 2 + 8 - 1


def test_what_was_edited_says_so(tmp_path: Path) -> None:
    scene = scene_of(volume_of((5.0, 1.0, 0.9)), by_hand(), reviewed=frozenset({1, 4}))
    names = write(tmp_path, scene, EVERYTHING, range(Z))
    assert [name for name in names if "edited" in name] == [
        "s_5_overlay_edited.png", "s_5_panel_edited.png", "contact_sheet_edited.png", "scan_edited.gif", "mask_edited.nii.gz",
    ]  # fmt: skip
    document = json.loads((tmp_path / "results.json").read_text())
    assert (document["edited_by_hand"], document["reviewed"]) == ([4], [1, 4])
    assert [row["edited"] for row in document["slices"]] == [False] * 4 + [True, False]
    assert document["slices"][4]["tumour"]
    assert document["slices"][4]["area_px"] == 20
    assert document["slices"][4]["p_tumour"] == 0.02, "what the models said stays"
    assert document["scan"]["slices_with_tumour"] == 3
    rows = list(csv.DictReader(io.StringIO((tmp_path / "slices.csv").read_text())))
    assert [row["edited"] for row in rows] == ["false"] * 4 + ["true", "false"]
    assert [row["reviewed"] for row in rows] == ["false", "true", "false", "false", "true", "false"]
    page = (tmp_path / "report.html").read_text()
    assert "the mask of slice 5 was edited by hand" in page
    written = np.asanyarray(nibabel.load(tmp_path / "mask_edited.nii.gz").dataobj)
    assert written[..., 4].sum() == 20


def test_volumes_agree_with_nibabel(tmp_path: Path) -> None:
    scene = scene_of(volume_of(), by_hand())
    write(tmp_path, scene, (What.MASK, What.PROBABILITY), ())
    mask = np.asanyarray(nibabel.load(tmp_path / "mask_edited.nii.gz").dataobj).transpose(2, 1, 0)
    assert np.array_equal(mask.astype(bool), scene.result.mask(0.5, scene.volume.shape))
    probability = nibabel.load(tmp_path / "probability.nii.gz").get_fdata().transpose(2, 1, 0)
    for z, prediction in enumerate(scene.predictions):
        assert np.abs(probability[z] - prediction.mask.probability).max() < 1e-4


def test_the_page_needs_nothing_else_and_names_what_it_must(tmp_path: Path) -> None:
    scene = scene_of(volume_of((5.0, 1.0, 0.9)))
    write(tmp_path, scene, (What.REPORT,), ())
    page = (tmp_path / "report.html").read_text()
    assert "Research use only. Not for diagnosis." in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert page.count("data:image/png") == 2
    receipt = receipt_of(scene.volume, None, scene.result, [("all/case/<b>x</b>.txt", "It is no picture.")])
    write(tmp_path / "with", replace(scene, receipt=receipt), (What.REPORT,), ())
    with_receipt = (tmp_path / "with" / "report.html").read_text()
    assert "6 files used" in with_receipt
    assert "all/case/&lt;b&gt;x" in with_receipt
    assert json.loads((tmp_path / "with" / "results.json").read_text())["receipt"] == receipt.document()
    for words in ("Tumour found in 2 of 6 slices", "resunet 1.0.0", "One slice is missing.", "It is no picture.", " ml", " mm", "float32"):
        assert words in page, words
    document = json.loads((tmp_path / "results.json").read_text())
    assert f"{document['scan']['volume_ml']:.1f} ml" in page
    assert f"{document['scan']['longest_diameter_mm']:.0f} x {document['scan']['perpendicular_diameter_mm']:.0f} mm" in page


def test_a_page_of_a_scan_without_findings_or_millimetres(tmp_path: Path) -> None:
    volume = volume_of()
    nothing = tuple(Prediction(z, 0.01, False, None, False) for z in range(Z))
    result = replace(result_of(volume), predictions=nothing)
    write(tmp_path, scene_of(volume, predictions=nothing, result=result), (What.REPORT, What.SHEET, What.FILM), range(Z))
    page = (tmp_path / "report.html").read_text()
    assert "No tumour found in 6 of 6 slices" in page
    assert " mm<" not in page


def test_names_of_folders_stay_at_home() -> None:
    sources = ("Jane Doe/a/IM1", "Jane Doe/a/IM2", "Jane Doe/b/IM1", "Jane Doe/a/IM1", "Jane Doe/a/IM1", "x/IM9")
    bare = without_folders(replace(volume_of(), sources=sources, ignored=(("Jane Doe/n.txt", "Why."),)))
    assert bare.sources == ("IM1", "IM2", "IM1 (2)", "IM1", "IM1", "IM9")
    assert bare.ignored == (("n.txt", "Why."),)


def test_a_contact_sheet_holds_the_slices(tmp_path: Path) -> None:
    scene = scene_of(volume_of((5.0, 2.0, 1.0)))
    picture = scene.contact_sheet(range(Z))
    assert picture.shape[1] > picture.shape[0] * 0.3
    assert picture.max() > 0
    small = scene.contact_sheet(range(Z), 320)
    assert max(small.shape) <= 320
    many = [0] * 300
    assert max(scene.contact_sheet(many).shape) <= 4096 + 300


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = scene_of(volume_of())

    def full(self: Path, data: bytes) -> int:
        if self.name.startswith("results"):
            raise OSError(28, "No space left on device", str(self))
        return open(self, "wb").write(data)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", full)
        with pytest.raises(WriteError, match="not enough room"):
            write(tmp_path / "a" / "b", scene, EVERYTHING, range(Z))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("identity", [True, False])
def test_a_dicom_seg_of_edited_masks(tmp_path: Path, identity: bool) -> None:
    import highdicom
    import pydicom

    write_series(tmp_path / "in", head_scan())
    (series,) = scan(tmp_path / "in").series
    volume = open_volume(series)
    drawn = np.zeros(volume.shape[1:], bool)
    drawn[1:4, 2:4] = True
    scene = scene_of(volume, {1: drawn})
    write(tmp_path / "out", scene, (What.SEG, What.MASK), (), identity=identity)
    seg = highdicom.seg.segread(tmp_path / "out" / "seg_edited.dcm")
    assert seg.SegmentSequence[0].SegmentLabel == dicom_seg.EDITED_LABEL
    assert seg.SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"
    uids = [pydicom.dcmread(file).SOPInstanceUID for file, _ in volume.instances]
    pixels = seg.get_pixels_by_source_instance(uids, assert_missing_frames_are_empty=True, ignore_spatial_locations=True)[..., 0]
    stored = volume.stored.restore(scene.result.mask(0.5, volume.shape)).transpose(2, 1, 0)
    assert np.array_equal(pixels > 0, stored)
    nifti = np.asanyarray(nibabel.load(tmp_path / "out" / "mask_edited.nii.gz").dataobj)
    assert np.array_equal(nifti.transpose(2, 1, 0) > 0, stored)
    assert (b"Jane" in (tmp_path / "out" / "seg_edited.dcm").read_bytes()) is identity
    assert b"Jane" not in b"".join(file.read_bytes() for file in (tmp_path / "out").iterdir() if file.suffix != ".dcm")
