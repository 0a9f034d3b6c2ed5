"""The segmenter as an ONNX graph, written for the way ONNX Runtime computes; the very same function as the Keras network.

An exported Keras graph keeps channels last, repeats pixels with Tile and joins large arrays: half of its time goes into copying. Here channels come
first, batch norm is part of the convolutions, and each res-block on the way up takes its two inputs apart: a 1 x 1 convolution of an enlarged array
beside a skip is the sum of two convolutions, and the first of them may come before the enlarging, on a quarter of the pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BATCH_NORM_EPSILON = 1e-3
"""What Keras adds to the variance."""
OPSET = 18
IR_VERSION = 9
"""Of the file format that goes with the opset: a newer one would need a newer runtime."""


def resunet_graph(weights: Mapping[str, np.ndarray], size: int, least_half: int, *, copied: bool = False) -> onnx.ModelProto:
    """The graph from `image` (N, size, size, 3) to `probability` (N, size, size, 1), both float32.

    Args:
        weights: of `networks.resunet`, by path.
        size: of the input, in pixels.
        least_half: kernels with at least so many values are stored in float16, and scaled by their batch norm in float32 when they are loaded.
        copied: arrays are enlarged by joining them with themselves instead of by Resize, and the last layer is a product of matrices: much faster
            on 8-bit integers, slower on floats.
    """
    graph = _Graph(weights, size, least_half, copied)
    x = graph.node("Transpose", ["image"], "image_first", perm=[0, 3, 1, 2])
    for number in (1, 2):
        x = graph.relu(graph.convolution(x, f"stage1_{number}"), f"stage1_{number}")
    skips = [x]
    for name in ("stage2", "stage3", "stage4", "bottleneck"):
        x = graph.res_block(graph.halved(x, name), name)
        skips.append(x)
    skips.pop()
    for stage in range(len(skips), 0, -1):
        x = graph.res_block_up(x, skips[stage - 1], f"up{stage}", size >> stage)
    x = graph.node("Sigmoid", [graph.product(x, "probability") if copied else graph.convolution(x, "probability")], "probability_sigmoid")
    graph.node("Reshape", [x, graph.numbers("probability_shape", [-1, size, size, 1])], "probability")
    return graph.model()


class _Graph:
    """Nodes and constants so far. A node and its only output have one name."""

    def __init__(self, weights: Mapping[str, np.ndarray], size: int, least_half: int, copied: bool) -> None:
        self.weights, self.size, self.least_half, self.copied = weights, size, least_half, copied
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], name: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def numbers(self, name: str, values: list[int]) -> str:
        return self.constant(name, np.array(values, np.int64))

    def relu(self, x: str, name: str) -> str:
        return self.node("Relu", [x], f"{name}_relu")

    def halved(self, x: str, name: str) -> str:
        return self.node("MaxPool", [x], f"{name}_pool", kernel_shape=[2, 2], strides=[2, 2])

    def convolution(self, x: str, layer: str, part: str = "", channels: slice = slice(None), bias: bool = True) -> str:
        """A layer's convolution with its batch norm, or the part of it that sees some of its input's channels."""
        kernel = self.weights[f"{layer}_conv/kernel" if f"{layer}_conv/kernel" in self.weights else f"{layer}/kernel"]
        factor, shift = self._batch_norm(layer)
        name = layer + (f"_{part}" if part else "_conv")
        height, width = kernel.shape[:2]
        inputs = [x, self._kernel(f"{name}_kernel", kernel[:, :, channels].transpose(3, 2, 0, 1), factor)]
        if bias:
            inputs.append(self.constant(f"{name}_bias", shift))
        return self.node("Conv", inputs, name, kernel_shape=[height, width], pads=[height // 2, width // 2] * 2)

    def product(self, x: str, layer: str) -> str:
        """A 1 x 1 convolution, each pixel a row: integers come with channels last, and are not put in another order for one channel's sake."""
        kernel, bias = (np.asarray(self.weights[f"{layer}/{name}"], np.float32) for name in ("kernel", "bias"))
        inputs = kernel.shape[2]
        x = self.node("Transpose", [x], f"{layer}_last", perm=[0, 2, 3, 1])
        x = self.node("Reshape", [x, self.numbers(f"{layer}_rows_shape", [-1, inputs])], f"{layer}_rows")
        return self.node("Gemm", [x, self.constant(f"{layer}_kernel", kernel[0, 0]), self.constant(f"{layer}_bias", bias)], f"{layer}_gemm")

    def _batch_norm(self, layer: str) -> tuple[np.ndarray, np.ndarray]:
        """(C,) float32 factor and shift behind a layer's convolution, its own bias included."""
        if f"{layer}/bias" in self.weights:  # the last layer has none
            bias = np.asarray(self.weights[f"{layer}/bias"], np.float32)
            return np.ones_like(bias), bias
        gamma, beta, mean, variance = (
            np.asarray(self.weights[f"{layer}_bn/{name}"], np.float64) for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        factor = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        shift = (np.asarray(self.weights[f"{layer}_conv/bias"], np.float64) - mean) * factor + beta
        return factor.astype(np.float32), shift.astype(np.float32)

    def _kernel(self, name: str, kernel: np.ndarray, factor: np.ndarray) -> str:
        """A kernel (C out, C in, H, W) times its factors (C out,)."""
        if kernel.size < self.least_half:
            return self.constant(name, kernel.astype(np.float32) * factor[:, np.newaxis, np.newaxis, np.newaxis])
        half = self.constant(f"{name}_half", kernel.astype(np.float16))
        whole = self.node("Cast", [half], f"{name}_whole", to=TensorProto.FLOAT)
        return self.node("Mul", [whole, self.constant(f"{name}_factor", factor[:, np.newaxis, np.newaxis, np.newaxis])], name)

    def res_block(self, x: str, name: str) -> str:
        long = self.relu(self.convolution(x, f"{name}_1"), f"{name}_1")
        return self._joined(long, self.convolution(x, f"{name}_short"), name)

    def res_block_up(self, low: str, skip: str, name: str, side: int) -> str:
        """The res-block on `low`, (N, C, side, side), enlarged to twice the side, beside `skip`."""
        paths = []
        for path in ("1", "short"):
            layer = f"{name}_{path}"
            width = self.weights[f"{layer}_conv/kernel"].shape[3]
            channels = 2 * width  # of `low`: each stage has twice as many as the one above it
            below = self.convolution(low, layer, "below", slice(None, channels), bias=False)
            beside = self.convolution(skip, layer, "beside", slice(channels, None))
            paths.append(self.node("Add", [beside, self._enlarged(below, f"{layer}_enlarged", width, side)], f"{layer}_sum"))
        return self._joined(self.relu(paths[0], f"{name}_1"), paths[1], name)

    def _joined(self, long: str, short: str, name: str) -> str:
        return self.node("Relu", [self.node("Add", [self.convolution(long, f"{name}_2"), short], f"{name}_add")], f"{name}_out")

    def _enlarged(self, x: str, name: str, channels: int, side: int) -> str:
        """(N, C, side, side) to (N, C, 2 side, 2 side), each pixel four times."""
        if not self.copied:
            scales = self.constant(f"{name}_scales", np.array([1, 1, 2, 2], np.float32))
            return self.node("Resize", [x, "", scales], name, mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric")
        row, shape = 2 * side * channels, [-1, 2 * side, 2 * side, channels]
        x = self.node("Transpose", [x], f"{name}_last", perm=[0, 2, 3, 1])
        x = self.node("Concat", [x, x], f"{name}_columns", axis=3)
        x = self.node("Reshape", [x, self.numbers(f"{name}_row_shape", [-1, side, 1, row])], f"{name}_row")
        x = self.node("Concat", [x, x], f"{name}_rows", axis=2)
        x = self.node("Reshape", [x, self.numbers(f"{name}_shape", shape)], f"{name}_whole")
        return self.node("Transpose", [x], name, perm=[0, 3, 1, 2])

    def model(self) -> onnx.ModelProto:
        sides = [self.size, self.size]
        ends = [
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *sides, channels])] for name, channels in (("image", 3), ("probability", 1))
        ]
        graph = helper.make_graph(self.nodes, "resunet", *ends, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        model.producer_name = "brainviewer"
        onnx.checker.check_model(model, full_check=True)
        return model
