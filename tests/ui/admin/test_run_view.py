"""A run on screen from nothing but its files."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PySide6.QtCore import Qt

from brainviewer.training.run import Run, RunEvent
from brainviewer.ui.admin.run_story import RunStory
from brainviewer.ui.admin.run_view import RunView
from brainviewer.ui.admin.run_watch import RunWatch

TIMEOUT_MS = 20_000
STAGES = [("segment", 3)]


def event(kind: str, epoch: int = 0, step: int = 0, **logs: object) -> RunEvent:
    return RunEvent(kind, 0.0, epoch, step, logs)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    made = Run(tmp_path / "run")
    made.checkpoints.mkdir(parents=True)
    return made


class Process:
    """The process of a run, as long as the test wants."""

    code: int | None = None

    def poll(self) -> int | None:
        return self.code


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def view(shown: Callable[[Any], Any], run: Run) -> Any:
    made = shown(RunView())
    made.watch._timer.setInterval(10)
    yield made
    made.leave()


# --- the story


def story_of(*events: RunEvent, epochs: int = 2) -> RunStory:
    story = RunStory([("segment", epochs)])
    story.add(0, events)
    return story


def test_a_story_from_start_to_verdict() -> None:
    story = story_of(event("started", device="CPU"), event("step", 0, 3, steps=6, left_s=90, loss=0.8, memory_mb=900.0))
    stage = story.current
    assert (story.phase, stage.step, stage.left_s, story.device, story.memory_mb) == ("training", 3, 90, "CPU", 900.0)
    assert story.share == pytest.approx(0.25)
    story.add(0, [event("epoch", 0, 6, loss=0.7, val_loss=0.6, val_dice=0.5, score=0.5), event("epoch", 1, 6, loss=0.6, val_dice=0.4, score=0.4)])
    assert stage.loss.x == [1, 2]
    assert stage.scores["val_dice"].y == [0.5, 0.4]
    assert stage.best == {"val_dice": 0.5}
    story.add(0, [event("finished", 2), event("judging", 2, done=1, total=3)])
    assert story.phase == "judging"
    story.add(0, [event("evaluated", 2, verdict="equal", sentence="The same.", pair="segment-1")])
    assert (story.phase, story.verdict, story.pair, story.share) == ("finished", "equal", "segment-1", 1.0)


def test_two_networks_one_after_the_other() -> None:
    story = RunStory([("classify", 2), ("segment", 2)])
    story.add(0, [event("started"), event("epoch", 0, 5, loss=0.5), event("stopped", 1, reason="no better for a while")])
    assert (story.phase, story.current.task) == ("training", "classify")
    assert story.share == pytest.approx(0.5)
    story.add(1, [event("started"), event("epoch", 0, 5, loss=0.7)])
    assert (story.current.task, story.share) == ("segment", 0.75)
    story.add(1, [event("finished", 2)])
    assert story.phase == "judging"


def test_a_resumed_run_goes_over_its_last_epoch_again() -> None:
    story = story_of(event("started"), event("epoch", 0, 2, loss=0.9), event("step", 1, 1, steps=2, loss=0.8), event("stopped", 1, reason="asked"))
    assert story.phase == "stopped"
    assert story.current.step_loss.x == [1.5]
    story.add(0, [event("resumed", 1)])
    assert (story.phase, story.current.step_loss.x, story.current.loss.x) == ("training", [], [1])


def test_a_failure_is_told_until_it_is_resumed() -> None:
    story = story_of(event("started"), event("failed", sentence="The disk is full.", hint="Free some space."))
    assert (story.phase, story.error) == ("failed", ("The disk is full.", "Free some space."))
    story.add(0, [event("resumed")])
    assert story.phase == "training"


def test_what_a_run_says_is_kept() -> None:
    story = story_of(
        event("note", text="Weights from the cache."), event("batch", batch=8, text="Too little memory: 8 slices at a time from now on.")
    )
    assert story.notes == ["Weights from the cache.", "Too little memory: 8 slices at a time from now on."]


def test_a_score_that_is_no_number_is_a_gap() -> None:
    story = story_of(event("epoch", 0, 2, val_auc=float("nan"), val_accuracy=0.5, score=float("nan")))
    assert math.isnan(story.current.scores["val_auc"].y[0])


def test_an_unknown_event_is_passed_over() -> None:
    assert story_of(event("started"), event("brand_new", 0, 0, anything=1)).phase == "training"


# --- the watch


def test_only_whole_lines_and_only_once(qtbot: Any, run: Run) -> None:
    watch = RunWatch()
    seen: list[RunEvent] = []
    watch.happened.connect(lambda told: seen.extend(told[1]))
    run.log("started")
    watch.follow(run)
    line = json.dumps({"kind": "note", "time_s": 1.0, "epoch": 0, "step": 0, "logs": {"text": "é"}}, ensure_ascii=False).encode()
    with run.events_file.open("ab") as file:
        file.write(line[:-6])
        file.flush()
        watch.look()
        assert [e.kind for e in seen] == ["started"]
        file.write(line[-6:] + b"\n{ broken\n")
    watch.look()
    watch.look()
    assert [e.kind for e in seen] == ["started", "note"]
    assert seen[1].logs == {"text": "é"}
    watch.leave()


def test_a_run_that_another_window_holds_is_alive(qtbot: Any, run: Run) -> None:
    watch = RunWatch()
    watch.follow(run)
    assert not watch.alive
    run.acquire()
    try:
        watch.look()
        assert watch.alive
    finally:
        run.release()
    watch.look()
    assert not watch.alive
    watch.leave()


# --- the view


def test_it_follows_a_living_run(qtbot: Any, view: RunView, run: Run, process: Process) -> None:
    view.follow(run, STAGES, "Segmenter", process)
    assert view.words() == "Starting"
    run.log("started", device="CPU, 2 cores")
    run.log("step", 0, 2, steps=4, left_s=125, loss=0.9)
    qtbot.waitUntil(lambda: view.words() == "Epoch 1 of 3, 2 min left", timeout=TIMEOUT_MS)
    assert "step 2 of 4" in view.facts.text()
    assert "CPU, 2 cores" in view.facts.text()
    assert view.stop_button.isVisible()
    assert not view.keep_button.isVisible()  # there is no best epoch yet
    run.log("epoch", 0, 4, loss=0.8, val_dice=0.61, score=0.61)
    qtbot.waitUntil(lambda: view.keep_button.isVisible(), timeout=TIMEOUT_MS)
    assert "best so far: Dice 0.610" in view.facts.text()
    x, y = view.score.curves["Dice"].getData()
    assert (list(x), list(y)) == ([1], [0.61])


def test_stop_is_asked_once_and_answered_at_once(qtbot: Any, view: RunView, run: Run, process: Process) -> None:
    run.log("started")
    view.follow(run, STAGES, "Segmenter", process)
    with qtbot.waitSignal(view.stop_wanted, timeout=TIMEOUT_MS):
        qtbot.mouseClick(view.stop_button, Qt.MouseButton.LeftButton)
    assert view.words() == "Stopping after this step"
    assert not view.stop_button.isEnabled()
    run.log("stopped", 0, reason="asked")
    process.code = 0
    with qtbot.waitSignal(view.ended, timeout=TIMEOUT_MS):
        pass
    assert view.words() == "Stopped after 0 of 3 epochs"
    assert view.resume_button.isVisible()
    assert not view.stop_button.isVisible()


def test_a_run_that_was_killed_is_found_and_can_resume(qtbot: Any, view: RunView, run: Run) -> None:
    run.log("started")
    run.log("epoch", 0, 4, loss=0.8, val_dice=0.61, score=0.61)
    view.follow(run, STAGES, "Segmenter")
    assert view.phase == "dead"
    assert view.words() == "Ended from outside after 1 of 3 epochs"
    with qtbot.waitSignal(view.resume_wanted, timeout=TIMEOUT_MS):
        qtbot.mouseClick(view.resume_button, Qt.MouseButton.LeftButton)


def test_another_run_starts_with_empty_plots(view: RunView, run: Run, tmp_path: Path) -> None:
    run.log("epoch", 0, 4, loss=0.8, val_dice=0.61, score=0.61)
    view.follow(run, STAGES, "Segmenter")
    view.follow(Run(tmp_path / "other"), STAGES, "Classifier")
    assert view.score.curves["Dice"].getData()[0] is None or len(view.score.curves["Dice"].getData()[0]) == 0


def test_validation_slices_are_redrawn_each_epoch(qtbot: Any, view: RunView, run: Run, process: Process) -> None:
    run.strip.mkdir()
    for name in ("0.png", "1.png"):
        cv2.imwrite(str(run.strip / name), np.full((20, 60, 3), 80, np.uint8))
    run.log("started")
    run.log("epoch", 0, 4, loss=0.8, val_dice=0.61, score=0.61)
    run.log("strip", 0, files=["0.png", "1.png"])
    view.follow(run, STAGES, "Segmenter", process)
    assert [picture.image.width() for picture in view.strip] == [60, 60]
    before = list(view.strip)
    run.log("strip", 1, files=["1.png", "gone.png"])
    qtbot.waitUntil(lambda: len(view.strip) == 1, timeout=TIMEOUT_MS)
    assert view.strip[0] not in before


def test_a_run_that_ended_before_it_began(qtbot: Any, view: RunView, run: Run, process: Process) -> None:
    view.follow(run, STAGES, "Segmenter", process)
    process.code = 1
    with qtbot.waitSignal(view.ended, timeout=TIMEOUT_MS):
        pass
    assert view.words() == "Ended before it began"
    assert view.resume_button.isVisible()
