"""What this installation is, what it can compute with, and why not with more."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata

from .. import __version__, paths
from ..errors import BrainviewerError
from . import registry
from .bundle import find_bundles, read_bundle
from .load import ENGINES, load_models, nvidia_present
from .processor import cpu_flags

PACKAGES = (
    "tensorflow", "keras", "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "numpy", "scipy", "opencv-python-headless", "pydicom",
    "nibabel", "tifffile", "imagecodecs", "PySide6-Essentials", "pyqtgraph",
)  # fmt: skip


EDITIONS = {
    "onnxruntime": "for the CPU",
    "onnxruntime-gpu": "for the CPU, and for NVIDIA GPUs through CUDA",
    "onnxruntime-directml": "for the CPU, and for graphics cards through DirectML",
}
"""What each edition of ONNX Runtime can use; exactly one may be installed."""


def versions() -> dict[str, str | None]:
    """Version of each package that matters, None where it is not installed."""
    found: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def edition() -> str:
    """What this edition computes with, in words."""
    present = versions()
    kinds = [name for name in EDITIONS if present[name]]
    if len(kinds) > 1:
        return f"{' and '.join(kinds)} are both installed and overwrite each other; keep one"
    how = EDITIONS[kinds[0]] if kinds else "without ONNX Runtime, which has to be installed"
    if kinds == ["onnxruntime"] and sys.platform == "darwin":
        how = "for the CPU, and for Apple's GPU and Neural Engine through CoreML"
    return f"{'packaged, ' if getattr(sys, 'frozen', False) else ''}{how}"


def engines(quick: bool = False) -> list[dict]:
    """What each engine says when it is asked to load both models; `quick` leaves TensorFlow out, which takes seconds."""
    rows = []
    for name in ENGINES[:1] if quick else ENGINES:
        try:
            models = load_models(name)
        except BrainviewerError as error:
            rows.append({"engine": name, "works": False, "why": str(error)})
            continue
        row: dict = {"engine": name, "works": True, "device": models.device, "precision": models.precision}
        rows.append(row | {"gpu": models.gpu_note, "why_precision": models.precision_note})
        models.close()
    return rows


def bundles() -> list[dict]:
    """Every model there is, pair by pair: where it lies, whether its files are whole, whether it is in use, and how its pair was judged."""
    used = registry.in_use().id
    rows = []
    for pair in registry.pairs():
        for path in find_bundles(pair.folder):
            row: dict = {"id": path.name, "origin": pair.origin, "folder": str(path), "pair": pair.id, "in_use": pair.id == used}
            row |= {"trained": path.name.split("-")[0] in pair.trained, "made": pair.made, "verdict": pair.verdict.get("verdict")}
            try:
                bundle = read_bundle(path)
                row |= {"name": bundle.name, "version": bundle.version, "task": bundle.task, "sha256": bundle.sha256("onnx", "float32")}
                bundle.verify()
                row |= {"whole": True, "why": ""}
            except (BrainviewerError, KeyError) as error:
                row |= {"whole": False, "why": str(error)}
            rows.append(row)
    return rows


def examine() -> dict:
    """The document of `brainviewer doctor --json`."""
    return {
        "brainviewer": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "cpu": cpu_flags(),
        "edition": edition(),
        "nvidia_driver": nvidia_present(),
        "packages": versions(),
        "engines": engines(),
        "models": bundles(),
        "folders": {"user": str(paths.user_data()), "models": str(paths.bundled_models())},
    }
