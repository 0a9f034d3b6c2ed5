"""The foot of the window: what computes, what is being waited for, and the line that is always there."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QPalette, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from . import measures, palette
from .flow import Busy
from .session import Session
from .side_panel import rule
from .state import EngineFacts

GRID_PX = palette.GRID_PX
PATIENCE_MS = 600
"""Shorter waits show nothing."""


class StatusStrip(QWidget):
    """Signals:
    cancel_wanted: the button was pressed.
    busy_shown: Busy whose wait has become long enough to be shown, or None.
    """

    cancel_wanted = Signal()
    busy_shown = Signal(object)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._busy: Busy | None = None
        self.engine = QLabel(self)
        self.engine.setObjectName("engineLabel")
        self.engine.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        palette.quieten(self.engine)
        self.progress = QLabel(self)
        self.progress.setObjectName("progressLabel")
        self.progress.setFont(palette.tabular(self.progress.font()))
        self.bar = QProgressBar(self)
        self.bar.setObjectName("progressBar")
        self.bar.setTextVisible(False)
        self.bar.setFixedSize(16 * GRID_PX, 6)
        self.button = QPushButton(self.tr("Cancel"), self)
        self.button.setObjectName("cancelButton")
        self.button.setToolTip(self.tr("Stop; what is finished is kept (Esc)"))
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(self.cancel_wanted)
        for widget in (self.bar, self.button):
            policy = widget.sizePolicy()
            policy.setRetainSizeWhenHidden(True)
            widget.setSizePolicy(policy)
            widget.hide()
        research = QLabel(self.tr("Research use only. Not for diagnosis."), self)
        research.setObjectName("researchLabel")
        research.setAlignment(Qt.AlignmentFlag.AlignCenter)
        research.setFixedHeight(3 * GRID_PX)
        research.setAutoFillBackground(True)
        research.setBackgroundRole(QPalette.ColorRole.Base)
        row = QHBoxLayout()
        row.setContentsMargins(2 * GRID_PX, GRID_PX // 2, GRID_PX, GRID_PX // 2)
        row.setSpacing(GRID_PX + 4)
        row.addWidget(self.engine, 1)
        row.addWidget(self.progress)
        row.addWidget(self.bar)
        row.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(rule(self))
        column.addLayout(row)
        column.addWidget(research)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self._show_busy)
        session.engine_changed.connect(self._on_engine)
        self._on_engine(None)

    @Slot(object)
    def set_busy(self, busy: Busy | None) -> None:
        self._busy = busy
        if busy is None:
            self._patience.stop()
            self.progress.setText("")
            self.bar.hide()
            self.button.hide()
            self.busy_shown.emit(None)
        elif self.button.isVisible():
            self._show_busy()
        elif not self._patience.isActive():
            self._patience.start()

    @Slot()
    def _show_busy(self) -> None:
        busy = self._busy
        if busy is None:
            return
        words = busy.text
        if busy.total > 1 and busy.done:
            words = self.tr("{} {} of {}").format(busy.text, busy.done, busy.total)
        if busy.left_s is not None and busy.left_s >= 1:
            words = self.tr("{}, {} left").format(words, measures.duration_words(busy.left_s))
        self.progress.setText(words)
        self.bar.setUpdatesEnabled(False)  # else the bar paints at once, and everything with it that waits to be painted
        self.bar.setRange(0, busy.total)
        self.bar.setValue(busy.done)
        self.bar.setUpdatesEnabled(True)
        self.bar.show()
        self.button.show()
        self.busy_shown.emit(busy)

    @Slot(object)
    def _on_engine(self, changed: object) -> None:
        self._elide()

    def _elide(self) -> None:
        words = engine_words(self._session.engine)
        self.engine.setToolTip(words)
        self.engine.setText(self.engine.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, max(self.engine.width(), 80)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()


ENGINE_NAMES = {"onnx": "ONNX Runtime", "tensorflow": "TensorFlow"}


def engine_words(engine: EngineFacts | None) -> str:
    """ "ONNX Runtime, CPU, float32", and why it is no GPU."""
    if engine is None:
        return ""
    words = ", ".join((ENGINE_NAMES.get(engine.name, engine.name), engine.device, engine.precision))
    return f"{words}. {engine.gpu_note}" if engine.gpu_note else words
