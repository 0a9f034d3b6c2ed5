"""Every pixel of a slice is painted where the view says that it lies, at every zoom."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import qGray

from brainviewer.ui.slice_view import SliceView

SHAPE = (40, 50)


@pytest.fixture
def view(qtbot: Any) -> SliceView:
    view = SliceView()
    qtbot.addWidget(view)
    view.resize(701, 433)
    view.set_grid(SHAPE, (1.0, 0.8), None)
    view.show()
    return view


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("zooms", [(), ((2.3, 90, 300),), ((2.3, 90, 300), (7.7, 400, 100)), ((1.9, 0, 0), (1.4, 700, 430))])
def test_a_pixel_lies_where_the_view_says(view: SliceView, zooms: tuple[tuple[float, int, int], ...], smooth: bool) -> None:
    bright = np.random.default_rng(0).random(SHAPE) < 0.5
    view.set_smooth(smooth)
    view.set_picture(np.repeat(bright[..., np.newaxis], 3, axis=-1) * np.uint8(255))
    for factor, x, y in zooms:
        view.zoom(factor, QPointF(x, y))
    shown, seen = view.grab().toImage(), 0
    for (row, column), white in np.ndenumerate(bright):
        middle = view.place_of((row + 0.5, column + 0.5)).toPoint()
        if view.rect().contains(middle):
            seen += 1
            assert (qGray(shown.pixel(middle)) > 127) == white, (row, column)
    assert seen >= 8


def test_squares_end_where_pixels_do(view: SliceView) -> None:
    picture = np.zeros((*SHAPE, 3), np.uint8)
    picture[10, 20] = 255
    view.set_smooth(False)
    view.set_picture(picture)
    view.zoom(6, view.place_of((10.5, 20.5)))
    shown = view.grab().toImage()
    for place in ((10, 20.5), (11, 20.5), (10.5, 20), (10.5, 21)):  # the middles of its four edges
        edge, inside = view.place_of(place), view.place_of((10.5, 20.5))
        step = (inside - edge) / max(abs((inside - edge).x()), abs((inside - edge).y()))
        assert qGray(shown.pixel((edge + 2 * step).toPoint())) > 200, place
        assert qGray(shown.pixel((edge - 2 * step).toPoint())) < 50, place


@pytest.mark.parametrize("middle", [200, 260, 320, 380])
def test_what_is_blended_at_the_border_of_the_view_is_what_lies_there(view: SliceView, middle: int) -> None:
    picture = np.zeros((*SHAPE, 3), np.uint8)
    picture[:, ::2] = 250
    view.set_picture(picture)
    view.zoom(20, QPointF(middle, 200))
    shown = view.grab().toImage()
    greys = np.array([qGray(shown.pixel(x, 130)) for x in range(shown.width())])  # clear of words
    still = np.diff(np.flatnonzero(np.diff(greys)), prepend=0, append=len(greys))
    assert still.max() <= 4, "grey rises or falls everywhere, up to the border"


def test_a_new_picture_is_seen_and_none_leaves_nothing(view: SliceView) -> None:
    view.set_picture(np.full((*SHAPE, 3), 200, np.uint8))
    assert qGray(view.grab().toImage().pixel(350, 200)) == 200
    view.set_picture(np.full((*SHAPE, 3), 90, np.uint8))
    assert qGray(view.grab().toImage().pixel(350, 200)) == 90
    view.set_picture(None)
    assert qGray(view.grab().toImage().pixel(350, 200)) == 0


def test_a_larger_view_shows_the_same_part_larger(view: SliceView) -> None:
    view.zoom(3, QPointF(100, 100))
    middle, magnified = view.point_at(QPointF(350.5, 216.5)), view.magnification()
    view.resize(1402, 866)
    assert view.magnification() == pytest.approx(magnified)
    assert view.point_at(QPointF(701, 433)) == pytest.approx(middle)
    view.fit()
    view.resize(300, 200)
    assert view.magnification() == pytest.approx(1)


@pytest.mark.parametrize("shape", [(64, 64), (24, 256), (4, 4), (1, 1), (300, 1)])
def test_no_zoom_makes_a_picture_far_beyond_the_view(view: SliceView, shape: tuple[int, int]) -> None:
    view.set_grid(shape, None, None)
    view.set_picture(np.zeros((*shape, 3), np.uint8))
    view.zoom(1e6)
    view.grab()
    assert view._picture._screen_pixels.size <= 4 * 4 * view.width() * view.height()
