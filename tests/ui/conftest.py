"""A window with scans made in memory and models that answer at once, or only when they are let."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("PySide6")

from PySide6.QtWidgets import QApplication

from brainviewer.errors import ReadError
from brainviewer.formats.series import ScanListing, Series
from brainviewer.imaging.prediction import Mask, Prediction, ScanResult
from brainviewer.imaging.volume import CHANNEL_NAMES, Volume
from brainviewer.settings import Settings
from brainviewer.ui import jobs, palette
from brainviewer.ui.app import Program
from brainviewer.ui.main_window import MainWindow
from brainviewer.ui.stage import Dialogs as SystemDialogs

TIMEOUT_MS = 10_000
SLICES = 12
MODELS = (("resnet50", "1.0.0", "classify", "a" * 64), ("resunet", "1.0.0", "segment", "b" * 64))
TUMOUR = (4, 5, 6, 8)
"""Slices of the made scan that show a bright disc in FLAIR."""


def make_volume(
    key: str = "scan",
    slices: int = SLICES,
    tumour: Sequence[int] = TUMOUR,
    size: tuple[int, int] = (64, 48),
    spacing: tuple[float, float, float] | None = None,
) -> Volume:
    """A composed scan: grey ellipses with noise, and in FLAIR a bright disc where the tumour is."""
    random = np.random.default_rng(7)
    voxels = np.zeros((slices, *size, 3), np.uint8)
    reference = np.zeros((slices, *size), bool)
    for z in range(slices):
        head = np.zeros(size, np.uint8)
        cv2.ellipse(head, (size[1] // 2, size[0] // 2), (size[1] // 2 - 4, size[0] // 2 - 4), 0, 0, 360, 90, -1)
        voxels[z] = (head[..., np.newaxis] * random.uniform(0.8, 1.0, (*size, 3))).astype(np.uint8)
        voxels[z, ..., 0] //= 2
        if z in tumour:
            disc = np.zeros(size, np.uint8)
            cv2.circle(disc, (20, 30), 5 + z % 3, 1, -1)
            reference[z] = disc.astype(bool)
            voxels[z, ..., 1][reference[z]] = 230
    names = tuple(f"{key}_{z + 1}.tif" for z in range(slices))
    return Volume(
        voxels=voxels,
        affine=None,
        channels=CHANNEL_NAMES,
        source=Path(f"/scans/{key}"),
        key=key,
        format="tiff",
        sources=names,
        stems=tuple(name[:-4] for name in names),
        reference=reference,
        voxel_mm=spacing,
    )


def make_series(volume: Volume, opened: Callable[[Any], Volume] | None = None, *, peek: bool = True) -> Series:
    return Series(
        key=volume.key,
        format=volume.format,
        description="",
        modality="MR",
        sequence=None,
        source=volume.key,
        shape=volume.shape,
        channels=volume.channels,
        dtype="uint8",
        spacing_mm=volume.spacing,
        affine=None,
        plane=None,
        axes="",
        order_by="name",
        reference=True,
        files=tuple(Path(name) for name in volume.sources),
        notes=(),
        open=opened or (lambda progress: volume),
        peek=volume.__getitem__ if peek else None,
    )


@dataclass
class FakeBackend:
    """What the window asks of the layers below, answered from memory.

    Attributes:
        listings: what a path holds; other paths hold nothing.
        gate: analyses wait for it before each slice but the first `free` ones.
        refine_gate: second passes wait for it in each slice.
        analysed: the order in which slices were analysed, over all runs.
    """

    listings: dict[Path, list[Series]] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    refine_gate: threading.Event = field(default_factory=threading.Event)
    free: int = 0
    analysed: list[int] = field(default_factory=list)
    models_error: Exception | None = None
    analysis_error: Exception | None = None
    notes: tuple[str, ...] = ()
    closed: int = 0
    refined: list[int] = field(default_factory=list)

    def scan(self, path: Path, progress: Callable[[int, int], None]) -> ScanListing:
        if path not in self.listings:
            raise ReadError(f'"{path.name}" does not exist.', "Check the name.")
        return ScanListing(path, tuple(self.listings[path]), ())

    def open_volume(self, series: Series, progress: Callable[[int, int], None]) -> Volume:
        progress(0, series.shape[0])
        return series.open(progress)

    def load_models(self, engine: str, device: str, precision: str) -> SimpleNamespace:
        if self.models_error is not None:
            raise self.models_error
        note = "No GPU is used: this computer shows no NVIDIA driver."
        return SimpleNamespace(
            engine="onnx", device="CPU", precision="float32", gpu_note=note, segment_bundle=SimpleNamespace(threshold=0.4), close=self._close
        )

    def _close(self) -> None:
        self.closed += 1

    def analyse(self, volume: Volume, models: object, task: Any, *, order: Sequence[int], on_slice: Callable[[Prediction], None]) -> ScanResult:
        for done, z in enumerate(order):
            while done >= self.free and not self.gate.wait(0.01):
                task.step(done, len(order))
            task.step(done, len(order))
            if self.analysis_error is not None and done == self.free:
                raise self.analysis_error
            self.analysed.append(z)
            on_slice(answer(volume, z, provisional=True))
        whole = tuple(answer(volume, z, provisional=False) for z in range(len(volume)))
        return ScanResult(whole, 0.4, 0.5, None, "onnx", "CPU", "float32", MODELS, self.notes, 0.1)

    def second_pass(self, volume: Volume, models: object, task: Any, result: ScanResult, order: Sequence[int]) -> Iterator[Prediction]:
        for z in order:
            task.step(0, 1)
            if result.predictions[z].mask is None:
                self.refined.append(z)
                while not self.refine_gate.wait(0.01):
                    task.step(0, 1)
                old = result.predictions[z]
                yield Prediction(z, old.p_tumour, old.tumour, Mask(np.zeros(volume.shape[1:], np.float32)), False)

    def backend(self) -> jobs.Backend:
        return jobs.Backend(self.scan, self.open_volume, self.load_models, self.analyse, self.second_pass)


def answer(volume: Volume, z: int, *, provisional: bool) -> Prediction:
    """As good models would answer: sure of the reference, with soft edges."""
    assert volume.reference is not None
    tumour = bool(volume.reference[z].any())
    soft = cv2.GaussianBlur(volume.reference[z].astype(np.float32), (0, 0), 1.5)
    return Prediction(z, 0.97 if tumour else 0.04, tumour, Mask(soft) if tumour else None, provisional, 0.01)


@pytest.fixture(autouse=True)
def no_previews(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether one slice is shown first depends on how busy the machine is; `test_preview` asks for it."""
    monkeypatch.setattr(jobs, "PREVIEW_AFTER_S", float("inf"))


@pytest.fixture
def fake() -> Iterator[FakeBackend]:
    """One scan at /scans/scan, two at /scans/two, answered at once."""
    backend = FakeBackend()
    backend.gate.set()
    backend.refine_gate.set()
    backend.listings[Path("/scans/scan")] = [make_series(make_volume())]
    backend.listings[Path("/scans/two")] = [make_series(make_volume("first")), make_series(make_volume("second", 8, ()))]
    yield backend
    backend.gate.set()
    backend.refine_gate.set()


@dataclass
class Dialogs:
    """Answers in place of the system's dialogs, and what was opened outside."""

    answer: Path | None = None
    opened: list[str] = field(default_factory=list)

    def ask(self, parent: object, title: str, start: Path) -> Path | None:
        return self.answer

    def open_outside(self, url: Any) -> None:
        self.opened.append(url.toLocalFile())


@pytest.fixture
def dialogs() -> Dialogs:
    return Dialogs()


@pytest.fixture
def program(qtbot: Any, fake: FakeBackend, dialogs: Dialogs) -> Iterator[Program]:
    """A shown window with the fake layers below; its threads end with the test."""
    app = QApplication.instance()
    assert app is not None
    palette.dress(app, "dark")
    made = Program(Settings(), fake.backend(), dialogs=SystemDialogs(dialogs.ask, dialogs.ask, dialogs.open_outside))
    made.window.show()
    qtbot.waitExposed(made.window)
    yield made
    fake.gate.set()
    made.close()
    made.window.deleteLater()


@pytest.fixture
def window(program: Program) -> MainWindow:
    return program.window


@pytest.fixture
def opened(qtbot: Any, program: Program) -> Program:
    """The same with /scans/scan open and its analysis, both passes, done."""
    program.flow.open_path(Path("/scans/scan"))
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    return program


def finished(program: Program) -> bool:
    """Whether both passes of the scan on screen are done."""
    predictions = program.session.predictions
    return program.session.result is not None and all(p is not None and p.mask is not None for p in predictions) and program.flow.busy is None
