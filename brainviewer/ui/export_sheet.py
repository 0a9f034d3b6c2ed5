"""The export: what, and where to. Asks before it replaces, in the same place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QStandardPaths, Qt, Signal, Slot
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QLineEdit, QPushButton, QRadioButton, QStackedWidget, QVBoxLayout, QWidget

from ..formats.export import proposed_folder
from . import jobs, palette
from .session import Session
from .sheets import Card

GRID_PX = palette.GRID_PX


class ExportSheet(Card):
    """Signals:
    ordered: ExportOrder.
    """

    ordered = Signal(object)

    def __init__(self, session: Session, ask_folder: Callable[[QWidget, str, Path], Path | None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("exportSheet")
        self.setAccessibleName(self.tr("Export pictures"))
        self._session, self._ask_folder = session, ask_folder
        self._parent_folder = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation) or Path.home()) / "brainviewer"
        self._order: jobs.ExportOrder | None = None
        self._other = Path()
        self.one = QRadioButton(self)
        self.one.setObjectName("exportSliceButton")
        self.all = QRadioButton(self)
        self.all.setObjectName("exportAllButton")
        self.all.setChecked(True)
        group = QButtonGroup(self)
        group.addButton(self.one)
        group.addButton(self.all)
        self.folder = QLineEdit(self)
        self.folder.setObjectName("exportFolderEdit")
        self.folder.setAccessibleName(self.tr("Folder"))
        self.folder.returnPressed.connect(self._on_export)
        self._choose = self._button("exportChooseButton", self.tr("Choose…"), self._on_choose)
        self._go = self._button("exportButton", self.tr("Export"), self._on_export)
        self._cancel = self._button("exportCancelButton", self.tr("Cancel"), self.dismiss)
        self.question = QLabel(self)
        self.question.setObjectName("replaceQuestion")
        self.question.setWordWrap(True)
        self._replace = self._button("replaceButton", self.tr("Replace"), self._on_replace)
        self._new = self._button("newFolderButton", "", self._on_new_folder)
        self._back = self._button("replaceCancelButton", self.tr("Cancel"), self._on_back)
        self._lay_out()

    def _button(self, name: str, text: str, slot: Callable[[], None]) -> QPushButton:
        button = QPushButton(text, self)
        button.setObjectName(name)
        button.clicked.connect(slot)
        return button

    def _lay_out(self) -> None:
        title = QLabel(self.tr("Export pictures"), self)
        palette.emphasise(title)
        hint = QLabel(self.tr("PNG of the slices as they are shown now, with the overlay and without words. The heat map is not written."), self)
        hint.setWordWrap(True)
        palette.quieten(hint)
        head = QHBoxLayout()
        head.addWidget(title, 1)
        head.addWidget(self.close_button(), 0, Qt.AlignmentFlag.AlignTop)
        what = QHBoxLayout()
        what.setSpacing(3 * GRID_PX)
        what.addWidget(self.all)
        what.addWidget(self.one)
        what.addStretch()
        where = QHBoxLayout()
        where.setSpacing(GRID_PX)
        where.addWidget(QLabel(self.tr("Folder"), self))
        where.addWidget(self.folder, 1)
        where.addWidget(self._choose)
        self._foot = QStackedWidget(self)
        self._foot.addWidget(self._row(None, self._go, self._cancel))
        self._foot.addWidget(self._row(self.question, self._replace, self._new, self._back))
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, GRID_PX + 4, 2 * GRID_PX, 2 * GRID_PX)
        column.setSpacing(GRID_PX + 4)
        for item in (head, hint, what, where, self._foot):
            column.addLayout(item) if not isinstance(item, QWidget) else column.addWidget(item)

    def _row(self, label: QLabel | None, *buttons: QPushButton) -> QWidget:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID_PX)
        if label is None:
            row.addStretch(1)
        else:
            row.addWidget(label, 1)
        for button in buttons:
            row.addWidget(button)
        widget = QWidget(self)
        widget.setLayout(row)
        return widget

    def open(self) -> None:
        """Shows the sheet with a folder that is not there yet."""
        session, volume = self._session, self._session.volume
        if volume is None:
            return
        self.one.setText(self.tr("This slice ({})").format(session.z + 1))
        self.all.setText(self.tr("All {} slices").format(len(volume)))
        self.folder.setText(str(proposed_folder(self._parent_folder / volume.key)))
        self._foot.setCurrentIndex(0)
        palette.make_primary(self._go)
        palette.make_primary(self._new)
        self.show()
        self._go.setFocus()

    @Slot()
    def _on_choose(self) -> None:
        start = Path(self.folder.text()).parent
        chosen = self._ask_folder(self, self.tr("Folder for the pictures"), start if start.is_dir() else Path.home())
        if chosen is not None:
            self.folder.setText(str(chosen))
            self._foot.setCurrentIndex(0)

    @Slot()
    def _on_export(self) -> None:
        session, text = self._session, self.folder.text().strip()
        if session.scan is None or session.result is None or not text:
            return
        slices = (session.z,) if self.one.isChecked() else tuple(range(len(session.predictions)))
        predictions = tuple(p for p in session.predictions if p is not None)
        folder = Path(text).expanduser().absolute()
        layers = session.layers
        order = jobs.ExportOrder(
            session.scan.volume, session.windows, predictions, session.style, session.show, layers.overlay, layers.reference, slices, folder
        )
        there = jobs.standing_in_the_way(order)
        if not there:
            self._send(order)
            return
        self._order = order
        self._other = proposed_folder(folder)
        count = self.tr("1 picture") if there == 1 else self.tr("{} pictures").format(there)
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
        self._order = None
