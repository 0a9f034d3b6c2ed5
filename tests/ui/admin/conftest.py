"""The administration over fakes: commands that answer when they are told to, a door that opens fast."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PySide6")

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication

from brainviewer import passcode, paths
from brainviewer.ui import palette
from brainviewer.ui.worker import Worker


class FakeChild(QObject):
    """A command that starts nothing: what it was asked is in `asked`, and the test says how it ends."""

    progressed = Signal(object)
    said = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()

    def __init__(self, what: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.what = what
        self.running = False
        self.asked: list[list[str]] = []

    def start(self, arguments: Sequence[str]) -> None:
        assert not self.running
        self.running = True
        self.asked.append(list(arguments))

    def cancel(self) -> None:
        self.running = False
        self.cancelled.emit()

    def close(self) -> None:
        self.running = False

    def succeed(self, document: object) -> None:
        self.running = False
        self.succeeded.emit(document)

    def fail(self, error: Exception) -> None:
        self.running = False
        self.failed.emit(error)


@pytest.fixture(autouse=True)
def _cheap_passcode(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A hash that costs nothing, and a site that settles nothing."""
    monkeypatch.setitem(passcode.COST, "n", 2**4)
    monkeypatch.setattr(paths, "site_configuration", lambda: tmp_path / "site")


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker("test")
    yield made
    made.close()


@pytest.fixture
def shown(qtbot: Any) -> Callable[[Any], Any]:
    """Shows a page; it goes with the test."""
    palette.dress(QApplication.instance(), "dark")

    def show(widget: Any) -> Any:
        qtbot.addWidget(widget)
        widget.resize(1000, 700)
        widget.show()
        return widget

    return show
