"""The losses against their formulas."""

import numpy as np
import pytest

pytest.importorskip("keras")

from brainviewer.training import losses

pytestmark = pytest.mark.engine


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return (rng.random((3, 8, 8, 1)) > 0.7).astype(np.float32), rng.random((3, 8, 8, 1)).astype(np.float32)


def test_tversky_weighs_misses_more(pair: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = pair
    hit, missed, false = (y * p).sum(), (y * (1 - p)).sum(), ((1 - y) * p).sum()
    expected = (hit + 1) / (hit + 0.7 * missed + 0.3 * false + 1)
    assert float(losses.tversky_index(y, p)) == pytest.approx(expected, rel=1e-5)
    assert float(losses.tversky(y, p)) == pytest.approx(1 - expected, rel=1e-5)
    assert float(losses.focal_tversky(y, p)) == pytest.approx((1 - expected) ** 0.75, rel=1e-5)


def test_dice_is_tversky_at_one_half(pair: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = pair
    expected = (2 * (y * p).sum() + 2) / (y.sum() + p.sum() + 2)
    assert float(losses.dice(y, p)) == pytest.approx(1 - expected, rel=1e-5)


@pytest.mark.parametrize("name", list(losses.LOSSES))
def test_perfect_is_better_than_wrong_and_gradients_stay_finite(name: str, pair: tuple[np.ndarray, np.ndarray]) -> None:
    y, _ = pair
    loss = losses.LOSSES[name]
    assert float(loss(y, y)) < 0.01
    assert float(loss(y, 1 - y)) > 0.5
    empty = np.zeros_like(y)
    assert float(loss(empty, empty)) < 0.01
    tf = pytest.importorskip("tensorflow")
    guess = tf.Variable(y)
    with tf.GradientTape() as tape:
        value = loss(y, guess)
    assert np.isfinite(tape.gradient(value, guess).numpy()).all()


def test_a_small_tumour_counts_beside_a_large_one() -> None:
    y = np.zeros((3, 32, 32, 1), np.float32)
    y[0, 4:28, 4:28] = 1
    y[1, 15:17, 15:17] = 1  # and a third slice shows nothing
    found_large = y.copy()
    found_large[1] = 0
    assert float(losses.focal_tversky(y, found_large)) < 0.03
    index = 1 / (0.7 * 4 + 1)
    batch = (1 - (576 + 1) / (576 + 0.7 * 4 + 1)) ** 0.75
    crossentropy = 4 * -np.log(1e-7) / y.size
    expected = (batch + (1 - index) ** 0.75 / 2) / 2 + crossentropy
    assert float(losses.small_too(y, found_large)) == pytest.approx(expected, rel=1e-3)
