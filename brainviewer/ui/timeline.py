"""The detection strip: what the models said of every slice, in one line under the scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QImage, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QPolygonF, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from . import palette

GRID_PX = palette.GRID_PX
WIDEST_BAR_PX = 5 * GRID_PX
EDGE_PX = 8
"""Left and right of the first and last bar: half the handle of the slider below, so that handle and bar stand in line."""


LEAST_PX = 2.0
"""Of a bar that says something."""
DOT_PX = 3.0
"""Width of the dot that stands for what is not known."""


@dataclass(frozen=True, slots=True)
class _Band:
    """From `start` to `end`, in pixels from the top."""

    start: float
    end: float

    @property
    def length(self) -> float:
        return self.end - self.start


UP, DOWN = _Band(5, 47), _Band(49, 62)


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
        self._layer: QImage | None = None
        self._current = 0
        self._hovered: int | None = None
        self._colour = QColor(213, 94, 0)
        self._decision: float | None = None

    @property
    def bars(self) -> tuple[Bar, ...]:
        return self._bars

    def set_bars(self, bars: tuple[Bar, ...]) -> None:
        self._layer = None
        self._bars = bars
        self.update()

    def set_current(self, z: int) -> None:
        self._current = z
        self.update()

    def set_colour(self, rgb: tuple[int, int, int]) -> None:
        self._colour, self._layer = QColor(*rgb), None
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
        left, right = EDGE_PX, self.width() - EDGE_PX
        self._draw_places(painter)
        painter.fillRect(QRectF(left, UP.end + 0.5, right - left, 1), self.palette().color(QPalette.ColorRole.Mid))
        if self._decision is not None:
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.PlaceholderText), 1, Qt.PenStyle.DotLine))
            y = round(UP.end - self._decision * UP.length) + 0.5
            painter.drawLine(QPointF(left, y), QPointF(right, y))
        if self._layer is None or self._layer.devicePixelRatioF() != self.devicePixelRatioF():
            self._layer = self._drawn_bars()
        painter.drawImage(0, 0, self._layer)
        self._draw_doubts(painter)

    def _drawn_bars(self) -> QImage:
        """The bars alone, kept until they change. Hundreds of rectangles drawn one by one would cost more than a frame's time.

        Where several slices share a column of pixels, one with a tumour is shown, and of those the most probable.
        """
        scale, pitch = self.devicePixelRatioF(), self._pitch()
        width_px, height_px = round(self.width() * scale), round(self.height() * scale)
        p = np.array([-1.0 if bar.p_tumour is None else bar.p_tumour for bar in self._bars])
        tumour = np.array([bar.tumour for bar in self._bars])
        area = np.array([bar.area or 0.0 if bar.tumour else 0.0 for bar in self._bars])
        striped = np.array([bar.provisional for bar in self._bars])[:, np.newaxis]
        # Each bar from top to bottom, as ARGB.
        y = (np.arange(height_px) + 0.5) / scale
        quiet = self.palette().color(QPalette.ColorRole.PlaceholderText).rgb() & 0xFFFFFF
        rgb = np.where(tumour, self._colour.rgb() & 0xFFFFFF, quiet).astype(np.uint32)[:, np.newaxis]
        pixels = np.zeros((len(p), height_px), np.uint32)
        pixels[(p < 0)[:, np.newaxis] & (y >= UP.end - 3) & (y < UP.end - 1)] = quiet | 120 << 24
        up = np.where(p < 0, 0.0, np.maximum(p * UP.length, LEAST_PX))
        down = np.where(area > 0, np.maximum(area * DOWN.length, LEAST_PX), 0.0)
        for top, length, strength in ((UP.end - up, up, 255), (np.full_like(down, DOWN.start), down, 170)):
            from_top = y - top[:, np.newaxis]
            from_end = length[:, np.newaxis] - from_top
            line = (2 - from_end) % 4 < 1  # of the stripes
            alpha = np.where(striped & ~line, 90, strength).astype(np.uint32)
            inside = (from_top >= 0) & (from_end > 0)
            pixels[inside] = (rgb | alpha << 24)[inside]
        # Which of them each column of pixels shows.
        width = min(max(pitch - max(1.0, min(pitch * 0.25, 3.0)), 1.0), WIDEST_BAR_PX)
        shown = np.full(width_px, -1)
        x = (np.arange(width_px) + 0.5) / scale - EDGE_PX
        nearest = np.floor(x / pitch).astype(int)
        within = (nearest >= 0) & (nearest < len(p))
        aside = x - (nearest + 0.5) * pitch
        unknown = within & (p[np.clip(nearest, 0, len(p) - 1)] < 0)
        half = np.where(unknown, min(width, DOT_PX) / 2, width / 2)
        filled = within & (aside >= -half) & (aside < half)
        shown[filled] = nearest[filled]
        if pitch * scale < 1:
            order = np.lexsort((p, tumour))
            columns = ((EDGE_PX + (order + 0.5) * pitch) * scale).astype(int)
            shown[np.clip(columns, 0, width_px - 1)] = order  # of equal columns the last one stays
        layer = np.zeros((height_px, width_px), np.uint32)
        layer[:, shown >= 0] = pixels[shown[shown >= 0]].T
        image = QImage(layer.data, width_px, height_px, 4 * width_px, QImage.Format.Format_ARGB32).copy()
        image.setDevicePixelRatio(scale)
        return image

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

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange:
            self._layer = None
        super().changeEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._layer = None
        super().resizeEvent(event)

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
