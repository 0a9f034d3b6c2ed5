"""The way into the networks and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from brainviewer.inference import preprocess


def brain(rng: np.random.Generator, shape: tuple[int, ...] = (6, 64, 64, 3)) -> np.ndarray:
    """A bright ball of noise in the dark."""
    _, y, x, _ = shape
    grid = np.hypot(*np.meshgrid(np.linspace(-1, 1, y), np.linspace(-1, 1, x), indexing="ij"))
    return (rng.uniform(80, 200, shape) * (grid < 0.7)[np.newaxis, :, :, np.newaxis]).astype(np.float64)


@pytest.mark.parametrize("factor", [0.5, 2.0, 4.0, 16.0])
@pytest.mark.parametrize("offset", [0.0, -1000.0])
def test_the_input_does_not_depend_on_units(factor: float, offset: float) -> None:
    voxels = brain(np.random.default_rng(0))
    other = voxels * factor + offset
    first = preprocess.to_network(voxels[3], preprocess.intensity_ranges(voxels))
    second = preprocess.to_network(other[3], preprocess.intensity_ranges(other))
    assert np.abs(first - second).max() < 1e-5


def test_eight_and_twelve_bits_give_nearly_the_same_input() -> None:
    voxels = brain(np.random.default_rng(0))
    eight = voxels.astype(np.uint8)
    twelve = np.round(eight.astype(float) * 16.06).astype(np.uint16)
    a = preprocess.to_network(eight[3], preprocess.intensity_ranges(eight))
    b = preprocess.to_network(twelve[3], preprocess.intensity_ranges(twelve))
    assert np.abs(a - b).max() < 2e-3


def test_range_ignores_what_is_not_a_number_and_single_bright_voxels() -> None:
    voxels = brain(np.random.default_rng(1)).astype(np.float32)
    expected = preprocess.intensity_ranges(voxels)
    voxels[0, 0, 0] = np.nan
    voxels[0, 0, 1] = np.inf
    voxels[1, 30, 30] = 1e6
    assert np.allclose(preprocess.intensity_ranges(voxels), expected, rtol=0.02)
    assert np.isfinite(preprocess.to_network(voxels[0], preprocess.intensity_ranges(voxels))).all()


@pytest.mark.parametrize("value", [0, 7, -3.5])
def test_a_constant_volume_is_no_error(value: float) -> None:
    voxels = np.full((2, 16, 16, 1), value)
    image = preprocess.to_network(voxels[0], preprocess.intensity_ranges(voxels))
    assert image.shape == (256, 256, 3)
    assert np.isfinite(image).all()


def test_one_grey_sequence_fills_all_channels() -> None:
    voxels = brain(np.random.default_rng(2))[..., :1]
    image = preprocess.to_network(voxels[0], preprocess.intensity_ranges(voxels))
    assert image.dtype == np.float32
    assert np.array_equal(image[..., 0], image[..., 1])
    assert np.array_equal(image[..., 0], image[..., 2])
    assert image.min() >= 0
    assert image.max() <= 1


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(20, 700), columns=st.integers(20, 700), data=st.data())
def test_a_landmark_comes_back_within_half_a_pixel(rows: int, columns: int, data: st.DataObject) -> None:
    """The blob's centre of mass, to the networks' grid and back."""
    y = data.draw(st.floats(0.3, 0.7)) * (rows - 1)
    x = data.draw(st.floats(0.3, 0.7)) * (columns - 1)
    width = max(rows, columns) / 20
    yy, xx = np.mgrid[:rows, :columns]
    blob = np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * width**2)).astype(np.float32)
    grid = preprocess.to_network(blob[..., np.newaxis], np.array([[0.0, 1.0]]))
    back = preprocess.to_slice(grid[..., 0], (rows, columns))
    assert back.shape == (rows, columns)
    found_y, found_x = ((back * c).sum() / back.sum() for c in (yy, xx))
    true_y, true_x = ((blob * c).sum() / blob.sum() for c in (yy, xx))
    assert abs(found_y - true_y) <= 0.5
    assert abs(found_x - true_x) <= 0.5


def test_the_networks_own_size_passes_unchanged() -> None:
    rng = np.random.default_rng(3)
    image = rng.random((256, 256, 3)).astype(np.float32)
    assert np.array_equal(preprocess.to_network(image, np.array([[0.0, 1.0]] * 3)), image)
    assert np.array_equal(preprocess.to_slice(image[..., 0], (256, 256)), image[..., 0])


@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.int8, np.uint16, np.int16]), st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.just(1))
    ),
    st.floats(0, 100),
)
def test_counted_percentiles_are_numpys_own(voxels: np.ndarray, q: float) -> None:
    values = voxels.reshape(-1)
    assert preprocess._Counted.of(values).percentile(q) == np.percentile(values.astype(np.float64), q)
    exact = preprocess.intensity_ranges(voxels.astype(np.float64))
    assert np.array_equal(preprocess.intensity_ranges(voxels), exact)
    assert np.array_equal(preprocess.to_network(voxels[0], exact, 16), preprocess.to_network(voxels[0].astype(np.float64), exact, 16))
