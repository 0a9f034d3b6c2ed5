"""A training run on screen, live or as its files tell it: curves, validation slices, time left, and the ways to end it."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, Signal, Slot
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QProgressBar, QVBoxLayout, QWidget

from ...training.run import Run, RunEvent
from .. import measures, palette
from ..sheets import sentence
from .page import Fold, Section, empty, push_button
from .pictures import PictureView
from .plots import CurvePlot
from .run_story import RunStory
from .run_watch import RunWatch

GRID_PX = palette.GRID_PX
NOTES_SHOWN = 40
STRIP_COLUMNS = 2
LARGEST_SCALE = 4.0
"""Of a picture of 64 pixels a side, which would be a stamp otherwise."""


class RunView(QWidget):
    """`buttons` takes further ones, behind its own.

    Signals:
    keep_wanted, stop_wanted, resume_wanted: a button was pressed.
    state_changed: where the run stands, in a few words.
    ended: its process is gone.
    """

    keep_wanted = Signal()
    stop_wanted = Signal()
    resume_wanted = Signal()
    state_changed = Signal(object)
    ended = Signal()

    def __init__(self, watch: RunWatch | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("runView")
        self.watch = watch or RunWatch(self)
        self.story = RunStory((("segment", 1),))
        self._asked_to_stop = False
        self._drawn_strip: tuple[int, int] = (0, 0)
        self.title = QLabel(self)
        self.title.setObjectName("runTitle")
        palette.emphasise(self.title)
        self.facts = sentence("", self, name="runFacts", quiet=True)
        self.facts.setFont(palette.tabular(self.facts.font()))
        self.bar = QProgressBar(self)
        self.bar.setObjectName("runBar")
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        keep_tip = self.tr("Ends the training here; the best epoch so far becomes a candidate and is judged")
        self.keep_button = push_button("keepBestButton", self.tr("Stop and keep the best"), self._on_keep, self, keep_tip)
        stop_tip = self.tr("Ends it after this step; it can be resumed from the last whole epoch")
        self.stop_button = push_button("stopNowButton", self.tr("Stop now"), self._on_stop, self, stop_tip)
        resume_tip = self.tr("Goes on from the last whole epoch")
        self.resume_button = push_button("resumeButton", self.tr("Resume"), self.resume_wanted.emit, self, resume_tip)
        self.loss = CurvePlot("lossPlot", self.tr("Loss"), self.tr("epochs"), (self.tr("training"), self.tr("validation")), self)
        scores = (self.tr("Dice"), self.tr("accuracy"), self.tr("AUC"))
        self.score = CurvePlot("scorePlot", self.tr("Validation score"), self.tr("epochs"), scores, self, legend_below=True)
        self.strip: list[PictureView] = []
        self.notes = sentence("", self, name="runNotes", quiet=True)
        self._lay_out()
        self.watch.happened.connect(self._on_happened)
        self.watch.alive_changed.connect(self._on_alive)

    def _lay_out(self) -> None:
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(GRID_PX)
        self.buttons.addWidget(self.title, 1)
        for button in (self.keep_button, self.stop_button, self.resume_button):
            self.buttons.addWidget(button)
        plots = QHBoxLayout()
        plots.setSpacing(2 * GRID_PX)
        plots.addWidget(self.loss, 1)
        plots.addWidget(self.score, 1)
        self._strip_section = Section("", self)
        self._strip_grid = QGridLayout()
        self._strip_grid.setSpacing(GRID_PX)
        self._strip_section.add(self._strip_grid)
        self._strip_section.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX + 4)
        column.addLayout(self.buttons)
        column.addWidget(self.bar)
        column.addWidget(self.facts)
        column.addLayout(plots)
        column.addWidget(self._strip_section)
        self._notes_fold = Fold("runNotesFold", self.tr("What the run has to say"), self.notes, self)
        column.addWidget(self._notes_fold)

    # Following

    def follow(self, run: Run, stages: Sequence[tuple[str, int]], title: str, process: subprocess.Popen | None = None) -> None:
        """Shows a run from its first event on.

        Args:
            stages: (task, epochs) of each.
            process: the one that this window has just started for it.
        """
        self.story = RunStory(stages)
        self._asked_to_stop, self._drawn_strip = False, (0, 0)
        self.title.setText(title)
        self._strip_section.hide()
        for plot in (self.loss, self.score):
            plot.clear_curves()
            plot.set_across(0, max(epochs for _, epochs in stages))
        self.score.set_up(0, 1)
        self.watch.follow(run, process)
        self._refresh()

    def leave(self) -> None:
        self.watch.leave()

    @property
    def run(self) -> Run | None:
        return self.watch.run

    @property
    def phase(self) -> str:
        """As the story's; "dead" where the process is gone and did not say why."""
        phase = self.story.phase
        return "dead" if not self.watch.alive and phase in ("starting", "training", "judging") else phase

    @Slot()
    def _on_keep(self) -> None:
        self._asked_to_stop = True
        self.keep_wanted.emit()
        self._refresh()

    @Slot()
    def _on_stop(self) -> None:
        self._asked_to_stop = True
        self.stop_wanted.emit()
        self._refresh()

    @Slot(object)
    def _on_happened(self, told: tuple[int, tuple[RunEvent, ...]]) -> None:
        number, events = told
        self.story.add(number, events)
        if any(event.kind in ("stopped", "judging") for event in events):
            self._asked_to_stop = False
        self._refresh()

    @Slot(object)
    def _on_alive(self, alive: bool) -> None:
        self._asked_to_stop = False
        self._refresh()
        if not alive:
            self.ended.emit()

    # Drawing

    def _refresh(self) -> None:
        story, alive = self.story, self.watch.alive
        self.bar.setValue(round(1000 * story.share))
        self.facts.setText("   ".join(part for part in self._facts() if part))
        self.keep_button.setVisible(alive and story.phase == "training" and bool(story.current.scores))
        self.stop_button.setVisible(alive and story.phase in ("starting", "training", "judging"))
        self.resume_button.setVisible(not alive and self.phase in ("stopped", "dead", "failed"))
        for button in (self.keep_button, self.stop_button):
            button.setEnabled(not self._asked_to_stop)
        palette.make_primary(self.resume_button)
        self.notes.setText("\n".join(story.notes[-NOTES_SHOWN:]))
        self._notes_fold.setVisible(bool(story.notes))
        self._draw_curves()
        self._draw_strip()
        self.state_changed.emit(self.words())

    def words(self) -> str:
        """Where it stands, in a few words."""
        story, stage, phase = self.story, self.story.current, self.phase
        if self._asked_to_stop and self.watch.alive:
            return _tr("Stopping after this step")
        if phase == "training":
            words = _tr("Epoch {} of {}").format(min(stage.epoch + 1, stage.epochs), stage.epochs)
            if len(story.stages) > 1:
                words = _tr("{}, {}").format(task_words(stage.task), words[:1].lower() + words[1:])
            return _tr("{}, {} left").format(words, measures.duration_words(stage.left_s)) if stage.left_s else words
        if phase == "judging":
            done, total, _ = story.judging or (0, 0, "")
            return _tr("Judging the candidate, {} of {}").format(done, total) if total else _tr("Judging the candidate")
        if phase == "dead" and not story.begun:
            return _tr("Ended before it began")
        return {
            "starting": _tr("Starting"),
            "stopped": _tr("Stopped after {} of {} epochs").format(stage.epoch, stage.epochs),
            "dead": _tr("Ended from outside after {} of {} epochs").format(stage.epoch, stage.epochs),
            "failed": _tr("Failed"),
            "finished": _tr("Done"),
        }[phase]

    def _facts(self) -> list[str]:
        story, stage = self.story, self.story.current
        parts = [self.words()]
        if self.phase == "training" and stage.steps and stage.step:
            parts.append(_tr("step {} of {}").format(stage.step, stage.steps))
        best = ", ".join(f"{score_words(name)} {value:.3f}" for name, value in stage.best.items() if math.isfinite(value))
        parts.append(_tr("best so far: {}").format(best) if best else "")
        parts.append(story.device)
        parts.append(_tr("{:,.1f} GB of memory").format(story.memory_mb / 1024) if story.memory_mb and self.watch.alive else "")
        return parts

    def _draw_curves(self) -> None:
        stage = self.story.current
        training = stage.loss if len(stage.loss.x) > 1 or not stage.step_loss.x else stage.step_loss
        self.loss.show_curve(self.tr("training"), training.x, training.y, dots=training is stage.loss)
        self.loss.show_curve(self.tr("validation"), stage.validation_loss.x, stage.validation_loss.y, dots=True)
        for name, words in (("val_dice", self.tr("Dice")), ("val_accuracy", self.tr("accuracy")), ("val_auc", self.tr("AUC"))):
            curve = stage.scores.get(name)
            self.score.show_curve(words, curve.x if curve else [], curve.y if curve else [], dots=True)

    def _draw_strip(self) -> None:
        """Once an epoch: the pictures that the run drew of its validation slices."""
        run, stage = self.run, self.story.current
        number = self.story.stages.index(stage)
        epoch, names = stage.strip
        if run is None or not names or self._drawn_strip == (number, epoch):
            return
        self._drawn_strip = (number, epoch)
        empty(self._strip_grid)
        self.strip = []
        for place, name in enumerate(names):
            view = PictureView("stripPicture", _tr("Validation slice {}").format(place + 1), self, largest_scale=LARGEST_SCALE)
            if view.show_file(run.stages[number].strip / name):
                self._strip_grid.addWidget(view, len(self.strip) // STRIP_COLUMNS, len(self.strip) % STRIP_COLUMNS)
                self.strip.append(view)
        self._strip_section.head.setText(_tr("Validation slices after epoch {}: scan, mask, answer").format(epoch))
        self._strip_section.setVisible(bool(self.strip))


def task_words(task: str) -> str:
    return _tr("Classifier") if task == "classify" else _tr("Segmenter")


def score_words(name: str) -> str:
    return {"val_dice": _tr("Dice"), "val_accuracy": _tr("accuracy"), "val_auc": _tr("AUC")}.get(name, name)


def _tr(text: str) -> str:
    return QCoreApplication.translate("RunView", text)
