"""What the two networks need besides weights, measured on validation patients: when the segmenter is asked, what is dropped of a mask, and
how both answers become one calibrated probability."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..imaging.volume import Volume
from ..inference.analyse import Answers
from ..inference.load import Models
from ..inference.postprocess import NETWORK_PIXELS, CleanUp, Decision, clean, features, logit, neighbours_highest
from .evaluate import counts, dice_of

LEAST_VOXELS = (0.0, 30.0, 60.0, 120.0, 250.0)
LEAST_SHARES = (0.0, 0.05, 0.1, 0.15, 0.25)
GATE_RECALL = 0.995
GATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


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


def look(volumes: Sequence[Volume], models: Models) -> list[Seen]:
    """Both networks on every slice of every labelled volume."""
    seen = []
    for volume in volumes:
        answers = Answers(volume, models)
        answers.complete()
        seen.append(Seen(volume, answers.p, answers.maps, np.stack([answers.features[z] for z in range(len(volume))])))
    return seen


def choose_gate(seen: Sequence[Seen]) -> float:
    """The highest gate that lets at least 99.5 % of the slices with tumour through; the lowest where there is none."""
    labels = np.concatenate([s.labels for s in seen])
    if not labels.any():
        return GATES[0]
    highest = np.concatenate([neighbours_highest(s.p) for s in seen])[labels]
    return max((gate for gate in GATES if np.mean(highest >= gate) >= GATE_RECALL), default=GATES[0])


def cleaned(one: Seen, gate: float, rule: CleanUp, threshold: float) -> np.ndarray:
    """(Z, Y, X) bool mask after the gate and the clean-up."""
    gated = neighbours_highest(one.p) >= gate
    maps = clean({z: m for z, m in one.maps.items() if gated[z]}, one.volume.shape, threshold, rule)
    mask = np.zeros(one.volume.shape, bool)
    for z, map_ in maps.items():
        mask[z] = map_ >= threshold
    return mask


def mean_dice(seen: Sequence[Seen], gate: float, rule: CleanUp, threshold: float) -> float:
    return float(np.mean([dice_of(counts(cleaned(s, gate, rule, threshold), s.reference).sum(axis=0)) for s in seen]))


def choose_clean_up(seen: Sequence[Seen], gate: float, threshold: float) -> tuple[CleanUp, float]:
    """The rule with the best mean Dice; of rules within 0.001 of it the one that drops least. Returns it and its Dice."""
    rules = [CleanUp(*pair) for pair in itertools.product(LEAST_VOXELS, LEAST_SHARES)]
    scores = [mean_dice(seen, gate, rule, threshold) for rule in rules]
    best = max(scores)
    return next((rule, score) for rule, score in zip(rules, scores, strict=True) if score >= best - 0.001)


def fit_decision(seen: Sequence[Seen], gate: float, rule: CleanUp, threshold: float) -> Decision | None:
    """Logistic regressions on the validation slices: the classifier alone, and everything together; None where they show one class only."""
    from sklearn.linear_model import LogisticRegression

    labels = np.concatenate([s.labels for s in seen])
    if labels.all() or not labels.any():
        return None
    alone = LogisticRegression(C=10.0).fit(np.concatenate([logit(s.p) for s in seen])[:, np.newaxis], labels)
    rows = []
    for one in seen:
        scale = max(one.volume.shape[1:]) ** 2 / NETWORK_PIXELS
        rows.append(features(one.p, cleaned(one, gate, rule, threshold).sum(axis=(1, 2)) / scale))
    together = LogisticRegression(C=1.0, max_iter=1000).fit(np.concatenate(rows), labels)
    return Decision(
        gate=gate,
        weights=tuple(float(w) for w in together.coef_[0]),
        bias=float(together.intercept_[0]),
        threshold=0.5,
        alone=(float(alone.coef_[0, 0]), float(alone.intercept_[0])),
    )
