"""The scan, its strip and its slider under the mouse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent, qGray
from PySide6.QtWidgets import QApplication, QCheckBox, QLabel, QSlider, QToolButton, QWidget

from brainviewer.formats.export import overlay_picture
from brainviewer.imaging import render
from brainviewer.imaging.measure import dice
from brainviewer.imaging.prediction import SKY_BLUE, Prediction
from brainviewer.settings import Settings
from brainviewer.ui.app import Program
from brainviewer.ui.hand import Hand
from brainviewer.ui.picture import picture_of
from brainviewer.ui.scan_panel import ScanPanel
from brainviewer.ui.session import Session
from brainviewer.ui.slice_view import SliceView
from brainviewer.ui.timeline import Bar, DetectionStrip

from .conftest import SLICES, TUMOUR


def wheel(widget: QWidget, notches: float, keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier, at: QPointF | None = None) -> None:
    at = at or QPointF(widget.rect().center())
    event = QWheelEvent(
        at, widget.mapToGlobal(at), QPoint(), QPoint(0, round(120 * notches)), Qt.MouseButton.NoButton, keys, Qt.ScrollPhase.NoScrollPhase, False
    )
    QApplication.sendEvent(widget, event)


def drag(qtbot: Any, widget: QWidget, button: Qt.MouseButton, start: QPoint, end: QPoint) -> None:
    qtbot.mousePress(widget, button, pos=start)
    event = QMouseEvent(
        QEvent.Type.MouseMove, QPointF(end), widget.mapToGlobal(QPointF(end)), Qt.MouseButton.NoButton, button, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(widget, event)
    qtbot.mouseRelease(widget, button, pos=end)


def view_of(program: Program) -> SliceView:
    return program.window.findChild(SliceView, "sliceView")


def test_wheel_goes_through_slices(opened: Program) -> None:
    port = view_of(opened)
    opened.session.set_slice(3)
    wheel(port, -1)
    assert opened.session.z == 4
    wheel(port, 2)
    assert opened.session.z == 2
    wheel(port, -0.5)
    assert opened.session.z == 2
    wheel(port, -0.5)
    assert opened.session.z == 3


def test_ctrl_wheel_zooms_at_the_pointer_and_double_click_fits(qtbot: Any, opened: Program) -> None:
    view = view_of(opened)
    at = QPointF(view.width() / 2 + 30, view.height() / 2 - 20)
    before = view._pixel_at(at)
    wheel(view, 4, Qt.KeyboardModifier.ControlModifier, at)
    assert view.magnification() == pytest.approx(1.2**4, rel=0.01)
    after = view._pixel_at(at)
    assert after is not None
    assert np.abs(np.subtract(after, before)).max() <= 1
    assert opened.session.z == SLICES // 2
    qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, pos=view.rect().center())
    assert view.magnification() == pytest.approx(1, rel=0.01)
    wheel(view, -3, Qt.KeyboardModifier.ControlModifier)
    assert view.magnification() == pytest.approx(1, rel=0.01), "never smaller than the whole slice"


def test_left_drag_changes_contrast_and_middle_drag_moves(qtbot: Any, opened: Program) -> None:
    view, session = view_of(opened), opened.session
    auto, corner = session.windows, view.point_at(QPointF(0, 0))
    drag(qtbot, view, Qt.MouseButton.LeftButton, QPoint(200, 200), QPoint(260, 200))
    assert session.windows[1].width > auto[1].width
    assert session.windows[1].level == pytest.approx(auto[1].level)
    assert view.point_at(QPointF(0, 0)) == corner
    changed = session.windows
    drag(qtbot, view, Qt.MouseButton.MiddleButton, QPoint(200, 200), QPoint(240, 230))
    assert session.windows == changed
    row, column = view.point_at(QPointF(0, 0))
    assert row < corner[0]
    assert column < corner[1]


def test_space_drag_moves(qtbot: Any, opened: Program) -> None:
    view, session = view_of(opened), opened.session
    auto, corner = session.windows, view.point_at(QPointF(0, 0))
    qtbot.keyPress(view, Qt.Key.Key_Space)
    drag(qtbot, view, Qt.MouseButton.LeftButton, QPoint(200, 200), QPoint(240, 200))
    qtbot.keyRelease(view, Qt.Key.Key_Space)
    assert session.windows == auto
    assert view.point_at(QPointF(0, 0))[1] < corner[1]


@pytest.mark.parametrize("button", [Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton])
def test_the_second_of_two_quick_pulls_moves_too(qtbot: Any, opened: Program, button: Qt.MouseButton) -> None:
    view = view_of(opened)
    view.zoom(3.0)
    corner, large = view.point_at(QPointF(0, 0)), view.magnification()
    if button is Qt.MouseButton.LeftButton:
        qtbot.keyPress(view, Qt.Key.Key_Space)
    start, end = QPointF(200, 200), QPointF(240, 200)
    for kind, place, pressed in (
        (QEvent.Type.MouseButtonDblClick, start, button),  # what Qt sends for it
        (QEvent.Type.MouseMove, end, Qt.MouseButton.NoButton),
        (QEvent.Type.MouseButtonRelease, end, button),
    ):
        held = Qt.MouseButton.NoButton if kind is QEvent.Type.MouseButtonRelease else button
        QApplication.sendEvent(view, QMouseEvent(kind, place, view.mapToGlobal(place), pressed, held, Qt.KeyboardModifier.NoModifier))
    qtbot.keyRelease(view, Qt.Key.Key_Space)
    assert view.magnification() == large
    assert view.point_at(QPointF(0, 0))[1] < corner[1]


def test_the_strip_has_the_overlays_colour_from_the_start(qapp: Any) -> None:
    panel = ScanPanel(Session(Settings(colour=SKY_BLUE, threshold=0.5)))
    assert panel.strip._colour.getRgb()[:3] == SKY_BLUE
    panel.deleteLater()


class Recorder(Hand):
    """Takes presses in the left half of a slice that is 48 wide, and every wheel with Alt."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[float, float] | None]] = []

    def press(self, at: tuple[float, float], event: QMouseEvent) -> bool:
        taken = at[1] < 24
        if taken:
            self.seen.append(("press", at))
        return taken

    def drag(self, at: tuple[float, float], event: QMouseEvent) -> None:
        self.seen.append(("drag", at))

    def release(self, at: tuple[float, float], event: QMouseEvent) -> None:
        self.seen.append(("release", at))

    def turn(self, steps: float, keys: Qt.KeyboardModifier) -> bool:
        return bool(keys & Qt.KeyboardModifier.AltModifier)


def test_a_hand_takes_the_mouse_where_it_wants(qtbot: Any, opened: Program) -> None:
    view, session, hand = view_of(opened), opened.session, Recorder()
    view.add_hand(hand)
    windows, z = session.windows, session.z
    start, end = view.place_of((10.5, 5.5)), view.place_of((20.5, 15.5))
    assert view.point_at(start) == pytest.approx((10.5, 5.5))
    drag(qtbot, view, Qt.MouseButton.LeftButton, start.toPoint(), end.toPoint())
    assert [what for what, _ in hand.seen] == ["press", "drag", "release"]
    assert hand.seen[1][1] == pytest.approx((20.5, 15.5), abs=0.2)
    assert session.windows == windows, "it is no contrast drag then"
    drag(qtbot, view, Qt.MouseButton.LeftButton, view.place_of((10, 30)).toPoint(), end.toPoint())
    assert session.windows != windows, "what it does not take is the view's own"
    assert len(hand.seen) == 3
    view.zoom(2.0)
    qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, pos=view.place_of((32, 23)).toPoint())
    assert view.magnification() == pytest.approx(2, rel=0.01), "the second press of two is the hand's too"
    wheel(view, -1, Qt.KeyboardModifier.AltModifier)
    assert session.z == z


def test_the_scan_keeps_its_proportions(qtbot: Any, opened: Program) -> None:
    view = view_of(opened)
    for size in ((1024, 700), (1500, 720), (1030, 1000)):
        opened.window.resize(*size)
        qtbot.waitUntil(lambda size=size: opened.window.width() == size[0])
        zero = view.place_of((0, 0))
        assert (view.place_of((0, 1)) - zero).x() == pytest.approx((view.place_of((1, 0)) - zero).y(), rel=1e-6)
    view.set_grid((10, 20), (2.0, 0.5), "axial")
    extent = view._extent()
    assert (extent.width(), extent.height()) == (10.0, 20.0), "millimetres, not pixels, where they are known"


def test_the_picture_is_the_exported_one(opened: Program) -> None:
    session = opened.session
    session.set_slice(TUMOUR[0])
    plain = render.background(session.volume, session.z, session.windows, "flair")
    exported = overlay_picture(session.volume, session.z, session.windows, session.prediction, session.style, "flair")
    assert np.array_equal(picture_of(session), exported)
    assert not np.array_equal(exported, plain)
    session.set_layers(overlay=False)
    assert np.array_equal(picture_of(session), plain)


def test_layers_and_style_act_without_a_new_run(opened: Program, fake: Any) -> None:
    session, runs = opened.session, len(fake.analysed)
    session.set_slice(TUMOUR[0])
    pictures = {}
    for name, change in {
        "plain": lambda: None,
        "opacity": lambda: session.set_style(opacity=0.9),
        "colour": lambda: session.set_style(rgb=(86, 180, 233)),
        "threshold": lambda: session.set_style(threshold=0.8),
        "outline": lambda: session.set_style(outline=True),
        "reference": lambda: session.set_layers(reference=True),
        "heatmap": lambda: session.set_layers(heatmap=True),
        "agreement": lambda: session.set_layers(heatmap=False, agreement=True),
        "post": lambda: session.set_show("post"),
        "composite": lambda: session.set_show("composite"),
    }.items():
        change()
        pictures[name] = picture_of(session).tobytes()
    assert len(set(pictures.values())) == len(pictures)
    assert len(fake.analysed) == runs


def test_agreement_says_what_its_colours_mean(qtbot: Any, opened: Program) -> None:
    session, legend = opened.session, opened.window.stage.scan.legend
    session.set_slice(TUMOUR[0])
    assert legend.kinds == ()
    qtbot.mouseClick(opened.window.findChild(QCheckBox, "agreementBox"), Qt.MouseButton.LeftButton)
    assert session.layers.agreement
    words = [kind.words for kind in legend.kinds]
    assert words[:3] == ["Hit", "Missed", "False"]
    expected = dice(session.found(TUMOUR[0]), session.volume.reference[TUMOUR[0]])
    assert words[3] == f"Dice of this slice {expected:.2f}"
    assert len({kind.pattern for kind in legend.kinds[:3]}) == 3
    session.set_style(threshold=0.99)
    assert legend.kinds[3].words != words[3], "the threshold slider acts at once"
    session.set_slice(0)
    assert [kind.words for kind in legend.kinds] == ["Both masks are empty"]


def test_heat_map_and_agreement_take_turns(opened: Program) -> None:
    session = opened.session
    session.set_layers(heatmap=True)
    session.set_layers(agreement=True)
    assert (session.layers.heatmap, session.layers.agreement) == (False, True)
    session.set_layers(heatmap=True)
    assert (session.layers.heatmap, session.layers.agreement) == (True, False)
    box = opened.window.findChild(QCheckBox, "agreementBox")
    assert not box.isChecked()


def test_the_heat_map_has_a_bar(opened: Program) -> None:
    view, legend = view_of(opened), opened.window.stage.scan.legend
    opened.session.set_slice(TUMOUR[0])
    before = view.grab().toImage()
    assert not legend.heat
    opened.session.set_layers(heatmap=True)
    assert legend.heat
    after = view.grab().toImage()
    x = view.width() - 16
    column = [qGray(after.pixel(x, y)) for y in range(60, 170, 10)]
    assert column == sorted(column, reverse=True), "from 1 above to 0 below"
    assert column[0] > column[-1] + 100
    assert after != before


def test_strip_click_and_drag_go_to_the_slice(qtbot: Any, opened: Program) -> None:
    strip, session = opened.window.findChild(DetectionStrip, "detectionStrip"), opened.session
    for z in (0, 9, SLICES - 1, 5):
        qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=strip.place_of(z).toPoint())
        assert session.z == z
    drag(qtbot, strip, Qt.MouseButton.LeftButton, strip.place_of(2).toPoint(), strip.place_of(8).toPoint())
    assert session.z == 8
    wheel(strip, -1)
    assert session.z == 9


def test_strip_shows_what_is_known(opened: Program) -> None:
    bars = opened.window.findChild(DetectionStrip, "detectionStrip").bars
    assert [z for z, bar in enumerate(bars) if bar.tumour] == list(TUMOUR)
    assert not any(bar.provisional for bar in bars)
    assert max(bar.area for bar in bars if bar.tumour) == 1
    assert "probability 0.97" in bars[TUMOUR[0]].words
    assert "No tumour found" in bars[0].words


def test_strip_marks_where_the_models_disagree(opened: Program) -> None:
    session = opened.session
    strip = opened.window.findChild(DetectionStrip, "detectionStrip")
    assert not any(bar.doubt for bar in strip.bars)
    session.put_prediction(replace(session.predictions[2], only_seen_by="segmenter"))
    assert [z for z, bar in enumerate(strip.bars) if bar.doubt] == [2]
    assert "only the segmenter sees a tumour" in strip.bars[2].words
    session.set_slice(2)
    assert "only the segmenter" in opened.window.findChild(QLabel, "sliceFactsLabel").text()


def test_strip_states_look_different(qtbot: Any) -> None:
    strip = DetectionStrip()
    qtbot.addWidget(strip)
    strip.resize(120, strip.height())
    states = {
        "unknown": Bar(),
        "nothing": Bar(0.3),
        "nothing so far": Bar(0.3, provisional=True),
        "tumour": Bar(0.9, True, 0.5),
        "tumour so far": Bar(0.9, True, 0.5, provisional=True),
        "larger": Bar(0.9, True, 1.0),
        "in doubt": Bar(0.9, True, 1.0, doubt=True),
    }
    pictures = set()
    for bar in states.values():
        strip.set_bars((bar,))
        image = strip.grab().toImage()
        pictures.add(bytes(image.constBits()))
    assert len(pictures) == len(states)


def colours_of(strip: DetectionStrip) -> list[set[str]]:
    """Of each column of pixels the colours that occur in it."""
    image = strip.grab().toImage()
    return [{image.pixelColor(x, y).name() for y in range(image.height())} for x in range(image.width())]


def test_strip_follows_what_changes(qtbot: Any) -> None:
    strip = DetectionStrip()
    qtbot.addWidget(strip)
    strip.resize(216, strip.height())
    bars = tuple(Bar(0.2) for _ in range(10))
    strip.set_bars(bars)
    assert not any("#d55e00" in column for column in colours_of(strip))
    strip.set_bars((*bars[:3], Bar(0.9, True, 1.0), *bars[4:]))
    found = [x for x, column in enumerate(colours_of(strip)) if "#d55e00" in column]
    assert found == list(range(69, 86))  # the fourth of ten places of 20 px, less the gap, behind an edge of 8
    strip.set_colour((0, 114, 178))
    assert [x for x, column in enumerate(colours_of(strip)) if "#0072b2" in column] == found
    strip.resize(116, strip.height())
    assert [x for x, column in enumerate(colours_of(strip)) if "#0072b2" in column] == list(range(39, 47))


def test_strip_of_more_slices_than_pixels_hides_no_tumour(qtbot: Any) -> None:
    strip = DetectionStrip()
    qtbot.addWidget(strip)
    strip.resize(216, strip.height())
    bars = [Bar(0.3) for _ in range(2000)]
    bars[777] = Bar(0.6, True, 0.1)
    strip.set_bars(tuple(bars))
    found = [x for x, column in enumerate(colours_of(strip)) if "#d55e00" in column]
    assert found == [8 + 777 // 10]
    assert strip.slice_at(found[0]) in range(770, 780)


def test_slider_and_arrow_buttons(qtbot: Any, opened: Program) -> None:
    slider, session = opened.window.findChild(QSlider, "sliceSlider"), opened.session
    assert (slider.minimum(), slider.maximum(), slider.value()) == (0, SLICES - 1, session.z)
    slider.setValue(1)
    assert session.z == 1
    qtbot.mouseClick(opened.window.findChild(QToolButton, "nextFindingButton"), Qt.MouseButton.LeftButton)
    assert session.z == slider.value() == TUMOUR[0]
    qtbot.mouseClick(opened.window.findChild(QToolButton, "previousFindingButton"), Qt.MouseButton.LeftButton)
    assert session.z == slider.value() == TUMOUR[-1]


def test_the_strip_forgets_when_an_analysis_begins_anew(opened: Program) -> None:
    session, strip = opened.session, opened.window.stage.scan.strip
    assert any(bar.p_tumour is not None for bar in strip.bars)
    session.start_analysis()
    assert all(bar.p_tumour is None for bar in strip.bars)
    words = [bar.words for bar in strip.bars]
    session.put_prediction(Prediction(0, 0.9, True, None, True, 0.1))
    assert strip.bars[0].p_tumour == 0.9
    session.start_analysis()
    assert [bar.p_tumour for bar in strip.bars] == [None] * len(strip.bars)
    assert [bar.words for bar in strip.bars] == words
