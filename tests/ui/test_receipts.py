"""The reading receipt in the window: one click away, true, and with an amber light where the scan does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QToolButton, QWidget

from brainviewer.formats.series import Ignored, ScanListing
from brainviewer.ui.app import Program
from brainviewer.ui.tools.receipts import session_receipt

from .conftest import SLICES, TIMEOUT_MS, TUMOUR, FakeBackend, finished, make_series, make_volume
from .test_window import child, click, press, text


def test_the_receipt_is_one_click_away(qtbot: Any, program: Program, fake: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("/scans/odd")
    ignored = (Ignored("odd/notes.txt", "It is no picture."),)
    monkeypatch.setattr(fake, "scan", lambda path, progress: ScanListing(path, (make_series(make_volume("odd")),), ignored))
    program.flow._backend = replace(program.flow._backend, scan=fake.scan)
    program.flow.open_path(path)
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    window = program.window
    assert text(window, "receiptLabel") == f"{SLICES} files read, 1 ignored"
    click(qtbot, window, QToolButton, "receiptButton")
    card = child(window, QWidget, "receiptCard")
    assert card.isVisible()
    assert "odd/notes.txt: It is no picture." in text(window, "receipt_ignored")
    assert "do not state how large a pixel is" in text(window, "receipt_spacing")
    qtbot.mouseClick(child(window, QPushButton, "receiptCopyButton"), Qt.MouseButton.LeftButton)
    assert QApplication.clipboard().text() == session_receipt(program.session).text()
    press(window, "Esc")
    assert not card.isVisible()
    press(window, "Ctrl+I")
    assert card.isVisible()
    press(window, "Ctrl+I")
    assert not card.isVisible()


def test_the_card_follows_what_is_drawn_by_hand(qtbot: Any, opened: Program) -> None:
    press(opened.window, "Ctrl+I")
    assert opened.window.findChild(QLabel, "receipt_drawn_slices") is None
    opened.session.put_edit(TUMOUR[0], np.ones(opened.session.volume.shape[1:], bool))
    assert f": {TUMOUR[0] + 1}." in child(opened.window, QLabel, "receipt_drawn_slices").text()


def test_the_light_is_amber_below_one_half(qtbot: Any, opened: Program) -> None:
    session, light = opened.session, child(opened.window, QWidget, "fitLight")
    assert not light.isVisible(), "these models cannot say"
    session.finish_analysis(replace(session.models_result, fit=0.93))
    assert light.isVisible()
    assert text(opened.window, "fitLabel") == "Fits the models: 0.93"
    session.finish_analysis(replace(session.models_result, fit=0.31))
    assert text(opened.window, "fitLabel") == "Does not fit the models: 0.31"
    assert "may mean nothing" in light.toolTip()
    press(opened.window, "Ctrl+W")
    assert text(opened.window, "receiptLabel") == ""
