"""Drawing on the masks: the tool in hand, what was drawn, undo and redo, and what is kept of it on disk.

The session holds the masks that count; this object decides what they are. Everything that is done is one step of a history.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal, Slot

from ..errors import WriteError
from ..formats import kept_edits
from ..formats.kept_edits import Found, ScanMark
from ..imaging import editing, render
from ..imaging.editing import Drawn, Edits, History
from .flow import Flow, Message
from .session import Session

log = logging.getLogger(__name__)

SAVE_AFTER_MS = 2_000
LONGEST_UNSAVED_S = 8.0
"""A crash loses no more than this: whoever draws without a pause is saved all the same."""
SIZES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100)
"""Diameters of the brush, in pixels."""
REMEMBERED_HISTORIES = 8


class Drawing(Enum):
    """What the pointer does on the scan."""

    NONE = "none"
    BRUSH = "brush"
    ERASER = "eraser"
    FILL = "fill"


@dataclass(frozen=True, slots=True)
class Pen:
    """The tool in hand.

    Attributes:
        size: diameter in pixels.
        alike: whether brush and eraser keep to pixels that look like the one they began on.
        tolerance: how far from its grey those may be, as a share 0..1 of the range that is shown.
    """

    drawing: Drawing = Drawing.NONE
    size: int = 8
    alike: bool = False
    tolerance: float = 0.15


class Editing(QObject):
    """Signals:
    pen_changed: Pen.
    edits_changed: Edits that count now, or that could be gone back to.
    told: Message.
    """

    pen_changed = Signal(object)
    edits_changed = Signal(object)
    told = Signal(object)

    def __init__(self, session: Session, flow: Flow, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._flow = session, flow
        self.pen = Pen()
        self.history = History()
        self.models_shown = False
        self.mark: ScanMark | None = None
        self._histories: OrderedDict[str, History] = OrderedDict()
        self._stroke: np.ndarray | None = None
        self._allowed: np.ndarray | None = None
        self._last: editing.Point = (0.0, 0.0)
        self._stroke_z = 0
        self._erasing = False
        self._unsaved_since: float | None = None
        self._save_failed = False
        self._decoded: dict[int, tuple[Drawn, np.ndarray]] = {}
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.save)
        session.scan_changed.connect(self._on_scan)
        session.result_changed.connect(self._on_result)
        flow.edits_found.connect(self._on_found)

    # The tool in hand

    @property
    def possible(self) -> bool:
        """Whether masks can be drawn on now: the analysis is finished, and what was drawn before has been looked for."""
        return self._session.result is not None and self.mark is not None

    def take(self, drawing: Drawing) -> None:
        """Takes a tool, or puts it down where it is in hand already."""
        self.end()
        if drawing is not Drawing.NONE and (drawing is self.pen.drawing or not self.possible):
            drawing = Drawing.NONE
        self.set_pen(drawing=drawing)

    def put_down(self) -> bool:
        """Whether there was a tool in hand."""
        held = self.pen.drawing is not Drawing.NONE
        self.take(Drawing.NONE)
        return held

    def set_pen(self, **changes: object) -> None:
        pen = replace(self.pen, **changes)
        if pen != self.pen:
            self.pen = pen
            self.pen_changed.emit(pen)

    def resize(self, steps: int) -> None:
        """Takes a wider (1) or finer (-1) tip."""
        nearest = min(range(len(SIZES)), key=lambda n: abs(SIZES[n] - self.pen.size))
        self.set_pen(size=SIZES[min(max(nearest + steps, 0), len(SIZES) - 1)])

    # Drawing

    def begin(self, point: editing.Point, *, other: bool = False) -> None:
        """Puts the tool to the scan, at a point (y, x) in pixels; `other` makes the brush erase and the eraser draw, and Fill take a part away."""
        session = self._session
        if not self.possible or self.pen.drawing is Drawing.NONE:
            return
        self._show_edits()
        z = session.z
        found = session.found(z)
        mask = np.zeros(session.volume.shape[1:], bool) if found is None else found
        pixel = int(point[0]), int(point[1])
        inside = 0 <= pixel[0] < mask.shape[0] and 0 <= pixel[1] < mask.shape[1]
        if self.pen.drawing is Drawing.FILL:
            if inside:
                self._fill(z, mask, pixel, other)
            return
        self._erasing = (self.pen.drawing is Drawing.ERASER) != other
        self._stroke, self._stroke_z, self._last = mask.copy(), z, point
        self._allowed = None
        if self.pen.alike and inside:
            picture = render.background(session.volume, z, session.windows, session.show)
            self._allowed = editing.alike(picture, pixel, self.pen.tolerance)
        self.move(point)

    def move(self, point: editing.Point) -> None:
        """Draws on to a point."""
        if self._stroke is None:
            return
        covered = editing.stroke(self._stroke.shape, self._last, point, self.pen.size, self._pixel_mm())
        if self._allowed is not None:
            covered &= self._allowed
        drawn = self._stroke & ~covered if self._erasing else self._stroke | covered
        self._last, self._stroke = point, drawn
        self._session.put_edit(self._stroke_z, drawn, final=False)

    def end(self) -> None:
        """Lifts the tool: what was drawn since `begin` is one step."""
        if self._stroke is None:
            return
        if not self.possible:  # an analysis began meanwhile
            self.cancel_stroke()
            return
        mask, self._stroke, self._allowed = self._stroke, None, None
        self._do("erase" if self._erasing else "brush", self.history.now.with_mask(self._stroke_z, mask), self._stroke_z)

    def _fill(self, z: int, mask: np.ndarray, pixel: editing.Pixel, other: bool) -> None:
        if other:
            part = editing.part(mask, pixel)
            if part is None:
                self.told.emit(Message("info", self.tr("There is nothing to take away here."), self.tr("Point at a part of the mask.")))
            else:
                self._do("part", self.history.now.with_mask(z, mask & ~part), z)
            return
        hole = editing.enclosed(mask, pixel)
        if hole is None and not mask[pixel]:
            hint = self.tr("Draw a closed line around it with the brush, then fill it.")
            self.told.emit(Message("info", self.tr("Nothing encloses this place, so it cannot be filled."), hint))
        elif hole is not None:
            self._do("fill", self.history.now.with_mask(z, mask | hole), z)

    def _pixel_mm(self) -> tuple[float, float] | None:
        spacing = self._session.volume.spacing
        return None if spacing is None else (spacing[1], spacing[2])

    # Steps without drawing

    def clear_slice(self) -> None:
        """An empty mask for the slice on screen."""
        if self.possible:
            self._show_edits()
            empty = np.zeros(self._session.volume.shape[1:], bool)
            self._do("clear", self.history.now.with_mask(self._session.z, empty))

    def restore_slice(self) -> None:
        """The models' own mask for the slice on screen."""
        self._do("restore", self.history.now.without_masks([self._session.z]))

    def restore_all(self) -> None:
        """The models' own masks for every slice."""
        self._do("restore", self.history.now.without_masks(self.history.now.drawn))

    def toggle_reviewed(self) -> None:
        """Marks the slice on screen as looked at, or takes the mark away."""
        z, now = self._session.z, self.history.now
        self._do("review", now.with_reviewed([z], z not in now.reviewed))

    def review_all(self) -> None:
        """Marks every slice as looked at."""
        self._do("review", self.history.now.with_reviewed(range(len(self._session.predictions)), True))

    def show_models(self, on: bool) -> None:
        """The models' own masks in place of what was drawn, which is kept; or back."""
        if on != self.models_shown:
            self.models_shown = on
            self._apply()

    def undo(self) -> None:
        if self.history.past:
            self._step(self.history.undo(), self.history.past[-1].z)

    def redo(self) -> None:
        if self.history.future:
            self._step(self.history.redo(), self.history.future[-1].z)

    def _step(self, history: History, z: int) -> None:
        self.cancel_stroke()
        self._show_edits()
        self._session.set_slice(z)
        self._put(history)

    def cancel_stroke(self) -> None:
        """Forgets a stroke that has not ended."""
        if self._stroke is not None:
            self._stroke, self._allowed = None, None
            self._apply()

    def _do(self, what: str, edits: Edits, z: int | None = None) -> None:
        if not self.possible:
            return
        self.cancel_stroke()
        history = self.history.do(what, self._session.z if z is None else z, edits)
        if history is self.history:
            self._apply()
        else:
            self._put(history)

    def _put(self, history: History) -> None:
        self.history = history
        self._apply()
        self._save_soon()

    def _save_soon(self) -> None:
        if self._unsaved_since is None:
            self._unsaved_since = time.monotonic()
        left_ms = (self._unsaved_since + LONGEST_UNSAVED_S - time.monotonic()) * 1000
        self._timer.start(int(max(0, min(SAVE_AFTER_MS, left_ms))))

    def _show_edits(self) -> None:
        if self.models_shown:
            self.models_shown = False
            self._apply()

    def _apply(self) -> None:
        """Tells the session which masks count."""
        drawn = self.history.now.drawn
        self._decoded = {z: self._decoded[z] if self._is_decoded(z, mask) else (mask, mask.mask()) for z, mask in drawn.items()}
        shown = {} if self.models_shown else {z: mask for z, (_, mask) in self._decoded.items()}
        self._session.put_edits(shown, self.history.now.reviewed)
        self.edits_changed.emit(self.history.now)

    def _is_decoded(self, z: int, mask: Drawn) -> bool:
        return z in self._decoded and self._decoded[z][0] is mask

    # What is kept

    @property
    def unsaved(self) -> bool:
        return self._unsaved_since is not None

    @Slot()
    def save(self) -> None:
        """Writes what is not yet on disk; a disk that is full is said once, and tried again with the next step."""
        self._timer.stop()
        if self._unsaved_since is None or self.mark is None:
            return
        try:
            kept_edits.keep(self.mark, self.history.now)
        except WriteError as error:
            log.warning("%s", error)
            if not self._save_failed:
                self._save_failed = True
                self.told.emit(Message("warning", self.tr("What you drew is not saved: {}").format(error.sentence), error.hint))
            return
        self._unsaved_since, self._save_failed = None, False

    @Slot(object)
    def _on_scan(self, scan: object) -> None:
        self.save()
        session = self._session
        if self.mark is not None and self.history != History():
            self._histories[self.mark.content] = self.history
            self._histories.move_to_end(self.mark.content)
            while len(self._histories) > REMEMBERED_HISTORIES:
                self._histories.popitem(last=False)
        self._stroke = self._allowed = self._unsaved_since = self.mark = None
        self._decoded = {}
        self.history, self.models_shown = History(), False
        self.put_down()
        if session.volume is not None:
            self._flow.find_edits(session.volume)
        self.edits_changed.emit(self.history.now)

    @Slot(object)
    def _on_result(self, result: object) -> None:
        if not self.possible:
            self.put_down()
        self.edits_changed.emit(self.history.now)

    @Slot(object)
    def _on_found(self, found: tuple[ScanMark, Found]) -> None:
        """What was drawn on this scan before, in this window or an earlier one."""
        if self._session.volume is None:
            return
        self.mark, kept = found
        self.history = self._histories.get(self.mark.content, History(kept.edits))
        if self.history.now != kept.edits and not kept.problem:  # it could not be saved then
            self._save_soon()
        self._apply()
        if kept.problem:
            self.told.emit(Message("warning", kept.problem, kept.hint))
