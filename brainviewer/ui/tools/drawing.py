"""Drawing on the masks: the panel, the pen on the scan, and what keys do."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Slot

from ..edit_panel import EditPanel
from ..editing import Drawing, Editing, Pen
from ..flow import Choice, Message
from ..pen import PenHand
from ..stage import Stage
from .tool import EDIT, Command, Tool


class Drawings(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.editing = Editing(self.session, self.flow, self)
        self._leave_unsaved = False
        view, editing = stage.scan.view, self.editing
        self.panel = EditPanel(self.session, editing)
        stage.left.add_section(self.panel)
        view.add_hand(PenHand(editing, view))
        editing.pen_changed.connect(self._on_pen)
        editing.edits_changed.connect(self._on_edits)
        self.session.slice_changed.connect(self._on_slice)
        editing.told.connect(stage.say)
        stage.escapes.append(editing.put_down)
        stage.hand_changed.connect(self._on_hand)

    def commands(self) -> tuple[Command, ...]:
        tr, editing = self.tr, self.editing
        return (
            Command("undoAction", EDIT, tr("&Undo"), editing.undo, ("Ctrl+Z",), tr("Take the last step back"), lambda: bool(editing.history.past)),
            Command(
                "redoAction", EDIT, tr("&Redo"), editing.redo, ("Ctrl+Shift+Z", "Ctrl+Y"), tr("Do it again"), lambda: bool(editing.history.future)
            ),
            self._tool("brushAction", tr("&Brush"), Drawing.BRUSH, "B", tr("Draw on the mask; the right button erases")),
            self._tool("eraserAction", tr("&Eraser"), Drawing.ERASER, "E", tr("Erase from the mask; the right button draws")),
            self._tool("fillAction", tr("&Fill"), Drawing.FILL, "G", tr("Fill what a drawn line encloses; the right button takes a part away")),
            Command("finerAction", EDIT, tr("Fi&ner tip"), partial(editing.resize, -1), ("-",), enabled=self._holds_a_tip),
            Command("widerAction", EDIT, tr("&Wider tip"), partial(editing.resize, 1), ("+", "="), enabled=self._holds_a_tip),
            Command(
                "alikeAction",
                EDIT,
                tr("&Similar grey only"),
                lambda: editing.set_pen(alike=not editing.pen.alike),
                ("T",),
                tr("Brush and eraser keep to pixels that look like the one they began on"),
                self._possible,
                lambda: editing.pen.alike,
            ),
            Command("clearSliceAction", EDIT, tr("&Clear slice"), editing.clear_slice, ("Del",), tr("An empty mask"), self._possible, on_scan=True),
            Command(
                "restoreSliceAction",
                EDIT,
                tr("Rese&t slice"),
                editing.restore_slice,
                tip=tr("The models' own mask for this slice"),
                enabled=self._may_restore,
            ),
            Command(
                "restoreAllAction", EDIT, tr("Reset &all slices"), editing.restore_all, tip=tr("The models' own masks"), enabled=self._may_restore_all
            ),
            Command(
                "modelsMasksAction",
                EDIT,
                tr("Show the &models' masks"),
                lambda: editing.show_models(not editing.models_shown),
                ("M",),
                tr("The models' own masks in place of what you drew, which is kept"),
                self._drawn,
                lambda: editing.models_shown,
            ),
            Command(
                "reviewedAction",
                EDIT,
                tr("Slice re&viewed"),
                editing.toggle_reviewed,
                ("V",),
                tr("You looked at this slice and agree with its mask"),
                self._possible,
                lambda: self.session.z in editing.history.now.reviewed,
            ),
            Command("reviewAllAction", EDIT, tr("A&ll slices reviewed"), editing.review_all, enabled=self._possible),
        )

    def _tool(self, name: str, text: str, drawing: Drawing, key: str, tip: str) -> Command:
        return Command(
            name, EDIT, text, partial(self.editing.take, drawing), (key,), tip, self._possible, lambda: self.editing.pen.drawing is drawing
        )

    def _possible(self) -> bool:
        return self.editing.possible

    def _holds_a_tip(self) -> bool:
        return self.editing.pen.drawing in (Drawing.BRUSH, Drawing.ERASER)

    def _drawn(self) -> bool:
        return bool(self.editing.history.now.drawn)

    def _drawn_here(self) -> bool:
        return self.session.z in self.editing.history.now.drawn

    def _may_restore(self) -> bool:
        return self._possible() and self._drawn_here()

    def _may_restore_all(self) -> bool:
        return self._possible() and self._drawn()

    def may_close(self) -> bool:
        """Saves what was drawn; where that fails, says so and stays, until it is told to leave."""
        self.editing.end()
        self.editing.save()
        if not self.editing.unsaved or self._leave_unsaved:
            return True
        words = self.tr("What you drew since the last save is not on disk, and would be lost.")
        hint = self.tr("Free some space and close again.")
        self.stage.say(Message("warning", words, hint, (Choice(self.tr("Close all the same"), self._leave),)))
        return False

    def _leave(self) -> None:
        self._leave_unsaved = True
        self.stage.window.close()

    @Slot(object)
    def _on_pen(self, pen: Pen) -> None:
        self.stage.scan.view.update()
        if pen.drawing is not Drawing.NONE:
            self.session.show_overlay(True)
            self.stage.take(self)
        elif self.stage.in_hand is self:
            self.stage.take(None)
        self.changed.emit()

    @Slot(object)
    def _on_hand(self, tool: object) -> None:
        if tool is not self:
            self.editing.put_down()

    @Slot(object)
    def _on_edits(self, changed: object) -> None:
        self.changed.emit()

    @Slot(object)
    def _on_slice(self, z: int) -> None:
        self.own_changed.emit()
