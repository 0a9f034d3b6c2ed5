"""What makes the window bearable for a day: the log, the keys, and one sentence where something goes wrong under it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit, QPlainTextEdit, QPushButton, QScrollArea, QWidget

from brainviewer import __version__, paths
from brainviewer.formats import open_volume, scan
from brainviewer.formats.series import Series
from brainviewer.ui.app import Notice, Program
from brainviewer.ui.main_window import SMALLEST_PX, MainWindow
from brainviewer.ui.tools.exporting import Exporting

from ..formats.dicom_files import head_scan, write_series
from .conftest import TIMEOUT_MS, Dialogs, FakeBackend, finished
from .test_window import child, click, press, text


def test_the_log_and_its_report(qtbot: Any, opened: Program, dialogs: Dialogs, home: Path) -> None:
    window = opened.window
    press(window, "Ctrl+L")
    assert child(window, QWidget, "logSheet").isVisible()
    assert "no log yet" in child(window, QPlainTextEdit, "logText").toPlainText()
    press(window, "Ctrl+L")
    log = paths.log_file()
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(f"line {n}\n" for n in range(1000)) + "the last one\n")
    press(window, "Ctrl+L")
    shown = child(window, QPlainTextEdit, "logText").toPlainText()
    assert shown.endswith("the last one")
    assert len(shown.splitlines()) == 400
    layers = opened.session.layers
    press(window, "O", "H")
    assert opened.session.layers == layers, "keys belong to the card"
    click(qtbot, window, QPushButton, "copyReportButton")
    report = QGuiApplication.clipboard().text()
    for words in (f"brainviewer {__version__}", "Python 3", "Qt 6", "ONNX Runtime, CPU, float32", "tiff, 12 x 64 x 48 x 3, uint8", "the last one"):
        assert words in report
    assert "/scans" not in report
    assert child(window, QPushButton, "copyReportButton").text() == "Copied"
    click(qtbot, window, QPushButton, "openLogFolderButton")
    assert dialogs.opened == [str(log.parent)]
    press(window, "Esc")
    assert not child(window, QWidget, "logSheet").isVisible()


def test_the_cards_fit_the_smallest_window(qtbot: Any, opened: Program) -> None:
    window = opened.window
    window.resize(*SMALLEST_PX)
    for keys, name in (("F1", "keySheet"), ("Ctrl+L", "logSheet"), ("Ctrl+E", "exportSheet")):
        press(window, keys)
        card = child(window, QWidget, name)
        qtbot.waitUntil(lambda card=card: card.isVisible() and card.width() > 300, timeout=TIMEOUT_MS)
        assert window.stage.middle.rect().contains(card.geometry()), name
        for button in card.findChildren(QAbstractButton):
            if button.isVisible() and not _scrolled(button):
                assert card.rect().contains(button.mapTo(card, button.rect().center())), f"{name}: {button.objectName()}"
        press(window, "Esc")


def _scrolled(widget: QWidget) -> bool:
    while widget is not None:
        if isinstance(widget, QScrollArea):
            return True
        widget = widget.parentWidget()
    return False


def test_whatever_can_be_pressed_has_words_and_can_be_reached_by_keys(opened: Program) -> None:
    window: MainWindow = opened.window
    press(window, "Ctrl+E")
    for button in window.findChildren(QAbstractButton):
        if button.objectName().startswith("qt_") or not button.isVisibleTo(window):
            continue
        words = button.text() or button.accessibleName()
        assert words, button.objectName()
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus, f"{button.objectName()} ({words})"


# --- what goes wrong under the window


def test_damaged_settings_are_said_even_when_a_scan_opens(qtbot: Any, program: Program) -> None:
    Notice(program, "The settings were damaged; they were put aside.")
    assert text(program.window, "messageSentence").startswith("The settings were damaged")
    program.flow.open_path(Path("/scans/scan"))
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert child(program.window, QWidget, "messageBar").isVisible()
    press(program.window, "Esc")
    program.flow.close_scan()
    program.flow.open_path(Path("/scans/two"))
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert not child(program.window, QWidget, "messageBar").isVisible(), "once is enough"


@pytest.fixture
def dicom(qtbot: Any, program: Program, fake: FakeBackend, tmp_path: Path) -> Path:
    """Real DICOM files, open in the window."""
    folder = tmp_path / "Doe Jane"
    write_series(folder, head_scan())
    (series,) = scan(folder).series

    def labelled(progress: Any) -> Any:
        volume = open_volume(series)
        reference = np.zeros(volume.shape, bool)
        reference[2:4, 5:12, 6:14] = True
        return replace(volume, reference=reference)

    fake.listings[folder] = [_opened_by(series, labelled)]
    program.flow.open_path(folder)
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    return folder


def _opened_by(series: Series, opens: Any) -> Series:
    return replace(series, open=opens)


def export(qtbot: Any, program: Program, folder: Path, *boxes: str) -> None:
    press(program.window, "Ctrl+E")
    for what, box in program.window.tool(Exporting).sheet.boxes.items():
        box.setChecked(box.objectName() in boxes)
        assert box.isEnabled(), what
    child(program.window, QLineEdit, "exportFolderEdit").setText(str(folder))
    click(qtbot, program.window, QPushButton, "exportButton")
    qtbot.waitUntil(lambda: child(program.window, QWidget, "messageBar").isVisible() and program.flow.busy is None, timeout=6 * TIMEOUT_MS)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_source_that_vanishes_while_it_is_open(qtbot: Any, program: Program, dicom: Path, tmp_path: Path) -> None:
    window, session = program.window, program.session
    export(qtbot, program, tmp_path / "before", "exportSegBox")
    assert "2 files were written" in text(window, "messageSentence")
    shutil.rmtree(dicom)
    session.set_slice(3)
    press(window, "B", "Esc")
    export(qtbot, program, tmp_path / "pictures", "exportOverlaysBox", "exportMaskBox", "exportReportBox")
    assert "9 files were written" in text(window, "messageSentence"), "what is in memory is not lost"
    export(qtbot, program, tmp_path / "seg", "exportSegBox", "exportOverlaysBox")
    assert "could not be read again" in text(window, "messageSentence")
    assert not (tmp_path / "seg").exists()
    assert session.result is not None


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_card_says_that_the_seg_carries_the_patient_and_can_do_without(qtbot: Any, program: Program, dicom: Path, tmp_path: Path) -> None:
    window = program.window
    sheet = window.tool(Exporting).sheet
    press(window, "Ctrl+E")
    seg = child(window, QAbstractButton, "exportSegBox")
    assert not child(window, QAbstractButton, "exportNamelessBox").isEnabled()
    seg.click()
    child(window, QAbstractButton, "exportReportBox").click()
    child(window, QAbstractButton, "exportTableBox").click()
    seg.setFocus()
    assert "carries the patient's identity" in text(window, "exportPreviewWords")
    child(window, QAbstractButton, "exportNamelessBox").click()
    assert "names no patient" in text(window, "exportPreviewWords")
    assert sheet.preview.accessibleDescription() == text(window, "exportPreviewWords")
    child(window, QLineEdit, "exportFolderEdit").setText(str(tmp_path / "seg"))
    click(qtbot, window, QPushButton, "exportButton")
    qtbot.waitUntil(lambda: child(window, QWidget, "messageBar").isVisible() and program.flow.busy is None, timeout=6 * TIMEOUT_MS)
    assert b"Jane" not in (tmp_path / "seg" / "seg.dcm").read_bytes()
    for file in (tmp_path / "seg").iterdir():
        assert b"Jane" not in file.read_bytes(), f"{file.name} holds the name of the folder"
    labels = [label.text() for label in window.findChildren(QLabel)]
    assert not any("Jane" in words for words in labels)
