"""What the judge wrote of a candidate and the models in use, as typed values."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QCoreApplication

from .plots import Pair

log = logging.getLogger(__name__)

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


MEASURES = (
    ("Patient Dice, mean", "dice_patient_mean"),
    ("Patient Dice, median", "dice_patient_median"),
    ("Slice Dice, mean", "dice_slice_mean"),
    ("Slice decisions, accuracy", "accuracy"),
    ("Slice decisions, AUC", "auc"),
    ("Precision: said tumour, and right", "precision"),
    ("Recall: tumour slices that were found", "recall"),
    ("F1", "f1"),
    ("Calibration error", "calibration_error"),
)
LOWER_IS_BETTER = ("calibration_error",)


def read_judgement(folder: Path) -> Judgement | None:
    """What `report.json` in a folder says; None where there is none, or it cannot be read."""
    file = folder / "report.json"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        parts = tuple(_part(document[name], title, folder) for name, title in _titles().items() if name in document)
        return Judgement(str(document["verdict"]), str(document["sentence"]), parts)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        log.warning("The report %s cannot be read", file, exc_info=True)
        return None


def _titles() -> dict[str, str]:
    return {
        "held_out": _tr("On {} that neither has learned from"),
        "guard": _tr("On the guard set, {}: whether anything was forgotten"),
    }


def _part(document: dict, title: str, folder: Path) -> Judged:
    count = int(document["patients"])
    patients = _tr("1 patient") if count == 1 else _tr("{} patients").format(count)
    candidate, current = document["candidate"], document["current"]
    curves = [document["roc"][who] for who in ("candidate", "current")]
    return Judged(
        title.format(patients),
        tuple(_figure(words, name, candidate, current) for words, name in MEASURES if name in candidate["pipeline"]),
        (_counts(candidate), _counts(current)),
        None if None in curves else (_points(curves[0]), _points(curves[1])),
        tuple(Pair(str(row["patient"]), row["candidate"], row["current"]) for row in document["dice"]),
        tuple((str(row["words"]), folder / Path(str(row["file"])).name) for row in document["pictures"]),
    )


def _figure(words: str, name: str, candidate: dict, current: dict) -> Figure:
    one, two = (summary["pipeline"].get(name) for summary in (candidate, current))
    intervals = [summary["intervals"].get(f"pipeline.{name}") for summary in (candidate, current)]
    return Figure(_tr(words), one, two, *(tuple(pair) if pair else None for pair in intervals), lower_is_better=name in LOWER_IS_BETTER)


def _counts(summary: dict) -> Counts:
    (tn, fp), (fn, tp) = summary["pipeline"]["confusion"]
    return (int(tn), int(fp)), (int(fn), int(tp))


def _points(curve: dict) -> Points:
    return tuple(curve["false"]), tuple(curve["hit"])


def _tr(text: str) -> str:
    return QCoreApplication.translate("Judgement", text)
