"""What is measured on validation patients, on made-up answers whose best treatment is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brainviewer.imaging.volume import Volume
from brainviewer.inference.fit import score
from brainviewer.inference.postprocess import CleanUp
from brainviewer.training import calibrate

SLICES, SIDE = 12, 64


def seen(seed: int, specks: bool = True) -> calibrate.Seen:
    """A scan with a tumour on slices 4 to 7, a classifier that is mostly right, a segmenter that adds specks elsewhere."""
    rng = np.random.default_rng(seed)
    reference = np.zeros((SLICES, SIDE, SIDE), bool)
    reference[4:8, 20:40, 20:40] = True
    maps = {z: reference[z] * np.float32(0.9) for z in range(SLICES)}
    if specks:
        for z in (0, 11):
            maps[z][50:53, 50:53] = 0.9
    p = np.where(reference.any(axis=(1, 2)), rng.uniform(0.6, 0.99, SLICES), rng.uniform(0.001, 0.3, SLICES))
    names = tuple(map(str, range(SLICES)))
    volume = Volume(np.zeros((SLICES, SIDE, SIDE, 1)), None, ("grey",), Path("scan"), "scan", "tiff", names, names, reference=reference)
    return calibrate.Seen(volume, p, maps, rng.normal(size=(SLICES, 8)))


def test_specks_are_cleaned_only_where_there_are_some() -> None:
    with_specks = [seen(n) for n in range(3)]
    rule, dice = calibrate.choose_clean_up(with_specks, gate=0.0, threshold=0.5)
    assert dice == 1.0
    assert rule != CleanUp(0.0, 0.0)
    rule, _ = calibrate.choose_clean_up([seen(n, specks=False) for n in range(3)], gate=0.0, threshold=0.5)
    assert rule == CleanUp(0.0, 0.0), "of equally good rules the one that drops least"


def test_the_gate_loses_no_tumour_that_the_segmenter_finds() -> None:
    scans = [seen(n) for n in range(3)]
    assert calibrate.choose_gate(scans, 0.5) == calibrate.GATES[-2], "one step below the highest"
    scans[0].p[:] = 0.03  # the classifier is nearly blind to one patient
    assert calibrate.choose_gate(scans, 0.5) == 0.01, "one step below the highest that lets this patient through"
    scans[0].p[:] = 0.001  # quite blind
    assert calibrate.choose_gate(scans, 0.5) == calibrate.GATES[0]
    scans[0] = replace(scans[0], maps={z: map_ * 0.1 for z, map_ in scans[0].maps.items()})
    assert calibrate.choose_gate(scans, 0.5) == calibrate.GATES[-2], "asking about this patient finds nothing"


def test_the_decision_is_calibrated_and_hears_both_networks() -> None:
    scans = [seen(n) for n in range(6)]
    decision = calibrate.fit_decision(scans, 0.05, CleanUp(60, 0.15), 0.5)
    p = np.array([0.02, 0.6, 0.6, 0.02])
    with_mask = decision.final(p, np.array([0, 800, 800, 0]))
    without = decision.final(p, np.zeros(4))
    assert (with_mask[1:3] > 0.5).all()
    assert (with_mask > without).all()
    assert with_mask[0] < 0.5


def log_loss(labels: np.ndarray, probability: np.ndarray) -> float:
    return float(-np.log(np.where(labels, probability, 1 - probability)).mean())


def test_a_regression_is_as_free_as_serves_other_patients() -> None:
    """The first feature says something of everyone, the others of one patient each, whose slices all have them."""
    rng = np.random.default_rng(0)

    def draw(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        patients = np.repeat(np.arange(count), 40)
        labels = rng.random(len(patients)) < np.repeat(rng.uniform(0.1, 0.9, count), 40)
        own = np.repeat(rng.normal(0, 1, (count, 8)), 40, axis=0)
        return np.column_stack([10 * labels + rng.normal(0, 7, len(labels)), own]), labels, patients

    rows, labels, patients = draw(12)
    fitted, (others, their_labels, _) = calibrate.fit_for_others(rows, labels, patients), draw(60)
    free = type(fitted)(C=max(calibrate.FREEDOMS), max_iter=1000).fit(rows, labels)
    assert calibrate.FREEDOMS.index(fitted.C) < len(calibrate.FREEDOMS) - 1
    assert log_loss(labels, fitted.predict_proba(rows)[:, 1]) > log_loss(labels, free.predict_proba(rows)[:, 1]), "it learned less by heart"
    assert log_loss(their_labels, fitted.predict_proba(others)[:, 1]) < log_loss(their_labels, free.predict_proba(others)[:, 1])


def test_a_regression_from_one_patient_with_both_classes_is_the_strictest() -> None:
    rows, labels = np.arange(8.0)[:, np.newaxis], np.arange(8) > 3
    fitted = calibrate.fit_for_others(rows, labels, np.repeat([0, 1], [6, 2]))
    assert calibrate.FREEDOMS.index(fitted.C) == 0


def test_a_tumour_whose_mask_is_missing_is_no_false_alarm() -> None:
    whole, partly = [seen(n, specks=False) for n in range(6)], [seen(n, specks=False) for n in range(6)]
    for one in partly:
        one.reference[4:6] = False  # as the reader leaves it
    masks = tuple(None if 4 <= z < 6 else "mask" for z in range(SLICES))
    known = [replace(one, volume=replace(one.volume, mask_files=masks)) for one in partly]
    rule = CleanUp(0, 0)
    assert calibrate.mean_dice(known, 0.05, rule, 0.5) == 1.0
    assert calibrate.mean_dice(partly, 0.05, rule, 0.5) < 0.7, "as if it were known to show nothing"
    expected, found = (calibrate.fit_decision(scans, 0.05, rule, 0.5) for scans in (whole, known))
    assert found.provisional(0.95) == pytest.approx(expected.provisional(0.95), abs=0.05)
    assert calibrate.choose_gate(known, 0.5) == calibrate.choose_gate(whole, 0.5)


def test_one_class_only_leaves_the_decision_alone() -> None:
    scans = [seen(n) for n in range(2)]
    for one in scans:
        one.reference[:] = False
    assert calibrate.fit_decision(scans, 0.05, CleanUp(60, 0.15), 0.5) is None
    assert calibrate.choose_gate(scans, 0.5) == min(calibrate.GATES)


def test_fit_falls_with_distance() -> None:
    assert score(0.5, known=1.0, foreign=2.0) == 1.0
    assert score(1.0, known=1.0, foreign=2.0) == 1.0
    assert score(2.0, known=1.0, foreign=2.0) == pytest.approx(0.5)
    assert score(5.0, known=1.0, foreign=2.0) < 0.1
