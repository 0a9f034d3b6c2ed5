"""What was found: in the scan, and in the slice on screen."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from . import measures, palette
from .session import Session
from .side_panel import BalancedLabel, heading
from .state import Phase

GRID_PX = palette.GRID_PX


class ResultPanel(QWidget):
    """Keeps its height while results arrive, so that nothing below it jumps.

    Signals:
        analyse_wanted: the button under the verdict was pressed.
    """

    analyse_wanted = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.verdict = BalancedLabel(self)
        self.verdict.setObjectName("verdictLabel")
        palette.emphasise(self.verdict, large=True)
        self.verdict.setWordWrap(True)
        self.verdict.setAccessibleName(self.tr("Verdict"))
        self.size = _label("sizeLabel", self)
        self.size.setWordWrap(True)
        self.button = QPushButton(self.tr("Analyse"), self)
        self.button.setObjectName("analyseButton")
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.setToolTip(self.tr("Analyse the scan (F5)"))
        self.button.clicked.connect(self.analyse_wanted)
        self.slice_verdict = _label("sliceVerdictLabel", self)
        self.slice_facts = _label("sliceFactsLabel", self)
        self.slice_facts.setWordWrap(True)
        palette.quieten(self.size)
        palette.quieten(self.slice_facts)
        self._reserve()
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, GRID_PX // 2, 2 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(GRID_PX // 2)
        column.addWidget(self.verdict)
        column.addWidget(self._below_the_verdict())
        column.addWidget(heading(self.tr("This slice"), self))
        column.addWidget(self.slice_verdict)
        column.addWidget(self.slice_facts)
        for signal in (session.scan_changed, session.spacing_changed, session.analysis_changed, session.result_changed):
            signal.connect(self._on_scan)
        for signal in (session.slice_changed, session.spacing_changed, session.prediction_changed, session.analysis_changed):
            signal.connect(self._on_slice)
        session.mask_changed.connect(self._on_mask)
        session.measured_changed.connect(self._on_measured)
        self._on_scan(None)
        self._on_slice(None)

    def _reserve(self) -> None:
        """Room for the longest words of each state."""
        for label, lines in ((self.verdict, 2), (self.slice_facts, 3)):
            label.setMinimumHeight(lines * label.fontMetrics().lineSpacing())
        for label in (self.verdict, self.size, self.slice_facts):
            label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)

    def _below_the_verdict(self) -> QWidget:
        """Three lines of size, or one line and the button: as high either way."""
        place = QWidget(self)
        place.setFixedHeight(3 * self.size.fontMetrics().lineSpacing() + 2 * GRID_PX)
        column = QVBoxLayout(place)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX)
        column.addWidget(self.size)
        column.addWidget(self.button)
        column.addStretch()
        return place

    @Slot(object)
    def _on_scan(self, changed: object) -> None:
        session = self._session
        self.verdict.setText(measures.verdict_words(session))
        self.size.setText(self._size_words())
        self.size.setToolTip(self.size.text() if session.volume is not None and session.volume.refusal else "")
        phase = session.analysis.phase
        refused = session.volume is not None and bool(session.volume.refusal)
        self.button.setVisible(session.scan is not None and not refused and phase in (Phase.NONE, Phase.STOPPED, Phase.FAILED))
        self.button.setText(self.tr("Analyse") if phase is Phase.NONE else self.tr("Analyse again"))

    def _size_words(self) -> str:
        """The line under the verdict: how large, or what the verdict rests on so far."""
        session, volume = self._session, self._session.volume
        if volume is None:
            return ""
        phase, result = session.analysis.phase, session.result
        if volume.refusal:
            return volume.refusal
        if phase in (Phase.RUNNING, Phase.STOPPED, Phase.FAILED):
            so_far = sum(p is not None and p.tumour for p in session.predictions)
            if so_far:
                return self.tr("Tumour in {} so far, provisional").format(so_far)
            return self.tr("No tumour found so far") if session.analysis.done else ""
        if result is None:
            return ""
        if not result.slices_with_tumour:
            return ""
        ml, measured = measures.volume_ml(session), session.measured
        if ml is None:
            return self.tr("No volume: the file does not say how large a pixel is.")
        words = self.tr("{:.1f} ml").format(ml)
        if measured is not None and measured.range_ml is not None:
            words = self.tr("{:.1f} ml ({:.1f} to {:.1f} ml at thresholds 0.7 to 0.3)").format(ml, *measured.range_ml)
        if session.volume.spacing_assumed:
            words = self.tr("Assumed spacing: {}").format(words)
        diameters = measures.diameter_words(session)
        return f"{words}\n{diameters}" if diameters else words

    @Slot(object)
    def _on_measured(self, measured: object) -> None:
        self.size.setText(self._size_words())

    @Slot(object)
    def _on_mask(self, z: int | None) -> None:
        self.size.setText(self._size_words())
        if z is None or z == self._session.z:
            self._on_slice(None)

    @Slot(object)
    def _on_slice(self, changed: object) -> None:
        session, volume, prediction = self._session, self._session.volume, self._session.prediction
        if volume is None or prediction is None:
            waiting = session.analysis.phase is Phase.RUNNING
            refused = volume is not None and volume.refusal
            words = self.tr("Waiting for its turn") if waiting else self.tr("Not analysed") if refused else self.tr("Not analysed yet")
            self.slice_verdict.setText(words if volume is not None else "")
            self.slice_facts.setText("")
            return
        self.slice_verdict.setText(self.tr("Tumour") if prediction.tumour else self.tr("No tumour found"))
        facts = [self.tr("Probability {}").format(measures.probability_words(prediction.p_tumour))]
        pixels = session.areas[session.z]
        if prediction.tumour and pixels:
            facts[0] += self.tr(", area {}").format(measures.area_words(pixels, volume.spacing))
        elif prediction.tumour and pixels == 0:
            facts.append(self.tr("No pixel is above the threshold"))
        if prediction.only_seen_by:
            facts.append(measures.doubt_words(prediction))
        if prediction.provisional:
            facts.append(self.tr("Provisional"))
        self.slice_facts.setText("\n".join(facts))


def _label(name: str, parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setObjectName(name)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setFont(palette.tabular(label.font()))
    return label
