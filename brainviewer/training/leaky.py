"""The one row that a split by patient cannot give: the classifier on the original notebook's split by slice, for comparison with it only.

`python -m brainviewer.training.leaky DATA` trains on slices drawn at random and judges the best epoch on the 15 % test part. Near-copies of
each test slice are among the training slices, so the figure flatters; this network is never bundled. The 12 test patients stay out of it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from .. import paths
from ..inference.postprocess import logit, neighbours_mean
from . import data
from .checkpoint import Checkpoint
from .evaluate import auc_of
from .reproduce import ABOUT, made_imagenet, unpacked
from .run import Phase, Run, TrainConfig, write_atomic
from .trainer import build, excluded, predict, train

RESAMPLES = 1000


def recipe(folder: Path, imagenet: str, precision: str) -> TrainConfig:
    """The settings of the run."""
    return TrainConfig(
        task="classify",
        name="resnet50-leaky",
        data=str(folder),
        about=f"{ABOUT}, split by slice",
        exclude=str(paths.resource("test_patients.txt")),
        split="slice_leaky",
        start="imagenet",
        imagenet=imagenet,
        phases=(Phase(128, 9), Phase(192, 3)),
        batch=16,
        learning_rate=2.5e-4,
        strength=0.5,
        substitution=0.1,
        precision=precision,
        patience=20,
    )


def judge(run: Run, size: int | None = None) -> dict:
    """Figures of a run's best epoch on the test part of its split, by the mean of the slice and its mirror image: of the slice `alone`, and of the
    decision that hears the neighbours too, as the program's does (without the area of a mask: no segmenter was trained on this split).

    Args:
        size: of the input; that of the last phase by default.
    """
    config = run.config()
    size = size or config.phases[-1].size
    slices = data.load(data.index(Path(config.data), excluded(config)), size)
    split = json.loads((run.folder / "split.json").read_text())
    validation = np.array(split["validation"])
    test = np.setdiff1d(np.arange(len(slices.labels)), [*split["train"], *split["validation"]])
    model = build(config, size)
    with np.load(run.checkpoints / Checkpoint.BEST, allow_pickle=False) as stored:
        for variable in model.weights:  # without the states of dropout, whose names count the networks made in a process
            variable.assign(stored[variable.path])
        best = json.loads(str(stored["state"]))
    near = around(np.concatenate([validation, test]), slices.cases)
    p = np.zeros(len(slices.images))
    p[near] = (predict(model, slices.images[near])[:, 1] + predict(model, slices.images[near][:, :, ::-1])[:, 1]) / 2
    rows = np.zeros((len(p), 2))
    for case in np.unique(slices.cases):
        own = logit(p[slices.cases == case])
        rows[slices.cases == case] = np.stack([own, neighbours_mean(own)], axis=1)
    decision = LogisticRegression(max_iter=1000).fit(rows[validation], slices.labels[validation])
    found = figures(slices.labels[test], decision.predict_proba(rows[test])[:, 1], slices.cases[test])
    alone = figures(slices.labels[test], p[test], slices.cases[test])
    return found | {"alone": alone, "split": config.split, "best_epoch": best["epoch"], "size": size}


def around(positions: np.ndarray, cases: np.ndarray) -> np.ndarray:
    """Sorted positions of slices and of their neighbours in the same case: cases (N,) of all slices, each case's slices in a row."""
    near = np.unique(np.concatenate([positions + step for step in (-1, 0, 1)]))
    near = near[(near >= 0) & (near < len(cases))]
    held = {(int(n), int(cases[n])) for n in positions}
    return np.array([n for n in near if any((n + step, cases[n]) in held for step in (-1, 0, 1))])


def figures(labels: np.ndarray, p: np.ndarray, cases: np.ndarray) -> dict:
    """Accuracy with its 95 % interval (bootstrap over cases) and AUC for labels (N,) bool, probabilities (N,) and the case (N,) of each slice."""
    right = (p >= 0.5) == labels
    own, case_of = np.unique(cases, return_inverse=True)
    times_drawn = np.random.default_rng(0).multinomial(len(own), np.full(len(own), 1 / len(own)), RESAMPLES)
    weights = times_drawn[:, case_of]
    draws = (weights * right).sum(axis=1) / weights.sum(axis=1)
    auc = auc_of(labels, p)
    return {
        "slices": len(labels),
        "accuracy": round(float(right.mean()), 4),
        "interval": [round(float(v), 4) for v in np.percentile(draws, (2.5, 97.5))],
        "auc": None if auc is None else round(auc, 4),
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Trains and judges the classifier on the split by slice that leaks.")
    parser.add_argument("data", type=Path, help="the data set, or the folder with its archives")
    parser.add_argument("--run", type=Path, help="the run's folder, resumed where it was begun")
    parser.add_argument("--imagenet", default="", help="ResNet50's ImageNet weights without top (.weights.h5)")
    parser.add_argument("--precision", default="float32", choices=("float32", "mixed_bfloat16"), help="of training")
    args = parser.parse_args(argv)
    run = Run(args.run or paths.runs() / "leaky")
    if not run.config_file.exists():
        folder = unpacked(args.data, run.folder)
        run.create(recipe(folder, args.imagenet or made_imagenet(args.data, run.folder), args.precision))
    if not run.complete():
        train(run)
    if run.complete():
        document = judge(run)
        write_atomic(run.report_file, json.dumps(document, indent=1).encode())
        print(json.dumps(document))  # noqa: T201 - a developer's command
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
