"""Pictures from the window: where they go, what they hold, what happens when they cannot be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QPushButton, QRadioButton, QWidget

from brainviewer.formats.export import write_results
from brainviewer.imaging.prediction import OverlayStyle
from brainviewer.ui.app import Program
from brainviewer.ui.tools.exporting import Exporting

from .conftest import SLICES, TIMEOUT_MS, TUMOUR, Dialogs, FakeBackend, finished
from .test_window import child, click, press, text


def export_to(qtbot: Any, program: Program, folder: Path, *, one: bool = False) -> None:
    """Ctrl+E, the folder, and the button; up to where pictures are written or a question is asked."""
    press(program.window, "Ctrl+E")
    sheet = child(program.window, QWidget, "exportSheet")
    assert sheet.isVisible()
    if one:
        click(qtbot, program.window, QRadioButton, "exportSliceButton")
    edit = child(program.window, QLineEdit, "exportFolderEdit")
    edit.selectAll()
    QTest.keyClicks(edit, str(folder))
    click(qtbot, program.window, QPushButton, "exportButton")


def written(qtbot: Any, program: Program) -> None:
    qtbot.waitUntil(lambda: child(program.window, QWidget, "messageBar").isVisible() and program.flow.busy is None, timeout=TIMEOUT_MS)


def test_all_slices_are_the_command_lines_bytes(qtbot: Any, opened: Program, dialogs: Dialogs, tmp_path: Path) -> None:
    export_to(qtbot, opened, tmp_path / "window")
    written(qtbot, opened)
    session = opened.session
    write_results(tmp_path / "line", session.volume, session.result, OverlayStyle(threshold=session.result.threshold), save=("overlay",))
    ours = {file.name: file.read_bytes() for file in (tmp_path / "window").iterdir()}
    theirs = {file.name: file.read_bytes() for file in (tmp_path / "line").glob("*.png")}
    assert ours == theirs
    assert len(ours) == SLICES
    assert text(opened.window, "messageSentence") == f'{SLICES} pictures were written to "window".'
    click(qtbot, opened.window, QPushButton, "messageChoice0")
    assert dialogs.opened == [str(tmp_path / "window")]


def test_one_slice_as_it_is_shown(qtbot: Any, opened: Program, tmp_path: Path) -> None:
    session = opened.session
    session.set_slice(TUMOUR[1])
    session.set_style(opacity=0.9, rgb=(240, 228, 66), outline=True)
    session.set_show("post")
    session.drag_window(0.2, 0.1)
    export_to(qtbot, opened, tmp_path / "one", one=True)
    written(qtbot, opened)
    (file,) = (tmp_path / "one").iterdir()
    assert file.name == f"scan_{TUMOUR[1] + 1}_overlay.png"
    from brainviewer.ui.picture import picture_of

    assert np.array_equal(cv2.imread(str(file))[..., ::-1], picture_of(session))


def test_the_bare_scan_where_the_overlay_is_off(qtbot: Any, opened: Program, tmp_path: Path) -> None:
    opened.session.set_slice(TUMOUR[0])
    opened.session.set_layers(overlay=False)
    export_to(qtbot, opened, tmp_path / "bare", one=True)
    written(qtbot, opened)
    (file,) = (tmp_path / "bare").iterdir()
    picture = cv2.imread(str(file))
    assert (picture[..., 0] == picture[..., 2]).all()


def test_a_second_export_proposes_a_new_folder(qtbot: Any, opened: Program, tmp_path: Path) -> None:
    export_to(qtbot, opened, tmp_path / "scan")
    written(qtbot, opened)
    press(opened.window, "Ctrl+E")
    assert child(opened.window, QLineEdit, "exportFolderEdit").text() == str(tmp_path / "scan 2")
    press(opened.window, "Ctrl+E")
    assert not child(opened.window, QWidget, "exportSheet").isVisible()


@pytest.mark.parametrize(("button", "folders"), [("replaceButton", {"a"}), ("newFolderButton", {"a", "a 2"}), ("replaceCancelButton", {"a"})])
def test_pictures_that_are_there_are_asked_about(qtbot: Any, opened: Program, tmp_path: Path, button: str, folders: set[str]) -> None:
    export_to(qtbot, opened, tmp_path / "a")
    written(qtbot, opened)
    old = {file: file.read_bytes() for file in (tmp_path / "a").iterdir()}
    opened.session.set_style(opacity=1.0)
    press(opened.window, "Esc")
    export_to(qtbot, opened, tmp_path / "a")
    assert text(opened.window, "replaceQuestion") == f'Replace {SLICES} pictures in "a"?'
    assert child(opened.window, QPushButton, "newFolderButton").text() == 'New folder "a 2"'
    click(qtbot, opened.window, QPushButton, button)
    if button == "replaceCancelButton":
        assert child(opened.window, QPushButton, "exportButton").isVisible()
    else:
        written(qtbot, opened)
    assert {folder.name for folder in tmp_path.iterdir()} == folders
    changed = {file: file.read_bytes() for file in old} != old
    assert changed is (button == "replaceButton")


def test_a_file_in_the_way_is_said_and_nothing_is_left(qtbot: Any, opened: Program, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    export_to(qtbot, opened, tmp_path / "taken")
    written(qtbot, opened)
    assert "is not a folder" in text(opened.window, "messageSentence")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_full_disk_is_said_and_nothing_is_left(qtbot: Any, opened: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    export_to(qtbot, opened, tmp_path / "full")
    written(qtbot, opened)
    assert "not enough room" in text(opened.window, "messageSentence")
    assert list(tmp_path.iterdir()) == []


def test_only_finished_results_are_exported(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    fake.gate.clear()
    fake.free = 2
    program.flow.open_path(Path("/scans/scan"))
    qtbot.waitUntil(lambda: program.session.analysis.done == 2, timeout=TIMEOUT_MS)
    press(program.window, "Ctrl+E")
    assert not child(program.window, QWidget, "exportSheet").isVisible()
    assert "Only finished results" in text(program.window, "messageSentence")
    fake.gate.set()
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert not child(program.window, QWidget, "messageBar").isVisible(), "it is true no longer"


def test_the_folder_can_be_chosen(qtbot: Any, opened: Program, dialogs: Dialogs, tmp_path: Path) -> None:
    dialogs.answer = tmp_path / "chosen"
    press(opened.window, "Ctrl+E")
    click(qtbot, opened.window, QPushButton, "exportChooseButton")
    assert child(opened.window, QLineEdit, "exportFolderEdit").text() == str(tmp_path / "chosen")
    QTest.keyClick(child(opened.window, QLineEdit, "exportFolderEdit"), Qt.Key.Key_Return)
    written(qtbot, opened)
    assert len(list((tmp_path / "chosen").iterdir())) == SLICES


def test_the_keyboard_alone_exports(qtbot: Any, opened: Program, tmp_path: Path) -> None:
    opened.window.tool(Exporting).sheet._parent_folder = tmp_path
    press(opened.window, "Ctrl+E")
    QTest.keyClick(opened.window.focusWidget(), Qt.Key.Key_Return)
    written(qtbot, opened)
    assert len(list((tmp_path / "scan").iterdir())) == SLICES


def test_letters_typed_into_the_folder_are_no_keys(qtbot: Any, opened: Program) -> None:
    press(opened.window, "Ctrl+E")
    edit = child(opened.window, QLineEdit, "exportFolderEdit")
    edit.setFocus()
    qtbot.waitUntil(edit.hasFocus)
    edit.clear()
    QTest.keyClicks(edit, "/o/r/n/1/2")
    assert edit.text() == "/o/r/n/1/2"
    assert opened.session.layers.overlay
    assert opened.session.z == SLICES // 2
