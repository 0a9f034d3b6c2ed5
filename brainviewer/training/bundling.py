"""From a finished run to a bundle that the viewer can use: Keras weights, ONNX and int8 ONNX, checked against each other.

Kernels are kept in float16, everything else (batch-norm vectors above all: ResNet50's variances overflow float16) in float32; arithmetic
stays float32 in both engines, which hold the very same numbers.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime

from ..errors import TrainingError
from ..inference import preprocess
from ..inference.bundle import SCHEMA, hash_file, read_bundle
from . import networks
from .checkpoint import Checkpoint
from .export import export, export_apart
from .onnx_resunet import resunet_graph
from .run import Run, TrainConfig, write_atomic
from .starting import starting_folder
from .trainer import build

LEAST_KERNEL = 1024
"""Kernels with fewer values stay float32: they weigh nothing."""
PARITY = 1e-3
PRIVATE = ("data", "exclude", "imagenet", "validation_patients")
"""Settings that name folders or patients."""
FILES = {
    "keras": {"float32": {"architecture": "architecture.json", "weights": "weights.npz"}},
    "onnx": {"float32": {"model": "model.onnx"}, "int8": {"model": "model-int8.onnx"}},
}
"""Of a bundle, by engine, precision and role."""
NO_LICENCE = "none stated: ask whoever owns the data that it learned from"


def inference_model(config: TrainConfig, weights: Path) -> keras.Model:
    """The trained network without what served training only, kernels rounded to float16, outputs `probability` (and `features`).

    A segmenter's last bias is moved so that its best threshold on validation patients becomes 0.5, where everyone expects it. That of a refit
    stays: on patients that it has learned from, its best threshold tells nothing.
    """
    keras.mixed_precision.set_global_policy("float32")
    trained = build(config, config.phases[-1].size)
    outputs = {"probability": trained.output["probability"] if isinstance(trained.output, dict) else trained.output}
    if config.task == "classify":
        outputs["features"] = trained.get_layer("features").output
    model = keras.Model(trained.input, outputs, name=trained.name)
    with np.load(weights, allow_pickle=False) as stored:
        for variable in model.weights:
            value = np.asarray(stored[variable.path], np.float32)
            if is_kernel(variable.path, value):
                value = value.astype(np.float16).astype(np.float32)
            if not np.isfinite(value).all():
                raise TrainingError(f'The weights "{variable.path}" are not finite.', "Train again with a lower learning rate.")
            variable.assign(value)
        threshold = json.loads(str(stored["state"]))["logs"].get("val_threshold", 0.5)
    if config.task == "segment" and not config.refit:
        bias = model.get_layer("probability").bias
        bias.assign(keras.ops.convert_to_numpy(bias) + np.float32(np.log((1 - threshold) / threshold)))
    return model


def is_kernel(path: str, value: np.ndarray) -> bool:
    return path.endswith("kernel") and value.size >= LEAST_KERNEL


def write_keras(model: keras.Model, folder: Path) -> None:
    """Architecture and weights as plain files."""
    (folder / "architecture.json").write_text(model.to_json(), encoding="utf-8")
    arrays = {}
    for variable in model.weights:
        value = keras.ops.convert_to_numpy(variable.value)
        arrays[variable.path] = value.astype(np.float16) if is_kernel(variable.path, value) else value
    np.savez_compressed(folder / "weights.npz", **arrays)  # type: ignore[arg-type]


def write_onnx(model: keras.Model, path: Path, *, for_integers: bool = False) -> None:
    """ONNX with float16 kernels behind Cast nodes, which ONNX Runtime folds when it loads.

    Args:
        for_integers: in the form that computes fastest once it is quantised.
    """
    if model.name == networks.RESUNET:
        arrays = {variable.path: keras.ops.convert_to_numpy(variable.value) for variable in model.weights}
        onnx.save(resunet_graph(arrays, model.input_shape[1], LEAST_KERNEL, copied=for_integers), path)
        return
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "plain.onnx"
        if keras.backend.backend() == "tensorflow":
            export(model, plain)
        else:
            write_keras(model, Path(scratch))
            export_apart(Path(scratch) / "architecture.json", Path(scratch) / "weights.npz", plain)
        graph = onnx.load(plain)
    pad_in_pooling(graph.graph)
    spread_offsets(graph.graph, model.input_shape[1:])
    halve_kernels(graph)
    graph.producer_name = "brainviewer"
    graph.doc_string = ""
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def pad_in_pooling(graph: onnx.GraphProto) -> None:
    """Lets a max-pooling pad by itself where a Pad with zeros stands before it and a Relu before that: nothing is below zero there."""
    makers = {node.output[0]: node for node in graph.node}
    uses = Counter(name for node in graph.node for name in node.input)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for pooling in [node for node in graph.node if node.op_type == "MaxPool"]:
        pad = makers.get(pooling.input[0])
        if pad is None or pad.op_type != "Pad" or uses[pad.output[0]] > 1 or any(a.name == "mode" and a.s != b"constant" for a in pad.attribute):
            continue
        before_it, given = makers.get(pad.input[0]), [constants.get(name) for name in pad.input[1:]]
        if before_it is None or before_it.op_type != "Relu" or None in given:
            continue
        amounts, *fill = map(onnx.numpy_helper.to_array, given)
        before, after = np.split(amounts, 2)
        if len(before) == 4 and not (before[:2].any() or after[:2].any() or any(value.any() for value in fill)):
            kept = [attribute for attribute in pooling.attribute if attribute.name not in ("pads", "auto_pad")]
            del pooling.attribute[:]
            pooling.attribute.extend([*kept, onnx.helper.make_attribute("pads", [int(n) for n in (*before[2:], *after[2:])])])
            pooling.input[0] = pad.input[0]
            graph.node.remove(pad)


def spread_offsets(graph: onnx.GraphProto, shape: Sequence[int]) -> None:
    """Lets what is added to each pixel of the input (H, W, C) be spread over all pixels once, when the graph is loaded: adding three numbers to
    each of 65,536 pixels takes ten times as long as adding two arrays of one shape."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for number, node in reversed(list(enumerate(graph.node))):
        if node.op_type == "Add" and node.input[1] in constants and list(constants[node.input[1]].dims) == list(shape[-1:]):
            spread = f"{node.input[1]}_spread"
            graph.initializer.append(onnx.numpy_helper.from_array(np.array(shape, np.int64), f"{spread}_shape"))
            graph.node.insert(number, onnx.helper.make_node("Expand", [node.input[1], f"{spread}_shape"], [spread], name=spread))
            node.input[1] = spread


def halve_kernels(model: onnx.ModelProto) -> None:
    """Stores large float32 initialisers with two or more axes as float16, each followed by a Cast to float32."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or len(tensor.dims) < 2 or int(np.prod(tensor.dims)) < LEAST_KERNEL:
            continue
        value = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(value, name + "_half"))
        casts.append(onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT, name=name + "_cast"))
    for node in reversed(casts):
        model.graph.node.insert(0, node)


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_onnx(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """All outputs for images (N, S, S, 3), one at a time."""
    loaded = session(path)
    names = [output.name for output in loaded.get_outputs()]
    rows = [loaded.run(names, {loaded.get_inputs()[0].name: image[np.newaxis].astype(np.float32)}) for image in images]
    return {name: np.concatenate([row[n] for row in rows]) for n, name in enumerate(names)}


class _Calibration:
    """Training slices for the quantiser, one at a time."""

    def __init__(self, name: str, images: np.ndarray) -> None:
        self.batches = iter([{name: image[np.newaxis].astype(np.float32)} for image in images])

    def get_next(self) -> dict | None:
        return next(self.batches, None)


def write_int8(source: Path, path: Path, images: np.ndarray, keep: tuple[str, ...]) -> None:
    """Int8 (QDQ, per channel), calibrated on images (N, S, S, 3); nodes whose name contains one of `keep` stay float32."""
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as scratch:
        plain, prepared = Path(scratch) / "plain.onnx", Path(scratch) / "prepared.onnx"
        # ONNX Runtime's own folding turns the float16 kernels back into float32 initialisers, which is what the quantiser understands.
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(plain)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        spared = [node.name for node in graph.node if any(part in node.name for part in keep)]
        quantize_static(
            str(prepared),
            str(path),
            _Calibration(graph.input[0].name, images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=spared,
            extra_options={"ActivationSymmetric": False, "CalibMovingAverage": True},
        )


def write_bundle(run: Run, folder: Path, calibration: np.ndarray, check: np.ndarray, metrics: dict, about: dict) -> dict:
    """Writes a bundle's files and `bundle.json` into an empty folder.

    Args:
        run: with `checkpoints/best.npz`.
        calibration: (N, S, S, 3) training slices for the quantiser.
        check: (N, S, S, 3) slices on which the engines must agree.
        metrics: goes into `bundle.json`.
        about: further entries (calibration, clean-up, training data, fit).

    Returns:
        The document written, with `parity` (largest difference of each kind of weights to Keras' float32).

    Raises:
        TrainingError: if ONNX and Keras do not agree within 1e-3.
    """
    config = run.config()
    folder.mkdir(parents=True, exist_ok=True)
    model = inference_model(config, run.checkpoints / Checkpoint.BEST)
    write_keras(model, folder)
    document = {
        "schema": SCHEMA,
        "name": config.name or model.name,
        "version": config.version,
        "task": config.task,
        "input_shape": [config.phases[-1].size] * 2 + [3],
        "preprocess": {"name": preprocess.NAME, "version": preprocess.VERSION, "size": config.phases[-1].size},
        "labels": ["no tumour", "tumour"],
        "threshold": 0.5,
        "metrics": metrics,
        "licence": licence_of(config),
        "made": datetime.now(UTC).strftime("%Y-%m-%d"),
        "config": {k: v for k, v in config.to_json().items() if k not in PRIVATE} | {"start": Path(config.start).name},
    }
    document |= write_engines(model, config.task, folder, calibration, check) | about
    write_document(folder, document)
    return document


def write_engines(model: keras.Model, task: str, folder: Path, calibration: np.ndarray, check: np.ndarray) -> dict:
    """Writes the ONNX files beside the Keras weights; returns the entries `weights` and `parity` of `bundle.json`.

    Args:
        calibration, check: as of `write_bundle`.

    Raises:
        TrainingError: if ONNX and Keras do not agree within 1e-3.
    """
    write_onnx(model, folder / "model.onnx")
    with tempfile.TemporaryDirectory() as scratch:
        write_onnx(model, Path(scratch) / "model.onnx", for_integers=True)
        write_int8(Path(scratch) / "model.onnx", folder / "model-int8.onnx", calibration, keep_float(task))
    expected = np.concatenate([np.asarray(model.predict_on_batch(image[np.newaxis].astype(np.float32))["probability"]) for image in check])
    parity = {
        name: float(np.abs(run_onnx(folder / file, check)["probability"] - expected).max())
        for name, file in (("float32", "model.onnx"), ("int8", "model-int8.onnx"))
    }
    if parity["float32"] > PARITY:
        raise TrainingError(f"ONNX and Keras differ by {parity['float32']:.2g} on the same slices.", "Please report this; the model was not written.")
    weights = {
        engine: {
            precision: {role: {"file": name, "sha256": hash_file(folder / name)} for role, name in roles.items()}
            for precision, roles in by_precision.items()
        }
        for engine, by_precision in FILES.items()
    }
    return {"weights": weights, "parity": parity}


def licence_of(config: TrainConfig) -> str:
    """The licence that a model inherits: from the data, and from the model that it started from, if need be through other runs."""
    start, inherited = starting_folder(config), ""
    if (start / "bundle.json").is_file():
        inherited = str(read_bundle(start).details.get("licence", ""))
    elif Run(start).config_file.is_file():
        inherited = licence_of(Run(start).config())
    return " and ".join(dict.fromkeys(text for text in (config.licence, inherited) if text and text != NO_LICENCE)) or NO_LICENCE


def keep_float(task: str) -> tuple[str, ...]:
    """Parts of node names that int8 would hurt: the heads, and the first layers, whose input is the picture itself."""
    if task == "classify":
        return ("dense", "probability", "imagenet_range")
    return ("probability", "stage1_1")


def write_document(folder: Path, document: dict) -> None:
    write_atomic(folder / "bundle.json", (json.dumps(document, indent=1) + os.linesep).encode())
