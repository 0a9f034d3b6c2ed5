"""The card where a user says how large the voxels are, for scans whose files do not."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ..formats.typed_spacing import MOST_MM, Spacing, checked
from ..imaging.volume import Volume
from . import palette
from .sheets import Card

GRID_PX = palette.GRID_PX


class SpacingSheet(Card):
    """Signals:
    chosen: (dz, dy, dx) in mm, or None: unknown again.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("spacingSheet")
        self.setAccessibleName(self.tr("Spacing"))
        self.width_mm = self._field("pixelWidthBox", self.tr("Pixel width"))
        self.height_mm = self._field("pixelHeightBox", self.tr("Pixel height"))
        self.depth_mm = self._field("sliceDistanceBox", self.tr("From slice to slice"))
        self._last_width = 0.0
        self.width_mm.valueChanged.connect(self._on_width)
        self._use = self._button("useSpacingButton", self.tr("Use"), self._on_use)
        self._forget = self._button("forgetSpacingButton", self.tr("Unknown again"), self._on_forget)
        self._cancel = self._button("spacingCancelButton", self.tr("Cancel"), self.dismiss)
        self._lay_out()

    def _field(self, name: str, words: str) -> QDoubleSpinBox:
        box = QDoubleSpinBox(self)
        box.setObjectName(name)
        box.setAccessibleName(words)
        box.setDecimals(3)
        box.setRange(0, MOST_MM)
        box.setSingleStep(0.1)
        box.setSuffix(self.tr(" mm"))
        box.setSpecialValueText(self.tr("not known"))
        box.setKeyboardTracking(True)
        box.valueChanged.connect(self._on_changed)
        box.lineEdit().returnPressed.connect(self._on_use)
        return box

    def _button(self, name: str, text: str, slot: object) -> QPushButton:
        button = QPushButton(text, self)
        button.setObjectName(name)
        button.clicked.connect(slot)
        return button

    def _lay_out(self) -> None:
        title = QLabel(self.tr("Spacing"), self)
        palette.emphasise(title)
        hint = QLabel(
            self.tr(
                "The files do not say how large their voxels are. What you type is kept for this scan, and everything that is computed from it "
                "is marked as assumed."
            ),
            self,
        )
        hint.setWordWrap(True)
        palette.quieten(hint)
        head = QHBoxLayout()
        head.addWidget(title, 1)
        head.addWidget(self.close_button(), 0, Qt.AlignmentFlag.AlignTop)
        fields = QHBoxLayout()
        fields.setSpacing(2 * GRID_PX)
        for box in (self.width_mm, self.height_mm, self.depth_mm):
            one = QVBoxLayout()
            one.setSpacing(GRID_PX // 2)
            label = QLabel(box.accessibleName(), self)
            label.setBuddy(box)
            one.addWidget(label)
            one.addWidget(box)
            fields.addLayout(one, 1)
        foot = QHBoxLayout()
        foot.setSpacing(GRID_PX)
        foot.addWidget(self._forget)
        foot.addStretch(1)
        foot.addWidget(self._use)
        foot.addWidget(self._cancel)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, GRID_PX + 4, 2 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(GRID_PX + 4)
        column.addLayout(head)
        column.addWidget(hint)
        column.addLayout(fields)
        column.addLayout(foot)

    def open(self, volume: Volume) -> None:
        """Shows the card with the spacing that was typed before, if one was."""
        dz, dy, dx = volume.voxel_mm or (0.0, 0.0, 0.0)
        self._last_width = dx
        for box, value in ((self.width_mm, dx), (self.height_mm, dy), (self.depth_mm, dz)):
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)
        self._forget.setVisible(volume.spacing_assumed)
        palette.make_primary(self._use)
        self._on_changed(0.0)
        self.show()
        self.width_mm.setFocus()
        self.width_mm.selectAll()

    def _typed(self) -> Spacing | None:
        try:
            return checked([self.depth_mm.value(), self.height_mm.value(), self.width_mm.value()])
        except ValueError:
            return None

    @Slot(float)
    def _on_width(self, width: float) -> None:
        """Pixels are square until someone says otherwise."""
        if self.height_mm.value() == self._last_width:
            self.height_mm.setValue(width)
        self._last_width = width

    @Slot(float)
    def _on_changed(self, value: float) -> None:
        self._use.setEnabled(self._typed() is not None)

    @Slot()
    def _on_use(self) -> None:
        spacing = self._typed()
        if spacing is not None:
            self.dismiss()
            self.chosen.emit(spacing)

    @Slot()
    def _on_forget(self) -> None:
        self.dismiss()
        self.chosen.emit(None)
