"""The hidden panel: the door, and behind it three pages beside a rail that says where each stands."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QRect, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent, QKeyEvent, QKeySequence, QPainter, QPaintEvent, QPalette, QShowEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QButtonGroup, QHBoxLayout, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from ...passcode import IDLE_S, Passcode
from .. import palette
from ..drop_frame import DropFrame
from ..side_panel import heading, rule
from .data_page import DataPage
from .gate import Gate, note
from .page import Page, push_button

GRID_PX = palette.GRID_PX
RAIL_PX = 30 * GRID_PX
ROW_PX = 7 * GRID_PX
MARK_PX = 3
ACTIVITY = (QEvent.Type.KeyPress, QEvent.Type.MouseButtonPress, QEvent.Type.Wheel, QEvent.Type.MouseMove)
OPEN_KEYS = "Ctrl+Shift+A"
PASSED_ON = tuple(QKeySequence(keys)[0] for keys in (OPEN_KEYS, "Ctrl+Q", "F1"))
"""Keys of the window that hold here as well."""


class AdminPanel(QWidget):
    """Signals:
    left: the way back to the scan was taken.
    """

    left = Signal()

    def __init__(self, pages: tuple[tuple[str, Page], ...], data: DataPage, passcode: Passcode | None = None, parent: QWidget | None = None) -> None:
        """`pages` with their names in the rail; `data` is the one that takes what is dropped."""
        super().__init__(parent)
        self.setObjectName("adminPanel")
        self.setAccessibleName(self.tr("Administration"))
        self._data = data
        self.unlocked = False
        self.gate = Gate(passcode or Passcode(), self)
        self.gate.opened.connect(self._on_opened)
        self.gate.left.connect(self.left)
        self._idle = QTimer(self)
        self._idle.setSingleShot(True)
        self._idle.setInterval(int(IDLE_S * 1000))
        self._idle.timeout.connect(self.lock)
        self._pages = QStackedWidget(self)
        self._rows = QButtonGroup(self)
        self._rows.idClicked.connect(self._go)
        inside = QWidget(self)
        row = QHBoxLayout(inside)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._rail(pages))
        row.addWidget(_upright_rule(self))
        row.addWidget(self._pages, 1)
        self._doors = QStackedWidget(self)
        self._doors.addWidget(self.gate)
        self._doors.addWidget(inside)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(self._doors)
        DropFrame(self, self.tr('Drop to check "{}"')).dropped.connect(self._on_dropped)

    def _rail(self, pages: tuple[tuple[str, Page], ...]) -> QWidget:
        rail = QWidget(self)
        rail.setFixedWidth(RAIL_PX)
        column = QVBoxLayout(rail)
        column.setContentsMargins(0, GRID_PX + 4, 0, GRID_PX + 4)
        column.setSpacing(0)
        head = heading(self.tr("Administration"), self)
        head.setContentsMargins(2 * GRID_PX, 0, 0, GRID_PX)
        column.addWidget(head)
        for number, (words, page) in enumerate(pages):
            button = _RailRow(words, self)
            button.setObjectName(f"{page.objectName()}Button")
            self._rows.addButton(button, number)
            self._pages.addWidget(page)
            page.state_changed.connect(button.set_detail)
            column.addWidget(button)
        self._rows.button(0).setChecked(True)
        column.addStretch(1)
        foot = QVBoxLayout()
        foot.setContentsMargins(2 * GRID_PX, 0, 2 * GRID_PX, 0)
        foot.setSpacing(GRID_PX)
        foot.addWidget(
            push_button("adminBackButton", self.tr("Back"), self.left.emit, self, self.tr("To the scan; the door stays open for ten minutes (Esc)"))
        )
        foot.addWidget(push_button("adminLockButton", self.tr("Lock"), self._on_lock, self, self.tr("The next one has to know the passcode again")))
        column.addLayout(foot)
        return rail

    def show_page(self, page: Page) -> None:
        self._go(self._pages.indexOf(page))

    @Slot(int)
    def _go(self, number: int) -> None:
        self._rows.button(number).setChecked(True)
        self._rows.button(number).setFocus()
        self._pages.setCurrentIndex(number)

    def take_focus(self) -> None:
        """So that keys are meant for what is shown here."""
        if self.unlocked:
            self._rows.checkedButton().setFocus()
        else:
            self.gate.ask()

    # The door

    @Slot()
    def _on_opened(self) -> None:
        self.unlocked = True
        self._doors.setCurrentIndex(1)
        self._idle.start()
        self._watch(True)
        for number in range(self._pages.count()):
            self._pages.widget(number).enter()
        self._rows.checkedButton().setFocus()

    @Slot()
    def lock(self) -> None:
        """Shuts the door; a check or a training that runs goes on."""
        self._idle.stop()
        if self.unlocked:
            note("lock", "locked")
        self.unlocked = False
        self._watch(False)
        self._doors.setCurrentIndex(0)

    @Slot()
    def _on_lock(self) -> None:
        self.lock()
        self.left.emit()

    @Slot(object)
    def _on_dropped(self, dropped: list[Path]) -> None:
        folders = [path for path in dropped if path.is_dir()]
        if self.unlocked and folders:
            self.show_page(self._data)
            self._data.check(folders[0])

    def _watch(self, on: bool) -> None:
        """Keys and mouse over the whole program are looked at only while the panel is on screen and open."""
        app = QApplication.instance()
        app.installEventFilter(self) if on else app.removeEventFilter(self)

    # Qt's own names

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in ACTIVITY:
            self._idle.start()
        return False

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self.unlocked:
            self._watch(True)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._watch(False)

    def event(self, event: QEvent) -> bool:
        """Keys mean here what they mean in a form; those of the scan below have no say."""
        if event.type() == QEvent.Type.ShortcutOverride:
            menu = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
            if not menu and event.keyCombination() not in PASSED_ON:
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            event.accept()
            self.left.emit()
        else:
            super().keyPressEvent(event)


def _upright_rule(parent: QWidget) -> QWidget:
    line = rule(parent)
    line.setMaximumHeight(16_777_215)
    line.setMinimumHeight(0)
    line.setFixedWidth(1)
    return line


class _RailRow(QAbstractButton):
    """A page's name, and more quietly where it stands."""

    def __init__(self, words: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setText(words)
        self.setAccessibleName(words)
        self.setCheckable(True)
        self.setFixedHeight(ROW_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self._detail = ""

    @Slot(object)
    def set_detail(self, words: str) -> None:
        self._detail = words
        self.setToolTip(words)
        self.setAccessibleDescription(words)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter)
        painter.end()

    def _paint(self, painter: QPainter) -> None:
        colours, role = self.palette(), QPalette.ColorRole
        if self.isChecked() or self.underMouse() or self.hasFocus():
            painter.fillRect(self.rect(), colours.color(role.Button))
        if self.isChecked():
            painter.fillRect(QRect(0, 0, MARK_PX, self.height()), colours.color(role.Highlight))
        inside = self.rect().adjusted(2 * GRID_PX, GRID_PX, -2 * GRID_PX, -GRID_PX)
        font = self.font()
        font.setWeight(font.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(colours.color(role.WindowText))
        painter.drawText(inside, Qt.AlignmentFlag.AlignTop, self.text())
        painter.setFont(palette.tabular(self.font()))
        painter.setPen(colours.color(role.PlaceholderText))
        elided = painter.fontMetrics().elidedText(self._detail, Qt.TextElideMode.ElideRight, inside.width())
        painter.drawText(inside, Qt.AlignmentFlag.AlignBottom, elided)

    def sizeHint(self) -> QSize:
        return QSize(RAIL_PX, ROW_PX)
