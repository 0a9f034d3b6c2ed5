"""Drawing tools and the way back: what a brush covers, what undo restores, what is kept to step back to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brainviewer.imaging import editing
from brainviewer.imaging.editing import Drawn, Edits, History, alike, enclosed, part, stroke
from brainviewer.imaging.prediction import Mask, Prediction

masks = arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@given(masks)
def test_a_drawn_mask_comes_back_as_it_was(mask: np.ndarray) -> None:
    again = Drawn.of(mask).mask()
    assert np.array_equal(again, mask)
    assert not again.flags.writeable


@pytest.mark.parametrize("shape", [(4, 4), (9, 8), (1, 1), (8, 80)])
def test_a_drawn_mask_of_another_shape_is_refused(shape: tuple[int, int]) -> None:
    packed = Drawn.of(np.ones((8, 8), bool)).packed
    with pytest.raises(ValueError, match="does not have"):
        Drawn(shape, packed).mask()


def test_damaged_bytes_are_refused() -> None:
    good = Drawn.of(np.eye(16, dtype=bool))
    for packed in (good.packed[:-3], b"nonsense", b""):
        with pytest.raises(ValueError, match="mask"):
            Drawn(good.shape, packed).mask()


@given(st.lists(st.tuples(st.integers(0, 2), masks.filter(lambda m: m.size > 0)), max_size=8), st.data())
def test_undo_and_redo_lead_through_every_state(steps: list[tuple[int, np.ndarray]], data: st.DataObject) -> None:
    history, states = History(), [Edits()]
    for z, mask in steps:
        history = history.do("brush", z, history.now.with_mask(z, mask))
        if history.now != states[-1]:
            states.append(history.now)
    place = len(states) - 1
    for _ in range(3 * len(states)):
        back = data.draw(st.booleans())
        history = history.undo() if back else history.redo()
        place = max(place - 1, 0) if back else min(place + 1, len(states) - 1)
        assert history.now == states[place]
        assert (len(history.past), len(history.future)) == (place, len(states) - 1 - place)


def test_a_new_step_forgets_what_was_undone() -> None:
    one, two = np.eye(4, dtype=bool), np.ones((4, 4), bool)
    history = History().do("brush", 0, Edits().with_mask(0, one))
    history = history.undo().do("fill", 1, Edits().with_mask(1, two))
    assert history.redo() is history
    assert set(history.now.drawn) == {1}
    assert history.past[-1].what == "fill"


def test_the_same_again_is_no_step() -> None:
    history = History().do("brush", 0, Edits().with_mask(0, np.eye(4, dtype=bool)))
    assert history.do("brush", 0, history.now.with_mask(0, np.eye(4, dtype=bool))) is history


def test_the_way_back_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editing, "MOST_STEPS", 5)
    history = History()
    for n in range(12):
        history = history.do("brush", 0, history.now.with_mask(0, np.arange(16).reshape(4, 4) == n))
    assert len(history.past) == 5
    monkeypatch.setattr(editing, "MOST_BYTES", 60)
    random = np.random.default_rng(1)
    for _ in range(4):
        history = history.do("brush", 0, history.now.with_mask(0, random.random((40, 40)) < 0.5))
    assert len(history.past) == 1, "a step that is heavy alone can still be undone"


def test_marks_and_masks_are_edits() -> None:
    edits = Edits().with_reviewed((1, 2), True).with_mask(3, np.ones((2, 2), bool)).with_mask(4, np.zeros((2, 2), bool))
    assert edits.with_reviewed((2,), False).reviewed == {1}
    assert set(edits.without_masks([3]).drawn) == {4}
    assert edits
    assert not Edits()
    assert not edits.without_masks([3, 4]).with_reviewed((1, 2), False)


def test_a_drawn_slice_does_not_listen_to_the_threshold() -> None:
    prediction = Prediction(3, 0.1, False, Mask(np.full((4, 4), 0.9, np.float32)), False)
    drawn = prediction.with_drawn(np.eye(4, dtype=bool))
    for threshold in (0.0, 0.5, 1.0):
        found = drawn.found(threshold)
        assert found is not None
        assert np.array_equal(found, np.eye(4, dtype=bool))
    assert drawn.tumour
    assert (drawn.p_tumour, drawn.mask) == (0.1, prediction.mask)
    assert not drawn.with_drawn(np.zeros((4, 4), bool)).tumour


# --- tools


def test_the_smallest_brush_is_the_pixel_under_the_pointer() -> None:
    for y, x in ((3.01, 4.99), (3.5, 4.5), (3.99, 4.0)):
        assert [tuple(p) for p in np.argwhere(stroke((9, 9), (y, x), (y, x), 1))] == [(3, 4)]


def test_a_brush_is_round_and_has_its_size() -> None:
    covered = stroke((41, 41), (20.5, 20.5), (20.5, 20.5), 21)
    assert covered.sum() == pytest.approx(np.pi * 10.5**2, rel=0.03)
    assert (covered == covered.T).all()
    assert (covered == covered[::-1]).all()
    assert covered.any(axis=0).sum() == 21


def test_a_brush_is_round_in_millimetres() -> None:
    covered = stroke((41, 41), (20.5, 20.5), (20.5, 20.5), 12, (3.0, 1.0))
    high_mm, wide_mm = covered.any(axis=1).sum() * 3, covered.any(axis=0).sum()
    assert abs(high_mm - 12) <= 3
    assert abs(wide_mm - 12) <= 1


@given(st.tuples(*[st.floats(-10, 40)] * 4), st.integers(2, 15))
def test_a_stroke_is_the_sum_of_its_places(ends: tuple[float, float, float, float], size: int) -> None:
    shape, start, end = (24, 31), ends[:2], ends[2:]
    covered = stroke(shape, start, end, size)
    for share in np.linspace(0, 1, 7):
        at = (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
        assert not (stroke(shape, at, at, size - 1e-6) & ~covered).any()
    assert not (stroke(shape, end, start, size - 1e-6) & ~covered).any()


def test_a_stroke_outside_marks_nothing() -> None:
    assert not stroke((10, 10), (-40, -40), (-30, -50), 5).any()


def test_alike_keeps_to_the_grey_it_began_on() -> None:
    picture = np.repeat(np.arange(0, 250, 25, dtype=np.uint8)[np.newaxis, :, np.newaxis], 3, axis=2)
    assert [int(x) for x in np.flatnonzero(alike(picture, (0, 4), 0.1)[0])] == [3, 4, 5]
    assert [int(x) for x in np.flatnonzero(alike(picture, (0, 4), 0.0)[0])] == [4]
    assert alike(picture, (0, 4), 1.0).all()


def test_fill_takes_the_hole_and_nothing_else() -> None:
    ring = stroke((30, 30), (15, 15), (15, 15), 20) & ~stroke((30, 30), (15, 15), (15, 15), 12)
    hole = enclosed(ring, (15, 15))
    assert hole is not None
    assert not (hole & ring).any()
    assert enclosed(ring | hole, (15, 15)) is None, "it is marked already"
    assert enclosed(ring, (0, 0)) is None, "nothing encloses the ground"
    open_ring = ring.copy()
    open_ring[:15, 15] = False
    assert enclosed(open_ring, (15, 15)) is None


def test_a_corner_closes_a_line() -> None:
    diamond = np.zeros((5, 5), bool)
    diamond[[1, 2, 2, 3], [2, 1, 3, 2]] = True
    hole = enclosed(diamond, (2, 2))
    assert hole is not None
    assert hole.sum() == 1


def test_a_part_is_what_touches() -> None:
    mask = np.zeros((6, 6), bool)
    mask[0, 0] = mask[1, 1] = mask[4, 4] = True
    found = part(mask, (0, 0))
    assert found is not None
    assert found.sum() == 2
    assert part(mask, (3, 3)) is None
