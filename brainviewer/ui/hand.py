"""What acts on the scan with the mouse, or draws lines over it: a brush, a ruler, ends to be dragged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QMouseEvent, QPainter

from . import palette

if TYPE_CHECKING:
    from .slice_view import SliceView

Point = tuple[float, float]
"""(y, x) in pixels of the slice; 0 is the outer edge of the first pixel, so that its centre is at 0.5. It may lie outside the slice."""


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
    """Words on the scan, with an edge, so that they read on bright tissue too."""
    painter.setPen(palette.SCAN_GROUND)
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        painter.drawText(where.translated(dx, dy), flags, words)
    painter.setPen(palette.SCAN_TEXT)
    painter.drawText(where, flags, words)
