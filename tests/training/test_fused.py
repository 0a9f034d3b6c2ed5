"""Fused batch norm learns exactly what Keras' own does, under the same names."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from brainviewer.training.fused import FusedBatchNormalization, fused  # noqa: E402 - Keras decides whether this can be imported

pytestmark = pytest.mark.engine


def network() -> "keras.Model":
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv")(image)
    x = keras.layers.BatchNormalization(name="bn")(x)
    return keras.Model(image, {"probability": keras.layers.Conv2D(1, 1, activation="sigmoid", name="probability")(x)}, name="tiny")


def test_names_and_shapes_stay() -> None:
    plain, quick = network(), fused(network())
    assert [(v.path, v.shape) for v in quick.variables] == [(v.path, v.shape) for v in plain.variables]
    assert isinstance(quick.get_layer("bn"), FusedBatchNormalization)
    assert not isinstance(plain.get_layer("bn"), FusedBatchNormalization)


def test_learns_the_same() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((3, 8, 8, 3), np.float32) * 3
    wanted = {"probability": (rng.random((3, 8, 8, 1)) > 0.7).astype(np.float32)}
    plain = network()
    quick = fused(plain)
    quick.set_weights(plain.get_weights())
    for model in (plain, quick):
        model.compile(optimizer=keras.optimizers.SGD(0.5), loss={"probability": "binary_crossentropy"})
        for _ in range(3):
            model.train_on_batch(image, wanted)
    for one, other in zip(plain.weights, quick.weights, strict=True):
        assert np.allclose(np.asarray(one), np.asarray(other), atol=1e-5), one.path
    assert not np.allclose(np.asarray(quick.get_layer("bn").moving_variance), 1, atol=1e-3), "the averages move"
    answers = [np.asarray(model.predict_on_batch(image)["probability"]) for model in (plain, quick)]
    assert np.allclose(*answers, atol=1e-5)


def test_learns_in_sixteen_bits() -> None:
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = fused(network())
    finally:
        keras.mixed_precision.set_global_policy("float32")
    model.compile(optimizer="sgd", loss={"probability": "binary_crossentropy"})
    loss = model.train_on_batch(np.ones((2, 8, 8, 3), np.float32), {"probability": np.ones((2, 8, 8, 1), np.float32)})
    assert np.isfinite(loss)
    assert np.asarray(model.get_layer("bn").moving_mean).dtype == np.float32
