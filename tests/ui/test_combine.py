"""Three sequences become one scan: guessed, changed, refused with a sentence, listed beside its parts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtWidgets import QComboBox, QListWidget, QPushButton, QWidget

from brainviewer.formats import open_volume, scan
from brainviewer.imaging.prediction import Mask, Prediction
from brainviewer.imaging.volume import CHANNEL_NAMES, Volume
from brainviewer.ui.app import Program

from . import conftest
from .conftest import TIMEOUT_MS, FakeBackend
from .test_window import child, click, text

sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))

from dicom_files import head_scan, write_series

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def study(tmp_path: Path, fake: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> Path:
    """FLAIR, T1 on a coarser grid, T1 with contrast, and a T1 of another frame of reference; read by the real readers."""
    folder = tmp_path / "study"
    plans: tuple[tuple[str, dict[str, Any]], ...] = (
        ("AX T1", {"spacing": (1.8, 2.2)}),
        ("AX FLAIR", {}),
        ("AX T1 +C", {}),
        ("AX T1 far", {"FrameOfReferenceUID": "1.2.99"}),
    )
    for number, (name, values) in enumerate(plans):
        write_series(
            folder / str(number), head_scan(6) + 100 * number, series=f"1.2.7.{number}", SeriesNumber=number, SeriesDescription=name, **values
        )
    fake.listings[folder] = list(scan(folder).series)
    fake.open_volume = lambda series, progress: open_volume(series, progress)  # type: ignore[method-assign]

    def sees_nothing(volume: Volume, z: int, *, provisional: bool) -> Prediction:
        return Prediction(z, 0.04, False, Mask(np.zeros(volume.shape[1:], np.float32)), provisional, 0.01)

    monkeypatch.setattr(conftest, "answer", sees_nothing)
    return folder


def open_study(qtbot: Any, program: Program, folder: Path) -> None:
    program.flow.open_path(folder)
    qtbot.waitUntil(lambda: program.session.result is not None and program.flow.busy is None, timeout=TIMEOUT_MS)


def box(program: Program, role: str) -> QComboBox:
    return child(program.window, QComboBox, f"{role}Box")


def choose(program: Program, role: str, words: str) -> None:
    one = box(program, role)
    one.setCurrentIndex(next(n for n in range(one.count()) if one.itemText(n).startswith(words)))


def test_the_guess_is_combined_and_listed(qtbot: Any, study: Path, program: Program) -> None:
    open_study(qtbot, program, study)
    session = program.session
    assert session.scan.series.description == "AX FLAIR"
    click(qtbot, program.window, QPushButton, "combineButton")
    assert [box(program, role).currentData().description for role in CHANNEL_NAMES] == ["AX T1", "AX FLAIR", "AX T1 +C"]
    assert text(program.window, "combineReason") == "Resampled to the grid of FLAIR: Pre-contrast T1."
    click(qtbot, program.window, QPushButton, "combineGoButton")
    qtbot.waitUntil(lambda: session.volume is not None and session.volume.composed and session.result is not None, timeout=TIMEOUT_MS)
    assert session.scan.series.description == "AX T1 + AX FLAIR + AX T1 +C"
    assert session.volume.shape == (6, 20, 24)
    assert np.array_equal(session.volume.voxels[..., 1], head_scan(6) + 100)
    assert session.volume.key == session.scan.series.key
    rows = child(program.window, QListWidget, "seriesList")
    assert rows.count() == 5
    assert rows.currentRow() == 0
    flair = next(series for series in session.listing.series if series.description == "AX FLAIR")
    assert session.badges[flair.key].total == 6  # what was found before is kept
    rows.setCurrentRow(next(n for n, series in enumerate(session.listing.series) if series is flair))
    qtbot.waitUntil(lambda: session.scan is not None and session.scan.series is flair and session.result is not None, timeout=TIMEOUT_MS)
    assert rows.count() == 5
    qtbot.waitUntil(lambda: all(not rows.item(n).icon().isNull() for n in range(rows.count())), timeout=TIMEOUT_MS)


def test_what_does_not_go_together_is_refused_at_once(qtbot: Any, study: Path, program: Program) -> None:
    open_study(qtbot, program, study)
    click(qtbot, program.window, QPushButton, "combineButton")
    go = child(program.window, QPushButton, "combineGoButton")
    choose(program, "pre", "AX T1 far")
    assert "different frames of reference" in text(program.window, "combineReason")
    assert not go.isEnabled()
    choose(program, "pre", "AX T1 +C")
    assert text(program.window, "combineReason") == "One series cannot be two sequences at once."
    assert not go.isEnabled()
    choose(program, "pre", "None")
    assert text(program.window, "combineReason") == "They lie on one grid, as far as their files say."
    assert go.isEnabled()
    choose(program, "post", "None")
    assert not go.isEnabled()
    click(qtbot, program.window, QPushButton, "combineCancelButton")
    assert not child(program.window, QWidget, "combineSheet").isVisible()
    assert not program.session.volume.composed


def test_one_series_has_nothing_to_combine_with(opened: Program) -> None:
    assert not child(opened.window, QPushButton, "combineButton").isVisible()
