"""How long a training will take, from measured steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("keras")

from brainviewer.training.estimate import estimate
from brainviewer.training.run import Phase, TrainConfig


@pytest.mark.engine
def test_steps_follow_from_the_data_and_time_from_the_steps(make_patients: Callable[..., Path], tmp_path: Path) -> None:
    data = make_patients(tmp_path / "data", 4, 6, range(2, 5))
    found = estimate(TrainConfig("segment", str(data), phases=(Phase(32, 3),), batch=4, validation=0.25))
    assert found.steps == 4  # 18 slices of three patients
    assert found.step_s > 0
    assert found.epoch_s > found.steps * found.step_s
    assert found.seconds == pytest.approx(3 * found.epoch_s)
    assert found.device


@pytest.mark.engine
def test_slices_that_an_epoch_leaves_out_take_no_time(make_patients: Callable[..., Path], tmp_path: Path) -> None:
    data = make_patients(tmp_path / "data", 4, 8, range(2, 4))  # two of eight slices show something
    config = TrainConfig("segment", str(data), phases=(Phase(32, 1),), batch=2, validation=0.25, negatives=1.0)
    assert estimate(config).steps == 6  # 12 of 24 slices of three patients


@pytest.mark.engine
def test_patients_without_a_tumour_do_for_the_pace(make_patients: Callable[..., Path], tmp_path: Path) -> None:
    data = make_patients(tmp_path / "data", 2, 6, range(0))
    assert estimate(TrainConfig("segment", str(data), phases=(Phase(32, 1),), batch=2, negatives=0.5)).step_s > 0
