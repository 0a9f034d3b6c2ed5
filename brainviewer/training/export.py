"""Keras' own ONNX export, always through TensorFlow: what is done to the graph afterwards goes by the names that TensorFlow gives its parts.

Imports no framework, so that the child process can choose its own.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np


def export(model: Any, path: Path) -> None:
    """Writes a `keras.Model` of one input (N, S, S, C) as ONNX."""
    model(np.zeros((1, *model.input_shape[1:]), np.float32))
    model.export(path, format="onnx", verbose=False)


def export_apart(architecture: Path, weights: Path, path: Path) -> None:
    """The same in a process of its own, for a network that was trained on another backend.

    Args:
        architecture, weights: as a bundle holds them.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        apart.submit(_export_stored, architecture, weights, path).result()


def _export_stored(architecture: Path, weights: Path, path: Path) -> None:
    os.environ |= {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    from ..inference.keras_engine import load_network

    export(load_network(architecture, weights), path)
