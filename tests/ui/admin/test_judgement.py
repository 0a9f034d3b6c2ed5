"""The judge's report as values, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PySide6.QtWidgets import QLabel

from brainviewer.ui.admin.judgement import Figure, read_judgement
from brainviewer.ui.admin.pictures import PictureView
from brainviewer.ui.admin.plots import ConfusionTable, CurvePlot, PairChart
from brainviewer.ui.admin.verdict_view import VerdictView, difference_words, direction, value_words


def summary(dice: float, confusion: list[list[int]]) -> dict:
    pipeline = {"dice_patient_mean": dice, "auc": None, "accuracy": 0.9, "calibration_error": 0.04, "confusion": confusion}
    return {"pipeline": pipeline, "intervals": {"pipeline.dice_patient_mean": [dice - 0.1, dice + 0.1]}}


def report(folder: Path, **changes: Any) -> Path:
    """As the judge writes it, with one picture."""
    part = {
        "patients": 2,
        "candidate": summary(0.7, [[40, 2], [3, 10]]),
        "current": summary(0.8, [[41, 1], [2, 11]]),
        "differences": {},
        "roc": {"candidate": {"false": [0, 0.1, 1], "hit": [0, 0.9, 1]}, "current": {"false": [0, 1], "hit": [0, 1]}},
        "dice": [{"patient": "p1", "candidate": 0.5, "current": 0.8}, {"patient": "p2", "candidate": 0.9, "current": 0.8}],
        "pictures": [{"file": "held-out-0.png", "words": "p1: Dice 0.800 in use, 0.500 candidate"}],
    }
    cv2.imwrite(str(folder / "held-out-0.png"), np.full((20, 60, 3), 80, np.uint8))
    guard = part | {"patients": 1, "roc": {"candidate": None, "current": None}, "pictures": []}
    document = {"verdict": "worse", "sentence": "Worse: Dice -0.100.", "held_out": part, "guard": guard}
    (folder / "report.json").write_text(json.dumps(document | changes))
    return folder


def test_the_report_as_values(tmp_path: Path) -> None:
    found = read_judgement(report(tmp_path))
    assert found is not None
    held, guard = found.parts
    assert (found.verdict, found.sentence) == ("worse", "Worse: Dice -0.100.")
    assert held.title == "On 2 patients that neither has learned from"
    assert held.figures[0].candidate == 0.7
    assert held.figures[0].current_interval == (0.8 - 0.1, 0.8 + 0.1)
    assert held.figures[-1].lower_is_better
    assert held.confusion == (((40, 2), (3, 10)), ((41, 1), (2, 11)))
    assert held.dice[0].two == 0.8
    assert guard.roc is None
    assert guard.title.startswith("On the guard set, 1 patient")


def test_without_a_report_there_is_none(tmp_path: Path) -> None:
    assert read_judgement(tmp_path) is None
    (tmp_path / "report.json").write_text("{ broken")
    assert read_judgement(tmp_path) is None
    report(tmp_path, held_out={"patients": 2})
    assert read_judgement(tmp_path) is None


def test_a_picture_is_looked_for_beside_the_report_only(tmp_path: Path) -> None:
    found = read_judgement(report(tmp_path))
    assert found is not None
    assert found.parts[0].pictures[0][1].parent == tmp_path


def test_it_is_shown_part_by_part(shown: Callable[[Any], Any], tmp_path: Path) -> None:
    view = shown(VerdictView())
    view.show_judgement(read_judgement(report(tmp_path)))
    words = [label.text() for label in view.findChildren(QLabel)]
    assert "Worse than the models in use" in words
    assert "0.700 (0.600 to 0.800)" in words
    assert len(view.findChildren(ConfusionTable)) == 4
    assert len(view.findChildren(CurvePlot)) == 1
    assert len(view.findChildren(PairChart)) == 2
    assert [picture.image.width() for picture in view.findChildren(PictureView)] == [60]
    view.show_judgement(None)
    assert not view.isVisible()


def test_words_of_figures() -> None:
    assert value_words(None, None) == "-"
    assert value_words(0.5, None) == "0.500"
    assert difference_words(Figure("", 0.5, None)) == ""
    assert direction(Figure("", 0.02, 0.03, lower_is_better=True)) == "done"
    assert direction(Figure("", 0.5, 0.6)) == "error"
    assert direction(Figure("", 0.5001, 0.5)) == ""
