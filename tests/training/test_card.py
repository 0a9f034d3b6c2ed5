"""The card says what its bundle's figures say."""

import re

import pytest

pytest.importorskip("keras")

from brainviewer import paths
from brainviewer.inference.bundle import choose_bundle
from brainviewer.training import card

BIGGEST = 60_000_000
"""Bytes of a bundled file."""


@pytest.mark.parametrize("task", ["classify", "segment"])
def test_the_bundled_card_is_that_of_its_figures(task: str) -> None:
    bundle = choose_bundle(paths.bundled_models(), task)
    text = (bundle.folder / "card.md").read_text(encoding="utf-8")
    scores = bundle.details["metrics"]["test"]["pipeline"]["per_patient"]
    ranked = sorted(scores, key=lambda patient: scores[patient])
    places = {"best": ranked[-1], "median": ranked[len(ranked) // 2], "worst": ranked[0]}
    assert dict(re.findall(r"^\*\*(Best|Median|Worst)\*\* \((\w+),", text, re.M)) == {name.capitalize(): who for name, who in places.items()}
    assert card.card(bundle, {name: (who, scores[who]) for name, who in places.items()}) == text
    assert "Research use only. Not for diagnosis." in text


@pytest.mark.parametrize("task", ["classify", "segment"])
def test_no_bundled_file_is_too_large_to_share(task: str) -> None:
    files = [file for file in choose_bundle(paths.bundled_models(), task).folder.iterdir() if file.is_file()]
    assert max(file.stat().st_size for file in files) < BIGGEST


@pytest.mark.parametrize("name", ["best.png", "median.png", "worst.png"])
def test_every_figure_of_the_card_is_there(name: str) -> None:
    for task in card.PURPOSE:
        assert (choose_bundle(paths.bundled_models(), task).folder / name).stat().st_size > 1000


def test_institutions_that_chose_nothing_are_named() -> None:
    split = {"train": ["TCGA_AA_1_1", "TCGA_BB_2_1", "TCGA_CC_3_1"], "validation": ["TCGA_BB_4_1"]}
    assert card.unvalidated(split) == "; of the institutions AA and CC no patient is among those that chose"
    assert card.unvalidated({"train": ["TCGA_AA_1_1"], "validation": ["TCGA_AA_2_1"]}) == ""


def test_a_refit_says_when_the_validation_patients_joined() -> None:
    split = {"train": ["TCGA_AA_1_1", "TCGA_AA_2_1"], "validation": ["TCGA_AA_2_1"], "test": ["TCGA_AA_3_1"]}
    details = {"split": split, "trained_on": {"data": "Scans", "patients": 2, "slices": 9, "slices_with_tumour": 4}}
    assert "1 further patients chose" in card.learned_from(details)
    text = card.learned_from(details | {"calibrated_as": "1.2.0"})
    assert "further" not in text
    assert "1 of them had chosen epochs and calibration as patients that version 1.2.0 had not learned from" in text
