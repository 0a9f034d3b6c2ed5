"""The detection strip: what the models said of every slice, in one line under the scan."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QPolygonF, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from . import palette

GRID_PX = palette.GRID_PX
WIDEST_BAR_PX = 5 * GRID_PX
EDGE_PX = 8
"""Left and right of the first and last bar: half the handle of the slider below, so that handle and bar stand in line."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One slice in the strip.

    Attributes:
        p_tumour: 0..1, or None where the slice is not analysed.
        tumour: the decision.
        area: 0..1 of the largest in the scan, or None where it is not known.
        provisional: not yet confirmed by the look at the whole scan.
        words: what the tooltip says.
        doubt: the two models disagree.
    """

    p_tumour: float | None = None
    tumour: bool = False
    area: float | None = None
    provisional: bool = False
    words: str = ""
    doubt: bool = False


class DetectionStrip(QWidget):
    """Bars up: the probability. Bars down: the area. Filled: a tumour was found; striped: provisional; a dot: not analysed; a diamond: the two
    models disagree.

    Signals:
        slice_chosen: displayed index that was pressed or dragged to.
    """

    slice_chosen = Signal(object)
    scrolled = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("detectionStrip")
        self.setAccessibleName(self.tr("Detection strip"))
        self.setAccessibleDescription(self.tr("One bar a slice: upwards the probability of a tumour, downwards its area. Click to go to a slice."))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(9 * GRID_PX)
        self.setMouseTracking(True)
        self._bars: tuple[Bar, ...] = ()
        self._current = 0
        self._hovered: int | None = None
        self._colour = QColor(213, 94, 0)
        self._decision: float | None = None

    @property
    def bars(self) -> tuple[Bar, ...]:
        return self._bars

    def set_bars(self, bars: tuple[Bar, ...]) -> None:
        self._bars = bars
        self.update()

    def set_current(self, z: int) -> None:
        self._current = z
        self.update()

    def set_colour(self, rgb: tuple[int, int, int]) -> None:
        self._colour = QColor(*rgb)
        self.update()

    def set_decision(self, threshold: float | None) -> None:
        """The probability from which a slice counts as tumour, or None while it is not known."""
        self._decision = threshold
        self.update()

    def place_of(self, z: int) -> QPointF:
        """The middle of a slice's bar."""
        pitch = self._pitch()
        return QPointF(EDGE_PX + (z + 0.5) * pitch, self.height() / 2)

    def slice_at(self, x: float) -> int | None:
        if not self._bars:
            return None
        return min(max(int((x - EDGE_PX) / self._pitch()), 0), len(self._bars) - 1)

    def _pitch(self) -> float:
        return max(self.width() - 2 * EDGE_PX, 1) / max(len(self._bars), 1)

    # Qt's own names

    def sizeHint(self) -> QSize:
        return QSize(400, 9 * GRID_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter)
        painter.end()

    def _paint(self, painter: QPainter) -> None:
        painter.fillRect(self.rect(), self.palette().color(QPalette.ColorRole.Base))
        if not self._bars:
            return
        up, down = QRectF(EDGE_PX, 5, self.width() - 2 * EDGE_PX, 42), QRectF(EDGE_PX, 49, self.width() - 2 * EDGE_PX, 13)
        self._draw_places(painter)
        line = self.palette().color(QPalette.ColorRole.Mid)
        painter.fillRect(QRectF(up.left(), 47.5, up.width(), 1), line)
        if self._decision is not None:
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.PlaceholderText), 1, Qt.PenStyle.DotLine))
            y = round(up.bottom() - self._decision * up.height()) + 0.5
            painter.drawLine(QPointF(up.left(), y), QPointF(up.right(), y))
        painter.setPen(Qt.PenStyle.NoPen)
        pitch = self._pitch()
        width = min(max(pitch - max(1.0, min(pitch * 0.25, 3.0)), 1.0), WIDEST_BAR_PX)
        for z, bar in enumerate(self._bars):
            self._draw_bar(painter, bar, EDGE_PX + z * pitch + (pitch - width) / 2, width, up, down)
        self._draw_doubts(painter)

    def _draw_places(self, painter: QPainter) -> None:
        """Where one is, and where the pointer is."""
        pitch = self._pitch()
        column = min(max(pitch, 3.0), WIDEST_BAR_PX + 2.0)
        if self._hovered is not None:
            tint = QColor(self.palette().color(QPalette.ColorRole.Text))
            tint.setAlpha(22)
            painter.fillRect(QRectF(self.place_of(self._hovered).x() - column / 2, 0, column, self.height()), tint)
        accent = QColor(self.palette().color(QPalette.ColorRole.Highlight))
        x = self.place_of(self._current).x()
        tint = QColor(accent)
        tint.setAlpha(70)
        painter.fillRect(QRectF(x - column / 2, 0, column, self.height()), tint)
        painter.fillRect(QRectF(x - column / 2, 0, column, 3), accent)

    def _draw_bar(self, painter: QPainter, bar: Bar, x: float, width: float, up: QRectF, down: QRectF) -> None:
        quiet = self.palette().color(QPalette.ColorRole.PlaceholderText)
        if bar.p_tumour is None:
            dot = min(width, 3.0)
            faint = QColor(quiet)
            faint.setAlpha(120)
            painter.fillRect(QRectF(x + (width - dot) / 2, 44, dot, 2), faint)
            return
        colour = QColor(self._colour if bar.tumour else quiet)
        height = max(bar.p_tumour * up.height(), 2.0)
        self._fill(painter, QRectF(x, up.bottom() - height, width, height), colour, striped=bar.provisional)
        if bar.tumour and bar.area:
            depth = max(bar.area * down.height(), 2.0)
            shade = QColor(colour)
            shade.setAlpha(170)
            self._fill(painter, QRectF(x, down.top(), width, depth), shade, striped=bar.provisional)

    def _draw_doubts(self, painter: QPainter) -> None:
        """Diamonds under the bars, in the colour of text: bars of any colour leave them readable."""
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(self.palette().color(QPalette.ColorRole.Text))
        for z, bar in enumerate(self._bars):
            if bar.doubt:
                x, y, r = self.place_of(z).x(), self.height() - 5.0, 3.5
                painter.drawPolygon(QPolygonF([QPointF(x, y - r), QPointF(x + r, y), QPointF(x, y + r), QPointF(x - r, y)]))
        painter.restore()

    def _fill(self, painter: QPainter, where: QRectF, colour: QColor, *, striped: bool) -> None:
        if not striped:
            painter.fillRect(where, colour)
            return
        faint = QColor(colour)
        faint.setAlpha(90)
        painter.fillRect(where, faint)
        y = where.bottom() - 2
        while y >= where.top():
            painter.fillRect(QRectF(where.left(), y, where.width(), 1), colour)
            y -= 4

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            z = self.slice_at(event.pos().x())
            if z is not None:
                QToolTip.showText(event.globalPos(), self._bars[z].words, self)
            return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._choose(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        hovered = self.slice_at(event.position().x())
        if hovered != self._hovered:
            self._hovered = hovered
            self.update()
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._choose(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._hovered = None
        self.update()

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.accept()
        if event.angleDelta().y():
            self.scrolled.emit(-1 if event.angleDelta().y() > 0 else 1)

    def _choose(self, event: QMouseEvent) -> None:
        z = self.slice_at(event.position().x())
        if z is not None:
            self.slice_chosen.emit(z)
