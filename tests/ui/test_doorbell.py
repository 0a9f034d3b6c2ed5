"""A second start rings at the window that is open, hands over what to open, and goes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtNetwork import QLocalSocket

from brainviewer.ui import doorbell
from brainviewer.ui.doorbell import Doorbell

RING = "import sys; from pathlib import Path; from PySide6.QtCore import QCoreApplication; from brainviewer.ui.doorbell import Doorbell\n"
RING += "app = QCoreApplication([]); sys.exit(0 if Doorbell(name=sys.argv[1]).ring([Path(word) for word in sys.argv[2:]]) else 3)"


@pytest.fixture
def name(tmp_path: Path) -> str:
    return "brainviewer-test-" + str(os.getpid()) if os.name == "nt" else str(tmp_path / "bell")


def second_start(name: str, *words: str, cwd: Path | None = None) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", RING, name, *words], cwd=cwd, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})


def test_what_to_open_is_handed_over_as_absolute_paths(qtbot, name: str, tmp_path: Path) -> None:
    bell = Doorbell(name=name)
    assert bell.listen()
    with qtbot.waitSignal(bell.rung, timeout=30_000) as heard:
        process = second_start(name, "scan ü", cwd=tmp_path)
    qtbot.waitUntil(lambda: process.poll() is not None, timeout=30_000)
    bell.close()
    assert heard.args == [[tmp_path / "scan ü"]]
    assert process.returncode == 0


def test_nobody_there(qtbot, name: str) -> None:
    assert not Doorbell(name=name).ring([])


@pytest.mark.skipif(os.name == "nt", reason="there a name is no file")
def test_what_a_crash_left_behind_is_taken_over(qtbot, name: str) -> None:
    Path(name).write_text("")
    bell = Doorbell(name=name)
    assert not bell.ring([])
    assert bell.listen()
    bell.close()


@pytest.mark.parametrize("text", [b"no json\n", b'{"paths": 3}\n', b"[3]\n"])
def test_a_stranger_changes_nothing(qtbot, name: str, text: bytes) -> None:
    bell = Doorbell(name=name)
    bell.listen()
    rung = []
    bell.rung.connect(rung.append)
    stranger = QLocalSocket()
    stranger.connectToServer(name)
    stranger.write(text)
    qtbot.waitUntil(lambda: stranger.state() == QLocalSocket.LocalSocketState.UnconnectedState, timeout=10_000)
    bell.close()
    assert rung == []


def test_every_home_has_a_doorbell_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = doorbell.address()
    monkeypatch.setenv("BRAINVIEWER_HOME", str(tmp_path / "other"))
    assert doorbell.address() != first


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_second_start_of_the_program_ends_at_once(qtbot, home: Path) -> None:
    """The whole program twice: the second one goes with code 0, and the first is told."""
    command = [sys.executable, "-m", "brainviewer"]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "QT_QPA_PLATFORM": "offscreen"}
    with subprocess.Popen(command, env=variables) as first:
        try:
            qtbot.waitUntil(lambda: os.path.exists(doorbell.address()), timeout=60_000)
            second = subprocess.run([*command, str(home / "missing")], env=variables, timeout=60, check=False)
            assert second.returncode == 0
            assert first.poll() is None
        finally:
            first.terminate()
    assert "brought forward" in (home / "logs" / "brainviewer.log").read_text()
