"""What is written: names, fields, values; and that a set of results appears whole or not at all."""

from __future__ import annotations

import csv
import errno
import json
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pytest

from brainviewer.errors import WriteError
from brainviewer.formats import export, film, writing
from brainviewer.formats.export import (
    SAVES,
    check_target,
    convert_volume,
    overlay_picture,
    proposed_folder,
    results_document,
    write_results,
)
from brainviewer.imaging import render
from brainviewer.imaging.prediction import Mask, OverlayStyle, Prediction, ScanResult
from brainviewer.imaging.volume import CHANNEL_NAMES, StoredGrid, Volume

Z, Y, X = 4, 24, 20
ALL = [save for save in SAVES if save != "dicom-seg"]
STYLE = OverlayStyle(threshold=0.5)
rng = np.random.default_rng(3)


def scan_of(**changes: object) -> Volume:
    plain = Volume(
        voxels=rng.integers(0, 250, (Z, Y, X, 3), dtype=np.uint8),
        affine=None,
        channels=CHANNEL_NAMES,
        source=Path("all/case"),
        key="case",
        format="tiff",
        sources=tuple(f"all/case/s_{z + 1}.tif" for z in range(Z)),
        stems=tuple(f"s_{z + 1}" for z in range(Z)),
        notes=("A note.",),
        ignored=(("all/case/x.txt", "It is a text file, not an image."),),
    )
    return replace(plain, **changes)


def result_of(volume: Volume) -> ScanResult:
    """Slices 1 and 2 with a tumour, slice 3 one that the decision denies, slice 0 without a mask."""
    probability = np.zeros(volume.shape[1:], np.float32)
    probability[4:10, 6:12] = 0.9
    probability[4, 6] = 0.5
    predictions = (
        Prediction(0, 0.01, False, None, False, 0.1),
        Prediction(1, 0.99, True, Mask(probability), False, 0.2),
        Prediction(2, 0.8, True, Mask(probability * 0.6), False, 0.2),
        Prediction(3, 0.2, False, Mask(probability), False, 0.2),
    )
    models = (("resnet50", "1.0.0", "classify", "a" * 64), ("resunet", "1.0.0", "segment", "b" * 64))
    return ScanResult(predictions, 0.5, 0.4, 0.9, "onnx", "CPU", "float32", models, ("Another note.",), 1.5)


VOLUME = scan_of()
RESULT = result_of(VOLUME)


def test_every_file_that_the_interface_names(tmp_path):
    out = tmp_path / "out"
    write_results(out, VOLUME, RESULT, STYLE, save=ALL)
    expected = {f"s_{n}_{what}.png" for n in range(1, Z + 1) for what in ("overlay", "mask", "probability", "panel")}
    expected |= {"mask.nii.gz", "probability.nii.gz", "scan.gif", "slices.csv", "results.json"}
    assert {path.name for path in out.iterdir()} == expected


def test_the_default_writes_overlays_masks_and_tables(tmp_path):
    write_results(tmp_path, VOLUME, RESULT, STYLE)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"s_{n}_{what}.png" for n in range(1, Z + 1) for what in ("overlay", "mask")} | {"slices.csv", "results.json"}


def test_pictures_hold_what_they_say(tmp_path):
    write_results(tmp_path, VOLUME, RESULT, STYLE, save=ALL)

    def read(name: str) -> np.ndarray:
        return cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED)

    windows = render.windows_of(VOLUME)
    for z, prediction in enumerate(RESULT.predictions):
        overlay = read(f"s_{z + 1}_overlay.png")
        assert np.array_equal(overlay[..., ::-1], overlay_picture(VOLUME, z, windows, prediction, STYLE))
        mask = read(f"s_{z + 1}_mask.png")
        assert mask.dtype == np.uint8
        assert mask.shape == (Y, X)
        expected = RESULT.mask(0.5, VOLUME.shape)[z]
        assert np.array_equal(mask, expected * np.uint8(255))
        probability = read(f"s_{z + 1}_probability.png")
        assert probability.dtype == np.uint16
        known = np.zeros((Y, X)) if prediction.mask is None else prediction.mask.probability
        assert np.abs(probability / 65535 - known).max() < 1e-5
        panel = read(f"s_{z + 1}_panel.png")
        assert panel.shape[1] == 3 * X + 2 * render.PANEL_GAP
    assert read("s_2_mask.png").sum() == 36 * 255  # 0.5 belongs to it
    assert read("s_4_mask.png").sum() == 0  # no tumour decided: empty
    frames = cv2.imreadanimation(str(tmp_path / "scan.gif"))[1].frames
    assert len(frames) == Z


def test_panels_have_five_pictures_with_a_reference(tmp_path):
    reference = np.zeros((Z, Y, X), bool)
    reference[1, 5:9, 5:9] = True
    write_results(tmp_path, scan_of(reference=reference), RESULT, STYLE, save=["panel"])
    panel = cv2.imread(str(tmp_path / "s_2_panel.png"))[..., ::-1]
    assert panel.shape == (Y, 5 * X + 4 * render.PANEL_GAP, 3)
    views = [panel[:, n * (X + render.PANEL_GAP) :][:, :X] for n in range(5)]
    assert np.array_equal(views[1][..., 0] > 0, reference[1])
    assert np.array_equal(views[2][..., 0] > 0, RESULT.mask(0.5, VOLUME.shape)[1])
    assert np.array_equal((views[3] != views[0]).any(axis=-1), reference[1])


def test_the_document(tmp_path):
    document = write_results(
        tmp_path, VOLUME, RESULT, STYLE, source="all/case", seconds={"load": 2.0, "read": 0.5}, notes=["A third."], ignored=[("b.txt", "It is text.")]
    )
    written = json.loads((tmp_path / "results.json").read_text())
    assert written == document
    assert list(written) == [
        *("brainviewer", "source", "key", "format", "shape", "spacing_mm", "spacing_assumed", "plane", "engine", "device", "precision", "models"),
        *("threshold", "decision_threshold", "slices", "scan", "seconds", "notes", "ignored"),
    ]
    assert written["shape"] == [Z, Y, X, 3]
    assert (written["threshold"], written["decision_threshold"]) == (0.5, 0.4)
    assert written["models"][1] == {"name": "resunet", "version": "1.0.0", "task": "segment", "sha256": "b" * 64}
    assert written["slices"][0] == {
        "index": 0,
        "source": "all/case/s_1.tif",
        "p_tumour": 0.01,
        "tumour": False,
        "area_px": 0,
        "area_mm2": None,
        "max_probability": None,
        "seconds": 0.1,
        "mask": "s_1_mask.png",
        "overlay": "s_1_overlay.png",
    }
    assert [row["area_px"] for row in written["slices"]] == [0, 36, 35, 0]
    assert written["slices"][3]["max_probability"] == pytest.approx(0.9)
    assert written["scan"] == {
        "tumour": True,
        "slices_with_tumour": 2,
        "volume_ml": None,
        "longest_diameter_mm": None,
        "perpendicular_diameter_mm": None,
        "largest_slice": 1,
        "fit": 0.9,
    }
    assert set(written["seconds"]) == {"load", "read", "analyse", "write"}
    assert (written["seconds"]["load"], written["seconds"]["analyse"]) == (2.0, 1.5)
    assert written["notes"] == ["A note.", "Another note.", "A third."]
    assert written["ignored"] == [{"file": "all/case/x.txt", "why": "It is a text file, not an image."}, {"file": "b.txt", "why": "It is text."}]


def test_measures_where_the_spacing_is_known():
    document = results_document(scan_of(affine=np.diag([2.0, 2.0, 5.0, 1.0])), RESULT, 0.5)
    assert document["spacing_mm"] == [5.0, 2.0, 2.0]
    assert document["spacing_assumed"] is False
    assert document["slices"][1]["area_mm2"] == 36 * 4
    assert document["slices"][1]["mask"] is None
    assert document["scan"]["volume_ml"] == pytest.approx((36 + 35) * 20 / 1000)
    assert document["scan"]["longest_diameter_mm"] == pytest.approx(12 * np.sqrt(2), abs=0.01)


def test_the_table_says_the_same_as_the_document(tmp_path):
    document = write_results(tmp_path, VOLUME, RESULT, STYLE)
    text = (tmp_path / "slices.csv").read_text()
    assert text.splitlines()[0] == "index,source,p_tumour,tumour,area_px,area_mm2,max_probability,seconds"
    rows = list(csv.DictReader(text.splitlines()))
    assert [int(row["area_px"]) for row in rows] == [row["area_px"] for row in document["slices"]]
    assert [row["tumour"] for row in rows] == ["false", "true", "true", "false"]
    assert rows[0]["max_probability"] == ""


def test_the_same_call_writes_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_results(tmp_path / name, VOLUME, RESULT, STYLE, save=ALL)
    for path in (tmp_path / "a").iterdir():
        if path.name != "results.json":  # it tells how long it took
            assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_unknown_words_are_refused_before_anything_is_written(tmp_path):
    for save in (["overlays"], ["dicom-seg"]):
        with pytest.raises(ValueError, match="save takes"):
            write_results(tmp_path / "out", VOLUME, RESULT, STYLE, save=save)
    assert not (tmp_path / "out").exists()


def test_further_files_are_part_of_the_set(tmp_path):
    write_results(tmp_path, VOLUME, RESULT, STYLE, save=["dicom-seg"], more={"seg.dcm": lambda path: path.write_bytes(b"seg") and None})
    assert (tmp_path / "seg.dcm").read_bytes() == b"seg"


# --- volumes


def test_masks_of_files_without_geometry(tmp_path):
    write_results(tmp_path, VOLUME, RESULT, STYLE, save=["nifti", "probability"])
    mask = nibabel.load(tmp_path / "mask.nii.gz")
    assert mask.shape == (X, Y, Z)
    assert mask.get_data_dtype() == np.uint8
    assert (int(mask.header["sform_code"]), int(mask.header["qform_code"])) == (0, 0)
    assert np.array_equal(mask.header.get_sform(), np.eye(4))
    assert np.array_equal(np.asarray(mask.dataobj).transpose(2, 1, 0) > 0, RESULT.mask(0.5, VOLUME.shape))
    probability = nibabel.load(tmp_path / "probability.nii.gz")
    assert probability.get_fdata()[8, 8, 1] == pytest.approx(0.9, abs=1e-5)
    assert probability.get_fdata()[8, 8, 3] == pytest.approx(0.9, abs=1e-5)  # probabilities are kept where the decision is no


@pytest.mark.parametrize("flips", [(False, False, False), (True, False, True), (True, True, True)])
@pytest.mark.parametrize("axes", [(2, 1, 0), (0, 1, 2), (1, 2, 0)])
def test_masks_return_to_the_stored_grid(tmp_path, axes, flips):
    shape = tuple(int((Z, Y, X)[list(axes).index(axis)]) for axis in range(3))
    affine = np.array([[1.2, 0.1, 0, -90], [-0.1, 1.1, 0.2, -100], [0, -0.2, 4.5, 20], [0, 0, 0, 1]])
    stored = StoredGrid(shape, axes, flips, affine)
    volume = scan_of(format="nifti", stored=stored, affine=np.eye(4), plane="axial")
    write_results(tmp_path, volume, RESULT, STYLE, save=["nifti"])
    mask = nibabel.load(tmp_path / "mask.nii.gz")
    assert mask.shape == shape
    assert np.allclose(mask.affine, affine, atol=1e-4)
    assert int(mask.header["sform_code"]) == 1
    assert np.array_equal(stored.display(np.asarray(mask.dataobj)) > 0, RESULT.mask(0.5, volume.shape))


def test_a_mask_without_a_stored_grid_has_the_volumes_affine(tmp_path):
    affine = np.diag([-0.5, -0.5, 5.0, 1.0])
    affine[:3, 3] = 10, 20, 30
    write_results(tmp_path, scan_of(format="dicom", affine=affine, plane="axial"), RESULT, STYLE, save=["nifti"])
    mask = nibabel.load(tmp_path / "mask.nii.gz")
    assert np.allclose(mask.affine, affine)
    assert np.allclose(mask.header.get_qform(), affine)
    assert int(mask.header["qform_code"]) == 1


def test_spacing_without_directions_is_kept_as_pixel_sizes(tmp_path):
    volume = scan_of(affine=np.diag([0.5, 0.25, 5.0, 1.0]))
    write_results(tmp_path / "read", volume, RESULT, STYLE, save=["nifti"])
    mask = nibabel.load(tmp_path / "read" / "mask.nii.gz")
    assert mask.header.get_zooms() == pytest.approx((0.5, 0.25, 5.0))
    assert int(mask.header["sform_code"]) == 0
    write_results(tmp_path / "typed", scan_of(voxel_mm=(5.0, 0.25, 0.5), spacing_assumed=True), RESULT, STYLE, save=["nifti"])
    assert nibabel.load(tmp_path / "typed" / "mask.nii.gz").header.get_zooms() == (1, 1, 1)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float16", "float32", "int64"])
def test_convert_keeps_every_number(tmp_path, dtype):
    voxels = rng.integers(0, 120, (Z, Y, X, 1)).astype(dtype)
    path = convert_volume(scan_of(voxels=voxels, channels=("FLAIR",)), tmp_path)
    assert path == tmp_path / "case.nii.gz"
    image = nibabel.load(path)
    assert np.array_equal(np.asarray(image.dataobj).transpose(2, 1, 0), voxels[..., 0])
    assert image.get_data_dtype() == (np.float32 if dtype == "float16" else np.dtype(dtype))


def test_convert_keeps_three_sequences_and_colours(tmp_path):
    image = nibabel.load(convert_volume(VOLUME, tmp_path))
    assert np.array_equal(np.asarray(image.dataobj).transpose(2, 1, 0, 3), VOLUME.voxels)
    picture = replace(VOLUME, channels=("red", "green", "blue"))
    stored = np.asarray(nibabel.load(convert_volume(picture, tmp_path)).dataobj)
    assert stored.shape == (X, Y, Z)
    assert np.array_equal(np.stack([stored[c] for c in "RGB"], axis=-1).transpose(2, 1, 0, 3), VOLUME.voxels)


# --- film


def test_few_colours_are_exact():
    pictures = rng.integers(0, 2, (3, 16, 16, 3)).astype(np.uint8) * 200
    indices, palette = film.reduce_colours(pictures)
    assert np.array_equal(palette[indices], pictures)


def test_greys_stay_grey():
    ramp = np.tile(np.arange(256, dtype=np.uint8), (1, 8, 1))[..., None].repeat(3, axis=-1)
    data = film.encode_gif(np.concatenate([ramp, ramp[:, :, ::-1]]), 0.2)
    assert data[:6] == b"GIF89a"
    found, animation = cv2.imdecodeanimation(np.frombuffer(data, np.uint8))
    assert found
    assert list(animation.durations) == [200, 200]
    assert np.array_equal(animation.frames[1][..., :3], ramp[0, :, ::-1])


def test_many_colours_are_close():
    pictures = cv2.GaussianBlur(rng.integers(0, 250, (64, 64, 3), dtype=np.uint8), (0, 0), 3)[None]
    indices, palette = film.reduce_colours(pictures)
    assert np.abs(palette[indices].astype(int) - pictures).mean() < 4


# --- targets


def test_a_file_in_the_folders_place(tmp_path):
    (tmp_path / "out").write_text("x")
    for out in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(WriteError, match="is not a folder") as caught:
            check_target(out, overwrite=True)
        assert caught.value.hint
        with pytest.raises(WriteError):
            write_results(out, VOLUME, RESULT, STYLE)
    assert (tmp_path / "out").read_text() == "x"


def test_results_are_not_replaced_unasked(tmp_path):
    check_target(tmp_path / "out", overwrite=False)
    assert not (tmp_path / "out").exists()
    write_results(tmp_path / "out", VOLUME, RESULT, STYLE)
    with pytest.raises(WriteError, match="already holds results"):
        check_target(tmp_path / "out", overwrite=False)
    with pytest.raises(WriteError, match="already holds results"):
        check_target(tmp_path, overwrite=False)  # of several series, each in its own folder
    check_target(tmp_path / "out", overwrite=True)
    write_results(tmp_path / "out", VOLUME, RESULT, STYLE)


def test_the_scans_own_folder_is_refused(tmp_path):
    with pytest.raises(WriteError, match="folder of the scan itself"):
        check_target(tmp_path, overwrite=True, sources=[tmp_path / "s_1.tif"])
    check_target(tmp_path / "results", overwrite=False, sources=[tmp_path / "s_1.tif"])


def test_a_folder_that_may_not_be_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(writing.os, "access", lambda path, mode: False)
    with pytest.raises(WriteError, match="may not be written to"):
        check_target(tmp_path / "out", overwrite=False)


def test_a_second_export_gets_a_new_folder(tmp_path):
    base = tmp_path / "overlays"
    assert proposed_folder(base) == base
    base.mkdir()
    assert proposed_folder(base) == base
    (base / "a.png").touch()
    assert proposed_folder(base) == tmp_path / "overlays 2"
    (tmp_path / "overlays 2").write_text("a file")
    assert proposed_folder(base) == tmp_path / "overlays 3"


# --- failures


@pytest.mark.parametrize("number", [0, 3, 9])
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, number):
    real = Path.write_bytes
    calls = []

    def full(path: Path, data: bytes) -> int:
        calls.append(path)
        if len(calls) > number:
            real(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WriteError, match=r'_(overlay|mask|panel|probability)\.png" could not be written: there is not enough room') as caught:
        write_results(tmp_path / "a" / "out", VOLUME, RESULT, STYLE, save=ALL)
    assert str(tmp_path / "a" / "out") in caught.value.sentence
    assert ".part" not in caught.value.sentence
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_older_results_as_they_were(tmp_path, monkeypatch):
    write_results(tmp_path, VOLUME, RESULT, STYLE)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(export, "table_text", lambda rows: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
    with pytest.raises(WriteError, match="input/output error"):
        write_results(tmp_path, VOLUME, RESULT, replace(STYLE, rgb=(0, 0, 255)))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_stopping_leaves_nothing(tmp_path):
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_results(tmp_path / "out", VOLUME, RESULT, STYLE, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_limit_of_the_system_on_file_size(tmp_path):
    import subprocess

    code = """
import resource, sys
from pathlib import Path
import numpy as np
from brainviewer.errors import WriteError
from brainviewer.formats.writing import write_file, staged
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_file(Path(sys.argv[1]) / "a.nii.gz", bytes(5000))
except WriteError as error:
    print(error.sentence)
try:
    with staged(Path(sys.argv[1]) / "out") as stage:
        (stage / "small").write_bytes(b"1")
        (stage / "large").write_bytes(bytes(5000))
except WriteError as error:
    print(error.sentence)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("there is not enough room" in line for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_a_converted_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    convert_volume(VOLUME, tmp_path)
    before = (tmp_path / "case.nii.gz").read_bytes()

    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing.os, "replace", refuse)
    with pytest.raises(WriteError, match=r'case\.nii\.gz" could not be written'):
        convert_volume(scan_of(channels=CHANNEL_NAMES), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["case.nii.gz"]
    assert (tmp_path / "case.nii.gz").read_bytes() == before
