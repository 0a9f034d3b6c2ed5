"""The state on screen: one object owns it, everything else asks it and is told by its signals."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot

from ..formats.series import ScanListing, Series
from ..imaging.prediction import OverlayStyle, Prediction, ScanResult
from ..imaging.volume import Volume, Window
from ..settings import Settings

REMEMBERED_SCANS = 8
"""Finished answers kept in memory, so that going back to a scan needs no new run."""


class Phase(Enum):
    """Where the analysis of the scan on screen stands."""

    NONE = "not analysed"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Analysis:
    """Attributes:
    done: slices that have an answer.
    total: slices of the scan.
    """

    phase: Phase = Phase.NONE
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Layers:
    """What is drawn over the scan, and how the scan itself is drawn."""

    overlay: bool = True
    reference: bool = False
    heatmap: bool = False
    smooth: bool = True


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What computes, in words for the user.

    Attributes:
        gpu_note: why no GPU is used, or "".
    """

    name: str
    device: str
    precision: str
    gpu_note: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class OpenedScan:
    """What opening a scan gives: made on a worker, so that the window has nothing left to compute.

    Attributes:
        windows: the automatic window of each channel.
        thumbnail: (H, W, 3) uint8 RGB of the middle slice.
        notes: sentences on what could not be opened on the way.
    """

    listing: ScanListing
    series: Series
    volume: Volume
    windows: tuple[Window, ...]
    thumbnail: np.ndarray
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Badge:
    """A series' result in the list: slices with a tumour of all slices."""

    found: int
    total: int


class Session(QObject):
    """Signals, one a field; each is sent after the change and only where something changed.

    listing_changed: ScanListing or None.
    scan_changed: OpenedScan or None; what belongs to the scan (slice, windows, predictions) has been reset and follows by its own signals.
    slice_changed: displayed index.
    show_changed: one of render.SHOWS.
    windows_changed: tuple of Window.
    layers_changed: Layers.
    style_changed: OverlayStyle.
    prediction_changed: a Prediction that arrived, or None when all of them changed.
    analysis_changed: Analysis.
    result_changed: ScanResult or None.
    engine_changed: EngineFacts or None.
    badge_changed: key of the series whose badge is new.
    """

    listing_changed = Signal(object)
    scan_changed = Signal(object)
    slice_changed = Signal(object)
    show_changed = Signal(object)
    windows_changed = Signal(object)
    layers_changed = Signal(object)
    style_changed = Signal(object)
    prediction_changed = Signal(object)
    analysis_changed = Signal(object)
    result_changed = Signal(object)
    engine_changed = Signal(object)
    badge_changed = Signal(object)

    def __init__(self, settings: Settings | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        settings = settings or Settings()
        self.listing: ScanListing | None = None
        self.scan: OpenedScan | None = None
        self.z = 0
        self.show = settings.show
        self.windows: tuple[Window, ...] = ()
        self.layers = Layers()
        threshold = OverlayStyle().threshold if settings.threshold is None else settings.threshold
        self.style = OverlayStyle(settings.colour, settings.opacity, threshold, settings.outline)
        self.predictions: tuple[Prediction | None, ...] = ()
        self.analysis = Analysis()
        self.result: ScanResult | None = None
        self.engine: EngineFacts | None = None
        self.badges: dict[str, Badge] = {}
        self._threshold_chosen = settings.threshold is not None
        self._remembered: OrderedDict[str, tuple[ScanResult, tuple[Prediction | None, ...]]] = OrderedDict()

    # What is open

    @property
    def volume(self) -> Volume | None:
        return self.scan.volume if self.scan else None

    def open(self, scan: OpenedScan) -> None:
        """Puts another scan on screen, with the finished answer it got before where there is one."""
        if self.listing is not scan.listing:
            self.listing = scan.listing
            self.badges = {}
            self._remembered.clear()
            self.listing_changed.emit(self.listing)
        self.scan = scan
        count = len(scan.volume)
        self.z = count // 2
        self.windows = scan.windows
        self.result, self.predictions = self._remembered.get(scan.series.key, (None, (None,) * count))
        self.analysis = Analysis(Phase.FINISHED if self.result else Phase.NONE, count if self.result else 0, count)
        self._announce()

    def close(self) -> None:
        """Back to the start page."""
        self.listing, self.scan, self.result = None, None, None
        self.z, self.windows, self.predictions, self.badges = 0, (), (), {}
        self.analysis = Analysis()
        self._remembered.clear()
        self.listing_changed.emit(None)
        self._announce()

    def _announce(self) -> None:
        self.scan_changed.emit(self.scan)
        self.windows_changed.emit(self.windows)
        self.slice_changed.emit(self.z)
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

    def set_show(self, show: str) -> None:
        if show != self.show:
            self.show = show
            self.show_changed.emit(show)

    def set_windows(self, windows: tuple[Window, ...]) -> None:
        if windows != self.windows:
            self.windows = windows
            self.windows_changed.emit(windows)

    def drag_window(self, right: float, up: float) -> None:
        """Widens (right) and raises (up) the window of what is shown, in fractions of its automatic width."""
        if self.scan is None:
            return
        moved = list(self.windows)
        for channel in self.channels_shown():
            now, auto = self.windows[channel], self.scan.windows[channel]
            width = max(now.width + right * auto.width, auto.width / 200)
            level = now.level - up * auto.width
            moved[channel] = Window(level - width / 2, level + width / 2)
        self.set_windows(tuple(moved))

    @Slot()
    def reset_windows(self) -> None:
        if self.scan is not None:
            self.set_windows(self.scan.windows)

    def channels_shown(self) -> tuple[int, ...]:
        """Indices of the channels that the picture is made of."""
        if self.volume is None:
            return ()
        if self.volume.composed and self.show != "composite":
            return (self.volume.channels.index(self.show),)
        return tuple(range(len(self.volume.channels)))

    def set_layers(self, **changes: bool) -> None:
        layers = replace(self.layers, **changes)
        if layers != self.layers:
            self.layers = layers
            self.layers_changed.emit(layers)

    @Slot(bool)
    def show_overlay(self, on: bool) -> None:
        self.set_layers(overlay=on)

    @Slot(bool)
    def show_reference(self, on: bool) -> None:
        self.set_layers(reference=on)

    @Slot(bool)
    def show_heatmap(self, on: bool) -> None:
        self.set_layers(heatmap=on)

    @Slot(bool)
    def show_outline(self, on: bool) -> None:
        self.set_style(outline=on)

    def set_style(self, **changes: object) -> None:
        style = replace(self.style, **changes)
        self._threshold_chosen = self._threshold_chosen or "threshold" in changes
        self._put_style(style)

    @Slot()
    def reset_style(self) -> None:
        """The look that the program proposes, with the models' own threshold."""
        self._threshold_chosen = False
        threshold = self.result.threshold if self.result else OverlayStyle().threshold
        self._put_style(OverlayStyle(threshold=threshold))

    def looks(self, settings: Settings) -> Settings:
        """Settings with the present look of things, to be kept for the next start."""
        style = self.style
        return replace(
            settings,
            opacity=style.opacity,
            colour=style.rgb,
            outline=style.outline,
            threshold=style.threshold if self._threshold_chosen else None,
            show=self.show,
        )

    def _put_style(self, style: OverlayStyle) -> None:
        if style != self.style:
            self.style = style
            self.style_changed.emit(style)

    # What the models said of it

    @property
    def prediction(self) -> Prediction | None:
        """Of the slice on screen."""
        return self.predictions[self.z] if self.predictions else None

    def start_analysis(self) -> None:
        """Forgets the answers of the scan on screen."""
        count = len(self.predictions)
        self.result, self.predictions = None, (None,) * count
        self.analysis = Analysis(Phase.RUNNING, 0, count)
        self.prediction_changed.emit(None)
        self.result_changed.emit(None)
        self.analysis_changed.emit(self.analysis)

    def propose_threshold(self, threshold: float) -> None:
        """The models' own threshold, unless someone chose another."""
        if not self._threshold_chosen:
            self._put_style(replace(self.style, threshold=threshold))

    def put_prediction(self, prediction: Prediction) -> None:
        """One slice's answer arrived."""
        predictions = list(self.predictions)
        predictions[prediction.z] = prediction
        self.predictions = tuple(predictions)
        self.prediction_changed.emit(prediction)
        if self.result is not None and self.scan is not None:
            self._remember(self.result)
        if self.analysis.phase is Phase.RUNNING:
            done = sum(p is not None for p in self.predictions)
            self.analysis = replace(self.analysis, done=done)
            self.analysis_changed.emit(self.analysis)

    def finish_analysis(self, result: ScanResult) -> None:
        """The whole scan's answer: takes the place of every provisional one."""
        count = len(result.predictions)
        self.propose_threshold(result.threshold)
        self.result, self.predictions = result, result.predictions
        self.analysis = Analysis(Phase.FINISHED, count, count)
        self._remember(result)
        if self.scan is not None:
            key = self.scan.series.key
            self.badges[key] = Badge(result.slices_with_tumour, count)
            self.badge_changed.emit(key)
        self.prediction_changed.emit(None)
        self.result_changed.emit(result)
        self.analysis_changed.emit(self.analysis)

    def end_analysis(self, phase: Phase) -> None:
        """Stopped or failed: what is finished stays."""
        self.analysis = replace(self.analysis, phase=phase)
        self.analysis_changed.emit(self.analysis)

    def _remember(self, result: ScanResult) -> None:
        if self.scan is None:
            return
        key = self.scan.series.key
        self._remembered[key] = (result, self.predictions)
        self._remembered.move_to_end(key)
        while len(self._remembered) > REMEMBERED_SCANS:
            self._remembered.popitem(last=False)

    def set_engine(self, engine: EngineFacts | None) -> None:
        if engine != self.engine:
            self.engine = engine
            self.engine_changed.emit(engine)
