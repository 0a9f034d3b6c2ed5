"""The same scan in another form."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brainviewer.formats import open_volume
from brainviewer.inference.load import Models
from brainviewer.training.evaluate import labelled_series
from brainviewer.training.robustness import CHANGES, FLAIR, robustness, robustness_in


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


def test_what_another_form_costs_is_measured(bright_heads: Path, bright_models: Models) -> None:
    found = robustness_in(bright_heads, bright_models, ["p0", "p2"])
    assert set(found) == set(CHANGES)
    assert all(found[name] == {"dice_between": 1.0, "dice_lost": 0.0} for name in ("flair_only", "half", "four_times"))
    (volume,) = (open_volume(series) for series in labelled_series(bright_heads, ["p0"]))
    voxels = np.zeros_like(volume.voxels)
    voxels[..., 0] = voxels[..., 2] = volume.voxels[..., FLAIR]
    assert robustness([replace(volume, voxels=voxels)], bright_models)["flair_only"]["dice_lost"] == 0.0, "nothing was found before either"
