"""The frame over the whole window while something is dragged over it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QWidget

from . import palette

GRID_PX = palette.GRID_PX


class DropFrame(QWidget):
    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setObjectName("dropFrame")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._name = ""
        self.hide()

    def show_over(self, name: str) -> None:
        """Over the whole parent, with the name of what is dragged."""
        self._name = name
        self.setGeometry(self.parentWidget().rect())
        self.raise_()
        self.show()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter)
        painter.end()

    def _paint(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = QColor(self.palette().color(QPalette.ColorRole.Window))
        ground.setAlpha(215)
        painter.fillRect(self.rect(), ground)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 2, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(self.rect().adjusted(2 * GRID_PX, 2 * GRID_PX, -2 * GRID_PX, -2 * GRID_PX), GRID_PX, GRID_PX)
        font = painter.font()
        font.setPointSizeF(font.pointSizeF() * 1.45)
        painter.setFont(font)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        words = self.tr('Drop to open "{}"').format(self._name)
        elided = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideMiddle, self.width() - 8 * GRID_PX)
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, elided)
