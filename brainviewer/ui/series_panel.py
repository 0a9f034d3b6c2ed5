"""The series of what is open: a picture, a name, the number of slices, and the result where there is one."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QCoreApplication, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QFont, QFontMetrics, QIcon, QImage, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from ..formats.sequence import T1_POST
from ..formats.series import ScanListing, Series
from ..imaging.volume import CHANNEL_NAMES, Volume
from . import palette
from .session import Session
from .state import Badge, OpenedScan

GRID_PX = palette.GRID_PX
THUMBNAIL_PX = 7 * GRID_PX
ROW_PX = THUMBNAIL_PX + 2 * GRID_PX

SERIES, TITLE, DETAIL, BADGE = (Qt.ItemDataRole.UserRole + n for n in range(4))


class SeriesPanel(QWidget):
    """Signals:
    series_chosen: Series.
    """

    series_chosen = Signal(object)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.list = QListWidget(self)
        self.list.setObjectName("seriesList")
        self.list.setAccessibleName(self.tr("Series"))
        self.list.setItemDelegate(_SeriesDelegate(self.list))
        self.list.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.list.setFrameShape(QListWidget.Shape.NoFrame)
        self.list.setUniformItemSizes(True)
        self.list.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.viewport().setAutoFillBackground(False)
        self.list.currentItemChanged.connect(self._on_current)
        self.notes = _sentence_label("notesLabel", self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, GRID_PX)
        column.setSpacing(GRID_PX)
        self.buttons = QHBoxLayout()
        self.buttons.setContentsMargins(2 * GRID_PX, 0, 2 * GRID_PX, 0)
        column.addWidget(self.list, 1)
        column.addLayout(self.buttons)
        column.addWidget(self.notes)
        session.listing_changed.connect(self._on_listing)
        session.scan_changed.connect(self._on_scan)
        session.spacing_changed.connect(self._on_spacing)
        session.badge_changed.connect(self._on_badge)

    @Slot(object)
    def set_thumbnail(self, made: tuple[str, np.ndarray]) -> None:
        """(series key, (H, W, 3) uint8 RGB)."""
        key, picture = made
        item = self._item(key)
        if item is not None:
            height, width = picture.shape[:2]
            image = QImage(np.ascontiguousarray(picture).data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
            item.setIcon(QIcon(QPixmap.fromImage(image)))

    @Slot(object)
    def _on_listing(self, listing: ScanListing | None) -> None:
        self.list.blockSignals(True)
        pictures = {id(item.data(SERIES)): item.icon() for item in map(self.list.item, range(self.list.count()))}
        self.list.clear()
        for series in listing.series if listing else ():
            item = QListWidgetItem()
            if id(series) in pictures:
                item.setIcon(pictures[id(series)])
            item.setData(SERIES, series)
            title, detail = title_of(series), self._detail(series)
            item.setData(TITLE, title)
            item.setData(DETAIL, detail)
            item.setText(f"{title}, {detail}")  # what a screen reader says
            item.setToolTip("\n".join((title, detail, series.source, *series.notes)))
            self.list.addItem(item)
            self._on_badge(series.key)
        self.list.blockSignals(False)

    @Slot(object)
    def _on_scan(self, scan: OpenedScan | None) -> None:
        """The row of what is on screen; also brings the mark back where another row could not be opened."""
        self.show_current()
        self._show_notes(scan.volume.notes if scan else ())

    @Slot(object)
    def _on_spacing(self, volume: Volume) -> None:
        self._show_notes(volume.notes)

    def _show_notes(self, notes: tuple[str, ...]) -> None:
        self.notes.setText("\n".join(notes[:3]))
        self.notes.setToolTip("\n".join(notes))
        self.notes.setVisible(bool(notes))

    def show_current(self) -> None:
        """Marks the series on screen."""
        scan = self._session.scan or self._session.preview
        self.list.blockSignals(True)
        self.list.setCurrentItem(self._item(scan.series.key) if scan else None)
        self.list.blockSignals(False)

    @Slot(object)
    def _on_badge(self, key: str) -> None:
        item, badge = self._item(key), self._session.badges.get(key)
        if item is not None:
            words = badge_words(badge) if badge is not None else ""
            item.setData(BADGE, words)
            item.setText(", ".join(part for part in (item.data(TITLE), item.data(DETAIL), words) if part))

    @Slot(QListWidgetItem, QListWidgetItem)
    def _on_current(self, item: QListWidgetItem | None, before: QListWidgetItem | None) -> None:
        if item is not None:
            self.series_chosen.emit(item.data(SERIES))

    def _item(self, key: str) -> QListWidgetItem | None:
        for row in range(self.list.count()):
            item = self.list.item(row)
            if item.data(SERIES).key == key:
                return item
        return None

    def _detail(self, series: Series) -> str:
        """ "FLAIR, 32 slices": the likeliest sequence, where the file gives a hint, and the number of slices."""
        slices = self.tr("1 slice") if series.shape[0] == 1 else self.tr("{} slices").format(series.shape[0])
        kind = self.tr("3 sequences") if series.channels == CHANNEL_NAMES else series.sequence
        short = self.tr("T1 post") if kind == T1_POST else kind  # the whole of it would leave no room for the number
        return f"{short}, {slices}" if short else slices


def _tr(text: str) -> str:
    return QCoreApplication.translate("SeriesPanel", text)


def title_of(series: Series) -> str:
    return series.description or series.key


def badge_words(badge: Badge) -> str:
    return _tr("{} found").format(badge.found) if badge.found else _tr("none found")


def _sentence_label(name: str, parent: QWidget) -> QLabel:
    label = QLabel(parent)
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setContentsMargins(2 * GRID_PX, 0, 2 * GRID_PX, 0)
    policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    policy.setHeightForWidth(True)
    label.setSizePolicy(policy)
    palette.quieten(label)
    return label


class _SeriesDelegate(QStyledItemDelegate):
    """Three lines beside a picture; long names lose their middle, the tooltip has them whole."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(160, ROW_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        painter.save()
        colours = option.palette
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen:
            painter.fillRect(option.rect, colours.color(QPalette.ColorRole.Button))
            painter.fillRect(QRect(option.rect.left(), option.rect.top(), 3, option.rect.height()), colours.color(QPalette.ColorRole.Highlight))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(option.rect, colours.color(QPalette.ColorRole.Base))
        picture = QRect(option.rect.left() + 2 * GRID_PX, option.rect.top() + GRID_PX, THUMBNAIL_PX, THUMBNAIL_PX)
        painter.fillRect(picture, palette.SCAN_GROUND)
        icon = index.data(Qt.ItemDataRole.DecorationRole)
        if icon is not None:
            icon.paint(painter, picture)
        left = picture.right() + GRID_PX + GRID_PX // 2
        text = QRect(left, picture.top(), option.rect.right() - left - GRID_PX, picture.height())
        bold = QFont(option.font)
        bold.setWeight(QFont.Weight.DemiBold if chosen else QFont.Weight.Normal)
        self._line(painter, bold, colours.color(QPalette.ColorRole.Text), text, 0, index.data(TITLE))
        quiet = colours.color(QPalette.ColorRole.PlaceholderText)
        self._line(painter, option.font, quiet, text, 1, index.data(DETAIL))
        if index.data(BADGE):
            self._line(painter, option.font, colours.color(QPalette.ColorRole.Text), text, 2, index.data(BADGE))
        painter.restore()

    def _line(self, painter: QPainter, font: QFont, colour: object, rect: QRect, line: int, words: str) -> None:
        metrics = QFontMetrics(font)
        gap = max((rect.height() - 3 * metrics.height()) // 2, 0)
        top = rect.top() + line * (metrics.height() + gap)
        painter.setFont(font)
        painter.setPen(colour)
        elided = metrics.elidedText(words, Qt.TextElideMode.ElideMiddle, rect.width())
        painter.drawText(QRect(rect.left(), top, rect.width(), metrics.height()), Qt.AlignmentFlag.AlignLeft, elided)
