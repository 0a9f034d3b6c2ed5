"""Use for retraining: the scan and the masks that count as a labelled case, in the folder that training is given."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QUrl, Slot

from ... import paths
from ...formats import labelled
from ..flow import Choice, Message
from ..jobs import CaseDone, CaseOrder
from ..stage import Stage
from .tool import FILE, Command, Tool


class Labelling(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._folder = paths.labelled()
        self._done: CaseDone | None = None
        self.flow.exported.connect(self._on_exported)

    def commands(self) -> tuple[Command, ...]:
        tip = self.tr("Write this scan and its masks as a labelled case for training")
        return (
            Command("retrainingAction", FILE, self.tr("Use for re&training…"), self._ask, tip=tip, enabled=lambda: self.session.result is not None),
        )

    def _ask(self) -> None:
        """Says what would be written where; nothing is written before a choice is made."""
        session = self.session
        if self.flow.exporting:
            self.stage.say(Message("info", self.tr("The last export is still being written.")))
            return
        total = len(session.predictions)
        looked_at = tuple(sorted(session.reviewed | set(session.edited)))
        some = labelled.by_slice(session.volume) and 0 < len(looked_at) < total
        choices = [Choice(self.tr("Write all {} slices").format(total), partial(self._write, tuple(range(total))))]
        if some:
            choices.insert(0, Choice(self.tr("Write these {}").format(len(looked_at)), partial(self._write, looked_at)))
        choices.append(Choice(self.tr("Other folder…"), self._choose))
        if looked_at:
            words = self.tr("Use this scan for retraining? {} of {} slices are edited by hand or reviewed.").format(len(looked_at), total)
        else:
            words = self.tr("Use this scan for retraining? No slice is edited or reviewed: its masks are what the models think already.")
        hint = self.tr('To "{}", under a code in place of its name; the administration takes that folder as it is.').format(self._folder)
        self.stage.say(Message("info" if looked_at else "warning", words, hint, tuple(choices)))

    def _choose(self) -> None:
        start = self._folder if self._folder.is_dir() else self.stage.last_folder()
        chosen = self.stage.dialogs.ask_folder(self.stage.window, self.tr("Folder of labelled cases"), start)
        if chosen is not None:
            self._folder = Path(chosen)
        self._ask()

    def _write(self, slices: tuple[int, ...]) -> None:
        self.flow.export_case(CaseOrder(self.session.volume, self.session.whole_mask(), slices, self._folder))

    @Slot(object)
    def _on_exported(self, done: object) -> None:
        if not isinstance(done, CaseDone):
            return
        self._done = done
        words = self.tr('The case "{}" was written with {} slices.').format(done.folder.name, done.slices)
        self.stage.say(Message("done", words, str(done.folder), (Choice(self.tr("Open folder"), self._open_folder),)))

    def _open_folder(self) -> None:
        if self._done is not None:
            self.stage.dialogs.open_outside(QUrl.fromLocalFile(str(self._done.folder.parent)))
