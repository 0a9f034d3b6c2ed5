"""The same scan in another form."""

import numpy as np
import pytest

from brainviewer.training.robustness import CHANGES


@pytest.fixture
def voxels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, (2, 8, 8, 3)).astype(np.uint8)


def test_flair_takes_every_channel(voxels: np.ndarray) -> None:
    changed = CHANGES["flair_only"](voxels)
    assert all(np.array_equal(changed[..., c], voxels[..., 1]) for c in range(3))
    assert np.array_equal(CHANGES["flair_only"](voxels[..., :1]), voxels[..., :1])


@pytest.mark.parametrize(("name", "factor"), [("half", 0.5), ("four_times", 4.0), ("twelve_bits", 4095 / 199)])
def test_other_units_keep_the_proportions(voxels: np.ndarray, name: str, factor: float) -> None:
    voxels.flat[0] = 199
    assert np.allclose(CHANGES[name](voxels), voxels * factor, atol=0.5)
