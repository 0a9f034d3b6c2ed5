"""How a page of the administration is laid out: a title, a message, and sections below each other."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QSize, Qt, Signal, Slot
from PySide6.QtGui import QPalette, QShowEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QListWidget,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .. import icons, palette
from ..flow import Choice, Message
from ..sheets import MessageCard, sentence
from ..side_panel import heading

GRID_PX = palette.GRID_PX
WIDEST_PX = 124 * GRID_PX


class Page(QScrollArea):
    """A column that scrolls; `column` takes what belongs to it.

    Signals:
        state_changed: where the page stands, in a few words.
    """

    state_changed = Signal(object)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.title = QLabel(self)
        palette.emphasise(self.title, large=True)
        self.about = sentence("", self, quiet=True)
        self.message = MessageCard(self)
        self.message.setObjectName(f"{name}Message")
        content = QWidget(self)
        content.setMaximumWidth(WIDEST_PX)
        self.column = QVBoxLayout(content)
        self.column.setContentsMargins(3 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX, 3 * GRID_PX)
        self.column.setSpacing(2 * GRID_PX)
        top = QVBoxLayout()
        top.setSpacing(GRID_PX // 2)
        top.addWidget(self.title)
        top.addWidget(self.about)
        self.column.addLayout(top)
        self.column.addWidget(self.message)
        outer = QWidget(self)
        row = QHBoxLayout(outer)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(content, 1)
        row.addStretch()
        self.setWidget(outer)

    def set_words(self, title: str, about: str) -> None:
        self.setAccessibleName(title)
        self.title.setText(title)
        self.about.setText(about)

    def enter(self) -> None:
        """The door has been opened: what may have changed meanwhile is read again."""

    def dress(self) -> None:
        """The page comes on screen, or the theme has changed: buttons that stand out get its colours."""

    def say(self, kind: str, words: str, hint: str = "", *choices: Choice) -> None:
        """Shows a sentence at the top of the page."""
        self.message.show_message(Message(kind, words, hint, choices))
        self.ensureVisible(0, 0)

    def add(self, item: QWidget | QLayout) -> None:
        self.column.addLayout(item) if isinstance(item, QLayout) else self.column.addWidget(item)

    # Qt's own names

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.dress()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self.isVisible():
            self.dress()


class Section(QWidget):
    """A heading and what stands below it."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(GRID_PX)
        self.head = heading(title, self)
        self.column.addWidget(self.head)

    def add(self, *items: QWidget | QLayout) -> None:
        for item in items:
            self.column.addLayout(item) if isinstance(item, QLayout) else self.column.addWidget(item)


class Fold(QWidget):
    """Something that is out of sight until its heading is pressed."""

    def __init__(self, name: str, title: str, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._content = content
        self.button = QToolButton(self)
        self.button.setObjectName(name)
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.button.setIconSize(QSize(16, 16))
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.toggled.connect(self._apply)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID_PX)
        column.addWidget(self.button, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(content)
        self._apply(False)

    @Slot(bool)
    def _apply(self, opened: bool) -> None:
        self._content.setVisible(opened)
        self._draw_sign()

    def _draw_sign(self) -> None:
        name = "chevron-down" if self.button.isChecked() else "chevron-right"
        self.button.setIcon(icons.icon(name, self.palette().windowText().color()))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_content"):
            self._draw_sign()


class Tiles(QWidget):
    """Figures in a row, each large above its quiet name."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(5 * GRID_PX)

    def show_figures(self, figures: list[tuple[str, str]]) -> None:
        """(value, name) of each."""
        empty(self._row)
        for value, name in figures:
            self._row.addLayout(self._tile(value, name))
        self._row.addStretch()
        self.setAccessibleDescription(", ".join(f"{value} {name}" for value, name in figures))

    def _tile(self, value: str, name: str) -> QVBoxLayout:
        number, words = QLabel(value, self), QLabel(name, self)
        palette.emphasise(number, large=True)
        number.setFont(palette.tabular(number.font()))
        palette.quieten(words)
        column = QVBoxLayout()
        column.setSpacing(0)
        column.addWidget(number)
        column.addWidget(words)
        return column


def empty(layout: QLayout) -> None:
    """Takes everything out of a layout."""
    while layout.count():
        item = layout.takeAt(0)
        if item.layout() is not None:
            empty(item.layout())
        elif item.widget() is not None:
            item.widget().hide()
            item.widget().deleteLater()


class CalmList(QListWidget):
    """What is chosen is raised, as in the list of series, not lit."""

    def __init__(self, name: str, words: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(words)
        self.setFrameShape(QListWidget.Shape.NoFrame)
        self.setSpacing(2)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self._calm()

    def _calm(self) -> None:
        colours, theme = self.palette(), QApplication.palette()
        for role, wanted in (
            (QPalette.ColorRole.Highlight, QPalette.ColorRole.Button),
            (QPalette.ColorRole.HighlightedText, QPalette.ColorRole.Text),
        ):
            colours.setColor(role, theme.color(wanted))
        if colours != self.palette():
            self.setPalette(colours)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._calm()


def push_button(name: str, text: str, slot: Callable[[], None], parent: QWidget | None = None, tip: str = "") -> QPushButton:
    button = QPushButton(text, parent)
    button.setObjectName(name)
    button.setToolTip(tip)
    button.clicked.connect(slot)
    return button
