"""Lines on the scan: the diameters of what was found, whose ends can be dragged, and rulers that are laid by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, QPointF, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QMouseEvent, QPainter, QPen

from ..imaging.measure import line_mm
from . import palette
from .hand import Hand, Point, write
from .session import Session
from .slice_view import SliceView

REACH_PX = 9
"""How near to an end the pointer takes it."""
SHORTEST_PX = 4
"""A ruler that is not pulled farther than this on the screen was a click."""


@dataclass(frozen=True, slots=True)
class Line:
    """Attributes:
    kind: "longest", "perpendicular" or "ruler".
    z: displayed index of its slice.
    ends: two (y, x) in pixels of the slice.
    moved: an end was dragged by hand.
    """

    kind: str
    z: int
    ends: tuple[Point, Point]
    moved: bool = False


class Calipers(QObject):
    """The lines of the scan on screen; those of other scans are kept until the program ends.

    Signals:
        changed: lines, whether they are shown, or whether the ruler is in hand.
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.shown = True
        self.laying = False
        self._rulers: dict[str, tuple[Line, ...]] = {}
        self._diameters: tuple[Line, ...] = ()
        self._key = ""
        session.scan_changed.connect(self._on_scan)
        session.measured_changed.connect(self._on_measured)
        session.spacing_changed.connect(self._on_spacing)

    def lines(self) -> tuple[Line, ...]:
        """Those of the slice on screen, in the order in which they are drawn."""
        diameters = self._diameters if self.shown else ()
        return tuple(line for line in (*diameters, *self.rulers) if line.z == self._session.z)

    @property
    def rulers(self) -> tuple[Line, ...]:
        return self._rulers.get(self._key, ())

    @property
    def diameters(self) -> tuple[Line, ...]:
        """The longest and the one across it, as they are drawn; () where there are none."""
        return self._diameters

    @property
    def moved(self) -> bool:
        return any(line.moved for line in self._diameters)

    def length_mm(self, line: Line) -> float | None:
        """None where the spacing is not known."""
        volume = self._session.volume
        return None if volume is None or volume.spacing is None else line_mm(line.ends, volume.spacing)

    def words(self, line: Line) -> str:
        """ "52 mm", or "61.4 pixels" where the spacing is not known; an assumed spacing is said."""
        volume, mm = self._session.volume, self.length_mm(line)
        if mm is None:
            return self.tr("{:.1f} pixels").format(line_mm(line.ends, (1.0, 1.0, 1.0)))
        digits = 0 if line.kind != "ruler" and not line.moved else 1
        assumed = self.tr(" (assumed)") if volume is not None and volume.spacing_assumed else ""
        return self.tr("{:.{digits}f} mm{}").format(mm, assumed, digits=digits)

    def set_shown(self, shown: bool) -> None:
        self.shown = shown
        self.changed.emit()

    def set_laying(self, laying: bool) -> None:
        """Takes the ruler in hand, or puts it down."""
        if laying != self.laying:
            self.laying = laying
            self.changed.emit()

    def lay(self, at: Point) -> Line:
        """A new ruler, whose second end follows."""
        line = Line("ruler", self._session.z, (at, at))
        self._rulers[self._key] = (*self.rulers, line)
        self.changed.emit()
        return line

    def move(self, line: Line, end: int, at: Point) -> Line:
        """The same line with one end (0 or 1) elsewhere."""
        ends = (at, line.ends[1]) if end == 0 else (line.ends[0], at)
        new = replace(line, ends=ends, moved=line.kind != "ruler")
        self._diameters = tuple(new if other is line else other for other in self._diameters)
        self._rulers[self._key] = tuple(new if other is line else other for other in self.rulers)
        self.changed.emit()
        return new

    def remove(self, line: Line) -> None:
        self._rulers[self._key] = tuple(other for other in self.rulers if other is not line)
        self.changed.emit()

    def clear(self) -> None:
        """Takes the rulers of this scan away, and puts the diameters back to what is measured."""
        self._rulers.pop(self._key, None)
        self._measure()

    @Slot(object)
    def _on_scan(self, scan: object) -> None:
        opened = self._session.scan
        self._key = f"{opened.listing.path}/{opened.series.key}" if opened is not None else ""
        self._diameters = ()
        self.changed.emit()

    @Slot(object)
    def _on_spacing(self, volume: object) -> None:
        """The same lines, of another length."""
        self.changed.emit()

    @Slot(object)
    def _on_measured(self, measured: object) -> None:
        self._measure()

    def _measure(self) -> None:
        measured = self._session.measured
        found = measured.measures.diameters if measured is not None else None
        self._diameters = ()
        if found is not None:
            self._diameters = (Line("longest", found.z, found.longest_ends), Line("perpendicular", found.z, found.perpendicular_ends))
        self.changed.emit()


class CaliperHand(Hand):
    """Draws the lines; takes their ends, and lays rulers while one is in hand.

    Attributes:
        free: whether nothing else is in hand, so that ends may be taken.
    """

    def __init__(self, calipers: Calipers, view: SliceView) -> None:
        self._calipers, self._view = calipers, view
        self._held: tuple[Line, int] | None = None
        self._near: tuple[Line, int] | None = None
        self.free = True

    def press(self, at: Point, event: QMouseEvent) -> bool:
        if event.button() == Qt.MouseButton.RightButton and self._calipers.laying:
            near = self._end_at(at)
            if near is not None and near[0].kind == "ruler":
                self._calipers.remove(near[0])
            return True
        if event.button() != Qt.MouseButton.LeftButton or not (self.free or self._calipers.laying):
            return False
        self._held = self._end_at(at)
        if self._held is None and self._calipers.laying:
            self._held = (self._calipers.lay(at), 1)
        return self._held is not None

    def drag(self, at: Point, event: QMouseEvent) -> None:
        if self._held is not None:
            line, end = self._held
            self._held = (self._calipers.move(line, end, at), end)

    def release(self, at: Point, event: QMouseEvent) -> None:
        if self._held is not None:
            line = self._held[0]
            a, b = (self._view.place_of(end) for end in line.ends)
            if line.kind == "ruler" and (a - b).manhattanLength() < SHORTEST_PX:
                self._calipers.remove(line)
        self._held = None

    def hover(self, at: Point | None) -> Qt.CursorShape | None:
        near = self._end_at(at) if at is not None and (self.free or self._calipers.laying) else None
        if near != self._near:
            self._near = near
            self._view.update()
        if near is not None:
            return Qt.CursorShape.SizeAllCursor
        return Qt.CursorShape.CrossCursor if self._calipers.laying else None

    def draw(self, painter: QPainter, view: SliceView) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for line in self._calipers.lines():
            a, b = (view.place_of(end) for end in line.ends)
            for colour, width in ((palette.SCAN_GROUND, 3.6), (palette.SCAN_TEXT, 1.4)):  # to be seen on any ground
                style = Qt.PenStyle.DashLine if line.kind == "ruler" and colour is palette.SCAN_TEXT else Qt.PenStyle.SolidLine
                painter.setPen(QPen(colour, width, style))
                painter.drawLine(a, b)
            for place in (a, b):
                self._draw_end(painter, place, near=any(self._is_near(line, end, place, (a, b)) for end in (0, 1)))
            self._draw_words(painter, line, a, b)

    def _is_near(self, line: Line, end: int, place: QPointF, places: tuple[QPointF, QPointF]) -> bool:
        return self._near is not None and self._near[0] is line and self._near[1] == end and places[end] == place

    def _draw_end(self, painter: QPainter, place: QPointF, *, near: bool) -> None:
        radius = 5.0 if near else 3.2
        painter.setPen(QPen(palette.SCAN_GROUND, 1))
        painter.setBrush(palette.SCAN_TEXT)
        painter.drawEllipse(place, radius, radius)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _draw_words(self, painter: QPainter, line: Line, a: QPointF, b: QPointF) -> None:
        """Beyond the end that lies farther right, or higher up."""
        end, other = (a, b) if (a.x(), -a.y()) > (b.x(), -b.y()) else (b, a)
        height = painter.fontMetrics().height()
        steep = abs(end.y() - other.y()) > 2 * abs(end.x() - other.x())
        above = steep and end.y() < other.y()
        top = end.y() - height - 6 if above else end.y() + 6 if steep else end.y() - height / 2
        left = end.x() - 100 if steep else end.x() + 8
        side = Qt.AlignmentFlag.AlignHCenter if steep else Qt.AlignmentFlag.AlignLeft
        write(painter, QRectF(left, top, 200, height), side | Qt.AlignmentFlag.AlignVCenter, self._calipers.words(line))

    def _end_at(self, at: Point) -> tuple[Line, int] | None:
        """The nearest end within reach."""
        here, best, found = self._view.place_of(at), float(REACH_PX), None
        for line in self._calipers.lines():
            for end in (0, 1):
                apart = self._view.place_of(line.ends[end]) - here
                distance = (apart.x() ** 2 + apart.y() ** 2) ** 0.5
                if distance <= best:
                    best, found = distance, (line, end)
        return found
