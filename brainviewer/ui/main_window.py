"""The window: its frame, and the list of everything that can be done in it. What happens is in `flow`, what is shown is in `session`."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from PySide6.QtCore import QByteArray, QSize, Qt, Signal, Slot
from PySide6.QtGui import QCloseEvent, QIcon, QKeyEvent, QPalette
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QMainWindow, QVBoxLayout, QWidget

from ..settings import Settings
from . import icons
from .flow import Flow
from .menus import Menus
from .session import Session
from .stage import Dialogs, Stage
from .status_strip import StatusStrip
from .tools import (
    administering,
    analysing,
    arranging,
    checking,
    cine,
    drawing,
    exporting,
    helping,
    labelling,
    listing,
    looking,
    measuring,
    opening,
    receipts,
    slices,
    spacing,
)
from .tools.tool import Tool

SMALLEST_PX = (1024, 640)
USUAL_PX = (1280, 832)

TOOLS: tuple[type[Tool], ...] = (
    opening.Opening,
    exporting.Exporting,
    labelling.Labelling,
    listing.Listing,
    receipts.Receipts,
    drawing.Drawings,
    analysing.Analysing,
    analysing.Findings,
    slices.Slices,
    cine.Cine,
    looking.Overlays,
    looking.Sequences,
    looking.Picture,
    measuring.Measurements,
    spacing.Spacings,
    arranging.Arranging,
    checking.Checking,
    helping.Helping,
    administering.Administering,
)
"""Everything that can be done: a panel, card or tool more is a line more. The order is that of menus, panels and cards."""

T = TypeVar("T", bound=Tool)


class MainWindow(QMainWindow):
    """Signals:
    settings_changed: Settings, whenever something worth keeping changed.
    """

    settings_changed = Signal(object)

    def __init__(self, session: Session, flow: Flow, settings: Settings | None = None, dialogs: Dialogs | None = None) -> None:
        super().__init__()
        self.setObjectName("mainWindow")
        self.setMinimumSize(*SMALLEST_PX)
        self._session = session
        self.stage = Stage(self, session, flow, settings or Settings(), dialogs or Dialogs())
        self._lay_out(flow)
        self._tools = tuple(make(self.stage) for make in TOOLS)
        self.menus = Menus(self, self.stage, self._tools)
        self.tool(helping.Helping).keys.fill(self.menus.menus)
        self.stage.settings_changed.connect(self.settings_changed)
        session.scan_changed.connect(self._on_scan)
        self._on_scan(None)
        self._restore_place()

    def tool(self, kind: type[T]) -> T:
        """The tool of a kind."""
        return next(tool for tool in self._tools if isinstance(tool, kind))

    def _lay_out(self, flow: Flow) -> None:
        stage = self.stage
        scan_page = QWidget()
        row = QHBoxLayout(scan_page)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(stage.left)
        row.addWidget(stage.scan, 1)
        row.addWidget(stage.right)
        stage.add_page(stage.start)
        stage.add_page(scan_page)
        status = StatusStrip(self._session)
        status.cancel_wanted.connect(flow.cancel)
        status.busy_shown.connect(stage.start.set_busy)
        flow.busy_changed.connect(status.set_busy)
        flow.messaged.connect(stage.say)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(stage.middle, 1)
        column.addWidget(status)
        self.setCentralWidget(whole)
        self.setWindowIcon(QIcon(icons.pixmap("brainviewer", self.palette().color(QPalette.ColorRole.Highlight), 128)))

    @Slot(object)
    def _on_scan(self, scan: object) -> None:
        self.setWindowTitle(f"{self._session.scan.series.key} - brainviewer" if self._session.scan else "brainviewer")

    def close_tools(self) -> None:
        """Ends what runs for the tools."""
        for tool in self._tools:
            tool.close()

    # What is kept for the next start

    def _restore_place(self) -> None:
        geometry = self.stage.settings.window_geometry
        if geometry:
            self.restoreGeometry(QByteArray.fromBase64(geometry.encode()))
        else:
            room = self.screen().availableGeometry().size() * 0.96
            self.resize(QSize(*USUAL_PX).boundedTo(room))

    def present_settings(self) -> Settings:
        """Everything worth keeping as it is now."""
        geometry = bytes(self.saveGeometry().toBase64().data()).decode()
        settings = replace(self._session.looks(self.stage.settings), window_geometry=geometry)
        for tool in self._tools:
            settings = tool.remember(settings)
        return settings

    # Qt's own names

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return presses the button that has the focus, as in a dialog."""
        button = self.focusWidget()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and isinstance(button, QAbstractButton):
            event.accept()
            button.click()
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        if not all(tool.may_close() for tool in self._tools):
            event.ignore()
            return
        self.settings_changed.emit(self.present_settings())
        super().closeEvent(event)
