"""The commands that others rely on, on the sample scan with the bundled models."""

from __future__ import annotations

import csv
import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pytest
import tifffile

from brainviewer import paths
from brainviewer.cli import main

pytestmark = pytest.mark.engine

ROWS = {"index", "source", "p_tumour", "tumour", "area_px", "area_mm2", "max_probability", "seconds"}
RESULT = {
    "brainviewer", "source", "key", "format", "shape", "spacing_mm", "spacing_assumed", "plane", "engine", "device", "precision", "models",
    "threshold", "decision_threshold", "slices", "scan", "seconds", "notes", "ignored",
}  # fmt: skip
SAVE = "overlay,mask,probability,panel,nifti,gif"


@pytest.fixture(scope="module", autouse=True)
def _bundled_models() -> None:
    if not list(paths.bundled_models().glob("*/bundle.json")):
        pytest.skip("the bundled models are not there")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process; exit code, standard output, standard error."""

    def call(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="module")
def case(sample: Path) -> Path:
    """The folder of the sample's slices."""
    return next(folder for folder in sorted(sample.iterdir()) if folder.is_dir())


@pytest.fixture(scope="module")
def results(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that `predict` writes of the sample, in a process of its own."""
    out = tmp_path_factory.mktemp("results") / "new" / "folder"
    command = [sys.executable, "-m", "brainviewer", "predict", sample, "--out", out, "--save", SAVE, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["failed"] == []
    assert document["results"][0] == json.loads((out / "results.json").read_text())
    return out


def stems(case: Path) -> list[str]:
    files = [f.stem for f in case.glob("*.tif") if not f.stem.endswith("_mask")]
    return sorted(files, key=lambda stem: int(stem.split("_")[-1]))


def test_predict_writes_every_file(results: Path, case: Path) -> None:
    expected = {"results.json", "slices.csv", "scan.gif", "mask.nii.gz", "probability.nii.gz"}
    for stem in stems(case):
        expected |= {f"{stem}_{kind}.png" for kind in ("overlay", "mask", "probability", "panel")}
    assert {file.name for file in results.iterdir()} == expected


def test_results_json_holds_what_the_interface_names(results: Path, case: Path) -> None:
    document = json.loads((results / "results.json").read_text())
    assert set(document) == RESULT
    assert [row["index"] for row in document["slices"]] == list(range(len(stems(case))))
    assert all(set(row) == ROWS | {"mask", "overlay"} for row in document["slices"])
    assert [Path(row["source"]).stem for row in document["slices"]] == stems(case)
    assert {model["task"] for model in document["models"]} == {"classify", "segment"}
    assert all(len(model["sha256"]) == 64 for model in document["models"])
    assert set(document["seconds"]) == {"load", "read", "analyse", "write"}
    assert document["scan"]["tumour"] is True
    assert document["scan"]["volume_ml"] is None, "the files carry no spacing"
    assert 0 <= document["scan"]["fit"] <= 1
    for row in document["slices"]:
        assert row["tumour"] == (row["p_tumour"] >= document["decision_threshold"])
        mask = cv2.imread(str(results / row["mask"]), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (256, 256)
        assert set(np.unique(mask)) <= {0, 255}
        assert np.count_nonzero(mask) == row["area_px"]
        assert row["tumour"] or row["area_px"] == 0
    with (results / "slices.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert set(table[0]) == ROWS
    assert [int(row["area_px"]) for row in table] == [row["area_px"] for row in document["slices"]]


def test_the_masks_are_where_the_reference_is(results: Path, case: Path) -> None:
    found = np.stack([cv2.imread(str(results / f"{stem}_mask.png"), cv2.IMREAD_UNCHANGED) > 0 for stem in stems(case)])
    reference = np.stack([tifffile.imread(case / f"{stem}_mask.tif") > 0 for stem in stems(case)])
    assert 2 * (found & reference).sum() / (found.sum() + reference.sum()) >= 0.8
    assert np.mean(found.any(axis=(1, 2)) == reference.any(axis=(1, 2))) >= 0.85


def test_the_volumes_are_the_pictures(results: Path, case: Path) -> None:
    image = nibabel.load(results / "mask.nii.gz")
    assert image.header["sform_code"] == image.header["qform_code"] == 0
    volume = np.asarray(image.dataobj)
    pictures = np.stack([cv2.imread(str(results / f"{stem}_mask.png"), cv2.IMREAD_UNCHANGED) > 0 for stem in stems(case)])
    assert volume.shape in ((256, 256, len(pictures)),)
    assert np.array_equal(np.transpose(volume, (2, 1, 0)) > 0, pictures)
    probability = cv2.imread(str(results / f"{stems(case)[len(pictures) // 2]}_probability.png"), cv2.IMREAD_UNCHANGED)
    assert probability.dtype == np.uint16


def test_the_bare_slice_at_opacity_zero(run: Callable, sample: Path, case: Path, tmp_path: Path) -> None:
    code, _, _ = run("predict", sample, "--out", tmp_path / "out", "--save", "overlay", "--opacity", "0", "--threshold", "0.5")
    assert code == 0
    middle = stems(case)[len(stems(case)) // 2]
    picture = cv2.imread(str(tmp_path / "out" / f"{middle}_overlay.png"))
    assert np.array_equal(picture[..., 0], picture[..., 1]), "FLAIR is shown in grey"
    assert picture.max() > 200


def test_a_higher_threshold_gives_smaller_masks(run: Callable, sample: Path, tmp_path: Path) -> None:
    areas = []
    for threshold in ("0.3", "0.7"):
        code, out, _ = run("predict", sample, "--out", tmp_path / threshold, "--save", "mask", "--threshold", threshold, "--json")
        assert code == 0
        areas.append([row["area_px"] for row in json.loads(out)["results"][0]["slices"]])
    assert all(low >= high for low, high in zip(*areas, strict=True))
    assert sum(areas[0]) > sum(areas[1])


def test_all_slices_changes_no_decision(run: Callable, results: Path, sample: Path, tmp_path: Path) -> None:
    before = json.loads((results / "results.json").read_text())
    precision = before["precision"]  # else each call asks for itself which weights are the faster ones, and a busy computer may answer differently
    code, out, _ = run("predict", sample, "--out", tmp_path / "out", "--save", "mask", "--all-slices", "--json", "--precision", precision)
    assert code == 0
    after = json.loads(out)["results"][0]
    assert [row["area_px"] for row in before["slices"]] == [row["area_px"] for row in after["slices"]]
    assert [row["p_tumour"] for row in before["slices"]] == [row["p_tumour"] for row in after["slices"]]
    assert all(row["max_probability"] is not None for row in after["slices"])


def test_several_series_go_into_folders(run: Callable, case: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "scans" / name).mkdir(parents=True)
        for stem in stems(case)[14:16]:
            shutil.copy(case / f"{stem}.tif", tmp_path / "scans" / name)
    (tmp_path / "scans" / "notes.txt").write_text("hello")
    code, out, _ = run("predict", tmp_path / "scans", "--out", tmp_path / "out", "--json")
    document = json.loads(out)
    assert code == 0
    assert [result["key"] for result in document["results"]] == ["a", "b"]
    assert document["ignored"][0]["file"] == "scans/notes.txt"
    assert (tmp_path / "out" / "b" / "results.json").is_file()
    code, _, _ = run("predict", tmp_path / "scans", "--series", "a", "--out", tmp_path / "one")
    assert code == 0
    assert (tmp_path / "one" / "results.json").is_file()


def test_info(run: Callable, sample: Path, case: Path) -> None:
    code, out, err = run("info", sample, "--json")
    series = json.loads(out)["series"]
    assert (code, err) == (0, "")
    assert [s["slices"] for s in series] == [len(stems(case))]
    assert series[0]["reference"] is True
    assert series[0]["shape"] == [len(stems(case)), 256, 256, 3]


def test_convert(run: Callable, sample: Path, tmp_path: Path) -> None:
    code, out, _ = run("convert", sample, "--out", tmp_path / "nifti", "--json")
    assert code == 0
    file = Path(json.loads(out)["files"][0])
    assert file.name == f"{json.loads(run('info', sample, '--json')[1])['series'][0]['key']}.nii.gz"
    assert nibabel.load(file).shape[:2] == (256, 256)
    code, _, err = run("convert", sample, "--out", tmp_path / "nifti")
    assert code == 1
    assert "--overwrite" in err


def test_doctor(run: Callable) -> None:
    code, out, _ = run("doctor", "--json")
    document = json.loads(out)
    assert code == 0
    assert {row["engine"]: row["works"] for row in document["engines"]} == {"onnx": True, "tensorflow": True}
    assert all(row["whole"] for row in document["models"])


def test_selftest(run: Callable) -> None:
    """All but the window and the training, which start the program anew: the packaged program is asked for those, and tests/ui for the window."""
    names = ["sample scan", "stored answer", "onnx float32", "onnx int8", "tensorflow float32", "DICOM decoders", "picture"]
    code, out, err = run("selftest", "--json", "--progress", "--only", ",".join(names))
    document = json.loads(out)
    assert document["passed"], document
    assert code == 0
    assert [check["name"] for check in document["checks"]] == names
    assert [json.loads(line)["check"] for line in err.splitlines() if line.startswith('{"check"')] == document["checks"]


def test_selftest_of_an_unknown_part(run: Callable) -> None:
    code, _, err = run("selftest", "--only", "onnx int8,horoscope")
    assert code == 2
    assert "horoscope" in err


def test_models(run: Callable) -> None:
    code, out, _ = run("models", "list", "--json")
    assert code == 0
    assert {row["task"] for row in json.loads(out)["models"]} == {"classify", "segment"}
    assert run("models", "verify")[0] == 0


def test_both_engines_agree(sample: Path) -> None:
    """Float32 against float32, on real slices, within 1e-3."""
    from brainviewer.formats import open_volume, scan
    from brainviewer.inference import preprocess
    from brainviewer.inference.load import load_models

    volume = open_volume(scan(sample).series[0])
    ranges = preprocess.intensity_ranges(volume.voxels)
    answers = []
    for engine in ("onnx", "tensorflow"):
        models = load_models(engine, "cpu", "float32")
        try:
            images = [preprocess.to_network(volume[z], ranges)[np.newaxis] for z in range(0, len(volume), 5)]
            answers.append([(models.classifier(image), models.segmenter(image)["probability"]) for image in images])
        finally:
            models.close()
    for (classified, segmented), (other_classified, other_segmented) in zip(*answers, strict=True):
        assert np.abs(classified["probability"] - other_classified["probability"]).max() <= 1e-3
        assert np.abs(segmented - other_segmented).max() <= 1e-3
        scale = np.abs(classified["features"]).max()
        assert np.abs(classified["features"] - other_classified["features"]).max() <= 1e-3 * scale


# --- bad input


def one_sentence(err: str) -> bool:
    return err.startswith("brainviewer: ") and "Traceback" not in err and err.count("\n") <= 3


@pytest.mark.parametrize(
    "make",
    [
        lambda p: None,
        lambda p: p.mkdir(),
        lambda p: (p.mkdir(), (p / "a.txt").write_text("x")),
        lambda p: (p.mkdir(), (p / "slice_1.tif").write_text("this is no picture")),
        lambda p: (p.mkdir(), (p / "slice_1.tif").write_bytes(b"II*\0\x08\0\0\0")),
        lambda p: (p.mkdir(), tifffile.imwrite(p / "slice_1.tif", np.zeros((1, 1), np.uint8))),
    ],
    ids=["missing", "empty", "no images", "text as tif", "truncated", "one pixel"],
)
def test_nothing_to_analyse(run: Callable, tmp_path: Path, make: Callable) -> None:
    make(tmp_path / "scan")
    code, out, err = run("predict", tmp_path / "scan", "--out", tmp_path / "out")
    assert (code, out) == (1, "")
    assert one_sentence(err), err
    assert "scan" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("shape", "dtype"), [((5, 4), "uint8"), ((300, 180), "uint16"), ((100, 640, 3), "uint8"), ((64, 64), "float32"), ((512, 512), "float64")]
)
def test_unusual_pictures_are_analysed(run: Callable, tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    values = np.random.default_rng(0).random(shape) * 1000
    tifffile.imwrite(tmp_path / "slice_1.tif", (values % 255 if dtype == "uint8" else values).astype(dtype))
    code, out, err = run("predict", tmp_path / "slice_1.tif", "--out", tmp_path / "out", "--save", "overlay,mask,nifti", "--json")
    assert code == 0, err
    assert json.loads(out)["results"][0]["shape"][1:3] == list(shape[:2])
    assert cv2.imread(str(tmp_path / "out" / "slice_1_mask.png"), cv2.IMREAD_UNCHANGED).shape == shape[:2]


def test_a_file_stands_in_the_place_of_the_results(run: Callable, sample: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    code, _, err = run("predict", sample, "--out", tmp_path / "out")
    assert code == 1
    assert one_sentence(err)
    assert (tmp_path / "out").read_text() == "mine"


def test_results_are_not_replaced_unasked(run: Callable, results: Path, sample: Path) -> None:
    before = (results / "results.json").read_bytes()
    code, _, err = run("predict", sample, "--out", results)
    assert code == 1
    assert "--overwrite" in err
    assert (results / "results.json").read_bytes() == before


def test_a_full_disk_leaves_nothing_behind(sample: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = [sys.executable, "-m", "brainviewer", "predict", sample, "--out", tmp_path / "out", "--save", "overlay,panel"]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, check=False)
    assert done.returncode == 1, done.stderr
    assert one_sentence(done.stderr), done.stderr
    assert not (tmp_path / "out").exists()


def test_damaged_models_are_refused(run: Callable, sample: Path, tmp_path: Path) -> None:
    shutil.copytree(paths.bundled_models(), tmp_path / "models")
    victim = next((tmp_path / "models").glob("segment-*/model.onnx"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    code, _, err = run("predict", sample, "--out", tmp_path / "out", "--models", tmp_path / "models", "--precision", "float32")
    assert code == 1
    assert one_sentence(err)
    assert "damaged" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [["predict"], ["predict", "x"], ["predict", "x", "--out", "y", "--threshold", "2"], ["predict", "x", "--out", "y", "--save", "everything"],
     ["predict", "x", "--out", "y", "--colour", "red"], ["info"], ["models"], ["models", "burn"], ["--nonsense"]],
)  # fmt: skip
def test_wrong_usage(run: Callable, words: list[str]) -> None:
    assert run(*words)[0] == 2


def test_version(run: Callable) -> None:
    from brainviewer import __version__

    assert run("--version")[:2] == (0, f"brainviewer {__version__}\n")
