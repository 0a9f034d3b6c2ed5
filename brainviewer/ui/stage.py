"""What the window offers its tools: places for their widgets, words to the user, settings, and the system's dialogs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from .. import paths
from ..settings import Settings
from .flow import Flow, Message
from .scan_panel import ScanPanel
from .session import Session
from .sheets import Card, MessageCard, SheetPlace
from .side_panel import SidePanel
from .start_page import StartPage


def ask_folder(parent: QWidget, title: str, start: Path) -> Path | None:
    """The system's own dialog; tests bring their own answer."""
    chosen = QFileDialog.getExistingDirectory(parent, title, str(start))
    return Path(chosen) if chosen else None


def ask_file(parent: QWidget, title: str, start: Path) -> Path | None:
    chosen, _ = QFileDialog.getOpenFileName(parent, title, str(start))
    return Path(chosen) if chosen else None


@dataclass(frozen=True, slots=True)
class Dialogs:
    """The system's own dialogs, and its way to open a folder or page outside the program."""

    ask_folder: Callable[[QWidget, str, Path], Path | None] = ask_folder
    ask_file: Callable[[QWidget, str, Path], Path | None] = ask_file
    open_outside: Callable[[QUrl], object] = QDesktopServices.openUrl


class Stage(QObject):
    """Attributes:
        session, flow: what is shown, and what happens.
        window: parent of dialogs; tools add nothing to it themselves.
        start: the page before a scan is open.
        scan: the scan, its strip and its slider.
        left, right: the panels at its sides; tools add sections to them.
        middle: what lies between menu and status: pages, and cards over them.
        in_hand: the tool that has the mouse on the scan, or None.
        settings: what is kept now.
        escapes: what Esc ends before it stops work, each a function that says whether there was anything to end.

    Signals:
        settings_changed: Settings, whenever something worth keeping changed.
        asked: `asking` may be another.
        hand_changed: the tool that is in hand now, or None.
    """

    settings_changed = Signal(object)
    asked = Signal()
    hand_changed = Signal(object)

    def __init__(self, window: QMainWindow, session: Session, flow: Flow, settings: Settings, dialogs: Dialogs) -> None:
        super().__init__(window)
        self.window, self.session, self.flow, self.settings, self.dialogs = window, session, flow, settings, dialogs
        self.scan = ScanPanel(session)
        self.left = SidePanel(self.tr("Series"), at_left=True, width_px=240, name="seriesPanel")
        self.right = SidePanel(self.tr("Result"), at_left=False, width_px=272, name="resultPanel")
        self.start = StartPage()
        self.middle = QWidget()
        self._pages = QStackedWidget()
        column = QVBoxLayout(self.middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._pages)
        self.messages = MessageCard(self.middle)
        self.in_hand: QObject | None = None
        self._cards: list[Card] = []
        self._place = SheetPlace(self.middle)
        self.escapes: list[Callable[[], bool]] = [self.dismiss_card]
        self.add_card(self.messages)
        session.scan_changed.connect(self._on_scan)

    def add_page(self, page: QWidget) -> None:
        """Something that takes the whole middle when `show_page` asks for it."""
        self._pages.addWidget(page)

    def show_page(self, page: QWidget | None) -> None:
        """A page that was added, or None: the scan, or the start page without one."""
        on_screen = self.session.scan is not None or self.session.preview is not None
        number = self._pages.indexOf(page) if page is not None else int(on_screen)
        self._pages.setCurrentIndex(number)

    def add_card(self, card: Card) -> None:
        """A card over the top of the scan; those added first lie higher up. Esc closes the last one."""
        self._cards.append(card)
        self._place.add(card)
        card.closed.connect(self._give_the_scan_the_keys)
        if card.takes_keys:
            card.shown.connect(self.asked)
            card.closed.connect(self.asked)

    @property
    def asking(self) -> bool:
        """Whether a card on screen has the plain keys for itself."""
        return any(card.takes_keys and not card.isHidden() for card in self._cards)

    def dismiss_card(self) -> bool:
        """Closes one card; whether there was one."""
        shown = [card for card in self._cards if card.isVisible()]
        if shown:
            shown[-1].dismiss()
        return bool(shown)

    @Slot(object)
    def say(self, message: Message) -> None:
        self.messages.show_message(message)

    def take(self, tool: QObject | None) -> None:
        """Takes a tool in hand that wants the mouse on the scan, or None: puts down what was. Only one is in hand at a time."""
        if tool is not self.in_hand:
            self.in_hand = tool
            self.hand_changed.emit(tool)

    def keep(self, settings: Settings) -> None:
        """Changes the settings; they are saved at once."""
        self.settings = settings
        self.settings_changed.emit(settings)

    def last_folder(self) -> Path:
        """Where a dialog begins."""
        last = self.settings.last_folder
        return last if last is not None and last.is_dir() else paths.home()

    @Slot()
    def _give_the_scan_the_keys(self) -> None:
        if self.session.scan is not None:
            self.scan.view.setFocus()

    @Slot(object)
    def _on_scan(self, scan: object) -> None:
        self.show_page(None)
        for card in self._cards:
            if scan is not None or card is not self.messages:
                card.dismiss()
        self._give_the_scan_the_keys()
