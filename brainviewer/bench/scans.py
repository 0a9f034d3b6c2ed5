"""The whole scan: this program against the notebook's way and against bare ONNX Runtime, in turn in one process."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..errors import BrainviewerError, EngineError
from ..inference import preprocess
from ..inference.analyse import analyse
from ..inference.load import Models, load_models
from ..inference.predict import Options, predict_path
from ..inference.processor import cpu_flags
from . import making
from .measurement import Measurement, measured, not_measured
from .runner import apart

ROUNDS = 3
SERIES, SLICES = 50, 4


def rows() -> Iterator[Measurement]:
    found = apart("whole-scan", str(ROUNDS))
    slices = f"{found['slices']} slices, {found['segmented']} of them segmented; networks loaded; median of {ROUNDS} rounds in turn"
    for precision, limit in (("int8", 1 / 12), ("float32", 1 / 4.5)):
        fits = precision == "float32" or cpu_flags().get("vnni")
        note = slices if fits else f"{slices}; no VNNI here, so there is no target"
        yield _row(f"whole scan, {precision}", found, precision, "notebook", "Keras predict, slice by slice", limit if fits else None, note)
    bare = "ready-made inputs for ONNX Runtime, all that goes before and after included here"
    yield _row("whole scan, float32", found, "float32", "bare", "ONNX Runtime called bare", 1.15, bare)


def _row(name: str, found: dict, ours: str, theirs: str, rival: str, limit: float | None, note: str) -> Measurement:
    """The median of the rounds' own ratios: the machine is never the same from one round to the next."""
    ratios = [a / b for a, b in zip(found[ours], found[theirs], strict=True)]
    rival_s = statistics.median(found[theirs])
    ours_cpu, theirs_cpu = (statistics.median(found[f"{way} cpu"]) for way in (ours, theirs))
    note = f"{note}; processor time {ours_cpu:.1f} s against {theirs_cpu:.1f} s"
    return measured(name, statistics.median(ratios) * rival_s, "s", rival=rival, rival_value=rival_s, ratio_at_most=limit, note=note)


def whole_scan(rounds: str) -> dict:
    """Seconds of each way in each round."""
    from .rivals import Bare, Notebook
    from .rivals import whole_scan as run

    volume = making.sample()
    models = {precision: load_models("onnx", "cpu", precision) for precision in ("float32", "int8")}
    bundles = models["float32"].classify_bundle, models["float32"].segment_bundle
    ranges = preprocess.intensity_ranges(volume.voxels)
    images = [preprocess.to_network(volume[z], ranges, bundles[0].size)[np.newaxis] for z in range(len(volume))]
    segmented = [prediction.mask is not None for prediction in analyse(volume, models["float32"]).predictions]
    notebook, bare = Notebook(*bundles), Bare(*bundles)
    ways: dict[str, Callable[[], object]] = {
        "notebook": lambda: run(notebook, images, segmented),
        "int8": lambda: analyse(volume, models["int8"]),
        "float32": lambda: analyse(volume, models["float32"]),
        "bare": lambda: run(bare, images, segmented),
    }
    for rival in (notebook, bare):
        run(rival, images[:1], [True])  # what is traced or planned at the first call
    analyse(volume, models["int8"])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    computed: dict[str, list[float]] = {f"{name} cpu": [] for name in ways}
    for _ in range(int(rounds)):
        for name, way in ways.items():
            started, before = time.perf_counter(), time.process_time()
            way()
            seconds[name].append(time.perf_counter() - started)
            computed[f"{name} cpu"].append(time.process_time() - before)
    return {**seconds, **computed, "slices": len(volume), "segmented": sum(segmented)}


def predict_rows() -> Iterator[Measurement]:
    """`predict` with and without reading, analysis and writing overlapped."""
    ratios, plain = [], []
    with tempfile.TemporaryDirectory(prefix="brainviewer-") as scratch:
        folder = making.small_scans(Path(scratch, "scans"), SERIES, SLICES)
        for number in range(ROUNDS):
            seconds = []
            for overlapped in (True, False) if number % 2 else (False, True):
                options = Options(
                    Path(scratch, "out"), precision="auto", keep=False, overwrite=True, save=("overlay", "mask", "panel", "probability")
                )
                started = time.perf_counter()
                predict_path(folder, options, overlapped=overlapped)
                seconds.append((overlapped, time.perf_counter() - started))
            took = dict(seconds)
            ratios.append(took[True] / took[False])
            plain.append(took[False])
    rival_s = statistics.median(plain)
    note = f"{SERIES} series of {SLICES} slices, four pictures a slice"
    value = statistics.median(ratios) * rival_s
    yield measured("predict over 50 series", value, "s", rival="one after the other", rival_value=rival_s, ratio_at_most=0.9, note=note)


def gpu_rows() -> Iterator[Measurement]:
    """A GPU against the CPU of the same machine."""
    name = "whole scan, GPU"
    try:
        gpu = load_models("auto", "gpu")
    except BrainviewerError as error:
        yield not_measured(name, f"none here: {error.sentence}" if not isinstance(error, EngineError) else "none here")
        return
    volume, cpu = making.sample(), load_models("onnx", "cpu")
    seconds = {}
    for models in (gpu, cpu):
        analyse(volume, models)
        seconds[models.device] = min(_timed(volume, models) for _ in range(ROUNDS))
    yield measured(name, seconds[gpu.device], "s", rival="its CPU", rival_value=seconds[cpu.device], note=f"{gpu.device}, {len(volume)} slices")


def _timed(volume: making.Volume, models: Models) -> float:
    started = time.perf_counter()
    analyse(volume, models)
    return time.perf_counter() - started
