"""What becomes of trained weights on their way into a bundle."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from brainviewer import paths
from brainviewer.inference.bundle import choose_bundle
from brainviewer.training import bundling, trainer
from brainviewer.training.bundling import NO_LICENCE, licence_of
from brainviewer.training.run import Phase, Run, TrainConfig

pytestmark = pytest.mark.engine


def test_the_best_threshold_of_validation_becomes_one_half(tmp_path: Path) -> None:
    config = TrainConfig(task="segment", data="data", phases=(Phase(32, 1),))
    trained = trainer.build(config, 32)
    image = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    before = np.asarray(trained(image)["probability"])
    store = trainer.Checkpoint(tmp_path)
    found = {}
    for threshold in (0.5, 0.2):
        store.write_best(trained, 0, {"val_threshold": threshold})
        found[threshold] = np.asarray(bundling.inference_model(config, store.best)(image)["probability"])
    assert np.allclose(found[0.5], before, atol=0.02)
    assert np.array_equal(found[0.2] >= 0.5, found[0.5] >= 0.2)
    assert (found[0.2] >= 0.5).sum() > (found[0.5] >= 0.5).sum()


def test_the_lowest_of_equally_good_thresholds_is_taken() -> None:
    assert trainer.operating_point({0.1: 0.80, 0.3: 0.849, 0.5: 0.85, 0.7: 0.82}) == 0.3
    assert trainer.operating_point({0.1: 0.7, 0.5: 0.9, 0.7: 0.8}) == 0.5


def test_the_licence_comes_from_the_data_and_from_where_the_training_started(tmp_path: Path) -> None:
    ours = str(choose_bundle(paths.bundled_models(), "segment").folder)
    assert licence_of(TrainConfig("segment", "data")) == NO_LICENCE
    assert licence_of(TrainConfig("segment", "data", licence="CC0")) == "CC0"
    assert licence_of(TrainConfig("segment", "data", start=ours)) == "CC BY-NC-SA 4.0"
    first = Run(tmp_path / "first")
    first.create(TrainConfig("segment", "data", start=ours))
    assert licence_of(TrainConfig("segment", "data", licence="CC0", start=str(first.folder))) == "CC0 and CC BY-NC-SA 4.0"
