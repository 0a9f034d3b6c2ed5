"""The export: what, of which slices, and where to, with a preview. Asks before it replaces, in the same place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QStandardPaths, Qt, Signal, Slot
from PySide6.QtGui import QEnterEvent, QFocusEvent, QHideEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from ..formats.export import proposed_folder
from ..formats.receipt import receipt_of
from ..formats.share import BY_SLICE, Scene, What, ignored_alone, without_folders
from . import jobs, palette
from .export_preview import PreviewPlace, preview_of
from .session import Session
from .sheets import Card
from .side_panel import heading

GRID_PX = palette.GRID_PX


class WhatBox(QCheckBox):
    """One kind of file; says when it is looked at, by mouse or keys.

    Signals:
        looked_at: its What.
    """

    looked_at = Signal(object)

    def __init__(self, what: What, name: str, text: str, parent: QWidget) -> None:
        super().__init__(text, parent)
        self.what = what
        self.setObjectName(name)

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.looked_at.emit(self.what)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.looked_at.emit(self.what)


class ExportSheet(Card):
    """Signals:
    ordered: ExportOrder.
    """

    ordered = Signal(object)
    widest_px = 92 * GRID_PX
    takes_keys = True

    def __init__(
        self,
        session: Session,
        ask_folder: Callable[[QWidget, str, Path], Path | None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("exportSheet")
        self.setAccessibleName(self.tr("Export"))
        self._session, self._ask_folder = session, ask_folder
        self._parent_folder = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation) or Path.home()) / "brainviewer"
        self._order: jobs.ExportOrder | None = None
        self._scene: Scene | None = None
        self._looked_at = What.OVERLAYS
        self._other = Path()
        self.boxes = {what: self._box(what, name, text) for what, name, text in self._kinds()}
        self.boxes[What.OVERLAYS].setChecked(True)
        self.one, self.findings, self.all = (self._radio(name) for name in ("exportSliceButton", "exportFindingsButton", "exportAllButton"))
        self.all.setChecked(True)
        group = QButtonGroup(self)
        for radio in (self.one, self.findings, self.all):
            group.addButton(radio)
        group.buttonToggled.connect(self._on_changed)
        self.nameless = QCheckBox(self.tr("DICOM SEG without the patient's identity"), self)
        self.nameless.setObjectName("exportNamelessBox")
        self.nameless.setToolTip(self.tr("It still refers to the source's files by their numbers"))
        self.nameless.toggled.connect(self._on_changed)
        self.preview = PreviewPlace(self)
        self.words = QLabel(self)
        self.words.setObjectName("exportPreviewWords")
        self.words.setWordWrap(True)
        self.words.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.words.setFixedHeight(3 * self.words.fontMetrics().lineSpacing())
        palette.quieten(self.words)
        self.folder = QLineEdit(self)
        self.folder.setObjectName("exportFolderEdit")
        self.folder.setAccessibleName(self.tr("Folder"))
        self.folder.returnPressed.connect(self._on_export)
        self.count = QLabel(self)
        self.count.setObjectName("exportCountLabel")
        palette.quieten(self.count)
        self._choose = self._button("exportChooseButton", self.tr("Choose…"), self._on_choose)
        self._go = self._button("exportButton", self.tr("Export"), self._on_export)
        self._cancel = self._button("exportCancelButton", self.tr("Cancel"), self.dismiss)
        self.question = QLabel(self)
        self.question.setObjectName("replaceQuestion")
        self.question.setWordWrap(True)
        self._replace = self._button("replaceButton", self.tr("Replace"), self._on_replace)
        self._new = self._button("newFolderButton", self.tr("New folder"), self._on_new_folder)
        self._back = self._button("replaceCancelButton", self.tr("Cancel"), self._on_back)
        self._lay_out()

    def _kinds(self) -> tuple[tuple[What, str, str], ...]:
        tr = self.tr
        return (
            (What.OVERLAYS, "exportOverlaysBox", tr("Slices with overlay (PNG)")),
            (What.PANELS, "exportPanelsBox", tr("Pictures side by side (PNG)")),
            (What.SHEET, "exportSheetBox", tr("Contact sheet (PNG)")),
            (What.FILM, "exportFilmBox", tr("Film (GIF)")),
            (What.MASK, "exportMaskBox", tr("Mask (NIfTI)")),
            (What.PROBABILITY, "exportProbabilityBox", tr("Probability (NIfTI)")),
            (What.SEG, "exportSegBox", tr("Mask (DICOM SEG)")),
            (What.REPORT, "exportReportBox", tr("Report (HTML)")),
            (What.TABLE, "exportTableBox", tr("Table of slices (CSV)")),
            (What.NUMBERS, "exportNumbersBox", tr("All numbers (JSON)")),
        )

    def _box(self, what: What, name: str, text: str) -> WhatBox:
        box = WhatBox(what, name, text, self)
        box.looked_at.connect(self._look_at)
        box.toggled.connect(self._on_changed)
        return box

    def _radio(self, name: str) -> QRadioButton:
        radio = QRadioButton(self)
        radio.setObjectName(name)
        return radio

    def _button(self, name: str, text: str, slot: Callable[[], None]) -> QPushButton:
        button = QPushButton(text, self)
        button.setObjectName(name)
        button.clicked.connect(slot)
        return button

    def _lay_out(self) -> None:
        title = QLabel(self.tr("Export"), self)
        palette.emphasise(title)
        head = QHBoxLayout()
        head.addWidget(title, 1)
        head.addWidget(self.close_button(), 0, Qt.AlignmentFlag.AlignTop)
        kinds = QVBoxLayout()
        kinds.setSpacing(GRID_PX - 2)
        for words, whats in (
            (self.tr("Pictures"), BY_SLICE),
            (self.tr("Volumes"), (What.MASK, What.PROBABILITY, What.SEG)),
            (self.tr("Numbers"), (What.REPORT, What.TABLE, What.NUMBERS)),
        ):
            kinds.addWidget(heading(words, self))
            for what in whats:
                kinds.addWidget(self.boxes[what])
            kinds.addSpacing(GRID_PX // 2)
        kinds.addStretch()
        shown = QVBoxLayout()
        shown.setSpacing(GRID_PX)
        shown.addWidget(self.preview, 1)
        shown.addWidget(self.words)
        middle = QHBoxLayout()
        middle.setSpacing(3 * GRID_PX)
        middle.addLayout(kinds)
        middle.addLayout(shown, 1)
        slices = QHBoxLayout()
        slices.setSpacing(2 * GRID_PX)
        for radio in (self.all, self.findings, self.one):
            slices.addWidget(radio)
        slices.addStretch()
        fields = QGridLayout()
        fields.setHorizontalSpacing(GRID_PX)
        fields.setVerticalSpacing(GRID_PX)
        fields.setColumnStretch(1, 1)
        fields.addWidget(QLabel(self.tr("Pictures of"), self), 0, 0)
        fields.addLayout(slices, 0, 1, 1, 2)
        fields.addWidget(self.nameless, 1, 1, 1, 2)
        fields.addWidget(QLabel(self.tr("Folder"), self), 2, 0)
        fields.addWidget(self.folder, 2, 1)
        fields.addWidget(self._choose, 2, 2)
        self._foot = QStackedWidget(self)
        self._foot.addWidget(self._row(self.count, self._go, self._cancel))
        self._foot.addWidget(self._row(self.question, self._replace, self._new, self._back))
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, GRID_PX + 4, 2 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(GRID_PX + 4)
        column.addLayout(head)
        column.addLayout(middle, 1)
        column.addLayout(fields)
        column.addWidget(self._foot)

    def _row(self, label: QLabel, *buttons: QPushButton) -> QWidget:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        row.addWidget(label, 1)
        for button in buttons:
            row.addWidget(button)
        widget = QWidget(self)
        widget.setLayout(row)
        return widget

    def open(self) -> None:
        """Shows the sheet with a folder that is not there yet."""
        session, volume = self._session, self._session.volume
        if volume is None or session.result is None:
            return
        self._scene = self._present_scene()
        count = session.result.slices_with_tumour
        self.one.setText(self.tr("this slice ({})").format(session.z + 1))
        self.findings.setText(self.tr("{} with a tumour").format(count))
        self.findings.setEnabled(count > 0)
        if self.findings.isChecked() and not count:
            self.all.setChecked(True)
        self.all.setText(self.tr("all {} slices").format(len(volume)))
        is_dicom = bool(volume.instances) and volume.affine is not None
        self.boxes[What.SEG].setEnabled(is_dicom)
        self.boxes[What.SEG].setToolTip("" if is_dicom else self.tr("Only of DICOM files that say where they lie"))
        if not is_dicom:
            self.boxes[What.SEG].setChecked(False)
        self.folder.setText(str(proposed_folder(self._parent_folder / volume.key)))
        self._foot.setCurrentIndex(0)
        palette.make_primary(self._go)
        palette.make_primary(self._new)
        self._on_changed()
        self.show()
        self._go.setFocus()

    def _present_scene(self) -> Scene:
        """The scan on screen as it is shown now."""
        session, layers = self._session, self._session.layers
        volume = without_folders(session.scan.volume)
        ignored = ignored_alone((row.file, row.why) for row in session.listing.ignored)
        return Scene(
            volume,
            session.windows,
            tuple(p for p in session.predictions if p is not None),
            session.result,
            session.style,
            session.show,
            layers.reference,
            layers.overlay,
            layers.heatmap,
            layers.agreement,
            session.reviewed,
            volume.key,
            receipt_of(volume, session.scan.series, session.result, ignored),
        )

    def _whats(self) -> tuple[What, ...]:
        return tuple(what for what, box in self.boxes.items() if box.isChecked())

    def _slices(self) -> tuple[int, ...]:
        session = self._session
        if self.one.isChecked():
            return (session.z,)
        if self.findings.isChecked():
            return tuple(p.z for p in session.result.predictions if p.tumour)
        return tuple(range(len(session.predictions)))

    @Slot(object)
    def _look_at(self, what: What) -> None:
        if what is not self._looked_at:
            self._looked_at = what
            self._show_preview()

    @Slot()
    def _on_changed(self) -> None:
        sender = self.sender()
        if isinstance(sender, WhatBox):
            self._looked_at = sender.what
        if self._scene is None:
            return
        whats = self._whats()
        by_slice = any(what in BY_SLICE for what in whats)
        for radio in (self.one, self.all):
            radio.setEnabled(by_slice)
        self.findings.setEnabled(by_slice and self._session.result.slices_with_tumour > 0)
        self.nameless.setEnabled(What.SEG in whats)
        self._go.setEnabled(bool(whats))
        count = len(self._scene.names(whats, self._slices()))
        self.count.setText(self.tr("{} files, with results.json").format(count) if count > 1 else self.tr("1 file") if whats else "")
        self._show_preview()

    def _show_preview(self) -> None:
        scene, session = self._scene, self._session
        if scene is None or session.volume is None:
            return
        slices, what = self._slices(), self._looked_at
        z = session.z if session.z in slices or not slices else slices[len(slices) // 2]
        preview = preview_of(scene, what, slices, z, not self.nameless.isChecked())
        spacing = scene.volume.spacing
        single = what not in (What.PANELS, What.SHEET)
        self.preview.show_preview(preview, (spacing[1], spacing[2]) if spacing is not None and single else None)
        self.words.setText(preview.words)

    @Slot()
    def _on_choose(self) -> None:
        start = Path(self.folder.text()).parent
        chosen = self._ask_folder(self, self.tr("Folder for the export"), start if start.is_dir() else Path.home())
        if chosen is not None:
            self.folder.setText(str(chosen))
            self._foot.setCurrentIndex(0)

    @Slot()
    def _on_export(self) -> None:
        session, text, whats = self._session, self.folder.text().strip(), self._whats()
        if session.scan is None or session.result is None or not text or not whats:
            return
        folder = Path(text).expanduser().absolute()
        order = jobs.ExportOrder(self._present_scene(), whats, self._slices(), folder, not self.nameless.isChecked())
        there = jobs.standing_in_the_way(order)
        if not there:
            self._send(order)
            return
        self._order = order
        self._other = proposed_folder(folder)
        count = self.tr("1 file") if there == 1 else self.tr("{} files").format(there)
        self.question.setText(self.tr('Replace {} in "{}"?').format(count, folder.name))
        self._new.setText(self.tr('New folder "{}"').format(self._other.name))
        self._foot.setCurrentIndex(1)
        self._new.setFocus()

    @Slot()
    def _on_replace(self) -> None:
        if self._order is not None:
            self._send(self._order)

    @Slot()
    def _on_new_folder(self) -> None:
        if self._order is not None:
            self._send(replace(self._order, folder=self._other))

    @Slot()
    def _on_back(self) -> None:
        self._foot.setCurrentIndex(0)

    def _send(self, order: jobs.ExportOrder) -> None:
        self._parent_folder = order.folder.parent
        self.dismiss()
        self.ordered.emit(order)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._order = self._scene = None
