"""What acts on the scan with the mouse, or draws lines over it: a brush, a ruler, ends to be dragged."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QImage, QMouseEvent, QPainter

from . import palette

if TYPE_CHECKING:
    from .slice_view import SliceView

Point = tuple[float, float]
"""(y, x) in pixels of the slice; 0 is the outer edge of the first pixel, so that its centre is at 0.5. It may lie outside the slice."""
EDGE_PX = 1
"""Around what is written on the scan."""


class Hand:
    """Given to `SliceView.add_hand`. The hands are asked in turn, the last added first; what none of them takes is the view's own."""

    def press(self, at: Point, event: QMouseEvent) -> bool:
        """A button goes down, or is clicked twice; whether this hand takes it, and with it the drag that follows."""
        return False

    def drag(self, at: Point, event: QMouseEvent) -> None:
        """The mouse moves with the button that was taken."""

    def release(self, at: Point, event: QMouseEvent) -> None:
        """That button goes up."""

    def hover(self, at: Point | None) -> Qt.CursorShape | None:
        """The pointer moves with no button down (None: it leaves); the shape it has here, or None for the view's own."""
        return None

    def turn(self, steps: float, keys: Qt.KeyboardModifier) -> bool:
        """The wheel turns by some notches, upward positive; whether this hand takes it."""
        return False

    def draw(self, painter: QPainter, view: SliceView) -> None:
        """Draws over the scan, in coordinates of the view: see `SliceView.place_of`."""


def write(painter: QPainter, where: QRectF, flags: Qt.AlignmentFlag, words: str) -> None:
    """Words on the scan, with an edge, so that they read on bright tissue too; in one line or several, aligned in a rectangle."""
    if not words:
        return
    picture = _written(words, painter.font().toString(), flags & Qt.AlignmentFlag.AlignHorizontal_Mask, painter.device().devicePixelRatioF())
    size = picture.deviceIndependentSize()
    x = where.left() - EDGE_PX
    if flags & Qt.AlignmentFlag.AlignRight:
        x = where.right() + EDGE_PX - size.width()
    elif flags & Qt.AlignmentFlag.AlignHCenter:
        x = where.center().x() - size.width() / 2
    y = where.top() - EDGE_PX
    if flags & Qt.AlignmentFlag.AlignBottom:
        y = where.bottom() + EDGE_PX - size.height()
    elif flags & Qt.AlignmentFlag.AlignVCenter:
        y = where.center().y() - size.height() / 2
    painter.drawImage(QPointF(round(x), round(y)), picture)


@lru_cache(maxsize=128)
def _written(words: str, font: str, side: Qt.AlignmentFlag, scale: float) -> QImage:
    """The words as a picture. Setting them five times each, for the edge, would be a tenth of the time of every change of slice."""
    set_in = QFont()
    set_in.fromString(font)
    whole = QFontMetricsF(set_in).boundingRect(QRectF(0, 0, 10_000, 10_000), side, words)
    width, height = math.ceil(whole.width()) + 2 * EDGE_PX, math.ceil(whole.height()) + 2 * EDGE_PX
    picture = QImage(math.ceil(width * scale), math.ceil(height * scale), QImage.Format.Format_ARGB32_Premultiplied)
    picture.setDevicePixelRatio(scale)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setFont(set_in)
    place = QRectF(EDGE_PX, EDGE_PX, width - 2 * EDGE_PX, height - 2 * EDGE_PX)
    painter.setPen(palette.SCAN_GROUND)
    for dx, dy in ((-EDGE_PX, 0), (EDGE_PX, 0), (0, -EDGE_PX), (0, EDGE_PX)):
        painter.drawText(place.translated(dx, dy), side, words)
    painter.setPen(palette.SCAN_TEXT)
    painter.drawText(place, side, words)
    painter.end()
    return picture
