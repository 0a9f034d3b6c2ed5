"""The door: asks for the passcode, lets the first user set it, and makes wrong tries wait."""

from __future__ import annotations

import logging
import math

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent, QPainter, QPaintEvent, QPalette, QPen, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from ... import audit
from ...errors import AccessError, WriteError
from ...passcode import LEAST_LENGTH, Passcode
from .. import icons, palette
from ..sheets import sentence
from .page import push_button

log = logging.getLogger(__name__)

GRID_PX = palette.GRID_PX
CARD_PX = 52 * GRID_PX


class Gate(QWidget):
    """Signals:
    opened: the passcode was right, or has just been set.
    left: the way back to the scan.
    """

    opened = Signal()
    left = Signal()

    def __init__(self, passcode: Passcode, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("adminGate")
        self._passcode = passcode
        self._first_use = False
        self._sign = QLabel(self)
        self.title = QLabel(self)
        palette.emphasise(self.title, large=True)
        self.about = sentence("", self, name="gateSentence", quiet=True)
        self.code = self._field("passcodeEdit")
        self.again = self._field("passcodeAgainEdit")
        self.answer = sentence("", self, name="gateAnswer")
        self.open_button = push_button("gateOpenButton", "", self._try, self)
        self._back = push_button("gateBackButton", self.tr("Back"), self.left.emit, self)
        self._countdown = QTimer(self)
        self._countdown.setInterval(500)
        self._countdown.timeout.connect(self._show_wait)
        self._lay_out()

    def _field(self, name: str) -> QLineEdit:
        field = QLineEdit(self)
        field.setObjectName(name)
        field.setEchoMode(QLineEdit.EchoMode.Password)
        field.setMinimumHeight(4 * GRID_PX)
        field.setMaxLength(256)
        field.returnPressed.connect(self._try)
        return field

    def _lay_out(self) -> None:
        self._card = _Raised(self)
        self._card.setFixedWidth(CARD_PX)
        head = QHBoxLayout()
        head.setSpacing(GRID_PX + 4)
        head.addWidget(self._sign)
        head.addWidget(self.title, 1)
        foot = QHBoxLayout()
        foot.setSpacing(GRID_PX)
        foot.addStretch()
        foot.addWidget(self.open_button)
        foot.addWidget(self._back)
        column = QVBoxLayout(self._card)
        column.setContentsMargins(3 * GRID_PX, 3 * GRID_PX, 3 * GRID_PX, 3 * GRID_PX)
        column.setSpacing(GRID_PX + 4)
        column.addLayout(head)
        for widget in (self.about, self.code, self.again, self.answer):
            column.addWidget(widget)
        column.addLayout(foot)
        outer = QVBoxLayout(self)
        outer.addStretch(2)
        outer.addWidget(self._card, 0, Qt.AlignmentFlag.AlignHCenter)
        outer.addStretch(3)

    def ask(self) -> None:
        """Starts anew: empty fields, and what the site and earlier tries leave to do."""
        for field in (self.code, self.again):
            field.clear()
        self._say("", "info")
        try:
            self._first_use = not self._passcode.is_set()
        except AccessError as error:
            self._shut(error)
            return
        self.code.show()
        self.again.setVisible(self._first_use)
        self.open_button.show()
        if self._first_use:
            self.title.setText(self.tr("Choose a passcode"))
            words = self.tr("Behind it lie training and switching models. It keeps out the curious, not somebody who can change files on this disk.")
            self.about.setText(words)
            self.code.setPlaceholderText(self.tr("At least {} characters").format(LEAST_LENGTH))
            self.again.setPlaceholderText(self.tr("The same again"))
            self.open_button.setText(self.tr("Set it and open"))
        else:
            self.title.setText(self.tr("Administration"))
            self.about.setText(self.tr("For the person who looks after the models of this site."))
            self.code.setPlaceholderText(self.tr("Passcode"))
            self.open_button.setText(self.tr("Open"))
        self.about.setMinimumHeight(self.about.heightForWidth(CARD_PX - 6 * GRID_PX))
        self.code.setAccessibleName(self.code.placeholderText())
        self.again.setAccessibleName(self.again.placeholderText())
        palette.make_primary(self.open_button)
        self._show_wait()
        self.code.setFocus()

    def _shut(self, error: AccessError) -> None:
        """The site, or a damaged file, keeps the door shut."""
        self.title.setText(self.tr("Administration"))
        self.about.setText("")
        for widget in (self.code, self.again, self.open_button):
            widget.hide()
        self._say(str(error), "warning")
        self._back.setFocus()

    @Slot()
    def _try(self) -> None:
        if not self.open_button.isEnabled():
            return
        try:
            if self._first_use:
                if not self._set():
                    return
            elif not self._passcode.check(self.code.text()):
                self._on_wrong()
                return
        except AccessError as error:
            self._say(str(error), "error")
            self._show_wait()
            return
        note("open", "passcode set" if self._first_use else "opened")
        for field in (self.code, self.again):
            field.clear()
        self.opened.emit()

    def _set(self) -> bool:
        if self.code.text() != self.again.text():
            self._say(self.tr("The two are not the same."), "error")
            self.again.setFocus()
            return False
        self._passcode.set(self.code.text())
        return True

    def _on_wrong(self) -> None:
        note("open", "wrong passcode")
        self.code.clear()
        self._say(self.tr("That is not the passcode."), "error")
        self._show_wait()

    @Slot()
    def _show_wait(self) -> None:
        """Counts the seconds until the next try is taken."""
        try:
            left = self._passcode.wait_s()
        except AccessError as error:
            self._countdown.stop()
            self._shut(error)
            return
        waiting = left > 0
        if waiting:
            words = self.tr("1 second") if math.ceil(left) == 1 else self.tr("{} seconds").format(math.ceil(left))
            if left >= 90:
                words = self.tr("{} minutes").format(math.ceil(left / 60))
            self._say(self.tr("That is not the passcode. The next try is taken in {}.").format(words), "error")
            self._countdown.start()
        elif self._countdown.isActive():
            self._countdown.stop()
            self._say(self.tr("The next try is taken now."), "info")
        self.code.setEnabled(not waiting)
        self.open_button.setEnabled(not waiting)
        if not waiting:
            self.code.setFocus()

    def _say(self, words: str, kind: str) -> None:
        self.answer.setText(words)
        self.answer.setVisible(bool(words))
        colours = self.answer.palette()
        colours.setColor(QPalette.ColorRole.WindowText, palette.status_colour(kind))
        self.answer.setPalette(colours)
        self._sign.setPixmap(icons.pixmap("lock", self.palette().windowText().color(), 3 * GRID_PX, self.devicePixelRatioF()))

    # Qt's own names

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.ask()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._countdown.stop()
        for field in (self.code, self.again):
            field.clear()


class _Raised(QWidget):
    """A panel with an edge, as the cards over the scan have it."""

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 1))
        painter.setBrush(self.palette().color(QPalette.ColorRole.Window))
        painter.drawRoundedRect(self.rect().toRectF().adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.end()


def note(what: str, result: str, **about: object) -> None:
    """Into the audit log; a full disk must not keep the door from opening."""
    try:
        audit.record(what, result, **about)
    except WriteError:
        log.warning("The audit log could not be written", exc_info=True)
