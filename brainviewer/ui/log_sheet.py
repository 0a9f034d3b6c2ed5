"""The log, as it is read when something went wrong: the last lines, and a report that can be pasted into a message."""

from __future__ import annotations

import platform
from pathlib import Path

import PySide6
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from .. import __version__
from ..formats.series import reason
from . import palette
from .session import Session
from .sheets import Card
from .status_strip import engine_words

GRID_PX = palette.GRID_PX
LINES = 400
LAST_BYTES = 200_000


class LogSheet(Card):
    """Signals:
    folder_wanted: the log's folder is to be shown outside.
    """

    folder_wanted = Signal()
    widest_px = 110 * GRID_PX
    takes_keys = True

    def __init__(self, session: Session, file: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("logSheet")
        self.setAccessibleName(self.tr("Log"))
        self._session, self._file = session, file
        title = QLabel(self.tr("Log"), self)
        palette.emphasise(title, large=True)
        self.text = QPlainTextEdit(self)
        self.text.setObjectName("logText")
        self.text.setAccessibleName(self.tr("Last lines of the log"))
        self.text.setReadOnly(True)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setTabChangesFocus(True)
        self.text.setMinimumHeight(40 * GRID_PX)
        font = self.text.font()
        font.setFamilies(["monospace", "Consolas", "Menlo"])
        self.text.setFont(font)
        self.hint = QLabel(
            self.tr("The report names this installation and holds these lines. Names of files may stand in them: read it before you send it."), self
        )
        self.hint.setObjectName("logHint")
        self.hint.setWordWrap(True)
        palette.quieten(self.hint)
        self.copy = QPushButton(self.tr("Copy report"), self)
        self.copy.setObjectName("copyReportButton")
        self.copy.clicked.connect(self._on_copy)
        folder = QPushButton(self.tr("Open folder"), self)
        folder.setObjectName("openLogFolderButton")
        folder.clicked.connect(self.folder_wanted)
        head = QHBoxLayout()
        head.addWidget(title, 1)
        head.addWidget(self.close_button(), 0, Qt.AlignmentFlag.AlignTop)
        foot = QHBoxLayout()
        foot.setSpacing(GRID_PX)
        foot.addWidget(self.hint, 1)
        foot.addWidget(self.copy)
        foot.addWidget(folder)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, GRID_PX + 4, 2 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(GRID_PX)
        column.addLayout(head)
        column.addWidget(self.text, 1)
        column.addLayout(foot)

    def open(self) -> None:
        """Shows the log as it is now, its end first."""
        self.text.setPlainText(last_lines(self._file) or self.tr("There is no log yet."))
        self.text.verticalScrollBar().setValue(self.text.verticalScrollBar().maximum())
        self.copy.setText(self.tr("Copy report"))
        palette.make_primary(self.copy)
        self.show()
        self.copy.setFocus()

    def report(self) -> str:
        """This installation in a few lines, and the log."""
        engine = engine_words(self._session.engine) or self.tr("not started")
        volume = self._session.volume
        scan = self.tr("none") if volume is None else f"{volume.format}, {' x '.join(map(str, volume.voxels.shape))}, {volume.voxels.dtype}"
        lines = (
            f"brainviewer {__version__}",
            f"Python {platform.python_version()}, Qt {PySide6.__version__}",
            f"System: {platform.platform()}",
            f"Engine: {engine}",
            f"Scan: {scan}",
        )
        return "\n".join((*lines, "", self.text.toPlainText()))

    @Slot()
    def _on_copy(self) -> None:
        QGuiApplication.clipboard().setText(self.report())
        self.copy.setText(self.tr("Copied"))


def last_lines(file: Path) -> str:
    """The end of the log, or why it cannot be read."""
    try:
        with file.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - LAST_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{file}: {reason(error)}"
    return "\n".join(text.splitlines()[-LINES:])
