"""What `predict` and `convert` do with a path: choose series, read, analyse, write; each series on its own, so that one that fails does not
take the others along."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import BrainviewerError, ReadError, RefusalError, WriteError
from ..formats import ScanListing, Series, export, find_series, nothing_found, open_volume, scan
from ..formats.series import ignored_rows
from ..imaging.prediction import OverlayStyle
from .analyse import analyse
from .load import Models, load_models

SAVES = tuple(name for name in export.SAVES if name != "dicom-seg")
Progress = Callable[..., None]
"""Is told (done, total, note)."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `predict` was asked for; None means the usual."""

    out: Path
    series: str | None = None
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
    """The series to analyse, and notes on the choice.

    Without a key: every series that fits the models (a composed scan, a FLAIR, or one that does not say what it is); where none does, the
    first that may be analysed at all.

    Raises:
        ReadError: if there is no such series, or none at all.
    """
    if not listing.series:
        raise nothing_found(listing)
    if key is not None:
        return [find_series(listing, key)], ()
    fitting = [series for series in listing.series if fits(series)]
    if fitting:
        left = [series.key for series in listing.series if not fits(series)]
        return fitting, (f"Not analysed, as they do not look like what the models know: {', '.join(left)}.",) if left else ()
    first = listing.series[0]
    return [first], (f'No series looks like a FLAIR; "{first.key}" was analysed as the likeliest.',)


def fits(series: Series) -> bool:
    """Whether a series may be what the models know, as far as its listing tells."""
    return series.modality in ("MR", "", "OT") and series.sequence in (None, "FLAIR", "composite")


def predict_path(path: Path, options: Options, progress: Progress = lambda done, total, note="": None) -> dict:
    """The document of `predict --json`: `results`, `failed`, `ignored`; everything is on disk when it returns.

    Raises:
        BrainviewerError: if nothing can be done at all, or nothing can be written.
    """
    listing = scan(path)
    chosen, notes = choose_series(listing, options.series)
    export.check_target(options.out, options.overwrite, [file for series in listing.series for file in series.files])
    started = time.perf_counter()
    models = load_models(options.engine, options.device, options.precision, options.models)
    load_s = time.perf_counter() - started
    results, failed = [], []
    try:
        for number, series in enumerate(chosen):
            label = series.key if len(chosen) == 1 else f"{series.key} ({number + 1} of {len(chosen)})"
            target = options.out if len(chosen) == 1 else options.out / series.key
            try:
                results.append(_predict_one(series, models, options, target, load_s if number == 0 else 0.0, notes, _Told(progress, label)))
            except (ReadError, RefusalError) as error:
                failed.append({"key": series.key, "why": str(error)})
    finally:
        models.close()
    return {"results": results, "failed": failed, "ignored": ignored_rows(listing.ignored)}


def _predict_one(series: Series, models: Models, options: Options, out: Path, load_s: float, notes: tuple[str, ...], task: _Told) -> dict:
    started = time.perf_counter()
    volume = open_volume(series)
    read_s = time.perf_counter() - started
    result = analyse(volume, models, task, all_slices=options.all_slices)
    style = options.style(result.threshold)
    seconds = {"load": round(load_s, 3), "read": round(read_s, 3)}
    return export.write_results(out, volume, result, style, save=options.save, show=options.show, source=series.source, seconds=seconds, notes=notes)


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
