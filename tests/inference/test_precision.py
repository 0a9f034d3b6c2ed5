"""8-bit weights by themselves only where they are right and faster on this processor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from brainviewer import paths
from brainviewer.inference import load, precision, selftest

HASHES = {"float32": "f", "int8": "i"}


class Clock:
    """Time that passes only when an engine works."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Timed:
    """An engine that takes a known time, and may be wrong."""

    name, device, lanes, identity = "onnx", "CPU", 1, "timed"

    def __init__(self, engine: object, clock: Clock, seconds: float, wrong: bool) -> None:
        self.engine, self.clock, self.seconds, self.wrong = engine, clock, seconds, wrong
        self.notes: list[str] = []

    def __call__(self, batch: np.ndarray) -> Mapping[str, np.ndarray]:
        self.clock.now += self.seconds
        return self.engine(1 - batch if self.wrong else batch)

    def close(self) -> None: ...


@pytest.fixture
def bundles() -> list[SimpleNamespace]:
    decision = {"gate": 0.5, "weights": [0, 0, 0, 0, 20], "bias": -10, "threshold": 0.5, "alone": [1, 0]}
    return [
        SimpleNamespace(
            task=task, name=task, version="9", learned_from="", size=64, threshold=0.5, details={"decision": decision}, weights={"onnx": HASHES},
            sha256=lambda engine, precision, task=task: task + HASHES[precision],
        )
        for task in ("classify", "segment")
    ]  # fmt: skip


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, fake_engine: Callable, sample: Path) -> SimpleNamespace:
    """A processor with VNNI where 8 bits take half the time."""
    clock = Clock()
    made = SimpleNamespace(vnni=True, seconds={"float32": 2.0, "int8": 1.0}, wrong=False, opened=[])

    def open_onnx(bundle: SimpleNamespace, which: str, device: str, threads: int | None) -> Timed:
        made.opened.append(which)
        engine = Timed(fake_engine(bundle.task), clock, made.seconds[which], made.wrong and which == "int8")
        engine.precision = which
        return engine

    monkeypatch.setattr(precision, "time", clock)
    monkeypatch.setattr(load, "open_onnx", open_onnx)
    monkeypatch.setattr(precision, "cpu_flags", lambda: {"vnni": made.vnni})
    monkeypatch.setattr("brainviewer.inference.onnx_engine.gpu_providers", list)
    return made


def test_right_and_faster(machine: SimpleNamespace, bundles: list) -> None:
    verdict = precision.choose(bundles, "auto")
    assert verdict.precision == "int8", verdict.why
    assert "right" in verdict.why


def test_never_what_is_slower(machine: SimpleNamespace, bundles: list) -> None:
    machine.seconds["int8"] = 2.0
    assert precision.choose(bundles, "auto").precision == "float32"


def test_never_what_is_wrong(machine: SimpleNamespace, bundles: list) -> None:
    machine.wrong = True
    verdict = precision.choose(bundles, "auto")
    assert verdict.precision == "float32"
    assert "right answer" in verdict.why


def test_a_stored_answer_counts_where_there_is_one(machine: SimpleNamespace, bundles: list, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = selftest.stored_answers()
    stored["onnx int8"] = stored["onnx int8"] | {"models": ["classifyi", "segmenti"], "p_tumour": [0.123] * 32}
    monkeypatch.setattr(selftest, "stored_answers", lambda: stored)
    verdict = precision.choose(bundles, "auto")
    assert verdict.precision == "float32"
    assert "stored one" in verdict.why


def test_not_without_vnni_or_weights_nor_on_a_gpu(machine: SimpleNamespace, bundles: list, monkeypatch: pytest.MonkeyPatch) -> None:
    assert precision.choose(bundles, "gpu").precision == "float32"
    machine.vnni = False
    assert "VNNI" in precision.choose(bundles, "cpu").why
    machine.vnni = True
    monkeypatch.setattr("brainviewer.inference.onnx_engine.gpu_providers", lambda: ["CUDAExecutionProvider"])
    assert precision.choose(bundles, "auto").precision == "float32"
    bundles[1].weights = {"onnx": {"float32": "f"}}
    assert "no 8-bit weights" in precision.choose(bundles, "cpu").why
    assert machine.opened == []


def test_the_verdict_is_kept(machine: SimpleNamespace, bundles: list, monkeypatch: pytest.MonkeyPatch) -> None:
    first = precision.choose(bundles, "auto")
    opened = len(machine.opened)
    assert precision.choose(bundles, "auto") == first
    assert len(machine.opened) == opened
    monkeypatch.setattr(precision, "processor", lambda: "another processor")
    machine.seconds["int8"] = 3.0
    assert precision.choose(bundles, "auto").precision == "float32"


@pytest.mark.parametrize("content", ["no json", "[1, 2]", '{"a": {"precision": "int8"}}'])
def test_a_damaged_file_of_verdicts_is_passed_over(machine: SimpleNamespace, bundles: list, content: str) -> None:
    file = paths.cache() / "precision.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    assert precision.choose(bundles, "auto").precision == "int8"
    assert precision._read()


def test_a_cache_that_cannot_be_written_is_no_fault(machine: SimpleNamespace, bundles: list) -> None:
    paths.cache().parent.mkdir(parents=True, exist_ok=True)
    paths.cache().write_text("not a folder")
    assert precision.choose(bundles, "auto").precision == "int8"


def test_what_could_not_be_tried_is_tried_again(machine: SimpleNamespace, bundles: list, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr(selftest, "sample_scan", lambda: Path("/nowhere"))
        assert "could not be tried" in precision.choose(bundles, "auto").why
    assert precision.choose(bundles, "auto").precision == "int8"
