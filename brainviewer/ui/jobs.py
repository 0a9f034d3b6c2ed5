"""The work behind the window, as plain functions of a task: they run on a worker's thread and know nothing of Qt.

The heavy imports happen inside, so that the window is on screen first.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..errors import BrainviewerError
from ..formats import kept_edits, labelled, share
from ..formats.choice import unlikeness
from ..formats.export import check_target
from ..formats.kept_edits import Found, ScanMark
from ..formats.series import ScanListing, Series, nothing_found
from ..formats.share import Scene, What
from ..formats.typed_spacing import with_remembered
from ..imaging import render
from ..imaging.measure import dice, measure
from ..imaging.prediction import Prediction, ScanResult
from ..imaging.volume import Volume, Window
from .state import RANGE, EngineFacts, Measured, OpenedScan
from .worker import Task

log = logging.getLogger(__name__)

THUMBNAIL_PX = 96

PREVIEW_AFTER_S = 0.1
"""Who waits that long sees one slice of the scan; what is read sooner would only flicker."""

NEARLY_READ = 0.8
PREVIEW_SAMPLES = 6


# The functions the window calls, each with its real default; tests bring their own


def scan_path(path: Path, progress: Callable[[int, int], None]) -> ScanListing:
    from ..formats import scan

    return scan(path, progress)


def read_series(series: Series, progress: Callable[[int, int], None]) -> Volume:
    from ..formats import open_volume

    return open_volume(series, progress)


def start_models(engine: str, device: str, precision: str) -> Any:
    from ..inference.kept import Kept
    from ..inference.load import load_models

    return replace(load_models(engine, device, precision, threads=analysis_threads()), kept=Kept())


def analysis_threads() -> int:
    """About the number of real cores. Naming it keeps idle threads of the engine from spinning on the cores that the window draws with."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if cores <= 4 else cores // 2


def analyse_volume(volume: Volume, models: Any, task: Task, *, order: Sequence[int], on_slice: Callable[[Prediction], None]) -> ScanResult:
    from ..inference.analyse import analyse

    return analyse(volume, models, task, order=order, on_slice=on_slice)


def fill_in(volume: Volume, models: Any, task: Task, result: ScanResult, order: Sequence[int]) -> Iterator[Prediction]:
    from ..inference.analyse import second_pass

    return second_pass(volume, models, task, result, order)


@dataclass(frozen=True, slots=True)
class Backend:
    """Everything the window asks of the layers below."""

    scan: Callable[..., ScanListing] = scan_path
    open_volume: Callable[..., Volume] = read_series
    load_models: Callable[..., Any] = start_models
    analyse: Callable[..., ScanResult] = analyse_volume
    second_pass: Callable[..., Iterator[Prediction]] = fill_in


# Opening


def open_path(backend: Backend, path: Path, task: Task) -> OpenedScan:
    """Looks through a path and reads the series that is likeliest wanted; the next one where that cannot be read.

    Raises:
        ReadError: if nothing under the path can be opened.
    """
    started_s = time.monotonic()
    listing = backend.scan(path, partial(_step, task, "looking"))
    task.step(0, 0, "looking")
    if not listing.series:
        raise nothing_found(listing)
    failures: list[BrainviewerError] = []
    for series in sorted(listing.series, key=unlikeness):
        try:
            opened = open_series(backend, listing, series, task, started_s)
        except BrainviewerError as error:
            log.warning("Series %s could not be read: %s", series.key, error)
            failures.append(error)
        else:
            notes = tuple(error.sentence for error in failures)
            return OpenedScan(opened.listing, opened.series, opened.volume, opened.windows, opened.thumbnail, notes)
    raise failures[0]


def open_series(backend: Backend, listing: ScanListing, series: Series, task: Task, started_s: float | None = None) -> OpenedScan:
    """Reads one series of a listing; where that takes a while, shares an OpenedScan of its middle slice.

    Args:
        started_s: since when someone waits, of `time.monotonic`; from now on if None.
    """
    waiting = _Waiting(listing, series, task, time.monotonic() if started_s is None else started_s)
    volume = with_remembered(backend.open_volume(series, waiting.step))
    task.step(1, 1, "reading")
    windows = render.windows_of(volume)
    return OpenedScan(listing, series, volume, windows, thumbnail_of(volume, windows))


class _Waiting:
    """Somebody looks at the screen while a series is read: shows them one slice, once, if it lasts."""

    def __init__(self, listing: ScanListing, series: Series, task: Task, started_s: float) -> None:
        self._listing, self._series, self._task, self._started_s = listing, series, task, started_s
        self._shown = series.peek is None

    def step(self, done: int, total: int) -> None:
        self._task.step(done, total, "reading")
        if not self._shown and time.monotonic() - self._started_s >= PREVIEW_AFTER_S and done < NEARLY_READ * total:
            self._shown = True
            try:
                if (preview := preview_of(self._listing, self._series)) is not None:
                    self._task.share(preview)
            except BrainviewerError as error:  # said when the whole of it is read
                log.info("No preview of %s: %s", self._series.key, error)


def preview_of(listing: ScanListing, series: Series) -> OpenedScan | None:
    """The middle slice alone, with a window that is about that of the whole scan; None where no slice can be read alone.

    Raises:
        ReadError: where that slice cannot be read.
    """
    middle = middle_of(series)
    if middle is None or series.peek is None:
        return None
    count = series.shape[0]
    places = sorted({count * part // PREVIEW_SAMPLES for part in range(1, PREVIEW_SAMPLES)})
    nameless = ("",) * len(places)
    sample = replace(middle, voxels=np.stack([series.peek(z) for z in places]), sources=nameless, stems=nameless)
    windows = render.windows_of(sample)
    return OpenedScan(listing, series, middle, windows, thumbnail_of(middle, windows))


def thumbnails(backend: Backend, series: Sequence[Series], task: Task) -> None:
    """Shares (key, thumbnail) of one series after the other; (key, None) where it cannot be read."""
    for wanted in series:
        task.step(0, 0, "thumbnails")
        try:
            volume = middle_of(wanted) or backend.open_volume(wanted, partial(_step, task, "thumbnails"))
            task.share((wanted.key, thumbnail_of(volume, render.windows_of(volume))))
        except BrainviewerError as error:
            log.info("No thumbnail of %s: %s", wanted.key, error)
            task.share((wanted.key, None))


def middle_of(series: Series) -> Volume | None:
    """The middle slice as a scan of its own, or None where it cannot be read alone."""
    if series.peek is None:
        return None
    picture = series.peek(series.shape[0] // 2)[np.newaxis]
    return Volume(
        voxels=picture,
        affine=None,
        channels=series.channels,
        source=Path(series.source),
        key=series.key,
        format=series.format,
        sources=("",),
        stems=("",),
        plane=series.plane,
        window=series.window if series.window is not None and Window(*series.window).shows(picture) else None,
        voxel_mm=series.spacing_mm,
    )


def thumbnail_of(volume: Volume, windows: tuple[Window, ...]) -> np.ndarray:
    """(THUMBNAIL_PX, THUMBNAIL_PX, 3) uint8 RGB: the middle slice, whole, on black."""
    picture = render.background(volume, len(volume) // 2, windows)
    height, width = picture.shape[:2]
    if volume.spacing is not None:
        height, width = height * volume.spacing[1], width * volume.spacing[2]
    scale = THUMBNAIL_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    square = np.zeros((THUMBNAIL_PX, THUMBNAIL_PX, 3), np.uint8)
    top, left = (THUMBNAIL_PX - size[1]) // 2, (THUMBNAIL_PX - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = small
    return square


def _step(task: Task, note: str, done: int, total: int) -> None:
    task.step(done, total, note)


# Analysing


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """What the user asked for; "auto" leaves it to the program.

    Attributes:
        keep: answers are kept for scans that are opened again.
    """

    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    keep: bool = True


class Shelf:
    """The loaded models. Used on the analyst's thread only (but for `forget`), and after that thread has ended, to close them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._models: Any = None
        self._stale = False

    def forget(self) -> None:
        """Other models are in use now: the next job loads them. From any thread."""
        self._stale = True

    def models(self, choice: EngineChoice) -> Any:
        """Loads them on the first call.

        Raises:
            BundleError, EngineError: if they cannot be loaded; the next call tries again.
        """
        if self._stale:
            self._stale = False
            self.close()
        if self._models is None:
            self._models = self._backend.load_models(choice.engine, choice.device, choice.precision)
        return self._models if choice.keep else replace(self._models, kept=None)

    def close(self) -> None:
        if self._models is not None:
            self._models.close()
            self._models = None


@dataclass(frozen=True, slots=True)
class ModelsReady:
    """Shared by `analyse_scan` before the first slice."""

    facts: EngineFacts
    threshold: float


def analyse_scan(backend: Backend, shelf: Shelf, choice: EngineChoice, volume: Volume, order: Sequence[int], task: Task) -> ScanResult:
    """The first pass; shares ModelsReady, then each slice's provisional Prediction."""
    task.step(0, 0, "models")
    models = shelf.models(choice)
    task.share(ModelsReady(facts_of(models), float(models.segment_bundle.threshold)))
    result = backend.analyse(volume, models, task, order=order, on_slice=task.share)
    task.share(ModelsReady(facts_of(models), result.threshold))  # a GPU that failed on the way has been left for the CPU
    return result


def refine_scan(backend: Backend, shelf: Shelf, choice: EngineChoice, volume: Volume, result: ScanResult, order: Sequence[int], task: Task) -> None:
    """The second pass: shares each slice's Prediction with its probability map."""
    models = shelf.models(choice)
    for prediction in backend.second_pass(volume, models, task, result, order):
        task.share(prediction)


def forget_results() -> None:
    """Removes the answers that are kept for scans that are opened again.

    Raises:
        WriteError: if they cannot be removed.
    """
    from ..inference.kept import Kept

    Kept().forget()


def facts_of(models: Any) -> EngineFacts:
    return EngineFacts(models.engine, models.device, models.precision, models.gpu_note)


# What was drawn


def find_edits(volume: Volume, task: Task) -> tuple[ScanMark, Found]:
    """What the scan's drawn masks are kept under, and those that are."""
    mark = kept_edits.mark_of(volume)
    task.step(0, 0, "edits")
    return mark, kept_edits.find(mark)


# Measuring


def measure_scan(volume: Volume, predictions: Sequence[Prediction | None], threshold: float, task: Task) -> Measured:
    """Measures the masks that count at a threshold."""
    whole = np.zeros(volume.shape, bool)
    at_range = [0, 0]
    for z, prediction in enumerate(predictions):
        task.step(z, len(predictions), "measuring")
        if prediction is None:
            continue
        found = prediction.found(threshold)
        if found is None:
            continue
        whole[z] = found
        for number, other in enumerate(RANGE):
            at_range[number] += int(np.count_nonzero(prediction.found(other)))
    measures = measure(whole, volume.spacing, volume.voxel_mm3)
    task.step(len(predictions), len(predictions), "measuring")
    mm3 = volume.voxel_mm3
    low_high = None if mm3 is None else (at_range[0] * mm3 / 1000, at_range[1] * mm3 / 1000)
    labelled = volume.labelled if volume.reference is not None else np.zeros(len(volume), bool)
    agreement = dice(whole[labelled], volume.reference[labelled]) if volume.reference is not None and labelled.any() else None
    return Measured(measures, low_high, agreement)


# Exporting


@dataclass(frozen=True, eq=False, slots=True)
class ExportOrder:
    """What is to be written, frozen at the moment it was asked for.

    Attributes:
        slices: displayed indices, for what is written by slice.
        identity: whether a DICOM SEG says what its source says of patient and study.
    """

    scene: Scene
    whats: tuple[What, ...]
    slices: tuple[int, ...]
    folder: Path
    identity: bool = True


@dataclass(frozen=True, slots=True)
class ExportDone:
    """Where the files are, and their names."""

    folder: Path
    names: tuple[str, ...]


def export(order: ExportOrder, task: Task) -> ExportDone:
    """Writes what was ordered, all or none.

    Raises:
        WriteError: if it cannot be written.
    """
    source = order.scene.volume.source
    own = source if source.is_dir() else source.parent
    check_target(order.folder, overwrite=True, sources=[own / "slice"])
    names = share.write(order.folder, order.scene, order.whats, order.slices, identity=order.identity, progress=partial(_step, task, "exporting"))
    return ExportDone(order.folder, names)


def standing_in_the_way(order: ExportOrder) -> int:
    """Files of the order that are there already."""
    return sum((order.folder / name).exists() for name in order.scene.names(order.whats, order.slices))


@dataclass(frozen=True, eq=False, slots=True)
class CaseOrder:
    """A labelled case for training.

    Attributes:
        mask: (Z, Y, X) bool.
        slices: displayed indices to write.
        folder: of all cases.
    """

    volume: Volume
    mask: np.ndarray
    slices: tuple[int, ...]
    folder: Path


@dataclass(frozen=True, slots=True)
class CaseDone:
    """The case's own folder, and the number of its slices."""

    folder: Path
    slices: int


def export_case(order: CaseOrder, task: Task) -> CaseDone:
    """Writes a labelled case under a code made of what the scan holds, in the place of an older state of it.

    Raises:
        WriteError: if it cannot be written.
    """
    task.step(0, 0, "exporting")
    case = kept_edits.mark_of(order.volume).case
    return CaseDone(labelled.export_case(order.folder, case, order.volume, order.mask, order.slices), len(order.slices))
