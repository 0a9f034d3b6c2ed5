"""A candidate against the models in use, on the same patients: those that the run held out, and the guard set.

The rule, which `report.json` repeats. Of each patient both get a Dice (of the whole volume, as `predict` gives it) and a share of slice decisions
that are right; what counts are the differences, candidate less the one in use, patient by patient, with a 95 % interval by bootstrap.

- worse: on the held-out patients the mean difference of either is below -0.01, or its interval lies below 0; or on the guard set the mean
  difference of either is below -0.02.
- better: not worse, and on at least three held-out patients the mean difference of either is at least 0.005 with an interval above 0.
- equal: neither; also where fewer held-out patients are new to the models in use, for nothing can be told then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import TrainingError
from ..formats import open_volume
from ..formats.series import count
from ..formats.writing import png_bytes
from ..imaging import render
from ..imaging.measure import fullest_slice
from ..imaging.prediction import OverlayStyle
from ..imaging.volume import Volume
from ..inference.analyse import analyse, decision_of
from ..inference.load import load_models
from ..inference.promotion import BETTER, EQUAL, WORSE
from . import guard
from .evaluate import RESAMPLES, Judged, dice_of, judge, labelled_series, summarise
from .figures import roc_points

HELD_LOSS, GUARD_LOSS, GAIN = -0.01, -0.02, 0.005
LEAST_HELD_OUT = 3
MEASURES = {"dice": "Dice", "accuracy": "slice decisions"}
SHOWN = {"held_out": 3, "guard": 1}
ROC_POINTS = 200
VIEWS = "scan with reference, models in use, candidate"


@dataclass(frozen=True, eq=False, slots=True)
class Comparison:
    """What was found.

    Attributes:
        verdict: "better", "equal" or "worse".
        sentence: the verdict in words.
        document: everything, for `report.json`.
        pictures: PNGs by name.
    """

    verdict: str
    sentence: str
    document: dict
    pictures: dict[str, bytes] = field(default_factory=dict)


def compare(
    candidate: Path,
    current: Path,
    data: Path | None,
    held_out: Sequence[str],
    progress: Callable[[int, int, str], None] = lambda *_: None,
    say: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Judges two pairs of models on the same patients.

    Args:
        candidate, current: folders of a pair each.
        data: labelled folder with the held-out patients; None: only the guard set counts.
        held_out: patients that neither pair has learned from.
    """
    pictures: dict[str, bytes] = {}
    parts: dict[str, dict] = {}
    with guard.unpacked() as folder:
        for name, where, patients in (("held_out", data, held_out), ("guard", folder, guard.patients())):
            if where is not None and patients:
                parts[name], drawn = _part(name, candidate, current, where, patients, progress, say)
                pictures |= drawn
    word, sentence = verdict(parts.get("held_out", {}).get("differences"), parts["guard"]["differences"], len(held_out))
    document = {"verdict": word, "sentence": sentence, "rule": RULE, **parts}
    return Comparison(word, sentence, document, pictures)


def _part(
    name: str,
    candidate: Path,
    current: Path,
    data: Path,
    patients: Sequence[str],
    progress: Callable[[int, int, str], None],
    say: Callable[[str], None],
) -> tuple[dict, dict[str, bytes]]:
    """One set of patients: both summaries, the paired differences, and the worst patients side by side."""
    judged: dict[str, list[Judged]] = {}
    summaries: dict[str, dict] = {}
    curves: dict[str, dict | None] = {}
    for who, folder in (("candidate", candidate), ("current", current)):
        models = load_models("onnx", "cpu", "float32", folder)
        try:
            judged[who] = judge(data, models, patients, progress, say if who == "candidate" else lambda text: None)
            summaries[who] = summarise(judged[who], decision_of(models).threshold)
            curves[who] = curve(judged[who])
        finally:
            models.close()
    ours, theirs = judged["candidate"], judged["current"]
    if [one.patient for one in ours] != [one.patient for one in theirs]:
        raise TrainingError("The candidate and the models in use did not analyse the same patients.", "Judge them again.")
    rows = [
        {"patient": a.patient, "candidate": round(dice(a), 4), "current": round(dice(b), 4)}
        for a, b in sorted(zip(ours, theirs, strict=True), key=lambda pair: dice(pair[0]))
    ]
    files, pictures = {}, {}
    for number, row in enumerate(rows[: SHOWN[name]]):
        file = f"{name.replace('_', '-')}-{number}.png"
        files[file] = f"{row['patient']}: Dice {row['current']:.3f} in use, {row['candidate']:.3f} candidate"
        series = next(one for one in labelled_series(data, [str(row["patient"])]))
        pictures[file] = png_bytes(side_by_side(open_volume(series), current, candidate))
    return {
        "patients": len(ours),
        "candidate": summaries["candidate"],
        "current": summaries["current"],
        "differences": differences(ours, theirs),
        "roc": curves,
        "dice": rows,
        "pictures": [{"file": file, "words": words} for file, words in files.items()],
        "views": VIEWS,
    }, pictures


def dice(one: Judged) -> float:
    return dice_of(one.pipeline_counts.sum(axis=0))


def accuracy(one: Judged) -> float:
    return float(np.mean(one.decisions == one.labels))


def curve(judged: Sequence[Judged]) -> dict | None:
    """The ROC curve of the pipeline, thinned; None where one class only occurs."""
    labels = np.concatenate([one.labels for one in judged])
    if not 0 < labels.sum() < len(labels):
        return None
    hit, false = roc_points(labels, np.concatenate([one.pipeline for one in judged]))
    kept = np.unique(np.linspace(0, len(hit) - 1, min(ROC_POINTS, len(hit))).round().astype(int))
    return {"false": [round(float(x), 4) for x in false[kept]], "hit": [round(float(x), 4) for x in hit[kept]]}


def differences(candidate: Sequence[Judged], current: Sequence[Judged]) -> dict:
    """Of each measure the paired differences by patient: mean, and 95 % interval by bootstrap over patients."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(candidate), (RESAMPLES, len(candidate)))
    found = {}
    for name, measure in (("dice", dice), ("accuracy", accuracy)):
        values = np.array([measure(a) - measure(b) for a, b in zip(candidate, current, strict=True)])
        low, high = np.percentile(values[draws].mean(axis=1), (2.5, 97.5))
        found[name] = {
            "mean": round(float(values.mean()), 4),
            "interval": [round(float(low), 4), round(float(high), 4)],
            "better": int((values > 0).sum()),
            "worse": int((values < 0).sum()),
        }
    return found


def verdict(held_out: dict | None, guarded: dict, patients: int) -> tuple[str, str]:
    """The rule at the top of this module, applied: the verdict and its sentence.

    Args:
        held_out: `differences` on the held-out patients; None where none is new to the models in use.
        guarded: the same on the guard set.
        patients: how many are held out.
    """
    for name, words in MEASURES.items():
        if held_out and (held_out[name]["mean"] < HELD_LOSS or held_out[name]["interval"][1] < 0):
            return WORSE, f"Worse on the held-out patients: {_said(words, held_out[name])}."
    for name, words in MEASURES.items():
        if guarded[name]["mean"] < GUARD_LOSS:
            return WORSE, f"It has forgotten: worse on the guard set, {_said(words, guarded[name])}."
    if not held_out or patients < LEAST_HELD_OUT:
        known = "No held-out patient is" if not held_out else f"Only {count(patients, 'held-out patient')} {'is' if patients == 1 else 'are'}"
        return EQUAL, f"{known} new to the models in use, too few to tell a gain; neither they nor the guard set show a loss."
    for name, words in MEASURES.items():
        if held_out[name]["mean"] >= GAIN and held_out[name]["interval"][0] > 0:
            return BETTER, f"Better on the held-out patients: {_said(words, held_out[name])}; the guard set shows no loss."
    return EQUAL, f"No better on the held-out patients: {'; '.join(_said(words, held_out[name]) for name, words in MEASURES.items())}."


def _said(words: str, difference: dict) -> str:
    low, high = difference["interval"]
    return f"{words} {difference['mean']:+.3f} (95 % {low:+.3f} to {high:+.3f})"


RULE = (
    "Differences by patient, candidate less models in use, with 95 % intervals by bootstrap. Worse: a mean of Dice or of right slice decisions "
    f"below {HELD_LOSS} on the held-out patients, or an interval below 0 there, or a mean below {GUARD_LOSS} on the guard set. Better: not worse, "
    f"and a mean of at least {GAIN} with an interval above 0 on at least {LEAST_HELD_OUT} held-out patients. Equal: neither. The held-out patients "
    "also chose the candidate's best epoch and, where they are five or more, its calibration, which flatters it a little; the guard set did neither."
)


def side_by_side(volume: Volume, current: Path, candidate: Path) -> np.ndarray:
    """(Y, 3 X, 3) uint8: the slice in which the reference and both masks together are the largest, with the reference and each mask."""
    reference = volume.reference
    assert reference is not None
    ours, theirs = _mask(volume, candidate), _mask(volume, current)
    z = fullest_slice(reference | ours | theirs)
    picture = render.background(volume, z, render.windows_of(volume))
    return np.hstack([render.compose(picture, mask, OverlayStyle(), reference[z]) for mask in (None, theirs[z], ours[z])])


def _mask(volume: Volume, folder: Path) -> np.ndarray:
    """(Z, Y, X) bool: what the pair of models in a folder finds."""
    models = load_models("onnx", "cpu", "float32", folder)
    try:
        result = analyse(volume, models)
        return result.mask(result.threshold, volume.shape)
    finally:
        models.close()
