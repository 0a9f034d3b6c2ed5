"""What the colours over the scan mean: the bar of the heat map, the three kinds of agreement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QCoreApplication, QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QPainter, QPen

from ..imaging import render
from ..imaging.measure import dice
from ..imaging.prediction import FALSE, HIT, MISSED
from . import palette
from .hand import Hand, write
from .session import Session

GRID_PX = palette.GRID_PX
BAR_PX = (10, 120)
SWATCH_PX = 12
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the legend: a patch as it is drawn on the scan, and its word."""

    words: str
    rgb: tuple[int, int, int] | None = None
    pattern: Qt.BrushStyle = Qt.BrushStyle.SolidPattern


class Legend(Hand):
    """In the upper right corner of the scan, below its words."""

    def __init__(self) -> None:
        self.kinds: tuple[Kind, ...] = ()
        self.heat = False
        colours = np.ascontiguousarray(render.heat_colours()[::-1])
        self._bar = QImage(colours.data, 1, 256, 3, QImage.Format.Format_RGB888).copy()

    def explain(self, session: Session) -> None:
        """Says what is drawn of the slice on screen."""
        prediction, layers = session.prediction, session.layers
        self.heat = layers.heatmap and prediction is not None and prediction.mask is not None
        self.kinds = agreement_kinds(session) if layers.agreement else ()

    def draw(self, painter: QPainter, view: object) -> None:
        line = painter.fontMetrics().height() + 4
        right, top = view.width() - 1.5 * GRID_PX, 1.5 * GRID_PX + 2 * line
        for kind in self.kinds:
            self._draw_kind(painter, kind, right, top, line)
            top += line
        if self.heat:
            self._draw_bar(painter, right, top + GRID_PX)

    def _draw_kind(self, painter: QPainter, kind: Kind, right: float, top: float, line: float) -> None:
        room = SWATCH_PX + GRID_PX if kind.rgb is not None else 0
        write(painter, QRectF(right - 320, top, 320 - room, line), RIGHT, kind.words)
        if kind.rgb is not None:
            patch = QRectF(right - SWATCH_PX, top + (line - SWATCH_PX) / 2, SWATCH_PX, SWATCH_PX)
            painter.fillRect(patch, palette.SCAN_GROUND)
            painter.setPen(QPen(QColor(*kind.rgb), 1))
            painter.setBrush(QBrush(QColor(*kind.rgb), kind.pattern))
            painter.drawRect(patch)

    def _draw_bar(self, painter: QPainter, right: float, top: float) -> None:
        width, height = BAR_PX
        bar = QRectF(right - width, top, width, height)
        painter.drawImage(bar, self._bar)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(palette.SCAN_QUIET_TEXT, 1))
        painter.drawRect(bar)
        line = painter.fontMetrics().height()
        for share, words in ((0.0, "1"), (0.5, "0.5"), (1.0, "0")):
            y = top + share * height
            painter.setPen(QPen(palette.SCAN_QUIET_TEXT, 1))
            painter.drawLine(QPointF(bar.left() - 4, y), QPointF(bar.left(), y))
            write(painter, QRectF(bar.left() - 48, y - line / 2, 42, line), RIGHT, words)
        write(painter, QRectF(right - 200, top + height + GRID_PX, 200, line), RIGHT, _tr("Probability"))


def agreement_kinds(session: Session) -> tuple[Kind, ...]:
    """Hit, missed, false and the Dice of the slice on screen, or why there is none."""
    volume, z = session.volume, session.z
    if volume is None or volume.reference is None:
        return ()
    if not volume.labelled[z]:
        return (Kind(_tr("No reference for this slice")),)
    found = session.found(z)
    prediction = session.prediction
    if found is None:
        if prediction is None or prediction.tumour:
            return (Kind(_tr("Not analysed yet")),)
        found = np.zeros(volume.shape[1:], bool)  # passed over: the models say that there is nothing
    reference = volume.reference[z]
    if not found.any() and not reference.any():
        return (Kind(_tr("Both masks are empty")),)
    return (
        Kind(_tr("Hit"), HIT),
        Kind(_tr("Missed"), MISSED, Qt.BrushStyle.FDiagPattern),
        Kind(_tr("False"), FALSE, Qt.BrushStyle.BDiagPattern),
        Kind(_tr("Dice of this slice {:.2f}").format(dice(found, reference))),
    )


def _tr(text: str) -> str:
    return QCoreApplication.translate("Legend", text)
