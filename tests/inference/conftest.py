"""Pairs of models that work, made on the spot: networks of one multiplication."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from brainviewer import paths
from brainviewer.inference import preprocess, registry
from brainviewer.inference.bundle import SCHEMA, hash_file

SIDE = 16


def network(task: str, factor: float, path: Path) -> None:
    """An ONNX graph whose answer shows its factor."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = np.full((1, 1, 3, 1), factor / 3, np.float32)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, SIDE, SIDE, 3])]
    numbers = [numpy_helper.from_array(np.array([3], np.int64), "axes")]
    if task == "segment":
        numbers.append(numpy_helper.from_array(np.array(factor, np.float32), "factor"))
        nodes = [helper.make_node("ReduceMean", ["x", "axes"], ["mean"]), helper.make_node("Mul", ["mean", "factor"], ["probability"])]
        outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, SIDE, SIDE, 1])]
    else:
        numbers = [
            numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
            numpy_helper.from_array(weight[0, 0] @ np.ones((1, 2), np.float32), "w"),
        ]
        nodes = [
            helper.make_node("ReduceMean", ["x", "axes"], ["features"], keepdims=0),
            helper.make_node("MatMul", ["features", "w"], ["probability"]),
        ]
        outputs = [
            helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 2]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 3]),
        ]
    graph = helper.make_graph(nodes, "g", inputs, outputs, numbers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def write_bundle(folder: Path, task: str, version: str, factor: float) -> Path:
    """One bundle `<task>-<version>` in a folder."""
    target = folder / f"{task}-{version}"
    target.mkdir(parents=True)
    network(task, factor, target / "model.onnx")
    shutil.copy(target / "model.onnx", target / "model-int8.onnx")
    layer = {"module": "keras.layers", "class_name": "Conv2D", "config": {"name": "c"}, "registered_name": None}
    (target / "architecture.json").write_text(
        json.dumps(
            {"module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional", "config": {"layers": [layer]}}
        )
    )
    np.savez_compressed(target / "weights.npz", kernel=np.full((2, 2), factor, np.float32))
    files = {
        name: {"file": name, "sha256": hash_file(target / name)} for name in ("model.onnx", "model-int8.onnx", "architecture.json", "weights.npz")
    }
    document = {
        "schema": SCHEMA,
        "name": f"toy-{task}",
        "version": version,
        "task": task,
        "input_shape": [SIDE, SIDE, 3],
        "preprocess": {"name": preprocess.NAME, "version": preprocess.VERSION},
        "labels": ["no tumour", "tumour"],
        "threshold": 0.5,
        "weights": {
            "keras": {"float32": {"architecture": files["architecture.json"], "weights": files["weights.npz"]}},
            "onnx": {"float32": {"model": files["model.onnx"]}, "int8": {"model": files["model-int8.onnx"]}},
        },
    }
    (target / "bundle.json").write_text(json.dumps(document))
    return target


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of its own pair, classify-1.0.0 and segment-1.0.0, of factor 0.25."""
    folder = tmp_path / "bundled"
    for task in ("classify", "segment"):
        write_bundle(folder, task, "1.0.0", 0.25)
    monkeypatch.setattr(paths, "bundled_models", lambda: folder)
    return folder


@pytest.fixture
def add_pair(tmp_path: Path, bundled: Path) -> Callable[..., registry.Pair]:
    """Adds a pair to the user's models: by default a new segmenter beside the program's classifier, better than what is in use."""
    count = 0

    def add(version: str = "2.0.0", factor: float = 0.5, trained: Sequence[str] = ("segment",), verdict: str = "better") -> registry.Pair:
        nonlocal count
        count += 1
        staging = tmp_path / f"staging{count}"
        for task in ("classify", "segment"):
            write_bundle(staging, task, version if task in trained else "1.0.0", factor if task in trained else 0.25)
        now = registry.in_use()
        judged = {"verdict": verdict, "against": now.id, "against_digest": now.digest, "sentence": "Dice +0.1."} if verdict else {}
        return registry.install(staging, registry.pair_id(trained, version), trained, "run", judged)

    return add
