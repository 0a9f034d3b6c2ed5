"""The rows that each group makes of what its parts found, and scans made to measure on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brainviewer.bench import making, napari, runner, scans, starts, windows
from brainviewer.bench.memory import peak_mb, resident_mb
from brainviewer.errors import EngineError
from brainviewer.formats import open_volume, scan

FOUND = {
    "whole-scan": {"notebook": [24.0, 12.0, 12.0], "int8": [1.0, 1.0, 1.0], "float32": [3.0] * 3, "bare": [2.0] * 3, "slices": 32, "segmented": 30}
    | {f"{way} cpu": [1.0] for way in ("notebook", "int8", "float32", "bare")},
    "start": {"started_s": 100.0, "slice_s": 100.8, "overlay_s": 101.5, "slice_cpu_s": 0.7, "overlay_cpu_s": 1.3},
    "notebook-start": {"started_s": 200.0, "tensorflow_s": 3.0, "tensorflow_cpu_s": 3.5, "notebook_s": 208.0, "notebook_cpu_s": 9.0},
    "slices": {"busy_ms": [4.0] * 98 + [20.0] * 2, "idle_ms": [3.0] * 100, "analysing": True},
    "watched": {"stages": {"opened": {"busy_ms": 20.0, "longest_ms": 90.0}, "exported": {"busy_ms": 51.0, "longest_ms": 60.0}}, "files": 501},
    "sample-memory": {"peak_mb": 400.0},
    "napari": {"started_s": 10.0, "slice_s": 14.0, "changes_ms": [30.0] * 5, "peak_mb": 500.0},
    "growth": {"held_mb": [300.0] * 10 + [310.0] * 80 + [320.0] * 10},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Parts that answer at once with what is known; grows by each that was asked."""
    names: list[str] = []

    def apart(part: str, *_: str, **__: object) -> dict:
        names.append(part)
        return FOUND[part]

    for module in (scans, starts, windows, napari):
        monkeypatch.setattr(module, "apart", apart)
    monkeypatch.setattr(making, "sample", tiny)
    monkeypatch.setattr(windows, "SERIES", 2)
    monkeypatch.setattr(windows, "SCROLLED", 2)
    monkeypatch.setattr(windows, "SCANS", 2)
    return names


def tiny() -> making.Volume:
    voxels = np.random.default_rng(0).integers(0, 255, (8, 16, 16, 3)).astype(np.uint8)
    names = tuple(f"s{z}" for z in range(8))
    return making.Volume(voxels, None, ("pre", "flair", "post"), Path("tiny"), "tiny", "tiff", names, names)


def test_the_whole_scan(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "cpu_flags", lambda: {"vnni": True})
    int8, float32, bare = scans.rows()
    assert (int8.ratio, int8.met) == (pytest.approx(1 / 12), True), "the median of the rounds' own ratios"
    assert (float32.ratio, float32.met) == (pytest.approx(1 / 4), False)
    assert (bare.ratio, bare.met) == (pytest.approx(1.5), False)
    monkeypatch.setattr(scans, "cpu_flags", lambda: {"vnni": False})
    assert next(iter(scans.rows())).met is None


def test_the_start(asked: list[str]) -> None:
    first, overlay = starts.rows()
    assert first.value == pytest.approx(0.8)
    assert (first.ratio, first.met) == (pytest.approx(0.8 / 3), True)
    assert "0.70 s against 3.50 s" in first.note
    assert (overlay.value, overlay.met) == (pytest.approx(1.5), True)


def test_the_window(asked: list[str]) -> None:
    median, late = windows.slice_rows()
    assert (median.value, median.ratio, median.met) == (4.0, pytest.approx(4 / 3), True)
    assert (late.value, late.met) == (20.0, False)
    (away,) = windows.watchdog_rows()
    assert (away.value, away.met) == (51.0, False)
    (memory,) = windows.memory_rows()
    assert (memory.value, memory.met) == (400.0, True)
    (grown,) = windows.growth_rows()
    assert (grown.value, grown.met) == (pytest.approx(100 * (320 / 310 - 1)), True)


def test_napari_where_it_is_installed(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(napari.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(napari, "SLICES", 2)
    monkeypatch.setenv("DISPLAY", ":0")
    start, change, memory = napari.rows()
    assert (start.value, start.ratio, start.met) == (pytest.approx(0.8), pytest.approx(0.2), None)
    assert (change.value, change.ratio) == (3.0, pytest.approx(0.1))
    assert (memory.value, memory.rival_value) == (400.0, 500.0)
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(napari.sys, "platform", "linux")
    (row,) = napari.rows()
    assert "needs a display" in row.note


def test_what_is_not_there_is_a_row_that_says_so(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(napari.importlib.util, "find_spec", lambda name: None)
    (row,) = napari.rows()
    assert (row.value, row.note) == (None, "not installed here")

    def no_gpu(*_: str) -> None:
        raise EngineError("TensorFlow finds no GPU.")

    monkeypatch.setattr(scans, "load_models", no_gpu)
    (row,) = scans.gpu_rows()
    assert row.note.startswith("none here")


def test_predict_is_measured_both_ways(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ways: list[bool] = []
    monkeypatch.setattr(scans, "SERIES", 2)
    monkeypatch.setattr(scans, "predict_path", lambda path, options, *, overlapped: ways.append(overlapped))
    (row,) = scans.predict_rows()
    assert row.target == "at most 0.9 x"
    assert ways.count(True) == ways.count(False) == scans.ROUNDS


def test_made_scans_can_be_read(asked: list[str], tmp_path: Path) -> None:
    large = open_volume(scan(making.large_series(tmp_path, 3, 32)).series[0])
    assert large.shape == (3, 32, 32)
    assert large.plane == "axial"
    small = scan(making.small_scans(tmp_path / "small", 2, 3)).series
    assert [series.shape[0] for series in small] == [3, 3]
    assert small[0].key != small[1].key


def test_memory_is_told() -> None:
    assert 0 < resident_mb() <= peak_mb() < 100_000


@pytest.mark.parametrize("name", [*runner.GROUPS, *runner.PARTS])
def test_every_group_and_part_is_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    class Module:
        def __getattr__(self, function: str) -> Callable:
            assert function in source
            return lambda *_: called.append(function)

    def found(module: str, package: str) -> Module:
        nonlocal source
        source = (Path(runner.__file__).parent / f"{module[1:]}.py").read_text()
        return Module()

    source = ""
    monkeypatch.setattr(runner.importlib, "import_module", found)
    (runner.GROUPS | {f"part {part}": call for part, call in runner.PARTS.items()}).get(name, runner.PARTS.get(name))()
    assert len(called) == 1
    assert f"def {called[0]}(" in source


def test_the_watchdog_sees_what_is_in_the_way(qtbot: Callable) -> None:
    from brainviewer.bench.window import Watchdog, rest

    dog = Watchdog()
    rest(0.05)
    quiet = dog.longest_busy_s
    end = time.thread_time() + 0.2
    while time.thread_time() < end:
        pass
    rest(0.05)
    dog.close()
    assert quiet < 0.15
    assert dog.longest_busy_s >= 0.2
    assert dog.longest_s >= 0.2
