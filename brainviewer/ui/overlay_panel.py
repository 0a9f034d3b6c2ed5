"""How the findings are drawn: everything here acts at once and needs no new run."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtGui import QAction, QActionGroup, QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QMenu, QSlider, QToolButton, QVBoxLayout, QWidget

from ..imaging.prediction import PALETTE
from . import palette
from .session import Session
from .side_panel import heading

GRID_PX = palette.GRID_PX


class OverlayPanel(QWidget):
    """Boxes, sliders and the colour, bound to the session's layers and style."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.show_box = self._box("showOverlayBox", self.tr("Overlay"), self.tr("Show the predicted mask (O)"))
        self.outline_box = self._box("outlineBox", self.tr("Outline only"), self.tr("Draw the border of the mask only (L)"))
        self.hatch_box = self._box("hatchBox", self.tr("Hatched"), self.tr("Draw the mask as stripes (Shift+L)"))
        self.reference_box = self._box("referenceBox", self.tr("Reference"), "")
        self.agreement_box = self._box("agreementBox", self.tr("Agreement"), "")
        self.heatmap_box = self._box("heatmapBox", self.tr("Heat map"), self.tr("Show the probability of each pixel (H)"))
        self.opacity = self._slider("opacitySlider", self.tr("Opacity"), self.tr("Opacity of the overlay ([ and ])"))
        self.threshold = self._slider("thresholdSlider", self.tr("Threshold"), self.tr("Probability from which a pixel belongs to the mask"))
        self.opacity_value, self.threshold_value = self._value(), self._value()
        self.colour = QToolButton(self)
        self.colour.setObjectName("colourButton")
        self.colour.setAccessibleName(self.tr("Colour of the overlay"))
        self.colour.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.colour.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.colour.setToolTip(self.tr("Colour of the overlay; all of them can be told apart without colour vision"))
        self.colour.setIconSize(QSize(14, 14))
        self.colour.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._colours = QActionGroup(self)
        self.colour.setMenu(self._colour_menu())
        self.reset = QToolButton(self)
        self.reset.setObjectName("resetLookButton")
        self.reset.setText(self.tr("Reset"))
        self.reset.setToolTip(self.tr("Back to the proposed colour, opacity and threshold"))
        self.reset.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._lay_out()
        self._connect()
        self._on_style(None)
        self._on_layers(None)
        self._on_scan(None)

    def _box(self, name: str, text: str, tip: str) -> QCheckBox:
        box = QCheckBox(text, self)
        box.setObjectName(name)
        box.setToolTip(tip)
        box.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click leaves the arrow keys to the scan
        return box

    def _slider(self, name: str, accessible: str, tip: str) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal, self)
        slider.setObjectName(name)
        slider.setAccessibleName(accessible)
        slider.setToolTip(tip)
        slider.setRange(0, 100)
        slider.setPageStep(10)
        slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return slider

    def _value(self) -> QLabel:
        label = QLabel(self)
        label.setFont(palette.tabular(label.font()))
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        label.setFixedWidth(label.fontMetrics().horizontalAdvance("100 %") + 2)
        palette.quieten(label)
        return label

    def _colour_menu(self) -> QMenu:
        menu = QMenu(self.colour)
        for name, rgb in PALETTE.items():
            action = QAction(swatch(rgb), name.capitalize(), menu)
            action.setObjectName(f"colour_{name.replace(' ', '_')}")
            action.setData(rgb)
            action.setCheckable(True)
            self._colours.addAction(action)
            menu.addAction(action)
        return menu

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(GRID_PX)
        grid.setVerticalSpacing(GRID_PX)
        grid.setColumnStretch(1, 1)
        for row, (words, slider, value) in enumerate(
            ((self.tr("Opacity"), self.opacity, self.opacity_value), (self.tr("Threshold"), self.threshold, self.threshold_value))
        ):
            label = QLabel(words, self)
            label.setBuddy(slider)
            grid.addWidget(label, row, 0)
            grid.addWidget(slider, row, 1)
            grid.addWidget(value, row, 2)
        boxes = QGridLayout()
        boxes.setHorizontalSpacing(2 * GRID_PX)
        boxes.setVerticalSpacing(GRID_PX)
        for position, box in enumerate(self._boxes()):
            boxes.addWidget(box, position // 2, position % 2)
        buttons = QHBoxLayout()
        buttons.addWidget(self.colour)
        buttons.addStretch()
        buttons.addWidget(self.reset)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(GRID_PX + GRID_PX // 2)
        column.addWidget(heading(self.tr("Overlay"), self))
        column.addLayout(boxes)
        column.addLayout(grid)
        column.addLayout(buttons)
        column.addStretch()

    def _boxes(self) -> tuple[QCheckBox, ...]:
        """In two columns."""
        return self.show_box, self.heatmap_box, self.outline_box, self.hatch_box, self.reference_box, self.agreement_box

    def _connect(self) -> None:
        session = self._session
        self.show_box.toggled.connect(session.show_overlay)
        self.outline_box.toggled.connect(session.show_outline)
        self.hatch_box.toggled.connect(session.show_hatch)
        self.reference_box.toggled.connect(session.show_reference)
        self.agreement_box.toggled.connect(session.show_agreement)
        self.heatmap_box.toggled.connect(session.show_heatmap)
        self.opacity.valueChanged.connect(self._set_opacity)
        self.threshold.valueChanged.connect(self._set_threshold)
        self._colours.triggered.connect(self._set_colour)
        self.reset.clicked.connect(session.reset_style)
        session.style_changed.connect(self._on_style)
        session.layers_changed.connect(self._on_layers)
        session.scan_changed.connect(self._on_scan)

    @Slot(int)
    def _set_opacity(self, percent: int) -> None:
        self._session.set_style(opacity=percent / 100)

    @Slot(int)
    def _set_threshold(self, percent: int) -> None:
        self._session.set_style(threshold=percent / 100)

    @Slot(QAction)
    def _set_colour(self, action: QAction) -> None:
        self._session.set_style(rgb=tuple(action.data()))

    @Slot(object)
    def _on_style(self, changed: object) -> None:
        style = self._session.style
        for slider, value in ((self.opacity, style.opacity), (self.threshold, style.threshold)):
            slider.blockSignals(True)
            slider.setValue(round(value * 100))
            slider.blockSignals(False)
        self.opacity_value.setText(self.tr("{} %").format(round(style.opacity * 100)))
        self.threshold_value.setText(f"{style.threshold:.2f}")
        self._tick({self.outline_box: style.outline, self.hatch_box: style.hatch})
        for action in self._colours.actions():
            if tuple(action.data()) == style.rgb:
                action.setChecked(True)
                self.colour.setIcon(action.icon())
                self.colour.setText(action.text())

    @Slot(object)
    def _on_layers(self, changed: object) -> None:
        layers = self._session.layers
        self._tick({self.show_box: layers.overlay, self.heatmap_box: layers.heatmap})
        self._tick({self.reference_box: layers.reference, self.agreement_box: layers.agreement})

    def _tick(self, ticks: dict[QCheckBox, bool]) -> None:
        for box, on in ticks.items():
            box.blockSignals(True)
            box.setChecked(on)
            box.blockSignals(False)

    @Slot(object)
    def _on_scan(self, changed: object) -> None:
        volume = self._session.volume
        self.setEnabled(volume is not None)
        has_reference = volume is not None and volume.reference is not None
        for box, shown in (
            (self.reference_box, self.tr("Show the mask that came with the scan, as a sky blue outline (R)")),
            (
                self.agreement_box,
                self.tr("Show what the mask hits, misses and marks in vain, against the mask that came with the scan (Shift+R)"),
            ),
        ):
            box.setEnabled(has_reference)
            box.setToolTip(shown if has_reference else self.tr("No mask came with this scan"))


def swatch(rgb: tuple[int, int, int]) -> QIcon:
    """A patch of one colour."""
    result = QPixmap(28, 28)
    result.setDevicePixelRatio(2)
    result.fill(Qt.GlobalColor.transparent)
    painter = QPainter(result)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(*rgb))
    painter.drawRoundedRect(0, 0, 14, 14, 3, 3)
    painter.end()
    return QIcon(result)
