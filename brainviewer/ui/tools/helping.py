"""Help: the keys, the log, and what the program is."""

from __future__ import annotations

from PySide6.QtCore import QUrl, Slot

from ... import paths
from ..about_card import AboutCard
from ..key_sheet import KeySheet
from ..stage import Stage
from .tool import HELP, Command, Tool


class Helping(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._card: AboutCard | None = None
        self.keys = KeySheet()
        stage.add_card(self.keys)

    def commands(self) -> tuple[Command, ...]:
        tr = self.tr
        return (
            Command("keysAction", HELP, tr("All &keys"), self._toggle_keys, ("F1",), tr("Every key and what the mouse does")),
            Command("logAction", HELP, tr("Show the &log"), self.show_log, tip=tr("Open the folder of the log file")),
            Command("aboutAction", HELP, tr("&About brainviewer"), self._about),
        )

    def _toggle_keys(self) -> None:
        if self.keys.isVisible():
            self.keys.dismiss()
        else:
            self.keys.show()

    @Slot()
    def show_log(self) -> None:
        folder = paths.log_file().parent
        folder.mkdir(parents=True, exist_ok=True)
        self.stage.dialogs.open_outside(QUrl.fromLocalFile(str(folder)))

    def _about(self) -> None:
        if self._card is None:
            self._card = AboutCard()
            self.stage.add_card(self._card)
        self._card.show()
