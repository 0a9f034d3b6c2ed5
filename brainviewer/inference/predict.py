"""What `predict` and `convert` do with a path: choose series, read, analyse, write; each series on its own, so that one that fails does not
take the others along."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..errors import BrainviewerError, ReadError, RefusalError, WriteError
from ..formats import ScanListing, Series, choice, dicom_seg, export, find_series, nothing_found, open_volume, scan, typed_spacing
from ..formats.compose import Channels, check_channels, guess_channels, open_channels
from ..formats.series import ignored_rows
from ..imaging.prediction import OverlayStyle
from ..imaging.volume import Volume
from .analyse import analyse
from .kept import Kept
from .load import Models, load_models

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


def predict_path(path: Path, options: Options, progress: Progress = lambda done, total, note="": None) -> dict:
    """The document of `predict --json`: `results`, `failed`, `ignored`; everything is on disk when it returns.

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
    started = time.perf_counter()
    models = load_models(options.engine, options.device, options.precision, options.models)
    load_s = time.perf_counter() - started
    if options.keep:
        models = replace(models, kept=Kept())
    results, failed = [], []
    try:
        for number, job in enumerate(jobs):
            key = job.series.key
            label = key if len(jobs) == 1 else f"{key} ({number + 1} of {len(jobs)})"
            target = options.out if len(jobs) == 1 else options.out / key
            try:
                results.append(_predict_one(job, models, options, target, load_s if number == 0 else 0.0, notes, _Told(progress, label)))
            except (ReadError, RefusalError) as error:
                failed.append({"key": key, "why": str(error)})
    finally:
        models.close()
    return {"results": results, "failed": failed, "ignored": ignored_rows(listing.ignored)}


def _jobs(listing: ScanListing, options: Options) -> tuple[list[_Job], tuple[str, ...]]:
    """What there is to analyse, and notes on the choice."""
    if options.channels is not None:
        channels = choose_channels(listing, options.channels)
        return [_Job(channels.flair, partial(open_channels, channels))], ()
    chosen, notes = choose_series(listing, options.series)
    return [_Job(series, partial(open_volume, series)) for series in chosen], notes


def _predict_one(job: _Job, models: Models, options: Options, out: Path, load_s: float, notes: tuple[str, ...], task: _Told) -> dict:
    started = time.perf_counter()
    volume = job.open()
    if options.spacing is not None:
        notes = notes if typed_spacing.can_assume(volume) else (*notes, typed_spacing.NOT_NEEDED)
        volume = typed_spacing.assume(volume, options.spacing)
    read_s = time.perf_counter() - started
    result = analyse(volume, models, task, all_slices=options.all_slices)
    style = options.style(result.threshold)
    seconds = {"load": round(load_s, 3), "read": round(read_s, 3)}

    def write_seg(path: Path) -> None:
        dicom_seg.write_segmentation(path, volume, result, style.threshold)

    more = {dicom_seg.NAME: write_seg} if "dicom-seg" in options.save else None
    return export.write_results(
        out, volume, result, style, save=options.save, show=options.show, source=job.series.source, seconds=seconds, notes=notes, more=more
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
