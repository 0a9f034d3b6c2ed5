"""Measuring on the scan: diameters, rulers, and the numbers beside them."""

from __future__ import annotations

from PySide6.QtCore import Slot

from ..calipers import CaliperHand, Calipers
from ..measure_panel import MeasurePanel
from ..stage import Stage
from .tool import VIEW, Command, Tool


class Measurements(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.calipers = Calipers(self.session, self)
        self._hand = CaliperHand(self.calipers, stage.scan.view)
        stage.scan.view.add_hand(self._hand)
        panel = MeasurePanel(self.session, self.calipers)
        panel.ruler_wanted.connect(self.toggle_ruler)
        stage.right.add_section(panel)
        stage.escapes.append(self._put_down)
        stage.hand_changed.connect(self._on_hand)
        self.calipers.changed.connect(self._on_lines)
        self.session.slice_changed.connect(self._on_hand)

    def commands(self) -> tuple[Command, ...]:
        tr, calipers, is_open = self.tr, self.calipers, self.is_open
        return (
            Command(
                "rulerAction",
                VIEW,
                tr("R&uler"),
                self.toggle_ruler,
                ("D",),
                tr("Measure a distance by pulling a line on the scan"),
                is_open,
                lambda: calipers.laying,
            ),
            Command(
                "diametersAction",
                VIEW,
                tr("&Diameters"),
                lambda: calipers.set_shown(not calipers.shown),
                ("Shift+D",),
                tr("Draw the diameters of what was found on their slice"),
                is_open,
                lambda: calipers.shown,
            ),
            Command(
                "clearLinesAction",
                VIEW,
                tr("Take rulers a&way"),
                calipers.clear,
                tip=tr("And put dragged diameters back to what is measured"),
                enabled=lambda: bool(calipers.rulers) or calipers.moved,
            ),
        )

    @Slot()
    def toggle_ruler(self) -> None:
        if self.is_open():
            self.stage.take(None if self.calipers.laying else self)

    def _put_down(self) -> bool:
        """Whether the ruler was in hand."""
        laid = self.calipers.laying
        if laid:
            self.stage.take(None)
        return laid

    @Slot(object)
    def _on_hand(self, changed: object) -> None:
        self.calipers.set_laying(self.stage.in_hand is self)
        self._hand.free = self.stage.in_hand is None
        self.stage.scan.view.update()

    @Slot()
    def _on_lines(self) -> None:
        if not self.is_open() and self.calipers.laying:
            self.stage.take(None)
        self.stage.scan.view.update()
        self.changed.emit()
