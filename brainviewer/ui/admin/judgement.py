"""What the judge wrote of a candidate and the models in use, as typed values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .plots import Pair

Counts = tuple[tuple[int, int], tuple[int, int]]
Points = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of both.

    Attributes:
        words: its name.
        candidate, current: its values, None where there is none.
        candidate_interval, current_interval: 95 %, or None.
        lower_is_better: of errors.
    """

    words: str
    candidate: float | None
    current: float | None
    candidate_interval: tuple[float, float] | None = None
    current_interval: tuple[float, float] | None = None
    lower_is_better: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """Both on the same patients.

    Attributes:
        title: which patients, in words.
        confusion: slices of (candidate, current), or None.
        roc: (false alarm rates, hit rates) of (candidate, current), or None.
        dice: by patient, worst candidate first.
        pictures: (words, file) of the worst patients side by side.
    """

    title: str
    figures: tuple[Figure, ...]
    confusion: tuple[Counts, Counts] | None
    roc: tuple[Points, Points] | None
    dice: tuple[Pair, ...]
    pictures: tuple[tuple[str, Path], ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Attributes:
    verdict: "better", "equal" or "worse".
    sentence: the verdict in words.
    parts: on held-out patients, and on the guard set against forgetting.
    """

    verdict: str
    sentence: str
    parts: tuple[Judged, ...]


def read_judgement(folder: Path) -> Judgement | None:
    return None
