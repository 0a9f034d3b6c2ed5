"""Cards that lie over the top of the scan: messages, the export, the keys. Nothing below them moves."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPen, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from . import icons, palette
from .flow import Choice, Message
from .icons import IconButton

GRID_PX = palette.GRID_PX


class Card(QWidget):
    """A raised panel with an edge.

    Signals:
        shown: it is on the screen.
        closed: it is gone from the screen.

    Attributes:
        takes_keys: whether plain keys (letters, digits, signs) do nothing on the scan while it is on the screen.
    """

    shown = Signal()
    closed = Signal()
    widest_px = 60 * GRID_PX
    takes_keys = False

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._edge: str | None = None
        self.hide()

    def set_edge(self, kind: str | None) -> None:
        """The kind of message whose colour the left edge has, or None."""
        self._edge = kind
        self.update()

    def close_button(self) -> IconButton:
        button = IconButton("close", f"{self.objectName()}CloseButton", self)
        button.set_words(self.tr("Close (Esc)"))
        button.clicked.connect(self.dismiss)
        return button

    @Slot()
    def dismiss(self) -> None:
        if not self.isHidden():
            self.hide()
            self.closed.emit()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.shown.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter)
        painter.end()

    def _paint(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Mid), 1))
        painter.setBrush(self.palette().color(QPalette.ColorRole.Window))
        painter.drawRoundedRect(self.rect().toRectF().adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        if self._edge is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(palette.status_colour(self._edge))
            painter.drawRoundedRect(4, 6, 3, self.height() - 12, 1.5, 1.5)


def sentence(text: str, parent: QWidget | None = None, *, name: str = "", quiet: bool = False) -> QLabel:
    """Words that wrap and can be copied."""
    label = QLabel(text, parent)
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
    policy.setHeightForWidth(True)
    label.setSizePolicy(policy)
    if quiet:
        palette.quieten(label)
    return label


class MessageCard(Card):
    """One sentence, one hint, and what can be done about it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("messageBar")
        self.setAccessibleName(self.tr("Message"))
        self.message: Message | None = None
        self._acts: dict[QPushButton, Choice] = {}
        self._sign = QLabel(self)
        self._sign.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.sentence = sentence("", self, name="messageSentence")
        self.hint = sentence("", self, name="messageHint")
        palette.quieten(self.hint)
        words = QVBoxLayout()
        words.setSpacing(GRID_PX // 2)
        words.addWidget(self.sentence)
        words.addWidget(self.hint)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(GRID_PX)
        words.addLayout(self._buttons)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GRID_PX, GRID_PX + 4, GRID_PX, GRID_PX + 4)
        row.setSpacing(GRID_PX + 4)
        row.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)
        row.addWidget(self.close_button(), 0, Qt.AlignmentFlag.AlignTop)

    @Slot(object)
    def show_message(self, message: Message) -> None:
        self.message = message
        self.set_edge(message.kind)
        self._sign.setPixmap(icons.pixmap(message.kind, palette.status_colour(message.kind), 20, self.devicePixelRatioF()))
        self.sentence.setText(message.sentence)
        self.hint.setText(message.hint)
        self.hint.setVisible(bool(message.hint))
        self._acts = {}
        while self._buttons.count():
            widget = self._buttons.takeAt(0).widget()
            if widget is not None:
                widget.hide()  # it goes only when Qt is idle
                widget.setObjectName("")
                widget.deleteLater()
        for number, choice in enumerate(message.choices):
            button = QPushButton(choice.text, self)
            button.setObjectName(f"messageChoice{number}")
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(self._on_choice)
            self._acts[button] = choice
            self._buttons.addWidget(button)
        self._buttons.addStretch()
        self.setAccessibleDescription(f"{message.sentence} {message.hint}")
        self.show()
        self.updateGeometry()

    @Slot()
    def _on_choice(self) -> None:
        choice = self._acts[self.sender()]
        self.dismiss()
        choice.act()


class SheetPlace(QObject):
    """Keeps cards at the top of a widget, one below the other, as wide as fits."""

    def __init__(self, host: QWidget) -> None:
        super().__init__(host)
        self._host = host
        self._cards: list[Card] = []
        host.installEventFilter(self)

    def add(self, card: Card) -> None:
        """Below those that were added before."""
        self._cards.append(card)
        card.setParent(self._host)
        card.hide()
        card.installEventFilter(self)

    def place(self) -> None:
        margin = 2 * GRID_PX
        top = margin
        for card in self._cards:
            if card.isHidden():
                continue
            width = min(self._host.width() - 2 * margin, card.widest_px)
            height = card.layout().totalHeightForWidth(width) if card.layout().hasHeightForWidth() else card.sizeHint().height()
            height = min(height, self._host.height() - top - margin)
            card.setGeometry((self._host.width() - width) // 2, top, width, height)
            card.raise_()
            top += height + GRID_PX

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kinds = (QEvent.Type.Resize, QEvent.Type.Show) if watched is self._host else (QEvent.Type.Show, QEvent.Type.Hide, QEvent.Type.LayoutRequest)
        if event.type() in kinds:
            self.place()
        return False
