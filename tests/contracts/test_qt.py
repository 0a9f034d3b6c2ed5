"""Facts about Qt that once cost days: each is checked where it would bite again."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def test_ten_thousand_signals_do_not_abort() -> None:
    """PySide6 6.12.0 on Python 3.11 lost a reference to True at every emit and aborted after some 570."""
    done = python(
        "from PySide6.QtCore import QObject, Signal\n"
        "class Sender(QObject):\n"
        "    happened = Signal(object)\n"
        "sender, seen = Sender(), []\n"
        "sender.happened.connect(seen.append)\n"
        "for n in range(10_000): sender.happened.emit(n)\n"
        "print(len(seen), sum(seen))\n"
    )
    assert (done.returncode, done.stdout.split()) == (0, ["10000", "49995000"]), done.stderr[-2000:]


def test_opencv_brings_no_qt_of_its_own() -> None:
    spec = importlib.util.find_spec("cv2")
    assert spec is not None
    assert spec.origin is not None
    assert not (Path(spec.origin).parent / "qt").exists()


def test_the_window_is_imported_without_the_engines() -> None:
    """The window shows first; frameworks, whose import takes seconds, load on the worker thread."""
    if importlib.util.find_spec("brainviewer.ui.main_window") is None:
        pytest.skip("there is no window yet")
    done = python(
        "import sys, brainviewer.ui.main_window\n"
        "print(*sorted({'tensorflow', 'keras', 'onnxruntime', 'onnx', 'sklearn', 'matplotlib', 'highdicom'} & set(sys.modules)))\n"
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr[-2000:]
