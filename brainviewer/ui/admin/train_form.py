"""What a training does, with defaults that suit most: folded away behind one button."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QGridLayout, QHBoxLayout, QLabel, QSlider, QSpinBox, QWidget

from .. import palette

GRID_PX = palette.GRID_PX
FIELD_PX = 24 * GRID_PX
BOTH, CLASSIFY, SEGMENT = "both", "classify", "segment"
CURRENT, IMAGENET, NOTHING = "current", "imagenet", "none"
SIZES = (256, 128, 64)
DEVICES = ("auto", "cpu", "gpu")


@dataclass(frozen=True, slots=True)
class TrainWishes:
    """Attributes:
    networks: "both", "classify" or "segment".
    start: "current", "imagenet", "none", or the id of a pair of models.
    size: pixels a side of the networks' input.
    strength: of the augmentation, 0 to 2.
    device: "auto", "cpu" or "gpu".
    """

    networks: str = BOTH
    start: str = CURRENT
    epochs: int = 10
    size: int = 256
    batch: int = 16
    learning_rate: float = 3e-4
    patience: int = 5
    strength: float = 1.0
    device: str = "auto"

    @property
    def tasks(self) -> tuple[str, ...]:
        return (CLASSIFY, SEGMENT) if self.networks == BOTH else (self.networks,)


class TrainForm(QWidget):
    """Signals:
    changed: TrainWishes.
    """

    changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("trainForm")
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(GRID_PX, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * GRID_PX)
        self._grid.setVerticalSpacing(GRID_PX)
        self._grid.setColumnStretch(2, 1)
        self._grid.setColumnMinimumWidth(2, 2 * GRID_PX)
        usual = TrainWishes()
        networks = ((self.tr("Classifier and segmenter"), BOTH), (self.tr("Classifier: whether"), CLASSIFY), (self.tr("Segmenter: where"), SEGMENT))
        self.networks = self._choice("networksBox", networks)
        self.start = self._choice("startBox", ())
        self.set_pairs(())
        self.epochs = self._number("epochsBox", 1, 500, usual.epochs)
        self.size = self._choice("sizeBox", tuple((self.tr("{} pixels a side").format(n), n) for n in SIZES))
        self.batch = self._number("batchBox", 1, 128, usual.batch)
        self.learning_rate = QDoubleSpinBox(self)
        self.learning_rate.setObjectName("learningRateBox")
        self.learning_rate.setDecimals(5)
        self.learning_rate.setRange(0.00001, 0.1)
        self.learning_rate.setSingleStep(0.0001)
        self.learning_rate.setValue(usual.learning_rate)
        self.learning_rate.valueChanged.connect(self._on_changed)
        self.patience = self._number("patienceBox", 1, 500, usual.patience)
        self.strength = QSlider(Qt.Orientation.Horizontal, self)
        self.strength.setObjectName("strengthSlider")
        self.strength.setRange(0, 200)
        self.strength.setPageStep(25)
        self.strength.setValue(round(100 * usual.strength))
        self.strength.valueChanged.connect(self._on_changed)
        self._strength_value = QLabel(self)
        self._strength_value.setFont(palette.tabular(self._strength_value.font()))
        self._strength_value.setFixedWidth(self._strength_value.fontMetrics().horizontalAdvance("200 %") + 4)
        palette.quieten(self._strength_value)
        devices = ((self.tr("Automatic"), "auto"), (self.tr("CPU"), "cpu"), (self.tr("GPU"), "gpu"))
        self.device = self._choice("deviceBox", devices)
        self._lay_out()
        self._on_changed()

    def _choice(self, name: str, rows: tuple[tuple[str, object], ...]) -> QComboBox:
        box = QComboBox(self)
        box.setObjectName(name)
        for words, value in rows:
            box.addItem(words, value)
        box.currentIndexChanged.connect(self._on_changed)
        return box

    def _number(self, name: str, least: int, most: int, value: int) -> QSpinBox:
        box = QSpinBox(self)
        box.setObjectName(name)
        box.setRange(least, most)
        box.setValue(value)
        box.valueChanged.connect(self._on_changed)
        return box

    def _lay_out(self) -> None:
        strength = QHBoxLayout()
        strength.setSpacing(GRID_PX)
        strength.addWidget(self.strength, 1)
        strength.addWidget(self._strength_value)
        rows = (
            (self.tr("Train"), self.networks, ""),
            (self.tr("Start from"), self.start, self.tr("What the networks know before the first step")),
            (self.tr("Epochs"), self.epochs, self.tr("How often every slice is seen")),
            (self.tr("Stop early after"), self.patience, self.tr("epochs without a better validation score")),
            (self.tr("Input"), self.size, self.tr("Smaller is faster and less exact; models for use need 256")),
            (self.tr("Slices at a time"), self.batch, self.tr("Fewer need less memory")),
            (self.tr("Learning rate"), self.learning_rate, self.tr("The size of the first steps")),
            (self.tr("Augmentation"), strength, self.tr("How far slices are turned, stretched, dimmed and blurred")),
            (self.tr("Compute on"), self.device, self.tr("A GPU where there is one")),
        )
        for row, (words, field, about) in enumerate(rows):
            label, note = QLabel(words, self), QLabel(about, self)
            palette.quieten(note)
            self._grid.addWidget(label, row, 0)
            if isinstance(field, QWidget):
                field.setFixedWidth(FIELD_PX)
                field.setAccessibleName(words)
                label.setBuddy(field)
                self._grid.addWidget(field, row, 1)
            else:
                self.strength.setAccessibleName(words)
                self._grid.addLayout(field, row, 1)
            self._grid.addWidget(note, row, 2)

    def set_pairs(self, pairs: tuple[tuple[str, str], ...]) -> None:
        """Other models to start from: (words, id) of each."""
        chosen = self.start.currentData() or CURRENT
        self.start.blockSignals(True)
        self.start.clear()
        rows = [(self.tr("The models in use"), CURRENT), *pairs, (self.tr("ImageNet (classifier only)"), IMAGENET), (self.tr("Nothing"), NOTHING)]
        for words, value in rows:
            self.start.addItem(words, value)
        self.start.setCurrentIndex(max(0, self.start.findData(chosen)))
        self.start.blockSignals(False)

    @property
    def wishes(self) -> TrainWishes:
        return TrainWishes(
            networks=self.networks.currentData(),
            start=self.start.currentData(),
            epochs=self.epochs.value(),
            size=self.size.currentData(),
            batch=self.batch.value(),
            learning_rate=self.learning_rate.value(),
            patience=self.patience.value(),
            strength=self.strength.value() / 100,
            device=self.device.currentData(),
        )

    @Slot()
    def _on_changed(self) -> None:
        if not hasattr(self, "device"):
            return  # still being made
        self._strength_value.setText(self.tr("{} %").format(self.strength.value()))
        self.changed.emit(self.wishes)
