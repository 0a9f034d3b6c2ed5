"""The numbers of what was found, and the ruler."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from . import measures, palette
from .calipers import Calipers
from .session import Session
from .side_panel import heading

GRID_PX = palette.GRID_PX


class MeasurePanel(QWidget):
    """Signals:
    ruler_wanted: the ruler's button was pressed.
    """

    ruler_wanted = Signal()

    def __init__(self, session: Session, calipers: Calipers, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._calipers = session, calipers
        grid = QGridLayout()
        grid.setHorizontalSpacing(GRID_PX)
        grid.setVerticalSpacing(GRID_PX // 2)
        grid.setColumnStretch(1, 1)
        self.longest = self._row(grid, self.tr("Longest"), "longestLabel", self.tr("The longest diameter of a lesion on one slice"))
        across = self.tr("The longest diameter perpendicular to it, on the same slice: that slice and lesion where the product is largest (RANO)")
        self.across = self._row(grid, self.tr("Across"), "acrossLabel", across)
        self.lesions = self._row(grid, self.tr("Lesions"), "lesionsLabel", self.tr("Parts that do not touch, not even at a corner"))
        self.centre = self._row(grid, self.tr("Centre"), "centreLabel", self.tr("Of all that was found"))
        self.dice = self._row(grid, self.tr("Dice"), "diceLabel", self.tr("Overlap with the reference over the whole scan, of 1"))
        self.go = QPushButton(self)
        self.go.setObjectName("diameterSliceButton")
        self.go.setToolTip(self.tr("Go to the slice with these diameters"))
        self.go.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        policy = self.go.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.go.setSizePolicy(policy)
        self.show_box = QCheckBox(self.tr("Diameters"), self)
        self.show_box.setObjectName("diametersBox")
        self.show_box.setToolTip(self.tr("Draw them on their slice; their ends can be dragged (Shift+D)"))
        self.show_box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.ruler = self._button("rulerButton", self.tr("Ruler"), self.tr("Measure by pulling a line; the right button takes one away (D)"))
        self.ruler.setCheckable(True)
        self.clear = self._button("clearLinesButton", self.tr("Reset"), self.tr("Take the rulers away, and put dragged diameters back"))
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID_PX)
        buttons.addWidget(self.show_box)
        buttons.addStretch()
        buttons.addWidget(self.ruler)
        buttons.addWidget(self.clear)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(GRID_PX)
        head = QHBoxLayout()
        head.addWidget(heading(self.tr("Measures"), self), 1)
        head.addWidget(self.go)
        column.addLayout(head)
        column.addLayout(grid)
        column.addLayout(buttons)
        self.show_box.toggled.connect(calipers.set_shown)
        self.ruler.clicked.connect(self.ruler_wanted)
        self.clear.clicked.connect(calipers.clear)
        self.go.clicked.connect(self._on_go)
        calipers.changed.connect(self._show)
        session.measured_changed.connect(self._on_measured)
        self._show()

    def _row(self, grid: QGridLayout, words: str, name: str, tip: str) -> QLabel:
        row = grid.rowCount() if grid.count() else 0
        title, value = QLabel(words, self), QLabel(self)
        palette.quieten(title)
        value.setObjectName(name)
        value.setFont(palette.tabular(value.font()))
        value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)  # no number makes the panel wider
        value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for label in (title, value):
            label.setToolTip(tip)
        grid.addWidget(title, row, 0)
        grid.addWidget(value, row, 1)
        return value

    def _button(self, name: str, words: str, tip: str) -> QToolButton:
        button = QToolButton(self)
        button.setObjectName(name)
        button.setText(words)
        button.setToolTip(tip)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button

    @Slot()
    def _on_go(self) -> None:
        if self._calipers.diameters:
            self._session.set_slice(self._calipers.diameters[0].z)

    @Slot(object)
    def _on_measured(self, measured: object) -> None:
        self._show()

    @Slot()
    def _show(self) -> None:
        session, calipers = self._session, self._calipers
        measured = session.measured
        lines = calipers.diameters
        by_hand = self.tr(" by hand")
        for label, line in zip((self.longest, self.across), lines or (None, None), strict=True):
            label.setText(measures.NOTHING if line is None else calipers.words(line) + (by_hand if line.moved else ""))
        if measured is None:
            self.lesions.setText(measures.NOTHING)
            self.centre.setText(measures.NOTHING)
            self.dice.setText(measures.NOTHING)
        else:
            self.lesions.setText(f"{measured.measures.lesions:,}")
            self.centre.setText(measures.centre_words(measured.measures.centroid))
            self.centre.setToolTip(measures.place_words(session.volume, measured.measures.centroid) or self.tr("Of all that was found"))
            self.dice.setText(measures.NOTHING if measured.dice is None else f"{measured.dice:.2f}")
        self.go.setVisible(bool(lines))
        if lines:
            self.go.setText(self.tr("Slice {}").format(lines[0].z + 1))
        self.show_box.blockSignals(True)
        self.show_box.setChecked(calipers.shown)
        self.show_box.blockSignals(False)
        self.ruler.setEnabled(session.volume is not None)
        self.ruler.setChecked(calipers.laying)
        self.clear.setEnabled(bool(calipers.rulers) or calipers.moved)
