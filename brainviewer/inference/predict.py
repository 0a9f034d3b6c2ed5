"""What `predict` and `convert` do with a path: choose series, read, analyse, write; each series on its own, so that one that fails does not
take the others along."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

from ..errors import BrainviewerError, ReadError, RefusalError, WriteError
from ..formats import ScanListing, Series, choice, dicom_seg, export, find_series, nothing_found, open_volume, scan, typed_spacing
from ..formats.compose import Channels, check_channels, guess_channels, open_channels
from ..formats.series import ignored_rows
from ..imaging.prediction import OverlayStyle, ScanResult
from ..imaging.volume import Volume
from .analyse import analyse
from .kept import Kept
from .load import load_models

SAVES = export.SAVES
Progress = Callable[..., None]
"""Is told (done, total, note)."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `predict` was asked for; None means the usual.

    Attributes:
        channels: "pre", "flair" and "post" to the keys of the series to compose; "flair" must be there.
        keep: answers of the networks are kept between runs, and used again.
        spacing: (dz, dy, dx) mm of scans whose files do not state it.
    """

    out: Path
    series: str | None = None
    channels: Mapping[str, str] | None = None
    save: tuple[str, ...] = export.DEFAULT_SAVE
    threshold: float | None = None
    opacity: float | None = None
    rgb: tuple[int, int, int] | None = None
    outline: bool = False
    show: str = "flair"
    engine: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    all_slices: bool = False
    models: Path | None = None
    overwrite: bool = False
    keep: bool = True
    spacing: typed_spacing.Spacing | None = None

    def style(self, threshold: float) -> OverlayStyle:
        """How overlays are drawn, with the models' threshold where none was given."""
        usual = OverlayStyle()
        return OverlayStyle(
            rgb=usual.rgb if self.rgb is None else self.rgb,
            opacity=usual.opacity if self.opacity is None else self.opacity,
            threshold=threshold if self.threshold is None else self.threshold,
            outline=self.outline,
        )


class _Told:
    """A task that passes progress on."""

    def __init__(self, progress: Progress, note: str) -> None:
        self.progress, self.note = progress, note

    def step(self, done: int, total: int, note: str = "") -> None:
        self.progress(done, total, note or self.note)


def choose_series(listing: ScanListing, key: str | None) -> tuple[list[Series], tuple[str, ...]]:
    """The series to analyse, and notes on the choice (see `formats.choice`).

    Raises:
        ReadError: if there is no such series, or none at all.
    """
    if not listing.series:
        raise nothing_found(listing)
    if key is not None:
        return [find_series(listing, key)], ()
    chosen, notes = choice.chosen(listing.series)
    if (guess := guess_channels(listing)) is not None and guess.pre is not None and guess.post is not None:
        keys = f"pre={guess.pre.key},flair={guess.flair.key},post={guess.post.key}"
        notes = (*notes, f"Three sequences of one examination seem to be there; `--channels {keys}` analyses them together.")
    return chosen, notes


def choose_channels(listing: ScanListing, keys: Mapping[str, str]) -> Channels:
    """The series to compose.

    Raises:
        ReadError: if there is no such series.
        RefusalError: if they do not go together.
    """
    channels = Channels(**{role: find_series(listing, key) for role, key in keys.items()})
    check_channels(channels)
    return channels


@dataclass(frozen=True, eq=False, slots=True)
class _Job:
    """One scan to analyse: what it is called after, and how it is read."""

    series: Series
    open: Callable[[], Volume]


class _Inline(Executor):
    """Does what is submitted at once."""

    def submit(self, fn: Callable, /, *args: object, **kwargs: object) -> Future:
        done: Future = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as an executor does: whoever asks for the result hears of it
            done.set_exception(error)
        return done


def predict_path(path: Path, options: Options, progress: Progress = lambda done, total, note="": None, *, overlapped: bool = True) -> dict:
    """The document of `predict --json`: `results`, `failed`, `ignored`; everything is on disk when it returns.

    While one series is analysed the next is read and the one before it is written: three of them are in memory at most.

    Args:
        overlapped: False: one after the other, with the same results.

    Raises:
        BrainviewerError: if nothing can be done at all, or nothing can be written.
    """
    listing = scan(path)
    jobs, notes = _jobs(listing, options)
    export.check_target(options.out, options.overwrite, [file for series in listing.series for file in series.files])
    if "dicom-seg" in options.save:
        for job in jobs:
            if not choice.refusal(job.series):  # else nothing will be written of it
                dicom_seg.check_series(job.series)
        notes = (*notes, dicom_seg.CARRIES_IDENTITY)
    with (
        ThreadPoolExecutor(1, "read") if overlapped else _Inline() as reader,
        ThreadPoolExecutor(1, "write") if overlapped else _Inline() as writer,
    ):
        reading = _read_ahead(reader, jobs, options)
        first = next(reading)  # while the models are loaded
        started = time.perf_counter()
        models = load_models(options.engine, options.device, options.precision, options.models)
        load_s = time.perf_counter() - started
        if options.keep:
            models = replace(models, kept=Kept())
        outcome = _Outcome()
        try:
            for number, (job, read) in enumerate(zip(jobs, chain([first], reading), strict=True)):
                key = job.series.key
                label = key if len(jobs) == 1 else f"{key} ({number + 1} of {len(jobs)})"
                target = options.out if len(jobs) == 1 else options.out / key
                try:
                    result = analyse(read.result().volume, models, _Told(progress, label), all_slices=options.all_slices)
                except (ReadError, RefusalError) as error:
                    outcome.fail(number, key, error)
                    continue
                outcome.hear()
                seconds = {"load": round(load_s if number == 0 else 0.0, 3)}
                outcome.expect(number, key, writer.submit(_write, target, job, read.result(), result, options, seconds, notes))
            outcome.hear()
        finally:
            models.close()
    return {"results": outcome.results, "failed": outcome.failed(), "ignored": ignored_rows(listing.ignored)}


def _read_ahead(reader: Executor, jobs: list[_Job], options: Options) -> Iterator[Future[_Read]]:
    """Each series as it is read; the next one is begun before this one is handed over."""
    begun: deque[Future[_Read]] = deque()
    for job in jobs:
        begun.append(reader.submit(_read, job, options))
        if len(begun) > 1:
            yield begun.popleft()
    yield from begun


class _Outcome:
    """What came of the series, in their order, one of which may still be being written."""

    def __init__(self) -> None:
        self.results: list[dict] = []
        self._failed: dict[int, dict] = {}
        self._writing: tuple[int, str, Future[dict]] | None = None

    def expect(self, number: int, key: str, writing: Future[dict]) -> None:
        self._writing = (number, key, writing)

    def hear(self) -> None:
        """Waits for what is being written.

        Raises:
            WriteError: if it could not be.
        """
        if self._writing is None:
            return
        (number, key, writing), self._writing = self._writing, None
        try:
            self.results.append(writing.result())
        except (ReadError, RefusalError) as error:
            self.fail(number, key, error)

    def fail(self, number: int, key: str, error: BrainviewerError) -> None:
        self._failed[number] = {"key": key, "why": str(error)}

    def failed(self) -> list[dict]:
        return [self._failed[number] for number in sorted(self._failed)]


def _jobs(listing: ScanListing, options: Options) -> tuple[list[_Job], tuple[str, ...]]:
    """What there is to analyse, and notes on the choice."""
    if options.channels is not None:
        channels = choose_channels(listing, options.channels)
        return [_Job(channels.flair, partial(open_channels, channels))], ()
    chosen, notes = choose_series(listing, options.series)
    return [_Job(series, partial(open_volume, series)) for series in chosen], notes


@dataclass(frozen=True, eq=False, slots=True)
class _Read:
    """A scan that was read.

    Attributes:
        notes: what there is to say of how it was read.
    """

    volume: Volume
    seconds: float
    notes: tuple[str, ...] = ()


def _read(job: _Job, options: Options) -> _Read:
    started = time.perf_counter()
    volume = job.open()
    notes: tuple[str, ...] = ()
    if options.spacing is not None:
        notes = () if typed_spacing.can_assume(volume) else (typed_spacing.NOT_NEEDED,)
        volume = typed_spacing.assume(volume, options.spacing)
    return _Read(volume, time.perf_counter() - started, notes)


def _write(out: Path, job: _Job, read: _Read, result: ScanResult, options: Options, seconds: dict[str, float], notes: tuple[str, ...]) -> dict:
    volume, style = read.volume, options.style(result.threshold)
    seconds = {**seconds, "read": round(read.seconds, 3)}

    def write_seg(path: Path) -> None:
        dicom_seg.write_segmentation(path, volume, result, style.threshold)

    return export.write_results(
        out,
        volume,
        result,
        style,
        save=options.save,
        show=options.show,
        source=job.series.source,
        seconds=seconds,
        notes=(*notes, *read.notes),
        more={dicom_seg.NAME: write_seg} if "dicom-seg" in options.save else None,
    )


def convert_path(path: Path, out: Path, key: str | None, overwrite: bool, progress: Progress = lambda done, total, note="": None) -> dict:
    """Writes each series as `<key>.nii.gz`; `{"files": [..], "failed": [{"key", "why"}], "ignored": [..]}`.

    Raises:
        BrainviewerError: if nothing can be done at all, or nothing can be written.
    """
    listing = scan(path)
    if not listing.series:
        raise nothing_found(listing)
    chosen = list(listing.series) if key is None else choose_series(listing, key)[0]
    for series in chosen:
        target = out / f"{series.key}.nii.gz"
        if target.exists() and not overwrite:
            raise WriteError(f'"{target}" exists.', "Use --overwrite to replace it, or choose another folder.")
    export.check_target(out, True)
    files, failed = [], []
    for number, series in enumerate(chosen):
        progress(number, len(chosen), series.key)
        try:
            volume = open_volume(series)
        except BrainviewerError as error:
            failed.append({"key": series.key, "why": str(error)})
            continue
        files.append(str(export.convert_volume(volume, out)))
    progress(len(chosen), len(chosen))
    return {"files": files, "failed": failed, "ignored": ignored_rows(listing.ignored)}
