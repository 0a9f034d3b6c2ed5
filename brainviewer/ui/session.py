"""The state on screen: one object owns it, everything else asks it and is told by its signals."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from ..formats.series import ScanListing
from ..formats.typed_spacing import Spacing, assume
from ..imaging.prediction import OverlayStyle, Prediction, ScanResult
from ..settings import Settings
from .look import Look
from .state import Analysis, Badge, EngineFacts, Measured, OpenedScan, Phase

REMEMBERED_SCANS = 8
"""Finished answers kept in memory, so that going back to a scan needs no new run."""


@dataclass(frozen=True, slots=True)
class _Left:
    """What made room for a preview."""

    scan: OpenedScan
    z: int
    analysis: Analysis
    predictions: tuple[Prediction | None, ...]


class Session(Look):
    """Signals, one a field, beside those of `Look`; each is sent after the change and only where something changed.

    listing_changed: ScanListing or None.
    preview_changed: OpenedScan of one slice, while the others are read and no scan is on screen; or None.
    scan_changed: OpenedScan or None; what belongs to the scan (slice, windows, predictions) has been reset and follows by its own signals.
    spacing_changed: Volume, the scan on screen with a spacing that was typed, or without it again.
    slice_changed: displayed index.
    prediction_changed: a Prediction that arrived, or None when all of them changed.
    analysis_changed: Analysis.
    result_changed: ScanResult or None.
    engine_changed: EngineFacts or None.
    mask_changed: displayed index of the slice whose mask is another, or None when all of them may be.
    measured_changed: Measured, or None while nothing is.
    badge_changed: key of the series whose badge is new.
    settled: several of the signals above, which belong together (`unsettled` meanwhile), were sent. For what is costly and needs only the end.
    """

    listing_changed = Signal(object)
    preview_changed = Signal(object)
    scan_changed = Signal(object)
    spacing_changed = Signal(object)
    slice_changed = Signal(object)
    prediction_changed = Signal(object)
    analysis_changed = Signal(object)
    result_changed = Signal(object)
    engine_changed = Signal(object)
    mask_changed = Signal(object)
    measured_changed = Signal(object)
    badge_changed = Signal(object)
    settled = Signal()

    def __init__(self, settings: Settings | None = None, parent: QObject | None = None) -> None:
        super().__init__(settings or Settings(), parent)
        self.listing: ScanListing | None = None
        self.preview: OpenedScan | None = None
        self._left: _Left | None = None
        self.z = 0
        self.predictions: tuple[Prediction | None, ...] = ()
        self.analysis = Analysis()
        self.result: ScanResult | None = None
        self.engine: EngineFacts | None = None
        self.badges: dict[str, Badge] = {}
        self.edited: dict[int, np.ndarray] = {}
        self.reviewed: frozenset[int] = frozenset()
        self.models_result: ScanResult | None = None
        self._models: tuple[Prediction | None, ...] = ()
        self.areas: tuple[int | None, ...] = ()
        self.measured: Measured | None = None
        self._masked_at = self.style.threshold
        self._bursts = 0
        self._remembered: OrderedDict[str, tuple[ScanResult, tuple[Prediction | None, ...]]] = OrderedDict()
        self.prediction_changed.connect(self._on_prediction)
        self.style_changed.connect(self._on_style)

    @property
    def unsettled(self) -> bool:
        """Whether more signals follow at once."""
        return self._bursts > 0

    @contextmanager
    def _together(self) -> Iterator[None]:
        self._bursts += 1
        try:
            yield
        finally:
            self._bursts -= 1
        if not self._bursts:
            self.settled.emit()

    # What is open

    def show_preview(self, preview: OpenedScan) -> None:
        """One slice of a scan of which the others are still being read. The scan on screen leaves it; `open` or `end_preview` is next."""
        if self.preview is None:
            self._left = _Left(self.scan, self.z, self.analysis, self._models) if self.scan is not None else None
        self.preview, self.scan = preview, None
        self._empty()
        with self._together():
            self._announce()
            self.preview_changed.emit(preview)

    def end_preview(self) -> bool:
        """It is not to be read after all: back to the scan that was on screen before, its slice, and what an analysis had found when it ended.
        Whether the preview interrupted one."""
        left = self._left
        self._no_preview()
        if left is None:
            self._announce()
            return False
        with self._together():
            self.open(left.scan)
            self.set_slice(left.z)
            if self.result is None and left.analysis.phase in (Phase.STOPPED, Phase.FAILED):
                self._models = self.predictions = left.predictions
                self.analysis = left.analysis
                self._announce_answers()
        return left.analysis.phase is Phase.RUNNING

    def _no_preview(self) -> None:
        self._left = None
        if self.preview is not None:
            self.preview = None
            self.preview_changed.emit(None)

    def _empty(self) -> None:
        """No answers and no scan to have them."""
        self.result, self.models_result = None, None
        self.z, self.windows, self.predictions, self._models = 0, (), (), ()
        self.edited, self.reviewed = {}, frozenset()
        self.analysis = Analysis()

    def open(self, scan: OpenedScan) -> None:
        """Puts another scan on screen, with the finished answer it got before where there is one."""
        with self._together():
            self._open(scan)

    def _open(self, scan: OpenedScan) -> None:
        self._no_preview()
        if self.listing is not scan.listing:
            known = {id(series) for series in self.listing.series} if self.listing is not None else set()
            self.listing = scan.listing
            if not known <= {id(series) for series in scan.listing.series}:  # else it only grew
                self.badges = {}
                self._remembered.clear()
            self.listing_changed.emit(self.listing)
        self.scan = scan
        self.put_measured(None)
        self.edited, self.reviewed = {}, frozenset()
        count = len(scan.volume)
        self.z = count // 2
        self.windows = self.windows_of(scan)
        self.models_result, self._models = self._remembered.get(scan.series.key, (None, (None,) * count))
        self.result, self.predictions = self.models_result, self._models
        self.areas = (None,) * count  # until the masks are announced
        self.analysis = Analysis(Phase.FINISHED if self.result else Phase.NONE, count if self.result else 0, count)
        self._announce()

    def close(self) -> None:
        """Back to the start page."""
        with self._together():
            self._no_preview()
            self.listing, self.scan, self.badges = None, None, {}
            self._empty()
            self._remembered.clear()
            self.listing_changed.emit(None)
            self._announce()

    def assume_spacing(self, spacing: Spacing | None) -> None:
        """The spacing (dz, dy, dx) in mm that was typed for the scan on screen, or None: unknown again."""
        if self.scan is None:
            return
        volume = assume(self.scan.volume, spacing)
        if volume is not self.scan.volume:
            self.scan = replace(self.scan, volume=volume)
            self.spacing_changed.emit(volume)

    def _announce(self) -> None:
        with self._together():
            self.scan_changed.emit(self.scan)
            self.windows_changed.emit(self.windows)
            self.slice_changed.emit(self.z)
            self._announce_answers()

    def _announce_answers(self) -> None:
        with self._together():
            self.prediction_changed.emit(None)
            self.result_changed.emit(self.result)
            self.analysis_changed.emit(self.analysis)

    # What is shown of it

    @Slot(object)
    def set_slice(self, z: int) -> None:
        """Goes to a slice; beyond the ends, to the end."""
        if not self.predictions:
            return
        z = min(max(int(z), 0), len(self.predictions) - 1)
        if z != self.z:
            self.z = z
            self.slice_changed.emit(z)

    def go_to_finding(self, step: int) -> bool:
        """Goes to the next (1) or previous (-1) slice with a tumour, round the end; whether there is one."""
        found = [p.z for p in self.predictions if p is not None and p.tumour]
        if not found:
            return False
        beyond = [z for z in found if (z - self.z) * step > 0]
        if step > 0:
            self.set_slice(min(beyond or found))
        else:
            self.set_slice(max(beyond or found))
        return True

    # What the models said of it

    @property
    def prediction(self) -> Prediction | None:
        """Of the slice on screen."""
        return self.predictions[self.z] if self.predictions else None

    def start_analysis(self) -> None:
        """Forgets the answers of the scan on screen."""
        count = len(self.predictions)
        self.models_result = self.result = None
        self._models = self.predictions = (None,) * count
        self.analysis = Analysis(Phase.RUNNING, 0, count)
        self._announce_answers()

    def put_prediction(self, prediction: Prediction) -> None:
        """One slice's answer arrived."""
        self._models = _with(self._models, prediction)
        self.predictions = _with(self.predictions, self._counting(prediction))
        self.prediction_changed.emit(self.predictions[prediction.z])
        if self.models_result is not None and self.scan is not None:
            self._remember(self.models_result)
        if self.analysis.phase is Phase.RUNNING:
            done = sum(p is not None for p in self.predictions)
            self.analysis = replace(self.analysis, done=done)
            self.analysis_changed.emit(self.analysis)

    def finish_analysis(self, result: ScanResult) -> None:
        """The whole scan's answer: takes the place of every provisional one."""
        count = len(result.predictions)
        self.propose_threshold(result.threshold)
        self.models_result, self._models = result, result.predictions
        self.predictions = tuple(self._counting(prediction) for prediction in result.predictions)
        self.result = replace(result, predictions=self.predictions)
        self.analysis = Analysis(Phase.FINISHED, count, count)
        self._remember(result)
        self._count_findings()
        self._announce_answers()

    def end_analysis(self, phase: Phase) -> None:
        """Stopped or failed: what is finished stays."""
        self.analysis = replace(self.analysis, phase=phase)
        self.analysis_changed.emit(self.analysis)

    # The mask that counts

    def found(self, z: int) -> np.ndarray | None:
        """(Y, X) bool: the mask that is shown, measured and exported of a slice.

        The one made by hand where there is one, else the models' at the present threshold; None where the segmenter has not run.
        """
        prediction = self.predictions[z]
        return None if prediction is None else prediction.found(self.style.threshold)

    def whole_mask(self) -> np.ndarray | None:
        """(Z, Y, X) bool: the masks of all slices, empty where one is not known; None where no scan is open."""
        if self.volume is None:
            return None
        whole = np.zeros(self.volume.shape, bool)
        for z in range(len(whole)):
            found = self.found(z)
            if found is not None:
                whole[z] = found
        return whole

    def put_edit(self, z: int, mask: np.ndarray | None, *, final: bool = True) -> None:
        """A slice's mask made by hand, (Y, X) bool, or None: the models' own counts again. `final` is False while it is being drawn."""
        if mask is None:
            self.edited.pop(z, None)
        else:
            self.edited[z] = mask
        self._count([z], final)

    def put_edits(self, edited: Mapping[int, np.ndarray], reviewed: frozenset[int] = frozenset()) -> None:
        """All masks made by hand, (Y, X) bool each; of every other slice the models' own counts. And the slices that a person looked at."""
        self.reviewed = reviewed
        changed = [z for z in sorted({*self.edited, *edited}) if self.edited.get(z) is not edited.get(z)]
        self.edited = dict(edited)
        if changed:
            self._count(changed, final=True)

    def _count(self, slices: list[int], final: bool) -> None:
        """The predictions and the result follow the masks made by hand. `predictions` and `result` are what counts, `models_result` is what the
        models said."""
        predictions = list(self.predictions)
        for z in slices:
            predictions[z] = self._counting(self._models[z])
        self.predictions = tuple(predictions)
        self.prediction_changed.emit(self.predictions[slices[0]] if len(slices) == 1 else None)
        if final and self.models_result is not None:
            counting = tuple(self._counting(prediction) for prediction in self.models_result.predictions)
            self.result = replace(self.models_result, predictions=counting)
            self._count_findings()
            self.result_changed.emit(self.result)

    def _counting(self, prediction: Prediction | None) -> Prediction | None:
        """What counts of a slice: what the models said, or the mask made by hand."""
        if prediction is None or prediction.z not in self.edited:
            return prediction
        return prediction.with_drawn(self.edited[prediction.z])

    def _count_findings(self) -> None:
        if self.scan is not None and self.result is not None:
            key = self.scan.series.key
            self.badges[key] = Badge(self.result.slices_with_tumour, len(self.predictions))
            self.badge_changed.emit(key)

    def put_measured(self, measured: Measured | None) -> None:
        if measured is not self.measured:
            self.measured = measured
            self.measured_changed.emit(measured)

    def _area(self, z: int) -> int | None:
        """Pixels of a slice's mask, or None where that is not known."""
        prediction = self.predictions[z]
        return None if prediction is None else prediction.area_px(self.style.threshold)

    @Slot(object)
    def _on_prediction(self, prediction: Prediction | None) -> None:
        if prediction is None:
            self.areas = tuple(self._area(z) for z in range(len(self.predictions)))
        else:
            self.areas = (*self.areas[: prediction.z], self._area(prediction.z), *self.areas[prediction.z + 1 :])
        self.mask_changed.emit(None if prediction is None else prediction.z)

    @Slot(object)
    def _on_style(self, style: OverlayStyle) -> None:
        if style.threshold != self._masked_at:
            self._masked_at = style.threshold
            self.areas = tuple(self._area(z) for z in range(len(self.predictions)))
            self.mask_changed.emit(None)

    def forget_answers(self) -> None:
        """Those of the scans that are not on screen."""
        self._remembered.clear()
        known, self.badges = self.badges, {}
        for key in known:
            self.badge_changed.emit(key)

    def _remember(self, result: ScanResult) -> None:
        if self.scan is None:
            return
        key = self.scan.series.key
        self._remembered[key] = (result, self._models)
        self._remembered.move_to_end(key)
        while len(self._remembered) > REMEMBERED_SCANS:
            self._remembered.popitem(last=False)

    def set_engine(self, engine: EngineFacts | None) -> None:
        if engine != self.engine:
            self.engine = engine
            self.engine_changed.emit(engine)


def _with(predictions: tuple[Prediction | None, ...], one: Prediction | None) -> tuple[Prediction | None, ...]:
    """The same with another prediction for a slice."""
    return tuple(one if one is not None and z == one.z else prediction for z, prediction in enumerate(predictions))
