"""Does this installation compute what it should? The sample scan, analysed by every engine and precision, against a stored answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from .. import paths
from ..errors import BrainviewerError
from ..formats import open_volume, scan
from ..imaging.prediction import ScanResult
from ..imaging.volume import Volume
from .analyse import analyse
from .load import load_models

STORED = "selftest.json"
PROBABILITY = 0.02
AREA_PX = 12
"""A pixel that lies on the threshold may fall to either side from one processor to the next; a wrong answer is off by far more."""

WAYS = (("onnx", "float32"), ("onnx", "int8"), ("tensorflow", "float32"))


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried."""

    name: str
    passed: bool
    detail: str
    seconds: float


def sample_scan() -> Path:
    """The scan that comes with the program."""
    return paths.resource("sample")


def answer(volume: Volume, result: ScanResult) -> dict:
    """What is stored of an analysis: the scan, each slice's probability and the area of its mask."""
    return {
        "key": volume.key,
        "slices": len(volume),
        "models": [identity[3] for identity in result.models],
        "p_tumour": [round(p.p_tumour, 4) for p in result.predictions],
        "area_px": [0 if p.mask is None or not p.tumour else p.mask.area_px(result.threshold) for p in result.predictions],
    }


def differences(stored: dict, found: dict) -> str:
    """What differs, as a sentence, or ""."""
    if (stored["key"], stored["slices"]) != (found["key"], found["slices"]):
        return f"The sample scan is not the one that the answer was stored for ({found['key']}, {found['slices']} slices)."
    if stored["models"] != found["models"]:
        return "The models are not those that the answer was stored for."
    p = float(np.abs(np.subtract(stored["p_tumour"], found["p_tumour"])).max())
    area = int(np.abs(np.subtract(stored["area_px"], found["area_px"])).max())
    if p > PROBABILITY or area > AREA_PX:
        return f"The answer differs from the stored one: probabilities by up to {p:.3f}, areas by up to {area} pixels."
    return ""


def selftest(ways: tuple[tuple[str, str], ...] = WAYS) -> Iterator[Check]:
    """Runs every check, one after the other; nothing is raised."""

    def check(name: str, work: Callable[[], str]) -> Check:
        started = time.perf_counter()
        try:
            return Check(name, True, work(), round(time.perf_counter() - started, 2))
        except BrainviewerError as error:
            return Check(name, False, str(error), round(time.perf_counter() - started, 2))

    volumes: list[Volume] = []

    def open_sample() -> str:
        listing = scan(sample_scan())
        volumes.append(open_volume(listing.series[0]))
        return f"{len(volumes[0])} slices read from {volumes[0].key}."

    yield check("sample scan", open_sample)
    if not volumes:
        return
    stored: dict[str, dict] = {}

    def read_stored() -> str:
        try:
            stored.update(json.loads(paths.resource(STORED).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise BrainviewerError(f"The stored answer cannot be read ({error}).", "Install the program again.") from None
        return f"Answers for {', '.join(stored)}."

    yield check("stored answer", read_stored)
    for engine, precision in ways:

        def compute(engine: str = engine, precision: str = precision) -> str:
            models = load_models(engine, "auto", precision)
            try:
                result = analyse(volumes[0], models)
            finally:
                models.close()
            expected = stored.get(f"{engine} {precision}")
            if wrong := differences(expected, answer(volumes[0], result)) if expected else "There is no stored answer to compare with.":
                raise BrainviewerError(wrong, "Install the program again; if it stays so, please report it.")
            return f"The answer is the stored one ({models.device}, {result.slices_with_tumour} of {len(volumes[0])} slices with tumour)."

        yield check(f"{engine} {precision}", compute)


def report(checks: list[Check]) -> dict:
    """The document of `brainviewer selftest --json`."""
    return {"passed": all(check.passed for check in checks), "checks": [asdict(check) for check in checks]}


def store(folder: Path | None = None) -> dict:
    """The answers of this machine, to be stored when new models are bundled."""
    volume = open_volume(scan(sample_scan()).series[0])
    stored = {}
    for engine, precision in WAYS:
        models = load_models(engine, "cpu", precision, folder)
        stored[f"{engine} {precision}"] = answer(volume, analyse(volume, models))
        models.close()
    return stored
