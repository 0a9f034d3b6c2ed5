"""The pen on the scan: the mouse draws, Shift and the wheel change the tip, a ring shows how wide it is."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPen

from . import palette
from .editing import Drawing, Editing
from .hand import Hand, Point
from .slice_view import SliceView

BUTTONS = (Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton)


class PenHand(Hand):
    """Takes the mouse while a tool is in hand; the right button does the opposite of the left one."""

    def __init__(self, editing: Editing, view: SliceView) -> None:
        self._editing, self._view = editing, view
        self._at: Point | None = None
        self._turned = 0.0

    @property
    def _holds(self) -> bool:
        return self._editing.pen.drawing is not Drawing.NONE

    def press(self, at: Point, event: QMouseEvent) -> bool:
        if not self._holds or event.button() not in BUTTONS:
            return False
        self._editing.begin(at, other=event.button() == Qt.MouseButton.RightButton)
        return True

    def drag(self, at: Point, event: QMouseEvent) -> None:
        self._editing.move(at)
        self._move_ring(at)

    def release(self, at: Point, event: QMouseEvent) -> None:
        self._editing.end()

    def hover(self, at: Point | None) -> Qt.CursorShape | None:
        self._move_ring(at)
        return Qt.CursorShape.CrossCursor if self._holds else None

    def turn(self, steps: float, keys: Qt.KeyboardModifier) -> bool:
        if not self._holds or not keys & Qt.KeyboardModifier.ShiftModifier:
            return False
        self._turned += steps
        whole = int(self._turned)
        if whole:
            self._turned -= whole
            self._editing.resize(whole)
        return True

    def draw(self, painter: QPainter, view: SliceView) -> None:
        pen = self._editing.pen
        if self._at is None or pen.drawing not in (Drawing.BRUSH, Drawing.ERASER):
            return
        centre, beyond = view.place_of(self._at), view.place_of((self._at[0] + 1, self._at[1] + 1))
        finer = min(abs(beyond.y() - centre.y()), abs(beyond.x() - centre.x()))
        radius = max(pen.size * finer / 2, 1.5)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, width in ((palette.SCAN_GROUND, 3), (palette.SCAN_TEXT, 1.2)):  # to be seen on any ground
            painter.setPen(QPen(colour, width))
            painter.drawEllipse(centre, radius, radius)

    def _move_ring(self, at: Point | None) -> None:
        self._at = at
        if self._holds:
            self._view.update()
