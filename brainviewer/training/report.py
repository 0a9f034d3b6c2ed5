"""The report of an evaluation: figures as PNG, the numbers as JSON, and one page that shows both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .. import __version__
from ..formats import open_volume, page
from ..formats.series import path_text
from ..formats.writing import png_bytes, staged
from ..imaging import render
from ..imaging.measure import fullest_slice
from ..imaging.prediction import OverlayStyle
from ..imaging.volume import Volume
from ..inference.analyse import analyse
from ..inference.load import Models
from . import figures
from .evaluate import BINS, Judged, dice_of, labelled_series

SHOWN = "Of each scan the slice in which reference and prediction together are the largest"
VIEWS = "scan, reference, prediction, scan with reference, scan with prediction"


def write_report(out: Path, document: dict, judged: Sequence[Judged], data: Path, models: Models) -> None:
    """Writes `report.json`, the figures and `evaluation.html` into a folder: all of them, or none.

    Args:
        document: of `brainviewer evaluate`.
        judged: what it was made from.
        data: the folder that was judged; the best, median and worst patient are looked at again for their pictures.

    Raises:
        WriteError: if the report cannot be written.
    """
    chosen = examples(judged)
    names = [f"{name} {version}" for name, version, *_ in models.identities]
    write_files(out, document, judged, chosen, pictures_of(chosen, data, models), path_text(Path(data)), names)


def write_files(
    out: Path,
    document: dict,
    judged: Sequence[Judged],
    chosen: Mapping[str, tuple[str, float]],
    pictures: Mapping[str, bytes],
    data: str,
    models: Sequence[str],
) -> None:
    """As `write_report`, from what the networks have said already.

    Args:
        chosen: patient and Dice of each of the `examples`.
        pictures: the PNG of each.
        models: their names with versions.
    """
    plots = draw(document, judged)
    with staged(Path(out)) as stage:
        for name, png in plots.items():
            (stage / name).write_bytes(png)
        for name, png in pictures.items():
            (stage / f"{name}.png").write_bytes(png)
        (stage / "evaluation.html").write_bytes(html(document, plots, chosen, pictures, data, models))
        (stage / "report.json").write_text(json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False), encoding="utf-8")


# --- examples ------------------------------------------------------------------------------------------------------------------------------


def examples(judged: Sequence[Judged]) -> dict[str, tuple[str, float]]:
    """Patient and Dice of the best, the median and the worst; of those with a tumour, as long as there are any."""
    with_tumour = [one for one in judged if one.labels.any()] or list(judged)
    ranked = sorted((dice_of(one.pipeline_counts.sum(axis=0)), one.patient) for one in with_tumour)
    places = {"best": len(ranked) - 1, "median": len(ranked) // 2, "worst": 0}
    return {name: (ranked[place][1], ranked[place][0]) for name, place in places.items()}


def pictures_of(chosen: Mapping[str, tuple[str, float]], data: Path, models: Models) -> dict[str, bytes]:
    """The PNG of each example: `five_columns` of it."""
    series = {one.key: one for one in labelled_series(data, [patient for patient, _ in chosen.values()])}
    drawn: dict[str, bytes] = {}
    for patient, _ in chosen.values():
        if patient not in drawn:
            drawn[patient] = png_bytes(five_columns(open_volume(series[patient]), models))
    return {name: drawn[patient] for name, (patient, _) in chosen.items()}


def five_columns(volume: Volume, models: Models) -> np.ndarray:
    """(Y, X, 3) uint8: the five pictures of one slice of a labelled scan, the one in which reference and prediction together are the largest: the
    largest reference alone would never show what was marked in vain."""
    assert volume.reference is not None
    result = analyse(volume, models)
    mask = result.mask(result.threshold, volume.shape)
    z = fullest_slice(volume.reference | mask)
    return render.panel(render.background(volume, z, render.windows_of(volume)), mask[z], OverlayStyle(), volume.reference[z])


# --- figures and page ----------------------------------------------------------------------------------------------------------------------


def draw(document: dict, judged: Sequence[Judged]) -> dict[str, bytes]:
    """The plots by file name."""
    labels, alone, final, decisions = (
        np.concatenate([getattr(one, name) for one in judged]) for name in ("labels", "classifier", "pipeline", "decisions")
    )
    classifier, pipeline = document["classifier"], document["pipeline"]
    return {
        "confusion.png": figures.confusion(pipeline["confusion"], "Slice decisions of the pipeline"),
        "roc.png": figures.roc(labels, (("classifier", alone, classifier["auc"]), ("pipeline", final, pipeline["auc"])), decisions),
        "calibration.png": figures.calibration(
            labels, (("classifier", alone, classifier["calibration_error"]), ("pipeline", final, pipeline["calibration_error"])), BINS
        ),
        "dice.png": figures.dice_by_patient(
            [one.patient for one in judged],
            np.array([dice_of(one.pipeline_counts.sum(axis=0)) for one in judged]),
            np.array([dice_of(one.segmenter_counts.sum(axis=0)) for one in judged]),
        ),
    }


MEASURES = (
    ("Patient Dice, mean", "pipeline", "dice_patient_mean"),
    ("Patient Dice, median", "pipeline", "dice_patient_median"),
    ("Slice Dice, mean", "pipeline", "dice_slice_mean"),
    ("Patient IoU, mean", "pipeline", "iou_patient_mean"),
    ("Slice IoU, mean", "pipeline", "iou_slice_mean"),
    ("Tversky index of all pixels", "pipeline", "tversky"),
    ("Slice decision, accuracy", "pipeline", "accuracy"),
    ("Slice decision, AUC", "pipeline", "auc"),
    ("Slice decision, precision", "pipeline", "precision"),
    ("Slice decision, recall", "pipeline", "recall"),
    ("Slice decision, F1", "pipeline", "f1"),
    ("Calibration error", "pipeline", "calibration_error"),
    ("Classifier alone, accuracy", "classifier", "accuracy"),
    ("Classifier alone, AUC", "classifier", "auc"),
    ("Classifier alone, calibration error", "classifier", "calibration_error"),
    ("Segmenter alone, patient Dice, mean", "segmenter", "dice_patient_mean"),
    ("Segmenter alone, slice Dice, mean", "segmenter", "dice_slice_mean"),
)
"""The rows of the page's table: words, part and name in the document."""


def html(
    document: dict,
    plots: Mapping[str, bytes],
    chosen: Mapping[str, tuple[str, float]],
    pictures: Mapping[str, bytes],
    data: str,
    models: Sequence[str],
) -> bytes:
    """`evaluation.html`."""
    pipeline = document["pipeline"]
    tiles = [
        (number(pipeline["dice_patient_mean"]), "patient Dice, mean"),
        (number(pipeline["accuracy"]), "slice decisions right"),
        (number(pipeline["auc"]), "AUC of slice decisions"),
        (f"{document['patients']:,}", "patients"),
        (f"{document['slices']:,}", "slices judged"),
    ]
    rows = [(words, number(document[part][name]), interval(document, f"{part}.{name}")) for words, part, name in MEASURES]
    decisions = page.beside(*(page.image(plots[name], words) for name, words in PLOTS.items()))
    shown = [
        page.image(pictures[name], f"{VIEWS} of {patient}", f"{name.capitalize()}: {patient}, Dice {dice:.3f}")
        for name, (patient, dice) in chosen.items()
        if name in pictures
    ]
    sections = [
        page.section("Masks", page.image(plots["dice.png"], "Dice by patient"), page.folded("Dice and IoU by patient", by_patient(pipeline))),
        page.section("Decisions", decisions, classification(pipeline["report"])),
        page.section("Best, median and worst", page.text(f"{SHOWN}. From left to right: {VIEWS}.", quiet=True), *shown),
        page.section("All figures", page.table(("measure", "value", "95 % interval"), rows), page.text(ABOUT, quiet=True)),
    ]
    lead = f"{', '.join(models)} on {data}, judged by brainviewer {__version__}."
    return page.page("How good the models are", lead, tiles, sections)


PLOTS = {"confusion.png": "Confusion matrix", "roc.png": "ROC curve", "calibration.png": "Calibration curve"}
ABOUT = (
    "Intervals are by bootstrap over patients. Dice of a patient is over all voxels of the volume; slice Dice is over slices whose reference is not "
    "empty. The pipeline is what the program shows: both networks, the neighbouring slices and the clean-up in three dimensions."
)


def by_patient(pipeline: dict) -> str:
    """Every patient's Dice and IoU, the worst first."""
    dice, iou = pipeline["per_patient"], pipeline["per_patient_iou"]
    return page.table(("patient", "Dice", "IoU"), [(patient, number(dice[patient]), number(iou[patient])) for patient in sorted(dice, key=dice.get)])


def classification(report: dict) -> str:
    """scikit-learn's classification report of the slice decisions."""
    rows = [
        (name, *(number(row[measure]) for measure in ("precision", "recall", "f1-score")), f"{row['support']:,.0f}")
        for name, row in report.items()
        if isinstance(row, dict)
    ]
    return page.table(("slices", "precision", "recall", "F1", "number"), rows)


def number(value: float | None) -> str:
    """Three decimals; "none" where there is no value."""
    return "none" if value is None else f"{value:.3f}"


def interval(document: dict, name: str) -> str:
    low, high = document["intervals"].get(name, (None, None))
    return "" if low is None else f"{low:.3f} to {high:.3f}"
