"""The written rule of better, equal and worse; the guard set is what it says."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from brainviewer.formats import open_volume
from brainviewer.inference.load import Models
from brainviewer.training import compare, guard
from brainviewer.training.evaluate import Judged, labelled_series


def difference(mean: float, low: float, high: float) -> dict:
    return {"mean": mean, "interval": [low, high]}


NONE = {"dice": difference(0, -0.01, 0.01), "accuracy": difference(0, 0, 0)}


@pytest.mark.parametrize(
    ("held_out", "guarded", "patients", "word", "said"),
    [
        (NONE, NONE, 9, "equal", "No better"),
        (NONE | {"dice": difference(0.02, 0.01, 0.03)}, NONE, 9, "better", "Dice +0.020 (95 % +0.010 to +0.030)"),
        (NONE | {"dice": difference(0.02, -0.01, 0.05)}, NONE, 9, "equal", "No better"),
        (NONE | {"dice": difference(0.004, 0.003, 0.005)}, NONE, 9, "equal", "No better"),
        (NONE | {"accuracy": difference(0.02, 0.01, 0.03)}, NONE, 9, "better", "slice decisions +0.020"),
        (NONE | {"dice": difference(0.02, 0.01, 0.03)}, NONE, 2, "equal", "Only 2 held-out patients are new"),
        (None, NONE, 0, "equal", "No held-out patient is new"),
        (NONE | {"dice": difference(-0.02, -0.05, 0.01)}, NONE, 1, "worse", "Worse on the held-out"),
        (NONE | {"dice": difference(-0.004, -0.006, -0.001)}, NONE, 9, "worse", "Worse on the held-out"),
        (NONE | {"dice": difference(0.2, 0.1, 0.3), "accuracy": difference(-0.02, -0.04, 0.01)}, NONE, 9, "worse", "slice decisions -0.020"),
        (NONE | {"dice": difference(0.2, 0.1, 0.3)}, NONE | {"dice": difference(-0.03, -0.1, 0.1)}, 9, "worse", "forgotten"),
        (None, NONE | {"accuracy": difference(-0.03, -0.1, 0.1)}, 0, "worse", "forgotten"),
    ],
)
def test_the_rule(held_out: dict | None, guarded: dict, patients: int, word: str, said: str) -> None:
    found, sentence = compare.verdict(held_out, guarded, patients)
    assert found == word
    assert said in sentence


def judged(hits: int, right: bool) -> Judged:
    labels = np.array([True, False])
    counts = np.array([[hits, 10 - hits, 0], [0, 0, 0]])
    p = np.array([0.9, 0.1 if right else 0.8])
    return Judged("p", labels, p, p, p >= 0.5, counts, counts)


def test_differences_are_paired_by_patient() -> None:
    found = compare.differences([judged(10, True), judged(5, True)], [judged(5, False), judged(5, True)])
    assert found["dice"]["mean"] == pytest.approx((1 - 2 / 3) / 2, abs=1e-4)
    assert (found["dice"]["better"], found["dice"]["worse"]) == (1, 0)
    assert found["dice"]["interval"] == [0.0, pytest.approx(1 / 3, abs=1e-4)]
    assert found["accuracy"]["mean"] == 0.25
    same = compare.differences([judged(4, True)], [judged(4, True)])
    assert same["dice"] == {"mean": 0.0, "interval": [0.0, 0.0], "better": 0, "worse": 0}


def test_the_picture_shows_what_was_marked_in_vain(bright_heads: Path, bright_models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = cv2.imread(str(bright_heads / "p2" / "p2_5.tif"))
    picture[10:50, 15:45] = 255  # larger than the tumour in slices 3 and 4
    cv2.imwrite(str(bright_heads / "p2" / "p2_5.tif"), picture)
    monkeypatch.setattr(compare, "load_models", lambda *_: bright_models)
    volume = open_volume(labelled_series(bright_heads, ["p2"])[0])
    scan, current, candidate = np.split(compare.side_by_side(volume, Path(), Path()), 3, axis=1)
    plain = compare.render.background(volume, 4, compare.render.windows_of(volume))
    assert (scan == plain).all(), "the slice that both mark in vain, without a reference"
    assert (current == candidate).all()
    assert (current != scan).any(axis=-1).sum() >= 40 * 30 - 2 * (40 + 30)


def test_the_guard_set_is_read_like_any_scan() -> None:
    from brainviewer.formats import open_volume, scan

    if not guard.patients():
        pytest.skip("the guard set is not there")
    with guard.unpacked() as folder:
        listing = scan(folder)
        assert len(listing.series) == 4
        assert not listing.ignored
        assert sum(series.shape[0] for series in listing.series) == 110
        volume = open_volume(next(series for series in listing.series if "DU_7294" in series.key))
        assert volume.voxels.shape == (34, 256, 256, 3)
        assert volume.reference is not None
        assert int(volume.reference.any(axis=(1, 2)).sum()) == 8
    assert not folder.exists()
