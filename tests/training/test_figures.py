"""The figures: they can be drawn of everything that occurs, and the numbers in them are right."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

from brainviewer.training import figures

RNG = np.random.default_rng(0)
LABELS = np.arange(40) % 3 == 0
P = np.clip(LABELS * 0.5 + RNG.random(40) * 0.5, 0, 1)


def decoded(png: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture[..., ::-1].astype(int)


def share_of(picture: np.ndarray, colour: str) -> float:
    rgb = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)])
    return float((np.abs(picture - rgb).max(axis=-1) < 8).mean())


@pytest.mark.parametrize("patients", [1, 20, 90])
def test_classes_and_sizes_for_few_and_many_patients(patients: int) -> None:
    names = [f"TCGA_XX_{n:04}_19990101" for n in range(patients)]
    picture = decoded(figures.classes(names, np.arange(patients), np.full(patients, 20)))
    assert share_of(picture, figures.BLUE) > 0.02
    assert (share_of(picture, figures.VERMILION) > 0.01) == (patients > 1), "more than its square in the legend"
    assert decoded(figures.sizes(names, RNG.random(patients) * 80, "ml")).shape == decoded(figures.sizes(names, np.zeros(patients), "ml")).shape


def test_confusion_is_green_where_it_is_right() -> None:
    good, bad = (decoded(figures.confusion(matrix, "")) for matrix in ([[50, 0], [0, 50]], [[0, 50], [50, 0]]))
    assert (good[..., 1] > good[..., 0] + 60).mean() > 0.3
    assert (bad[..., 0] > bad[..., 2] + 60).mean() > 0.3
    assert (good[..., 0] > good[..., 2] + 60).mean() < 0.01
    figures.confusion([[0, 0], [0, 7]], "one class")


def test_the_learning_curve_shows_loss_and_score() -> None:
    epochs = [{"loss": 1 / n, "val_dice": 1 - 1 / n, "size": 128.0 if n < 5 else 256.0} for n in range(1, 9)]
    picture = decoded(figures.learning(epochs))
    assert share_of(picture, figures.BLUE) > 0.002
    assert share_of(picture, figures.VERMILION) > 0.002
    figures.learning([{"loss": 0.5, "val_accuracy": 0.9, "size": 128.0}])
    assert not np.array_equal(decoded(figures.learning(epochs, refit=True)), picture), "its scores are called what they are"


def test_roc_points_are_scikit_learns() -> None:
    from sklearn.metrics import roc_curve

    p = np.round(P, 1)  # with ties
    hit, false = figures.roc_points(LABELS, p)
    expected_false, expected_hit, _ = roc_curve(LABELS, p, drop_intermediate=False)
    assert np.allclose(hit, expected_hit)
    assert np.allclose(false, expected_false)


def test_roc_and_calibration_differ_with_the_answer_and_not_otherwise() -> None:
    def curves(p: np.ndarray) -> tuple:
        return (("classifier", p, 0.9), ("pipeline", P, 0.95))

    for draw in (lambda p: figures.roc(LABELS, curves(p), p > 0.5), lambda p: figures.calibration(LABELS, curves(p), 10)):
        assert draw(P) == draw(P)
        assert draw(P) != draw(1 - P)


@pytest.mark.parametrize("value", [False, True])
def test_one_class_only_is_said_in_the_figure(value: bool) -> None:
    labels = np.full(40, value)
    picture = decoded(figures.roc(labels, (("classifier", P, None), ("pipeline", P, None)), P > 0.5))
    assert share_of(picture, figures.VERMILION) == 0
    figures.calibration(labels, (("classifier", P, 0.5), ("pipeline", P, 0.5)), 10)


@pytest.mark.parametrize("patients", [1, 60])
def test_dice_by_patient(patients: int) -> None:
    low, high = (
        decoded(figures.dice_by_patient([f"p{n}" for n in range(patients)], np.full(patients, value), np.full(patients, 0.5))) for value in (0.2, 0.9)
    )
    assert share_of(high, figures.VERMILION) > 3 * share_of(low, figures.VERMILION)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_sheet_takes_any_number_and_size(count: int) -> None:
    pictures = [np.full((10 + 300 * n, 40, 3), 200, np.uint8) for n in range(count)]
    picture = decoded(figures.sheet(pictures, [f"näme {n}" * 9 for n in range(count)]))
    assert picture.shape[1] == figures.TILES_IN_A_ROW * (figures.TILE + figures.TILE_GAP) + figures.TILE_GAP
    assert (picture.max() >= 200) == (count > 0)


@pytest.mark.parametrize(("name", "short"), [("abc", "abc"), ("abcdefghijkl", "abc..ijkl")])
def test_long_names_lose_their_middle(name: str, short: str) -> None:
    assert figures.shortened(name, 9) == short


def test_drawing_asks_for_no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it would fail
    assert figures.confusion([[1, 2], [3, 4]], "")
