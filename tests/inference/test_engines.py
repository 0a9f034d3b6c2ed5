"""Both engines keep the same contract, and go on on the CPU when a GPU fails in mid-run."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from brainviewer.errors import BundleError, EngineError
from brainviewer.inference import load, preprocess
from brainviewer.inference.bundle import SCHEMA, ModelBundle, hash_file, read_bundle
from brainviewer.inference.keras_engine import KerasEngine
from brainviewer.inference.onnx_engine import CPU_PROVIDER, OnnxEngine

pytestmark = pytest.mark.engine

KERNEL = np.random.default_rng(0).normal(0, 0.5, (3, 3, 3, 1)).astype(np.float32)


def write_onnx(path: Path) -> None:
    """One convolution and a sigmoid, channels last in and out."""
    helper = onnx.helper
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["image"], ["first"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["first", "kernel"], ["convolved"], pads=[1, 1, 1, 1]),
            helper.make_node("Transpose", ["convolved"], ["last"], perm=[0, 2, 3, 1]),
            helper.make_node("Sigmoid", ["last"], ["probability"]),
        ],
        "test",
        [value("image", onnx.TensorProto.FLOAT, ["n", 16, 16, 3])],
        [value("probability", onnx.TensorProto.FLOAT, ["n", 16, 16, 1])],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(KERNEL.transpose(3, 2, 0, 1)), "kernel")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])
    model.ir_version = 8
    onnx.save(model, path)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    """A bundle whose network is one convolution, for both engines."""
    keras = pytest.importorskip("keras")
    folder = tmp_path_factory.mktemp("models") / "segment-1.0.0"
    folder.mkdir()
    write_onnx(folder / "model.onnx")
    image = keras.Input((16, 16, 3), name="image")
    output = keras.layers.Conv2D(1, 3, padding="same", use_bias=False, activation="sigmoid", name="only")(image)
    model = keras.Model(image, {"probability": output})
    (folder / "architecture.json").write_text(model.to_json())
    np.savez(folder / "weights.npz", **{model.weights[0].path: KERNEL})
    files = {"onnx": {"model": "model.onnx"}, "keras": {"architecture": "architecture.json", "weights": "weights.npz"}}
    document = {
        "schema": SCHEMA,
        "name": "test",
        "version": "1.0.0",
        "task": "segment",
        "input_shape": [16, 16, 3],
        "preprocess": {"name": preprocess.NAME, "version": preprocess.VERSION},
        "labels": ["no tumour", "tumour"],
        "threshold": 0.5,
        "weights": {
            engine: {"float32": {role: {"file": name, "sha256": hash_file(folder / name)} for role, name in roles.items()}}
            for engine, roles in files.items()
        },
    }
    (folder / "bundle.json").write_text(json.dumps(document))
    return read_bundle(folder)


@pytest.fixture
def batch() -> np.ndarray:
    return np.random.default_rng(1).random((4, 16, 16, 3), np.float32)


@pytest.fixture(scope="module", params=["onnx", "tensorflow"])
def engine(request: pytest.FixtureRequest, bundle: ModelBundle) -> Iterator[load.Engine]:
    opened = load.OPENERS[request.param](bundle, "float32", "cpu", 1)
    yield opened
    opened.close()
    opened.close()


def test_the_contract(engine: load.Engine, batch: np.ndarray) -> None:
    answer = engine(batch)["probability"]
    assert (engine.device, engine.precision, engine.notes) == ("CPU", "float32", [])
    assert answer.shape == (4, 16, 16, 1)
    assert answer.dtype == np.float32
    assert np.array_equal(answer, engine(batch)["probability"]), "the same input gives the same answer"
    for row in range(4):
        assert np.allclose(answer[row], engine(batch[row : row + 1])["probability"][0], atol=1e-6)


def test_the_engines_agree(bundle: ModelBundle, batch: np.ndarray) -> None:
    answers = []
    for opener in load.OPENERS.values():
        opened = opener(bundle, "float32", "cpu", 1)
        answers.append(opened(batch)["probability"])
        opened.close()
    assert np.abs(answers[0] - answers[1]).max() <= 1e-5


def test_onnx_goes_on_on_the_cpu(bundle: ModelBundle, batch: np.ndarray) -> None:
    engine = OnnxEngine(bundle, device="cpu")
    expected = engine(batch)["probability"]

    class Failing:
        def run(self, *_: object) -> None:
            raise RuntimeError("CUDA failure 700: an illegal memory access was encountered\nand more")

    engine._session, engine._provider, engine.device = Failing(), "CUDAExecutionProvider", "NVIDIA GPU (CUDA)"
    assert np.array_equal(engine(batch)["probability"], expected)
    assert engine.device == "CPU"
    assert engine._provider == CPU_PROVIDER
    assert len(engine.notes) == 1
    assert "went on on the CPU" in engine.notes[0]
    assert "\n" not in engine.notes[0]


def test_onnx_on_the_cpu_fails_with_a_sentence(bundle: ModelBundle) -> None:
    engine = OnnxEngine(bundle, device="cpu")
    with pytest.raises(EngineError, match="ONNX Runtime failed"):
        engine(np.zeros((1, 8, 8, 3), np.float32))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_tensorflow_goes_on_on_the_cpu_when_its_process_dies(bundle: ModelBundle, batch: np.ndarray) -> None:
    engine = KerasEngine(bundle, device="cpu", threads=1)
    try:
        expected = engine(batch)["probability"]
        engine.device = "NVIDIA H100"  # as if it ran there
        os.kill(engine._process.pid, signal.SIGKILL)
        assert np.array_equal(engine(batch)["probability"], expected)
        assert engine.device == "CPU"
        assert "went on on the CPU" in engine.notes[0]
        os.kill(engine._process.pid, signal.SIGKILL)
        with pytest.raises(EngineError, match="ended unexpectedly"):
            engine(batch)
    finally:
        engine.close()


def test_a_missing_precision_is_said(bundle: ModelBundle) -> None:
    for opener in load.OPENERS.values():
        with pytest.raises(EngineError, match="no int8 weights"):
            opener(bundle, "int8", "cpu", None)


def test_a_gpu_that_is_not_there_is_said(bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brainviewer.inference.onnx_engine.gpu_providers", list)
    with pytest.raises(EngineError, match="no GPU support"):
        OnnxEngine(bundle, device="gpu")


def test_weights_are_verified_before_they_are_loaded(bundle: ModelBundle, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(bundle.folder, tmp_path / "segment-1.0.0")
    for name in ("model.onnx", "architecture.json"):
        (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    for opener in load.OPENERS.values():
        with pytest.raises(BundleError, match="damaged"):
            opener(read_bundle(folder), "float32", "cpu", None)


# --- the choice


@pytest.mark.parametrize(
    ("prefer", "device", "nvidia", "providers", "expected"),
    [
        ("auto", "auto", False, [], [("onnx", "auto"), ("tensorflow", "auto")]),
        ("auto", "auto", True, ["CUDAExecutionProvider"], [("onnx", "auto"), ("tensorflow", "auto")]),
        ("auto", "auto", True, [], [("tensorflow", "gpu"), ("onnx", "auto"), ("tensorflow", "auto")]),
        ("auto", "cpu", True, [], [("onnx", "cpu"), ("tensorflow", "cpu")]),
        ("tensorflow", "cpu", False, [], [("tensorflow", "cpu")]),
    ],
)
def test_the_order_of_the_engines(
    monkeypatch: pytest.MonkeyPatch, prefer: str, device: str, nvidia: bool, providers: list[str], expected: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(load.sys, "platform", "linux")
    monkeypatch.setattr(load, "nvidia_present", lambda: nvidia)
    monkeypatch.setattr("brainviewer.inference.onnx_engine.gpu_providers", lambda: providers)
    assert list(load.engine_order(prefer, device)) == expected


def test_every_reason_is_listed_when_none_works(bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise EngineError("It does not start.")

    def absent(*_: object) -> None:
        raise ImportError("No module named 'tensorflow'")

    monkeypatch.setattr(load, "OPENERS", {"onnx": broken, "tensorflow": absent})
    monkeypatch.setattr(load, "choose_bundle", lambda *_: bundle)
    with pytest.raises(EngineError, match=r"onnx: It does not start\. tensorflow: not installed"):
        load.load_models()


def test_the_first_network_is_closed_when_the_second_fails(bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch, fake_engine: Callable) -> None:
    first = fake_engine("classify")
    answers = iter([first])

    def opener(*_: object) -> object:
        try:
            return next(answers)
        except StopIteration:
            raise EngineError("The second does not start.") from None

    monkeypatch.setattr(load, "OPENERS", {"onnx": opener, "tensorflow": opener})
    monkeypatch.setattr(load, "choose_bundle", lambda *_: bundle)
    with pytest.raises(EngineError):
        load.load_models("onnx")
    assert first.closed
