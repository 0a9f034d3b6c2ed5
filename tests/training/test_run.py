"""The folder of a run."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from brainviewer import paths
from brainviewer.errors import TrainingError
from brainviewer.training.run import Phase, Run, RunEvent, TrainConfig, runs_in


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


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("task", "segmnt", "one of classify, segment"),
        ("task", None, "one of"),
        ("split", "by slice", "one of patient, slice_leaky"),
        ("precision", "float64x", "one of float32, mixed_bfloat16"),
        ("device", "tpu", "one of auto, cpu, gpu"),
        ("data", 5, "a text"),
        ("refit", "yes", "true or false"),
        ("batch", 0, "a whole number from 1 to 4096"),
        ("batch", 2.5, "a whole number"),
        ("batch", True, "a whole number"),
        ("learning_rate", "fast", "a number from"),
        ("learning_rate", -1, "a number from"),
        ("learning_rate", float("nan"), "a number from"),
        ("validation", 2.0, "a number from 0.01 to 0.99"),
        ("seed", -1, "a whole number from 0"),
        ("substitution", "x", "a number from 0 to 1"),
        ("validation_patients", "TCGA_A_1", "a list of names"),
        ("phases", 5, "a list of"),
        ("phases", [], "a list of"),
        ("phases", [{"size": 32, "epoch": 1}], "a list of"),
        ("phases", [{"size": 100, "epochs": 1}], "a multiple of 16"),
        ("phases", [{"size": 8, "epochs": 1}], "a whole number from 16"),
        ("phases", [{"size": 64, "epochs": 0}], "a whole number from 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(config: TrainConfig, name: str, value: object, wanted: str) -> None:
    with pytest.raises(TrainingError) as refused:
        TrainConfig.from_json(config.to_json() | {name: value})
    assert "In the training settings" in refused.value.sentence
    assert wanted in refused.value.hint


def test_settings_that_are_no_names_with_values_are_refused() -> None:
    with pytest.raises(TrainingError, match="names with values"):
        TrainConfig.from_json([1, 2])  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", [{"task": "classify"}, {"split": "slice_leaky"}])
def test_only_a_segmenter_with_a_split_by_patient_is_refit(config: TrainConfig, changes: dict) -> None:
    assert TrainConfig.from_json(config.to_json() | {"refit": True}).refit
    with pytest.raises(TrainingError, match="refit"):
        TrainConfig.from_json(config.to_json() | {"refit": True} | changes)


def test_half_a_line_swallows_no_other(tmp_path: Path, config: TrainConfig) -> None:
    run = Run(tmp_path / "run")
    run.create(config)
    run.log("started")
    with run.events_file.open("a") as file:
        file.write('{"kind": "step", "time')  # the disk was full
    run.log("failed", sentence="There is no room left.")
    assert [event.kind for event in run.events()] == ["started", "failed"]
    assert run.state() == "failed"


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


HOLDER = """
import sys
from brainviewer.training.run import Run
run = Run(sys.argv[1])
run.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_two_processes_do_not_share_a_run(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.acquire()
    run.acquire()
    run.release()
    assert run.holder() == os.getpid()
    run.release()
    assert not run.lock_file.exists()
    assert run.holder() == 0
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, run.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=paths.environment())
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert run.holder() == holder.pid
        with pytest.raises(TrainingError, match=rf"Another process \({holder.pid}\)"):
            run.acquire()
        with pytest.raises(TrainingError, match="Another process"):
            Run(run.folder).acquire()
    finally:
        holder.kill()
        holder.wait()
    assert run.lock_file.read_text() == str(holder.pid)  # a kill leaves the file, not the hold
    assert run.holder() == 0
    run.acquire()
    run.release()


def test_a_number_that_another_process_has_got_meanwhile_holds_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    run.lock_file.write_text(str(os.getppid()))
    assert run.holder() == 0
    run.acquire()
    run.release()


def test_the_wish_to_stop(tmp_path: Path, config: TrainConfig) -> None:
    run = Run(tmp_path / "run")
    run.create(config)
    assert run.stop_asked() == ""
    run.stop_file.touch()
    assert run.stop_asked() == "asked"
    run.ask_to_stop(keep=True)
    assert run.stop_asked() == "keep"
    run.ask_to_stop()
    assert run.stop_asked() == "asked"


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ((), "new"),
        (("started", "step"), "dead"),
        (("started", "stopped", "note"), "stopped"),
        (("started", "failed"), "failed"),
        (("started", "failed", "resumed", "finished", "judging"), "dead"),
        (("started", "finished", "judging", "evaluated"), "done"),
    ],
)
def test_how_a_run_stands(tmp_path: Path, config: TrainConfig, kinds: tuple[str, ...], state: str) -> None:
    run = Run(tmp_path / "run")
    run.create(config)
    for kind in kinds:
        run.log(kind)
    assert run.state() == state
    run.acquire()
    assert run.state() == "running"
    run.release()


def test_a_run_of_the_other_network_may_follow(tmp_path: Path, config: TrainConfig) -> None:
    run = Run(tmp_path / "run")
    run.create(config)
    assert run.stages == [run]
    with pytest.raises(TrainingError, match="both of these segment"):
        run.chain(config)
    other = replace(config, task="classify")
    run.chain(other)
    assert run.then is not None
    assert run.then.config() == other
    assert [stage.config().task for stage in run.stages] == ["segment", "classify"]
    run.log("started")
    run.log("finished")
    run.then.log("started")
    run.then.log("stopped", reason="asked")
    assert run.state() == "stopped"


def test_runs_are_found_the_newest_first(tmp_path: Path, config: TrainConfig) -> None:
    for number, name in enumerate(("one", "two")):
        Run(tmp_path / name).create(config)
        os.utime(tmp_path / name / "config.json", (number, number))
    assert [run.folder.name for run in runs_in(tmp_path)] == ["two", "one"]
    assert runs_in(tmp_path / "nothing") == []
