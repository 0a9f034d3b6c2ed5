"""Whether 8-bit weights are used when nobody says which: only where they are faster and right, on this very processor.

Processors without VNNI add 8-bit products in 16 bits and may saturate without a word, so the instruction must be there, and the networks must
answer on slices of the sample scan as they are known to. The verdict is kept for the models, processor and runtime that it was reached with.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import paths
from ..errors import BrainviewerError
from ..formats.writing import write_file
from .bundle import ModelBundle
from .processor import cores, cpu_flags, processor

if TYPE_CHECKING:
    from ..imaging.volume import Volume
    from .load import Models

log = logging.getLogger(__name__)

PROBABILITY = 0.05
AREA_SHARE, AREA_PX = 0.05, 40
"""How far the answers of the two precisions may lie apart where no stored answer is known for the models (retrained ones)."""

ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is used, and why, in a sentence."""

    precision: str
    why: str


def choose(bundles: Sequence[ModelBundle], device: str) -> Verdict:
    """The faster precision of ONNX Runtime whose answer is right.

    Args:
        bundles: classifier and segmenter.
        device: "auto", "cpu" or "gpu".
    """
    from .onnx_engine import gpu_providers

    if any("int8" not in bundle.weights.get("onnx", {}) for bundle in bundles):
        return Verdict("float32", "The models have no 8-bit weights.")
    if device == "gpu" or (device == "auto" and gpu_providers()):
        return Verdict("float32", "8-bit weights are for the CPU.")
    if not cpu_flags().get("vnni"):
        return Verdict("float32", "This processor has no VNNI, without which 8-bit weights are slower or wrong.")
    key = _key(bundles)
    kept = _read()
    if key in kept:
        return kept[key]
    try:
        verdict = judge(bundles)
    except BrainviewerError as error:  # a file that is missing, say: tried again the next time
        return Verdict("float32", f"8-bit weights could not be tried. {error.sentence}")
    _write(kept | {key: verdict})
    return verdict


def judge(bundles: Sequence[ModelBundle]) -> Verdict:
    """Both precisions on a few slices of the sample scan.

    Raises:
        BrainviewerError: if one of them, or the sample, cannot be had.
    """
    from ..formats import open_volume, scan
    from .analyse import Answers
    from .load import Models, open_onnx
    from .selftest import differences, sample_scan, stored_answers

    volume, stored = open_volume(scan(sample_scan()).series[0]), stored_answers()
    about = _telling_slices(stored, len(volume))
    loaded: dict[str, Models] = {}
    try:
        for precision in ("int8", "float32"):
            engines = [open_onnx(bundle, precision, "cpu", None) for bundle in bundles]
            loaded[precision] = Models(engines[0], engines[1], bundles[0], bundles[1])
        found = _ask(volume, loaded["int8"], about)
        known = stored.get("onnx int8")
        if known is not None and known["models"] == [bundle.sha256("onnx", "int8") for bundle in bundles]:
            wrong = differences(known | {name: [known[name][z] for z in about[1::3]] for name in found}, known | found)
        else:
            wrong = _apart(_ask(volume, loaded["float32"], about), found)
        if wrong:
            return Verdict("float32", f"8-bit weights do not give the right answer on this processor. {wrong}")
        seconds = {precision: float("inf") for precision in loaded}
        for _ in range(ROUNDS):  # in turn, so that other work on the machine meets both
            for precision, models in loaded.items():
                started = time.perf_counter()
                Answers(volume, models).complete(about[1:2])
                seconds[precision] = min(seconds[precision], time.perf_counter() - started)
    finally:
        for models in loaded.values():
            models.close()
    if seconds["int8"] >= seconds["float32"]:
        return Verdict("float32", "8-bit weights are not faster on this processor.")
    return Verdict("int8", "8-bit weights are faster on this processor (VNNI), and their answer on the sample scan is right.")


def _ask(volume: Volume, models: Models, about: Sequence[int]) -> dict[str, list]:
    """The whole-scan answer on the middle slice of each run of three; it rests on its neighbours, and on nothing else."""
    from .analyse import Answers, decision_of, finish

    answers = Answers(volume, models)
    answers.complete(about)
    decision = decision_of(models)
    result = finish(answers, decision, decision.gated(answers.p), models)
    asked = [result.predictions[z] for z in about[1::3]]
    return {
        "p_tumour": [p.p_tumour for p in asked],
        "area_px": [p.area_px(result.threshold) or 0 for p in asked],
    }


def _telling_slices(stored: dict, count: int) -> list[int]:
    """Two runs of three slices: in the middle of the sample's tumour, and far from it."""
    areas = stored.get("onnx float32", {}).get("area_px", [0] * count)
    middles = (min(max(int(np.argmax(areas)), 1), count - 2), 1 if areas[0] == 0 else count - 2)
    return [z for middle in middles for z in (middle - 1, middle, middle + 1)]


def _apart(exact: dict, found: dict) -> str:
    p = float(np.abs(np.subtract(exact["p_tumour"], found["p_tumour"])).max())
    areas = [(a, b) for a, b in zip(exact["area_px"], found["area_px"], strict=True) if abs(a - b) > max(AREA_PX, AREA_SHARE * a)]
    if p > PROBABILITY or areas:
        return f"Probabilities differ by up to {p:.3f} from those of 32-bit weights, areas in {len(areas)} slices."
    return ""


# --- the kept verdicts


def _file() -> Path:
    return paths.cache() / "precision.json"


def _key(bundles: Sequence[ModelBundle]) -> str:
    from .onnx_engine import runtime

    hashes = [bundle.sha256("onnx", precision) for bundle in bundles for precision in ("float32", "int8")]
    said = json.dumps([hashes, runtime(), processor(), cores()])
    return hashlib.sha256(said.encode()).hexdigest()


def _read() -> dict[str, Verdict]:
    try:
        document = json.loads(_file().read_text(encoding="utf-8"))
        return {str(key): Verdict({"int8": "int8"}.get(row["precision"], "float32"), str(row["why"])) for key, row in document.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.info("The kept verdicts on 8-bit weights cannot be used: %s", error)
        return {}


def _write(verdicts: dict[str, Verdict]) -> None:
    document = {key: {"precision": verdict.precision, "why": verdict.why} for key, verdict in verdicts.items()}
    try:
        write_file(_file(), (json.dumps(document, indent=1) + "\n").encode())
    except BrainviewerError as error:
        log.info("The verdict on 8-bit weights is not kept: %s", error.sentence)
