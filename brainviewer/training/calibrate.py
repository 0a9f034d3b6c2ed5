"""What the two networks need besides weights, measured on validation patients: when the segmenter is asked, what is dropped of a mask, and
how both answers become one calibrated probability."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..imaging.volume import Volume
from ..inference.analyse import Answers
from ..inference.load import Models
from ..inference.postprocess import NETWORK_PIXELS, CleanUp, Decision, clean, features, logit, neighbours_highest
from .evaluate import counts, dice_of

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

LEAST_VOXELS = (0.0, 30.0, 60.0, 120.0, 250.0)
LEAST_SHARES = (0.0, 0.05, 0.1, 0.15, 0.25)
GATE_RECALL = 0.995
GATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
FREEDOMS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse strengths of regularisation, the strictest first."""


@dataclass(frozen=True, eq=False, slots=True)
class Seen:
    """One validation scan: the reference, and what the networks said of every slice."""

    volume: Volume
    p: np.ndarray
    maps: dict[int, np.ndarray]
    features: np.ndarray

    @property
    def reference(self) -> np.ndarray:
        assert self.volume.reference is not None
        return self.volume.reference

    @property
    def labels(self) -> np.ndarray:
        return np.asarray(self.reference.any(axis=(1, 2)))

    @property
    def judged(self) -> np.ndarray:
        """(Z,) bool: slices with a usable mask. What the others show is not known: they take part as neighbours, and count for nothing."""
        return self.volume.labelled


def look(volumes: Sequence[Volume], models: Models) -> list[Seen]:
    """Both networks on every slice of every labelled volume."""
    seen = []
    for volume in volumes:
        answers = Answers(volume, models)
        answers.complete()
        seen.append(Seen(volume, answers.p, answers.maps, np.stack([answers.features[z] for z in range(len(volume))])))
    return seen


def choose_gate(seen: Sequence[Seen], threshold: float) -> float:
    """One step below the highest gate that lets through 99.5 % of the slices in which the segmenter finds something of the tumour.

    Where it finds nothing, asking it is no use. The step is for scans unlike these, on which the classifier is less sure.

    Args:
        threshold: of the segmenter's probability.
    """
    found = np.concatenate([[bool((one.maps[z][one.reference[z]] >= threshold).any()) for z in range(len(one.volume))] for one in seen])
    highest = np.concatenate([neighbours_highest(one.p) for one in seen])[found]
    fine = [step for step, gate in enumerate(GATES) if len(highest) and np.mean(highest >= gate) >= GATE_RECALL]
    return GATES[max(0, max(fine, default=0) - 1)]


def cleaned(one: Seen, gate: float, rule: CleanUp, threshold: float) -> np.ndarray:
    """(Z, Y, X) bool mask after the gate and the clean-up."""
    gated = neighbours_highest(one.p) >= gate
    maps = clean({z: m for z, m in one.maps.items() if gated[z]}, one.volume.shape, threshold, rule)
    mask = np.zeros(one.volume.shape, bool)
    for z, map_ in maps.items():
        mask[z] = map_ >= threshold
    return mask


def mean_dice(seen: Sequence[Seen], gate: float, rule: CleanUp, threshold: float) -> float:
    return float(np.mean([dice_of(counts(cleaned(s, gate, rule, threshold), s.reference)[s.judged].sum(axis=0)) for s in seen]))


def choose_clean_up(seen: Sequence[Seen], gate: float, threshold: float) -> tuple[CleanUp, float]:
    """The rule with the best mean Dice; of rules within 0.001 of it the one that drops least. Returns it and its Dice."""
    rules = [CleanUp(*pair) for pair in itertools.product(LEAST_VOXELS, LEAST_SHARES)]
    scores = [mean_dice(seen, gate, rule, threshold) for rule in rules]
    best = max(scores)
    return next((rule, score) for rule, score in zip(rules, scores, strict=True) if score >= best - 0.001)


def fit_decision(seen: Sequence[Seen], gate: float, rule: CleanUp, threshold: float) -> Decision | None:
    """Logistic regressions on the validation slices: the classifier alone, and everything together; None where they show one class only.

    The slices of a scan resemble each other, so that a regression with five weights learns these patients by heart if it may. Of `FREEDOMS` it
    gets the one with which it foretells best (log loss) each patient when fitted on the others.
    """
    from sklearn.linear_model import LogisticRegression

    labels = np.concatenate([s.labels[s.judged] for s in seen])
    if labels.all() or not labels.any():
        return None
    alone = LogisticRegression(C=10.0).fit(np.concatenate([logit(s.p[s.judged]) for s in seen])[:, np.newaxis], labels)
    rows = []
    for one in seen:
        scale = max(one.volume.shape[1:]) ** 2 / NETWORK_PIXELS
        rows.append(features(one.p, cleaned(one, gate, rule, threshold).sum(axis=(1, 2)) / scale)[one.judged])
    patients = np.repeat(range(len(rows)), [len(row) for row in rows])
    together = fit_for_others(np.concatenate(rows), labels, patients)
    return Decision(
        gate=gate,
        weights=tuple(float(w) for w in together.coef_[0]),
        bias=float(together.intercept_[0]),
        threshold=0.5,
        alone=(float(alone.coef_[0, 0]), float(alone.intercept_[0])),
    )


def fit_for_others(rows: np.ndarray, labels: np.ndarray, patients: np.ndarray) -> LogisticRegression:
    """A regression on all rows, as free as serves patients that it was not fitted on.

    Args:
        rows: (N, K) features.
        labels: (N,) bool, with both classes.
        patients: (N,) the patient of each row.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

    choices = [LogisticRegression(C=freedom, max_iter=1000) for freedom in FREEDOMS]
    if all(len(set(labels[patients != patient])) == 2 for patient in set(patients)):
        held_out = [cross_val_predict(one, rows, labels, groups=patients, cv=LeaveOneGroupOut(), method="predict_proba") for one in choices]
        best = min(range(len(choices)), key=lambda n: log_loss(labels, held_out[n][:, 1]))
    else:
        best = 0
    return choices[best].fit(rows, labels)
