"""The window itself: its panels, its colours, closing the scan and the program."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QApplication

from ...settings import Settings
from .. import palette
from ..stage import Stage
from .tool import FILE, VIEW, Command, Tool


class Arranging(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._panels = {"series": stage.left, "result": stage.right}
        folded = stage.settings.window_state.split(",")
        for name, panel in self._panels.items():
            panel.set_folded(name in folded)
            panel.folded_changed.connect(self._on_folded)

    def commands(self) -> tuple[Command, ...]:
        tr, left, right = self.tr, self.stage.left, self.stage.right
        return (
            Command("foldSeriesAction", VIEW, tr("Series pa&nel"), left.toggle, ("F7",), enabled=self.is_open, checked=lambda: not left.folded),
            Command("foldResultAction", VIEW, tr("Result pan&el"), right.toggle, ("F8",), enabled=self.is_open, checked=lambda: not right.folded),
            Command(
                "lightAction",
                VIEW,
                tr("Li&ght colours"),
                self._toggle_light,
                tip=tr("Light panels; the scan keeps its black ground"),
                checked=lambda: self.stage.settings.theme == "light",
            ),
            Command("closeScanAction", FILE, tr("&Close scan"), self.flow.close_scan, ("Ctrl+W",), tr("Back to the start page"), self.is_open),
            Command("quitAction", FILE, tr("&Quit"), self.stage.window.close, ("Ctrl+Q",)),
        )

    def remember(self, settings: Settings) -> Settings:
        return replace(settings, window_state=",".join(name for name, panel in self._panels.items() if panel.folded))

    def _toggle_light(self) -> None:
        theme = "dark" if self.stage.settings.theme == "light" else "light"
        palette.dress(QApplication.instance(), theme)
        self.stage.keep(replace(self.stage.settings, theme=theme))

    @Slot(object)
    def _on_folded(self, folded: object) -> None:
        self.changed.emit()
