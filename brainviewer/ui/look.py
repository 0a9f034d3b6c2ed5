"""How the scan and what was found are drawn: the part of the session that looks change."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal, Slot

from ..formats.sequence import FLAIR, T1, T1_POST
from ..imaging.prediction import OverlayStyle
from ..imaging.presets import preset
from ..imaging.volume import Volume, Window
from ..settings import Settings
from .state import OpenedScan


@dataclass(frozen=True, slots=True)
class Layers:
    """What is drawn over the scan, and how the scan itself is drawn."""

    overlay: bool = True
    reference: bool = False
    heatmap: bool = False
    agreement: bool = False
    smooth: bool = True


COMPOSED_KINDS = {"pre": T1, "flair": FLAIR, "post": T1_POST}


class Look(QObject):
    """Signals, one a field; each is sent after the change and only where something changed.

    show_changed: one of render.SHOWS.
    windows_changed: tuple of Window.
    layers_changed: Layers.
    style_changed: OverlayStyle.
    """

    show_changed = Signal(object)
    windows_changed = Signal(object)
    layers_changed = Signal(object)
    style_changed = Signal(object)

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.scan: OpenedScan | None = None
        self.show = settings.show
        self.windows: tuple[Window, ...] = ()
        self.inverted = settings.inverted
        self.layers = Layers(smooth=settings.smooth)
        self._chosen_windows = {kind: (width, shift) for kind, width, shift in settings.windows}
        threshold = OverlayStyle().threshold if settings.threshold is None else settings.threshold
        self.style = OverlayStyle(settings.colour, settings.opacity, threshold, settings.outline, settings.hatch)
        self._threshold_chosen = settings.threshold is not None
        self._proposed = OverlayStyle().threshold

    @property
    def volume(self) -> Volume | None:
        return self.scan.volume if self.scan else None

    def set_show(self, show: str) -> None:
        if show != self.show:
            self.show = show
            self.show_changed.emit(show)

    # Windows: what is shown from black to white, the other way round where `inverted`

    def set_windows(self, windows: tuple[Window, ...]) -> None:
        if windows != self.windows:
            self.windows = windows
            self.windows_changed.emit(windows)

    def drag_window(self, right: float, up: float) -> None:
        """Widens (right) and raises (up) the window of what is shown, in fractions of its automatic width."""
        if self.scan is None:
            return
        chosen = {}
        for channel in self.channels_shown():
            now, auto = self.windows[channel], self.scan.windows[channel]
            width = max(now.width + right * auto.width, auto.width / 200)
            level = now.level - up * auto.width
            chosen[channel] = Window(level - width / 2, level + width / 2)
        self._choose(chosen)

    def use_preset(self, name: str) -> None:
        """One of `presets.PRESETS`, for what is shown."""
        if self.scan is None or self.volume is None:
            return
        windows, voxels = self.scan.windows, self.volume.voxels
        self._choose({channel: preset(name, windows[channel], voxels[..., channel]) for channel in self.channels_shown()})

    @Slot()
    def reset_windows(self) -> None:
        """The automatic ones, now and for scans of this kind to come."""
        if self.scan is not None:
            for channel in range(len(self.scan.windows)):
                self._chosen_windows.pop(_kind(self.scan, channel), None)
            self.set_windows(self.windows_of(self.scan))

    def invert(self) -> None:
        self.inverted = not self.inverted
        self.set_windows(tuple(window.inverted for window in self.windows))

    def _choose(self, chosen: dict[int, Window]) -> None:
        """Other windows for some channels, which are remembered for their kind of sequence."""
        windows = list(self.windows)
        for channel, window in chosen.items():
            windows[channel] = window.inverted if self.inverted else window
            auto, kind = self.scan.windows[channel], _kind(self.scan, channel)
            if kind:
                self._chosen_windows[kind] = (window.width / auto.width, (window.level - auto.level) / auto.width)
        self.set_windows(tuple(windows))

    def windows_of(self, scan: OpenedScan) -> tuple[Window, ...]:
        """The automatic windows as the user had changed those of the same kind."""
        windows = []
        for channel, auto in enumerate(scan.windows):
            width, shift = self._chosen_windows.get(_kind(scan, channel), (1.0, 0.0))
            level = auto.level + shift * auto.width
            window = auto if (width, shift) == (1.0, 0.0) else Window(level - width * auto.width / 2, level + width * auto.width / 2)
            windows.append(window.inverted if self.inverted else window)
        return tuple(windows)

    def channels_shown(self) -> tuple[int, ...]:
        """Indices of the channels that the picture is made of."""
        if self.volume is None:
            return ()
        if self.volume.composed and self.show != "composite":
            return (self.volume.channels.index(self.show),)
        return tuple(range(len(self.volume.channels)))

    def set_layers(self, **changes: bool) -> None:
        """Of the heat map and the agreement one is shown at a time: mixed, neither would have the colours of its legend."""
        if changes.get("heatmap"):
            changes["agreement"] = False
        elif changes.get("agreement"):
            changes["heatmap"] = False
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
    def show_agreement(self, on: bool) -> None:
        self.set_layers(agreement=on)

    @Slot(bool)
    def show_outline(self, on: bool) -> None:
        self.set_style(outline=on, hatch=self.style.hatch and not on)

    @Slot(bool)
    def show_hatch(self, on: bool) -> None:
        self.set_style(hatch=on, outline=self.style.outline and not on)

    def set_style(self, **changes: object) -> None:
        style = replace(self.style, **changes)
        self._threshold_chosen = self._threshold_chosen or "threshold" in changes
        self._put_style(style)

    @Slot()
    def reset_style(self) -> None:
        """The look that the program proposes, with the models' own threshold."""
        self._threshold_chosen = False
        self._put_style(OverlayStyle(threshold=self._proposed))

    def propose_threshold(self, threshold: float) -> None:
        """The models' own threshold, unless someone chose another."""
        self._proposed = threshold
        if not self._threshold_chosen:
            self._put_style(replace(self.style, threshold=threshold))

    def looks(self, settings: Settings) -> Settings:
        """Settings with the present look of things, to be kept for the next start."""
        style = self.style
        return replace(
            settings,
            opacity=style.opacity,
            colour=style.rgb,
            outline=style.outline,
            hatch=style.hatch,
            threshold=style.threshold if self._threshold_chosen else None,
            show=self.show,
            smooth=self.layers.smooth,
            inverted=self.inverted,
            windows=tuple((kind, width, shift) for kind, (width, shift) in self._chosen_windows.items()),
        )

    def _put_style(self, style: OverlayStyle) -> None:
        if style != self.style:
            self.style = style
            self.style_changed.emit(style)


def _kind(scan: OpenedScan, channel: int) -> str:
    """What windows are remembered by: the channel's sequence, or "" where that is not known."""
    if scan.volume.composed:
        return COMPOSED_KINDS[scan.volume.channels[channel]]
    return scan.series.sequence or "" if len(scan.windows) == 1 else ""
