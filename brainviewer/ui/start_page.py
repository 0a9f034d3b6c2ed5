"""What one sees before a scan is open: what the program is for, and the ways in."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QSize, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QAbstractButton, QApplication, QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from . import icons, palette
from .flow import Busy
from .side_panel import heading

GRID_PX = palette.GRID_PX
COLUMN_PX = 64 * GRID_PX
RECENTS_SHOWN = 5


class StartPage(QWidget):
    """Signals:
    folder_wanted, file_wanted, sample_wanted: a button was pressed.
    recent_chosen: Path.
    """

    folder_wanted = Signal()
    file_wanted = Signal()
    sample_wanted = Signal()
    recent_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("startPage")
        title = QLabel("brainviewer", self)
        font = title.font()
        font.setPointSizeF(QApplication.font().pointSizeF() * 1.45)
        title.setFont(font)
        palette.emphasise(title, large=True)
        self._mark = QLabel(self)
        subtitle = QLabel(self.tr("Shows whether, and where, a brain MRI shows a tumour."), self)
        research = QLabel(
            self.tr("For research and teaching. Its answers are those of two neural networks, they can be wrong, and they are no diagnosis."), self
        )
        research.setWordWrap(True)
        research.setMinimumHeight(research.heightForWidth(COLUMN_PX))
        palette.quieten(research)
        self.folder_button = QPushButton(self.tr("Open folder…"), self)
        self.folder_button.setObjectName("openFolderButton")
        self.folder_button.setToolTip(self.tr("Open a folder of slices, or of patients (Ctrl+O)"))
        self.folder_button.clicked.connect(self.folder_wanted)
        self.file_button = QPushButton(self.tr("Open file…"), self)
        self.file_button.setObjectName("openFileButton")
        self.file_button.setToolTip(self.tr("Open one file: TIFF, DICOM, NIfTI or a picture (Ctrl+Shift+O)"))
        self.file_button.clicked.connect(self.file_wanted)
        self.sample_button = QPushButton(self.tr("Sample scan"), self)
        self.sample_button.setObjectName("openSampleButton")
        self.sample_button.setToolTip(self.tr("Open the scan that comes with the program"))
        self.sample_button.clicked.connect(self.sample_wanted)
        self.drop = DropPlace("dropLabel", self.tr("Drop a folder or a file anywhere in this window.\nTIFF, DICOM, NIfTI, PNG and JPEG."), self)
        self.recents_heading = heading(self.tr("Recent"), self)
        self._recents = QVBoxLayout()
        self._recents.setSpacing(0)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID_PX)
        for button in (self.folder_button, self.file_button, self.sample_button):
            button.setMinimumHeight(4 * GRID_PX + 4)
            buttons.addWidget(button, 1)
        head = QHBoxLayout()
        head.setSpacing(GRID_PX + 4)
        head.addWidget(self._mark)
        head.addWidget(title, 1)
        column = QVBoxLayout()
        column.setSpacing(GRID_PX)
        column.addLayout(head)
        column.addWidget(subtitle)
        column.addSpacing(2 * GRID_PX)
        column.addWidget(self.drop)
        column.addSpacing(GRID_PX)
        column.addLayout(buttons)
        column.addSpacing(2 * GRID_PX)
        column.addWidget(self.recents_heading)
        column.addLayout(self._recents)
        column.addSpacing(2 * GRID_PX)
        column.addWidget(research)
        centred = QWidget(self)
        centred.setFixedWidth(COLUMN_PX)
        centred.setLayout(column)
        column.setContentsMargins(0, 0, 0, 0)
        outer = QVBoxLayout(self)
        outer.addStretch(2)
        outer.addWidget(centred, 0, Qt.AlignmentFlag.AlignHCenter)
        outer.addStretch(3)
        self.refresh_icons()

    def refresh_icons(self) -> None:
        """After the theme changed."""
        text = self.palette().windowText().color()
        on_accent = self.palette().color(QPalette.ColorRole.HighlightedText)
        self._mark.setPixmap(icons.pixmap("brainviewer", text, 4 * GRID_PX, self.devicePixelRatioF()))
        palette.make_primary(self.folder_button)
        looks = ((self.folder_button, "folder", on_accent), (self.file_button, "file", text), (self.sample_button, "sample", text))
        for button, name, colour in looks:
            button.setIcon(icons.icon(name, colour))
            button.setIconSize(QSize(18, 18))

    def set_recents(self, recents: tuple[Path, ...]) -> None:
        """What was opened last; what is gone is left out."""
        while self._recents.count():
            self._recents.takeAt(0).widget().deleteLater()
        shown = recents[:RECENTS_SHOWN]
        for number, path in enumerate(shown):
            self._recents.addWidget(self._recent_row(number, path))
        self.recents_heading.setVisible(bool(shown))

    def _recent_row(self, number: int, path: Path) -> QAbstractButton:
        row = _RecentRow(path, self)
        row.setObjectName(f"recent{number}")
        row.clicked.connect(self._on_recent)
        return row

    @Slot()
    def _on_recent(self) -> None:
        self.recent_chosen.emit(self.sender().path)

    @Slot(object)
    def set_busy(self, busy: Busy | None) -> None:
        """Shows what is being opened where the drop place is."""
        self.drop.set_busy(busy)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.refresh_icons()


class _RecentRow(QAbstractButton):
    """A name, and more quietly the folder it is in."""

    def __init__(self, path: Path, parent: QWidget) -> None:
        super().__init__(parent)
        self.path = path
        self.setText(path.name)
        self.setToolTip(str(path))
        self.setAccessibleName(self.tr("Open {}").format(path.name))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(3 * GRID_PX + 4)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter)
        painter.end()

    def _paint(self, painter: QPainter) -> None:
        colours, metrics = self.palette(), self.fontMetrics()
        if self.underMouse() or self.hasFocus():
            painter.fillRect(self.rect(), colours.color(QPalette.ColorRole.Button))
        inside = self.rect().adjusted(GRID_PX, 0, -GRID_PX, 0)
        middle = Qt.TextElideMode.ElideMiddle
        name = metrics.elidedText(self.path.name, middle, inside.width() * 2 // 3)
        painter.setPen(colours.color(QPalette.ColorRole.Text))
        painter.drawText(inside, Qt.AlignmentFlag.AlignVCenter, name)
        left = metrics.horizontalAdvance(name) + 2 * GRID_PX
        rest = inside.adjusted(left, 0, 0, 0)
        painter.setPen(colours.color(QPalette.ColorRole.PlaceholderText))
        painter.drawText(
            rest, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, metrics.elidedText(str(self.path.parent), middle, rest.width())
        )

    def sizeHint(self) -> QSize:
        return QSize(COLUMN_PX, 3 * GRID_PX + 4)


class DropPlace(QWidget):
    """Says that something can be dropped here, and while it is being read, how far that is."""

    def __init__(self, name: str, invitation: str, parent: QWidget) -> None:
        """`name` of the label."""
        super().__init__(parent)
        self.setFixedHeight(16 * GRID_PX)
        self._invitation = invitation
        self._words = QLabel(self)
        self._words.setObjectName(name)
        self._words.setFont(palette.tabular(self._words.font()))
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._words.setWordWrap(True)
        self._bar = QProgressBar(self)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(GRID_PX // 2)
        keep = self._bar.sizePolicy()
        keep.setRetainSizeWhenHidden(True)
        self._bar.setSizePolicy(keep)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID_PX, GRID_PX, 3 * GRID_PX, GRID_PX)
        column.addStretch()
        column.addSpacing(GRID_PX)
        column.addWidget(self._words)
        column.addWidget(self._bar)
        column.addStretch()
        self.set_busy(None)

    def set_busy(self, busy: Busy | None) -> None:
        self._bar.setVisible(busy is not None)
        if busy is None:
            self._words.setText(self._invitation)
            palette.quieten(self._words)
            return
        self._words.setForegroundRole(QPalette.ColorRole.WindowText)
        self._words.setText(busy.text)
        self._bar.setRange(0, busy.total)
        self._bar.setValue(busy.done)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter)
        painter.end()

    def _paint(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 1.5, Qt.PenStyle.DashLine))
        painter.setBrush(self.palette().color(QPalette.ColorRole.Base))
        painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), GRID_PX, GRID_PX)
