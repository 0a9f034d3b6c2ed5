"""What every tool of the window is made of: commands, and widgets that it adds to the stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QT_TRANSLATE_NOOP, QObject, Signal
from PySide6.QtWidgets import QMenu

from ...settings import Settings
from ..stage import Stage

MENUS = (
    QT_TRANSLATE_NOOP("Menus", "&File"),
    QT_TRANSLATE_NOOP("Menus", "&Edit"),
    QT_TRANSLATE_NOOP("Menus", "&View"),
    QT_TRANSLATE_NOOP("Menus", "&Scan"),
    QT_TRANSLATE_NOOP("Menus", "&Help"),
)
FILE, EDIT, VIEW, SCAN, HELP = MENUS
NO_MENU = ""


@dataclass(frozen=True, eq=False, slots=True)
class Command:
    """Something that can be done: an action with its words, keys and state. Tooltips and the key sheet are made from it.

    Attributes:
        name: objectName of its action.
        menu: FILE, EDIT, VIEW, SCAN, HELP or NO_MENU. A tool's commands are one section of each menu they are in.
        text: in the menu.
        run: does it.
        keys: portable key sequences; the first is shown.
        tip: one sentence; the key is added to it. Empty: the text.
        enabled: whether it can be done now; asked whenever something changed.
        checked: of what is on or off: whether it is on.
        group: exclusive with the others of the same group.
        on_scan: its keys belong to the scan and its strip, so that they keep their own meaning in lists, sliders and text fields.
        within: name of a menu in the menu that holds it, or "".
        fill: of a menu in the menu: fills it, just before it is shown.
    """

    name: str
    menu: str
    text: str
    run: Callable[[], object] = lambda: None
    keys: tuple[str, ...] = ()
    tip: str = ""
    enabled: Callable[[], bool] = lambda: True
    checked: Callable[[], bool] | None = None
    group: str = ""
    on_scan: bool = False
    within: str = ""
    fill: Callable[[QMenu], None] | None = None


class Tool(QObject):
    """One thing of the window. Made with the stage, to which it adds its widgets; the window asks it for its commands.

    Signals:
        changed: whether commands can be done, or are on, is to be asked again. What the session says needs no such signal, but for
            another slice and a slice's answer: they come often, and few commands depend on them.
        own_changed: the same, of its own commands alone.
    """

    changed = Signal()
    own_changed = Signal()

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.stage = stage
        self.session, self.flow = stage.session, stage.flow

    def commands(self) -> tuple[Command, ...]:
        return ()

    def remember(self, settings: Settings) -> Settings:
        """The settings with what this tool keeps for the next start."""
        return settings

    def may_close(self) -> bool:
        """Whether the window may go; a tool that keeps it open says why."""
        return True

    def close(self) -> None:
        """Ends what runs for this tool; the window is closing."""

    def is_open(self) -> bool:
        """Whether a scan is on screen."""
        return self.session.volume is not None
