"""Numbers and lines on the scan: true of what is shown, measured beside the window, moved by the mouse."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QCheckBox, QLabel, QPushButton, QToolButton, QWidget

from brainviewer.imaging.measure import dice, line_mm, measure
from brainviewer.ui import jobs
from brainviewer.ui.app import Program
from brainviewer.ui.editing import Drawing
from brainviewer.ui.tools.drawing import Drawings
from brainviewer.ui.tools.measuring import Measurements

from .conftest import TIMEOUT_MS, TUMOUR, FakeBackend, finished, make_series, make_volume
from .test_scan_panel import drag, view_of
from .test_window import child, click, press, text

SPACING = (5.0, 1.0, 0.5)


@pytest.fixture
def sized(qtbot: Any, program: Program, fake: FakeBackend) -> Program:
    """A scan whose pixels are 1 x 0.5 mm, measured."""
    path = Path("/scans/sized")
    fake.listings[path] = [make_series(make_volume("sized", spacing=SPACING))]
    program.flow.open_path(path)
    settled(qtbot, program)
    return program


def settled(qtbot: Any, program: Program) -> None:
    """Until everything is analysed and what is shown has been measured."""
    qtbot.waitUntil(lambda: finished(program) and is_measured(program), timeout=TIMEOUT_MS)


def is_measured(program: Program) -> bool:
    measured, session = program.session.measured, program.session
    return measured is not None and measured.measures.areas_px == tuple(area or 0 for area in session.areas)


def lines(program: Program) -> Any:
    return program.window.tool(Measurements).calipers


def test_the_numbers_are_those_of_what_is_shown(qtbot: Any, sized: Program) -> None:
    session = sized.session
    for threshold in (0.4, 0.8):
        session.set_style(threshold=threshold)
        settled(qtbot, sized)
        expected = measure(session.whole_mask(), SPACING, 2.5)
        found = expected.diameters
        assert session.measured.measures == expected
        assert text(sized.window, "longestLabel") == f"{found.longest_mm:.0f} mm"
        assert text(sized.window, "acrossLabel") == f"{found.perpendicular_mm:.0f} mm"
        assert text(sized.window, "lesionsLabel") == str(expected.lesions) == "2"
        assert f"{expected.volume_ml:.1f} ml" in text(sized.window, "sizeLabel")
        assert f"slice {found.z + 1}" in text(sized.window, "sizeLabel")
        assert text(sized.window, "diceLabel") == f"{dice(session.whole_mask(), session.volume.reference):.2f}"
    low, high = session.measured.range_ml
    assert low < high
    assert f"({low:.1f} to {high:.1f} ml" in text(sized.window, "sizeLabel")


def test_the_volume_follows_the_slider_at_once(sized: Program) -> None:
    before = text(sized.window, "sizeLabel")
    sized.session.set_style(threshold=0.95)
    assert text(sized.window, "sizeLabel").split(" ml")[0] != before.split(" ml")[0], "without waiting for the diameters"


def test_what_is_drawn_by_hand_is_measured(qtbot: Any, sized: Program) -> None:
    mask = np.zeros(sized.session.volume.shape[1:], bool)
    mask[10:50, 4:44] = True
    sized.session.put_edit(0, mask)
    settled(qtbot, sized)
    found = sized.session.measured.measures
    assert found.areas_px[0] == 1600
    assert found.lesions == 3
    assert (found.diameters.z, round(found.diameters.longest_mm, 2)) == (0, round(float(np.hypot(40, 20)), 2))
    sized.session.put_edit(0, None)
    settled(qtbot, sized)
    assert sized.session.measured.measures.lesions == 2


def test_measuring_leaves_the_windows_thread_alone(qtbot: Any, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    real = jobs.measure_scan

    def spy(*args: Any) -> Any:
        threads.append(threading.current_thread())
        return real(*args)

    monkeypatch.setattr(jobs, "measure_scan", spy)
    program.flow.open_path(Path("/scans/scan"))
    settled(qtbot, program)
    assert threads
    assert threading.main_thread() not in threads


def test_the_ends_of_a_diameter_can_be_dragged(qtbot: Any, sized: Program) -> None:
    view, calipers, session = view_of(sized), lines(sized), sized.session
    session.set_slice(0)
    assert calipers.lines() == ()
    click(qtbot, sized.window, QPushButton, "diameterSliceButton")
    assert session.z == session.measured.measures.diameters.z
    longest = calipers.lines()[0]
    windows, start = session.windows, view.place_of(longest.ends[0])
    drag(qtbot, view, Qt.MouseButton.LeftButton, start.toPoint(), (start + QPoint(20, 30)).toPoint())
    moved = calipers.lines()[0]
    assert session.windows == windows, "the drag is the line's, not the window's"
    assert moved.ends[1] == longest.ends[1]
    assert view.place_of(moved.ends[0]).toPoint() == (start + QPoint(20, 30)).toPoint() or moved.ends[0] != longest.ends[0]
    assert text(sized.window, "longestLabel") == f"{line_mm(moved.ends, SPACING):.1f} mm by hand"
    click(qtbot, sized.window, QToolButton, "clearLinesButton")
    assert calipers.lines()[0].ends == longest.ends
    click(qtbot, sized.window, QCheckBox, "diametersBox")
    assert calipers.lines() == ()
    press(sized.window, "Shift+D")
    assert len(calipers.lines()) == 2


def test_a_ruler_is_laid_by_pulling_a_line(qtbot: Any, sized: Program) -> None:
    view, calipers, session = view_of(sized), lines(sized), sized.session
    session.set_slice(1)
    press(sized.window, "D")
    assert child(sized.window, QToolButton, "rulerButton").isChecked()
    a, b = view.place_of((10, 10)).toPoint(), view.place_of((40, 30)).toPoint()
    drag(qtbot, view, Qt.MouseButton.LeftButton, a, b)
    (ruler,) = calipers.lines()
    assert line_mm(ruler.ends, SPACING) == pytest.approx(np.hypot(30 * 1.0, 20 * 0.5), abs=0.5)
    assert calipers.words(ruler) == f"{line_mm(ruler.ends, SPACING):.1f} mm"
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=view.place_of((50, 40)).toPoint())
    assert calipers.lines() == (ruler,), "a click lays nothing"
    session.set_slice(2)
    assert calipers.lines() == (), "it belongs to its slice"
    session.set_slice(1)
    press(sized.window, "Esc")
    assert not calipers.laying
    drag(qtbot, view, Qt.MouseButton.LeftButton, b, b + QPoint(12, 0))
    assert calipers.lines()[0] != ruler, "its ends can still be dragged"
    press(sized.window, "D")
    qtbot.mouseClick(view, Qt.MouseButton.RightButton, pos=a)
    assert calipers.lines() == ()


def test_only_one_tool_is_in_hand(qtbot: Any, sized: Program) -> None:
    calipers, editing = lines(sized), sized.window.tool(Drawings).editing
    qtbot.waitUntil(lambda: editing.possible, timeout=TIMEOUT_MS)
    press(sized.window, "D", "B")
    assert (calipers.laying, editing.pen.drawing) == (False, Drawing.BRUSH)
    z = sized.session.measured.measures.diameters.z
    sized.session.set_slice(z)
    view, end = view_of(sized), calipers.lines()[0]
    drag(qtbot, view, Qt.MouseButton.LeftButton, view.place_of(end.ends[0]).toPoint(), view.place_of(end.ends[1]).toPoint())
    assert not calipers.moved, "the brush draws over the lines' ends"
    assert z in sized.session.edited
    press(sized.window, "D")
    assert (calipers.laying, editing.pen.drawing) == (True, Drawing.NONE)
    press(sized.window, "Ctrl+W")
    assert not calipers.laying


def test_without_a_spacing_there_are_no_millimetres(qtbot: Any, opened: Program) -> None:
    settled(qtbot, opened)
    view, window = view_of(opened), opened.window
    assert text(window, "longestLabel") == text(window, "acrossLabel") == "\u2013"
    assert not child(window, QPushButton, "diameterSliceButton").isVisible()
    assert text(window, "lesionsLabel") == "2"
    assert text(window, "centreLabel").startswith(f"slice {round(np.mean(np.nonzero(opened.session.whole_mask())[0])) + 1}, x ")
    press(window, "D")
    drag(qtbot, view, Qt.MouseButton.LeftButton, view.place_of((10, 10)).toPoint(), view.place_of((40, 10)).toPoint())
    (ruler,) = lines(opened).lines()
    assert lines(opened).words(ruler).endswith(" pixels")
    assert "mm" not in "".join(label.text() for label in window.findChild(QWidget, "resultPanel").findChildren(QLabel) if "ruler" not in label.text())


def test_lines_are_drawn_over_the_scan(sized: Program) -> None:
    view, session = view_of(sized), sized.session
    session.set_slice(TUMOUR[0])
    session.set_slice(session.measured.measures.diameters.z)
    shown = view.grab().toImage()
    press(sized.window, "Shift+D")
    assert view.grab().toImage() != shown


def test_no_number_makes_a_panel_wider(qtbot: Any, opened: Program) -> None:
    settled(qtbot, opened)
    for side in (opened.window.stage.left, opened.window.stage.right):
        assert side.overhang == 0
    opened.session.assume_spacing((5.125, 0.9375, 0.9375))
    settled(qtbot, opened)
    press(opened.window, "D")
    qtbot.waitUntil(lambda: "assumed" in text(opened.window, "longestLabel"), timeout=TIMEOUT_MS)
    calipers = lines(opened)
    calipers.move(calipers.diameters[0], 0, (-100.0, 3.0))
    assert text(opened.window, "longestLabel").endswith("by hand")
    qtbot.waitUntil(lambda: opened.window.stage.right.overhang == 0, timeout=TIMEOUT_MS)


def test_the_second_pass_does_not_put_measuring_off(qtbot: Any, sized: Program) -> None:
    session, timer = sized.session, sized.measuring._settle
    assert not timer.isActive()
    for z in (0, 1, 2):
        session.put_prediction(replace(session.predictions[z], seconds=9.0))
    assert not timer.isActive(), "what was empty is empty"
    session.put_prediction(replace(session.predictions[TUMOUR[0]], seconds=9.0))
    assert timer.isActive()
    settled(qtbot, sized)
    qtbot.waitUntil(lambda: not timer.isActive(), timeout=TIMEOUT_MS)
