"""Measures, against counting and against trying everything."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from brainviewer.imaging.measure import centroid, count_lesions, dice, fullest_slice, measure, scan_diameters, slice_diameters

spacings = st.tuples(*[st.floats(0.3, 6, allow_nan=False)] * 3)
small = arrays(bool, st.tuples(st.integers(1, 4), st.integers(1, 7), st.integers(1, 7)))


def corners_of(part: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """(N, 2) mm: the four corners of every pixel."""
    pixels = np.argwhere(part)
    return np.unique(np.concatenate([pixels + offset for offset in itertools.product((0, 1), (0, 1))]), axis=0) * np.array(spacing[1:])


def chord(points: np.ndarray, direction: np.ndarray) -> float:
    """The longest chord of the points' convex hull in a direction: every segment between two points is met at every point's position."""
    across = np.array([direction[1], -direction[0]])
    position, height = points @ across, points @ direction
    longest = 0.0
    for at in np.unique(position):
        heights = list(height[np.abs(position - at) < 1e-9])
        for i, j in itertools.combinations(range(len(points)), 2):
            low, high = sorted((position[i], position[j]))
            if low < at < high:
                share = (at - position[i]) / (position[j] - position[i])
                heights.append(height[i] + share * (height[j] - height[i]))
        longest = max(longest, max(heights) - min(heights))
    return longest


def by_trying(mask: np.ndarray, spacing: tuple[float, float, float]) -> tuple[float, float]:
    """(longest, perpendicular) of the 8-connected part with the largest product."""
    labels, number = ndimage.label(mask, np.ones((3, 3)))
    best = (0.0, 0.0)
    for part in range(1, number + 1):
        points = corners_of(labels == part, spacing)
        pairs = [(float(np.linalg.norm(points[j] - points[i])), i, j) for i, j in itertools.combinations(range(len(points)), 2)]
        longest = max(pairs)[0]
        for length, i, j in pairs:
            if length >= longest * (1 - 1e-9):
                along = (points[j] - points[i]) / length
                across = chord(points, np.array([-along[1], along[0]]))
                if longest * across > best[0] * best[1]:
                    best = (longest, across)
    return best


@given(arrays(bool, st.tuples(st.integers(1, 5), st.integers(1, 5))), st.sampled_from([(3.0, 1.0, 1.0), (5.0, 0.5, 0.9), (1.0, 2.0, 0.7)]))
def test_diameters_are_those_found_by_trying(mask, spacing):
    found = slice_diameters(mask, spacing)
    if not mask.any():
        assert found is None
        return
    longest, across = by_trying(mask, spacing)
    assert found is not None
    assert found.longest_mm * found.perpendicular_mm == pytest.approx(longest * across, rel=1e-6)


@given(small, spacings)
def test_ends_are_where_the_diameters_are(mask, spacing):
    found = scan_diameters(mask, spacing)
    if found is None:
        assert not mask.any()
        return
    lines = []
    for ends, length in ((found.longest_ends, found.longest_mm), (found.perpendicular_ends, found.perpendicular_mm)):
        line = (np.array(ends[1]) - np.array(ends[0])) * spacing[1:]
        assert np.linalg.norm(line) == pytest.approx(length, abs=1e-6)
        lines.append(line)
    assert abs(lines[0] @ lines[1]) < 1e-6 * found.product_mm2 + 1e-9
    assert found.perpendicular_mm <= found.longest_mm + 1e-9
    assert mask[found.z].any()


@given(small, st.one_of(st.none(), spacings))
def test_counts_and_products(mask, spacing):
    found = measure(mask, spacing)
    assert found.areas_px == tuple(int(slice_.sum()) for slice_ in mask)
    assert found.lesions == ndimage.label(mask, np.ones((3, 3, 3)))[1] == count_lesions(mask)
    if mask.any():
        assert centroid(mask) == pytest.approx(tuple(np.argwhere(mask).mean(axis=0)))
        assert found.largest_slice is not None
        assert mask[found.largest_slice].any()
    else:
        assert found.centroid is None
        assert found.largest_slice is None
        assert found.diameters is None
    if spacing is None:
        assert (found.areas_mm2, found.volume_ml, found.diameters) == (None, None, None)
        assert found.largest_slice == (int(np.argmax(found.areas_px)) if mask.any() else None)
    else:
        assert found.areas_mm2 == pytest.approx(tuple(area * spacing[1] * spacing[2] for area in found.areas_px))
        assert found.volume_ml == pytest.approx(mask.sum() * np.prod(spacing) / 1000)


def test_a_known_ellipse():
    y, x = np.mgrid[:200, :300] + 0.5
    mask = np.zeros((3, 200, 300), bool)
    mask[1] = ((x - 150) / 120) ** 2 + ((y - 100) / 50) ** 2 <= 1
    found = scan_diameters(mask, (5.0, 0.5, 0.5))
    assert found is not None
    assert found.z == 1
    assert found.longest_mm == pytest.approx(120, rel=0.01)
    assert found.perpendicular_mm == pytest.approx(50, rel=0.02)


def test_the_larger_product_wins_over_the_longer_line():
    mask = np.zeros((1, 40, 60), bool)
    mask[0, 2, 2:52] = True  # long and thin
    mask[0, 10:35, 10:35] = True
    found = scan_diameters(mask, (1.0, 1.0, 1.0))
    assert found is not None
    assert found.longest_mm == pytest.approx(25 * np.sqrt(2))
    assert found.perpendicular_mm == pytest.approx(25 * np.sqrt(2))


def test_one_pixel_has_a_size():
    mask = np.zeros((1, 5, 5), bool)
    mask[0, 2, 2] = True
    found = measure(mask, (4.0, 3.0, 2.0))
    assert found.volume_ml == pytest.approx(0.024)
    assert found.diameters is not None
    assert found.diameters.longest_mm == pytest.approx(np.hypot(3, 2))


def test_lesions_that_touch_at_a_corner_are_one():
    mask = np.zeros((3, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert count_lesions(mask) == 1
    mask[1, 1, 1], mask[2, 1, 1] = False, True
    assert count_lesions(mask) == 2


def test_the_volume_goes_by_the_voxels_own():
    mask = np.zeros((2, 5, 5), bool)
    mask[:, 1:3, 1:3] = True
    assert measure(mask, (5.0, 1.0, 1.0)).volume_ml == pytest.approx(0.04)
    assert measure(mask, (5.0, 1.0, 1.0), 4.0).volume_ml == pytest.approx(0.032)


def test_dice() -> None:
    one, other = np.zeros((2, 5), bool), np.zeros((2, 5), bool)
    assert dice(one, other) == 1
    one[0] = True
    assert dice(one, other) == 0
    other[:, :2] = True
    assert dice(one, other) == pytest.approx(2 * 2 / (5 + 4))


def test_the_fullest_slice() -> None:
    mask = np.zeros((5, 4, 4), bool)
    assert fullest_slice(mask) == 2
    mask[1, :2], mask[3, 2:], mask[4, 0, 0] = True, True, True
    assert fullest_slice(mask) == 1
    mask[4] = True
    assert fullest_slice(mask) == 4
