"""Labelled folders made on the spot."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from brainviewer.inference.bundle import ModelBundle, Weights
from brainviewer.inference.load import Models
from brainviewer.training.run import TrainConfig


def make_patient(folder: Path, name: str, slices: int, rng: np.random.Generator, tumour: range = range(0)) -> None:
    """A patient in the data set's layout: discs of a structure of their own in the dark, a brighter square where there is a tumour."""
    (folder / name).mkdir(parents=True)
    for n in range(1, slices + 1):
        disc, mask = cv2.circle(np.zeros((64, 64, 1), np.uint8), (32, 32), 24, 1, -1), np.zeros((64, 64), np.uint8)
        texture = cv2.resize(rng.integers(60, 130, (16, 16, 3)).astype(np.uint8), (64, 64), interpolation=cv2.INTER_CUBIC)
        image = texture * disc.reshape(64, 64, 1)
        if n in tumour:
            y, x = rng.integers(18, 34, 2)
            image[y : y + 12, x : x + 12, 1] = 230
            mask[y : y + 12, x : x + 12] = 255
        image += rng.integers(0, 12, image.shape, dtype=np.uint8)
        cv2.imwrite(str(folder / name / f"{name}_{n}.tif"), image)
        cv2.imwrite(str(folder / name / f"{name}_{n}_mask.tif"), mask)


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    """Four patients of six slices, each slice with a structure of its own; slices 3 and 4 show a tumour."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "heads"
    disc = cv2.circle(np.zeros((64, 64), np.uint8), (32, 32), 26, 1, -1)
    for patient in range(4):
        (folder / f"p{patient}").mkdir(parents=True)
        for n in range(1, 7):
            texture = cv2.resize(rng.integers(60, 200, (16, 16, 3)).astype(np.uint8), (64, 64), interpolation=cv2.INTER_CUBIC)
            mask = np.zeros((64, 64), np.uint8)
            if n in (3, 4):
                mask[20 : 26 + 4 * patient, 24:34] = 255
            cv2.imwrite(str(folder / f"p{patient}" / f"p{patient}_{n}.tif"), texture * disc[..., np.newaxis])
            cv2.imwrite(str(folder / f"p{patient}" / f"p{patient}_{n}_mask.tif"), mask)
    return folder


@pytest.fixture
def bright_models(fake_engine: Callable, monkeypatch: pytest.MonkeyPatch) -> Models:
    """Networks that find what is bright in FLAIR."""
    monkeypatch.setattr(Models, "identities", property(lambda self: (("resnet50", "1.0.0", "classify", "0"),)))
    decision = {"gate": 0.5, "weights": [0, 0, 0, 0, 20], "bias": -10, "threshold": 0.5, "alone": [1, 0]}
    weights = {"fake": {"float32": {"model": Weights("model", "0")}}}
    bundles = [
        ModelBundle(Path(), task, "1.0.0", task, (64, 64, 3), ("no tumour", "tumour"), 0.5, weights, details)
        for task, details in (("classify", {"decision": decision}), ("segment", {"clean_up": {"least_voxels": 0, "least_share": 0}}))
    ]
    return Models(fake_engine("classify"), fake_engine("segment"), *bundles)


@pytest.fixture
def bright_heads(heads: Path) -> Path:
    """Heads whose tumours are bright in FLAIR and nothing else is; the second patient's is half as large as its mask says."""
    for path in heads.glob("*/*_?.tif"):
        picture, mask = (cv2.imread(str(p), cv2.IMREAD_UNCHANGED) for p in (path, path.with_name(f"{path.stem}_mask.tif")))
        picture //= 4
        picture[mask > 0] = 255
        if path.stem.startswith("p1"):
            picture[:, 29:] //= 5
        cv2.imwrite(str(path), picture)
    return heads


@pytest.fixture(scope="session")
def make_patients() -> Callable[..., Path]:
    """Writes some patients of two sites, each with the same slices that show a tumour; returns the folder."""

    def make(folder: Path, patients: int, slices: int, tumour: range) -> Path:
        rng = np.random.default_rng(0)
        for n in range(patients):
            make_patient(folder, f"TCGA_{'AB'[n % 2]}_{n:04}_19990101", slices, rng, tumour)
        return folder

    return make


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of a few weights in place of the real ones, where what counts is what happens around them."""
    pytest.importorskip("keras")
    from brainviewer.training import bundling, leaky, trainer

    for module in (trainer, bundling, leaky):
        monkeypatch.setattr(module, "build", tiny_network)


def tiny_network(config: TrainConfig, size: int) -> object:
    """A network with the outputs of a task's own, and a layer `features`."""
    import keras

    x = keras.Input((size, size, 3))
    seen = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="seen")(x)
    if config.task == "segment":
        return keras.Model(x, {"probability": keras.layers.Conv2D(1, 1, activation="sigmoid", name="probability")(seen)}, name="tiny-segment")
    features = keras.layers.GlobalAveragePooling2D(name="features")(seen)
    cells = keras.layers.AveragePooling2D(8)(seen)
    outputs = {
        "probability": keras.layers.Dense(2, activation="softmax", name="probability")(keras.layers.Dropout(0.3)(features)),
        "mask": keras.layers.Conv2D(1, 1, activation="sigmoid", name="mask")(cells),
    }
    return keras.Model(x, outputs, name="tiny-classify")
