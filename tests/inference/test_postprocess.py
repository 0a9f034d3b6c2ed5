"""The look at the whole scan."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from brainviewer.inference.postprocess import CleanUp, Decision, clean, features, neighbours_highest, neighbours_mean

SHAPE = (5, 256, 256)


def maps_with(*boxes: tuple[slice, slice, slice, float]) -> dict[int, np.ndarray]:
    volume = np.zeros(SHAPE, np.float32)
    for z, y, x, value in boxes:
        volume[z, y, x] = value
    return dict(enumerate(volume))


def test_small_components_go_and_large_ones_stay() -> None:
    maps = maps_with((slice(1, 4), slice(50, 90), slice(50, 90), 0.9), (slice(2, 3), slice(200, 205), slice(200, 205), 0.9))
    cleaned = clean(maps, SHAPE, 0.5, CleanUp(60, 0.0))
    assert cleaned[2][60, 60] == np.float32(0.9)
    assert cleaned[2][202, 202] == 0
    assert maps[2][202, 202] == np.float32(0.9), "the given maps are not changed"
    assert cleaned[1] is maps[1], "maps that lose nothing are not copied"


def test_the_halo_of_a_dropped_component_goes_too() -> None:
    maps = maps_with(
        (slice(1, 4), slice(50, 90), slice(50, 90), 0.9),
        (slice(2, 3), slice(196, 209), slice(196, 209), 0.3),
        (slice(2, 3), slice(200, 205), slice(200, 205), 0.9),
    )
    assert clean(maps, SHAPE, 0.5, CleanUp(60, 0.0))[2][197, 197] == 0


def test_components_are_counted_over_slices() -> None:
    """20 pixels on each of four slices that touch at corners are one component of 80."""
    maps = maps_with(*[(slice(z, z + 1), slice(50 + 4 * z, 54 + 4 * z), slice(50, 55), 0.9) for z in range(4)])
    assert clean(maps, SHAPE, 0.5, CleanUp(70, 0.0))[0][50, 50] == np.float32(0.9)


def test_the_largest_share_rule() -> None:
    maps = maps_with((slice(0, 1), slice(0, 40), slice(0, 40), 0.9), (slice(3, 4), slice(100, 110), slice(100, 110), 0.9))
    assert clean(maps, SHAPE, 0.5, CleanUp(0, 0.1))[3].max() == 0
    assert clean(maps, SHAPE, 0.5, CleanUp(0, 0.05))[3].max() == np.float32(0.9)


def test_nothing_in_nothing_out() -> None:
    assert clean({}, SHAPE, 0.5, CleanUp()) == {}
    empty = maps_with()
    assert all(map_.max() == 0 for map_ in clean(empty, SHAPE, 0.5, CleanUp()).values())


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(np.float32, (3, 16, 16), elements=st.floats(0, 1, width=32)))
def test_clean_only_takes_away_and_never_from_what_is_kept(volume: np.ndarray) -> None:
    maps = dict(enumerate(volume))
    cleaned = np.stack(list(clean(maps, volume.shape, 0.5, CleanUp(2000, 0.2)).values()))
    assert np.all((cleaned == volume) | (cleaned == 0))
    areas = [(cleaned >= t).sum() for t in (0.3, 0.5, 0.7)]
    assert areas == sorted(areas, reverse=True)


def test_neighbours() -> None:
    values = np.array([0.0, 1.0, 0.5])
    assert neighbours_mean(values).tolist() == [1.0, 0.25, 1.0]
    assert neighbours_highest(values).tolist() == [1.0, 1.0, 1.0]
    assert neighbours_mean(np.array([0.3])).tolist() == [0.3]
    assert neighbours_highest(np.array([0.3])).tolist() == [0.3]


@pytest.mark.parametrize("count", [1, 2, 40])
def test_final_probabilities(count: int) -> None:
    decision = Decision(weights=(0.5, 0.2, 0.4, 0.1, 1.0), bias=-1.0)
    p = decision.final(np.linspace(0, 1, count), np.linspace(0, 900, count))
    assert p.shape == (count,)
    assert ((p >= 0) & (p <= 1)).all()
    assert features(np.zeros(count), np.zeros(count)).shape == (count, 5)


def test_decision_survives_json() -> None:
    decision = Decision(0.02, (1.0, 2.0, 3.0, 4.0, 5.0), -0.5, 0.5, (0.9, 0.1))
    assert Decision.from_json(decision.to_json()) == decision
