"""What the program is compared with. Only functions of this module bring a framework, and only when they are called."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..inference.bundle import ModelBundle
from ..inference.keras_engine import load_network


class Notebook:
    """The way of a notebook: `predict` of Keras, one slice at a time."""

    def __init__(self, classify: ModelBundle, segment: ModelBundle) -> None:
        self._classifier, self._segmenter = (
            load_network(bundle.path(roles["architecture"]), bundle.path(roles["weights"]))
            for bundle, roles in ((bundle, bundle.weights["keras"]["float32"]) for bundle in (classify, segment))
        )

    def classify(self, image: np.ndarray) -> None:
        self._classifier.predict(image, verbose=0)

    def segment(self, image: np.ndarray) -> None:
        self._segmenter.predict(image, verbose=0)


class Bare:
    """ONNX Runtime as it comes, on all cores, one slice at a time."""

    def __init__(self, classify: ModelBundle, segment: ModelBundle) -> None:
        import onnxruntime

        files = [str(bundle.path(bundle.weights["onnx"]["float32"]["model"])) for bundle in (classify, segment)]
        self._classifier, self._segmenter = (onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]) for file in files)

    def classify(self, image: np.ndarray) -> None:
        self._classifier.run(None, {self._classifier.get_inputs()[0].name: image})

    def segment(self, image: np.ndarray) -> None:
        self._segmenter.run(None, {self._segmenter.get_inputs()[0].name: image})


def whole_scan(rival: Notebook | Bare, images: Sequence[np.ndarray], segmented: Sequence[bool]) -> None:
    """Both networks on ready-made inputs (1, H, W, 3): the classifier on each, the segmenter where it is told to."""
    for image, too in zip(images, segmented, strict=True):
        rival.classify(image)
        if too:
            rival.segment(image)


def import_tensorflow() -> None:
    import tensorflow  # noqa: F401
