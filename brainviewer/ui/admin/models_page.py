"""Which models there are, how they were judged, and switching between them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QLineEdit, QListWidgetItem, QVBoxLayout, QWidget

from ...audit import Act
from .. import palette
from ..flow import Choice
from ..sheets import sentence
from ..worker import Outcome, Worker
from . import model_jobs
from .model_jobs import Done, ModelBackend, ModelRow, ModelsState
from .page import CalmList, Fold, Page, Section, push_button
from .verdict_view import VerdictView

GRID_PX = palette.GRID_PX
ROW = Qt.ItemDataRole.UserRole
SUFFIX = ".bvmodel"
ROW_PX = 4 * GRID_PX
MOST_ROWS = 6


def ask_save(parent: QWidget, title: str, start: Path) -> Path | None:
    """The system's own dialog for a new file; tests bring their own answer."""
    chosen, _ = QFileDialog.getSaveFileName(parent, title, str(start))
    return Path(chosen) if chosen else None


class ModelsPage(Page):
    """Signals:
    switched: other models are in use now; sent with their id.
    """

    switched = Signal(object)

    def __init__(
        self,
        worker: Worker,
        ask_file: Callable[[QWidget, str, Path], Path | None],
        ask_save: Callable[[QWidget, str, Path], Path | None] = ask_save,
        backend: ModelBackend | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("adminModelsPage", parent)
        self.set_words(
            self.tr("Models"),
            self.tr("A classifier and a segmenter work together and are switched together. What was in use before can always be taken back."),
        )
        self._worker, self._ask_file, self._ask_save = worker, ask_file, ask_save
        self._backend = backend or ModelBackend()
        self.state: ModelsState | None = None
        self._ticket = 0
        self._wanted = ""
        self._build()
        worker.succeeded.connect(self._on_succeeded)
        worker.failed.connect(self._on_failed)

    # Layout

    def _build(self) -> None:
        self.in_use = sentence("", self, name="inUseLabel")
        self.back_button = push_button("rollBackButton", "", self._on_roll_back, self)
        self.import_button = push_button(
            "importModelButton", self.tr("Import…"), self._on_import, self, self.tr("Add models from a file of this program")
        )
        use = Section(self.tr("In use"), self)
        row = QHBoxLayout()
        row.setSpacing(GRID_PX)
        row.addWidget(self.in_use, 1)
        row.addWidget(self.back_button)
        row.addWidget(self.import_button)
        use.add(row)
        self.busy = sentence("", self, name="modelsBusyLabel", quiet=True)
        self.busy.hide()
        use.add(self.busy)
        self.add(use)
        every = Section(self.tr("All models"), self)
        self.list = CalmList("modelsList", self.tr("All models"), self)
        self.list.currentItemChanged.connect(self._on_chosen)
        every.add(self.list)
        self.add(every)
        self._chosen = QWidget(self)
        column = QVBoxLayout(self._chosen)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2 * GRID_PX)
        column.addWidget(self._acts())
        self.verdict = VerdictView(self)
        column.addWidget(self.verdict)
        self.add(self._chosen)
        self.log = sentence("", self, name="auditLabel", quiet=True)
        self.log.setFont(palette.tabular(self.log.font()))
        self.add(Fold("auditFold", self.tr("Audit log, the last lines"), self.log, self))
        self.column.addStretch(1)
        self._chosen.hide()

    def _acts(self) -> QWidget:
        """What can be done with the chosen pair; a refusal opens a line for the reason in the same place."""
        self.promote_button = push_button("promoteButton", self.tr("Use these models"), self._on_promote, self)
        self.export_button = push_button("exportModelButton", self.tr("Export…"), self._on_export, self, self.tr("Write both models into one file"))
        self.remove_button = push_button("removeModelButton", self.tr("Delete"), self._on_remove, self)
        self.name = QLabel(self)
        palette.emphasise(self.name)
        self.objection = sentence("", self, name="objectionLabel")
        self.reason = QLineEdit(self)
        self.reason.setObjectName("reasonEdit")
        self.reason.setAccessibleName(self.tr("Reason"))
        self.reason.setPlaceholderText(self.tr("Why all the same? The reason goes into the audit log."))
        self.reason.setMaxLength(500)
        self.reason.textChanged.connect(self._on_reason)
        self.reason.returnPressed.connect(self._on_override)
        self.override_button = push_button("overrideButton", self.tr("Use them all the same"), self._on_override, self)
        self._keep_button = push_button("overrideCancelButton", self.tr("Cancel"), self._hide_reason, self)
        acts = QWidget(self)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID_PX)
        buttons.addWidget(self.name, 1)
        for button in (self.promote_button, self.export_button, self.remove_button):
            buttons.addWidget(button)
        self._reason_row = QWidget(self)
        row = QHBoxLayout(self._reason_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        row.addWidget(self.reason, 1)
        row.addWidget(self.override_button)
        row.addWidget(self._keep_button)
        column = QVBoxLayout(acts)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX)
        column.addLayout(buttons)
        column.addWidget(self.objection)
        column.addWidget(self._reason_row)
        self._reason_row.hide()
        return acts

    # Reading and acting

    def enter(self) -> None:
        self.read()

    def dress(self) -> None:
        self._dress_promote()

    def read(self, choose: str = "") -> None:
        """Looks again at what there is; `choose` is the id to show then."""
        self._wanted = choose or self._wanted
        self._act("read")

    def _act(self, kind: str, *arguments: object) -> None:
        self._ticket = self._worker.submit(partial(model_jobs.act, self._backend, kind, arguments))
        self.busy.setText(self._busy_words().get(kind, ""))
        self._set_busy(True)

    def _busy_words(self) -> dict[str, str]:
        return {
            "promote": self.tr("Checking every file, and trying both models…"),
            "roll_back": self.tr("Checking every file of the models before, and trying them…"),
            "export": self.tr("Checking and writing both models…"),
            "import_": self.tr("Checking what is in the file…"),
            "remove": self.tr("Deleting…"),
        }

    def _set_busy(self, busy: bool) -> None:
        self.busy.setVisible(busy and bool(self.busy.text()))
        for widget in (self.back_button, self.import_button, self.promote_button, self.export_button, self.remove_button, self.override_button):
            widget.setEnabled(not busy)

    @Slot()
    def _on_promote(self) -> None:
        """Without a reason: what is not better is refused, and the refusal is noted in the audit log."""
        if self.chosen is not None:
            self._act("promote", self.chosen.id, "")

    @Slot()
    def _on_override(self) -> None:
        if self.chosen is not None and self.reason.text().strip():
            self._act("promote", self.chosen.id, self.reason.text().strip())

    @Slot()
    def _on_roll_back(self) -> None:
        self._act("roll_back")

    @Slot()
    def _on_export(self) -> None:
        row = self.chosen
        if row is None:
            return
        file = self._ask_save(self, self.tr("Export models"), Path.home() / f"{row.id}{SUFFIX}")
        if file is not None:
            self._act("export", row.id, file if file.suffix == SUFFIX else file.with_name(file.name + SUFFIX))

    @Slot()
    def _on_import(self) -> None:
        file = self._ask_file(self, self.tr("Import models"), Path.home())
        if file is not None:
            self._act("import_", file)

    @Slot()
    def _on_remove(self) -> None:
        row = self.chosen
        if row is not None:
            words = self.tr('Delete "{}" for good?').format(row.id)
            self.say(
                "warning", words, self.tr("It cannot be brought back."), Choice(self.tr("Delete"), self._remove), Choice(self.tr("Cancel"), _nothing)
            )

    def _remove(self) -> None:
        if self.chosen is not None:
            self._act("remove", self.chosen.id)

    @Slot(object)
    def _on_succeeded(self, outcome: Outcome) -> None:
        if outcome.ticket != self._ticket:
            return
        done: Done = outcome.result
        if done.act != "read":
            self.message.dismiss()
        if done.act == "import_":
            self._wanted = str(done.answer)
        self._hide_reason()
        self._show(done.state)
        self._set_busy(False)
        self._tell(done)

    def _tell(self, done: Done) -> None:
        if done.act == "promote":
            self.say("done", self.tr('"{}" is in use now.').format(done.answer), self.tr("The models before it stay; one click takes it back."))
            self.switched.emit(done.answer)
        elif done.act == "roll_back":
            words = words_of(done.state.in_use)
            self.say("done", self.tr("Taken back. In use again: {}.").format(words[:1].lower() + words[1:]))
            self.switched.emit(done.answer)
        elif done.act == "export":
            self.say("done", self.tr('Both models were written to "{}".').format(Path(str(done.answer)).name), str(Path(str(done.answer)).parent))
        elif done.act == "import_":
            self.say("done", self.tr('"{}" was imported. It is not in use.').format(done.answer))
        elif done.act == "remove":
            self.say("done", self.tr('"{}" was deleted.').format(done.answer))

    @Slot(object)
    def _on_failed(self, outcome: Outcome) -> None:
        if outcome.ticket != self._ticket or outcome.error is None:
            return
        self._set_busy(False)
        row = self.chosen
        if row is not None and row.objection and outcome.error.sentence == row.objection:
            self._ask_reason()
        else:
            self.say("error", outcome.error.sentence, outcome.error.hint)

    # What is shown

    @property
    def chosen(self) -> ModelRow | None:
        item = self.list.currentItem()
        return item.data(ROW) if item is not None else None

    def _show(self, state: ModelsState) -> None:
        self.state = state
        now = state.in_use
        self.in_use.setText(words_of(now))
        self.back_button.setVisible(bool(state.before))
        before = next((row for row in state.rows if row.id == state.before), None)
        self.back_button.setText(self.tr("Go back to {}").format(short_words(before) if before else state.before))
        self.state_changed.emit(self.tr("{} in use").format(short_words(now)))
        wanted = self._wanted or (self.chosen.id if self.chosen is not None else "")
        self._wanted = ""
        self.list.blockSignals(True)
        self.list.clear()
        for row in reversed(state.rows):
            item = QListWidgetItem(line_of(row))
            item.setData(ROW, row)
            item.setSizeHint(QSize(0, ROW_PX))
            self.list.addItem(item)
            if row.id == wanted:
                self.list.setCurrentItem(item)
        self.list.blockSignals(False)
        self.list.setFixedHeight(min(MOST_ROWS, self.list.count()) * (ROW_PX + 4) + 4)
        self._show_chosen()
        self.log.setText("\n".join(line_of_act(act) for act in reversed(state.acts)) or self.tr("Nothing yet."))

    @Slot(QListWidgetItem, QListWidgetItem)
    def _on_chosen(self, item: QListWidgetItem | None, before: QListWidgetItem | None) -> None:
        self._hide_reason()
        self._show_chosen()

    def _show_chosen(self) -> None:
        row = self.chosen
        self._chosen.setVisible(row is not None)
        if row is None:
            return
        self.name.setText(row.id if row.origin != "bundled" else self.tr("Came with the program"))
        self.promote_button.setVisible(not row.in_use and not row.damage)
        self.export_button.setVisible(not row.damage)
        self.remove_button.setVisible(row.origin != "bundled" and not row.in_use)
        self._dress_promote()
        words = row.damage or (self.tr("In use.") if row.in_use else row.objection)
        self.objection.setText(words)
        told = bool(row.sentence) and words == row.objection and row.sentence in words  # the verdict below says it
        self.objection.setVisible(bool(words) and not told)
        self.verdict.show_judgement(self._backend.judgement(row))

    def _dress_promote(self) -> None:
        """Only what nothing speaks against stands out."""
        self.promote_button.setPalette(self.palette())
        if self.chosen is not None and not self.chosen.objection:
            palette.make_primary(self.promote_button)

    def _ask_reason(self) -> None:
        """Refused: here is why, and the line for a reason."""
        self._reason_row.show()
        self._on_reason(self.reason.text())
        self.say("warning", self.tr("Not switched. {}").format(self.chosen.objection), self.tr("With a written reason it is done all the same."))
        self.reason.setFocus()

    @Slot()
    def _hide_reason(self) -> None:
        self._reason_row.hide()
        self.reason.clear()

    @Slot(str)
    def _on_reason(self, text: str) -> None:
        self.override_button.setEnabled(bool(text.strip()))


def _nothing() -> None:
    """The choice to leave things as they are."""


def _tr(text: str) -> str:
    return QCoreApplication.translate("ModelsPage", text)


def short_words(row: ModelRow) -> str:
    return _tr("the bundled models") if row.origin == "bundled" else row.id


def words_of(row: ModelRow) -> str:
    """ "Classifier 1.0.0 and segmenter 1.0.0, which came with the program"."""
    where = {"bundled": _tr("which came with the program"), "run": _tr("trained here"), "import": _tr("imported")}.get(row.origin, row.origin)
    return _tr("Classifier {} and segmenter {}, {}").format(*row.versions, where)


def line_of(row: ModelRow) -> str:
    """One line of the list."""
    new = {("classify",): _tr("new classifier"), ("segment",): _tr("new segmenter")}.get(row.trained, _tr("both new"))
    parts = [row.id, row.made, new] if row.origin != "bundled" else [_tr("Came with the program")]
    verdict = {"better": _tr("better"), "equal": _tr("no better"), "worse": _tr("worse")}.get(row.verdict, "")
    parts += [part for part in (verdict, _tr("in use") if row.in_use else "", _tr("damaged") if row.damage else "") if part]
    return "   ".join(part for part in parts if part)


def line_of_act(act: Act) -> str:
    """One line of the audit log, in local words: when, what, result, models."""
    about = [str(act.about[name]) for name in ("models", "override") if act.about.get(name)]
    return "   ".join((act.when.replace("T", " ").rstrip("Z") + " UTC", act.what, act.result, *about))
