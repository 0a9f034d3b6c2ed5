"""How good the models are on a labelled folder: each network alone, and the pipeline that `predict` runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from ..errors import ReadError, TrainingError
from ..formats import Series, open_volume, scan
from ..formats.series import count, listed
from ..inference.analyse import Answers, decision_of, finish
from ..inference.load import Models
from ..inference.postprocess import logit, sigmoid
from .check import check_files, check_volume
from .data import names_of

RESAMPLES = 1000
BINS = 10


@dataclass(frozen=True, eq=False, slots=True)
class Judged:
    """One labelled scan with every answer to its Z slices that have a mask.

    Attributes:
        patient: key of the scan.
        labels: (Z,) bool, reference not empty.
        classifier: (Z,) calibrated probability of the classifier alone.
        pipeline: (Z,) final probability.
        decisions: (Z,) bool of the pipeline.
        segmenter_counts, pipeline_counts: (Z, 3) pixels hit, missed and false of the bare and of the final mask.
    """

    patient: str
    labels: np.ndarray
    classifier: np.ndarray
    pipeline: np.ndarray
    decisions: np.ndarray
    segmenter_counts: np.ndarray
    pipeline_counts: np.ndarray


def labelled_series(data: Path, patients: Sequence[str] | None = None, say: Callable[[str], None] = lambda text: None) -> list[Series]:
    """The labelled scans of a folder.

    Args:
        data: folder in the data set's layout, or of scan and mask NIfTI pairs.
        patients: only these keys, or names of folders or files.
        say: is told what is left out, and why.

    Raises:
        TrainingError: if there is no labelled scan.
    """
    listing = scan(Path(data))
    wanted = [s for s in listing.series if patients is None or not names_of(s).isdisjoint(patients)]
    if patients is not None and (absent := [name for name in patients if not any(name in names_of(s) for s in listing.series)]):
        say(f'{count(len(absent), "patient")} of the list {"is" if len(absent) == 1 else "are"} not in "{data}": {listed(absent)}.')
    keys = {s.key for s in wanted}
    for finding in check_files(listing):
        if finding.kind != "other-file" and (patients is None or finding.patient in keys):
            say(finding.sentence)
    if unlabelled := [s.key for s in wanted if not s.reference]:
        say(f"Without a usable mask, and not judged: {listed(unlabelled)}.")
    labelled = [s for s in wanted if s.reference]
    if not labelled:
        raise TrainingError(f'No labelled scan was found in "{data}".', "Expected slices with _mask files beside them, or scan and mask NIfTI pairs.")
    return labelled


def judge(
    data: Path,
    models: Models,
    patients: Sequence[str] | None = None,
    progress: Callable[[int, int, str], None] = lambda *_: None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Judged]:
    """Analyses every labelled scan of a folder; slices without a usable mask are analysed, not judged.

    Args:
        data: folder in the data set's layout, or of scan and mask NIfTI pairs.
        patients: only these keys, or names of folders or files.
        say: is told what is left out, and why.

    Raises:
        TrainingError: if there is no labelled scan that can be analysed.
    """
    told: set[str] = set()

    def tell(sentence: str) -> None:
        if sentence not in told:  # what the listing says of a file, its scan says again
            told.add(sentence)
            say(sentence)

    labelled = labelled_series(data, patients, tell)
    judged: list[Judged] = []
    for number, series in enumerate(labelled):
        progress(number, len(labelled), series.key)
        try:
            volume = open_volume(series)
        except ReadError as error:
            tell(f"{series.key} is not judged: {error}")
            continue
        if volume.refusal:
            tell(f"{series.key} is not judged: {volume.refusal}")
            continue
        for finding in check_volume(volume):
            tell(finding.sentence)
        kept = volume.labelled
        if volume.reference is None or not kept.any():
            tell(f"{series.key} is not judged: none of its masks can be read.")
            continue
        answers = Answers(volume, models)
        answers.complete()
        decision = decision_of(models)
        result = finish(answers, decision, decision.gated(answers.p), models)
        threshold = models.segment_bundle.threshold
        bare = np.stack([answers.maps[z] >= threshold for z in range(len(volume))])
        judged.append(
            Judged(
                series.key,
                np.asarray(volume.reference.any(axis=(1, 2)))[kept],
                sigmoid(decision.alone[0] * logit(answers.p) + decision.alone[1])[kept],
                np.array([p.p_tumour for p in result.predictions])[kept],
                np.array([p.tumour for p in result.predictions])[kept],
                counts(bare, volume.reference)[kept],
                counts(result.mask(threshold, volume.shape), volume.reference)[kept],
            )
        )
    progress(len(labelled), len(labelled), "")
    if not judged:
        raise TrainingError(f'None of the labelled scans in "{data}" can be judged.', "The sentences above say why of each.")
    tumour, slices = sum(int(j.labels.sum()) for j in judged), sum(len(j.labels) for j in judged)
    if tumour in (0, slices):
        which = "No slice shows" if tumour == 0 else "Every slice shows"
        tell(f"{which} a tumour: with one class only there is no area under the curve, and the accuracy says little.")
    return judged


def evaluate(
    data: Path,
    models: Models,
    patients: Sequence[str] | None = None,
    progress: Callable[[int, int, str], None] = lambda *_: None,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[dict, list[Judged]]:
    """The document of `brainviewer evaluate`, and what it was made from."""
    started = time.perf_counter()
    judged = judge(data, models, patients, progress, say)
    document = summarise(judged, decision_of(models).threshold)
    return document | {"seconds": round(time.perf_counter() - started, 1)}, judged


def summarise(judged: Sequence[Judged], decision_threshold: float) -> dict:
    """All figures of some judged scans, with 95 % intervals."""
    document = figures(judged, decision_threshold)
    rng = np.random.default_rng(0)
    draws = [figures([judged[n] for n in rng.integers(0, len(judged), len(judged))], decision_threshold, brief=True) for _ in range(RESAMPLES)]
    intervals = {}
    for part, names in INTERVALS.items():
        for name in names:
            values = [d[part][name] for d in draws if d[part][name] is not None]
            if values:
                intervals[f"{part}.{name}"] = [round(float(v), 4) for v in np.percentile(values, (2.5, 97.5))]
    return {"patients": len(judged), "slices": int(sum(len(j.labels) for j in judged)), **document, "intervals": intervals}


INTERVALS = {
    "classifier": ("accuracy", "auc", "calibration_error"),
    "segmenter": ("dice_patient_mean", "dice_slice_mean"),
    "pipeline": ("accuracy", "auc", "calibration_error", "dice_patient_mean", "dice_patient_median", "dice_slice_mean"),
}


def figures(judged: Sequence[Judged], decision_threshold: float, brief: bool = False) -> dict:
    """Classifier alone, segmenter alone, and the pipeline."""
    labels = np.concatenate([j.labels for j in judged])
    alone = np.concatenate([j.classifier for j in judged])
    final = np.concatenate([j.pipeline for j in judged])
    decisions = np.concatenate([j.decisions for j in judged])
    return {
        "classifier": decision_figures(labels, alone, alone >= decision_threshold, brief),
        "segmenter": overlap_figures([(j.patient, j.segmenter_counts) for j in judged], brief),
        "pipeline": decision_figures(labels, final, decisions, brief) | overlap_figures([(j.patient, j.pipeline_counts) for j in judged], brief),
    }


def decision_figures(labels: np.ndarray, p: np.ndarray, decisions: np.ndarray, brief: bool = False) -> dict:
    """Figures of slice decisions: labels (N,) bool, p (N,) 0..1, decisions (N,) bool. `auc` is None where only one class occurs."""
    auc = auc_of(labels, p)
    accuracy = float(np.mean(decisions == labels))
    if brief:
        return {"accuracy": accuracy, "auc": auc, "calibration_error": calibration_error(labels, p)}
    from sklearn.metrics import classification_report

    tp, fp = int(np.sum(decisions & labels)), int(np.sum(decisions & ~labels))
    fn, tn = int(np.sum(~decisions & labels)), int(np.sum(~decisions & ~labels))
    precision = tp / (tp + fp) if tp + fp else 0.0
    recall = tp / (tp + fn) if tp + fn else 0.0
    return {
        "accuracy": round(accuracy, 4),
        "auc": None if auc is None else round(auc, 4),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / (precision + recall), 4) if precision + recall else 0.0,
        "confusion": [[tn, fp], [fn, tp]],
        "report": classification_report(
            labels, decisions, labels=[False, True], target_names=["no tumour", "tumour"], output_dict=True, zero_division=0
        ),
        "calibration_error": round(calibration_error(labels, p), 4),
    }


def auc_of(labels: np.ndarray, p: np.ndarray) -> float | None:
    """Area under the ROC curve by ranks (Mann and Whitney), a hundred times as fast as drawing the curve; None where one class occurs."""
    positive = int(labels.sum())
    if not 0 < positive < len(labels):
        return None
    ranks = rankdata(p)
    return float((ranks[labels].sum() - positive * (positive + 1) / 2) / (positive * (len(labels) - positive)))


def calibration_error(labels: np.ndarray, p: np.ndarray) -> float:
    """Expected calibration error (Guo et al. 2017) over ten equal bins of the probability."""
    bins = np.minimum((p * BINS).astype(int), BINS - 1)
    return float(sum(abs(labels[bins == b].mean() - p[bins == b].mean()) * np.mean(bins == b) for b in np.unique(bins)))


def counts(found: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(Z, 3) pixels hit, missed and false of masks (Z, Y, X) bool."""
    return np.stack([(found & reference).sum((1, 2)), (~found & reference).sum((1, 2)), (found & ~reference).sum((1, 2))], axis=1)


def dice_of(count: np.ndarray) -> float:
    """2|A and B| / (|A| + |B|) from (hit, missed, false); 1 where both are empty."""
    hit, missed, false = (float(n) for n in count)
    return 2 * hit / (2 * hit + missed + false) if hit + missed + false else 1.0


def iou_of(count: np.ndarray) -> float:
    hit, missed, false = (float(n) for n in count)
    return hit / (hit + missed + false) if hit + missed + false else 1.0


def overlap_figures(by_patient: Sequence[tuple[str, np.ndarray]], brief: bool = False) -> dict:
    """Figures of masks from the pixel counts (Z, 3) of each patient."""
    volumes = [(patient, rows.sum(axis=0)) for patient, rows in by_patient]
    dices = [dice_of(count) for _, count in volumes]
    with_tumour = [row for _, rows in by_patient for row in rows if row[0] + row[1] > 0]
    brief_figures = {
        "dice_patient_mean": round(float(np.mean(dices)), 4),
        "dice_patient_median": round(float(np.median(dices)), 4),
        "dice_slice_mean": round(float(np.mean([dice_of(row) for row in with_tumour])), 4) if with_tumour else None,
    }
    if brief:
        return brief_figures
    hit, missed, false = (float(n) for n in np.sum([count for _, count in volumes], axis=0))
    return brief_figures | {
        "iou_patient_mean": round(float(np.mean([iou_of(count) for _, count in volumes])), 4),
        "iou_slice_mean": round(float(np.mean([iou_of(row) for row in with_tumour])), 4) if with_tumour else None,
        "tversky": round(hit / (hit + 0.7 * missed + 0.3 * false), 4) if hit + missed + false else 1.0,
        "per_patient": {patient: round(value, 4) for (patient, _), value in zip(volumes, dices, strict=True)},
        "per_patient_iou": {patient: round(iou_of(count), 4) for patient, count in volumes},
    }
