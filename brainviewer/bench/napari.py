"""napari on the same slices, where it is installed."""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Iterator

from .measurement import Measurement, measured, not_measured
from .runner import apart


def rows() -> Iterator[Measurement]:
    if importlib.util.find_spec("napari") is None:
        yield not_measured("napari on the same slices", "not installed here")
        return
    found = apart("napari", environment={"QT_QPA_PLATFORM": "offscreen"})
    note = "reported without a target"
    yield measured("napari: process start to first slice", found["slice_s"] - found["started_s"], "s", note=note)
    yield measured("napari: slice change to painted pixels, median", statistics.median(found["changes_ms"]), "ms", note=note)
    yield measured("napari: peak memory", found["peak_mb"], "MB", note=note)
