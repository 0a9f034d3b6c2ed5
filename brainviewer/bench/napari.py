"""napari on the same slices and the same display, where it is installed: reported without a target."""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..inference.selftest import sample_scan
from . import making
from .measurement import Measurement, measured, not_measured
from .runner import apart, home

SLICES = 40
NOTE = "both on the same display; reported without a target"


def rows() -> Iterator[Measurement]:
    if importlib.util.find_spec("napari") is None:
        yield not_measured("napari on the same slices", "not installed here")
        return
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        yield not_measured("napari on the same slices", "it draws with OpenGL and needs a display")
        return
    with home(on_display=True) as environment, tempfile.TemporaryDirectory(prefix="brainviewer-") as scratch:
        apart("napari", environment=environment)  # warms the disk
        napari = apart("napari", environment=environment)
        start = apart("start", str(sample_scan()), environment=environment)
        changes = apart("slices", str(making.large_series(Path(scratch), SLICES)), environment=environment)
        memory = apart("sample-memory", str(sample_scan()), environment=environment)
    theirs_s = napari["slice_s"] - napari["started_s"]
    yield measured(
        "process start to first slice on screen", start["slice_s"] - start["started_s"], "s", rival="napari", rival_value=theirs_s, note=NOTE
    )
    ours_ms, theirs_ms = statistics.median(changes["idle_ms"]), statistics.median(napari["changes_ms"])
    name = "slice change to painted pixels, 512 x 512 with a mask, idle"
    yield measured(name, ours_ms, "ms", rival="napari", rival_value=theirs_ms, note=NOTE)
    note = f"ours with the networks and every slice analysed; {NOTE}"
    yield measured("peak memory of the window, sample", memory["peak_mb"], "MB", rival="napari", rival_value=napari["peak_mb"], note=note)
