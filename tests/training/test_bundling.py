"""What becomes of trained weights on their way into a bundle."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")
onnx = pytest.importorskip("onnx")

from onnx import helper, numpy_helper  # noqa: E402 - as all below: what trains decides whether this can be imported

from brainviewer import paths  # noqa: E402
from brainviewer.inference.bundle import choose_bundle, hash_file, read_bundle  # noqa: E402
from brainviewer.training import bundling, checkpoint, finish, trainer  # noqa: E402
from brainviewer.training.bundling import NO_LICENCE, licence_of  # noqa: E402
from brainviewer.training.run import Phase, Run, TrainConfig  # noqa: E402

pytestmark = pytest.mark.engine


def test_the_best_threshold_of_validation_becomes_one_half(tmp_path: Path) -> None:
    config = TrainConfig(task="segment", data="data", phases=(Phase(32, 1),))
    trained = trainer.build(config, 32)
    image = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    before = np.asarray(trained(image)["probability"])
    store = checkpoint.Checkpoint(tmp_path)
    found = {}
    for threshold in (0.5, 0.2):
        store.write_best(trained, 0, {"val_threshold": threshold})
        found[threshold] = np.asarray(bundling.inference_model(config, store.best)(image)["probability"])
    assert np.allclose(found[0.5], before, atol=0.02)
    assert np.array_equal(found[0.2] >= 0.5, found[0.5] >= 0.2)
    assert (found[0.2] >= 0.5).sum() > (found[0.5] >= 0.5).sum()
    refit = np.asarray(bundling.inference_model(replace(config, refit=True), store.best)(image)["probability"])
    assert np.array_equal(refit, found[0.5]), "a refit's threshold was not measured on others"


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


@pytest.mark.parametrize("trained_on", ["tensorflow", "torch"])
def test_what_begins_as_the_classifier_does_neither_pads_nor_adds_by_the_pixel(
    trained_on: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: trained_on)
    monkeypatch.setattr(bundling, "halve_kernels", lambda model: None)  # its rounding is as large as what this looks for
    monkeypatch.setattr(bundling, "is_kernel", lambda path, value: False)
    layers = keras.layers
    image = x = keras.Input((64, 64, 3))
    x = layers.Rescaling(255.0, offset=[-123.0, -116.0, -103.0])(x)
    x = layers.Conv2D(8, 7, strides=2)(layers.ZeroPadding2D(3)(x))
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D(3, strides=2)(layers.ZeroPadding2D(1)(x))
    model = keras.Model(image, {"features": layers.GlobalAveragePooling2D()(x)}, name="begins")
    images = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
    bundling.write_onnx(model, tmp_path / "model.onnx")
    kinds = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert kinds.count("Pad") == 0
    assert kinds.count("Expand") == 1
    wanted = np.asarray(model(images)["features"])
    assert bundling.run_onnx(tmp_path / "model.onnx", images)["features"] == pytest.approx(wanted, abs=1e-5 * float(np.abs(wanted).max()))


def test_the_bundled_models_are_written_so() -> None:
    kinds = {}
    for task in ("classify", "segment"):
        bundle = choose_bundle(paths.bundled_models(), task)
        graph = onnx.load(bundle.path(bundle.weights["onnx"]["float32"]["model"])).graph
        kinds[task] = {node.op_type for node in graph.node}
    assert not kinds["classify"] & {"Pad"}
    assert not kinds["segment"] & {"Pad", "Tile", "Concat"}


def test_only_a_pad_of_zeros_behind_a_relu_goes_into_the_pooling() -> None:
    def pads(*nodes: onnx.NodeProto, value: float = 0.0, mode: str = "constant") -> list[str]:
        amounts = numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "amounts")
        fill = numpy_helper.from_array(np.array(value, np.float32), "fill")
        pooled = helper.make_node("MaxPool", ["padded"], ["y"], kernel_shape=[3, 3], strides=[2, 2])
        graph = helper.make_graph(
            [*nodes, helper.make_node("Pad", ["x", "amounts", "fill"], ["padded"], mode=mode), pooled], "g", [], [], [amounts, fill]
        )
        bundling.pad_in_pooling(graph)
        return [node.op_type for node in graph.node]

    assert pads(helper.make_node("Relu", ["image"], ["x"])) == ["Relu", "MaxPool"]
    assert pads(helper.make_node("Relu", ["image"], ["x"]), value=-1.0) == ["Relu", "Pad", "MaxPool"]
    assert pads(helper.make_node("Relu", ["image"], ["x"]), mode="reflect") == ["Relu", "Pad", "MaxPool"]
    assert pads(helper.make_node("Tanh", ["image"], ["x"])) == ["Tanh", "Pad", "MaxPool"]


@pytest.mark.usefixtures("tiny")
def test_a_bundle_is_written_anew_from_its_own_weights(tmp_path: Path, make_patients: Callable[..., Path]) -> None:
    data = make_patients(tmp_path / "data", 4, 4, range(2, 4))
    run = Run(tmp_path / "run")
    run.create(TrainConfig(task="segment", data=str(data), phases=(Phase(32, 1),), batch=4, validation=0.25))
    trainer.train(run)
    old = read_bundle(finish.make_bundle(run, tmp_path / "old"))
    (old.folder / "model.onnx").write_bytes(b"written by an earlier version")
    (old.folder / "fit.npz").write_bytes(b"what it knows")
    entry = {"file": "fit.npz", "sha256": hash_file(old.folder / "fit.npz")}
    bundling.write_document(old.folder, old.details | {"files": {"fit": entry}})
    old = read_bundle(old.folder)
    new = read_bundle(finish.rewrite_bundle(old, data, tmp_path / "new"))
    new.path(new.weights["onnx"]["float32"]["model"])  # has the hash that it should have
    assert new.weights["keras"] == old.weights["keras"]
    assert new.details["parity"]["float32"] < 1e-4
    assert new.details["split"] == old.details["split"]
    assert (new.folder / "fit.npz").read_bytes() == b"what it knows"
