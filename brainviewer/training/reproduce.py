"""Reproduces the bundled models from the data folder: `python -m brainviewer.training.reproduce DATA` (or `python3 dev.py models DATA`).

DATA is the data set in its published layout, or a folder that holds its archives with `unpack_lgg.py`. The test patients are never seen by
training, calibration or early stopping; they are judged once, at the end, for the card.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import paths
from ..inference import selftest
from ..inference.bundle import read_bundle
from .finish import calibrate_pair, install, make_bundle, rewrite_bundle, robustness_of, score_pair, write_details
from .run import Phase, Run, TrainConfig, write_atomic
from .trainer import train

VERSIONS = {"classify": "1.0.0", "segment": "1.2.0"}
ABOUT = "LGG MRI segmentation data set (Buda et al. 2019; images from TCIA, TCGA-LGG)"
KNOWN = "the brain MRI (FLAIR, with or without T1, of adults with lower-grade glioma)"
LICENCE = "CC BY-NC-SA 4.0"


def recipes(data: Path, exclude: Path, imagenet: str, precision: str) -> dict[str, list[TrainConfig]]:
    """The runs behind the bundled models, by task; each run of a task starts from the best epoch of the one before."""
    common: dict[str, Any] = {"data": str(data), "exclude": str(exclude), "precision": precision}
    common |= {"about": ABOUT, "known": KNOWN, "licence": LICENCE}
    # Both networks are calibrated together, on patients that neither was trained on.
    common["validation_patients"] = tuple(paths.resource("validation_patients.txt").read_text().split())
    segment = TrainConfig(task="segment", name="resunet-lgg", version=VERSIONS["segment"], batch=16, **common)
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
    classify = TrainConfig(task="classify", name="resnet50-lgg", version=VERSIONS["classify"], batch=32, negatives=1.2, substitution=0.3, **common)
    return {
        "segment": [
            replace(segment, phases=(Phase(128, 8), Phase(256, 18)), learning_rate=2e-3, negatives=0.5, substitution=0.15),
            # Half of the slices with FLAIR alone: before, a scan without T1 lost 0.05 of its Dice.
            replace(segment, phases=(Phase(256, 6),), learning_rate=8e-4, negatives=0.6, substitution=0.4, patience=20),
            # Those two are 2,500 steps. This many more, with harder augmentation, and a small tumour counting as much as a large one.
            replace(longer, phases=(Phase(128, 20), Phase(192, 20), Phase(256, 6)), strength=1.3),
            # Harder still, then cooled on milder slices: better on both.
            replace(longer, phases=(Phase(128, 10), Phase(192, 20), Phase(256, 7)), strength=2.0, paste=0.15, seed=23),
            replace(longer, phases=(Phase(256, 5),), learning_rate=6e-4, strength=1.0, seed=29),
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
    args = parser.parse_args(argv)

    def say(text: str) -> None:
        print(text, flush=True)  # noqa: T201 - a developer's command

    runs = args.runs or paths.runs() / "bundled"
    data = unpacked(args.data, runs)
    imagenet = args.imagenet or made_imagenet(args.data, runs)
    reproduce(data, runs, args.models or paths.bundled_models(), imagenet, args.precision, {"classify": args.classify, "segment": args.segment}, say)
    return 0


def reproduce(
    data: Path, runs: Path, models: Path, imagenet: str, precision: str, finished: dict[str, Path | None], say: Callable[[str], None]
) -> None:
    """Trains what is not finished, makes both bundles, calibrates and judges them, and puts them into `models`."""
    staging = runs / "staging"
    for task, configs in recipes(data, paths.resource("test_patients.txt"), imagenet, precision).items():
        folder = finished[task]
        for number, config in enumerate(configs if folder is None else ()):
            run = Run(runs / f"{task}-{number}")
            run.create(config if number == 0 else replace(config, start=str(runs / f"{task}-{number - 1}")))
            if not run.complete():
                train(run, lambda logs: say(str(logs)))
        folder = folder or runs / f"{task}-{len(configs) - 1}"
        written = rewrite_bundle(read_bundle(folder), data, staging) if (folder / "bundle.json").is_file() else make_bundle(Run(folder), staging)
        say(f"Wrote {written.name}")
    calibrate_pair(staging, data, split_of(staging), say)
    judge_pair(staging, data, say)
    for folder in install(staging, models):
        say(f"Installed {folder}")
    if models == paths.bundled_models():
        answers = selftest.store(models)
        write_atomic(paths.resource(selftest.STORED), (json.dumps(answers, indent=1) + "\n").encode())
        say("Stored the answers that the selftest compares with")


def judge_pair(staging: Path, data: Path, say: Callable[[str], None]) -> None:
    """Scores on validation and test patients, in float32 and int8, into both bundles and their cards."""
    from .card import write_cards

    exclude = paths.resource("test_patients.txt").read_text().split()
    validation = split_of(staging)["validation"]
    metrics = {}
    for name, patients, precision in (
        ("validation", validation, "float32"),
        ("validation_int8", validation, "int8"),
        ("test", exclude, "float32"),
        ("test_int8", exclude, "int8"),
    ):
        summary, judged = score_pair(staging, data, patients, precision)
        metrics[name] = summary
        pipeline = summary["pipeline"]
        say(f"{name}: Dice {pipeline['dice_patient_mean']}, accuracy {pipeline['accuracy']}, AUC {pipeline['auc']}")
        if name == "test":
            tested = judged
    metrics["robustness"] = {
        "validation": robustness_of(staging, data, validation),
        "test": robustness_of(staging, data, exclude),
    }
    say(str(metrics["robustness"]))
    for task in ("classify", "segment"):
        write_details(staging, task, metrics=metrics)
    write_cards(staging, data, tested)


def split_of(folder: Path) -> dict:
    from ..inference.bundle import choose_bundle

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
