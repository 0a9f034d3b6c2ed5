"""ONNX Runtime, in the calling thread: the default engine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnxruntime

from ..errors import EngineError
from .bundle import ModelBundle
from .processor import cores, processor

NAME = "onnx"
GPU_PROVIDERS = {
    "CUDAExecutionProvider": "NVIDIA GPU (CUDA)",
    "DmlExecutionProvider": "GPU (DirectML)",
    "CoreMLExecutionProvider": "Apple GPU or Neural Engine (CoreML)",
}
CPU_PROVIDER = "CPUExecutionProvider"
MOST_LANES = 4
"""Slices at a time: each needs memory of its own for what is between its layers."""


def runtime() -> str:
    """Version of ONNX Runtime."""
    return onnxruntime.__version__


def gpu_providers() -> list[str]:
    """GPU back ends of this build of ONNX Runtime, best first; having one does not mean that there is a device."""
    return [name for name in GPU_PROVIDERS if name in onnxruntime.get_available_providers()]


class OnnxEngine:
    """One network in ONNX Runtime. Goes on on the CPU, and says so in `notes`, when a GPU fails in mid-run."""

    def __init__(self, bundle: ModelBundle, precision: str = "float32", device: str = "auto", threads: int | None = None) -> None:
        """Loads the network.

        Args:
            precision: "float32" or "int8".
            device: "auto", "cpu" or "gpu"; "gpu" refuses to fall back at the start.
            threads: of the CPU, for all lanes together; None for all cores.

        Raises:
            EngineError: if it cannot be loaded so.
            BundleError: if the weights are missing or damaged.
        """
        self.name, self.precision = NAME, precision
        self.notes: list[str] = []
        roles = bundle.weights.get(NAME, {}).get(precision)
        if roles is None:
            raise EngineError(f'The model "{bundle.id}" has no {precision} weights for ONNX Runtime.')
        self._file = str(bundle.path(roles["model"]))
        self._threads = threads or cores()
        providers = gpu_providers() if device in ("auto", "gpu") else []
        if device == "gpu" and not providers:
            raise EngineError("This build of ONNX Runtime has no GPU support.")
        reasons = []
        for provider in [*providers, CPU_PROVIDER]:
            try:
                self._session = self._open(provider)
            except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no base class
                reasons.append(f"{provider}: {str(error).splitlines()[0]}")
                continue
            if provider != CPU_PROVIDER and self._session.get_providers()[0] != provider:
                reasons.append(f"{provider}: no usable device")
                continue
            if provider == CPU_PROVIDER and device == "gpu":
                break
            self._use(provider)
            return
        raise EngineError("ONNX Runtime could not start. " + "; ".join(reasons))

    def _open(self, provider: str) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # A slice a thread needs no waiting for one another within a layer: on two cores a seventh faster than two threads a slice.
        options.intra_op_num_threads = max(1, self._threads // self._cpu_lanes)
        # Idle threads that spin would take the cores that the window draws with.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(self._file, options, providers=[provider])

    def _use(self, provider: str) -> None:
        self._provider = provider
        self.device = GPU_PROVIDERS.get(provider, "CPU")
        self.lanes = self._cpu_lanes if provider == CPU_PROVIDER else 1
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def _cpu_lanes(self) -> int:
        return min(self._threads, MOST_LANES)

    @property
    def identity(self) -> str:
        """See `Engine`. The processor is part of it: its instructions decide how sums are rounded."""
        return f"onnxruntime {runtime()} {self.device} {self.precision} {processor()}"

    def __call__(self, batch: np.ndarray) -> Mapping[str, np.ndarray]:
        """See `Engine`."""
        try:
            answers = self._session.run(self._outputs, {self._input: batch})
        except Exception as error:
            if self._provider == CPU_PROVIDER:
                raise EngineError(f"ONNX Runtime failed ({str(error).splitlines()[0]}).", "Close other programs, and analyse again.") from error
            self.notes.append(f"The {self.device} failed ({str(error).splitlines()[0][:120]}); the analysis went on on the CPU.")
            self._session = self._open(CPU_PROVIDER)
            self._use(CPU_PROVIDER)
            answers = self._session.run(self._outputs, {self._input: batch})
        return dict(zip(self._outputs, answers, strict=True))

    def close(self) -> None:
        """See `Engine`."""
        self._session = None
