"""The segmenter's ONNX graph says what the Keras network says."""

from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from brainviewer.training import bundling, networks  # noqa: E402 - Keras decides whether this can be imported
from brainviewer.training.onnx_resunet import resunet_graph  # noqa: E402

pytestmark = pytest.mark.engine
SIZE = 64


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A ResUNet whose every number counts: no bias is 0, no variance 1."""
    model, rng = networks.resunet((SIZE, SIZE, 3)), np.random.default_rng(0)
    for variable in model.weights:
        value = np.asarray(variable.value)
        if value.ndim == 1:
            variable.assign(rng.uniform(0.5, 1.5, value.shape) if variable.path.endswith("variance") else value + rng.normal(0, 0.2, value.shape))
        elif bundling.is_kernel(variable.path, value):
            variable.assign(value.astype(np.float16).astype(np.float32))
    return model


@pytest.mark.parametrize("for_integers", [False, True])
def test_it_answers_as_keras_does(network: keras.Model, tmp_path: Path, for_integers: bool) -> None:
    images = np.random.default_rng(1).random((3, SIZE, SIZE, 3), np.float32)
    bundling.write_onnx(network, tmp_path / "model.onnx", for_integers=for_integers)
    answer = bundling.run_onnx(tmp_path / "model.onnx", images)
    expected = np.asarray(network(images)["probability"])
    assert np.ptp(expected) > 0.2
    assert answer["probability"].shape == expected.shape
    assert np.abs(answer["probability"] - expected).max() < 1e-4
    batch = bundling.session(tmp_path / "model.onnx").run(None, {"image": images})[0]
    assert np.abs(batch - expected).max() < 1e-4


def test_large_kernels_are_stored_in_half_precision(network: keras.Model) -> None:
    arrays = {variable.path: np.asarray(variable.value) for variable in network.weights}
    half = resunet_graph(arrays, SIZE, bundling.LEAST_KERNEL).ByteSize()
    whole = resunet_graph(arrays, SIZE, 10**9).ByteSize()
    assert 2 * network.count_params() < half < 0.6 * whole
