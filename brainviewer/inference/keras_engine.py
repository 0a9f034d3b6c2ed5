"""TensorFlow and Keras, in a child process.

TensorFlow's import holds the interpreter for seconds, and its crash or lack of memory must not take the window along. The child is given
arrays through a pipe and answers with arrays; when it dies on a GPU, one that is kept off the GPU takes its place in the same run.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Mapping
from importlib import metadata
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import EngineError
from .bundle import ModelBundle
from .processor import processor

NAME = "tensorflow"
START_S = 180.0
ANSWER_S = 300.0


class KerasEngine:
    """One network in a TensorFlow child process that this object supervises."""

    lanes = 1  # one pipe

    def __init__(self, bundle: ModelBundle, precision: str = "float32", device: str = "auto", threads: int | None = None) -> None:
        """Starts the child and waits until the network is loaded.

        Raises:
            EngineError: if TensorFlow cannot be started so.
            BundleError: if the weights are missing or damaged.
        """
        self.name, self.precision = NAME, precision
        self.notes: list[str] = []
        roles = bundle.weights.get("keras", {}).get(precision)
        if roles is None:
            raise EngineError(f'The model "{bundle.id}" has no {precision} weights for TensorFlow.')
        self._files = (str(bundle.path(roles["architecture"])), str(bundle.path(roles["weights"])))
        self._threads = threads
        self._process: multiprocessing.process.BaseProcess | None = None
        self._start(device)
        if device == "gpu" and self.device == "CPU":
            self.close()
            raise EngineError("TensorFlow finds no GPU.")

    def _start(self, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, *self._files, device != "cpu", self._threads), daemon=True)
        self._process.start()
        theirs.close()
        self.device = str(self._receive(START_S))

    @property
    def identity(self) -> str:
        """See `Engine`."""
        return f"tensorflow {metadata.version('tensorflow')} {self.device} {self.precision} {processor()}"

    def _receive(self, limit_s: float) -> object:
        try:
            if not self._pipe.poll(limit_s):
                raise EngineError(f"TensorFlow did not answer within {limit_s:.0f} seconds.")
            kind, value = self._pipe.recv()
        except (EOFError, OSError):
            raise EngineError("TensorFlow's process ended unexpectedly.") from None
        if kind == "error":
            raise EngineError(f"TensorFlow failed ({value}).")
        return value

    def _ask(self, batch: np.ndarray) -> Mapping[str, np.ndarray]:
        try:
            self._pipe.send(batch)
        except OSError:
            raise EngineError("TensorFlow's process ended unexpectedly.") from None
        return self._receive(ANSWER_S)  # type: ignore[return-value]

    def __call__(self, batch: np.ndarray) -> Mapping[str, np.ndarray]:
        """See `Engine`."""
        try:
            return self._ask(batch)
        except EngineError as error:
            if self.device == "CPU":
                raise
            self.notes.append(f"The {self.device} failed; the analysis went on on the CPU. {error.sentence}")
            self.close()
            self._start("cpu")
            return self._ask(batch)

    def close(self) -> None:
        """See `Engine`."""
        if self._process is None:
            return
        with contextlib.suppress(OSError):
            self._pipe.send(None)
        self._pipe.close()
        self._process.join(2.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process = None


def _serve(pipe: Connection, architecture: str, weights: str, gpu: bool, threads: int | None) -> None:
    """The child: loads the network, says where it runs, and answers batches until it is sent None or the pipe closes."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow writes pages of remarks there before it can be told not to; what goes wrong reaches the parent through the pipe.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if not gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    try:
        import keras
        import tensorflow as tf

        if threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        found = tf.config.list_physical_devices("GPU")
        for one in found:
            tf.config.experimental.set_memory_growth(one, True)
        model = load_network(Path(architecture), Path(weights))
        signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
        compute = tf.function(lambda x: model(x, training=False), input_signature=[signature], reduce_retracing=True)
        compute(np.zeros((1, *model.input_shape[1:]), np.float32))
        name = "GPU" if not found else tf.config.experimental.get_device_details(found[0]).get("device_name", "GPU")
        pipe.send(("ready", name if found else "CPU"))
        del keras
    except Exception as error:  # noqa: BLE001 - whatever happened here must reach the parent as words
        pipe.send(("error", _first_line(error)))
        return
    while True:
        try:
            batch = pipe.recv()
        except EOFError:
            return
        if batch is None:
            return
        try:
            pipe.send(("answer", {key: value.numpy() for key, value in compute(batch).items()}))
        except Exception as error:  # noqa: BLE001 - as above
            pipe.send(("error", _first_line(error)))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def load_network(architecture: Path, weights: Path) -> Any:
    """The Keras model of a bundle: built-in layers only (Keras' safe mode), weights from plain arrays.

    Raises:
        EngineError: if the two files do not belong together.
    """
    import keras

    model = keras.models.model_from_json(architecture.read_text(encoding="utf-8"))
    with np.load(weights, allow_pickle=False) as stored:
        if len(stored.files) != len(model.weights):
            raise EngineError(f'"{weights}" does not fit the network in "{architecture}".')
        for variable in model.weights:
            variable.assign(stored[variable.path].astype(np.float32))
    return model
