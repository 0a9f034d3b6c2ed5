"""The rows on reading, of small scans."""

from __future__ import annotations

from pathlib import Path

import pytest

from brainviewer.bench import reading


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ROUNDS", 1)
    monkeypatch.setattr(reading, "DICOM_FILES", 4)
    monkeypatch.setattr(reading, "DICOM_SIDE_PX", 32)
    monkeypatch.setattr(reading, "NIFTI_SHAPE", (20, 18, 6))
    monkeypatch.setattr(reading, "SLICES", 12)


def here(part: str, *arguments: str) -> dict:
    return reading.read_dicom(*arguments)


def test_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "apart", here)
    monkeypatch.setattr(reading, "find_spec", lambda name: None)
    speed, memory, nifti, listing, first = reading.rows()
    assert speed.value is None
    assert "SimpleITK is not installed" in speed.note
    assert memory.unit == "MB"
    assert memory.value > 0
    assert nifti.ratio > 0
    assert listing.target == "at most 1 s"
    assert first.met is True


def test_the_rounds_own_ratios(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers = {"ours": iter((1.0, 6.0, 1.5)), "SimpleITK": iter((2.0, 8.0, 2.0))}
    monkeypatch.setattr(reading, "ROUNDS", 3)
    monkeypatch.setattr(reading, "apart", lambda part, folder, way: {"seconds": next(answers[way]), "peak_mb": 100.0})
    monkeypatch.setattr(reading, "find_spec", lambda name: object())
    speed, memory = reading._dicom_rows(tmp_path / "dicom")
    assert (speed.ratio, speed.met) == (pytest.approx(0.75), True)
    assert memory.met is True
