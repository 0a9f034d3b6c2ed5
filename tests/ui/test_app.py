"""The program from its start to its end, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from brainviewer import settings as settings_store

WATCH = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from brainviewer.ui.app import run

app = QApplication([])

def look():
    for window in app.topLevelWidgets():
        if window.objectName() == "mainWindow" and window.stage.messages.isVisible():
            print(window.stage.messages.sentence.text())
            window.close()

timer = QTimer()
timer.timeout.connect(look)
timer.start(20)
sys.exit(run([Path(word) for word in sys.argv[1:]]))
"""


def start(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WATCH, *words], capture_output=True, text=True, timeout=120, check=False, env={**os.environ})


def test_a_path_that_is_not_there(home: Path) -> None:
    done = start(str(home / "missing"))
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith(f'"{home / "missing"}" does not exist')
    assert "QThread" not in done.stderr
    assert "brainviewer" in (home / "logs" / "brainviewer.log").read_text()
    assert settings_store.load().window_geometry


def test_settings_that_cannot_be_read_or_written(home: Path) -> None:
    (home / "settings.json").mkdir()
    done = start()
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith(f'The settings "{home / "settings.json"}" could not be read')


@pytest.mark.skipif(sys.platform == "win32", reason="a file in place of the folder behaves otherwise there")
def test_a_home_that_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BRAINVIEWER_HOME", str(tmp_path / "file"))
    done = start(str(tmp_path / "missing"))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "could not be read (Not a directory)" in done.stdout


INTERRUPT = """
import os, signal, sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from brainviewer.ui.app import run

app = QApplication([])
# From outside the loop's own work: nothing else happens in the window after this.
QTimer.singleShot(300, lambda: os.fork() or (os.kill(os.getppid(), signal.SIGINT), os._exit(0)))
sys.exit(run([]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX signals")
def test_ctrl_c_ends_the_window() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPT], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130, done.stderr[-2000:]


BROKEN = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMessageBox
import brainviewer.ui.app
from brainviewer.cli import main

def broken(*rest):
    raise RuntimeError("no room for the window")

brainviewer.ui.app.Program = broken
app = QApplication([])

def look():
    for box in app.topLevelWidgets():
        if isinstance(box, QMessageBox):
            print(box.text(), box.informativeText())
            box.close()

timer = QTimer()
timer.timeout.connect(look)
timer.start(20)
sys.exit(main([]))
"""


def test_a_crash_at_the_start_shows_a_dialog_with_the_place_of_the_log(home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", BROKEN], capture_output=True, text=True, timeout=120, check=False)
    log_file = home / "logs" / "brainviewer.log"
    assert done.returncode == 1
    assert "no room for the window" in done.stderr
    assert "could not start" in done.stdout
    assert str(log_file) in done.stdout
    assert "Traceback" in log_file.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_without_a_display_there_is_a_sentence() -> None:
    variables = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    for more in ({}, {"DISPLAY": ":4711"}):
        done = subprocess.run([sys.executable, "-m", "brainviewer"], capture_output=True, text=True, timeout=60, check=False, env=variables | more)
        assert done.returncode == 1
        assert "brainviewer: The window" in done.stderr
        assert "Traceback" not in done.stderr


def test_no_home_folder_and_no_place_to_write(tmp_path: Path) -> None:
    """The window starts where neither settings nor log nor cache can be written, and says so."""
    variables = {k: v for k, v in os.environ.items() if k != "BRAINVIEWER_HOME" and not k.startswith("XDG_")}
    done = subprocess.run(
        [sys.executable, "-c", WATCH, str(tmp_path / "missing")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=variables | {"HOME": "/dev/null/nowhere"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "could not be read (Not a directory)" in done.stdout
