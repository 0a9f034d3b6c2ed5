"""How a candidate was judged against the models in use: verdict, figures side by side, plots, the worst patients."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from .. import icons, palette
from ..sheets import sentence
from ..side_panel import rule
from .judgement import Figure, Judged, Judgement
from .page import Section, empty
from .pictures import PictureView
from .plots import ConfusionTable, CurvePlot, PairChart

GRID_PX = palette.GRID_PX
SIGNS = {"better": "done", "equal": "warning", "worse": "error"}
ROC_PX = 30 * GRID_PX


class VerdictView(QWidget):
    """Empty until it is given a judgement."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("verdictView")
        self._sign = QLabel(self)
        self.verdict = QLabel(self)
        self.verdict.setObjectName("judgeVerdictLabel")
        palette.emphasise(self.verdict, large=True)
        self.sentence = sentence("", self, name="judgeSentence")
        head = QHBoxLayout()
        head.setSpacing(GRID_PX)
        head.addWidget(self._sign)
        head.addWidget(self.verdict, 1)
        self._parts = QVBoxLayout()
        self._parts.setSpacing(3 * GRID_PX)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX)
        column.addLayout(head)
        column.addWidget(self.sentence)
        column.addSpacing(GRID_PX)
        column.addLayout(self._parts)
        self.hide()

    def show_judgement(self, judgement: Judgement | None) -> None:
        empty(self._parts)
        self.setVisible(judgement is not None)
        if judgement is None:
            return
        kind = SIGNS.get(judgement.verdict, "info")
        self._sign.setPixmap(icons.pixmap(kind, palette.status_colour(kind), 20, self.devicePixelRatioF()))
        self.verdict.setText(verdict_words(judgement.verdict))
        self.sentence.setText(judgement.sentence)
        for part in judgement.parts:
            self._parts.addWidget(self._part(part))

    def _part(self, part: Judged) -> QWidget:
        section = Section(part.title, self)
        section.column.setSpacing(2 * GRID_PX)
        section.add(self._table(part.figures))
        beside = QHBoxLayout()
        beside.setSpacing(4 * GRID_PX)
        if part.confusion is not None:
            tables = QVBoxLayout()
            tables.setSpacing(2 * GRID_PX)
            for words, counts in zip((self.tr("Candidate, slices"), self.tr("In use, slices")), part.confusion, strict=True):
                table = ConfusionTable("confusionTable", self)
                table.show_counts(words, counts)
                tables.addWidget(table)
            tables.addStretch(1)
            beside.addLayout(tables)
        if part.roc is not None:
            names = (self.tr("candidate"), self.tr("in use"))
            plot = CurvePlot("rocPlot", self.tr("ROC of the slice decision"), self.tr("false alarms"), names, self, legend_below=True)
            plot.setFixedHeight(ROC_PX)
            for words, (x, y) in zip(names, part.roc, strict=True):
                plot.show_curve(words, x, y)
            plot.set_across(0, 1)
            plot.set_up(0, 1)
            beside.addWidget(plot, 1, Qt.AlignmentFlag.AlignTop)
        if part.confusion is not None or part.roc is not None:
            section.add(beside)
        if part.dice:
            section.add(sentence(self.tr("Dice by patient: filled, the candidate; ring, the models in use"), self, quiet=True))
            chart = PairChart("diceChart", self)
            chart.show_pairs(part.dice)
            section.add(chart)
        if part.pictures:
            section.add(sentence(self.tr("The candidate's worst patients: scan with the mask, models in use, candidate"), self, quiet=True))
        for words, file in part.pictures:
            picture = PictureView("worstPicture", words, self)
            if picture.show_file(file):
                section.add(sentence(words, self, quiet=True), picture)
        return section

    def _table(self, figures: tuple[Figure, ...]) -> QWidget:
        """Words, candidate, in use, difference; a value that got worse is marked by a word's colour and its sign."""
        table = QWidget(self)
        grid = QGridLayout(table)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(3 * GRID_PX)
        grid.setVerticalSpacing(GRID_PX // 2)
        grid.setColumnStretch(4, 1)
        for column, words in enumerate(("", self.tr("candidate"), self.tr("in use"), self.tr("difference"))):
            grid.addWidget(self._cell(words, quiet=True, right=column > 0), 0, column)
        grid.addWidget(rule(self), 1, 0, 1, 4)
        for row, figure in enumerate(figures, 2):
            grid.addWidget(self._cell(figure.words), row, 0)
            grid.addWidget(self._cell(value_words(figure.candidate, figure.candidate_interval), right=True), row, 1)
            grid.addWidget(self._cell(value_words(figure.current, figure.current_interval), right=True), row, 2)
            cell = self._cell(difference_words(figure), right=True)
            kind = direction(figure)
            if kind:
                colours = cell.palette()
                colours.setColor(QPalette.ColorRole.WindowText, palette.status_colour(kind))
                cell.setPalette(colours)
            grid.addWidget(cell, row, 3)
        return table

    def _cell(self, words: str, *, quiet: bool = False, right: bool = False) -> QLabel:
        label = QLabel(words, self)
        label.setFont(palette.tabular(label.font()))
        if right:
            label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if quiet:
            palette.quieten(label)
        return label


def verdict_words(verdict: str) -> str:
    return {
        "better": _tr("Better than the models in use"),
        "equal": _tr("No better than the models in use"),
        "worse": _tr("Worse than the models in use"),
    }.get(verdict, _tr("Not compared"))


def value_words(value: float | None, interval: tuple[float, float] | None) -> str:
    """ "0.786 (0.672 to 0.871)"."""
    if value is None:
        return "-"
    return f"{value:.3f}" if interval is None else _tr("{:.3f} ({:.3f} to {:.3f})").format(value, *interval)


def difference_words(figure: Figure) -> str:
    if figure.candidate is None or figure.current is None:
        return ""
    return f"{figure.candidate - figure.current:+.3f}".replace("-", "\N{MINUS SIGN}")


def direction(figure: Figure) -> str:
    """ "done" for better, "error" for worse, "" for the same to three digits."""
    if figure.candidate is None or figure.current is None:
        return ""
    gain = round(figure.candidate - figure.current, 3) * (-1 if figure.lower_is_better else 1)
    return "" if gain == 0 else "done" if gain > 0 else "error"


def _tr(text: str) -> str:
    return QCoreApplication.translate("VerdictView", text)
