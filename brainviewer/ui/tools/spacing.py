"""The spacing of a scan whose files do not state it: a line that says so, and the card where it is typed."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from ...formats.typed_spacing import Spacing, can_assume
from .. import measures, palette
from ..spacing_sheet import SpacingSheet
from ..stage import Stage
from .tool import SCAN, Command, Tool

GRID_PX = palette.GRID_PX


class Spacings(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.sheet = SpacingSheet()
        self.sheet.chosen.connect(self._on_chosen)
        stage.add_card(self.sheet)
        self.line = QWidget()
        self.words = QLabel(self.line)
        self.words.setObjectName("spacingLabel")
        self.words.setWordWrap(True)
        self.words.setFont(palette.tabular(self.words.font()))
        palette.quieten(self.words)
        self.button = QPushButton(self.line)
        self.button.setObjectName("spacingButton")
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.setToolTip(self.tr("Say how large the voxels are, so that areas and volumes are known"))
        self.button.clicked.connect(self._open)
        row = QHBoxLayout(self.line)
        row.setContentsMargins(2 * GRID_PX, GRID_PX // 2, 2 * GRID_PX, GRID_PX // 2)
        row.addWidget(self.words, 1)
        row.addWidget(self.button)
        two_lines = 2 * self.words.fontMetrics().lineSpacing()
        self.line.setMinimumHeight(max(two_lines, self.button.sizeHint().height()) + GRID_PX)  # whatever it says
        stage.right.add_section(self.line)
        self.session.scan_changed.connect(self._on_scan)
        self.session.spacing_changed.connect(self._on_scan)
        self._on_scan(None)

    def commands(self) -> tuple[Command, ...]:
        tip = self.tr("How large the voxels are, for scans whose files do not say")
        return (Command("spacingAction", SCAN, self.tr("Set s&pacing…"), self._open, tip=tip, enabled=self._possible),)

    def _possible(self) -> bool:
        volume = self.session.volume
        return volume is not None and can_assume(volume)

    @Slot()
    def _open(self) -> None:
        volume = self.session.volume
        if self.sheet.isVisible():
            self.sheet.dismiss()
        elif volume is not None and self._possible():
            self.sheet.open(volume)

    @Slot(object)
    def _on_chosen(self, spacing: Spacing | None) -> None:
        self.flow.assume_spacing(spacing)

    @Slot(object)
    def _on_scan(self, changed: object) -> None:
        volume = self.session.volume
        self.button.setVisible(self._possible())
        self.words.setText("" if volume is None else measures.spacing_words(volume))
        self.button.setText(self.tr("Change…") if volume is not None and volume.spacing_assumed else self.tr("Set…"))
        self.changed.emit()
