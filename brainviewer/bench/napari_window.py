"""napari, measured from inside like our own window. It is no dependency: this runs only where someone installed it."""

from __future__ import annotations

import importlib
import time
from typing import Any

import numpy as np

from . import making
from .memory import peak_mb

CHANGES = 100


def measure() -> dict:
    """When the first slice is on screen, milliseconds of slice changes with a mask shown, and the peak of memory."""
    napari, widgets = importlib.import_module("napari"), importlib.import_module("qtpy.QtWidgets")
    volume = making.sample()
    large = np.repeat(np.repeat(volume.voxels[..., 1], 2, axis=1), 2, axis=2)
    viewer = napari.Viewer(show=True)
    viewer.add_image(large)
    viewer.add_labels((large > 200).astype(np.uint8), opacity=0.45)
    app, canvas = widgets.QApplication.instance(), viewer.window._qt_viewer.canvas
    drawn = [0]
    canvas._scene_canvas.events.draw.connect(lambda event: drawn.__setitem__(0, drawn[0] + 1))
    _until_drawn(app, drawn)
    slice_s, took = time.time(), []
    for number in range(CHANGES):
        started = time.perf_counter()
        viewer.dims.set_current_step(0, number % len(large))
        _until_drawn(app, drawn)
        took.append((time.perf_counter() - started) * 1000)
    return {"slice_s": slice_s, "changes_ms": took, "peak_mb": peak_mb()}


def _until_drawn(app: Any, drawn: list[int]) -> None:
    before, end = drawn[0], time.perf_counter() + 60
    while drawn[0] == before and time.perf_counter() < end:
        app.processEvents()
