"""Does this installation compute what it should?

The sample scan, analysed by every engine and precision, against stored answers; every DICOM decoder; a picture against that of the source
run; and, each in a process of its own, the window and a training of one epoch.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from .. import paths
from ..errors import BrainviewerError
from ..formats import open_volume, scan
from ..formats.dicom_trial import try_syntaxes
from ..formats.export import export_overlays
from ..imaging.measure import fullest_slice
from ..imaging.prediction import Mask, OverlayStyle, Prediction, ScanResult
from ..imaging.volume import Volume
from .analyse import analyse
from .load import load_models
from .trial_runs import open_window, train_once

STORED = "selftest.json"
PROBABILITY = 0.02
AREA_PX = 12
"""A pixel that lies on the threshold may fall to either side from one processor to the next; a wrong answer is off by far more."""

WAYS = (("onnx", "float32"), ("onnx", "int8"), ("tensorflow", "float32"))
NAMES = ("sample scan", "stored answer", *(" ".join(way) for way in WAYS), "DICOM decoders", "picture", "window", "training")
AGAIN = "Install the program again; if it stays so, please report it."


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
        "area_px": [p.area_px(result.threshold) or 0 for p in result.predictions],
    }


def stored_answers() -> dict[str, dict]:
    """What came with the program, by engine and precision.

    Raises:
        BrainviewerError: if it cannot be read.
    """
    try:
        return json.loads(paths.resource(STORED).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BrainviewerError(f"The stored answer cannot be read ({error}).", "Install the program again.") from None


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


def selftest(only: Collection[str] = NAMES) -> Iterator[Check]:
    """Runs the checks, one after the other; whatever goes wrong is a check that did not pass.

    Args:
        only: of `NAMES`; what they need is opened for them.
    """
    test = Selftest()
    for name in NAMES:
        if name not in only:
            continue
        started = time.perf_counter()
        try:
            passed, detail = True, test.run(name)
        except BrainviewerError as error:
            passed, detail = False, str(error)
        except Exception as error:  # noqa: BLE001 - a missing library, a broken file: what an installation can lack has no common name
            passed, detail = False, f"{type(error).__name__}: {error}"
        yield Check(name, passed, detail, round(time.perf_counter() - started, 2))


class Selftest:
    """The checks, and what they share: the sample scan and the stored answers, read once."""

    def __init__(self) -> None:
        self._volume: Volume | None = None
        self._stored: dict | None = None

    def run(self, name: str) -> str:
        """Runs one check of `NAMES`; returns what it found.

        Raises:
            BrainviewerError: where it did not pass.
        """
        ways = {" ".join(way): way for way in WAYS}
        if name in ways:
            return self.compute(*ways[name])
        checks = {
            "sample scan": self.open_sample,
            "stored answer": self.read_stored,
            "DICOM decoders": decode_dicom,
            "picture": self.draw,
            "window": lambda: open_window(sample_scan()),
            "training": lambda: train_once(sample_scan()),
        }
        return checks[name]()

    @property
    def volume(self) -> Volume:
        if self._volume is None:
            self._volume = open_volume(scan(sample_scan()).series[0])
        return self._volume

    @property
    def stored(self) -> dict:
        if self._stored is None:
            self._stored = stored_answers()
        return self._stored

    def open_sample(self) -> str:
        return f"{len(self.volume)} slices read from {self.volume.key}."

    def read_stored(self) -> str:
        return f"Answers for {', '.join(self.stored)}."

    def compute(self, engine: str, precision: str) -> str:
        models = load_models(engine, "auto", precision, paths.bundled_models())  # not those that a user has put in their place
        try:
            result = analyse(self.volume, models)
        finally:
            models.close()
        expected = self.stored.get(f"{engine} {precision}")
        if wrong := differences(expected, answer(self.volume, result)) if expected else "There is no stored answer to compare with.":
            raise BrainviewerError(wrong, AGAIN)
        return f"The answer is the stored one ({models.device}, {result.slices_with_tumour} of {len(self.volume)} slices with tumour)."

    def draw(self) -> str:
        expected, found = self.stored.get("picture"), picture_answer(self.volume)
        if not expected:
            raise BrainviewerError("There is no stored picture to compare with.", AGAIN)
        if found == expected:
            return "The exported PNG is the stored one, byte for byte."
        if found["pixels"] != expected["pixels"]:
            raise BrainviewerError("The pixels of the exported PNG are not the stored ones.", AGAIN)
        if found["opencv"] == expected["opencv"]:
            raise BrainviewerError("The exported PNG has the stored pixels in other bytes.", AGAIN)
        return f"The exported PNG has the stored pixels, packed by OpenCV {found['opencv']} instead of {expected['opencv']}."


def decode_dicom() -> str:
    with tempfile.TemporaryDirectory(prefix="brainviewer-") as folder:
        passed, failed = try_syntaxes(Path(folder))
    if failed:
        raise BrainviewerError(f"{len(failed)} of {len(passed) + len(failed)} transfer syntaxes cannot be read. {' '.join(failed)}", AGAIN)
    return f"All {len(passed)} transfer syntaxes were written and read."


def picture_answer(volume: Volume) -> dict:
    """What is stored of one exported overlay: hashes of the PNG's bytes and of its pixels. The mask is the reference's, so that no processor
    has a say in it."""
    reference = volume.reference
    if reference is None:
        raise BrainviewerError("The sample scan has no reference masks.", AGAIN)
    z = fullest_slice(reference)
    predictions = [Prediction(k, float(mask.any()), bool(mask.any()), Mask(mask.astype(np.float32)), False) for k, mask in enumerate(reference)]
    with tempfile.TemporaryDirectory(prefix="brainviewer-") as folder:
        (file,) = export_overlays(Path(folder) / "picture", volume, predictions, OverlayStyle(), slices=[z])
        data = file.read_bytes()
    pixels = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
    return {"png": hashlib.sha256(data).hexdigest(), "pixels": hashlib.sha256(pixels.tobytes()).hexdigest(), "opencv": cv2.__version__}


def report(checks: list[Check]) -> dict:
    """The document of `brainviewer selftest --json`."""
    return {"passed": all(check.passed for check in checks), "checks": [asdict(check) for check in checks]}


def store(folder: Path | None = None) -> dict:
    """The answers of this machine, to be stored when new models are bundled."""
    volume = open_volume(scan(sample_scan()).series[0])
    stored = {}
    for engine, precision in WAYS:
        models = load_models(engine, "cpu", precision, folder or paths.bundled_models())
        stored[f"{engine} {precision}"] = answer(volume, analyse(volume, models))
        models.close()
    stored["picture"] = picture_answer(volume)
    return stored
