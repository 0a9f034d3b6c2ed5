"""From the start of the process to the first slice and the first overlay, against what a notebook waits for."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..inference import preprocess
from ..inference.bundle import choose_bundle
from ..inference.selftest import sample_scan
from ..paths import bundled_models
from .measurement import Measurement, measured
from .runner import apart, home

ROUNDS = 3


def rows() -> Iterator[Measurement]:
    with home() as environment:
        apart("start", str(sample_scan()), environment=environment)  # warms the disk, and tries 8-bit weights as the very first start does
        seconds: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            ours = apart("start", str(sample_scan()), environment=environment)
            theirs = apart("notebook-start")
            for name, found in (("slice", ours), ("overlay", ours), ("notebook", theirs)):
                seconds.setdefault(name, []).append(found[f"{name}_s"] - found["started_s"])
                seconds.setdefault(f"{name} cpu", []).append(found[f"{name}_cpu_s"])
            seconds.setdefault("tensorflow", []).append(theirs["tensorflow_s"])
            seconds.setdefault("tensorflow cpu", []).append(theirs["tensorflow_cpu_s"])
    middle = {name: statistics.median(values) for name, values in seconds.items()}

    def note(ours: str, theirs: str) -> str:
        return f"median of {ROUNDS}, warm disk, no display; processor time {middle[f'{ours} cpu']:.2f} s against {middle[f'{theirs} cpu']:.2f} s"

    yield measured(
        "process start to first slice on screen",
        middle["slice"],
        "s",
        rival="import tensorflow",
        rival_value=middle["tensorflow"],
        at_most=1.0,
        ratio_at_most=0.4,
        note=note("slice", "tensorflow"),
    )
    yield measured(
        "process start to first overlay",
        middle["overlay"],
        "s",
        rival="the notebook's way to its first mask",
        rival_value=middle["notebook"],
        at_most=2.0,
        ratio_at_most=0.25,
        note=f"{note('overlay', 'notebook')}; nothing kept from before",
    )


def notebook_start() -> dict:
    """When the notebook's way has imported TensorFlow (in seconds), and when it has its first mask (the time of day)."""
    from .rivals import Notebook, import_tensorflow

    started, computed = time.perf_counter(), time.process_time()
    import_tensorflow()
    tensorflow = {"tensorflow_s": time.perf_counter() - started, "tensorflow_cpu_s": time.process_time() - computed}
    from ..imaging.volume import Volume
    from . import making

    volume: Volume = making.sample()
    classify, segment = (choose_bundle(bundled_models(), task) for task in ("classify", "segment"))
    image = preprocess.to_network(volume[len(volume) // 2], preprocess.intensity_ranges(volume.voxels), segment.size)[np.newaxis]
    notebook = Notebook(classify, segment)
    notebook.classify(image)
    notebook.segment(image)
    return {**tensorflow, "notebook_s": time.time(), "notebook_cpu_s": time.process_time()}


def start(path: str) -> dict:
    from .window import first_pictures

    return first_pictures(Path(path))
