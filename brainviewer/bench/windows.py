"""Rows about the window; each is measured in a process of its own, without a display."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..inference.selftest import sample_scan
from . import making
from .measurement import Measurement, measured
from .runner import apart, home

SCROLLED = 200
SERIES = 500
SCANS = 100


def slice_rows() -> Iterator[Measurement]:
    with home() as environment, tempfile.TemporaryDirectory(prefix="brainviewer-") as scratch:
        found = apart("slices", str(making.large_series(Path(scratch), SCROLLED)), environment=environment)
    busy, idle = found["busy_ms"], found["idle_ms"]
    note = f"512 x 512, {len(busy)} changes" + ("" if found["analysing"] else "; the analysis ended before the last of them")
    name, rival = "slice change to painted pixels, while analysing", "the same, idle"
    yield measured(
        f"{name}: median",
        statistics.median(busy),
        "ms",
        rival=rival,
        rival_value=statistics.median(idle),
        at_most=8,
        ratio_at_most=1.5,
        note=note,
    )
    yield measured(f"{name}: 99th percentile", _late(busy), "ms", rival=rival, rival_value=_late(idle), at_most=16, note=note)


def _late(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, round(0.99 * len(values)))]


def watchdog_rows() -> Iterator[Measurement]:
    with home() as environment, tempfile.TemporaryDirectory(prefix="brainviewer-") as scratch:
        series = making.large_series(Path(scratch), SERIES)
        found = apart("watched", str(series), str(Path(scratch, "out")), environment=environment)
    worst = max(stage["busy_ms"] for stage in found["stages"].values())
    waited = max(stage["longest_ms"] for stage in found["stages"].values())
    each = ", ".join(f"{name} {stage['busy_ms']:.0f}" for name, stage in found["stages"].items())
    note = f"{SERIES} slices of 512 x 512, {found['files']} files; own work in ms: {each}; waiting for a core included: {waited:.0f}"
    yield measured("longest the main thread was away, own work", worst, "ms", at_most=50, note=note)


def memory_rows() -> Iterator[Measurement]:
    with home() as environment:
        apart("sample-memory", str(sample_scan()), environment=environment)
        found = apart("sample-memory", str(sample_scan()), environment=environment)
    yield measured("peak memory of the window, sample analysed", found["peak_mb"], "MB", at_most=450, note="ONNX Runtime, heat map included")


def growth_rows() -> Iterator[Measurement]:
    with home() as environment, tempfile.TemporaryDirectory(prefix="brainviewer-") as scratch:
        folder = making.small_scans(Path(scratch), SCANS, 6)
        held = apart("growth", str(folder), environment=environment)["held_mb"]
    # The first scans fill what is kept on purpose: the networks' work space and the last answers.
    early, late = statistics.median(held[10:20]), statistics.median(held[-10:])
    note = f"{SCANS} scans of 6 slices in one window; from {early:.0f} MB (scans 11 to 20) to {late:.0f} MB (the last ten)"
    yield measured("memory growth over 100 scans", (late / early - 1) * 100, "%", at_most=5, note=note)
