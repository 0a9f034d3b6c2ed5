"""The report of an evaluation, and what `evaluate` makes of a folder with faults; engines without networks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from brainviewer import cli
from brainviewer.errors import TrainingError
from brainviewer.formats import open_volume
from brainviewer.inference import load
from brainviewer.inference.load import Models
from brainviewer.training import report
from brainviewer.training.evaluate import Judged, evaluate, judge, labelled_series, summarise

FILES = {"report.json", "evaluation.html", "confusion.png", "roc.png", "calibration.png", "dice.png", "best.png", "median.png", "worst.png"}
DOCUMENT = {"patients", "slices", "classifier", "segmenter", "pipeline", "intervals", "seconds"}


@pytest.fixture
def models(bright_models: Models) -> Models:
    return bright_models


@pytest.fixture
def data(bright_heads: Path) -> Path:
    return bright_heads


def sentences(data: Path, models: Models, patients: list[str] | None = None) -> tuple[list[Judged], list[str]]:
    said: list[str] = []
    return judge(data, models, patients, say=said.append), said


def test_a_good_folder_is_judged_without_a_word(data: Path, models: Models) -> None:
    judged, said = sentences(data, models)
    assert said == []
    figures = summarise(judged, 0.5)
    assert (figures["patients"], figures["slices"]) == (4, 24)
    assert figures["pipeline"]["accuracy"] == figures["pipeline"]["auc"] == 1
    dices = figures["pipeline"]["per_patient"]
    assert dices["p1"] == pytest.approx(2 / 3, abs=0.02)
    assert all(dices[name] == 1 for name in ("p0", "p2", "p3"))


def test_slices_without_a_usable_mask_are_named_and_not_judged(data: Path, models: Models) -> None:
    (data / "p0" / "p0_3_mask.tif").unlink()
    cv2.imwrite(str(data / "p2" / "p2_3_mask.tif"), np.zeros((16, 16), np.uint8))
    broken = data / "p3" / "p3_3_mask.tif"
    broken.write_bytes(broken.read_bytes()[:50])
    judged, said = sentences(data, models)
    assert [len(one.labels) for one in judged] == [5, 6, 5, 5]
    assert len(said) == 3
    assert all(any(name in text for text in said) for name in ("p0_3.tif", "p2_3_mask.tif", "p3_3_mask.tif"))
    figures = summarise(judged, 0.5)
    assert figures["pipeline"]["accuracy"] == 1, "a tumour whose mask is missing is no false alarm"
    assert figures["pipeline"]["per_patient"]["p0"] == 1


def test_a_patient_without_masks_and_names_that_are_not_there(data: Path, models: Models) -> None:
    for path in (data / "p2").glob("*_mask.tif"):
        path.unlink()
    judged, said = sentences(data, models, ["p1", "p2", "p9"])
    assert [one.patient for one in judged] == ["p1"]
    assert said == [f'1 patient of the list is not in "{data}": p9.', "Without a usable mask, and not judged: p2."]
    with pytest.raises(TrainingError, match="No labelled scan"):
        judge(data, models, ["p2"])


def test_one_unreadable_file_and_one_unreadable_patient(data: Path, models: Models) -> None:
    path = data / "p0" / "p0_6.tif"
    path.write_bytes(path.read_bytes()[:900])
    for path in (data / "p1").glob("p1_?.tif"):
        path.write_bytes(path.read_bytes()[:900])
    judged, said = sentences(data, models)
    assert {one.patient: len(one.labels) for one in judged} == {"p0": 5, "p2": 6, "p3": 6}
    assert any("p0_6.tif" in text for text in said)
    assert any("p1" in text for text in said)


def test_a_mask_that_is_not_binary_is_said_and_used(data: Path, models: Models) -> None:
    path = data / "p0" / "p0_3_mask.tif"
    mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    mask[20, 24:34] = 90
    cv2.imwrite(str(path), mask)
    judged, said = sentences(data, models)
    assert len(said) == 1
    assert "p0_3_mask.tif" in said[0]
    assert summarise(judged, 0.5)["pipeline"]["per_patient"]["p0"] == 1


@pytest.mark.parametrize("value", [0, 255])
def test_one_class_only(data: Path, models: Models, tmp_path: Path, value: int) -> None:
    for path in data.glob("*/*_mask.tif"):
        cv2.imwrite(str(path), np.full((64, 64), value, np.uint8))
    said: list[str] = []
    document, judged = evaluate(data, models, say=said.append)
    assert document["pipeline"]["auc"] is None
    assert sum("one class only" in text for text in said) == 1
    report.write_report(tmp_path / "out", document, judged, data, models)
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES


def test_a_folder_above_the_data_gives_the_same(data: Path, models: Models) -> None:
    judged, said = sentences(data.parent, models, ["p1", "p3"])
    assert said == []
    assert [one.patient for one in judged] == ["heads_p1", "heads_p3"]


def test_the_report(data: Path, models: Models, tmp_path: Path) -> None:
    document, judged = evaluate(data, models)
    chosen = report.examples(judged)
    assert chosen["worst"][0] == "p1"
    assert chosen["best"][1] == 1
    report.write_report(tmp_path / "out", document, judged, data, models)
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8")) == document
    text = (tmp_path / "out" / "evaluation.html").read_text(encoding="utf-8")
    assert "Research use only. Not for diagnosis." in text
    assert text.count("data:image/png;base64,") == text.count("<img") == 7
    assert text.count("http") == 0
    assert "Worst: p1, Dice 0.66" in text
    for row in (
        "<tr><td>p1</td><td class=number>0.66",
        "<tr><td>no tumour</td><td class=number>1.000</td><td class=number>1.000</td><td class=number>1.000</td><td class=number>16</td></tr>",
        "<tr><td>tumour</td><td class=number>1.000</td><td class=number>1.000</td><td class=number>1.000</td><td class=number>8</td></tr>",
    ):
        assert row in text
    picture = cv2.imread(str(tmp_path / "out" / "worst.png"))
    assert picture.shape[1] == 5 * 64 + 4 * 4, "five columns"


def test_a_picture_shows_what_was_marked_in_vain(data: Path, models: Models) -> None:
    picture = cv2.imread(str(data / "p2" / "p2_5.tif"))
    picture[10:50, 15:45] = 255  # larger than the tumour in slices 3 and 4
    cv2.imwrite(str(data / "p2" / "p2_5.tif"), picture)
    columns = report.five_columns(open_volume(labelled_series(data, ["p2"])[0]), models)
    reference, prediction = columns[-64:, 68:132], columns[-64:, 136:200]
    assert reference.max() == 0
    assert (prediction == 255).all(axis=-1).sum() == 40 * 30


def test_examples_leave_out_patients_without_tumour_while_there_are_others() -> None:
    def one(patient: str, hit: int, missed: int) -> Judged:
        labels, rows = np.array([hit + missed > 0]), np.array([[hit, missed, 0]])
        return Judged(patient, labels, labels * 1.0, labels * 1.0, labels, rows, rows)

    chosen = report.examples([one("empty", 0, 0), one("good", 9, 1), one("bad", 1, 9), one("fair", 5, 5)])
    assert [chosen[name][0] for name in ("best", "median", "worst")] == ["good", "fair", "bad"]
    assert report.examples([one("empty", 0, 0)])["best"] == ("empty", 1.0)


def test_the_command(data: Path, models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "load_models", lambda *_: models)
    (data / "p0" / "p0_1_mask.tif").unlink()
    out = tmp_path / "out"
    assert cli.main(["evaluate", str(data), "--json", "--out", str(out)]) == 0
    printed, said = capsys.readouterr()
    document = json.loads(printed)
    assert set(document) == DOCUMENT
    assert json.loads((out / "report.json").read_text(encoding="utf-8")) == document
    assert said == 'brainviewer: "p0_1.tif" has no mask beside it; the slice counts as unlabelled.\n'
    shutil.rmtree(out)
    assert cli.main(["evaluate", str(data)]) == 0
    assert not out.exists()
    assert cli.main(["evaluate", str(data), "--out", str(data / "out")]) == 1
    assert "within the data" in capsys.readouterr().err
