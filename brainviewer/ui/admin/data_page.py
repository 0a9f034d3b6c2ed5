"""Choosing labelled data and seeing, before anything is trained, what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QHBoxLayout, QLabel, QListWidgetItem, QVBoxLayout, QWidget

from ... import paths
from ...errors import BrainviewerError
from .. import measures, palette
from ..flow import Busy
from ..sheets import sentence
from ..start_page import DropPlace
from ..worker import Outcome, Progress, Worker
from . import inspection
from .check_report import CheckReport, Finding, read_report
from .child import Child
from .gate import note
from .page import CalmList, Page, Section, Tiles, push_button
from .pictures import PictureView
from .plots import BLUE, VERMILION, Bar, BarChart, CurvePlot

GRID_PX = palette.GRID_PX
MOST_BARS = 60
LIST_PX = 34 * GRID_PX
OPTIONS = ("--json", "--progress")
FINDING = Qt.ItemDataRole.UserRole


class DataPage(Page):
    """Signals:
    checked: CheckReport of the folder that training will use, or None.
    """

    checked = Signal(object)

    def __init__(
        self,
        worker: Worker,
        ask_folder: Callable[[QWidget, str, Path], Path | None],
        make_child: Callable[[str, QWidget], Child] = Child,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("adminDataPage", parent)
        self._worker, self._ask_folder = worker, ask_folder
        self._child = make_child(self.tr("The data check"), self)
        self.folder: Path | None = None
        self.report: CheckReport | None = None
        self._ticket = 0
        self.set_words(
            self.tr("Data"),
            self.tr(
                "A folder with a folder of slices for each patient, each slice with its _mask beside it; pairs of scan and mask in NIfTI; "
                "or masks that were corrected and exported with this program."
            ),
        )
        self._build()
        self._child.progressed.connect(self._on_progressed)
        self._child.succeeded.connect(self._on_succeeded)
        self._child.failed.connect(self._on_failed)
        self._child.cancelled.connect(self._on_cancelled)
        worker.succeeded.connect(self._on_inspected)
        worker.failed.connect(self._on_not_inspected)
        self._show_state()

    # Layout

    def _build(self) -> None:
        self.path = QLabel(self)
        self.path.setObjectName("dataFolderLabel")
        self.path.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.choose_button = push_button("dataChooseButton", self.tr("Choose folder…"), self._on_choose, self)
        self.again_button = push_button("dataAgainButton", self.tr("Check again"), self._start, self)
        self.cancel_button = push_button("dataCancelButton", self.tr("Cancel"), self._child.cancel, self)
        self.drop = DropPlace("dataDropLabel", self.tr("Drop a folder with labelled scans here, or choose one."), self)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID_PX)
        for button in (self.choose_button, self.again_button, self.cancel_button):
            buttons.addWidget(button)
        buttons.addWidget(self.path, 1)
        self.add(buttons)
        self.add(self.drop)
        self._results = QWidget(self)
        column = QVBoxLayout(self._results)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3 * GRID_PX)
        self.tiles = Tiles("dataTiles", self)
        for part in (self.tiles, self._findings(), self._left_out(), self._charts(), self._brightness(), self._sheets()):
            column.addWidget(part)
        self.add(self._results)
        self.column.addStretch(1)

    def _findings(self) -> Section:
        section = Section(self.tr("Findings"), self)
        self.clean = sentence(self.tr("Nothing is wrong with this data."), self, name="dataCleanLabel")
        self.list = CalmList("findingsList", self.tr("Findings"), self)
        self.list.setWordWrap(True)
        self.list.currentItemChanged.connect(self._on_finding)
        self.slice = PictureView("findingPicture", self.tr("The slice of the finding"), self, largest_scale=2.0)
        self.slice_words = sentence(self.tr("Choose a finding to see its slice."), self, name="findingPictureLabel", quiet=True)
        seen = QVBoxLayout()
        seen.setSpacing(GRID_PX // 2)
        seen.addWidget(self.slice)
        seen.addWidget(self.slice_words)
        seen.addStretch(1)
        self._beside = QWidget(self)
        row = QHBoxLayout(self._beside)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2 * GRID_PX)
        row.addWidget(self.list, 1)
        row.addLayout(seen, 1)
        section.add(self.clean, self._beside)
        return section

    def _left_out(self) -> Section:
        self._left_out_section = Section(self.tr("What training will leave out"), self)
        self.left_out = sentence("", self, name="leftOutLabel")
        self._left_out_section.add(self.left_out)
        return self._left_out_section

    def _charts(self) -> QWidget:
        both = QWidget(self)
        row = QHBoxLayout(both)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4 * GRID_PX)
        self.slices_chart = BarChart("slicesChart", (VERMILION, BLUE), self)
        self.sizes_chart = BarChart("tumourSizesChart", (VERMILION,), self)
        self._slices_section = Section(self.tr("Slices with tumour (left) and without, by patient"), self)
        self._slices_section.add(self.slices_chart)
        self._slices_section.column.addStretch(1)
        self._sizes_section = Section("", self)
        self._sizes_section.add(self.sizes_chart)
        self._sizes_section.column.addStretch(1)
        row.addWidget(self._slices_section, 1)
        row.addWidget(self._sizes_section, 1)
        return both

    def _brightness(self) -> Section:
        self._brightness_section = Section(self.tr("Brightness of the head in FLAIR, as the networks get it"), self)
        names = (self.tr("this data"), self.tr("what the bundled models learned from"))
        self.brightness = CurvePlot("brightnessPlot", "", self.tr("brightness; up: share of the head"), names, self)
        self.brightness.setFixedHeight(26 * GRID_PX)
        self._brightness_section.add(self.brightness)
        return self._brightness_section

    def _sheets(self) -> QWidget:
        """The pictures that the check drew, each with its words."""
        self._pictures = QWidget(self)
        self._pictures_column = QVBoxLayout(self._pictures)
        self._pictures_column.setContentsMargins(0, 0, 0, 0)
        self._pictures_column.setSpacing(3 * GRID_PX)
        self.pictures: dict[str, PictureView] = {}
        for name, words in self._picture_words().items():
            section = Section(words, self)
            view = PictureView(f"dataPicture_{Path(name).stem}", words, self)
            section.add(view)
            self._pictures_column.addWidget(section)
            self.pictures[name] = view
        return self._pictures

    def _picture_words(self) -> dict[str, str]:
        return {
            "overlays.png": self.tr("The slice with the largest mask of each patient, with the mask"),
            "scans.png": self.tr("The same without"),
            "augmentation.png": self.tr("What training makes of a slice, so that it learns more than it was shown"),
        }

    # What is done

    def enter(self) -> None:
        self._show_state()

    def dress(self) -> None:
        self._show_state()

    def check(self, folder: Path) -> None:
        """Starts the check of a folder; one that runs already goes on."""
        if self._child.running:
            return
        self.folder = folder
        self._start()

    @Slot()
    def _on_choose(self) -> None:
        start = self.folder.parent if self.folder is not None else Path.home()
        chosen = self._ask_folder(self, self.tr("Folder with labelled scans"), start)
        if chosen is not None:
            self.check(chosen)

    @Slot()
    def _start(self) -> None:
        if self.folder is None or self._child.running:
            return
        self.message.dismiss()
        self._put(None)
        self._child.start(["explore", str(self.folder), "--out", str(out_folder()), *OPTIONS])
        self._show_state()
        self._set_busy(Busy(self.tr("Looking through the folder")))

    @Slot(object)
    def _on_progressed(self, progress: Progress) -> None:
        words = self.tr("Checking {} of {}").format(progress.done, progress.total)
        if progress.left_s is not None and progress.left_s >= 1:
            words = self.tr("{}, {} left").format(words, measures.duration_words(progress.left_s))
        self._set_busy(Busy(words, progress.done, progress.total))

    def _set_busy(self, busy: Busy) -> None:
        self.drop.set_busy(busy)
        self.state_changed.emit(busy.text)

    @Slot(object)
    def _on_succeeded(self, document: object) -> None:
        assert self.folder is not None
        try:
            report = read_report(self.folder, out_folder())
        except BrainviewerError as error:
            self._on_failed(error)
            return
        note("check data", "done", patients=len(report.patients), slices=report.slices, findings=len(report.findings))
        self._put(report)
        if not report.tumour:
            self.say("warning", self.tr("No slice here is labelled with a tumour: there is nothing to learn from."))
        elif report.tumour == report.labelled:
            self.say("warning", self.tr("Every labelled slice shows a tumour: the classifier would learn nothing from this data."))
        self._show_state()

    @Slot(object)
    def _on_failed(self, error: BrainviewerError) -> None:
        note("check data", "failed")
        self._show_state()
        self.say("error", error.sentence, error.hint)

    @Slot()
    def _on_cancelled(self) -> None:
        note("check data", "cancelled")
        self._show_state()
        self.say("info", self.tr("The check was stopped. Nothing was written beside the data."))

    # What is shown

    def _show_state(self) -> None:
        running = self._child.running
        self.cancel_button.setVisible(running)
        self.drop.setVisible(self.report is None)
        if not running:
            self.drop.set_busy(None)
        self.choose_button.setVisible(not running)
        self.again_button.setVisible(not running and self.folder is not None)
        self._results.setVisible(self.report is not None)
        if self.folder is None:
            self.path.setText("")
            palette.make_primary(self.choose_button)
            words = self.tr("No folder chosen")
        else:
            self.path.setText(str(self.folder))
            self.path.setToolTip(str(self.folder))
            self.choose_button.setPalette(self.palette())
            words = self.tr("Checking") if running else self.tr("Not checked")
        if self.report is not None:
            words = self.tr("{} patients, {}").format(f"{len(self.report.patients):,}", findings_words(self.report))
        self.state_changed.emit(words)

    def _put(self, report: CheckReport | None) -> None:
        self.report = report
        self._ticket = 0
        if report is not None:
            self._show(report)
        self.checked.emit(report)

    def _show(self, report: CheckReport) -> None:
        figures = [
            (f"{len(report.patients):,}", self.tr("patients")),
            (f"{report.slices:,}", self.tr("slices")),
            (f"{report.tumour:,}", self.tr("with tumour")),
            (f"{report.labelled - report.tumour:,}", self.tr("without tumour")),
        ]
        if report.slices > report.labelled:
            figures.append((f"{report.slices - report.labelled:,}", self.tr("without a usable mask")))
        self.tiles.show_figures([*figures, (f"{len(report.findings):,}", self.tr("finding") if len(report.findings) == 1 else self.tr("findings"))])
        self._show_findings(report)
        self.left_out.setText("\n".join(report.left_out) or self.tr("Nothing."))
        self._show_charts(report)
        self._brightness_section.setVisible(report.brightness is not None)
        for words, spread in zip(self.brightness.curves, report.brightness or (), strict=False):
            steps = len(spread.shares)
            self.brightness.show_curve(words, [(n + 0.5) / steps for n in range(steps)], spread.shares)
        for name, view in self.pictures.items():
            there = name in report.pictures and view.show_file(report.folder / name)
            view.parentWidget().setVisible(there)

    def _show_findings(self, report: CheckReport) -> None:
        self.clean.setVisible(not report.findings)
        self._beside.setVisible(bool(report.findings))
        self.list.blockSignals(True)
        self.list.clear()
        for kind, words in report.headings.items():
            of_kind = [finding for finding in report.findings if finding.kind == kind]
            head = QListWidgetItem(f"{words} ({len(of_kind):,})")
            head.setFlags(Qt.ItemFlag.NoItemFlags)
            font = QFont(self.list.font())
            font.setWeight(QFont.Weight.DemiBold)
            head.setFont(font)
            head.setForeground(self.palette().placeholderText())
            self.list.addItem(head)
            for finding in of_kind:
                item = QListWidgetItem(finding.sentence)
                item.setData(FINDING, finding)
                self.list.addItem(item)
        self.list.blockSignals(False)
        self.list.setFixedHeight(min(LIST_PX, max(20 * GRID_PX, self.list.count() * 5 * GRID_PX)))
        self.slice.clear()
        self.slice_words.setText(self.tr("Choose a finding to see its slice."))

    def _show_charts(self, report: CheckReport) -> None:
        labelled = [row for row in report.patients if row.labelled]
        by_tumour = sorted(labelled, key=lambda row: (-row.tumour, row.patient))[:MOST_BARS]
        self.slices_chart.show_bars(
            tuple(Bar(row.patient, (row.tumour, row.labelled - row.tumour), f"{row.tumour} + {row.labelled - row.tumour}") for row in by_tumour)
        )
        by_size = sorted(labelled, key=lambda row: (-row.size, row.patient))[:MOST_BARS]
        self.sizes_chart.show_bars(tuple(Bar(row.patient, (row.size,), f"{row.size:,.1f}") for row in by_size))
        self._sizes_section.head.setText(self.tr("Tumour size by patient, {}").format(report.unit))

    @Slot(QListWidgetItem, QListWidgetItem)
    def _on_finding(self, item: QListWidgetItem | None, before: QListWidgetItem | None) -> None:
        finding: Finding | None = item.data(FINDING) if item is not None else None
        if finding is None or self.report is None:
            return
        self.slice_words.setText(self.tr("Opening the slice…"))
        self._ticket = self._worker.submit(partial(inspection.inspect, self.report.data, finding))

    @Slot(object)
    def _on_inspected(self, outcome: Outcome) -> None:
        if outcome.ticket == self._ticket:
            self.slice.show_array(outcome.result.picture)
            self.slice_words.setText(outcome.result.words)

    @Slot(object)
    def _on_not_inspected(self, outcome: Outcome) -> None:
        if outcome.ticket == self._ticket and outcome.error is not None:
            self.slice.clear()
            self.slice_words.setText(str(outcome.error))

    def close_child(self) -> None:
        self._child.close()


def out_folder() -> Path:
    """Where the check writes; what an earlier one wrote is replaced."""
    return paths.cache() / "data-check"


def findings_words(report: CheckReport) -> str:
    count = len(report.findings)
    return "1 finding" if count == 1 else f"{count:,} findings" if count else "no findings"
