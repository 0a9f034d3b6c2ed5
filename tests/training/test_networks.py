"""The two networks have the layers that they are known by."""

from collections.abc import Callable

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from brainviewer.training import networks  # noqa: E402 - Keras decides whether this can be imported

pytestmark = pytest.mark.engine


def kinds(model: object, *names: str) -> list[str]:
    return [type(model.get_layer(name)).__name__ for name in names]


def test_classifier_head() -> None:
    model = networks.resnet50_classifier((64, 64, 3))
    assert kinds(model, "average_pool", "features", "dense_1", "dropout_1", "dense_2", "dropout_2", "probability") == [
        "AveragePooling2D", "Flatten", "Dense", "Dropout", "Dense", "Dropout", "Dense",
    ]  # fmt: skip
    assert [model.get_layer(f"dense_{n}").units for n in (1, 2)] == [256, 256]
    assert [model.get_layer(f"dropout_{n}").rate for n in (1, 2)] == [0.3, 0.3]
    answer = np.asarray(model(np.random.default_rng(0).random((2, 64, 64, 3), np.float32))["probability"])
    assert answer.shape == (2, 2)
    assert np.allclose(answer.sum(axis=1), 1, atol=1e-5)
    trunk = keras.applications.ResNet50(include_top=False, weights=None)
    assert {layer.name for layer in trunk.layers if layer.weights} <= {layer.name for layer in model.layers}


def test_segmenter_is_the_notebooks() -> None:
    model = networks.resunet((64, 64, 3))
    assert model.count_params() == 1_210_513
    answer = np.asarray(model(np.zeros((1, 64, 64, 3), np.float32))["probability"])
    assert answer.shape == (1, 64, 64, 1)
    by_kind = [type(layer).__name__ for layer in model.layers]
    assert by_kind.count("MaxPooling2D") == 4
    assert by_kind.count("UpSampling2D") == 4
    assert by_kind.count("Concatenate") == 4
    assert by_kind.count("Add") == 8
    widths = [model.get_layer(f"{stage}_2_conv").filters for stage in ("stage2", "stage3", "stage4", "bottleneck", "up4", "up3", "up2", "up1")]
    assert widths == [32, 64, 128, 256, 128, 64, 32, 16]


@pytest.mark.parametrize("network", [networks.resunet, lambda shape: networks.resnet50_classifier(shape, auxiliary=True)])
def test_weights_are_the_same_at_every_size(network: Callable[[tuple[int, int, int]], keras.Model]) -> None:
    """Progressive sizes hand them on in this order."""
    small, large = (network((size, size, 3)) for size in (32, 64))
    assert [tuple(variable.shape) for variable in small.variables] == [tuple(variable.shape) for variable in large.variables]
    assert [weight.path for weight in small.weights] == [weight.path for weight in large.weights]


def test_imagenet_weights_see_the_same_picture(tmp_path) -> None:
    """RGB 0..1 into the classifier's trunk equals Keras' own preprocessing into Keras' own trunk."""
    source = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(64, 64, 3))
    source.save_weights(tmp_path / "trunk.weights.h5")
    model = networks.resnet50_classifier((64, 64, 3))
    networks.load_imagenet(model, tmp_path / "trunk.weights.h5")
    image = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    expected = np.asarray(source(keras.applications.resnet50.preprocess_input(image * 255)))
    trunk = keras.Model(model.input, model.get_layer("conv5_block3_out").output)
    assert np.abs(np.asarray(trunk(image)) - expected).max() <= 1e-3 * np.abs(expected).max()
