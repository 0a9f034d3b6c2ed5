"""The middle of the window: the scan, and under it the detection strip and the slider."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from ..formats.series import Series
from ..imaging.prediction import Prediction
from ..imaging.volume import Volume
from . import measures, palette
from .icons import IconButton
from .legend import Legend
from .picture import picture_of
from .session import Session
from .slice_view import Place, SliceView
from .state import OpenedScan
from .timeline import Bar, DetectionStrip

GRID_PX = palette.GRID_PX


class ScanPanel(QWidget):
    """Shows the session's scan and takes the mouse's wishes back to the session."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._hovered: tuple[int, int] | None = None
        self._largest = 0
        self._filled_from: tuple[object, ...] = ()
        self._drawn: tuple | None = None
        self._shown: Series | None = None
        self._previewing = False
        self._left: tuple[Series | None, Place | None] = (None, None)  # what made room for a preview
        self.view = SliceView(self)
        self.legend = Legend()
        self.view.add_hand(self.legend)
        self.strip = DetectionStrip(self)
        self.strip.set_colour(session.style.rgb)
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setObjectName("sliceSlider")
        self.slider.setAccessibleName(self.tr("Slice"))
        self.slider.setToolTip(self.tr("Slice (wheel, arrow keys, Page Up and Page Down, Home and End)"))
        self.slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.slider.setPageStep(5)
        self.previous_button = IconButton("previous", "previousFindingButton", self)
        self.previous_button.set_words(self.tr("Previous finding (Shift+N)"))
        self.next_button = IconButton("next", "nextFindingButton", self)
        self.next_button.set_words(self.tr("Next finding (N)"))
        self.strip_words = QLabel(self.tr("Up: probability. Down: area. \u25c6 The models disagree."), self)
        palette.quieten(self.strip_words)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setContentsMargins(GRID_PX, 0, GRID_PX, 0)
        row.setSpacing(GRID_PX)
        row.addWidget(self.previous_button)
        row.addWidget(self.next_button)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(GRID_PX)
        row.addLayout(self.buttons)
        row.addStretch()
        row.addWidget(self.strip_words)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, GRID_PX)
        column.setSpacing(0)
        column.addWidget(self.view, 1)
        column.addWidget(self.strip)
        column.addWidget(self.slider)
        column.addLayout(row)

    def _connect(self) -> None:
        session = self._session
        self.view.scrolled.connect(self._on_scrolled)
        self.strip.scrolled.connect(self._on_scrolled)
        self.view.level_dragged.connect(self._on_level_dragged)
        self.view.hovered.connect(self._on_hovered)
        self.strip.slice_chosen.connect(session.set_slice)
        self.slider.valueChanged.connect(session.set_slice)
        self.previous_button.clicked.connect(self.go_to_previous_finding)
        self.next_button.clicked.connect(self.go_to_next_finding)
        session.scan_changed.connect(self._on_scan)
        session.preview_changed.connect(self._on_scan)
        session.spacing_changed.connect(self._on_spacing)
        session.slice_changed.connect(self._on_slice)
        session.show_changed.connect(self._on_look)
        session.windows_changed.connect(self._on_look)
        session.layers_changed.connect(self._on_look)
        session.style_changed.connect(self._on_style)
        session.mask_changed.connect(self._on_mask)
        session.prediction_changed.connect(self._on_prediction)
        session.result_changed.connect(self._on_result)

    @Slot()
    def go_to_next_finding(self) -> None:
        self._session.go_to_finding(1)

    @Slot()
    def go_to_previous_finding(self) -> None:
        self._session.go_to_finding(-1)

    @Slot(object)
    def _on_scrolled(self, steps: int) -> None:
        self._session.set_slice(self._session.z + steps)

    @Slot(object)
    def _on_level_dragged(self, moved: tuple[float, float]) -> None:
        self._session.drag_window(*moved)

    @Slot(object)
    def _on_hovered(self, pixel: tuple[int, int] | None) -> None:
        if pixel != self._hovered:
            self._hovered = pixel
            self._write_corners()

    @Slot(object)
    def _on_scan(self, scan: object) -> None:
        session, volume, preview = self._session, self._session.volume, self._session.preview
        self._hovered = None
        count = len(volume) if volume is not None else preview.series.shape[0] if preview is not None else 0
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(count - 1, 0))
        self.slider.setValue(session.z if volume is not None else count // 2)
        self.slider.blockSignals(False)
        self.slider.setEnabled(volume is not None and count > 1)
        shown = session.scan or preview
        if shown is not None:
            self._turn_to(shown)
        self._draw()

    def _turn_to(self, shown: OpenedScan) -> None:
        """A scan comes whole into view, but as it was seen before where it is what its preview showed, or where a preview made room for it."""
        known = self._shown, self.view.place()
        self._set_grid(shown.volume)
        for series, place in (known, self._left):
            if series is shown.series:
                self.view.put_at(place)
        if shown is not self._session.preview:
            self._left = None, None
        elif not self._previewing:
            self._left = known
        self._shown, self._previewing = shown.series, shown is self._session.preview

    @Slot(object)
    def _on_spacing(self, volume: Volume) -> None:
        self._set_grid(volume)
        self._fill_strip()
        self._draw()

    def _set_grid(self, volume: Volume) -> None:
        spacing = volume.spacing
        self.view.set_grid(volume.shape[1:], (spacing[1], spacing[2]) if spacing else None, volume.plane)

    @Slot(object)
    def _on_slice(self, z: int) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(z)
        self.slider.blockSignals(False)
        self.strip.set_current(z)
        self._draw()

    @Slot(object)
    def _on_look(self, changed: object) -> None:
        self.view.set_smooth(self._session.layers.smooth)
        self._draw()

    @Slot(object)
    def _on_style(self, style: object) -> None:
        self.strip.set_colour(self._session.style.rgb)
        self._draw()

    @Slot(object)
    def _on_prediction(self, prediction: Prediction | None) -> None:
        if prediction is None or prediction.z == self._session.z:
            self._draw()

    @Slot(object)
    def _on_result(self, result: object) -> None:
        self.strip.set_decision(self._session.result.decision_threshold if self._session.result else None)

    def _draw(self) -> None:
        session = self._session
        # Opening a scan says several things at once, each of which asks for a new picture.
        rests_on = (session.volume, session.z, session.windows, session.prediction, session.style, session.show, session.layers)
        if session.volume is None or rests_on != self._drawn:
            self._drawn = rests_on if session.volume is not None else None
            self.view.set_picture(picture_of(session))
        self.legend.explain(session)
        self._write_corners()
        bars = self.strip.bars
        self.view.setAccessibleDescription(bars[session.z].words if session.z < len(bars) else "")

    def _write_corners(self) -> None:
        session, volume = self._session, self._session.volume
        if volume is None:
            self.view.set_corners(**self._preview_corners())
            return
        place = self.tr("{} / {}").format(session.z + 1, len(volume))
        prediction = session.prediction
        state = []
        if prediction is not None and prediction.provisional:
            state.append(self.tr("Provisional"))
        if prediction is not None and prediction.drawn is not None:
            state.append(self.tr("Edited by hand"))
        if session.layers.heatmap and (prediction is None or prediction.mask is None):
            state.append(self.tr("Heat map not computed yet"))
        self.view.set_corners(
            top_left=(measures.sequence_words(session),),
            top_right=tuple(state),
            bottom_left=(*self._pixel_words(), place + self._height_words()),
            bottom_right=self._window_words(),
        )

    def _preview_corners(self) -> dict[str, tuple[str, ...]]:
        """While the other slices are being read."""
        preview = self._session.preview
        if preview is None:
            return {}
        count = preview.series.shape[0]
        name = measures.show_words(self._session.show) if preview.volume.composed else preview.series.description or preview.series.key
        return {
            "top_left": (name,),
            "top_right": (self.tr("The other slices are being read"),),
            "bottom_left": (self.tr("{} / {}").format(count // 2 + 1, count),),
        }

    def _height_words(self) -> str:
        """Where the slice lies along the volume's axis, in the patient's own millimetres."""
        volume = self._session.volume
        if volume is None or volume.affine is None or volume.plane is None:
            return ""
        axis = {"sagittal": 0, "coronal": 1, "axial": 2}[volume.plane]
        middle = volume.affine @ (volume.shape[2] / 2, volume.shape[1] / 2, self._session.z, 1)
        return self.tr("   {:+.1f} mm").format(middle[axis])

    def _window_words(self) -> tuple[str, ...]:
        channels = self._session.channels_shown()
        if len(channels) != 1:
            return ()
        window = self._session.windows[channels[0]]
        digits = 0 if window.width >= 20 else 3
        return (self.tr("W {:.{digits}f}   L {:.{digits}f}").format(window.width, window.level, digits=digits),)

    def _pixel_words(self) -> tuple[str, ...]:
        if self._hovered is None or self._session.volume is None:
            return ()
        row, column = self._hovered
        values = self._session.volume[self._session.z][row, column, list(self._session.channels_shown())]
        words = self.tr("x {}, y {}: {}").format(column, row, " ".join(f"{v:g}" for v in values))
        place = measures.place_words(self._session.volume, (self._session.z, row, column))
        return (place, words) if place else (words,)

    @Slot(object)
    def _on_mask(self, z: int | None) -> None:
        bars = self.strip.bars
        if z is None or len(bars) != len(self._session.areas) or self._largest != self._largest_area():
            self._fill_strip()
        else:
            self._filled_from = ()
            self.strip.set_bars((*bars[:z], self._bar(z), *bars[z + 1 :]))

    def _largest_area(self) -> int:
        return max((area for area in self._session.areas if area), default=0)

    def _fill_strip(self) -> None:
        session = self._session
        self._largest = self._largest_area()
        rests_on = (session.volume, *session.predictions, *session.areas)
        if len(rests_on) == len(self._filled_from) and all(a is b for a, b in zip(rests_on, self._filled_from, strict=True)):
            return  # an analysis that begins finds the strip of a scan just opened as empty as it leaves it
        self._filled_from = rests_on
        count = len(session.areas) if session.volume is not None else 0
        self.strip.set_bars(tuple(self._bar(z) for z in range(count)))

    def _bar(self, z: int) -> Bar:
        """What the strip shows of a slice."""
        volume, prediction, area = self._session.volume, self._session.predictions[z], self._session.areas[z]
        assert volume is not None
        words = measures.slice_words(volume, z, prediction, area)
        if prediction is None:
            return Bar(words=words)
        share = area / self._largest if area is not None and self._largest else None
        return Bar(prediction.p_tumour, prediction.tumour, share, prediction.provisional, words, bool(prediction.only_seen_by))
