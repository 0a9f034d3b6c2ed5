"""The list of series, and the card that combines three of them."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QPushButton

from ...formats.compose import combinable
from ..combine_sheet import CombineSheet
from ..series_panel import SeriesPanel
from ..stage import Stage
from .tool import SCAN, Command, Tool


class Listing(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        panel = SeriesPanel(self.session)
        panel.series_chosen.connect(self.flow.open_series)
        self.flow.thumbnail_made.connect(panel.set_thumbnail)
        self.flow.open_failed.connect(panel.show_current)
        self.sheet = CombineSheet()
        self.sheet.ordered.connect(self.flow.open_channels)
        stage.add_card(self.sheet)
        self.button = QPushButton(self.tr("Combine sequences…"), panel)
        self.button.setObjectName("combineButton")
        self.button.setToolTip(self.tr("Make one scan of T1, FLAIR and T1 with contrast, as the models know them best"))
        self.button.clicked.connect(self._open)
        panel.buttons.addWidget(self.button)
        stage.left.add_section(panel, 1)
        self.session.listing_changed.connect(self._on_listing)
        self._on_listing(None)

    def commands(self) -> tuple[Command, ...]:
        return (Command("combineAction", SCAN, self.tr("Com&bine sequences…"), self._open, tip=self.button.toolTip(), enabled=self._possible),)

    def _possible(self) -> bool:
        return self.session.listing is not None and len(combinable(self.session.listing)) > 1

    @Slot()
    def _open(self) -> None:
        session = self.session
        if self.sheet.isVisible():
            self.sheet.dismiss()
        elif session.listing is not None and self._possible():
            self.sheet.open(session.listing, session.scan.series if session.scan is not None else None)

    @Slot(object)
    def _on_listing(self, listing: object) -> None:
        self.button.setVisible(self._possible())
        self.changed.emit()
