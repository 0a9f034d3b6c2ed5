"""The whole road with the bundled models and the sample scan: open, analyse, export; the same bytes as the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from brainviewer import paths
from brainviewer.imaging.prediction import OverlayStyle
from brainviewer.settings import Settings
from brainviewer.ui import palette
from brainviewer.ui.app import Program

from .conftest import finished
from .test_export import export_to, written
from .test_window import child, text

ANALYSIS_MS = 240_000

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(len(list(paths.bundled_models().glob("*/bundle.json"))) < 2, reason="the bundled models are not there"),
]


@pytest.fixture
def real(qtbot: Any) -> Iterator[Program]:
    app = QApplication.instance()
    assert app is not None
    palette.dress(app, "dark")
    made = Program(Settings())
    made.window.show()
    qtbot.waitExposed(made.window)
    yield made
    made.close()
    made.window.deleteLater()


def test_from_the_sample_to_the_command_lines_pictures(qtbot: Any, real: Program, sample: Path, tmp_path: Path) -> None:
    real.flow.open_path(sample)
    qtbot.waitUntil(lambda: real.session.scan is not None, timeout=60_000)
    assert text(real.window, "verdictLabel").startswith("Analysing")
    qtbot.waitUntil(lambda: real.session.analysis.done >= 1, timeout=ANALYSIS_MS)
    assert real.session.prediction is not None, "the slice on screen comes first"
    assert real.session.prediction.provisional
    qtbot.waitUntil(lambda: finished(real), timeout=ANALYSIS_MS)
    volume, result = real.session.volume, real.session.result
    assert text(real.window, "verdictLabel") == f"Tumour found in {result.slices_with_tumour} of {len(volume)} slices"
    assert child(real.window, QLabel, "engineLabel").toolTip().startswith("ONNX Runtime")
    assert child(real.window, QWidget, "detectionStrip").bars[real.session.z].p_tumour is not None
    assert real.session.style == OverlayStyle(threshold=result.threshold)

    assert real.session.scan is not None
    key = real.session.scan.series.key
    export_to(qtbot, real, tmp_path / "window")
    written(qtbot, real)
    command = [sys.executable, "-m", "brainviewer", "predict", str(sample), "--series", key, "--out", str(tmp_path / "line"), "--save", "overlay"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=ANALYSIS_MS / 1000, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    files = sorted((tmp_path / "window").iterdir())
    assert [file.name for file in files if file.suffix != ".png"] == ["results.json"]
    ours = {file.name: file.read_bytes() for file in files if file.suffix == ".png"}
    theirs = {file.name: file.read_bytes() for file in (tmp_path / "line").rglob("*_overlay.png")}
    assert len(ours) == len(volume)
    assert ours == theirs
