"""One window for each user and home: a second start rings, hands over what it was asked to open, and goes."""

from __future__ import annotations

import getpass
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from .. import paths
from .main_window import MainWindow
from .tools.opening import Opening

log = logging.getLogger(__name__)

ANSWER_MS = 3000
MOST_BYTES = 1_000_000
HEARD = b"heard\n"


class Doorbell(QObject):
    """Signals:
    rung: list of Path (absolute, it may be empty) that a second start was asked to open.
    """

    rung = Signal(object)

    def __init__(self, parent: QObject | None = None, name: str | None = None) -> None:
        super().__init__(parent)
        self._name = name or address()
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_connection)
        self._heard: dict[QLocalSocket, bytes] = {}

    def ring(self, wanted: Sequence[Path]) -> bool:
        """Asks the window that is open already to come forward and open these; whether there is one, and it has heard."""
        if os.path.exists(self._name) and not is_ours(self._name):
            return False
        socket = QLocalSocket()
        socket.connectToServer(self._name)
        if not socket.waitForConnected(ANSWER_MS):
            return False
        socket.write(json.dumps([str(path.absolute()) for path in wanted]).encode() + b"\n")
        heard = socket.waitForReadyRead(ANSWER_MS) and bytes(socket.readAll().data()) == HEARD
        socket.abort()
        return heard

    def listen(self) -> bool:
        """Waits for later starts; whether it can. What a crash left behind is removed first: `ring` found nobody there."""
        if os.path.exists(self._name) and not is_ours(self._name):
            log.warning("Another user's file is in the place of the doorbell: a second start will open a second window.")
            return False
        QLocalServer.removeServer(self._name)
        if not self._server.listen(self._name):
            log.warning("A second start will open a second window (%s).", self._server.errorString())
            return False
        return True

    def close(self) -> None:
        self._server.close()

    @Slot()
    def _on_connection(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            self._heard[socket] = b""
            socket.readyRead.connect(self._on_ready)
            socket.disconnected.connect(self._on_gone)

    @Slot()
    def _on_ready(self) -> None:
        socket = self.sender()
        self._heard[socket] += bytes(socket.readAll().data())
        text = self._heard[socket]
        if len(text) > MOST_BYTES:
            socket.abort()
        elif text.endswith(b"\n"):
            wanted = paths_in(text)
            if wanted is None:
                socket.abort()
                return
            socket.write(HEARD)
            socket.flush()
            self._heard[socket] = b""
            self.rung.emit(wanted)

    @Slot()
    def _on_gone(self) -> None:
        socket = self.sender()
        self._heard.pop(socket, None)
        socket.deleteLater()


class Front(QObject):
    """Brings a window to the front and lets it open what a second start was asked for."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window

    @Slot(object)
    def come(self, wanted: list[Path]) -> None:
        window = self._window
        window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized | Qt.WindowState.WindowActive)
        window.show()
        window.raise_()
        window.activateWindow()
        if wanted:
            window.tool(Opening).open_paths(wanted)


def address() -> str:
    """Where this user's window listens: a name of the system's own on Windows, elsewhere a file in a folder that only lasts for the session."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no name for this user number
        user = str(os.getuid()) if hasattr(os, "getuid") else ""
    name = "brainviewer-" + hashlib.sha256(f"{user}\n{paths.user_data()}".encode(errors="replace")).hexdigest()[:16]
    if os.name == "nt":
        return name
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    folder = runtime if os.path.isdir(runtime) and os.access(runtime, os.W_OK) else tempfile.gettempdir()
    return os.path.join(folder, name)


def is_ours(name: str) -> bool:
    """Whether a file belongs to this user; names on Windows are no files."""
    try:
        return not hasattr(os, "getuid") or os.stat(name).st_uid == os.getuid()
    except OSError:
        return False


def paths_in(text: bytes) -> list[Path] | None:
    """What a second start handed over, or None where it is nothing of the kind."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    if not isinstance(document, list) or not all(isinstance(item, str) for item in document):
        return None
    return [Path(item) for item in document]
