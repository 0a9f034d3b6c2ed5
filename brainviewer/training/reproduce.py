"""Reproduces the bundled models from the data folder: `python -m brainviewer.training.reproduce DATA` (or `python3 dev.py models DATA`).

DATA is the data set in its published layout, or a folder that holds its archives with `unpack_lgg.py`. The test patients are never seen by
training, calibration or early stopping; they are judged once, at the end, for the card.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import paths
from ..errors import TrainingError
from ..inference import selftest
from ..inference.bundle import TASKS, choose_bundle, read_bundle
from .card import write_cards
from .evaluate import Judged
from .finish import calibrate_pair, install, make_bundle, rewrite_bundle, robustness_of, score_pair, write_details
from .run import Phase, Run, TrainConfig, write_atomic
from .trainer import train

VERSIONS = {"classify": "1.0.0", "segment": "1.4.0"}
BEFORE_REFIT = "1.2.0"
"""The segmenter that was chosen and calibrated before it learned from the validation patients too."""
ABOUT = "LGG MRI segmentation data set (Buda et al. 2019; images from TCIA, TCGA-LGG)"
KNOWN = "the brain MRI (FLAIR, with or without T1, of adults with lower-grade glioma)"
LICENCE = "CC BY-NC-SA 4.0"


def recipes(data: Path, exclude: Path, imagenet: str, precision: str) -> dict[str, list[TrainConfig]]:
    """The runs behind the bundled models, by task; each run of a task starts from the best epoch of the one before.

    The last ones may be refits: with everything chosen and calibrated, the validation patients are learned from as well.
    """
    common: dict[str, Any] = {"data": str(data), "exclude": str(exclude), "precision": precision}
    common |= {"about": ABOUT, "known": KNOWN, "licence": LICENCE}
    # Both networks are calibrated together, on patients that neither was trained on.
    common["validation_patients"] = tuple(paths.resource("validation_patients.txt").read_text().split())
    segment = TrainConfig(task="segment", name="resunet-lgg", version=BEFORE_REFIT, batch=16, **common)
    longer = replace(
        segment,
        batch=8,
        learning_rate=1e-3,
        weight_decay=5e-4,
        negatives=0.8,
        substitution=0.25,
        paste=0.1,
        loss="small_too",
        patience=100,
        seed=11,
    )
    refit = replace(longer, version=VERSIONS["segment"], refit=True)
    classify = TrainConfig(task="classify", name="resnet50-lgg", version=VERSIONS["classify"], batch=32, negatives=1.2, substitution=0.3, **common)
    return {
        "segment": [
            replace(segment, phases=(Phase(128, 8), Phase(256, 18)), learning_rate=2e-3, negatives=0.5, substitution=0.15),
            # FLAIR alone in 40 % of the slices: before, a scan without T1 lost 0.05 of its Dice.
            replace(segment, phases=(Phase(256, 6),), learning_rate=8e-4, negatives=0.6, substitution=0.4, patience=20),
            # Those two are 2,500 steps. This many more, with harder augmentation, and a small tumour counting as much as a large one.
            replace(longer, phases=(Phase(128, 20), Phase(192, 20), Phase(256, 6)), strength=1.3),
            # Harder still, then cooled on milder slices: better on both.
            replace(longer, phases=(Phase(128, 10), Phase(192, 20), Phase(256, 7)), strength=2.0, paste=0.15, seed=23),
            replace(longer, phases=(Phase(256, 5),), learning_rate=6e-4, strength=1.0, seed=29),
            # The same two once more, which on the same patients gives nothing more, with the validation patients among those learned from.
            replace(refit, phases=(Phase(128, 5), Phase(192, 14)), strength=2.0, paste=0.15, seed=31),
            replace(refit, phases=(Phase(256, 5),), learning_rate=6e-4, strength=1.0, seed=37),
            # And longer: these patients have been seen in far fewer epochs than the others.
            replace(refit, phases=(Phase(192, 24),), strength=2.0, paste=0.15, seed=41),
            replace(refit, phases=(Phase(256, 6),), learning_rate=6e-4, strength=1.0, seed=43),
        ],
        "classify": [
            replace(classify, phases=(Phase(128, 8), Phase(256, 2)), learning_rate=3e-4, start="imagenet", imagenet=imagenet),
        ],
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Reproduces the bundled models from the data folder.")
    parser.add_argument("data", type=Path, help="the data set, or the folder with its archives")
    parser.add_argument("--runs", type=Path, help="where the runs are kept, and resumed from")
    parser.add_argument("--models", type=Path, help="where the bundles go")
    parser.add_argument("--imagenet", default="", help="ResNet50's ImageNet weights without top (.weights.h5)")
    parser.add_argument("--precision", default="float32", choices=("float32", "mixed_bfloat16"), help="of training")
    parser.add_argument("--classify", type=Path, help="take this finished run, or this bundle, instead of training")
    parser.add_argument("--segment", type=Path, help="take this finished run, or this bundle, instead of training")
    parser.add_argument("--refit", type=Path, help="take this finished run for the segmenter's last, which learned from the validation patients too")
    args = parser.parse_args(argv)

    def say(text: str) -> None:
        print(text, flush=True)  # noqa: T201 - a developer's command

    runs = args.runs or paths.runs() / "bundled"
    data = unpacked(args.data, runs)
    imagenet = args.imagenet or made_imagenet(args.data, runs)
    finished = {name: getattr(args, name) for name in ("classify", "segment", "refit")}
    reproduce(data, runs, args.models or paths.bundled_models(), imagenet, args.precision, finished, say)
    return 0


def reproduce(
    data: Path, runs: Path, models: Path, imagenet: str, precision: str, finished: dict[str, Path | None], say: Callable[[str], None]
) -> None:
    """Trains what is not finished, makes both bundles, calibrates and judges them, and puts them into `models`.

    Args:
        finished: runs or bundles to take instead of training: "classify", "segment", and the segmenter's "refit".
    """
    staging = runs / "staging"
    shutil.rmtree(staging, ignore_errors=True)  # the newest bundle in it is what is judged: none may be left of an earlier call
    test_patients = paths.resource("test_patients.txt")
    for task, configs in recipes(data, test_patients, imagenet, precision).items():
        folder = finished.get(task)
        chosen = [config for config in configs if not config.refit]
        folders = [runs / f"{task}-{number}" for number in range(len(configs))]
        source = folder or train_in_turn(chosen, folders[: len(chosen)], None, say)
        written = rewrite_bundle(read_bundle(source), data, staging) if (source / "bundle.json").is_file() else make_bundle(Run(source), staging)
        say(f"Wrote {written.name}")
        if task == "segment":
            segmenter, refits, refit_folders = source, configs[len(chosen) :], folders[len(chosen) :]
    if refitted(staging):
        say("The segmenter learned from the validation patients too: calibration and validation figures stay.")
    else:
        calibrate_pair(staging, data, split_of(staging), say)
        score_side(staging, data, "validation", split_of(staging)["validation"], say)
        if refits:
            refit = finished.get("refit") or train_in_turn(refits, refit_folders, segmenter, say)
            take_refit(Run(refit), staging)
            say(f"Took the refit of {refit.name}")
    write_cards(staging, data, score_side(staging, data, "test", test_patients.read_text().split(), say))
    for folder in install(staging, models):
        say(f"Installed {folder}")
    if models == paths.bundled_models():
        answers = selftest.store(models)
        write_atomic(paths.resource(selftest.STORED), (json.dumps(answers, indent=1) + "\n").encode())
        say("Stored the answers that the selftest compares with")


def train_in_turn(configs: Sequence[TrainConfig], folders: Sequence[Path], start: Path | None, say: Callable[[str], None]) -> Path:
    """Trains, each from the one before, what is not finished; returns the last run's folder.

    Args:
        start: the run or bundle that the first one starts from; None: from what its settings say.
    """
    for config, folder in zip(configs, folders, strict=True):
        run = Run(folder)
        run.create(replace(config, start=str(start)) if start else config)
        if not run.complete():
            train(run, lambda logs: say(str(logs)))
        start = folder
    assert start is not None
    return start


def refitted(staging: Path) -> bool:
    """Whether the segmenter of a folder learned from patients that the calibration needs.

    Raises:
        TrainingError: if it did, and was never calibrated before.
    """
    bundle = choose_bundle(staging, "segment")
    if not set(bundle.details["split"]["train"]) & set(split_of(staging)["validation"]):
        return False
    if "clean_up" not in bundle.details:
        hint = "Give it as --refit, and what it began with as --segment."
        raise TrainingError("The segmenter learned from all patients, and none is left to calibrate it.", hint)
    return True


def take_refit(run: Run, staging: Path) -> None:
    """Puts a refit in the place of the segmenter that was calibrated, whose clean-up and validation figures it keeps."""
    before = choose_bundle(staging, "segment")
    kept = {name: before.details[name] for name in ("clean_up", "metrics")} | {"calibrated_as": before.version}
    shutil.rmtree(before.folder)
    make_bundle(run, staging)
    write_details(staging, "segment", **kept)


def score_side(staging: Path, data: Path, side: str, patients: Sequence[str], say: Callable[[str], None]) -> list[Judged]:
    """Scores on the "validation" or the "test" patients, in float32 and int8 and in other forms, into both bundles; returns those in float32."""
    metrics: dict[str, Any] = {}
    judged: dict[str, list[Judged]] = {}
    for name, weights in ((side, "float32"), (f"{side}_int8", "int8")):
        metrics[name], judged[name] = score_pair(staging, data, patients, weights)
        pipeline = metrics[name]["pipeline"]
        say(f"{name}: Dice {pipeline['dice_patient_mean']}, accuracy {pipeline['accuracy']}, AUC {pipeline['auc']}")
    robustness = robustness_of(staging, data, patients)
    say(f"{side}: {robustness}")
    for task in TASKS:
        before = {} if side == "validation" else choose_bundle(staging, task).details["metrics"]
        write_details(staging, task, metrics=before | metrics | {"robustness": before.get("robustness", {}) | {side: robustness}})
    return judged[side]


def split_of(folder: Path) -> dict:
    """The split of a folder's classifier, whose validation patients calibrate the pair."""
    return choose_bundle(folder, "classify").details["split"]


def unpacked(folder: Path, runs: Path) -> Path:
    """The data set in its published layout."""
    script = folder / "unpack_lgg.py"
    if not script.is_file():
        return folder
    subprocess.run([sys.executable, script, runs / "data"], check=True)
    return runs / "data" / "kaggle_3m"


def made_imagenet(folder: Path, runs: Path) -> str:
    """ResNet50's ImageNet weights made by the data folder's own script, or "" where it has none."""
    script, file = folder / "imagenet_resnet50.py", runs / "imagenet.weights.h5"
    if not script.is_file():
        return ""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, script, file], check=True)
    return str(file)


if __name__ == "__main__":
    raise SystemExit(main())
