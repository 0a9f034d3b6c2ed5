"""The bundled models from nothing: every stage, both bundles, calibration, judgement and cards; here with tiny networks."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("keras")

from brainviewer import paths
from brainviewer.errors import TrainingError
from brainviewer.inference.bundle import choose_bundle
from brainviewer.inference.contents import check_folder
from brainviewer.training import reproduce
from brainviewer.training.run import Phase, Run, TrainConfig

pytestmark = pytest.mark.engine
VALIDATION = ["TCGA_A_0004_19990101", "TCGA_B_0003_19990101"]
TEST = ["TCGA_A_0006_19990101", "TCGA_B_0005_19990101", "TCGA_B_0007_19990101"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_patients: Callable[..., Path], tiny: None) -> Path:
    """A data folder, and recipes of the real stages' shape with one epoch of 32 pixels each."""
    folder = make_patients(tmp_path / "data", 8, 4, range(2, 4))
    for name, patients in (("validation_patients.txt", VALIDATION), ("test_patients.txt", TEST)):
        (tmp_path / name).write_text("\n".join(patients))
    real, recipes = paths.resource, reproduce.recipes
    monkeypatch.setattr(paths, "resource", lambda name: tmp_path / name if name.endswith("patients.txt") else real(name))

    def short(*args: Any) -> dict[str, list[TrainConfig]]:
        plain: dict[str, Any] = {"phases": (Phase(32, 1),), "batch": 4, "start": "none", "learning_rate": 1e-3}
        return {task: [replace(config, **plain) for config in configs] for task, configs in recipes(*args).items()}

    monkeypatch.setattr(reproduce, "recipes", short)
    return folder


def test_from_nothing_to_both_bundles_and_their_cards(small: Path, tmp_path: Path) -> None:
    runs, models = tmp_path / "runs", tmp_path / "models"
    nothing_finished: dict[str, Path | None] = {"classify": None, "segment": None}
    reproduce.reproduce(small, runs, models, "", "float32", nothing_finished, lambda text: None)

    stages = [folder.name for folder in sorted(runs.iterdir()) if (folder / "config.json").exists()]
    assert stages == ["classify-0", *(f"segment-{n}" for n in range(9))]
    assert [Run(runs / f"segment-{n}").config().start for n in range(1, 9)] == [str(runs / f"segment-{n}") for n in range(8)]
    for task, version in reproduce.VERSIONS.items():
        bundle = choose_bundle(models, task)
        assert bundle.version == version
        check_folder(bundle.folder)
        split = bundle.details["split"]
        assert (sorted(split["validation"]), sorted(split["test"])) == (VALIDATION, TEST)
        assert not set(split["train"]) & set(TEST)
        assert set(split["train"]) & set(VALIDATION) == (set(VALIDATION) if task == "segment" else set()), "the segmenter was refit"
        assert set(bundle.details["metrics"]) >= {"validation", "validation_int8", "test", "test_int8", "robustness"}
        assert bundle.details["metrics"]["test"]["patients"] == len(TEST)
        text = (bundle.folder / "card.md").read_text()
        assert f"{len(split['train'])} patients" in text
        assert bundle.details["metrics"]["robustness"].keys() == {"validation", "test"}
        assert all((bundle.folder / f"{name}.png").stat().st_size > 500 for name in ("best", "median", "worst", "learning"))

    # What calibrated the pair was the segmenter that had not learned from the validation patients.
    refit = choose_bundle(models, "segment").details
    assert refit["calibrated_as"] == reproduce.BEFORE_REFIT == Run(runs / "segment-4").config().version != refit["version"]
    assert "clean_up" in refit

    # A second call trains nothing, and takes finished runs and bundles where they are given.
    before = {file: file.stat().st_mtime_ns for file in runs.glob("*/checkpoints/*")}
    kept = tmp_path / "kept"
    shutil.copytree(models / f"classify-{reproduce.VERSIONS['classify']}", kept)
    finished: dict[str, Path | None] = {"classify": kept, "segment": runs / "segment-1", "refit": runs / "segment-5"}
    reproduce.reproduce(small, runs, models, "", "float32", finished, lambda text: None)
    assert {file: file.stat().st_mtime_ns for file in runs.glob("*/checkpoints/*")} == before
    taken = json.loads((models / f"segment-{reproduce.VERSIONS['segment']}" / "bundle.json").read_text())
    assert taken["config"]["start"] == "segment-4", "not that of the last run"


def test_a_refit_that_is_rewritten_keeps_calibration_and_validation_figures(small: Path, tmp_path: Path) -> None:
    runs, models = tmp_path / "runs", tmp_path / "models"
    reproduce.reproduce(small, runs, models, "", "float32", {}, lambda text: None)
    before = {task: choose_bundle(models, task) for task in reproduce.VERSIONS}
    kept = tmp_path / "kept"
    shutil.copytree(models, kept)
    finished = {task: kept / bundle.folder.name for task, bundle in before.items()}
    reproduce.reproduce(small, tmp_path / "more", models, "", "float32", finished, lambda text: None)
    for task, bundle in before.items():
        after = choose_bundle(models, task).details
        assert {name: after[name] for name in ("split", "metrics")} == {name: bundle.details[name] for name in ("split", "metrics")}
    assert choose_bundle(models, "segment").details["clean_up"] == before["segment"].details["clean_up"]
    assert choose_bundle(models, "classify").details.get("decision") == before["classify"].details.get("decision")

    with pytest.raises(TrainingError, match="none is left to calibrate it"):
        reproduce.reproduce(small, tmp_path / "third", models, "", "float32", finished | {"segment": runs / "segment-8"}, lambda text: None)
