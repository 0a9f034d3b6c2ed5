"""All keys on one card, made from the menus themselves."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QMenu, QScrollArea, QVBoxLayout, QWidget

from . import palette
from .menus import actions_in, key_words, plain
from .sheets import Card
from .side_panel import heading

GRID_PX = palette.GRID_PX


COLUMNS = 3


class KeySheet(Card):
    """Columns of blocks, that scroll where the window is low."""

    widest_px = 128 * GRID_PX

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("keySheet")
        self.setAccessibleName(self.tr("All keys"))
        head = QHBoxLayout()
        title = QLabel(self.tr("Keys and mouse"), self)
        palette.emphasise(title, large=True)
        head.addWidget(title, 1)
        head.addWidget(self.close_button(), 0, Qt.AlignmentFlag.AlignTop)
        self._content = QWidget(self)
        self._columns = QHBoxLayout(self._content)
        self._columns.setContentsMargins(0, 0, GRID_PX, 0)
        self._columns.setSpacing(4 * GRID_PX)
        self._area = WholeArea(self._content, self)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID_PX, GRID_PX + 4, 3 * GRID_PX, 3 * GRID_PX)
        column.addLayout(head)
        column.addSpacing(GRID_PX)
        column.addWidget(self._area)

    def fill(self, menus: list[QMenu]) -> None:
        """One block a menu, and one for the mouse."""
        blocks = []
        for menu in menus:
            rows = [(plain(action.text()), key_words(action.shortcuts())) for action in actions_in(menu) if action.shortcuts()]
            if rows:
                blocks.append((plain(menu.title()), rows))
        blocks.append((self.tr("Mouse on the scan"), self._mouse()))
        total, columns, height = sum(len(rows) + 2 for _, rows in blocks), [QVBoxLayout() for _ in range(COLUMNS)], 0
        for title, rows in blocks:
            target = columns[min(int((height + len(rows) / 2) * COLUMNS / total), COLUMNS - 1)]
            height += len(rows) + 2
            target.addWidget(heading(title, self))
            target.addLayout(self._grid(rows))
            target.addSpacing(GRID_PX)
        for layout in columns:
            layout.setSpacing(GRID_PX // 2)
            layout.addStretch()
            self._columns.addLayout(layout, 1)

    def _mouse(self) -> list[tuple[str, str]]:
        return [
            (self.tr("Slices"), self.tr("Wheel")),
            (self.tr("Zoom at the pointer"), self.tr("Ctrl+Wheel")),
            (self.tr("Contrast"), self.tr("Drag right or left")),
            (self.tr("Brightness"), self.tr("Drag up or down")),
            (self.tr("Move"), self.tr("Middle drag or Space+Drag")),
            (self.tr("Fit"), self.tr("Double click")),
            (self.tr("Draw, or erase"), self.tr("Left or right drag, with a tool")),
            (self.tr("Width of the tip"), self.tr("Shift+Wheel, with a tool")),
        ]

    def _grid(self, rows: list[tuple[str, str]]) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * GRID_PX)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(0, 1)
        for number, (what, keys) in enumerate(rows):
            grid.addWidget(QLabel(what, self), number, 0)
            label = QLabel(keys, self)
            palette.quieten(label)
            grid.addWidget(label, number, 1, Qt.AlignmentFlag.AlignRight)
        return grid


class WholeArea(QScrollArea):
    """As high as what it holds where there is room; else it scrolls, by the wheel and by keys."""

    def __init__(self, content: QWidget, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(content)

    def sizeHint(self) -> QSize:
        return self.widget().sizeHint()
