"""What every test gets: an offscreen Qt, a folder of its own for settings, a look for leaks after tests of the window."""

from __future__ import annotations

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before Qt loads
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import gc
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from brainviewer import paths

hypothesis.settings.register_profile("here", deadline=None, derandomize="CI" in os.environ)  # no flakes on a busy machine
hypothesis.settings.load_profile("here")

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "qtbot" in getattr(item, "fixturenames", ()):
            item.add_marker("gui")


@pytest.fixture(scope="session")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the program's verdict on 8-bit weights goes from one test of real networks to the next: to reach it takes longer than most tests."""
    return tmp_path_factory.mktemp("verdict") / "precision.json"


@pytest.fixture(autouse=True)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of everything that the program keeps for a user: one a test, empty."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("BRAINVIEWER_HOME", str(folder))
    if request.node.get_closest_marker("engine") is None:
        yield folder
        return
    verdict, own = request.getfixturevalue("verdict"), folder / "cache" / "precision.json"
    if verdict.exists():
        own.parent.mkdir()
        shutil.copy(verdict, own)
    yield folder
    if own.exists():
        shutil.copy(own, verdict)


# --- scans


@pytest.fixture(scope="session")
def sample() -> Path:
    """The sample scan that comes with the program."""
    folder = paths.resource("sample")
    if not folder.is_dir():
        pytest.skip("the sample scan is not there")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The data set beside the checkout, which only some machines have."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the data set beside the checkout is not there")
    return folder


# --- engines


class FakeEngine:
    """An engine without a network, whose answer can be told from its input.

    A segmenter's probability is the input's second channel (FLAIR); a classifier's is whether that channel reaches one half anywhere.

    Attributes:
        batches: number of slices in each call so far.
        started: set when a call began.
        go_on: calls wait for it; set from the start unless the engine is made blocked.
        closed: whether `close` was called.
        blind: a classifier that finds nothing.
    """

    name = "fake"
    device = "CPU"
    precision = "float32"
    lanes = 1
    identity = "fake"

    def __init__(self, task: str = "segment", blocked: bool = False) -> None:
        self.task = task
        self.notes: list[str] = []
        self.batches: list[int] = []
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.closed = self.blind = False
        if not blocked:
            self.go_on.set()

    def __call__(self, batch: np.ndarray) -> Mapping[str, np.ndarray]:
        self.batches.append(len(batch))
        self.started.set()
        assert self.go_on.wait(60), "the engine was never let go"
        flair = batch[..., 1:2].astype(np.float32)
        if self.task == "segment":
            return {"probability": flair}
        tumour = (flair.max(axis=(1, 2, 3)) >= 0.5).astype(np.float32) * (not self.blind)
        return {"probability": np.stack([1 - tumour, tumour], axis=1), "features": batch.mean(axis=(1, 2)).astype(np.float32)}

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def fake_engine() -> Iterator[Callable[..., FakeEngine]]:
    """Makes engines: `fake_engine("classify")` or `fake_engine("segment", blocked=True)`. Blocked ones are let go when the test ends."""
    made: list[FakeEngine] = []

    def make(task: str = "segment", blocked: bool = False) -> FakeEngine:
        made.append(FakeEngine(task, blocked))
        return made[-1]

    yield make
    for engine in made:
        engine.go_on.set()


# --- leaks of the window


@pytest.fixture(autouse=True)
def no_qt_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that uses `qtbot` fails where it leaves a running thread, a running timer or a top-level widget behind."""
    if "qtbot" not in request.fixturenames:
        yield
        return
    from PySide6.QtWidgets import QApplication

    before = _left_over()
    yield
    application = QApplication.instance()
    assert application is not None
    left = {}
    for _ in range(3):  # a widget that goes may take another along only in the next round
        application.sendPostedEvents(None, 52)  # QEvent.DeferredDelete: `deleteLater` waits for an event loop otherwise
        application.processEvents()
        left = {key: what for key, what in _left_over().items() if key not in before}
        if not left:
            return
        gc.collect()
    pytest.fail("the test left behind: " + ", ".join(sorted(left.values())))


def _left_over() -> dict[int, str]:
    """Every running thread and timer that Python made, and every top-level widget, by identity."""
    from PySide6.QtCore import QObject, QThread, QTimer
    from PySide6.QtWidgets import QApplication
    from shiboken6 import isValid

    found = {}
    for thing in gc.get_objects():
        if isinstance(thing, QObject) and isValid(thing):
            if isinstance(thing, QThread) and thing.isRunning() and thing is not QThread.currentThread():
                found[id(thing)] = f"a running thread ({thing.objectName() or type(thing).__name__})"
            elif isinstance(thing, QTimer) and thing.isActive():
                found[id(thing)] = f"a running timer ({thing.objectName() or type(thing.parent()).__name__}, {thing.interval()} ms)"
    for widget in QApplication.topLevelWidgets():
        found[id(widget)] = f"a top-level widget ({widget.objectName() or type(widget).__name__})"
    return found
