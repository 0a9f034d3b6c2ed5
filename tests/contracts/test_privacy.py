"""Nothing leaves this computer: what a library would send on its own is switched off before the library is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from brainviewer import paths

RUN = """
import numpy as np
from brainviewer import paths
from brainviewer.inference.bundle import choose_bundle
from brainviewer.inference.onnx_engine import OnnxEngine
engine = OnnxEngine(choose_bundle(paths.bundled_models(), "segment"), "float32", "cpu")
engine(np.zeros((1, 256, 256, 3), np.float32))
"""


def test_onnx_runtime_prepares_nothing_to_send(tmp_path: Path) -> None:
    """Its telemetry begins with a number for the computer and a store of events in the user's cache."""
    if not list(paths.bundled_models().glob("segment-*/bundle.json")):
        pytest.skip("the bundled models are not there")
    variables = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY" and not name.startswith("XDG_")}
    subprocess.run([sys.executable, "-c", RUN], env=variables | {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}, timeout=120, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
