"""The displayed volume, the way back to the stored grid, and windows."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brainviewer.imaging.volume import StoredGrid, Volume, Window

numbers = st.floats(-1e6, 1e6, width=32)
values = arrays(np.float32, st.integers(1, 60), elements=st.floats(width=32, allow_nan=True, allow_infinity=True))
windows = st.builds(lambda low, width: Window(low, low + width), st.floats(-1e5, 1e5), st.floats(1e-2, 1e5))


@given(values, windows)
def test_windows_give_bytes_that_rise_with_the_values(array, window):
    shown = window.apply(array)
    assert shown.dtype == np.uint8
    assert shown.shape == array.shape
    assert (shown[np.isnan(array)] == 0).all()
    order = np.argsort(array[~np.isnan(array)])
    assert (np.diff(shown[~np.isnan(array)][order].astype(int)) >= 0).all()


@given(windows)
def test_the_ends_of_a_window(window):
    # float32 arithmetic, as for a whole slice
    assert window.apply(np.array([window.low, window.high], np.float64)).tolist() == pytest.approx([0, 255], abs=1 + 255 * 0.02 / window.width)
    assert window.apply(np.array([window.low - 1e6, window.high + 1e6])).tolist() == [0, 255]


@given(arrays(st.sampled_from([np.uint8, np.int16, np.uint16]), st.integers(0, 400)))
def test_automatic_windows_have_a_width(array):
    window = Window.auto(array)
    assert window.high > window.low
    assert window.width == window.high - window.low
    assert window.low <= window.level <= window.high


def test_automatic_windows_leave_out_what_is_no_number():
    clean = np.linspace(0, 100, 1000, dtype=np.float32)
    assert Window.auto(np.concatenate([clean, [np.nan, np.inf, -np.inf]]).astype(np.float32)) == Window.auto(clean)
    assert Window.auto(np.full(5, np.nan)) == Window(0.0, 1.0)


@pytest.mark.parametrize("axes", list(permutations(range(3))))
@pytest.mark.parametrize("flips", [(a, b, c) for a in (False, True) for b in (False, True) for c in (False, True)])
def test_the_way_to_the_stored_grid_and_back(axes, flips):
    stored = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    grid = StoredGrid(stored.shape, axes, flips)
    shown = grid.display(stored)
    assert shown.shape == tuple(stored.shape[axis] for axis in axes)
    assert np.array_equal(grid.restore(shown), stored)
    assert np.array_equal(grid.display(grid.restore(shown)), shown)
    colour = np.stack([stored, stored * 2], axis=-1)
    assert np.array_equal(grid.display(colour)[..., 1], shown * 2)


@given(arrays(np.int16, st.tuples(*[st.integers(1, 4)] * 3)), st.permutations(range(3)), st.tuples(*[st.booleans()] * 3))
def test_every_voxel_finds_its_way(stored, axes, flips):
    grid = StoredGrid(stored.shape, tuple(axes), flips)
    shown = grid.display(stored)
    for place in np.ndindex(shown.shape):
        there = [0, 0, 0]
        for displayed_axis, stored_axis in enumerate(axes):
            index = place[displayed_axis]
            there[stored_axis] = shown.shape[displayed_axis] - 1 - index if flips[displayed_axis] else index
        assert shown[place] == stored[tuple(there)]


def volume(voxels: np.ndarray, channels: tuple[str, ...] = ("FLAIR",), **more: object) -> Volume:
    names = tuple(str(z) for z in range(voxels.shape[0]))
    return Volume(voxels=voxels, affine=None, channels=channels, source=Path("x"), key="x", format="tiff", sources=names, stems=names, **more)


def test_a_volume_is_four_dimensional_and_read_only():
    one = volume(np.zeros((2, 3, 4, 1), np.int16))
    assert (len(one), one.shape, one[1].shape, one.spacing, one.composed) == (2, (2, 3, 4), (3, 4, 1), None, False)
    with pytest.raises(ValueError, match="read-only"):
        one.voxels[0] = 1
    with pytest.raises(ValueError, match="voxels must be"):
        volume(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match="must name every"):
        volume(np.zeros((2, 3, 4, 3)), ("red",))


def test_the_spacing_is_that_of_the_affine():
    affine = np.array([[0, 0, 5.0, 0], [0.5, 0, 0, 0], [0, 0.25, 0, 0], [0, 0, 0, 1]])
    one = Volume(np.zeros((1, 2, 2, 1)), affine, ("T1",), Path("x"), "x", "nifti", ("x",), ("x",))
    assert one.spacing == (5.0, 0.25, 0.5)


def test_voxels_of_a_sheared_grid_are_smaller_than_their_spacing():
    affine = np.array([[1.0, 0, 0, 0], [0, 2, 5, 0], [0, 0, 12, 0], [0, 0, 0, 1]])
    volume = Volume(np.zeros((2, 3, 4, 1), np.uint8), affine, ("grey",), Path("a"), "a", "dicom", ("a",) * 2, ("a0", "a1"))
    assert volume.spacing == (13, 2, 1)
    assert volume.voxel_mm3 == pytest.approx(24)
    assert replace(volume, affine=None, voxel_mm=(3.0, 2.0, 1.0)).voxel_mm3 == 6
    assert replace(volume, affine=None).voxel_mm3 is None


tabled = st.sampled_from(["u1", "i1", "u2", "i2", ">u2"]).flatmap(lambda kind: arrays(kind, st.tuples(st.integers(1, 5), st.integers(1, 5))))
any_window = st.builds(Window, st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)) | st.builds(Window, st.just(-np.inf), st.floats(0, 10))


@given(tabled, any_window)
def test_whole_numbers_look_as_the_same_fractions_do(array, window):
    assert np.array_equal(window.apply(array), window.apply(array.astype(np.int32)))
    assert np.array_equal(window.apply(array[::-1, :1]), window.apply(array)[::-1, :1])
