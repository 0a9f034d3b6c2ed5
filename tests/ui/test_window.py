"""The road from a folder to a verdict, by mouse and keys."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QCheckBox, QLabel, QListWidget, QPushButton, QSlider, QToolButton, QWidget

from brainviewer import settings as settings_store
from brainviewer.errors import BundleError, EngineError
from brainviewer.imaging.prediction import BLUISH_GREEN
from brainviewer.settings import Settings
from brainviewer.ui import jobs, menus, palette
from brainviewer.ui.app import Alarm, Keeper, Program
from brainviewer.ui.flow import outward
from brainviewer.ui.main_window import MainWindow
from brainviewer.ui.state import Phase
from brainviewer.ui.tools.tool import NO_MENU

from .conftest import SLICES, TIMEOUT_MS, TUMOUR, Dialogs, FakeBackend, finished, make_series, make_volume

SCAN, TWO = Path("/scans/scan"), Path("/scans/two")


def child(window: MainWindow, kind: type, name: str) -> Any:
    found = window.findChild(kind, name)
    assert found is not None, name
    return found


def text(window: MainWindow, name: str) -> str:
    return child(window, QLabel, name).text()


def click(qtbot: Any, window: MainWindow, kind: type, name: str) -> None:
    qtbot.mouseClick(child(window, kind, name), Qt.MouseButton.LeftButton)


def press(window: MainWindow, *keys: str) -> None:
    """Keys as a person presses them: to whatever has the focus."""
    for key in keys:
        QTest.keySequence(window, key)


# --- names that others rely on


NAMES = [
    "sliceView",
    "sliceSlider",
    "detectionStrip",
    "seriesList",
    "opacitySlider",
    "thresholdSlider",
    "colourButton",
    "outlineBox",
    "showOverlayBox",
    "heatmapBox",
    "verdictLabel",
]
ACTIONS = ["analyseAction", "cancelAction", "openFileAction", "openFolderAction", "exportAction"]


def test_everything_has_its_name(window: MainWindow) -> None:
    for name in NAMES:
        assert window.findChild(QWidget, name) is not None, name
    for name in ACTIONS:
        assert window.findChild(QAction, name) is not None, name


def test_every_action_is_in_a_menu_and_names_its_key(window: MainWindow) -> None:
    in_menus = {action.objectName() for menu in window.menuBar().actions() for action in menus.actions_in(menu.menu())}
    named = [command for tool in window._tools for command in tool.commands() if command.menu != NO_MENU and command.fill is None]
    assert len(named) > 30
    for command in named:
        action = child(window, QAction, command.name)
        assert command.name in in_menus
        if command.keys:
            assert menus.key_words(action.shortcuts()) in action.toolTip()


def test_no_key_is_given_twice(window: MainWindow) -> None:
    keys = [key.toString() for action in window.findChildren(QAction) for key in action.shortcuts()]
    assert len(keys) == len(set(keys))


def test_controls_say_what_they_are(window: MainWindow) -> None:
    for kind in (QSlider, QToolButton, QListWidget):
        for widget in window.findChildren(kind):
            if not widget.objectName().startswith("qt_"):
                assert widget.accessibleName() or getattr(widget, "text", lambda: "")(), widget.objectName()


def test_the_research_line_is_always_there(qtbot: Any, opened: Program) -> None:
    for _ in range(2):
        label = child(opened.window, QLabel, "researchLabel")
        assert label.isVisible()
        assert label.text() == "Research use only. Not for diagnosis."
        opened.flow.close_scan()


# --- opening and analysing


def test_start_page_to_verdict(qtbot: Any, program: Program, dialogs: Dialogs, fake: FakeBackend) -> None:
    window = program.window
    assert child(window, QWidget, "startPage").isVisible()
    dialogs.answer = SCAN
    click(qtbot, window, QPushButton, "openFolderButton")
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert child(window, QWidget, "sliceView").isVisible()
    assert text(window, "verdictLabel") == f"Tumour found in {len(TUMOUR)} of {SLICES} slices"
    assert fake.analysed == outward(SLICES // 2, SLICES)
    assert sorted(fake.refined) == [z for z in range(SLICES) if z not in TUMOUR]
    assert text(window, "engineLabel") == "ONNX Runtime, CPU, float32. No GPU is used: this computer shows no NVIDIA driver."
    assert window.windowTitle().startswith("scan")
    assert child(window, QSlider, "thresholdSlider").value() == 40, "the models' own threshold"


def test_an_unfinished_analysis_says_so(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    fake.gate.clear()
    fake.free = 5
    window = program.window
    program.flow.open_path(SCAN)
    qtbot.waitUntil(lambda: text(window, "verdictLabel") == f"Analysing 5 of {SLICES}", timeout=TIMEOUT_MS)
    assert text(window, "sliceVerdictLabel") == "Tumour"
    assert "Provisional" in text(window, "sliceFactsLabel")
    assert child(window, QWidget, "detectionStrip").bars[6].provisional
    program.session.set_slice(0)
    assert text(window, "sliceVerdictLabel") == "Waiting for its turn"
    qtbot.waitUntil(lambda: child(window, QPushButton, "cancelButton").isVisible(), timeout=TIMEOUT_MS)
    assert "Analysing" in text(window, "progressLabel")
    with qtbot.waitSignal(program.session.analysis_changed, timeout=TIMEOUT_MS):
        click(qtbot, window, QPushButton, "cancelButton")
    assert text(window, "verdictLabel") == f"Stopped at 5 of {SLICES}"
    assert sum(p is not None for p in program.session.predictions) == 5, "what is finished is kept"
    assert program.session.prediction is None
    assert text(window, "sliceVerdictLabel") == "Not analysed yet"
    fake.gate.set()
    click(qtbot, window, QPushButton, "analyseButton")
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)


def test_escape_stops_the_analysis(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    fake.gate.clear()
    program.flow.open_path(SCAN)
    qtbot.waitUntil(lambda: program.flow.analysing, timeout=TIMEOUT_MS)
    with qtbot.waitSignal(program.session.analysis_changed, timeout=TIMEOUT_MS):
        press(program.window, "Esc")
    assert program.session.analysis.phase is Phase.STOPPED


def test_escape_stops_one_thing_at_a_time(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    fake.gate.clear()
    program.flow.open_path(SCAN)
    qtbot.waitUntil(lambda: program.flow.analysing, timeout=TIMEOUT_MS)
    reading = threading.Event()

    def endless(progress: Any) -> Any:
        reading.set()
        while True:
            progress(1, 2)

    fake.listings[TWO] = [make_series(make_volume("endless"), endless)]
    program.flow.open_path(TWO)
    qtbot.waitUntil(reading.is_set, timeout=TIMEOUT_MS)
    with qtbot.waitSignal(program.flow.open_failed, timeout=TIMEOUT_MS):
        press(program.window, "Esc")
    assert program.flow.analysing, "the analysis of the scan on screen goes on"
    assert program.session.scan.series.key == "scan"
    with qtbot.waitSignal(program.session.analysis_changed, timeout=TIMEOUT_MS):
        press(program.window, "Esc")
    assert program.session.analysis.phase is Phase.STOPPED


def test_another_scan_drops_late_answers(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    fake.gate.clear()
    fake.free = 3
    program.flow.open_path(SCAN)
    qtbot.waitUntil(lambda: program.session.analysis.done == 3, timeout=TIMEOUT_MS)
    seen: list[int] = []
    program.session.prediction_changed.connect(lambda p: seen.append(len(program.session.predictions)) if p is not None else None)
    fake.listings[Path("/scans/small")] = [make_series(make_volume("small", 5, (1,)))]
    program.flow.open_path(Path("/scans/small"))
    qtbot.waitUntil(lambda: program.session.scan.series.key == "small", timeout=TIMEOUT_MS)
    fake.gate.set()
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert set(seen) == {5}
    assert text(program.window, "verdictLabel") == "Tumour found in 1 of 5 slices"


def test_analysis_waits_where_the_user_wants_that(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    child(program.window, QAction, "analyseOnOpenAction").trigger()
    program.flow.open_path(SCAN)
    qtbot.waitUntil(lambda: program.session.scan is not None, timeout=TIMEOUT_MS)
    assert text(program.window, "verdictLabel") == "Not analysed yet"
    assert fake.analysed == []
    press(program.window, "F5")
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)


def test_series_are_chosen_in_the_list(qtbot: Any, program: Program) -> None:
    window = program.window
    program.flow.open_path(TWO)
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    series = child(window, QListWidget, "seriesList")
    assert [series.item(row).text() for row in range(2)] == [
        f"first, 3 sequences, {SLICES} slices, {len(TUMOUR)} found",
        "second, 3 sequences, 8 slices",
    ]
    qtbot.waitUntil(lambda: not series.item(1).icon().isNull(), timeout=TIMEOUT_MS)
    rect = series.visualItemRect(series.item(1))
    qtbot.mouseClick(series.viewport(), Qt.MouseButton.LeftButton, pos=rect.center())
    qtbot.waitUntil(lambda: finished(program) and program.session.scan.series.key == "second", timeout=TIMEOUT_MS)
    assert text(window, "verdictLabel") == "No tumour found in 8 of 8 slices"
    assert series.item(1).text() == "second, 3 sequences, 8 slices, none found"


def test_the_second_pass_of_a_scan_is_kept_when_one_comes_back(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    program.flow.open_path(TWO)
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    first, second = program.session.listing.series
    for series in (second, first):
        program.flow.open_series(series)
        qtbot.waitUntil(lambda series=series: finished(program) and program.session.scan.series is series, timeout=TIMEOUT_MS)
    assert len(fake.analysed) == SLICES + 8, "nothing was computed twice"


# --- errors


def test_what_cannot_be_opened_leaves_the_scan_on_screen(qtbot: Any, opened: Program) -> None:
    window = opened.window
    opened.flow.open_path(Path("/scans/missing"))
    qtbot.waitUntil(lambda: child(window, QWidget, "messageBar").isVisible(), timeout=TIMEOUT_MS)
    assert text(window, "messageSentence") == '"missing" does not exist.'
    assert text(window, "messageHint") == "Check the name."
    assert opened.session.scan.series.key == "scan"
    assert opened.session.result is not None
    press(window, "Esc")
    assert not child(window, QWidget, "messageBar").isVisible()


def test_a_series_that_cannot_be_read_gives_way_to_the_next(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    def broken(progress: object) -> Any:
        raise BundleError('"a.tif" is cut short.')

    fake.listings[TWO] = [make_series(make_volume("broken"), broken), make_series(make_volume("whole"))]
    program.flow.open_path(TWO)
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert program.session.scan.series.key == "whole"
    assert text(program.window, "messageSentence") == '"a.tif" is cut short.'
    program.flow.open_series(program.session.listing.series[0])
    with qtbot.waitSignal(program.flow.open_failed, timeout=TIMEOUT_MS):
        pass
    assert program.session.scan.series.key == "whole"
    assert child(program.window, QListWidget, "seriesList").currentRow() == 1


def test_models_that_fail_are_said_and_can_be_tried_again(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    fake.models_error = BundleError('The model "classify-1.0.0" is damaged.', "Install brainviewer again.")
    program.flow.open_path(SCAN)
    qtbot.waitUntil(lambda: program.session.analysis.phase is Phase.FAILED, timeout=TIMEOUT_MS)
    assert text(program.window, "verdictLabel") == f"Analysis failed at 0 of {SLICES}"
    assert text(program.window, "messageSentence") == 'The model "classify-1.0.0" is damaged.'
    fake.models_error = None
    click(qtbot, program.window, QPushButton, "messageChoice0")
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)


def test_a_failure_in_the_middle_keeps_what_is_finished(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    fake.free, fake.analysis_error = 4, EngineError("The engine stopped.")
    program.flow.open_path(SCAN)
    qtbot.waitUntil(lambda: program.session.analysis.phase is Phase.FAILED, timeout=TIMEOUT_MS)
    assert text(program.window, "verdictLabel") == f"Analysis failed at 4 of {SLICES}"
    assert sum(p is not None for p in program.session.predictions) == 4


def test_settings_that_cannot_be_saved_are_said_once(qtbot: Any, program: Program, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    (home / "settings.json").mkdir()
    keeper = Keeper(program.flow)
    with qtbot.waitSignal(program.flow.messaged, timeout=TIMEOUT_MS):
        keeper.keep(Settings())
    with qtbot.assertNotEmitted(program.flow.messaged):
        keeper.keep(Settings())


def test_notes_of_the_analysis_are_said(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    fake.notes = ("The GPU failed; the analysis went on on the CPU.",)
    program.flow.open_path(SCAN)
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert text(program.window, "messageSentence") == fake.notes[0]
    assert text(program.window, "verdictLabel").startswith("Tumour found")


def test_what_must_not_be_analysed_is_not(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    why = "This is a mosaic of slices, not a scan."
    fake.listings[TWO] = [make_series(replace(make_volume("mosaic"), refusal=why))]
    program.flow.open_path(TWO)
    qtbot.waitUntil(lambda: program.session.scan is not None, timeout=TIMEOUT_MS)
    assert text(program.window, "verdictLabel") == "Not analysed"
    assert text(program.window, "sizeLabel") == why
    assert not child(program.window, QPushButton, "analyseButton").isVisible()
    press(program.window, "F5")
    assert fake.analysed == []


@pytest.mark.parametrize("in_thread", [False, True])
def test_what_nobody_caught_is_logged_and_said(qtbot: Any, window: MainWindow, caplog: pytest.LogCaptureFixture, in_thread: bool) -> None:
    alarm = Alarm(window)

    def fail() -> None:
        try:
            raise KeyError("inner detail")
        except KeyError as error:
            alarm.hook(type(error), error, error.__traceback__)

    if in_thread:
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    else:
        fail()
    qtbot.waitUntil(lambda: child(window, QWidget, "messageBar").isVisible(), timeout=TIMEOUT_MS)
    assert text(window, "messageSentence") == "Unexpected error."
    assert "inner detail" in caplog.text


# --- keys


def test_keys_for_slices(qtbot: Any, opened: Program) -> None:
    session = opened.session
    where = []
    for key in ("Home", "Right", "Down", "Left", "PgDown", "PgUp", "Up", "End", "N", "Shift+N"):
        press(opened.window, key)
        where.append(session.z)
    assert where == [0, 1, 2, 1, 6, 1, 0, SLICES - 1, TUMOUR[0], TUMOUR[-1]]


def test_keys_for_looks(qtbot: Any, opened: Program) -> None:
    session, window = opened.session, opened.window
    press(window, "O")
    assert not session.layers.overlay
    assert not child(window, QCheckBox, "showOverlayBox").isChecked()
    press(window, "Shift+L")
    assert session.style.hatch
    press(window, "R", "H", "L", "S")
    assert not session.style.hatch, "it is one or the other"
    assert (session.layers.reference, session.layers.heatmap, session.style.outline, session.layers.smooth) == (True, True, True, False)
    shows = []
    for key in "1230":
        press(window, key)
        shows.append(session.show)
    assert shows == ["pre", "flair", "post", "composite"]
    press(window, "]", "]", "[")
    assert session.style.opacity == pytest.approx(0.55)
    assert child(window, QSlider, "opacitySlider").value() == 55
    session.drag_window(0.3, 0.1)
    press(window, "A")
    assert session.windows == session.scan.windows


def test_a_slider_with_the_focus_keeps_the_arrow_keys(qtbot: Any, opened: Program) -> None:
    slider, z = child(opened.window, QSlider, "opacitySlider"), opened.session.z
    slider.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.waitUntil(slider.hasFocus)
    QTest.keyClick(slider, Qt.Key.Key_Right)
    assert slider.value() == 46
    assert opened.session.z == z
    qtbot.mouseClick(child(opened.window, QWidget, "sliceView"), Qt.MouseButton.LeftButton)
    press(opened.window, "Right")
    assert opened.session.z == z + 1


def test_the_mouse_leaves_the_arrow_keys_to_the_scan(qtbot: Any, opened: Program) -> None:
    z = opened.session.z
    click(qtbot, opened.window, QCheckBox, "outlineBox")
    assert opened.session.style.outline
    press(opened.window, "Right")
    assert opened.session.z == z + 1


def test_key_sheet_lists_every_key(qtbot: Any, window: MainWindow) -> None:
    press(window, "F1")
    sheet = child(window, QWidget, "keySheet")
    assert sheet.isVisible()
    words = {label.text() for label in sheet.findChildren(QLabel)}
    for name in ("exportAction", "nextFindingAction", "showFlairAction", "cancelAction"):
        assert menus.key_words(child(window, QAction, name).shortcuts()) in words
    press(window, "F1")
    assert not sheet.isVisible()


# --- controls


def test_controls_change_the_look(qtbot: Any, opened: Program) -> None:
    window, session = opened.window, opened.session
    child(window, QSlider, "opacitySlider").setValue(80)
    child(window, QSlider, "thresholdSlider").setValue(65)
    click(qtbot, window, QCheckBox, "outlineBox")
    child(window, QAction, "colour_bluish_green").trigger()
    style = session.style
    assert (style.opacity, style.threshold, style.outline, style.rgb) == (0.8, 0.65, True, BLUISH_GREEN)
    assert child(window, QToolButton, "colourButton").text() == "Bluish green"
    click(qtbot, window, QToolButton, "resetLookButton")
    assert session.style.threshold == 0.4
    assert not child(window, QCheckBox, "outlineBox").isChecked()
    for name, layer in (("showOverlayBox", "overlay"), ("referenceBox", "reference"), ("heatmapBox", "heatmap")):
        before = getattr(session.layers, layer)
        click(qtbot, window, QCheckBox, name)
        assert getattr(session.layers, layer) is not before


def test_a_higher_threshold_never_finds_more(opened: Program) -> None:
    areas = []
    for percent in (10, 40, 70, 95):
        child(opened.window, QSlider, "thresholdSlider").setValue(percent)
        areas.append(sum(area or 0 for area in opened.session.areas))
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > areas[-1]


def test_a_mask_that_the_threshold_empties_is_said(opened: Program) -> None:
    opened.session.set_slice(TUMOUR[0])
    assert "area" in text(opened.window, "sliceFactsLabel")
    child(opened.window, QSlider, "thresholdSlider").setValue(100)
    assert text(opened.window, "sliceVerdictLabel") == "Tumour"
    assert "No pixel is above the threshold" in text(opened.window, "sliceFactsLabel")


def test_panels_fold_to_a_rail(qtbot: Any, opened: Program) -> None:
    window = opened.window
    wide = child(window, QWidget, "sliceView").width()
    click(qtbot, window, QToolButton, "seriesPanelFoldButton")
    click(qtbot, window, QToolButton, "resultPanelFoldButton")
    qtbot.waitUntil(lambda: child(window, QWidget, "sliceView").width() > wide + 300)
    assert not child(window, QListWidget, "seriesList").isVisible()
    kept = window.present_settings()
    assert kept.window_state == "series,result"
    press(window, "F7", "F8")
    qtbot.waitUntil(lambda: child(window, QWidget, "sliceView").width() == wide)


def test_light_colours(qtbot: Any, window: MainWindow) -> None:
    kept: list[Settings] = []
    window.settings_changed.connect(kept.append)
    app = QApplication.instance()
    child(window, QAction, "lightAction").trigger()
    assert palette.theme_of(app) == "light"
    assert app.palette().window().color().lightness() > 200
    child(window, QAction, "lightAction").trigger()
    assert palette.theme_of(app) == "dark"
    assert [settings.theme for settings in kept] == ["light", "dark"]


# --- drag and drop


def drop(window: MainWindow, *dropped: Path, text_only: bool = False) -> bool:
    mime = QMimeData()
    if text_only:
        mime.setText("just words")
    else:
        mime.setUrls([QUrl.fromLocalFile(str(path)) for path in dropped])
    buttons, keys, action = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, Qt.DropAction.CopyAction
    enter = QDragEnterEvent(QPoint(300, 300), action, mime, buttons, keys)
    QApplication.sendEvent(window, enter)
    if not enter.isAccepted():
        return False
    assert child(window, QWidget, "dropFrame").isVisible()
    QApplication.sendEvent(window, QDropEvent(QPointF(300, 300), action, mime, buttons, keys))
    assert not child(window, QWidget, "dropFrame").isVisible()
    return True


def test_a_folder_can_be_dropped(qtbot: Any, program: Program) -> None:
    assert drop(program.window, SCAN)
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert drop(program.window, TWO)
    qtbot.waitUntil(lambda: program.session.scan.series.key == "first", timeout=TIMEOUT_MS)


def test_words_cannot_be_dropped(window: MainWindow) -> None:
    assert not drop(window, text_only=True)


def test_several_files_of_one_folder_are_its_scan(qtbot: Any, program: Program, fake: FakeBackend, tmp_path: Path) -> None:
    files = [tmp_path / f"a_{n}.tif" for n in range(3)]
    for file in files:
        file.touch()
    fake.listings[tmp_path] = fake.listings[SCAN]
    assert drop(program.window, *files)
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert not child(program.window, QWidget, "messageBar").isVisible()


def test_of_several_folders_the_first_is_opened_and_that_is_said(qtbot: Any, program: Program) -> None:
    assert drop(program.window, SCAN, TWO)
    assert '"scan"' in text(program.window, "messageSentence")
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert program.session.scan.series.key == "scan"


# --- start, end and memory


def test_recents_are_offered_and_kept(qtbot: Any, program: Program, fake: FakeBackend, tmp_path: Path) -> None:
    fake.listings[tmp_path] = fake.listings[SCAN]
    keeper = Keeper(program.flow)
    program.window.settings_changed.connect(keeper.keep)
    program.flow.open_path(tmp_path)
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert settings_store.load().recents == (tmp_path,)
    press(program.window, "Ctrl+W")
    assert child(program.window, QWidget, "startPage").isVisible()
    click(qtbot, program.window, QAbstractButton, "recent0")
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)


def test_the_look_of_the_window_is_kept(qtbot: Any, opened: Program) -> None:
    kept: list[Settings] = []
    opened.window.settings_changed.connect(kept.append)
    opened.session.set_style(opacity=0.7, threshold=0.55)
    press(opened.window, "3", "F7")
    opened.window.close()
    settings_store.save(kept[-1])
    again = Program(settings_store.load(), FakeBackend().backend())
    assert again.session.style == opened.session.style
    assert again.session.show == "post"
    assert again.window.stage.left.folded
    assert not again.window.stage.right.folded
    again.close()
    again.window.deleteLater()


def test_a_second_pass_that_was_cut_short_goes_on(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    fake.refine_gate.clear()
    program.flow.open_path(TWO)
    qtbot.waitUntil(lambda: len(fake.refined) == 1, timeout=TIMEOUT_MS)
    first, second = program.session.listing.series
    program.flow.open_series(second)
    qtbot.waitUntil(lambda: program.session.scan.series is second, timeout=TIMEOUT_MS)
    fake.refine_gate.set()
    program.flow.open_series(first)
    qtbot.waitUntil(lambda: program.session.scan.series is first and finished(program), timeout=TIMEOUT_MS)
    here = [z for z in fake.refined if z < SLICES]
    assert set(range(SLICES)) - set(TUMOUR) <= set(here)


def test_closing_in_the_middle_ends_every_thread_and_frees_the_models(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    fake.gate.clear()
    program.flow.open_path(SCAN)
    qtbot.waitUntil(lambda: program.flow.analysing and program.session.engine is not None, timeout=TIMEOUT_MS)
    program.close()
    assert all(worker._thread.isFinished() for worker in program.workers)
    assert fake.closed == 1


def test_the_models_are_loaded_once(qtbot: Any, opened: Program, fake: FakeBackend) -> None:
    fake.models_error = BundleError("They are loaded already.")
    opened.flow.analyse()
    qtbot.waitUntil(lambda: finished(opened), timeout=TIMEOUT_MS)
    assert opened.session.analysis.phase is Phase.FINISHED


@pytest.mark.parametrize("size", [(1024, 700), (1280, 832), (3840, 2160)])
def test_nothing_is_cut_off(qtbot: Any, opened: Program, size: tuple[int, int]) -> None:
    window = opened.window
    window.resize(*size)
    qtbot.waitUntil(lambda: (window.width(), window.height()) == size)
    for name in (*NAMES, "researchLabel", "engineLabel"):
        widget = child(window, QWidget, name)
        assert widget.isVisible()
        corner = widget.mapTo(window, QPoint(widget.width() - 1, widget.height() - 1))
        assert window.rect().contains(corner), name
        rect = getattr(widget, "viewport", lambda widget=widget: widget)()
        assert not rect.visibleRegion().isEmpty(), name


def test_nothing_heavy_is_loaded_before_the_window_is_on_screen(home: Path) -> None:
    code = (
        "import sys\n"
        "from PySide6.QtWidgets import QApplication\n"
        "import brainviewer.ui.main_window\n"
        "from brainviewer.settings import Settings\n"
        "from brainviewer.ui.app import Program\n"
        "app = QApplication([])\n"
        "program = Program(Settings())\n"
        "program.window.show(); app.processEvents()\n"
        "print(*sorted({'tensorflow', 'keras', 'onnxruntime', 'scipy', 'sklearn', 'matplotlib', 'nibabel', 'pydicom'} & set(sys.modules)))\n"
        "program.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False, env={**os.environ})
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr[-2000:]


def test_ten_thousand_partials_arrive(qtbot: Any, program: Program) -> None:
    """The signals that carry results, under load."""
    got: list[object] = []
    program.workers[2].shared.connect(got.append)

    def job(task: Any) -> None:
        for number in range(10_000):
            task.share(number)

    program.workers[2].submit(job)
    qtbot.waitUntil(lambda: len(got) == 10_000, timeout=TIMEOUT_MS)


def test_backend_defaults_are_the_real_functions() -> None:
    backend = jobs.Backend()
    assert backend.scan is jobs.scan_path
    assert backend.analyse is jobs.analyse_volume
