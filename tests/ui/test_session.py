"""The one owner of the state: what it says, and that it says it once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainviewer.formats.series import ScanListing
from brainviewer.imaging import render
from brainviewer.imaging.measure import measure
from brainviewer.imaging.prediction import SKY_BLUE, OverlayStyle, ScanResult
from brainviewer.imaging.volume import Volume
from brainviewer.settings import Settings
from brainviewer.ui import measures
from brainviewer.ui.session import Session
from brainviewer.ui.state import Measured, OpenedScan, Phase

from .conftest import SLICES, TUMOUR, answer, make_series, make_volume


def opened(volume: Volume, listing: ScanListing | None = None) -> OpenedScan:
    series = make_series(volume)
    listing = listing or ScanListing(Path("/scans"), (series,), ())
    return OpenedScan(listing, series, volume, render.windows_of(volume), np.zeros((8, 8, 3), np.uint8))


def result_of(volume: Volume, threshold: float = 0.4) -> ScanResult:
    whole = tuple(answer(volume, z, provisional=False) for z in range(len(volume)))
    return ScanResult(whole, threshold, 0.5, None, "onnx", "CPU", "float32", ())


@pytest.fixture
def session(qapp: Any) -> Session:
    made = Session()
    made.open(opened(make_volume()))
    return made


def test_opens_at_the_middle_slice_and_unanalysed(session: Session) -> None:
    assert session.z == SLICES // 2
    assert session.analysis.phase is Phase.NONE
    assert session.predictions == (None,) * SLICES
    assert measures.verdict_words(session) == "Not analysed yet"


def test_a_signal_is_sent_only_where_something_changed(qtbot: Any, session: Session) -> None:
    session.set_slice(3)
    with qtbot.assertNotEmitted(session.slice_changed):
        session.set_slice(3)
    with qtbot.assertNotEmitted(session.style_changed):
        session.set_style(opacity=session.style.opacity)
    with qtbot.assertNotEmitted(session.layers_changed):
        session.set_layers(overlay=True)
    with qtbot.waitSignal(session.slice_changed) as caught:
        session.set_slice(99)
    assert caught.args == [SLICES - 1]


def test_the_verdict_never_says_more_than_was_seen(session: Session) -> None:
    volume = session.volume
    session.start_analysis()
    session.put_prediction(answer(volume, 6, provisional=True))
    session.put_prediction(answer(volume, 7, provisional=True))
    assert measures.verdict_words(session) == f"Analysing 2 of {SLICES}"
    session.end_analysis(Phase.STOPPED)
    assert measures.verdict_words(session) == f"Stopped at 2 of {SLICES}"
    session.finish_analysis(result_of(volume))
    assert measures.verdict_words(session) == f"Tumour found in {len(TUMOUR)} of {SLICES} slices"
    nothing = make_volume("clear", tumour=())
    session.open(opened(nothing))
    session.finish_analysis(result_of(nothing))
    assert measures.verdict_words(session) == f"No tumour found in {SLICES} of {SLICES} slices"


def test_findings_are_visited_in_both_directions_round_the_ends(session: Session) -> None:
    assert not session.go_to_finding(1)
    session.finish_analysis(result_of(session.volume))
    session.set_slice(0)
    visited = []
    for _ in range(len(TUMOUR) + 1):
        session.go_to_finding(1)
        visited.append(session.z)
    assert visited == [*TUMOUR, TUMOUR[0]]
    session.go_to_finding(-1)
    assert session.z == TUMOUR[-1]


def test_the_models_threshold_is_proposed_and_a_chosen_one_stays(session: Session) -> None:
    session.finish_analysis(result_of(session.volume, 0.35))
    assert session.style.threshold == 0.35
    session.set_style(threshold=0.6)
    session.finish_analysis(result_of(session.volume, 0.3))
    assert session.style.threshold == 0.6
    session.reset_style()
    assert session.style == OverlayStyle(threshold=0.3)
    assert session.looks(Settings()).threshold is None


def test_looks_survive_the_settings(qapp: Any) -> None:
    first = Session()
    first.set_style(rgb=SKY_BLUE, opacity=0.8, threshold=0.7, outline=True)
    first.set_show("post")
    second = Session(first.looks(Settings()))
    assert second.style == first.style
    assert second.show == "post"


def test_window_drag_acts_on_what_is_shown(session: Session) -> None:
    before = session.windows
    session.drag_window(0.5, 0)
    flair = session.volume.channels.index("flair")
    assert [old != new for old, new in zip(before, session.windows, strict=True)] == [n == flair for n in range(3)]
    assert session.windows[flair].width == pytest.approx(1.5 * before[flair].width)
    level = session.windows[flair].level
    session.drag_window(0, 0.25)
    assert session.windows[flair].level == pytest.approx(level - 0.25 * before[flair].width), "up is brighter"
    session.drag_window(-100, 0)
    assert session.windows[flair].width > 0
    session.reset_windows()
    assert session.windows == before
    session.set_show("composite")
    session.drag_window(0.1, 0)
    assert all(old != new for old, new in zip(before, session.windows, strict=True))


def test_going_back_to_a_series_finds_its_answer(session: Session) -> None:
    first, second = make_volume("first"), make_volume("second", 5, ())
    listing = ScanListing(Path("/scans/two"), (make_series(first), make_series(second)), ())
    session.open(opened(first, listing))
    session.finish_analysis(result_of(first))
    session.open(opened(second, listing))
    assert session.result is None
    session.open(opened(first, listing))
    assert session.analysis.phase is Phase.FINISHED
    assert session.badges["first"].found == len(TUMOUR)
    session.open(opened(make_volume("first")))
    assert session.result is None, "another listing's series of the same name is another series"
    assert session.badges == {}


def test_no_number_of_one_scan_stands_beside_another(session: Session) -> None:
    first, second = make_volume("first"), make_volume("second")
    listing = ScanListing(Path("/scans/two"), (make_series(first), make_series(second)), ())
    for volume in (first, second):
        session.open(opened(volume, listing))
        session.finish_analysis(result_of(volume))
    session.put_measured(Measured(measure(session.whole_mask(), None), None, None))
    session.open(opened(first, listing))
    assert session.result is not None, "remembered, so no analysis tells that the numbers are old"
    assert session.measured is None


def test_the_mask_that_counts_is_the_one_made_by_hand(qtbot: Any, session: Session) -> None:
    session.finish_analysis(result_of(session.volume))
    z = TUMOUR[0]
    models = session.found(z)
    assert models.any()
    assert session.found(0) is None, "the segmenter has not looked at it"
    by_hand = np.zeros_like(models)
    by_hand[3, 4] = True
    with qtbot.waitSignal(session.mask_changed) as caught:
        session.put_edit(z, by_hand)
    assert caught.args == [z]
    assert np.array_equal(session.found(z), by_hand)
    assert session.whole_mask().sum() == 1 + sum(session.found(other).sum() for other in TUMOUR[1:])
    with qtbot.waitSignal(session.mask_changed) as caught:
        session.set_style(threshold=0.7)
    assert caught.args == [None]
    assert np.array_equal(session.found(z), by_hand), "a threshold changes only what the models drew"
    session.put_edit(z, None)
    assert session.found(z).sum() < models.sum()
    session.put_edit(z, by_hand)
    session.open(opened(make_volume("other")))
    assert session.edited == {}


def test_volume_only_where_the_spacing_is_known(session: Session) -> None:
    session.finish_analysis(result_of(session.volume))
    assert measures.volume_ml(session) is None
    known = make_volume("known", spacing=(5.0, 1.0, 1.0))
    session.open(opened(known))
    session.finish_analysis(result_of(known))
    session.set_style(threshold=0.5)
    pixels = sum(int(answer(known, z, provisional=False).found(0.5).sum()) for z in TUMOUR)
    assert measures.volume_ml(session) == pytest.approx(pixels * 5 / 1000)


def test_words_for_numbers() -> None:
    assert [measures.probability_words(p) for p in (0.0, 0.004, 0.5, 0.97, 0.996, 1.0)] == ["< 0.01", "< 0.01", "0.50", "0.97", "> 0.99", "> 0.99"]
    assert measures.area_words(1234, None) == "1,234 pixels"
    assert measures.area_words(610, (5, 1, 1)) == "6.1 cm²"
    assert measures.duration_words(0.2) == "1 s"
    assert measures.duration_words(240) == "4 min"
