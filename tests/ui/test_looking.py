"""Windows, presets, zoom, the film of slices: by keys and mouse, and what of it is remembered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QListWidget, QToolButton

from brainviewer.imaging.volume import Window
from brainviewer.settings import Settings
from brainviewer.ui.app import Program
from brainviewer.ui.picture import picture_of
from brainviewer.ui.session import Session
from brainviewer.ui.tools.cine import Cine

from .conftest import SLICES, TIMEOUT_MS, FakeBackend, finished, make_series, make_volume
from .test_scan_panel import view_of, wheel
from .test_session import opened as as_opened
from .test_window import child, click, press


def placed_volume(key: str = "placed") -> Any:
    """Axial, with 1 x 0.5 mm pixels and a known place."""
    affine = np.diag([-0.5, -1.0, 5.0, 1.0])
    affine[:3, 3] = 10, 20, -30
    return replace(make_volume(key), affine=affine, plane="axial")


def show(qtbot: Any, program: Program, fake: FakeBackend, volume: Any) -> None:
    path = Path(f"/scans/{volume.key}")
    fake.listings[path] = [make_series(volume)]
    program.flow.open_path(path)
    qtbot.waitUntil(lambda: finished(program) and program.session.scan.series.key == volume.key, timeout=TIMEOUT_MS)


def test_presets_change_what_is_shown_and_a_goes_back(opened: Program) -> None:
    session = opened.session
    flair, auto = 1, session.scan.windows[1]
    seen = [session.windows]
    for key in ("Alt+1", "Alt+2", "Alt+3", "Alt+4", "Alt+5"):
        press(opened.window, key)
        seen.append(session.windows)
        assert [session.windows[n] == session.scan.windows[n] for n in (0, 2)] == [True, True], "only what is shown"
    assert len(set(seen)) == 5, "the automatic window of this scan is its full range"
    values = session.volume.voxels[..., flair]
    assert seen[1][flair] == Window(float(values.min()), float(values.max()))
    assert seen[2][flair].width > auto.width > seen[3][flair].width
    assert seen[4][flair].level > auto.level > seen[5][flair].level
    press(opened.window, "A")
    assert session.windows == session.scan.windows


def test_invert_turns_black_and_white_and_keeps_the_window(opened: Program) -> None:
    session = opened.session
    session.set_layers(overlay=False)
    session.drag_window(0.4, 0.1)
    before, picture = session.windows, picture_of(session)
    press(opened.window, "I")
    assert np.abs(picture.astype(int) + picture_of(session) - 255).max() <= 1
    assert session.windows[1].width == pytest.approx(before[1].width)
    press(opened.window, "Alt+2")
    assert session.windows[1].low > session.windows[1].high, "a preset stays inverted"
    level = session.windows[1].level
    session.drag_window(0, 0.25)
    assert session.windows[1].level < level
    press(opened.window, "A")
    assert session.windows == tuple(window.inverted for window in session.scan.windows)
    press(opened.window, "I")
    assert session.windows == session.scan.windows


def test_windows_are_remembered_by_kind_of_sequence(qapp: Any) -> None:
    first = Session()
    first.open(as_opened(make_volume()))
    first.drag_window(0.5, -0.2)
    kept = first.looks(Settings())
    assert [kind for kind, _, _ in kept.windows] == ["FLAIR"]
    volume = make_volume("brighter")
    doubled = replace(volume, voxels=(volume.voxels.astype(np.uint16) * 20))
    second = Session(kept)
    second.open(as_opened(doubled))
    auto = second.scan.windows
    assert second.windows[0] == auto[0]
    assert second.windows[1].width == pytest.approx(1.5 * auto[1].width), "in this scan's own units"
    assert second.windows[1].level == pytest.approx(auto[1].level + 0.2 * auto[1].width)
    second.reset_windows()
    third = Session(second.looks(kept))
    third.open(as_opened(doubled))
    assert third.windows == auto


def test_smooth_and_invert_are_remembered(qtbot: Any, opened: Program) -> None:
    press(opened.window, "S", "I")
    again = Program(opened.window.present_settings(), FakeBackend().backend())
    assert not again.session.layers.smooth
    assert again.session.inverted
    again.session.open(as_opened(make_volume()))
    assert again.session.windows[0].low > again.session.windows[0].high
    again.close()
    again.window.deleteLater()


def test_actual_size_is_one_pixel_on_one_pixel(qtbot: Any, opened: Program) -> None:
    view = view_of(opened)
    fitted = view.magnification()
    press(opened.window, "Ctrl+0")
    one = view.place_of((1, 1)) - view.place_of((0, 0))
    assert (one.x(), one.y()) == pytest.approx((1, 1), abs=1e-3)
    press(opened.window, "Ctrl+-")
    assert view.magnification() < fitted, "zooming out does not jump to a larger picture"
    press(opened.window, "F")
    assert view.magnification() == pytest.approx(fitted)


def test_the_place_under_the_pointer_is_in_mm_and_voxels(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    show(qtbot, program, fake, placed_volume())
    view, session = view_of(program), program.session
    session.set_slice(8)
    qtbot.mouseMove(view, view.place_of((30.5, 20.5)).toPoint())
    value = session.volume[8][30, 20, 1]
    qtbot.waitUntil(lambda: len(view._corners["bottom_left"]) == 3, timeout=TIMEOUT_MS)
    assert view._corners["bottom_left"][:2] == ("R 0.0   P 10.0   H 10.0 mm", f"x 20, y 30: {value}")
    extent = view._extent()
    assert (extent.width(), extent.height()) == (24.0, 64.0)
    assert view._letters == ("R", "L", "A", "P")


def test_the_film_plays_round_the_end_until_someone_scrolls(qtbot: Any, opened: Program) -> None:
    session, seen = opened.session, []
    session.set_slice(SLICES - 2)
    session.slice_changed.connect(seen.append)
    opened.window.tool(Cine)._set_speed(60)
    press(opened.window, "P")
    qtbot.waitUntil(lambda: len(seen) >= 4, timeout=TIMEOUT_MS)
    assert seen[:4] == [SLICES - 1, 0, 1, 2]
    assert child(opened.window, QAction, "playAction").isChecked()
    wheel(view_of(opened), -1)
    assert not child(opened.window, QAction, "playAction").isChecked()
    assert "Play" in child(opened.window, QToolButton, "playButton").toolTip()


def test_the_films_speed_is_set_and_kept(qtbot: Any, opened: Program) -> None:
    speed = child(opened.window, QToolButton, "speedButton")
    assert speed.text() == "10 / s"
    press(opened.window, ".", ".", ",")
    assert speed.text() == "15 / s"
    speed.menu().actions()[0].trigger()
    assert speed.text() == "1 / s"
    assert opened.window.present_settings().slices_per_s == 1
    click(qtbot, opened.window, QToolButton, "playButton")
    assert child(opened.window, QAction, "playAction").isChecked()
    press(opened.window, "Ctrl+W")
    assert not child(opened.window, QAction, "playAction").isChecked()
    assert not child(opened.window, QToolButton, "playButton").isEnabled()


def test_rows_of_the_list_say_the_likeliest_sequence(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    flair = replace(make_series(make_volume("a")), sequence="FLAIR", channels=("grey",), description="AX " + "very " * 20 + "long")
    fake.listings[Path("/scans/kinds")] = [flair, make_series(make_volume("b"))]
    program.flow.open_path(Path("/scans/kinds"))
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    series = child(program.window, QListWidget, "seriesList")
    assert f"FLAIR, {SLICES} slices" in series.item(0).text()
    assert f"3 sequences, {SLICES} slices" in series.item(1).text()
    assert flair.description in series.item(0).toolTip()


def test_presets_of_values_that_are_all_the_same(qapp: Any) -> None:
    session = Session()
    flat = make_volume("flat")
    session.open(as_opened(replace(flat, voxels=np.zeros_like(flat.voxels))))
    for name in ("full", "soft", "hard", "bright", "dark"):
        session.use_preset(name)
        assert picture_of(session).max() == 0 or name == "soft"
        assert session.windows[1].width > 0
