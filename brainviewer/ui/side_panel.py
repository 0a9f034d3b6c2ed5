"""A panel at the side of the scan that folds to a rail."""

from __future__ import annotations

from bisect import bisect_left

from PySide6.QtCore import QRect, Qt, Signal, Slot
from PySide6.QtGui import QPalette, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from . import palette
from .icons import IconButton

GRID_PX = palette.GRID_PX
RAIL_PX = 4 * GRID_PX


def heading(text: str, parent: QWidget | None = None) -> QLabel:
    """The name of a section."""
    label = QLabel(text, parent)
    palette.emphasise(label)
    palette.quieten(label)
    return label


def rule(parent: QWidget | None = None) -> QFrame:
    """A line between two sections."""
    line = QFrame(parent)
    line.setFixedHeight(1)
    line.setAutoFillBackground(True)
    line.setBackgroundRole(QPalette.ColorRole.Mid)
    return line


class BalancedLabel(QLabel):
    """A label whose lines are about as long as each other, so that no single word is left for the last one."""

    def setText(self, text: str) -> None:
        if text != self.text():
            super().setText(text)
            self._balance()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._balance()

    def _balance(self) -> None:
        """Narrows the words as far as they go without another line."""
        whole = self.width()
        lines, steps = self._height(whole), range(4, whole // 2 + 4, 4)
        most = bisect_left(steps, True, key=lambda less: self._height(whole - less) != lines)
        self.setContentsMargins(0, 0, 4 * most, 0)

    def _height(self, width: int) -> int:
        flags = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft
        return self.fontMetrics().boundingRect(QRect(0, 0, max(width, 1), 10_000), int(flags), self.text()).height()


class SidePanel(QWidget):
    """Signals:
    folded_changed: whether it is folded.
    """

    folded_changed = Signal(object)

    def __init__(self, title: str, *, at_left: bool, width_px: int, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._at_left, self._width_px, self._title = at_left, width_px, title
        self._folded = False
        self._label = heading(title, self)
        self._button = IconButton("chevron-left", f"{name}FoldButton", self)
        self._button.clicked.connect(self.toggle)
        self._area = QScrollArea(self)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        content = QWidget()
        self._sections = QVBoxLayout(content)
        self._sections.setContentsMargins(0, 0, 0, 0)
        self._sections.setSpacing(0)
        self._area.setWidget(content)
        head = QHBoxLayout()
        head.setContentsMargins(2 * GRID_PX, GRID_PX, GRID_PX // 2, 0)
        head.addWidget(self._label, 1)
        head.addWidget(self._button)
        self._head = head
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self._area, 1)
        self._apply()

    def add_section(self, widget: QWidget, stretch: int = 0) -> None:
        """Below those that are there, with a line between."""
        if self._sections.count():
            self._sections.addWidget(rule())
        self._sections.addWidget(widget, stretch)

    @property
    def overhang(self) -> int:
        """Pixels of its sections that lie outside, at the right: none, if all goes well."""
        return max(self._area.widget().minimumSizeHint().width() - self._area.viewport().width(), 0)

    @property
    def folded(self) -> bool:
        return self._folded

    @Slot()
    def toggle(self) -> None:
        self.set_folded(not self._folded)

    def set_folded(self, folded: bool) -> None:
        if folded != self._folded:
            self._folded = folded
            self._apply()
            self.folded_changed.emit(folded)

    def _apply(self) -> None:
        self.setFixedWidth(RAIL_PX if self._folded else self._width_px)
        self._area.setVisible(not self._folded)
        self._label.setVisible(not self._folded)
        left = GRID_PX // 2 if self._folded else 2 * GRID_PX
        self._head.setContentsMargins(left, GRID_PX, GRID_PX // 2, GRID_PX // 2)
        self._head.setAlignment(Qt.AlignmentFlag.AlignTop)
        words = self.tr('Show the panel "{}"') if self._folded else self.tr('Fold the panel "{}"')
        self._button.set_words(words.format(self._title))
        self._button.set_picture("chevron-left" if self._folded != self._at_left else "chevron-right")
