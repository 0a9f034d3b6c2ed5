"""Training from the window: what the button starts, what is found again, and every bad end in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt

from brainviewer import audit, paths
from brainviewer.errors import TrainingError
from brainviewer.training.run import Phase, Run, TrainConfig
from brainviewer.ui.admin.check_report import CheckReport, PatientRow
from brainviewer.ui.admin.run_control import RunControl, configs_of
from brainviewer.ui.admin.train_form import TrainWishes
from brainviewer.ui.admin.train_page import TrainPage

from .conftest import FakeChild

TIMEOUT_MS = 20_000


class Process:
    """The process of a run, as long as the test wants."""

    def __init__(self) -> None:
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code


class Spawner:
    """Starts nothing; remembers which runs were to start."""

    def __init__(self) -> None:
        self.started: list[Run] = []
        self.processes: list[Process] = []
        self.error: Exception | None = None

    def __call__(self, run: Run) -> Process:
        if self.error is not None:
            raise self.error
        self.started.append(run)
        self.processes.append(Process())
        return self.processes[-1]


@pytest.fixture
def spawner() -> Spawner:
    return Spawner()


@pytest.fixture
def report(tmp_path: Path) -> CheckReport:
    rows = (PatientRow("p1", 6, 6, 2, 1.5), PatientRow("p2", 6, 5, 3, 4.2))
    return CheckReport(tmp_path / "new scans", tmp_path, rows, 12, 11, 5, "1,000 pixels", (), {}, (), ())


@pytest.fixture
def page(shown: Callable[[Any], Any], spawner: Spawner) -> Any:
    made = shown(TrainPage(RunControl(spawner), FakeChild))
    made.view.watch._timer.setInterval(10)
    made.enter()
    yield made
    made.close_child()


def click(qtbot: Any, button: Any) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def begin(qtbot: Any, page: TrainPage, report: CheckReport) -> Run:
    page.set_data(report)
    click(qtbot, page.start_button)
    assert page.view.run is not None
    return page.view.run


def test_without_data_it_leads_to_the_data(qtbot: Any, page: TrainPage) -> None:
    assert not page.start_button.isVisible()
    with qtbot.waitSignal(page.data_wanted, timeout=TIMEOUT_MS):
        click(qtbot, page.data_button)


def test_one_button_trains_both_from_the_models_in_use(qtbot: Any, page: TrainPage, spawner: Spawner, report: CheckReport) -> None:
    page.set_data(report)
    what, how = page.plan.text().split(", starting ")
    assert what == 'Classifier and segmenter learn from the 11 labelled slices of 2 patients in "new scans"'
    assert how == "from the models in use, for up to 10 epochs."
    assert not page.form.isVisible()
    click(qtbot, page.start_button)
    (run,) = spawner.started
    assert run.folder.parent == paths.runs()
    first, second = (stage.config() for stage in run.stages)
    assert (first.task, second.task) == ("classify", "segment")
    for config in (first, second):
        assert (config.data, config.start, config.epochs, config.batch) == (str(report.data), "current", 10, 16)
    assert page.view.isVisible()
    assert not page.start_button.isVisible()
    assert page.view.title.text() == 'Classifier and segmenter on "new scans"'
    last = list(audit.read())[-1]
    assert (last.what, last.result, last.about) == ("train", "started", {"networks": "both", "epochs": 10, "patients": 2})


def test_the_settings_reach_the_run(qtbot: Any, page: TrainPage, spawner: Spawner, report: CheckReport) -> None:
    page.set_data(report)
    click(qtbot, page.fold.button)
    form = page.form
    assert form.isVisible()
    form.networks.setCurrentIndex(form.networks.findData("segment"))
    form.start.setCurrentIndex(form.start.findData("none"))
    form.size.setCurrentIndex(form.size.findData(64))
    form.device.setCurrentIndex(form.device.findData("cpu"))
    for box, value in ((form.epochs, 2), (form.batch, 4), (form.patience, 3), (form.learning_rate, 0.001), (form.strength, 50)):
        box.setValue(value)
    assert page.plan.text().startswith("The segmenter learns")
    assert page.plan.text().endswith("starting from nothing, for up to 2 epochs.")
    click(qtbot, page.start_button)
    config = spawner.started[0].config()
    assert spawner.started[0].then is None
    assert (config.task, config.start, config.phases, config.device) == ("segment", "none", (Phase(64, 2),), "cpu")
    assert (config.batch, config.patience, config.learning_rate, config.strength) == (4, 3, 0.001, 0.5)


def test_imagenet_is_for_the_classifier_only(tmp_path: Path) -> None:
    first, second = configs_of(TrainWishes(start="imagenet"), tmp_path)
    assert (first.start, second.start) == ("imagenet", "none")


def test_a_run_of_an_earlier_window_is_found_by_its_files(qtbot: Any, shown: Callable[[Any], Any], spawner: Spawner, tmp_path: Path) -> None:
    run = Run(paths.runs() / "earlier")
    run.create(TrainConfig("segment", str(tmp_path / "scans"), phases=(Phase(64, 3),)))
    run.log("started")
    run.log("epoch", 0, 4, loss=0.8, val_dice=0.5, score=0.5)
    run.acquire()
    try:
        page = shown(TrainPage(RunControl(spawner), FakeChild))
        page.enter()
        assert page.view.title.text() == 'Segmenter on "scans"'
        assert page.view.words() == "Epoch 2 of 3"
        assert page.view.stop_button.isVisible()
        assert not page.again_button.isVisible()
        assert spawner.started == []
    finally:
        run.release()
        page.close_child()


def test_stop_and_keep_leave_a_wish_in_the_folder(qtbot: Any, page: TrainPage, report: CheckReport) -> None:
    run = begin(qtbot, page, report)
    run.log("started")
    run.log("epoch", 0, 4, loss=0.8, val_accuracy=0.5, score=0.5)
    qtbot.waitUntil(lambda: page.view.keep_button.isVisible(), timeout=TIMEOUT_MS)
    click(qtbot, page.view.keep_button)
    assert run.stop_asked() == "keep"
    assert page.view.words() == "Stopping after this step"


def test_stop_then_resume(qtbot: Any, page: TrainPage, spawner: Spawner, report: CheckReport) -> None:
    run = begin(qtbot, page, report)
    run.log("started")
    qtbot.waitUntil(lambda: page.view.words() == "Classifier, epoch 1 of 10", timeout=TIMEOUT_MS)
    click(qtbot, page.view.stop_button)
    assert run.stop_asked() == "asked"
    run.log("stopped", 0, reason="asked")
    spawner.processes[0].code = 0
    qtbot.waitUntil(lambda: page.view.resume_button.isVisible(), timeout=TIMEOUT_MS)
    assert page.again_button.isVisible()
    click(qtbot, page.view.resume_button)
    assert [again.folder for again in spawner.started] == [run.folder, run.folder]
    assert not run.stop_asked()
    assert not page.view.resume_button.isVisible()
    assert [act.result for act in audit.read()] == ["started", "asked to stop", "resumed"]


def test_a_killed_child_is_one_sentence(qtbot: Any, page: TrainPage, spawner: Spawner, report: CheckReport) -> None:
    run = begin(qtbot, page, report)
    run.log("started")
    qtbot.waitUntil(lambda: page.view.story.begun, timeout=TIMEOUT_MS)
    spawner.processes[0].code = -9
    qtbot.waitUntil(lambda: page.message.isVisible(), timeout=TIMEOUT_MS)
    assert page.message.sentence.text() == "The training was ended from outside. Its last whole epoch is kept."
    assert page.view.resume_button.isVisible()


def test_a_process_that_never_began_says_its_last_words(qtbot: Any, page: TrainPage, spawner: Spawner, report: CheckReport) -> None:
    run = begin(qtbot, page, report)
    run.output_file.write_text("warning of a library\nbrainviewer: No labelled scan was found.\nChoose another folder.\n")
    spawner.processes[0].code = 1
    qtbot.waitUntil(lambda: page.message.isVisible(), timeout=TIMEOUT_MS)
    assert page.message.sentence.text() == "The training ended before it began."
    assert page.message.hint.text() == "No labelled scan was found."


def test_a_failure_is_the_runs_own_sentence(qtbot: Any, page: TrainPage, spawner: Spawner, report: CheckReport) -> None:
    run = begin(qtbot, page, report)
    run.log("started")
    run.log("failed", sentence="The checkpoint could not be written (No space left on device).", hint="Free some space and resume the run.")
    spawner.processes[0].code = 1
    qtbot.waitUntil(lambda: page.message.isVisible(), timeout=TIMEOUT_MS)
    assert page.message.sentence.text() == "The checkpoint could not be written (No space left on device)."
    assert page.view.resume_button.isVisible()


def test_two_trainings_at_once_are_refused(qtbot: Any, page: TrainPage, spawner: Spawner, report: CheckReport) -> None:
    other = Run(paths.runs() / "other")
    other.create(TrainConfig("segment", "/scans"))
    other.acquire()
    try:
        page.set_data(report)
        click(qtbot, page.start_button)
        assert page.message.sentence.text() == "Another training is going on, in another window or started by a command."
        assert spawner.started == []
        assert page.start_button.isVisible()
    finally:
        other.release()


def test_a_process_that_cannot_start_is_a_sentence(qtbot: Any, page: TrainPage, spawner: Spawner, report: CheckReport) -> None:
    spawner.error = TrainingError("The training process could not be started.", "Free some memory.")
    page.set_data(report)
    click(qtbot, page.start_button)
    assert page.message.sentence.text() == "The training process could not be started."
    assert list(audit.read())[-1].result == "not started"


def test_a_full_disk_is_a_sentence(qtbot: Any, page: TrainPage, spawner: Spawner, report: CheckReport, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(run: Run, config: TrainConfig) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Run, "create", full)
    page.set_data(report)
    click(qtbot, page.start_button)
    assert "could not be kept" in page.message.sentence.text()
    assert "No space left on device" in page.message.sentence.text()
    assert spawner.started == []


def test_the_end_leads_to_the_models(qtbot: Any, page: TrainPage, spawner: Spawner, report: CheckReport) -> None:
    run = begin(qtbot, page, report)
    run.log("started")
    run.log("evaluated", verdict="worse", sentence="Dice -0.1.", pair="both-2026.11.25")
    spawner.processes[0].code = 0
    qtbot.waitUntil(lambda: page.message.isVisible(), timeout=TIMEOUT_MS)
    assert page.message.sentence.text() == "Worse than the models in use. Dice -0.1."
    assert page.message.hint.text() == 'The candidate is kept as "both-2026.11.25". It is not in use.'
    choice = page.message.findChild(type(page.start_button), "messageChoice0")
    with qtbot.waitSignal(page.models_wanted, timeout=TIMEOUT_MS) as waited:
        click(qtbot, choice)
    assert waited.args == ["both-2026.11.25"]
    click(qtbot, page.again_button)
    assert page.start_button.isVisible()
    assert not page.view.isVisible()


def test_data_without_a_tumour_is_not_trained_on(page: TrainPage, report: CheckReport) -> None:
    page.set_data(replace(report, tumour=0))
    assert not page.start_button.isVisible()


def test_the_time_is_measured_network_by_network(qtbot: Any, page: TrainPage, report: CheckReport) -> None:
    page.set_data(report)
    assert page.estimate.text() == "Measuring how long it will take…"
    (first,) = page._measure.asked
    assert first[:3] == ["train", "--measure", "--config"]
    assert TrainConfig.from_json(json.loads(Path(first[3]).read_text())).task == "classify"
    page._measure.succeed({"device": "CPU, 2 cores", "epoch_s": 50.0})
    assert TrainConfig.from_json(json.loads(Path(page._measure.asked[1][3]).read_text())).task == "segment"
    page._measure.succeed({"device": "CPU, 2 cores", "epoch_s": 10.0})
    assert page.estimate.text() == "About 10 min on CPU, 2 cores, from a measured step."
    page.form.epochs.setValue(30)
    assert page.estimate.text() == "About 30 min on CPU, 2 cores, from a measured step."
    assert len(page._measure.asked) == 2
    page.form.size.setCurrentIndex(1)
    assert page.estimate.text() == ""
    qtbot.waitUntil(lambda: page.estimate.text() == "Measuring how long it will take…", timeout=TIMEOUT_MS)


def test_a_start_does_not_wait_for_the_measure(qtbot: Any, page: TrainPage, spawner: Spawner, report: CheckReport) -> None:
    page.set_data(report)
    assert page._measure.running
    click(qtbot, page.start_button)
    assert not page._measure.running
    assert len(spawner.started) == 1


def test_a_measure_that_fails_keeps_nobody_from_starting(page: TrainPage, report: CheckReport) -> None:
    page.set_data(report)
    page._measure.fail(TrainingError("No labelled scan was found."))
    assert page.estimate.text() == "How long it will take is not known. No labelled scan was found."
    assert page.start_button.isEnabled()
