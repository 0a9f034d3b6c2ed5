"""The reading receipt: a line below the series, and a card with all of it and a sign where the reader should stop."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QScrollArea, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from ..formats.receipt import Receipt
from ..formats.series import ScanListing
from ..imaging.prediction import AMBER_FIT, ScanResult
from . import icons, palette
from .session import Session
from .sheets import Card

GRID_PX = palette.GRID_PX
TALLEST_PX = 54 * GRID_PX


class ReceiptCard(Card):
    widest_px = 84 * GRID_PX

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("receiptCard")
        self.setAccessibleName(self.tr("Reading receipt"))
        self._receipt: Receipt | None = None
        title = QLabel(self.tr("Reading receipt"), self)
        palette.emphasise(title)
        head = QHBoxLayout()
        head.addWidget(title, 1)
        head.addWidget(self.close_button(), 0, Qt.AlignmentFlag.AlignTop)
        self._area = QScrollArea(self)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        hint = QLabel(self.tr("It is saved with what you export."), self)
        palette.quieten(hint)
        self.copy_button = QPushButton(self.tr("Copy"), self)
        self.copy_button.setObjectName("receiptCopyButton")
        self.copy_button.setToolTip(self.tr("Copy the receipt as text"))
        self.copy_button.clicked.connect(self._on_copy)
        foot = QHBoxLayout()
        foot.addWidget(hint, 1)
        foot.addWidget(self.copy_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, GRID_PX + 4, 2 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(GRID_PX + 4)
        column.addLayout(head)
        column.addWidget(self._area)
        column.addLayout(foot)

    def show_receipt(self, receipt: Receipt) -> None:
        self._receipt = receipt
        rows = QWidget()
        grid = QGridLayout(rows)
        grid.setContentsMargins(0, 0, GRID_PX, 0)
        grid.setHorizontalSpacing(GRID_PX + 4)
        grid.setVerticalSpacing(GRID_PX)
        grid.setColumnStretch(2, 1)
        grid.setColumnMinimumWidth(0, 16)
        for row, entry in enumerate(receipt.entries):
            if entry.attention:
                sign = QLabel(rows)
                sign.setPixmap(icons.pixmap("warning", palette.status_colour("warning"), 16, self.devicePixelRatioF()))
                sign.setAccessibleName(self.tr("Attention"))
                grid.addWidget(sign, row, 0, Qt.AlignmentFlag.AlignTop)
            topic = QLabel(entry.topic, rows)
            palette.quieten(topic)
            grid.addWidget(topic, row, 1, Qt.AlignmentFlag.AlignTop)
            words = QLabel(entry.words, rows)
            words.setObjectName(f"receipt_{entry.key}")
            words.setTextFormat(Qt.TextFormat.PlainText)
            words.setWordWrap(True)
            words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
            policy.setHeightForWidth(True)
            words.setSizePolicy(policy)
            grid.addWidget(words, row, 2, Qt.AlignmentFlag.AlignTop)
        self._area.setWidget(rows)
        host = self.parentWidget()
        room = min(self.widest_px, host.width() - 4 * GRID_PX) - 4 * GRID_PX - self._area.verticalScrollBar().sizeHint().width()
        height = grid.totalHeightForWidth(room)
        rows.setFixedHeight(height)  # else each row is as high as it would be at its narrowest
        self._area.setFixedHeight(min(height, TALLEST_PX, host.height() - 20 * GRID_PX))
        self.show()

    @Slot()
    def _on_copy(self) -> None:
        if self._receipt is not None:
            QGuiApplication.clipboard().setText(self._receipt.text())


class ReceiptFoot(QWidget):
    """Below the series: how many files were read, whether the scan fits the models, and the button that says more.

    Signals:
        receipt_wanted: the button was pressed.
    """

    receipt_wanted = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.files = QLabel(self)
        self.files.setObjectName("receiptLabel")
        self.files.setWordWrap(True)
        palette.quieten(self.files)
        self.fit = FitLight(self)
        self.button = QToolButton(self)
        self.button.setObjectName("receiptButton")
        self.button.setText(self.tr("Receipt…"))
        self.button.setToolTip(self.tr("What was read and what was not, and what the answer rests on (Ctrl+I)"))
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(self.receipt_wanted)
        row = QHBoxLayout()
        row.addWidget(self.files, 1)
        row.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, GRID_PX, 2 * GRID_PX, GRID_PX)
        column.setSpacing(GRID_PX)
        column.addWidget(self.fit)
        column.addLayout(row)
        session.listing_changed.connect(self._on_listing)
        session.result_changed.connect(self._on_result)

    @Slot(object)
    def _on_listing(self, listing: ScanListing | None) -> None:
        """Read and ignored files, so that nothing is missing in silence."""
        if listing is None:
            self.files.setText("")
            return
        used, ignored = len({file for s in listing.series for file in s.files}), len(listing.ignored)
        files = self.tr("1 file read") if used == 1 else self.tr("{:,} files read").format(used)
        self.files.setText(self.tr("{}, {:,} ignored").format(files, ignored))

    @Slot(object)
    def _on_result(self, result: ScanResult | None) -> None:
        self.fit.set_fit(result.fit if result is not None else None)


class FitLight(QWidget):
    """Whether the scan fits the models: a green tick, or an amber triangle, and the words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("fitLight")
        self._sign = QLabel(self)
        self.words = QLabel(self)
        self.words.setObjectName("fitLabel")
        palette.quieten(self.words)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        row.addWidget(self._sign)
        row.addWidget(self.words, 1)
        self.hide()

    def set_fit(self, fit: float | None) -> None:
        """0..1, or None where it is not known."""
        self.setVisible(fit is not None)
        if fit is None:
            return
        amber = fit < AMBER_FIT
        kind = "warning" if amber else "done"
        self._sign.setPixmap(icons.pixmap(kind, palette.status_colour(kind), 16, self.devicePixelRatioF()))
        words = self.tr("Does not fit the models: {:.2f}") if amber else self.tr("Fits the models: {:.2f}")
        self.words.setText(words.format(fit))
        self.setToolTip(
            self.tr("The scan does not resemble what the models learned from: their answer may mean nothing.")
            if amber
            else self.tr("How well the scan resembles what the models learned from, of 1.")
        )
