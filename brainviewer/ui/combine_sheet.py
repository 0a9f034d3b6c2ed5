"""The card that makes one scan of three sequences: which series is which, and why some do not go together."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from ..errors import BrainviewerError
from ..formats.compose import Channels, check_channels, combinable, proposed_channels, resampled_roles
from ..formats.series import ScanListing, Series
from . import measures, palette
from .series_panel import title_of
from .sheets import Card

GRID_PX = palette.GRID_PX


class CombineSheet(Card):
    """Signals:
    ordered: Channels.
    """

    ordered = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("combineSheet")
        self.setAccessibleName(self.tr("Combine sequences"))
        self.boxes = {role: self._box(role) for role in ("pre", "flair", "post")}
        self.reason = QLabel(self)
        self.reason.setObjectName("combineReason")
        self.reason.setWordWrap(True)
        self.reason.setMinimumHeight(2 * self.reason.fontMetrics().lineSpacing())
        self.reason.setAlignment(Qt.AlignmentFlag.AlignTop)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.reason.setSizePolicy(policy)
        self._go = QPushButton(self.tr("Combine"), self)
        self._go.setObjectName("combineGoButton")
        self._go.clicked.connect(self._on_combine)
        self._cancel = QPushButton(self.tr("Cancel"), self)
        self._cancel.setObjectName("combineCancelButton")
        self._cancel.clicked.connect(self.dismiss)
        self._lay_out()

    def _box(self, role: str) -> QComboBox:
        box = QComboBox(self)
        box.setObjectName(f"{role}Box")
        box.setAccessibleName(measures.show_words(role))
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.currentIndexChanged.connect(self._on_changed)
        return box

    def _lay_out(self) -> None:
        title = QLabel(self.tr("Combine sequences"), self)
        palette.emphasise(title)
        hint = QLabel(
            self.tr("Three registered series of one examination become one scan on the grid of FLAIR. Which is which is guessed; change it here."),
            self,
        )
        hint.setWordWrap(True)
        palette.quieten(hint)
        head = QHBoxLayout()
        head.addWidget(title, 1)
        head.addWidget(self.close_button(), 0, Qt.AlignmentFlag.AlignTop)
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * GRID_PX)
        grid.setVerticalSpacing(GRID_PX)
        grid.setColumnStretch(1, 1)
        for row, (role, box) in enumerate(self.boxes.items()):
            label = QLabel(measures.show_words(role), self)
            label.setBuddy(box)
            grid.addWidget(label, row, 0)
            grid.addWidget(box, row, 1)
        foot = QHBoxLayout()
        foot.setSpacing(GRID_PX)
        foot.addStretch(1)
        foot.addWidget(self._go)
        foot.addWidget(self._cancel)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, GRID_PX + 4, 2 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(GRID_PX + 4)
        column.addLayout(head)
        column.addWidget(hint)
        column.addLayout(grid)
        column.addWidget(self.reason)
        column.addLayout(foot)

    def open(self, listing: ScanListing, current: Series | None) -> None:
        """Shows the card with a guess; nothing happens where there are not two series to combine."""
        guess = proposed_channels(listing, current)
        if guess is None:
            return
        for role, box in self.boxes.items():
            box.blockSignals(True)
            box.clear()
            if role != "flair":
                box.addItem(self.tr("None: FLAIR takes its place"), None)
            for series in combinable(listing):
                box.addItem(_words(series), series)
            chosen = getattr(guess, role)
            box.setCurrentIndex(next((n for n in range(box.count()) if box.itemData(n) is chosen), 0))
            box.blockSignals(False)
        palette.make_primary(self._go)
        self._on_changed(0)
        self.show()
        self._go.setFocus()

    def _chosen(self) -> Channels:
        return Channels(**{role: box.currentData() for role, box in self.boxes.items()})

    @Slot(int)
    def _on_changed(self, index: int) -> None:
        """Says at once what will come of it, or why it cannot be."""
        channels = self._chosen()
        why = ""
        chosen = [series for series in (channels.pre, channels.flair, channels.post) if series is not None]
        if len({id(series) for series in chosen}) < len(chosen):
            why = self.tr("One series cannot be two sequences at once.")
        elif len(chosen) < 2:
            why = self.tr("Choose a pre-contrast or a post-contrast T1 beside FLAIR.")
        else:
            try:
                check_channels(channels)
            except BrainviewerError as error:
                why = error.sentence
        self._go.setEnabled(not why)
        self.reason.setText(why or self._what_happens(channels))

    def _what_happens(self, channels: Channels) -> str:
        moved = [measures.show_words(role) for role in resampled_roles(channels)]
        if not moved:
            return self.tr("They lie on one grid, as far as their files say.")
        return self.tr("Resampled to the grid of FLAIR: {}.").format(", ".join(moved))

    @Slot()
    def _on_combine(self) -> None:
        channels = self._chosen()
        self.dismiss()
        self.ordered.emit(channels)


def _words(series: Series) -> str:
    slices = QCoreApplication.translate("CombineSheet", "{} slices").format(series.shape[0])
    return ", ".join(part for part in (title_of(series), series.sequence or "", series.plane or "", slices) if part)
