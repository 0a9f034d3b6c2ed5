"""The selftest finds what is wrong: other answers, other pixels, decoders that do not decode, a program that does not start."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from brainviewer import paths
from brainviewer.errors import BrainviewerError
from brainviewer.formats import dicom_trial, open_volume, scan
from brainviewer.inference import selftest, trial_runs


def checks(*names: str) -> list[selftest.Check]:
    return list(selftest.selftest(names))


def test_the_picture_is_the_stored_one(sample: Path) -> None:
    assert [check.passed for check in checks("picture")] == [True]


def test_a_picture_of_other_pixels(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = selftest.picture_answer(open_volume(scan(sample).series[0]))
    monkeypatch.setattr(selftest, "picture_answer", lambda volume: answer | {"png": "other", "pixels": "other"})
    (check,) = checks("picture")
    assert not check.passed
    assert "pixels" in check.detail


def test_the_same_pixels_packed_by_another_opencv(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = selftest.picture_answer(open_volume(scan(sample).series[0]))
    monkeypatch.setattr(selftest, "picture_answer", lambda volume: answer | {"png": "other", "opencv": "9.9"})
    (check,) = checks("picture")
    assert check.passed
    assert "OpenCV 9.9" in check.detail
    monkeypatch.setattr(selftest, "picture_answer", lambda volume: answer | {"png": "other"})
    assert not checks("picture")[0].passed


def test_every_transfer_syntax_is_tried(tmp_path: Path) -> None:
    passed, failed = dicom_trial.try_syntaxes(tmp_path)
    assert failed == []
    assert len(passed) == len(dicom_trial.TRIALS) == 15


def test_a_decoder_that_gives_other_values_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = dicom_trial.write_trial

    def write(path: Path, syntax: str) -> np.ndarray:
        values = truth(path, syntax)
        return values + 3 if syntax == dicom_trial.RUN_LENGTH else values

    monkeypatch.setattr(dicom_trial, "write_trial", write)
    _, failed = dicom_trial.try_syntaxes(tmp_path)
    assert failed == ["RLE Lossless: values are off by up to 3."]


def test_a_library_that_is_missing_is_a_check_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise ImportError("libfoo.so.1: cannot open shared object file")

    monkeypatch.setattr(selftest, "decode_dicom", broken)
    (check,) = checks("DICOM decoders")
    assert not check.passed
    assert "libfoo.so.1" in check.detail


def test_the_window_is_tried_in_a_process_of_its_own(sample: Path) -> None:
    (check,) = checks("window")
    assert check.passed, check.detail
    assert "32 slices" in check.detail


def test_a_program_that_does_not_start(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "command", lambda *words: [sys.executable, "-c", "import sys; sys.exit('libEGL.so.1 is missing')"])
    with pytest.raises(BrainviewerError, match=r"code 1\. libEGL\.so\.1 is missing"):
        trial_runs.open_window(sample)


def test_a_program_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "command", lambda *words: [sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(BrainviewerError, match="did not end"):
        trial_runs.start("The window", [], 0.5, {})


def test_eight_slices_of_the_sample(sample: Path, tmp_path: Path) -> None:
    assert trial_runs.eight_slices(sample, tmp_path) == 8
    series = scan(tmp_path).series
    assert [(s.shape[0], s.reference) for s in series] == [(4, True), (4, True)]
    for one in series:
        assert open_volume(one).reference.any(axis=(1, 2)).sum() == 2


def test_the_bundled_models_are_tried_whatever_is_in_use(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def load(*arguments: object) -> None:
        asked.append(arguments)
        raise BrainviewerError("No model is loaded here.")

    monkeypatch.setattr(selftest, "load_models", load)
    assert [check.passed for check in checks("onnx int8")] == [False]
    assert asked == [("onnx", "auto", "int8", paths.bundled_models())]
