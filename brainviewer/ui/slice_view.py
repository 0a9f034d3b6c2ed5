"""The scan: one picture, zoomed and moved. Is given arrays, reports the wheel, drags and the place of the pointer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QFocusEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from . import palette
from .hand import Hand, Point, write

WHEEL_NOTCH = 120
TRACKPAD_NOTCH_PX = 30
ZOOM_STEP = 1.2
MOST_ZOOM = 40.0
FEWEST_PIXELS = 4
"""That the view shows of a slice, along its shorter side: more zoom shows nothing more, and each frame would be enlarged far beyond the view."""
MARGIN = 0.02
"""Of the slice, left free on each side where the whole of it is shown."""
SMALLEST = QSize(76, 76)
LETTERS = {"axial": ("R", "L", "A", "P"), "coronal": ("R", "L", "H", "F"), "sagittal": ("A", "P", "H", "F")}
"""What lies at the left, right, top and bottom of the displayed volume's planes (see the interface: displayed volume)."""


class _Picture:
    """An image of (Y, X, 3) uint8 RGB, enlarged by OpenCV, which takes a third of Qt's time; what was enlarged serves until something changes."""

    def __init__(self) -> None:
        self._pixels = np.empty((0, 0, 4), np.uint8)
        self._screen_pixels = self._pixels
        self._shown: tuple[object, QImage, QPointF] | None = None
        self.smooth = True

    def set(self, image: np.ndarray | None) -> None:
        if image is None:
            self._pixels = np.empty((0, 0, 4), np.uint8)
        else:
            rows, columns = image.shape[:2]
            if self._pixels.shape[:2] != (rows, columns):
                self._pixels = np.empty((rows, columns, 4), np.uint8)
            cv2.cvtColor(image, cv2.COLOR_RGB2BGRA, dst=self._pixels)
        self._shown = None

    def paint(self, painter: QPainter, place: QRectF, view: QRect) -> None:
        """Paints it at a place of the view; the rest of the view stays as it is."""
        if not len(self._pixels) or place.isEmpty():
            return
        to_screen = painter.deviceTransform()
        on_screen, seen = to_screen.mapRect(place), to_screen.mapRect(QRectF(view))
        rests_on = (on_screen, seen, self.smooth)
        if self._shown is None or self._shown[0] != rests_on:
            self._shown = rests_on, *self._enlarged(on_screen, seen)
        picture, corner = self._shown[1:]
        if not picture.isNull():
            picture.setDevicePixelRatio(to_screen.m11())
            painter.drawImage(to_screen.inverted()[0].map(corner), picture)

    def _enlarged(self, place: QRectF, seen: QRectF) -> tuple[QImage, QPointF]:
        """What is seen of the image, in the screen's pixels, and where on the screen it begins; its edges lie on whole pixels there."""
        rows, columns = self._pixels.shape[:2]
        spans = []
        for count, start, extent, first, last in (
            (rows, place.top(), place.height(), seen.top(), seen.bottom()),
            (columns, place.left(), place.width(), seen.left(), seen.right()),
        ):
            step = extent / count
            # One pixel more at each end, so that what is blended at the border of the view is what lies there.
            begin, end = max(0, math.floor((first - start) / step) - 1), min(count, math.ceil((last - start) / step) + 1)
            if end <= begin:
                return QImage(), QPointF()
            corner = round(start + begin * step)
            spans.append((slice(begin, end), corner, max(1, round(start + end * step) - corner)))
        (lines, top, height), (points, left, width) = spans
        half = place.width() <= columns / 2
        method = cv2.INTER_NEAREST_EXACT if not self.smooth else cv2.INTER_AREA if half else cv2.INTER_LINEAR
        self._screen_pixels = cv2.resize(self._pixels[lines, points], (width, height), interpolation=method)  # Qt does not keep them
        return QImage(self._screen_pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32), QPointF(left, top)


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a slice.

    Attributes:
        middle: (right, down) in fractions of the slice.
        magnification: 1 where the whole slice is shown.
    """

    middle: tuple[float, float]
    magnification: float


class SliceView(QWidget):
    """Signals:
    scrolled: slices to go by (int).
    level_dragged: (right, up) in fractions of the view, since the last report.
    hovered: (row, column) under the pointer, or None.
    """

    scrolled = Signal(object)
    level_dragged = Signal(object)
    hovered = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("sliceView")
        self.setAccessibleName(self.tr("Scan"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(SMALLEST)
        self.setMouseTracking(True)
        self._picture = _Picture()
        self._middle = QPointF(0.5, 0.5)
        self._px_per_mm = 1.0
        self._shape = (1, 1)
        self._pixel_mm: tuple[float, float] | None = None
        self._fitted = True
        self._wheel = 0.0
        self._space = False
        self._drag: str | None = None
        self._drag_from = QPointF()
        self._hands: list[Hand] = []
        self._holding: Hand | None = None
        self._letters: tuple[str, str, str, str] | None = None
        self._corners: dict[str, tuple[str, ...]] = {}

    # What is shown

    def set_grid(self, shape: tuple[int, int], pixel_mm: tuple[float, float] | None, plane: str | None) -> None:
        """The rows and columns of what follows, the size of a pixel (dy, dx) where it is known, and the plane's name where it is."""
        self._shape, self._pixel_mm = shape, pixel_mm
        self._letters = LETTERS.get(plane or "")
        self.fit()

    def set_picture(self, picture: np.ndarray | None) -> None:
        """(Y, X, 3) uint8 RGB, or None for nothing."""
        self._picture.set(picture)
        self.update()

    def set_corners(self, **texts: tuple[str, ...]) -> None:
        """Lines of text at top_left, top_right, bottom_left and bottom_right."""
        if texts != self._corners:
            self._corners = texts
            self.update()

    def set_smooth(self, smooth: bool) -> None:
        """Whether enlarged pixels are blended or left as squares."""
        self._picture.smooth = smooth
        self.update()

    # Zoom

    @Slot()
    def fit(self) -> None:
        """The whole slice, as large as it goes."""
        self._fitted = True
        self._middle, self._px_per_mm = self._extent().center(), self._whole(self.size())
        self.update()

    @Slot()
    def show_actual_size(self) -> None:
        """One pixel of the slice, in its finer direction, on one of the screen's."""
        finer_mm = min(self._pixel_mm or (1.0, 1.0))
        self._fitted = False
        self._px_per_mm = 1 / (finer_mm * self.devicePixelRatioF())
        self.update()

    def zoom(self, factor: float, at: QPointF | None = None) -> None:
        """Enlarges about a point of the view, or its middle; never makes the whole slice smaller than it is when it fits."""
        now = self.magnification()
        factor = min(factor, max(1.0, min(MOST_ZOOM, min(self._shape) / FEWEST_PIXELS)) / now)
        if factor < 1 and now * factor <= 1.0001:
            if now > 1:
                self.fit()
            return
        at = at if at is not None else QRectF(self.rect()).center()
        held = self._mm_at(at)
        self._fitted = False
        self._px_per_mm *= factor
        self._middle += held - self._mm_at(at)
        self.update()

    def place(self) -> Place | None:
        """The part of the slice that is seen, for `put_at`; None where that is the whole slice, as large as it goes."""
        extent = self._extent()
        middle = self._middle.x() / extent.width(), self._middle.y() / extent.height()
        return None if self._fitted else Place(middle, self.magnification())

    def put_at(self, place: Place | None) -> None:
        """Shows a part of the slice again."""
        if place is None:
            self.fit()
            return
        extent, (x, y) = self._extent(), place.middle
        self._fitted = False
        self._middle, self._px_per_mm = QPointF(x * extent.width(), y * extent.height()), place.magnification * self._whole(self.size())
        self.update()

    def magnification(self) -> float:
        """1 where the whole slice is shown, 2 where it is twice as large."""
        return self._px_per_mm / self._whole(self.size())

    def _whole(self, view: QSize) -> float:
        """The scale, in pixels per millimetre, at which the whole slice fits into a view of some size, with a narrow margin all round."""
        extent, margins = self._extent(), 1 + 2 * MARGIN
        return min(max(view.width(), 1) / extent.width(), max(view.height(), 1) / extent.height()) / margins

    def _mm_at(self, position: QPointF) -> QPointF:
        return self._middle + (position - QRectF(self.rect()).center()) / self._px_per_mm

    def _position_of(self, mm: QPointF) -> QPointF:
        return (mm - self._middle) * self._px_per_mm + QRectF(self.rect()).center()

    def _extent(self) -> QRectF:
        """The slice in view coordinates: millimetres where they are known, else pixels."""
        dy, dx = self._pixel_mm or (1.0, 1.0)
        return QRectF(0, 0, self._shape[1] * dx, self._shape[0] * dy)

    def _pixel_at(self, position: QPointF) -> tuple[int, int] | None:
        """(row, column) under a point of the view."""
        point, extent = self._mm_at(position), self._extent()
        if not extent.contains(point) or point.x() >= extent.right() or point.y() >= extent.bottom():
            return None
        return int(point.y() / extent.height() * self._shape[0]), int(point.x() / extent.width() * self._shape[1])

    # Hands

    def add_hand(self, hand: Hand) -> None:
        """It is asked before those that were added earlier, and draws over them."""
        self._hands.insert(0, hand)

    def point_at(self, position: QPointF) -> Point:
        """What lies at a place of the view, outside the slice too."""
        point, (dy, dx) = self._mm_at(position), self._pixel_mm or (1.0, 1.0)
        return point.y() / dy, point.x() / dx

    def place_of(self, point: Point) -> QPointF:
        """Where in the view a point of the slice lies."""
        dy, dx = self._pixel_mm or (1.0, 1.0)
        return self._position_of(QPointF(point[1] * dx, point[0] * dy))

    def _hand_that_takes(self, event: QMouseEvent) -> Hand | None:
        at = self.point_at(event.position())
        return next((hand for hand in self._hands if hand.press(at, event)), None)

    def _point(self, at: Point | None) -> None:
        """Tells the hands where the pointer is, and gives it the shape that they ask for."""
        shapes = [shape for shape in [hand.hover(at) for hand in self._hands] if shape is not None]
        if self._space:
            self.setCursor(Qt.CursorShape.OpenHandCursor)
        elif shapes:
            self.setCursor(shapes[0])
        else:
            self.unsetCursor()

    # Words around the scan

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), palette.SCAN_GROUND)
        extent = self._extent()
        self._picture.paint(painter, QRectF(self._position_of(extent.topLeft()), self._position_of(extent.bottomRight())), self.rect())
        painter.setFont(palette.tabular(self.font()))
        for hand in reversed(self._hands):
            painter.save()
            hand.draw(painter, self)
            painter.restore()
        margin = 1.5 * palette.GRID_PX
        frame = QRectF(self.rect()).adjusted(margin, margin, -margin, -margin)
        widest = round(frame.width() / 2 - 3 * palette.GRID_PX)  # the letters in the middle of each edge stay free
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        top, bottom = Qt.AlignmentFlag.AlignTop, Qt.AlignmentFlag.AlignBottom
        for corner, flags in {"top_left": top | left, "top_right": top | right, "bottom_left": bottom | left, "bottom_right": bottom | right}.items():
            lines = (painter.fontMetrics().elidedText(line, Qt.TextElideMode.ElideMiddle, widest) for line in self._corners.get(corner, ()))
            write(painter, frame, flags, "\n".join(lines))
        if self._letters:
            middle_h, middle_v = Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignVCenter
            for letter, flags in zip(self._letters, (left | middle_v, right | middle_v, top | middle_h, bottom | middle_h), strict=True):
                write(painter, frame, flags, letter)
        if self._pixel_mm:
            self._draw_ruler(painter, frame)
        painter.end()

    def _draw_ruler(self, painter: QPainter, frame: QRectF) -> None:
        """A bar of a round length in the lower middle right, above the corner's words."""
        length_mm = next((mm for mm in (100, 50, 20, 10, 5, 2, 1) if mm * self._px_per_mm <= 140), 1)
        length_px = length_mm * self._px_per_mm
        lines = len(self._corners.get("bottom_right", ()))
        y = frame.bottom() - painter.fontMetrics().height() * (lines + 0.4)
        words = QRectF(frame.right() - 200, y - painter.fontMetrics().height() - 4, 200, painter.fontMetrics().height())
        write(painter, words, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self.tr("{} mm").format(length_mm))
        for colour, width in ((palette.SCAN_GROUND, 4), (palette.SCAN_TEXT, 2)):
            painter.setPen(QPen(colour, width))
            painter.drawLine(QPointF(frame.right() - length_px, y), QPointF(frame.right(), y))

    # Qt's own names

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._fitted:
            self.fit()
        elif event.oldSize().isValid():
            self._px_per_mm *= self._whole(event.size()) / self._whole(event.oldSize())

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.accept()
        pixels, angle = event.pixelDelta().y(), event.angleDelta().y() or event.angleDelta().x()  # with Alt some systems turn it sideways
        turned = pixels / TRACKPAD_NOTCH_PX if pixels else angle / WHEEL_NOTCH
        if any(hand.turn(turned, event.modifiers()) for hand in self._hands):
            return
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.zoom(ZOOM_STEP**turned, event.position())
            return
        if turned * self._wheel < 0:
            self._wheel = 0.0
        self._wheel += turned
        steps = int(self._wheel)
        if steps:
            self._wheel -= steps
            self.scrolled.emit(-steps)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        event.accept()
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if event.button() == Qt.MouseButton.MiddleButton or (event.button() == Qt.MouseButton.LeftButton and self._space):
            self._drag = "pan"
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif self._holding is None and self._drag is None:
            self._holding = self._hand_that_takes(event)
            if self._holding is None and event.button() == Qt.MouseButton.LeftButton:
                self._drag = "level"
        self._drag_from = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        event.accept()
        moved = event.position() - self._drag_from
        if self._holding is not None:
            self._holding.drag(self.point_at(event.position()), event)
        elif self._drag == "pan":
            self._fitted = False
            self._middle -= moved / self._px_per_mm
            self.update()
        elif self._drag == "level":
            extent = max(min(self.width(), self.height()), 1)
            self.level_dragged.emit((moved.x() / extent, -moved.y() / extent))
        else:
            self._point(self.point_at(event.position()))
        self._drag_from = event.position()
        self.hovered.emit(self._pixel_at(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()
        holding, self._holding, self._drag = self._holding, None, None
        if holding is not None:
            holding.release(self.point_at(event.position()), event)
        self._point(self.point_at(event.position()))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The second press of two: a hand's, if one takes it."""
        if self._space or event.button() == Qt.MouseButton.MiddleButton:  # whoever pans in short pulls
            self.mousePressEvent(event)
            return
        event.accept()
        self._holding = self._hand_that_takes(event)
        if self._holding is None and event.button() == Qt.MouseButton.LeftButton:
            self.fit()

    def leaveEvent(self, event: object) -> None:
        super().leaveEvent(event)
        self._point(None)
        self.hovered.emit(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space:
            event.accept()
            if not event.isAutoRepeat():
                self._space = True
                self.setCursor(Qt.CursorShape.OpenHandCursor)
            return
        event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space:
            event.accept()
            if not event.isAutoRepeat():
                self._space = False
                self.unsetCursor()
            return
        event.ignore()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._space = False
        self.unsetCursor()
