"""One slice on screen while the others are read: at once, where it will stay, and gone again where nothing comes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QListWidget, QSlider

from brainviewer.errors import ReadError
from brainviewer.formats.series import Series
from brainviewer.imaging import render
from brainviewer.imaging.volume import Volume
from brainviewer.ui import jobs
from brainviewer.ui.app import Program
from brainviewer.ui.picture import picture_of
from brainviewer.ui.state import Phase

from .conftest import SLICES, TIMEOUT_MS, FakeBackend, finished, make_series, make_volume
from .test_window import child, press, text


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PREVIEW_AFTER_S", 0.0)


class Slow:
    """A series that is read when it is let; until then its middle slice can be had."""

    def __init__(self, key: str, slices: int = SLICES, error: Exception | None = None) -> None:
        self.volume = make_volume(key, slices)
        self.let, self.error = threading.Event(), error
        self.series: Series = make_series(self.volume, self._read)

    def _read(self, progress: Callable[[int, int], None]) -> Volume:
        while not self.let.wait(0.01):
            progress(1, len(self.volume))
        if self.error is not None:
            raise self.error
        return self.volume


@pytest.fixture
def slow(fake: FakeBackend) -> Any:
    one = Slow("slow", 9)
    fake.listings[Path("/scans/slow")] = [one.series]
    yield one
    one.let.set()


def previewed(program: Program, key: str = "slow") -> Callable[[], bool]:
    return lambda: program.session.preview is not None and program.session.preview.series.key == key


def test_the_first_slice_is_there_before_the_rest(qtbot: Any, program: Program, slow: Slow) -> None:
    program.flow.open_path(Path("/scans/slow"))
    qtbot.waitUntil(previewed(program), timeout=TIMEOUT_MS)
    session, panel = program.session, program.window.stage.scan
    assert session.scan is None
    assert panel.isVisible()
    slider = child(program.window, QSlider, "sliceSlider")
    assert (slider.value(), slider.maximum(), slider.isEnabled()) == (4, 8, False)
    before = picture_of(session)
    extent = panel.view._extent()
    windows = session.windows_of(session.preview)
    assert np.array_equal(before, render.background(slow.volume, 4, windows, session.show))
    slow.let.set()
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert session.preview is None
    assert session.z == 4
    assert panel.view._extent() == extent
    after = render.background(session.volume, 4, session.windows, session.show)
    assert np.abs(after.astype(int) - before).mean() < 4  # the contrast does not jump either
    assert slider.isEnabled()


def test_a_scan_on_screen_makes_room_and_comes_back(qtbot: Any, opened: Program, slow: Slow, fake: FakeBackend) -> None:
    session = opened.session
    before, runs = session.result, len(fake.analysed)
    opened.flow.open_path(Path("/scans/slow"))
    qtbot.waitUntil(previewed(opened), timeout=TIMEOUT_MS)
    assert session.volume is None
    assert text(opened.window, "verdictLabel") == ""
    assert not child(opened.window, QAction, "exportAction").isEnabled()
    press(opened.window, "Esc")
    qtbot.waitUntil(lambda: session.preview is None, timeout=TIMEOUT_MS)
    assert session.scan.series.key == "scan"
    assert session.result.predictions == before.predictions
    assert len(fake.analysed) == runs  # its answers were kept
    qtbot.waitUntil(lambda: opened.flow.busy is None, timeout=TIMEOUT_MS)


def test_a_scan_comes_back_as_it_was_zoomed(qtbot: Any, opened: Program, slow: Slow) -> None:
    view = opened.window.stage.scan.view
    view.zoom(3.0, QPointF(view.width() * 0.4, view.height() * 0.7))
    corners = [view.point_at(QPointF(0, 0)), view.point_at(QPointF(view.width(), view.height()))]
    opened.flow.open_path(Path("/scans/slow"))
    qtbot.waitUntil(previewed(opened), timeout=TIMEOUT_MS)
    assert view.magnification() == pytest.approx(1)
    view.zoom(2.0)
    press(opened.window, "Esc")
    qtbot.waitUntil(lambda: opened.session.scan is not None, timeout=TIMEOUT_MS)
    assert [view.point_at(QPointF(0, 0)), view.point_at(QPointF(view.width(), view.height()))] == [pytest.approx(corner) for corner in corners]


def test_a_preview_keeps_its_zoom_when_the_rest_arrives(qtbot: Any, opened: Program, slow: Slow) -> None:
    view = opened.window.stage.scan.view
    view.zoom(3.0)
    opened.flow.open_path(Path("/scans/slow"))
    qtbot.waitUntil(previewed(opened), timeout=TIMEOUT_MS)
    view.zoom(2.0, QPointF(50, 60))
    corner = view.point_at(QPointF(0, 0))
    slow.let.set()
    qtbot.waitUntil(lambda: finished(opened), timeout=TIMEOUT_MS)
    assert opened.session.scan.series.key == "slow"
    assert view.magnification() == pytest.approx(2)
    assert view.point_at(QPointF(0, 0)) == pytest.approx(corner)
    opened.flow.open_path(Path("/scans/scan"))
    qtbot.waitUntil(lambda: finished(opened) and opened.session.scan.series.key == "scan", timeout=TIMEOUT_MS)
    assert view.magnification() == pytest.approx(1), "another scan comes whole"


def test_an_unfinished_analysis_goes_on_after_a_scan_that_cannot_be_read(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    broken = Slow("broken", error=ReadError('"a.tif" could not be read: it is cut short.'))
    fake.listings[Path("/scans/broken")] = [broken.series]
    fake.gate.clear()
    program.flow.open_path(Path("/scans/scan"))
    qtbot.waitUntil(lambda: program.flow.analysing, timeout=TIMEOUT_MS)
    program.flow.open_path(Path("/scans/broken"))
    qtbot.waitUntil(previewed(program, "broken"), timeout=TIMEOUT_MS)
    assert program.session.analysis.phase is Phase.NONE
    broken.let.set()
    fake.gate.set()
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert program.session.scan.series.key == "scan"
    assert "cut short" in text(program.window, "messageSentence")


def test_what_a_stopped_analysis_found_is_kept(qtbot: Any, program: Program, slow: Slow, fake: FakeBackend) -> None:
    session, flow = program.session, program.flow
    fake.gate.clear()
    fake.free = 3
    flow.open_path(Path("/scans/scan"))
    qtbot.waitUntil(lambda: session.analysis.done == 3, timeout=TIMEOUT_MS)
    flow.cancel()
    qtbot.waitUntil(lambda: session.analysis.phase is Phase.STOPPED, timeout=TIMEOUT_MS)
    session.set_slice(2)
    before = session.analysis, session.predictions, session.z
    flow.open_path(Path("/scans/slow"))
    qtbot.waitUntil(previewed(program), timeout=TIMEOUT_MS)
    press(program.window, "Esc")
    qtbot.waitUntil(lambda: session.preview is None, timeout=TIMEOUT_MS)
    assert (session.analysis, session.predictions, session.z) == before
    assert not flow.analysing, "someone stopped it"


def test_an_analysis_begun_by_hand_goes_on_too(qtbot: Any, program: Program, slow: Slow, fake: FakeBackend) -> None:
    session, flow = program.session, program.flow
    flow.analyse_on_open = False
    fake.gate.clear()
    flow.open_path(Path("/scans/scan"))
    qtbot.waitUntil(lambda: session.scan is not None, timeout=TIMEOUT_MS)
    flow.analyse()
    flow.open_path(Path("/scans/slow"))
    qtbot.waitUntil(previewed(program), timeout=TIMEOUT_MS)
    press(program.window, "Esc")
    fake.gate.set()
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert session.scan.series.key == "scan"
    flow.open_path(Path("/scans/slow"))
    slow.let.set()
    qtbot.waitUntil(lambda: session.scan is not None and session.scan.series.key == "slow", timeout=TIMEOUT_MS)
    assert session.analysis.phase is Phase.NONE, "this one nobody asked for"


def test_the_row_that_was_chosen_stays_marked(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    second = Slow("second")
    fake.listings[Path("/scans/two")][1] = second.series
    program.flow.open_path(Path("/scans/two"))
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    rows = child(program.window, QListWidget, "seriesList")
    rows.setCurrentRow(1)
    qtbot.waitUntil(previewed(program, "second"), timeout=TIMEOUT_MS)
    assert rows.currentRow() == 1
    program.flow.open_path(Path("/scans/scan"))  # someone cannot wait
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert program.session.scan.series.key == "scan"
    second.let.set()


def test_closing_takes_the_preview_along(qtbot: Any, program: Program, slow: Slow) -> None:
    program.flow.open_path(Path("/scans/slow"))
    qtbot.waitUntil(previewed(program), timeout=TIMEOUT_MS)
    program.flow.close_scan()
    assert program.session.preview is None
    assert not program.window.stage.scan.isVisible()


def test_what_cannot_be_peeked_at_just_waits(qtbot: Any, program: Program, slow: Slow, fake: FakeBackend) -> None:
    def fails(z: int) -> np.ndarray:
        raise ReadError("It cannot be read.")

    for peek in (None, fails):
        slow.let.clear()
        fake.listings[Path("/scans/slow")] = [replace(slow.series, peek=peek)]
        program.flow.open_path(Path("/scans/slow"))
        qtbot.waitUntil(lambda: program.flow.busy is not None and program.flow.busy.total == 9, timeout=TIMEOUT_MS)
        assert program.session.preview is None
        slow.let.set()
        qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
        program.flow.close_scan()


def test_the_window_is_the_files(fake: FakeBackend) -> None:
    grey = make_volume()
    grey = replace(grey, voxels=grey.voxels[..., :1], channels=("grey",))
    series = make_series(grey)
    assert jobs.preview_of(None, replace(series, window=(10.0, 90.0))).windows[0].low == 10
    assert jobs.preview_of(None, replace(series, window=(5000.0, 9000.0))).windows[0].high < 300  # it would be black
    assert jobs.preview_of(None, replace(series, peek=None)) is None
