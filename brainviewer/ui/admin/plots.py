"""Plots of the administration, in the colours of the window: curves with pyqtgraph, small bars and tables painted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QApplication, QSizePolicy, QWidget

from ...imaging.prediction import PALETTE
from .. import palette

GRID_PX = palette.GRID_PX
BLUE, VERMILION, GREEN = (QColor(*PALETTE[name]) for name in ("sky blue", "vermilion", "bluish green"))
"""No tumour or training; tumour or validation; agreement."""
ROW_PX = 22
BAR_PX = 10


class CurvePlot(pg.GraphicsLayoutWidget):
    """Some named curves; the second and later ones are dashed or dotted, so that colour is not all that tells them apart.

    Put together from its parts: a whole PlotItem makes a dozen menus that nobody asked for.
    """

    STYLES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)
    COLOURS = (BLUE, VERMILION, GREEN)

    def __init__(
        self, name: str, title: str, across: str, curves: tuple[str, ...], parent: QWidget | None = None, *, legend_below: bool = False
    ) -> None:
        """`legend_below`: in the lower right corner, for curves that rise."""
        super().__init__(parent)
        self.setBackground(None)
        self.setObjectName(name)
        self.setAccessibleName(title)
        self._title, self._across = title, across
        self.setMinimumHeight(24 * GRID_PX)
        self.ci.layout.setContentsMargins(0, 0, 0, 0)
        self.ci.layout.setSpacing(2)
        self._head = self.addLabel(row=0, col=0, colspan=2, justify="left")
        self.box = pg.ViewBox(enableMenu=False, enableMouse=False)
        self.addItem(self.box, row=1, col=1)
        self._left, self._bottom = pg.AxisItem("left", linkView=self.box), pg.AxisItem("bottom", linkView=self.box)
        self.addItem(self._left, row=1, col=0)
        self.addItem(self._bottom, row=2, col=1)
        self._left.setGrid(40)
        self._left.setWidth(5 * GRID_PX)
        self._bottom.setHeight(5 * GRID_PX)
        self._legend = pg.LegendItem(offset=(-4, -4 if legend_below else 4), labelTextSize="9pt")
        self._legend.setParentItem(self.box)
        self.curves: dict[str, pg.PlotDataItem] = {}
        for number, words in enumerate(curves):
            curve = pg.PlotDataItem(pen=pg.mkPen(self.COLOURS[number], width=2, style=self.STYLES[number]), symbol=None, name=words)
            self.box.addItem(curve)
            self.curves[words] = curve
        self._named: tuple[str, ...] = ()
        self._dress()

    def show_curve(self, words: str, x: Sequence[float], y: Sequence[float], *, dots: bool = False) -> None:
        """x (N,), y (N,); values that are not finite leave a gap."""
        curve = self.curves[words]
        colour = curve.opts["pen"].color()
        curve.setData(
            np.asarray(x, float),
            np.asarray(y, float),
            connect="finite",
            symbol="o" if dots else None,
            symbolSize=6,
            symbolBrush=colour,
            symbolPen=None,
        )
        self._name_curves()

    def _name_curves(self) -> None:
        """Only those that there is something of."""
        named = tuple(words for words, curve in self.curves.items() if curve.xData is not None and len(curve.xData))
        if named != self._named:
            self._named = named
            self._legend.clear()
            for words in named:
                self._legend.addItem(self.curves[words], words)
            self._dress()

    def set_across(self, low: float, high: float) -> None:
        """The lower axis, fixed."""
        self.box.setXRange(low, high, padding=0.02)

    def set_up(self, low: float, high: float) -> None:
        """The left axis, fixed."""
        self.box.setYRange(low, high, padding=0.02)

    def clear_curves(self) -> None:
        for curve in self.curves.values():
            curve.setData([], [])
        self._name_curves()

    def _dress(self) -> None:
        colours = QApplication.palette()
        quiet, line, text = (
            colours.color(role) for role in (QPalette.ColorRole.PlaceholderText, QPalette.ColorRole.Mid, QPalette.ColorRole.WindowText)
        )
        for axis in (self._left, self._bottom):
            axis.setPen(pg.mkPen(line))
            axis.setTextPen(pg.mkPen(quiet))
        self._bottom.setLabel(self._across, color=quiet.name(), size="9pt")
        self._head.setVisible(bool(self._title))
        self._head.setMaximumHeight(16_777_215 if self._title else 0)
        self._head.setText(self._title, color=text.name(), size="10pt", justify="left")
        self._legend.setLabelTextColor(text)
        for _, label in self._legend.items:
            label.setText(label.text, color=text)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_legend"):
            self._dress()

    def wheelEvent(self, event: QEvent) -> None:
        event.ignore()  # the page scrolls


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart.

    Attributes:
        parts: lengths of the bar's pieces, in the chart's order.
        words: what stands behind the bar.
        tip: shown while the pointer rests on the row.
    """

    name: str
    parts: tuple[float, ...]
    words: str
    tip: str = ""


class BarChart(QWidget):
    """A row a patient: name, bar of pieces, words."""

    def __init__(self, name: str, colours: tuple[QColor, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._colours = colours
        self._bars: tuple[Bar, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_bars(self, bars: tuple[Bar, ...]) -> None:
        self._bars = bars
        self.setAccessibleDescription("; ".join(f"{bar.name}: {bar.words}" for bar in bars))
        self.updateGeometry()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter)
        painter.end()

    def _paint(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours, metrics = self.palette(), self.fontMetrics()
        longest = max((sum(bar.parts) for bar in self._bars), default=0) or 1
        name_px = min(max((metrics.horizontalAdvance(bar.name) for bar in self._bars), default=0) + 4, self.width() * 2 // 5)
        words_px = max((metrics.horizontalAdvance(bar.words) for bar in self._bars), default=0)
        room = max(1, self.width() - name_px - words_px - 3 * GRID_PX)
        for row, bar in enumerate(self._bars):
            top = row * ROW_PX
            painter.setPen(colours.color(QPalette.ColorRole.WindowText))
            elided = metrics.elidedText(bar.name, Qt.TextElideMode.ElideMiddle, name_px)
            painter.drawText(QRect(0, top, name_px, ROW_PX), Qt.AlignmentFlag.AlignVCenter, elided)
            left = float(name_px + GRID_PX)
            for part, colour in zip(bar.parts, self._colours, strict=False):
                width = room * part / longest
                painter.fillRect(QRectF(left, top + (ROW_PX - BAR_PX) / 2, width, BAR_PX), colour)
                left += width
            painter.setPen(colours.color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(QRectF(left + GRID_PX, top, words_px + 4, ROW_PX), Qt.AlignmentFlag.AlignVCenter, bar.words)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            row = event.pos().y() // ROW_PX
            self.setToolTip(self._bars[row].tip or self._bars[row].name if 0 <= row < len(self._bars) else "")
        return super().event(event)

    def sizeHint(self) -> QSize:
        return QSize(60 * GRID_PX, ROW_PX * max(1, len(self._bars)))


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of a dot chart: two values of 0..1, either may be missing."""

    name: str
    one: float | None
    two: float | None


class PairChart(QWidget):
    """Dice by patient of two models: a filled dot for the first, a ring for the second, on a scale of 0 to 1."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._pairs: tuple[Pair, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_pairs(self, pairs: tuple[Pair, ...]) -> None:
        self._pairs = pairs
        told = (f"{p.name}: " + ", ".join("-" if v is None else f"{v:.2f}" for v in (p.one, p.two)) for p in pairs)
        self.setAccessibleDescription("; ".join(told))
        self.updateGeometry()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter)
        painter.end()

    def _paint(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours, metrics = self.palette(), self.fontMetrics()
        name_px = min(max((metrics.horizontalAdvance(p.name) for p in self._pairs), default=0) + 4, self.width() * 2 // 5)
        words_px = metrics.horizontalAdvance("0.00 / 0.00") + GRID_PX
        left, right = name_px + 2 * GRID_PX, self.width() - words_px - GRID_PX
        bottom = len(self._pairs) * ROW_PX
        line, quiet = colours.color(QPalette.ColorRole.Mid), colours.color(QPalette.ColorRole.PlaceholderText)
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            x = left + share * (right - left)
            painter.setPen(QPen(line, 1))
            painter.drawLine(QPointF(x, 0), QPointF(x, bottom))
            painter.setPen(quiet)
            painter.drawText(QRectF(x - 20, bottom, 40, ROW_PX), Qt.AlignmentFlag.AlignCenter, f"{share:g}")
        for row, pair in enumerate(self._pairs):
            middle = row * ROW_PX + ROW_PX / 2
            painter.setPen(colours.color(QPalette.ColorRole.WindowText))
            elided = metrics.elidedText(pair.name, Qt.TextElideMode.ElideMiddle, name_px)
            painter.drawText(QRect(0, row * ROW_PX, name_px, ROW_PX), Qt.AlignmentFlag.AlignVCenter, elided)
            places = [None if v is None else QPointF(left + v * (right - left), middle) for v in (pair.one, pair.two)]
            if places[0] is not None and places[1] is not None:
                painter.setPen(QPen(quiet, 1.5))
                painter.drawLine(places[0], places[1])
            if places[1] is not None:
                painter.setPen(QPen(BLUE, 2))
                painter.setBrush(colours.color(QPalette.ColorRole.Window))
                painter.drawEllipse(places[1], 5, 5)
            if places[0] is not None:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(VERMILION)
                painter.drawEllipse(places[0], 4, 4)
            painter.setPen(quiet)
            words = " / ".join("-" if v is None else f"{v:.2f}" for v in (pair.one, pair.two))
            painter.drawText(QRectF(right + GRID_PX, row * ROW_PX, words_px, ROW_PX), Qt.AlignmentFlag.AlignVCenter, words)

    def sizeHint(self) -> QSize:
        return QSize(60 * GRID_PX, ROW_PX * (len(self._pairs) + 1))


class ConfusionTable(QWidget):
    """Two rows of two counts: what the slices show, against what the models said; the darker, the more."""

    CELL_PX = (11 * GRID_PX, 6 * GRID_PX)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._title = ""
        self._counts: tuple[tuple[int, int], tuple[int, int]] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_counts(self, title: str, counts: tuple[tuple[int, int], tuple[int, int]] | None) -> None:
        """((true negative, false positive), (false negative, true positive)) slices."""
        self._title, self._counts = title, counts
        self.setAccessibleDescription("" if counts is None else f"{title}: {counts}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter)
        painter.end()

    def _paint(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._counts is None:
            return
        colours = self.palette()
        text, quiet = colours.color(QPalette.ColorRole.WindowText), colours.color(QPalette.ColorRole.PlaceholderText)
        cell_w, cell_h = self.CELL_PX
        left, top = 9 * GRID_PX, 2 * ROW_PX
        painter.setPen(text)
        painter.drawText(QRect(0, 0, self.width(), ROW_PX), Qt.AlignmentFlag.AlignVCenter, self._title)
        painter.setPen(quiet)
        columns = (self.tr("said: none"), self.tr("said: tumour"))
        rows = (self.tr("none"), self.tr("tumour"))
        for n, words in enumerate(columns):
            painter.drawText(QRect(left + n * cell_w, ROW_PX, cell_w, ROW_PX), Qt.AlignmentFlag.AlignCenter, words)
        most = max(1, *(n for row in self._counts for n in row))
        for y, row in enumerate(self._counts):
            painter.setPen(quiet)
            painter.drawText(QRect(0, top + y * cell_h, left - GRID_PX, cell_h), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, rows[y])
            for x, number in enumerate(row):
                box = QRectF(left + x * cell_w + 1, top + y * cell_h + 1, cell_w - 2, cell_h - 2)
                fill = QColor(BLUE if x == y else VERMILION)
                fill.setAlphaF(0.12 + 0.5 * number / most)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(fill)
                painter.drawRoundedRect(box, 4, 4)
                painter.setPen(text)
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, f"{number:,}")

    def sizeHint(self) -> QSize:
        return QSize(9 * GRID_PX + 2 * self.CELL_PX[0], 2 * ROW_PX + 2 * self.CELL_PX[1])
