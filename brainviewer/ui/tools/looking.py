"""How the scan and what was found are drawn: overlays, sequences, window, zoom."""

from __future__ import annotations

from functools import partial

from ..overlay_panel import OverlayPanel
from ..stage import Stage
from .tool import VIEW, Command, Tool

OPACITY_STEP = 0.1
ZOOM_STEP = 1.25


class Overlays(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        stage.right.add_section(OverlayPanel(self.session), 1)

    def commands(self) -> tuple[Command, ...]:
        tr, is_open, layer, session = self.tr, self.is_open, self._layer, self.session
        return (
            layer("overlay", "overlayAction", tr("&Overlay"), "O", tr("Show the predicted mask")),
            layer("reference", "referenceAction", tr("&Reference"), "R", tr("Show the mask that came with the scan")),
            layer("agreement", "agreementAction", tr("A&greement"), "Shift+R", tr("Show what the mask hits, misses and marks in vain")),
            layer("heatmap", "heatmapAction", tr("&Heat map"), "H", tr("Show the probability of each pixel")),
            Command(
                "outlineAction",
                VIEW,
                tr("Outline on&ly"),
                lambda: session.show_outline(not session.style.outline),
                ("L",),
                tr("Draw the border of the mask only"),
                is_open,
                lambda: session.style.outline,
            ),
            Command(
                "hatchAction",
                VIEW,
                tr("Hatch&ed"),
                lambda: session.show_hatch(not session.style.hatch),
                ("Shift+L",),
                tr("Draw the mask as stripes, so that the tissue below can be seen"),
                is_open,
                lambda: session.style.hatch,
            ),
            Command("lessOpacityAction", VIEW, tr("Less opa&que"), partial(self._add_opacity, -OPACITY_STEP), ("[",), enabled=is_open),
            Command("moreOpacityAction", VIEW, tr("&More opaque"), partial(self._add_opacity, OPACITY_STEP), ("]",), enabled=is_open),
        )

    def _layer(self, layer: str, name: str, text: str, key: str, tip: str) -> Command:
        """One that is on or off in the session's layers."""

        def is_on() -> bool:
            return getattr(self.session.layers, layer)

        def can() -> bool:
            return self.is_open() and (layer not in ("reference", "agreement") or self.session.volume.reference is not None)

        return Command(name, VIEW, text, lambda: self.session.set_layers(**{layer: not is_on()}), (key,), tip, can, is_on)

    def _add_opacity(self, step: float) -> None:
        self.session.set_style(opacity=min(max(round(self.session.style.opacity + step, 2), 0.0), 1.0))


class Sequences(Tool):
    """Which of a composed scan's sequences is shown."""

    def commands(self) -> tuple[Command, ...]:
        tr = self.tr
        return tuple(
            Command(
                name,
                VIEW,
                text,
                partial(self.session.set_show, show),
                (key,),
                enabled=lambda: self.is_open() and self.session.volume.composed,
                checked=lambda show=show: self.session.show == show,
                group="show",
            )
            for show, name, text, key in (
                ("pre", "showPreAction", tr("&Pre-contrast T1"), "1"),
                ("flair", "showFlairAction", tr("&FLAIR"), "2"),
                ("post", "showPostAction", tr("Pos&t-contrast T1"), "3"),
                ("composite", "showCompositeAction", tr("&Colour composite"), "0"),
            )
        )


class Picture(Tool):
    """Contrast, zoom, and how pixels are enlarged."""

    def commands(self) -> tuple[Command, ...]:
        tr, is_open, session, view = self.tr, self.is_open, self.session, self.stage.scan.view
        return (
            Command(
                "autoWindowAction",
                VIEW,
                tr("&Automatic window"),
                session.reset_windows,
                ("A",),
                tr("Contrast and brightness from the values of the scan"),
                is_open,
            ),
            *(
                Command(
                    f"{preset}WindowAction",
                    VIEW,
                    text,
                    partial(session.use_preset, preset),
                    (f"Alt+{number}",),
                    tip,
                    is_open,
                    within=tr("&Window presets"),
                )
                for number, (preset, text, tip) in enumerate(self._presets(), 1)
            ),
            Command("invertAction", VIEW, tr("&Invert"), session.invert, ("I",), tr("Black for white"), is_open, lambda: session.inverted),
            Command("fitAction", VIEW, tr("F&it"), view.fit, ("F",), tr("Show the whole slice"), is_open),
            Command(
                "actualSizeAction",
                VIEW,
                tr("Actual si&ze (1:1)"),
                view.show_actual_size,
                ("Ctrl+0",),
                tr("One pixel of the scan on one pixel of the screen"),
                is_open,
            ),
            Command("zoomInAction", VIEW, tr("&Zoom in"), partial(view.zoom, ZOOM_STEP), ("Ctrl++", "Ctrl+="), enabled=is_open),
            Command("zoomOutAction", VIEW, tr("Zoom o&ut"), partial(view.zoom, 1 / ZOOM_STEP), ("Ctrl+-",), enabled=is_open),
            Command(
                "smoothAction",
                VIEW,
                tr("&Smooth pixels"),
                lambda: session.set_layers(smooth=not session.layers.smooth),
                ("S",),
                tr("Blend enlarged pixels; off shows them as squares"),
                is_open,
                lambda: session.layers.smooth,
            ),
        )

    def _presets(self) -> tuple[tuple[str, str, str], ...]:
        tr = self.tr
        return (
            ("full", tr("&Full range of values"), tr("Every value of the scan, from the lowest to the highest")),
            ("soft", tr("&Soft contrast"), tr("Less contrast than the automatic window")),
            ("hard", tr("&Hard contrast"), tr("More contrast than the automatic window")),
            ("bright", tr("&Bright parts"), tr("Spreads out what is bright: oedema and tumour on FLAIR")),
            ("dark", tr("&Dark parts"), tr("Spreads out what is dark: fluid on FLAIR, the lower half of the values")),
        )
