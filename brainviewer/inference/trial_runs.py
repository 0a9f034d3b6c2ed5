"""Parts of the selftest that start this very program once more, with a home of its own: its window, and a training of one epoch."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .. import paths
from ..errors import BrainviewerError, EngineError
from .bundle import choose_bundle

WINDOW_S, TRAINING_S = 180.0, 1200.0
TRIAL = "BRAINVIEWER_TRIAL"
"""Names the file in which a window on trial writes what it showed, before it closes itself."""

PATIENTS = {"a": (8, 10, 15, 17), "b": (6, 9, 16, 18)}
"""Eight slices of the sample, half of them with a tumour, as two patients: one to learn from, one to be judged on."""
TRAINING = {"task": "segment", "phases": [{"size": 64, "epochs": 1}], "batch": 4, "validation": 0.5, "about": "eight slices of the sample scan"}


def open_window(scan: Path) -> str:
    """Opens the window without a display, on a scan, and closes it; says what it showed.

    Raises:
        BrainviewerError: if it does not start, or shows no scan.
    """
    with tempfile.TemporaryDirectory(prefix="brainviewer-") as scratch:
        home, shown = Path(scratch, "home"), Path(scratch, "shown.json")
        home.mkdir()
        (home / "settings.json").write_text(json.dumps({"analyse_on_open": False}), encoding="utf-8")
        variables = {"QT_QPA_PLATFORM": "offscreen", TRIAL: str(shown), "BRAINVIEWER_HOME": str(home)}
        start("The window", [str(scan)], WINDOW_S, variables)
        try:
            document = json.loads(shown.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise BrainviewerError("The window closed without having shown a scan.", "The log says more: Help > Show the log.") from None
    if not document["slices"] or document["colours"] < 16:
        raise BrainviewerError(f"The window stayed empty ({document['colours']} colours).")
    return f"The window showed {document['slices']} slices after {document['seconds']:.1f} s."


def train_once(scan: Path) -> str:
    """Trains one epoch on eight slices, makes a model of it, and lets the model's three forms be loaded; says what came out.

    Raises:
        BrainviewerError: if any of that fails.
    """
    from .onnx_engine import OnnxEngine

    with tempfile.TemporaryDirectory(prefix="brainviewer-") as scratch:
        folder = Path(scratch)
        data, run, config = folder / "data", folder / "run", folder / "config.json"
        count = eight_slices(scan, data)
        config.write_text(json.dumps(TRAINING | {"data": str(data)}), encoding="utf-8")
        start("The training", ["train", "--config", str(config), "--run", str(run)], TRAINING_S, {"BRAINVIEWER_HOME": str(folder / "home")})
        bundle = choose_bundle(run / "bundle", "segment")
        bundle.verify()
        for precision in ("float32", "int8"):
            OnnxEngine(bundle, precision, "cpu").close()
        if "float32" not in bundle.weights.get("keras", {}):
            raise EngineError("The trained model has no weights for TensorFlow.")
    return f"One epoch on {count} slices, in a process of its own; the model was written for TensorFlow and ONNX, in float32 and int8."


def eight_slices(scan: Path, data: Path) -> int:
    """Copies slices and masks of the sample into a labelled folder; their number."""
    files = {int(found[1]): file for file in sorted(scan.rglob("*.tif")) if (found := re.search(r"_(\d+)\.tif$", file.name))}
    for patient, numbers in PATIENTS.items():
        (data / patient).mkdir(parents=True)
        for number in numbers:
            image = files[number]
            shutil.copyfile(image, data / patient / f"{patient}_{number}.tif")
            shutil.copyfile(image.with_name(f"{image.stem}_mask.tif"), data / patient / f"{patient}_{number}_mask.tif")
    return sum(map(len, PATIENTS.values()))


def start(what: str, words: list[str], limit_s: float, variables: Mapping[str, str]) -> None:
    """Runs this program to its end, with the package where the child finds it; the child ends with this process' own interruption.

    Raises:
        BrainviewerError: with the last words of the child, if it fails or does not end in time.
    """
    command, environment = paths.command(*words), paths.environment() | dict(variables)
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        raise BrainviewerError(f"{what} did not end within {limit_s:.0f} seconds.", "Close other programs, and try again.") from None
    except OSError as error:
        raise BrainviewerError(f"{what} could not be started ({error.strerror}).") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise BrainviewerError(f"{what} ended with code {done.returncode}. {' '.join(said[-3:])[-600:]}".strip())
