"""What computes a network, behind one protocol. Pure numbers: no resizing, no threshold, no labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np


class Engine(Protocol):
    """One loaded network.

    Attributes:
        name: "onnx" or "tensorflow".
        device: what computes, in words for the user ("CPU", "NVIDIA RTX 4070").
        precision: "float32" or "int8".
        notes: sentences for the user, e.g. that the GPU failed and the CPU went on; grows while it runs.
        lanes: how many calls may run at the same time, on threads of their own; more than one only where that is faster.
        identity: what the answers depend on beside the weights: library and version, device, precision.
    """

    name: str
    device: str
    precision: str
    notes: list[str]
    lanes: int

    @property
    def identity(self) -> str: ...

    def __call__(self, batch: np.ndarray) -> Mapping[str, np.ndarray]:
        """float32 (N, H, W, C) in; `probability` (N, ...) float32 out, and the classifier's `features` (N, F).

        A row's answer does not depend on its neighbours in the batch.
        """
        ...

    def close(self) -> None:
        """Frees what the engine holds; safe to call twice."""
        ...
