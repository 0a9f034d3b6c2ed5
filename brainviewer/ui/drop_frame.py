"""The frame over the whole window while something is dragged over it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QWidget

from . import palette

GRID_PX = palette.GRID_PX


class DropFrame(QWidget):
    """Signals:
    dropped: list of Path.
    """

    dropped = Signal(object)

    def __init__(self, window: QWidget, words: str = "") -> None:
        """`words` with {} for the name of what is dragged."""
        super().__init__(window)
        self.setObjectName("dropFrame")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._words = words or self.tr('Drop to open "{}"')
        self._name = ""
        self.hide()
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def _show_over(self, name: str) -> None:
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
        words = self._words.format(self._name)
        elided = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideMiddle, self.width() - 8 * GRID_PX)
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, elided)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Takes what is dragged over the window and dropped on it."""
        kind = event.type()
        if kind == QEvent.Type.DragLeave:
            self.hide()
        elif kind in (QEvent.Type.DragEnter, QEvent.Type.Drop):
            dropped = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
            if dropped:
                event.setDropAction(Qt.DropAction.CopyAction)  # a move would let the file manager delete what was dropped
                event.accept()
            if kind == QEvent.Type.Drop:
                self.hide()
                if dropped:
                    self.dropped.emit(dropped)
            elif dropped:
                self._show_over(one_to_open(dropped).name)
            return bool(dropped)
        return False


def one_to_open(chosen: list[Path]) -> Path:
    """Of several files of one folder the folder, as they are slices of one scan; else the first."""
    parents = {path.parent for path in chosen}
    return parents.pop() if len(chosen) > 1 and len(parents) == 1 and all(path.is_file() for path in chosen) else chosen[0]
