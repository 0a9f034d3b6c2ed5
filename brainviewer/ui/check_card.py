"""The check of this installation on one card: every part, what became of it, and a report to copy."""

from __future__ import annotations

import json
import platform

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from .. import __version__
from ..errors import BrainviewerError
from ..inference import doctor
from ..inference.selftest import NAMES
from . import icons, palette
from .sheets import Card, sentence

GRID_PX = palette.GRID_PX


class CheckCard(Card):
    """Signals:
    start_wanted, cancel_wanted: a button was pressed.
    """

    start_wanted = Signal()
    cancel_wanted = Signal()
    widest_px = 92 * GRID_PX

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("checkCard")
        self.setAccessibleName(self.tr("Check this installation"))
        self.setMinimumWidth(60 * GRID_PX)
        self._found: dict[str, dict] = {}
        self._ended = ""
        title = QLabel(self.tr("Check this installation"), self)
        palette.emphasise(title, large=True)
        self.state = QLabel(self)
        self.state.setObjectName("checkState")
        self.state.setWordWrap(True)
        head = QHBoxLayout()
        head.addWidget(title, 1)
        head.addWidget(self.close_button(), 0, Qt.AlignmentFlag.AlignTop)
        rows = QGridLayout()
        rows.setHorizontalSpacing(GRID_PX + 4)
        rows.setVerticalSpacing(GRID_PX // 2)
        rows.setColumnStretch(2, 1)
        self._signs, self._details, self._seconds = {}, {}, {}
        for number, name in enumerate(NAMES):
            self._signs[name] = QLabel(self)
            self._signs[name].setFixedSize(2 * GRID_PX, 2 * GRID_PX)
            self._details[name] = sentence("", self, name=f"checkDetail{number}")
            self._seconds[name] = QLabel(self)
            self._seconds[name].setFont(palette.tabular(self._seconds[name].font()))
            palette.quieten(self._seconds[name])
            palette.quieten(self._details[name])
            for column, widget in enumerate((self._signs[name], QLabel(self.words()[name], self), self._details[name], self._seconds[name])):
                rows.addWidget(widget, number, column, Qt.AlignmentFlag.AlignTop if column != 2 else Qt.AlignmentFlag(0))
        self.start = self._button("checkStartButton", self.tr("Check again"))
        self.start.clicked.connect(self.start_wanted)
        self.cancel = self._button("checkCancelButton", self.tr("Cancel"))
        self.cancel.clicked.connect(self.cancel_wanted)
        self.copy = self._button("copyReportButton", self.tr("Copy report"))
        self.copy.setToolTip(self.tr("Versions and results as text; it names no file and no patient"))
        self.copy.clicked.connect(self._copy)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID_PX)
        for button in (self.copy, self.start, self.cancel):
            buttons.addWidget(button)
        buttons.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID_PX, GRID_PX + 4, 3 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(GRID_PX)
        column.addLayout(head)
        column.addWidget(self.state)
        column.addLayout(rows)
        column.addSpacing(GRID_PX // 2)
        column.addLayout(buttons)

    def words(self) -> dict[str, str]:
        """What each check is called here."""
        return {
            "sample scan": self.tr("Sample scan"),
            "stored answer": self.tr("Stored answers"),
            "onnx float32": self.tr("Analysis, ONNX Runtime"),
            "onnx int8": self.tr("Analysis, int8"),
            "tensorflow float32": self.tr("Analysis, TensorFlow"),
            "DICOM decoders": self.tr("DICOM decoders"),
            "picture": self.tr("Exported picture"),
            "window": self.tr("Window"),
            "training": self.tr("Training"),
        }

    @Slot()
    def begin(self) -> None:
        """Empties every row: a check begins."""
        self._found, self._ended = {}, ""
        self.copy.setText(self.tr("Copy report"))
        self._show()

    @Slot(object)
    def take_line(self, line: str) -> None:
        """A line of the check's progress; other lines are passed over."""
        try:
            check = json.loads(line)["check"]
            name = check["name"]
        except (ValueError, KeyError, TypeError):
            return
        if name in NAMES:
            self._found[name] = check
            self._show()

    @Slot(object)
    def end(self, document: object = None) -> None:
        """Every check has been made."""
        failed = sum(not check["passed"] for check in self._found.values())
        count = len(self._found)
        self._ended = (
            self.tr("{} of {} checks did not pass.").format(failed, count)
            if failed
            else self.tr("All {} checks passed: this installation computes what it should.").format(count)
        )
        self._show()

    @Slot(object)
    def fail(self, error: BrainviewerError) -> None:
        """The check came to an end by itself, with a bad result; or it broke."""
        if len(self._found) == len(NAMES):
            self.end()
        else:
            self._ended = self.tr("The check broke off. {}").format(error)
            self._show()

    @Slot()
    def stop(self) -> None:
        self._ended = self.tr("Stopped: {} of {} checks were made.").format(len(self._found), len(NAMES))
        self._show()

    def report(self) -> str:
        """Versions and results as text, without any path."""
        lines = [f"brainviewer {__version__}, Python {platform.python_version()}, {platform.platform()}", doctor.edition(), self.state.text()]
        for name, check in self._found.items():
            lines.append(f"{'passed' if check['passed'] else 'FAILED'}  {name} ({check['seconds']:.1f} s): {check['detail']}")
        lines += [f"{name} {version}" for name, version in doctor.versions().items() if version]
        return "\n".join(lines) + "\n"

    def _show(self) -> None:
        current = next((name for name in NAMES if name not in self._found), "")
        for name in NAMES:
            check = self._found.get(name)
            sign = self._signs[name]
            sign.clear()
            if check is not None:
                kind = "done" if check["passed"] else "error"
                sign.setPixmap(icons.pixmap(kind, palette.status_colour(kind), 2 * GRID_PX, self.devicePixelRatioF()))
                sign.setAccessibleName(self.tr("passed") if check["passed"] else self.tr("not passed"))
            running = not self._ended and name == current
            self._details[name].setText(check["detail"] if check else self.tr("is being checked") if running else "")
            self._seconds[name].setText(self.tr("{:.1f} s").format(check["seconds"]) if check else "")
        self.state.setText(self._ended or self.tr("{} of {}; the whole takes some minutes.").format(len(self._found), len(NAMES)))
        failed = any(not check["passed"] for check in self._found.values())
        self.set_edge("error" if failed else "done" if self._ended and len(self._found) == len(NAMES) else "info")
        self.start.setVisible(bool(self._ended))
        self.cancel.setVisible(not self._ended)
        self.copy.setEnabled(bool(self._found))
        self.updateGeometry()

    @Slot()
    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.report())
        self.copy.setText(self.tr("Copied"))

    def _button(self, name: str, words: str) -> QPushButton:
        button = QPushButton(words, self)
        button.setObjectName(name)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button
