"""From the settings to a judged bundle: one command."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("keras")

from brainviewer import cli
from brainviewer.inference.bundle import choose_bundle
from brainviewer.training.bundling import NO_LICENCE, licence_of
from brainviewer.training.run import Run, TrainConfig

pytestmark = pytest.mark.engine


def test_one_command_trains_judges_and_bundles(tmp_path: Path, make_patients: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    data = make_patients(tmp_path / "hospital", 4, 6, range(2, 5))
    settings = {"task": "segment", "data": str(data), "phases": [{"size": 32, "epochs": 1}], "batch": 4, "validation": 0.25, "known": "our own scans"}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    run = Run(tmp_path / "run")
    assert cli.main(["train", "--config", str(tmp_path / "settings.json"), "--run", str(run.folder)]) == 0

    report = json.loads(run.report_file.read_text())
    split = json.loads((run.folder / "split.json").read_text())
    assert report["patients"] == len(split["validation"]) == 1
    assert 0 <= report["pipeline"]["dice_patient_mean"] <= 1
    made = choose_bundle(run.bundle, "segment")
    made.verify()
    assert made.details["trained_on"] == {"data": "hospital", "patients": 3, "slices": 18, "slices_with_tumour": 9}
    assert made.details["licence"] == NO_LICENCE
    assert "LGG" not in json.dumps(made.details)
    assert choose_bundle(run.bundle, "classify").details["fit"]["words"].startswith("the brain MRI")
    assert [event.kind for event in run.events()][-1] == "evaluated"
    assert str(run.bundle) in capsys.readouterr().out


def test_the_licence_comes_from_the_data_and_from_where_the_training_started(tmp_path: Path) -> None:
    from brainviewer import paths

    ours = str(choose_bundle(paths.bundled_models(), "segment").folder)
    assert licence_of(TrainConfig("segment", "data")) == NO_LICENCE
    assert licence_of(TrainConfig("segment", "data", licence="CC0")) == "CC0"
    assert licence_of(TrainConfig("segment", "data", start=ours)) == "CC BY-NC-SA 4.0"
    first = Run(tmp_path / "first")
    first.create(TrainConfig("segment", "data", start=ours))
    assert licence_of(TrainConfig("segment", "data", licence="CC0", start=str(first.folder))) == "CC0 and CC BY-NC-SA 4.0"
