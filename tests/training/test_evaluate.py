"""The figures against their definitions."""

import numpy as np
import pytest

from brainviewer.training.evaluate import (
    Judged,
    auc_of,
    calibration_error,
    counts,
    decision_figures,
    dice_of,
    iou_of,
    overlap_figures,
    summarise,
)


def judged(patient: str, labels: list[int], p: list[float], hit: list[tuple[int, int, int]]) -> Judged:
    rows = np.array(hit)
    return Judged(patient, np.array(labels, bool), np.array(p), np.array(p), np.array(p) >= 0.5, rows, rows)


def test_counts_and_dice() -> None:
    found, reference = np.zeros((2, 4, 4), bool), np.zeros((2, 4, 4), bool)
    found[0, :2], reference[0, 1:3] = True, True
    rows = counts(found, reference)
    assert rows.tolist() == [[4, 4, 4], [0, 0, 0]]
    assert dice_of(rows.sum(axis=0)) == pytest.approx(0.5)
    assert iou_of(rows.sum(axis=0)) == pytest.approx(1 / 3)
    assert dice_of(rows[1]) == iou_of(rows[1]) == 1.0


def test_decisions() -> None:
    labels, p = np.array([1, 1, 1, 0, 0], bool), np.array([0.9, 0.8, 0.2, 0.6, 0.1])
    figures = decision_figures(labels, p, p >= 0.5)
    assert figures["confusion"] == [[1, 1], [1, 2]]
    assert figures["accuracy"] == 0.6
    assert figures["precision"] == figures["recall"] == figures["f1"] == pytest.approx(0.6667, abs=1e-4)
    assert figures["auc"] == pytest.approx(5 / 6, abs=1e-4)
    assert figures["report"]["tumour"]["support"] == 3


def test_auc_is_scikit_learns() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    labels, p = rng.random(200) > 0.5, rng.integers(0, 20, 200) / 20
    assert auc_of(labels, p) == pytest.approx(roc_auc_score(labels, p))


def test_one_class_only_has_no_auc() -> None:
    figures = decision_figures(np.zeros(3, bool), np.array([0.1, 0.2, 0.9]), np.array([False, False, True]))
    assert figures["auc"] is None
    assert figures["recall"] == 0.0


def test_calibration_error() -> None:
    assert calibration_error(np.array([1, 0], bool), np.array([1.0, 0.0])) == 0
    assert calibration_error(np.array([0, 0], bool), np.array([0.95, 0.95])) == pytest.approx(0.95)
    labels = np.arange(100) < 30
    assert calibration_error(labels, np.full(100, 0.3)) == pytest.approx(0)


def test_overlap_is_by_patient_not_by_pixel() -> None:
    figures = overlap_figures([("large", np.array([[1000, 0, 0]])), ("small", np.array([[0, 10, 0], [0, 0, 0]]))])
    assert figures["dice_patient_mean"] == 0.5
    assert figures["dice_slice_mean"] == 0.5
    assert figures["per_patient"] == figures["per_patient_iou"] == {"large": 1.0, "small": 0.0}
    thirds = overlap_figures([("one", np.array([[10, 10, 10], [30, 0, 10], [0, 0, 5]]))])
    assert thirds["iou_slice_mean"] == pytest.approx((1 / 3 + 3 / 4) / 2, abs=1e-4), "of slices with a tumour"
    assert thirds["per_patient_iou"] == {"one": round(40 / 75, 4)}
    assert figures["tversky"] == pytest.approx(1000 / 1007, abs=1e-4)


def test_intervals_hold_the_value_and_are_reproducible() -> None:
    rng = np.random.default_rng(0)
    scans = []
    for n in range(8):
        labels = rng.random(20) > 0.6
        p = np.clip(labels * 0.6 + rng.random(20) * 0.4, 0, 1)
        scans.append(judged(f"p{n}", labels.tolist(), p.tolist(), [(int(50 * x), 5, 5) for x in labels]))
    first, second = summarise(scans, 0.5), summarise(scans, 0.5)
    assert first == second
    low, high = first["intervals"]["pipeline.dice_patient_mean"]
    assert low <= first["pipeline"]["dice_patient_mean"] <= high
    assert (first["patients"], first["slices"]) == (8, 160)
