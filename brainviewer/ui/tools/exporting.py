"""Exporting: the card that asks what and where to, and the word that it was done."""

from __future__ import annotations

from PySide6.QtCore import QUrl, Slot

from ..export_sheet import ExportSheet
from ..flow import Choice, Message
from ..jobs import ExportDone
from ..stage import Stage
from .tool import FILE, Command, Tool

REPORT = "report.html"


class Exporting(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._too_early: Message | None = None
        self._done: ExportDone | None = None
        self.sheet = ExportSheet(self.session, stage.dialogs.ask_folder)
        stage.add_card(self.sheet)
        self.sheet.ordered.connect(self.flow.export)
        self.flow.exported.connect(self._on_exported)
        self.session.result_changed.connect(self._on_result)

    def commands(self) -> tuple[Command, ...]:
        tip = self.tr("Pictures, volumes, tables or a report of this scan")
        return (Command("exportAction", FILE, self.tr("&Export…"), self._export, ("Ctrl+E",), tip, self.is_open),)

    @Slot()
    def _export(self) -> None:
        if self.session.result is None:
            words = self.tr("Only finished results are exported, and this scan's analysis is not finished.")
            choice = () if self.flow.analysing else (Choice(self.tr("Analyse"), self.flow.analyse),)
            self._too_early = Message("info", words, "", choice)
            self.stage.say(self._too_early)
        elif self.flow.exporting:
            self.stage.say(Message("info", self.tr("The last export is still being written.")))
        elif self.sheet.isVisible():
            self.sheet.dismiss()
        else:
            self.stage.messages.dismiss()
            self.sheet.open()

    @Slot(object)
    def _on_result(self, result: object) -> None:
        """That it is too early is no longer true."""
        if result is not None and self.stage.messages.message is self._too_early:
            self.stage.messages.dismiss()

    @Slot(object)
    def _on_exported(self, done: ExportDone) -> None:
        if not isinstance(done, ExportDone):
            return
        self._done = done
        count = self.tr("1 file was written") if len(done.names) == 1 else self.tr("{} files were written").format(len(done.names))
        choices = [Choice(self.tr("Open folder"), self._open_folder)]
        if REPORT in done.names:
            choices.insert(0, Choice(self.tr("Open report"), self._open_report))
        self.stage.say(Message("done", self.tr('{} to "{}".').format(count, done.folder.name), str(done.folder), tuple(choices)))

    def _open_report(self) -> None:
        if self._done is not None:
            self.stage.dialogs.open_outside(QUrl.fromLocalFile(str(self._done.folder / REPORT)))

    def _open_folder(self) -> None:
        if self._done is not None:
            self.stage.dialogs.open_outside(QUrl.fromLocalFile(str(self._done.folder)))
