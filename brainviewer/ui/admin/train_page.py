"""Training from the window: one button, the settings folded away, and the run that goes on without the window."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from ...errors import BrainviewerError
from ...training.run import Run
from .. import measures, palette
from ..flow import Choice
from ..sheets import sentence
from .check_report import CheckReport
from .child import Child
from .gate import note
from .page import Fold, Page, push_button
from .run_control import Estimate, RunControl, pairs_to_start_from
from .run_view import RunView
from .train_form import BOTH, CLASSIFY, TrainForm, TrainWishes
from .verdict_view import SIGNS, VerdictView, verdict_words

GRID_PX = palette.GRID_PX
PAUSE_MS = 700
"""After the last change of a setting, before its time is measured."""


class TrainPage(Page):
    """Signals:
    data_wanted: the way to the page of data.
    models_wanted: the way to the page of models; sent with the id of the candidate.
    """

    data_wanted = Signal()
    models_wanted = Signal(object)

    def __init__(
        self,
        control: RunControl | None = None,
        make_child: Callable[[str, QWidget], Child] = Child,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("adminTrainPage", parent)
        self.set_words(
            self.tr("Train"),
            self.tr("A training runs beside the window and goes on when the window is closed. Nothing it makes is used before you say so."),
        )
        self._control = control or RunControl()
        self._measure = make_child(self.tr("Measuring the time"), self)
        self.report: CheckReport | None = None
        self._measured: tuple[TrainWishes, Estimate] | None = None
        self._measuring: TrainWishes | None = None
        self._to_measure: list[list[str]] = []
        self._so_far = Estimate("", 0.0)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.timeout.connect(self._measure_time)
        self._build()
        self._measure.succeeded.connect(self._on_measured)
        self._measure.failed.connect(self._on_not_measured)
        self._show()

    # Layout

    def _build(self) -> None:
        self.plan = sentence("", self, name="trainPlan")
        self.estimate = sentence("", self, name="trainEstimate", quiet=True)
        self.start_button = push_button("trainButton", self.tr("Start training"), self._on_start, self)
        self.start_button.setMinimumHeight(4 * GRID_PX + 4)
        self.start_button.setMinimumWidth(20 * GRID_PX)
        self.data_button = push_button("trainDataButton", self.tr("Choose data"), self.data_wanted.emit, self)
        self.form = TrainForm(self)
        self.form.changed.connect(self._on_wishes)
        self._setup = QWidget(self)
        column = QVBoxLayout(self._setup)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX + 4)
        row = QHBoxLayout()
        row.setSpacing(2 * GRID_PX)
        row.addWidget(self.start_button)
        row.addWidget(self.data_button)
        row.addWidget(self.estimate, 1)
        column.addWidget(self.plan)
        column.addLayout(row)
        self.fold = Fold("trainSettingsFold", self.tr("Settings"), self.form, self)
        column.addWidget(self.fold)
        self.view = RunView(parent=self)
        self.view.keep_wanted.connect(self._on_keep)
        self.view.stop_wanted.connect(self._on_stop)
        self.view.resume_wanted.connect(self._on_resume)
        self.view.state_changed.connect(self.state_changed)
        self.view.ended.connect(self._on_ended)
        self.again_button = push_button("trainAgainButton", self.tr("New training"), self._on_again, self)
        self.verdict = VerdictView(self)
        self.add(self._setup)
        self.add(self.view)
        self.add(self.verdict)
        self.view.buttons.addWidget(self.again_button)
        self.column.addStretch(1)

    # What is done

    def dress(self) -> None:
        self._show()

    def enter(self) -> None:
        """Finds the run of an earlier window by its files, and what it may start from."""
        self.form.set_pairs(pairs_to_start_from())
        if self.view.run is None:
            run = self._control.newest()
            if run is not None:
                self._follow(run)
                self._show_end()
        self._show()

    @Slot(object)
    def set_data(self, report: CheckReport | None) -> None:
        self.report = report
        self._measured = None
        self._show()
        self._measure_time()

    @Slot(object)
    def _on_wishes(self, wishes: TrainWishes) -> None:
        self._show()
        self._pause.start()

    @Slot()
    def _on_start(self) -> None:
        if self.report is None:
            return
        self._pause.stop()
        self._measure.close()
        self._measuring = None
        wishes = self.form.wishes
        try:
            run, process = self._control.start(wishes, self.report)
        except BrainviewerError as error:
            note("train", "not started", why=error.sentence)
            self.say("error", error.sentence, error.hint)
            return
        note("train", "started", networks=wishes.networks, epochs=wishes.epochs, patients=len(self.report.patients))
        self.message.dismiss()
        self._follow(run, process)
        self._show()

    def _follow(self, run: Run, process: subprocess.Popen | None = None) -> None:
        self.verdict.show_judgement(None)
        try:
            self.view.follow(run, self._control.stages(run), self._control.title(run), process)
        except BrainviewerError as error:
            self.view.leave()
            self.say("warning", error.sentence, error.hint)

    @Slot()
    def _on_keep(self) -> None:
        self._stop(keep=True)

    @Slot()
    def _on_stop(self) -> None:
        self._stop(keep=False)

    def _stop(self, *, keep: bool) -> None:
        run = self.view.run
        if run is not None:
            try:
                self._control.stop(run, keep)
            except BrainviewerError as error:
                self.say("error", error.sentence, error.hint)
                return
            note("train", "asked to stop and keep the best" if keep else "asked to stop")

    @Slot()
    def _on_resume(self) -> None:
        run = self.view.run
        if run is None:
            return
        try:
            process = self._control.resume(run)
        except BrainviewerError as error:
            self.say("error", error.sentence, error.hint)
            return
        note("train", "resumed")
        self.message.dismiss()
        self._follow(run, process)
        self._show()

    @Slot()
    def _on_again(self) -> None:
        self.view.leave()
        self.verdict.show_judgement(None)
        self.message.dismiss()
        self._show()

    @Slot()
    def _on_ended(self) -> None:
        self._show()
        self._show_end()

    def _show_end(self) -> None:
        """How a run ended that is not going on."""
        run, story, phase = self.view.run, self.view.story, self.view.phase
        if run is None or self.view.watch.alive:
            return
        if phase == "failed" and story.error is not None:
            self.say("error", *story.error)
        elif phase == "dead":
            words = self.tr("The training was ended from outside. Its last whole epoch is kept.")
            hint = self.tr("Resume it, or start a new one. The models in use have not been touched.")
            if not story.begun:
                words, hint = self.tr("The training ended before it began."), self._control.last_words(run)
            self.say("warning", words, hint)
        elif phase == "finished":
            self.verdict.show_judgement(self._control.judgement(run))
            words = f"{verdict_words(story.verdict)}. {story.sentence}"
            hint = self.tr('The candidate is kept as "{}". It is not in use.').format(story.pair)
            self.say(SIGNS.get(story.verdict, "info"), words, hint, Choice(self.tr("To the models"), self._on_to_models))

    def _on_to_models(self) -> None:
        self.models_wanted.emit(self.view.story.pair)

    # The time it will take

    @Slot()
    def _measure_time(self) -> None:
        """By measured steps of each network, in processes of their own, as soon as there is data and nothing trains."""
        wishes = self.form.wishes
        if self.report is None or not self.report.usable or self.view.run is not None or not self.isVisible():
            return
        if self._measured is not None and same_pace(self._measured[0], wishes):
            return
        if self._measuring is not None and same_pace(self._measuring, wishes):
            return
        self._measure.close()
        try:
            self._to_measure = self._control.measure_arguments(wishes, self.report)
        except BrainviewerError as error:
            self.estimate.setText(error.sentence)
            return
        self._measuring, self._so_far = wishes, Estimate("", 0.0)
        self._measure.start(self._to_measure.pop(0))
        self._show()

    @Slot(object)
    def _on_measured(self, document: object) -> None:
        estimate = self._so_far.plus(document)
        if estimate is not None and self._to_measure:
            self._so_far = estimate
            self._measure.start(self._to_measure.pop(0))
            return
        wishes, self._measuring = self._measuring, None
        if wishes is not None and estimate is not None:
            self._measured = (wishes, estimate)
        self._show()

    @Slot(object)
    def _on_not_measured(self, error: BrainviewerError) -> None:
        self._measuring = None
        self._show()
        self.estimate.setText(self.tr("How long it will take is not known. {}").format(error.sentence))

    # What is shown

    def _show(self) -> None:
        ready = self.report is not None and self.report.usable
        following = self.view.run is not None
        self._setup.setVisible(not following)
        self.view.setVisible(following)
        self.again_button.setVisible(following and not self.view.watch.alive)
        self.start_button.setVisible(ready)
        self.data_button.setVisible(not ready)
        self.fold.setVisible(ready)
        palette.make_primary(self.start_button if ready else self.data_button)
        self.plan.setText(self._plan() if ready else self.tr("There is no data to learn from yet: choose a folder and have it checked."))
        self.estimate.setText(self._estimate() if ready else "")
        if not following:
            self.state_changed.emit(self.tr("Ready") if ready else self.tr("No data yet"))

    def _plan(self) -> str:
        """What the button does, in one sentence."""
        wishes, report = self.form.wishes, self.report
        assert report is not None
        who = {BOTH: self.tr("Classifier and segmenter learn"), CLASSIFY: self.tr("The classifier learns")}.get(
            wishes.networks, self.tr("The segmenter learns")
        )
        start = self.form.start.currentText()
        start = start[:1].lower() + start[1:]
        epochs = self.tr("1 epoch") if wishes.epochs == 1 else self.tr("{} epochs").format(wishes.epochs)
        count = sum(row.labelled > 0 for row in report.patients)
        patients = self.tr("1 patient") if count == 1 else self.tr("{:,} patients").format(count)
        words = self.tr('{} from the {:,} labelled slices of {} in "{}", starting from {}, for up to {}.')
        return words.format(who, report.labelled, patients, report.data.name, start, epochs)

    def _estimate(self) -> str:
        wishes = self.form.wishes
        if self._measured is not None and same_pace(self._measured[0], wishes):
            seconds = self._measured[1].epoch_s * wishes.epochs
            return self.tr("About {} on {}, from a measured step.").format(measures.duration_words(seconds), self._measured[1].device)
        return self.tr("Measuring how long it will take…") if self._measuring is not None else ""

    def close_child(self) -> None:
        self._pause.stop()
        self._measure.close()
        self.view.leave()

    # Qt's own names

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._measure_time()


def same_pace(one: TrainWishes, two: TrainWishes) -> bool:
    """Whether a step takes as long: only the number of steps differs."""
    return (one.networks, one.size, one.batch, one.device) == (two.networks, two.size, two.batch, two.device)
