"""`predict` from path to files, with engines whose answer can be told from their input."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
import tifffile

pytest.importorskip("highdicom")
sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))

import pydicom
from dicom_files import write_series

from brainviewer.cli import main
from brainviewer.errors import ReadError, RefusalError, WriteError
from brainviewer.formats import scan
from brainviewer.inference import predict
from brainviewer.inference.load import Models

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def bundle(task: str, **details: object) -> SimpleNamespace:
    facts = {"task": task, "name": task, "version": "1.0.0", "size": 256, "threshold": 0.5, "learned_from": "made squares"}
    return SimpleNamespace(**facts, details=details, sha256=lambda *_: "0")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, fake_engine: Callable) -> list[str]:
    """Fake models; grows by a word each time they are loaded."""
    loaded: list[str] = []

    def load(*_: object) -> Models:
        loaded.append("models")
        decision = {"gate": 0.5, "weights": [0, 0, 0, 0, 20], "bias": -10, "threshold": 0.5, "alone": [1, 0]}
        segment = bundle("segment", clean_up={"least_voxels": 1, "least_share": 0.05})
        return Models(fake_engine("classify"), fake_engine("segment"), bundle("classify", decision=decision), segment)

    monkeypatch.setattr(predict, "load_models", load)
    monkeypatch.setattr(Models, "identities", property(lambda self: (("fake", "1.0.0", "segment", "0"),)))
    return loaded


def head(slices: int = 6, level: int = 60) -> np.ndarray:
    """Dim, with a bright square in the slices 2 and 3."""
    scene = np.random.default_rng(0).integers(0, 5, (slices, 64, 64)).astype(np.uint16)
    scene[:, 8:56, 8:56] = level
    scene[2:4, 20:32, 18:34] = 250
    return scene


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: object) -> tuple[int, str, str]:
        code = main(["predict", *map(str, words)])
        return code, *capsys.readouterr()

    return call


def study(folder: Path) -> dict[str, str]:
    """Four axial series and a sagittal one of a study; description to key."""
    plans = {
        "AX T1": {"spacing": (1.0, 1.0)},
        "AX FLAIR": {},
        "AX T1 +C": {},
        "AX T2": {},
        "SAG FLAIR": {"row": (0, 1, 0), "column": (0, 0, -1)},
    }
    for number, (name, values) in enumerate(plans.items()):
        write_series(folder / str(number), head(), series=f"1.2.7.{number + 1}", SeriesNumber=number + 1, SeriesDescription=name, **values)
    return {series.description: series.key for series in scan(folder).series}


def test_a_study_gives_results_and_reasons(tmp_path, run, loads):
    keys = study(tmp_path / "scan")
    code, out, _ = run(tmp_path / "scan", "--out", tmp_path / "out", "--json")
    document = json.loads(out)
    assert code == 0
    (result,) = document["results"]
    assert result["key"] == keys["AX FLAIR"]
    assert result["scan"]["slices_with_tumour"] == 2
    (failed,) = document["failed"]
    assert failed["key"] == keys["SAG FLAIR"]
    assert "sagittal" in failed["why"]
    assert any("likeliest FLAIR" in note for note in result["notes"])
    assert (tmp_path / "out" / keys["AX FLAIR"] / "results.json").is_file()


def test_a_series_that_is_refused_is_told(tmp_path, run, loads):
    keys = study(tmp_path / "scan")
    code, out, err = run(tmp_path / "scan", "--out", tmp_path / "out", "--series", keys["SAG FLAIR"], "--json")
    assert code == 1
    assert json.loads(out)["results"] == []
    assert "sagittal" in json.loads(out)["failed"][0]["why"]
    assert "sagittal" in err
    assert not (tmp_path / "out").exists()


def test_dicom_seg_beside_the_mask(tmp_path, run, loads):
    keys = study(tmp_path / "scan")
    words = (tmp_path / "scan", "--series", keys["AX FLAIR"], "--save", "nifti,dicom-seg", "--json")
    code, out, err = run(*words, "--out", tmp_path / "out")
    assert code == 0, err
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"mask.nii.gz", "seg.dcm", "results.json", "slices.csv"}
    notes = json.loads(out)["results"][0]["notes"]
    assert any("patient's identity" in note for note in notes)
    dataset = pydicom.dcmread(tmp_path / "out" / "seg.dcm")
    mask = np.asarray(nibabel.load(tmp_path / "out" / "mask.nii.gz").dataobj)
    assert dataset.NumberOfFrames == 2
    assert np.count_nonzero(dataset.pixel_array) == np.count_nonzero(mask) == json.loads(out)["results"][0]["slices"][2]["area_px"] * 2
    assert dataset.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.7.2"


def test_dicom_seg_of_another_format_is_refused_before_any_analysis(tmp_path, run, loads):
    nibabel.save(nibabel.Nifti1Image(head().T.astype(np.int16), np.diag([1, 1, 5, 1])), tmp_path / "flair.nii")
    code, out, err = run(tmp_path / "flair.nii", "--out", tmp_path / "out", "--save", "overlay,dicom-seg", "--json")
    assert (code, out) == (1, "")
    assert "DICOM source" in err
    assert loads == []
    assert not (tmp_path / "out").exists()


def test_channels_are_composed_and_analysed(tmp_path, run, loads):
    keys = study(tmp_path / "scan")
    text = f"pre={keys['AX T1']},flair={keys['AX FLAIR']},post={keys['AX T1 +C']}"
    code, out, err = run(tmp_path / "scan", "--channels", text, "--show", "pre", "--save", "overlay,dicom-seg", "--out", tmp_path / "out", "--json")
    assert code == 0, err
    (result,) = json.loads(out)["results"]
    assert result["key"] == keys["AX FLAIR"]
    assert result["shape"] == [6, 64, 64, 3]
    assert any("interpolation: pre-contrast T1." in note for note in result["notes"])
    dataset = pydicom.dcmread(tmp_path / "out" / "seg.dcm")
    assert dataset.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.7.2"


def test_channels_that_do_not_go_together_are_refused_before_any_analysis(tmp_path, run, loads):
    keys = study(tmp_path / "scan")
    write_series(tmp_path / "scan" / "far", head(), series="1.2.8", SeriesDescription="AX T1", FrameOfReferenceUID="1.2.99")
    far = next(series.key for series in scan(tmp_path / "scan").series if series.key not in keys.values())
    for text, words in (
        (f"pre={far},flair={keys['AX FLAIR']}", "different frames of reference"),
        (f"flair={keys['SAG FLAIR']}", "sagittal"),
        ("flair=nothing", "no series"),
    ):
        code, _, err = run(tmp_path / "scan", "--channels", text, "--out", tmp_path / "out")
        assert code == 1
        assert words in err
    assert loads == []


@pytest.mark.parametrize("text", ["pre=a", "flair", "flair=", "flair=a,flair=b", "flair=a,t2=b", ""])
def test_channels_that_make_no_sense_are_wrong_usage(tmp_path, run, text):
    code, _, err = run(tmp_path, "--channels", text, "--out", tmp_path / "out")
    assert code == 2
    assert "pre=KEY,flair=KEY,post=KEY" in err


def test_channels_and_series_are_one_or_the_other(tmp_path, run):
    assert run(tmp_path, "--channels", "flair=a", "--series", "a", "--out", tmp_path / "out")[0] == 2


def slices_without_spacing(folder: Path) -> Path:
    folder.mkdir()
    for z, slice_ in enumerate(head()):
        tifffile.imwrite(folder / f"s_{z + 1}.tif", slice_)
    return folder


def test_a_typed_spacing_is_assumed(tmp_path, run, loads):
    folder = slices_without_spacing(tmp_path / "scan")
    code, out, _ = run(folder, "--out", tmp_path / "typed", "--spacing", "5,0.5", "--save", "nifti", "--json")
    assert code == 0
    typed = json.loads(out)["results"][0]
    assert typed["spacing_mm"] == [5.0, 0.5, 0.5]
    assert typed["spacing_assumed"] is True
    pixels = sum(row["area_px"] for row in typed["slices"])
    assert typed["scan"]["volume_ml"] == pytest.approx(pixels * 5 * 0.25 / 1000)
    assert typed["scan"]["longest_diameter_mm"] > 0
    assert any("was typed and not read" in note for note in typed["notes"])
    assert nibabel.load(tmp_path / "typed" / "mask.nii.gz").header.get_zooms() == (1, 1, 1)
    code, out, _ = run(folder, "--out", tmp_path / "bare", "--json")
    bare = json.loads(out)["results"][0]
    assert (bare["spacing_mm"], bare["spacing_assumed"], bare["scan"]["volume_ml"]) == (None, False, None)


def test_a_spacing_that_was_read_is_not_replaced(tmp_path, run, loads):
    write_series(tmp_path / "scan", head(), SeriesDescription="AX FLAIR")
    code, out, _ = run(tmp_path / "scan", "--out", tmp_path / "out", "--spacing", "3,2,2", "--json")
    assert code == 0
    result = json.loads(out)["results"][0]
    assert result["spacing_mm"] == pytest.approx([5.0, 0.9, 1.1])
    assert result["spacing_assumed"] is False
    assert "The files state their spacing; the one that was typed was not used." in result["notes"]


@pytest.mark.parametrize("text", ["5", "5,0,1", "a,b", "1,2,3,4"])
def test_spacings_that_make_no_sense_are_wrong_usage(tmp_path, run, text):
    code, _, err = run(tmp_path, "--out", tmp_path / "out", "--spacing", text)
    assert code == 2
    assert "is no spacing" in err


def test_overlapped_or_not_makes_no_difference(loads: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    for number in range(4):
        write_series(folder / str(number), head(level=40 + 10 * number), SeriesDescription="AX FLAIR", SeriesNumber=number + 1)
    documents = []
    for overlapped in (True, False):
        out = tmp_path / f"out {overlapped}"
        documents.append(predict.predict_path(folder, predict.Options(out, keep=False), overlapped=overlapped))
    for document in documents:
        for result in document["results"]:
            del result["seconds"]
            for row in result["slices"]:
                del row["seconds"]
    assert documents[0] == documents[1]
    assert [result["key"] for result in documents[0]["results"]] == [series.key for series in scan(folder).series]
    names = [sorted(p.relative_to(tmp_path / f"out {o}") for p in (tmp_path / f"out {o}").rglob("*.png")) for o in (True, False)]
    assert names[0] == names[1]
    assert all((tmp_path / "out True" / n).read_bytes() == (tmp_path / "out False" / n).read_bytes() for n in names[0])


@pytest.mark.parametrize("overlapped", [True, False])
def test_what_fails_is_in_its_place_and_takes_nothing_along(
    loads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overlapped: bool
) -> None:
    for number in range(5):
        write_series(tmp_path / "scans" / str(number), head(level=40 + 10 * number), SeriesDescription="AX FLAIR", SeriesNumber=number + 1)
    keys = [series.key for series in scan(tmp_path / "scans").series]
    open_volume, write_results = predict.open_volume, predict.export.write_results

    def opened(series: object) -> object:
        if series.key in (keys[0], keys[3]):
            raise ReadError(f"{series.key} is cut short.")
        return open_volume(series)

    def written(out: Path, volume: object, *rest: object, **more: object) -> dict:
        if volume.key == keys[2]:
            raise RefusalError(f"{volume.key} cannot be written so.")
        return write_results(out, volume, *rest, **more)

    monkeypatch.setattr(predict, "open_volume", opened)
    monkeypatch.setattr(predict.export, "write_results", written)
    document = predict.predict_path(tmp_path / "scans", predict.Options(tmp_path / "out", keep=False), overlapped=overlapped)
    assert [row["key"] for row in document["failed"]] == [keys[0], keys[2], keys[3]]
    assert [result["key"] for result in document["results"]] == [keys[1], keys[4]]


def test_a_disk_that_is_full_ends_it(loads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        write_series(tmp_path / "scans" / str(number), head(level=40 + 10 * number), SeriesDescription="AX FLAIR", SeriesNumber=number + 1)
    written: list[str] = []

    def full(out: Path, volume: object, *_: object, **__: object) -> dict:
        written.append(volume.key)
        raise WriteError("There is no room.")

    monkeypatch.setattr(predict.export, "write_results", full)
    with pytest.raises(WriteError, match="no room"):
        predict.predict_path(tmp_path / "scans", predict.Options(tmp_path / "out", keep=False))
    assert len(written) == 1, "nothing more is written"
