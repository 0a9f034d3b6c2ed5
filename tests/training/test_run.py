"""The folder of a run."""

import json
import os
from pathlib import Path

import pytest

from brainviewer.errors import TrainingError
from brainviewer.training.run import Phase, Run, RunEvent, TrainConfig


@pytest.fixture
def config() -> TrainConfig:
    return TrainConfig(task="segment", data="data", phases=(Phase(64, 2), Phase(128, 1)))


def test_settings_survive_json(config: TrainConfig) -> None:
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert config.epochs == 3


def test_misspelt_settings_are_refused(config: TrainConfig) -> None:
    with pytest.raises(TrainingError, match="epoch_count"):
        TrainConfig.from_json(config.to_json() | {"epoch_count": 3})
    with pytest.raises(TrainingError, match="lack: data"):
        TrainConfig.from_json({"task": "segment"})


def test_a_run_with_other_settings_is_left_alone(tmp_path: Path, config: TrainConfig) -> None:
    run = Run(tmp_path / "run")
    run.create(config)
    run.create(config)
    with pytest.raises(TrainingError, match="other settings"):
        run.create(TrainConfig(task="classify", data="data"))
    assert run.config() == config


def test_no_run_there(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no training run"):
        Run(tmp_path / "nothing").config()


def test_events_are_kept_and_half_a_line_is_passed_over(tmp_path: Path, config: TrainConfig) -> None:
    run = Run(tmp_path / "run")
    run.create(config)
    run.log("started", patients=3)
    run.log("epoch", 0, 10, loss=0.5)
    with run.events_file.open("a") as file:
        file.write('{"kind": "epo')
    events = list(run.events())
    assert [event.kind for event in events] == ["started", "epoch"]
    assert events[1] == RunEvent("epoch", events[1].time_s, 0, 10, {"loss": 0.5})


def test_two_processes_do_not_share_a_run(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.acquire()
    run.acquire()
    run.release()
    run.lock_file.write_text(str(os.getppid()))
    with pytest.raises(TrainingError, match="Another process"):
        run.acquire()
    run.lock_file.write_text("2147483000")  # no such process: it was killed
    run.acquire()
    run.release()
