"""The spacing that a user types: from "unknown" to millimetres that are marked as assumed, and remembered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDoubleSpinBox, QPushButton, QWidget

from brainviewer.formats.export import results_document
from brainviewer.ui.app import Program

from .conftest import SLICES, TIMEOUT_MS, FakeBackend, finished, make_series, make_volume
from .test_window import child, click, press, text


def type_spacing(qtbot: Any, program: Program, width: str, height: str | None, depth: str) -> None:
    click(qtbot, program.window, QPushButton, "spacingButton")
    for name, value in (("pixelWidthBox", width), ("pixelHeightBox", height), ("sliceDistanceBox", depth)):
        if value is not None:
            box = child(program.window, QDoubleSpinBox, name)
            box.setFocus()
            box.selectAll()
            QTest.keyClicks(box, value)


def test_from_unknown_to_assumed(qtbot: Any, opened: Program) -> None:
    window, session = opened.window, opened.session
    assert text(window, "spacingLabel") == "Spacing unknown"
    assert "does not say how large a pixel is" in text(window, "sizeLabel")
    found, extent = session.result, window.stage.scan.view._extent()
    type_spacing(qtbot, opened, "0.5", None, "5")
    assert child(window, QDoubleSpinBox, "pixelHeightBox").value() == 0.5  # pixels are square until someone says otherwise
    click(qtbot, window, QPushButton, "useSpacingButton")
    assert not child(window, QWidget, "spacingSheet").isVisible()
    assert session.volume.spacing == (5.0, 0.5, 0.5)
    assert session.volume.spacing_assumed
    assert session.result is found  # nothing is analysed anew
    assert text(window, "spacingLabel") == "Voxels 0.5 x 0.5 x 5 mm, assumed"
    assert text(window, "sizeLabel").startswith("Assumed spacing: ")
    assert " ml" in text(window, "sizeLabel")
    assert "was typed and not read" in text(window, "notesLabel")
    assert window.stage.scan.view._extent().width() == extent.width() / 2
    assert results_document(session.volume, session.result, 0.5)["spacing_assumed"] is True


def test_it_is_kept_for_the_scan_and_can_be_forgotten(qtbot: Any, opened: Program, fake: FakeBackend) -> None:
    type_spacing(qtbot, opened, "0.9", "0.8", "4")
    QTest.keyClick(child(opened.window, QDoubleSpinBox, "sliceDistanceBox"), Qt.Key.Key_Return)
    fake.listings[Path("/moved/scan")] = [make_series(make_volume())]
    opened.flow.open_path(Path("/moved/scan"))
    qtbot.waitUntil(lambda: opened.session.scan.listing.path == Path("/moved/scan") and finished(opened), timeout=TIMEOUT_MS)
    assert opened.session.volume.spacing == (4.0, 0.8, 0.9)
    assert opened.session.volume.spacing_assumed
    click(qtbot, opened.window, QPushButton, "spacingButton")
    assert child(opened.window, QDoubleSpinBox, "pixelHeightBox").value() == 0.8
    click(qtbot, opened.window, QPushButton, "forgetSpacingButton")
    assert text(opened.window, "spacingLabel") == "Spacing unknown"
    opened.flow.open_path(Path("/scans/scan"))
    qtbot.waitUntil(lambda: opened.session.scan.listing.path == Path("/scans/scan") and finished(opened), timeout=TIMEOUT_MS)
    assert opened.session.volume.spacing is None


def test_nothing_is_used_before_all_is_typed(qtbot: Any, opened: Program) -> None:
    type_spacing(qtbot, opened, "0.5", None, "0")
    use = child(opened.window, QPushButton, "useSpacingButton")
    assert not use.isEnabled()
    assert not child(opened.window, QPushButton, "forgetSpacingButton").isVisible()
    press(opened.window, "Esc")
    assert not child(opened.window, QWidget, "spacingSheet").isVisible()
    assert opened.session.volume.spacing is None


@pytest.mark.parametrize("spacing", [(5.0, 1.0, 1.0)])
def test_a_spacing_that_was_read_is_not_asked_for(qtbot: Any, program: Program, fake: FakeBackend, spacing: tuple[float, float, float]) -> None:
    fake.listings[Path("/scans/known")] = [make_series(make_volume("known", SLICES, spacing=spacing))]
    program.flow.open_path(Path("/scans/known"))
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    assert text(program.window, "spacingLabel") == "Voxels 1 x 1 x 5 mm"
    assert not child(program.window, QPushButton, "spacingButton").isVisible()
    assert not child(program.window, QAction, "spacingAction").isEnabled()
