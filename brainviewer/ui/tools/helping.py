"""Help: the keys, the log, and what the program is."""

from __future__ import annotations

from contextlib import suppress

from PySide6.QtCore import QUrl, Slot

from ... import paths
from ..about_card import AboutCard
from ..key_sheet import KeySheet
from ..log_sheet import LogSheet
from ..stage import Stage
from .tool import HELP, Command, Tool


class Helping(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._card: AboutCard | None = None
        self.keys = KeySheet()
        self.log = LogSheet(self.session, paths.log_file())
        for card in (self.keys, self.log):
            stage.add_card(card)
        self.log.folder_wanted.connect(self._open_log_folder)

    def commands(self) -> tuple[Command, ...]:
        tr = self.tr
        return (
            Command("keysAction", HELP, tr("All &keys"), self._toggle_keys, ("F1",), tr("Every key and what the mouse does")),
            Command("logAction", HELP, tr("Show the &log"), self.show_log, ("Ctrl+L",), tr("The last lines of the log, and a report to copy")),
            Command("aboutAction", HELP, tr("&About brainviewer"), self._about),
        )

    def _toggle_keys(self) -> None:
        if self.keys.isVisible():
            self.keys.dismiss()
        else:
            self.keys.show()

    @Slot()
    def show_log(self) -> None:
        if self.log.isVisible():
            self.log.dismiss()
        else:
            self.log.open()

    @Slot()
    def _open_log_folder(self) -> None:
        folder = paths.log_file().parent
        with suppress(OSError):  # where there can be no log there is none to show
            folder.mkdir(parents=True, exist_ok=True)
        self.stage.dialogs.open_outside(QUrl.fromLocalFile(str(folder)))

    def _about(self) -> None:
        if self._card is None:
            self._card = AboutCard()
            self.stage.add_card(self._card)
        self._card.show()
