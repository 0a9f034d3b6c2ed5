"""Pictures from the window: where they go, what they hold, what happens when they cannot be written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QLineEdit, QPushButton, QRadioButton, QWidget

from brainviewer.formats import open_volume
from brainviewer.formats.export import write_results
from brainviewer.formats.share import What
from brainviewer.imaging.prediction import OverlayStyle
from brainviewer.training.data import index
from brainviewer.ui.app import Program
from brainviewer.ui.tools.drawing import Drawings
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
    ours = {file.name: file.read_bytes() for file in (tmp_path / "window").glob("*.png")}
    theirs = {file.name: file.read_bytes() for file in (tmp_path / "line").glob("*.png")}
    assert ours == theirs
    assert len(ours) == SLICES
    assert text(opened.window, "messageSentence") == f'{SLICES + 1} files were written to "window".'
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
    (file,) = (tmp_path / "one").glob("*.png")
    assert file.name == f"scan_{TUMOUR[1] + 1}_overlay.png"
    from brainviewer.ui.picture import picture_of

    assert np.array_equal(cv2.imread(str(file))[..., ::-1], picture_of(session))


def test_the_bare_scan_where_the_overlay_is_off(qtbot: Any, opened: Program, tmp_path: Path) -> None:
    opened.session.set_slice(TUMOUR[0])
    opened.session.set_layers(overlay=False)
    export_to(qtbot, opened, tmp_path / "bare", one=True)
    written(qtbot, opened)
    (file,) = (tmp_path / "bare").glob("*.png")
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
    assert text(opened.window, "replaceQuestion") == f'Replace {SLICES + 1} files in "a"?'
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
    assert len(list((tmp_path / "chosen").iterdir())) == SLICES + 1


def test_the_keyboard_alone_exports(qtbot: Any, opened: Program, tmp_path: Path) -> None:
    opened.window.tool(Exporting).sheet._parent_folder = tmp_path
    press(opened.window, "Ctrl+E")
    QTest.keyClick(opened.window.focusWidget(), Qt.Key.Key_Return)
    written(qtbot, opened)
    assert len(list((tmp_path / "scan").iterdir())) == SLICES + 1


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


def test_letters_do_nothing_on_the_scan_while_the_card_is_open(opened: Program) -> None:
    window, session = opened.window, opened.session
    press(window, "Ctrl+E")
    before = (session.layers, session.show, session.style, session.z)
    for focus in (window.focusWidget(), child(window, QWidget, "exportOverlaysBox"), window.stage.scan.view):
        focus.setFocus()
        press(window, "O", "R", "H", "L", "1", "3", "[", "]", "N", "Shift+N", "B", "V", "M", "-", "+")
        assert (session.layers, session.show, session.style, session.z) == before
    press(window, "Esc")
    assert not child(window, QWidget, "exportSheet").isVisible()
    press(window, "O")
    assert session.layers != before[0]


def test_every_kind_has_a_preview_and_its_file(qtbot: Any, opened: Program, dialogs: Dialogs, tmp_path: Path) -> None:
    window = opened.window
    sheet = window.tool(Exporting).sheet
    press(window, "Ctrl+E")
    for what, box in sheet.boxes.items():
        if what is What.SEG:
            assert not box.isEnabled(), "only of DICOM"
            continue
        if not box.isChecked():
            qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(8, box.height() // 2))
        assert box.isChecked()
        preview = sheet.preview.preview
        assert preview is not None
        assert preview.words.endswith(".")
        assert (preview.picture is None) != (not preview.lines)
        assert text(window, "exportPreviewWords") == preview.words
    click(qtbot, window, QRadioButton, "exportFindingsButton")
    count = 2 * len(TUMOUR) + 7
    assert text(window, "exportCountLabel") == f"{count} files, with results.json"
    edit = child(window, QLineEdit, "exportFolderEdit")
    edit.setText(str(tmp_path / "all"))
    click(qtbot, window, QPushButton, "exportButton")
    written(qtbot, opened)
    assert len(list((tmp_path / "all").iterdir())) == count
    click(qtbot, window, QPushButton, "messageChoice0")
    assert dialogs.opened == [str(tmp_path / "all" / "report.html")]


def test_edited_masks_are_exported_and_say_so(qtbot: Any, opened: Program, tmp_path: Path) -> None:
    window = opened.window
    qtbot.waitUntil(lambda: window.tool(Drawings).editing.possible, timeout=TIMEOUT_MS)
    opened.session.set_slice(TUMOUR[0])
    press(window, "Del")
    export_to(qtbot, opened, tmp_path / "edited")
    written(qtbot, opened)
    names = {file.name for file in (tmp_path / "edited").iterdir()}
    assert f"scan_{TUMOUR[0] + 1}_overlay_edited.png" in names
    document = json.loads((tmp_path / "edited" / "results.json").read_text())
    assert document["edited_by_hand"] == [TUMOUR[0]]
    assert document["scan"]["slices_with_tumour"] == len(TUMOUR) - 1


def test_nothing_chosen_cannot_be_exported(qtbot: Any, opened: Program) -> None:
    press(opened.window, "Ctrl+E")
    child(opened.window, QCheckBox, "exportOverlaysBox").setChecked(False)
    assert not child(opened.window, QPushButton, "exportButton").isEnabled()


# --- use for retraining


def ask_for_retraining(program: Program) -> None:
    child(program.window, QAction, "retrainingAction").trigger()


def test_a_labelled_case_is_what_training_takes(qtbot: Any, opened: Program, dialogs: Dialogs, home: Path) -> None:
    window, session = opened.window, opened.session
    qtbot.waitUntil(lambda: window.tool(Drawings).editing.possible, timeout=TIMEOUT_MS)
    ask_for_retraining(opened)
    assert "No slice is edited or reviewed" in text(window, "messageSentence")
    press(window, "Esc")
    session.set_slice(2)
    press(window, "V")
    session.set_slice(TUMOUR[0])
    press(window, "Del")
    ask_for_retraining(opened)
    assert "2 of 12 slices" in text(window, "messageSentence")
    click(qtbot, window, QPushButton, "messageChoice0")
    qtbot.waitUntil(lambda: "was written" in text(window, "messageSentence"), timeout=TIMEOUT_MS)
    (case,) = index(home / "labelled")
    assert case.patient.startswith("case-")
    volume = open_volume(case.series)
    assert np.array_equal(volume.voxels, session.volume.voxels[[2, TUMOUR[0]]])
    assert not volume.reference.any()
    ask_for_retraining(opened)
    dialogs.answer = home / "elsewhere"
    click(qtbot, window, QPushButton, "messageChoice2")
    assert "elsewhere" in text(window, "messageHint")
    click(qtbot, window, QPushButton, "messageChoice1")
    qtbot.waitUntil(lambda: "was written" in text(window, "messageSentence"), timeout=TIMEOUT_MS)
    again = open_volume(index(home / "elsewhere")[0].series)
    assert np.array_equal(again.reference, session.whole_mask())


def test_a_full_disk_is_said_of_a_case_too(qtbot: Any, opened: Program, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tifffile.imwrite", full)
    ask_for_retraining(opened)
    click(qtbot, opened.window, QPushButton, "messageChoice0")
    qtbot.waitUntil(lambda: "not enough room" in text(opened.window, "messageSentence"), timeout=TIMEOUT_MS)
    assert list((home / "labelled").iterdir()) == []
