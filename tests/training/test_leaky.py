"""The split by slice and its judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brainviewer.training import leaky
from brainviewer.training.run import Phase, Run


@pytest.mark.engine
@pytest.mark.usefixtures("tiny")
def test_a_run_is_trained_and_judged_on_slices_that_it_was_not_given(
    tmp_path: Path, make_patients: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_patients(tmp_path / "data", 4, 12, range(4, 9))
    run = Run(tmp_path / "run")
    run.create(replace(leaky.recipe(folder, "", "float32"), start="none", exclude="", phases=(Phase(32, 2),), batch=8))
    # The network is built a second time in this process, as a resumed run does.
    assert leaky.main([str(folder), "--run", str(run.folder)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads(run.report_file.read_text())
    split = json.loads((run.folder / "split.json").read_text())
    assert document["slices"] == 48 - len(split["train"]) - len(split["validation"]) > 0
    assert document["split"] == "slice_leaky"
    assert 0 <= document["accuracy"] <= 1
    assert document["size"] == 32
    assert document["alone"]["slices"] == document["slices"]


def test_neighbours_are_of_the_same_patient() -> None:
    cases = np.array([0, 0, 0, 1, 1, 1, 1, 2])
    assert leaky.around(np.array([2, 5]), cases).tolist() == [1, 2, 4, 5, 6]
    assert leaky.around(np.array([0, 7]), cases).tolist() == [0, 1, 7]


def test_figures_of_perfect_and_of_reversed_answers() -> None:
    labels = np.array([True, False, True, False])
    right = leaky.figures(labels, np.where(labels, 0.9, 0.1), np.zeros(4))
    assert (right["accuracy"], right["auc"], right["interval"]) == (1.0, 1.0, [1.0, 1.0])
    wrong = leaky.figures(labels, np.where(labels, 0.1, 0.9), np.zeros(4))
    assert (wrong["accuracy"], wrong["auc"]) == (0.0, 0.0)


def test_the_interval_is_over_patients() -> None:
    labels, cases = np.tile([True, False], 50), np.arange(100) // 50
    p = np.where(labels ^ (cases == 1), 0.9, 0.1)  # all right of one, all wrong of the other
    assert leaky.figures(labels, p, cases)["interval"] == [0.0, 1.0]
    low, high = leaky.figures(labels, p, np.arange(100))["interval"]
    assert 0.35 < low < 0.5 < high < 0.65
