"""What the program is, under which licences it and its parts are, and what models and sample may be used for."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QSizePolicy, QTabBar, QVBoxLayout, QWidget

from .. import __version__, paths
from . import icons, palette
from .sheets import Card

GRID_PX = palette.GRID_PX
TEXT_PX = 40 * GRID_PX
PICTURE_PX = 6 * GRID_PX


class AboutCard(Card):
    widest_px = 100 * GRID_PX

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("aboutCard")
        self.setAccessibleName(self.tr("About brainviewer"))
        picture = QLabel(self)
        colour = self.palette().color(QPalette.ColorRole.Highlight)
        picture.setPixmap(icons.pixmap("brainviewer", colour, PICTURE_PX, self.devicePixelRatioF()))
        title = QLabel(f"brainviewer {__version__}", self)
        title.setObjectName("aboutTitle")
        palette.emphasise(title, large=True)
        words = QVBoxLayout()
        words.setSpacing(GRID_PX // 2)
        words.addWidget(title)
        for name, text in (
            ("aboutWords", self.tr("Shows whether, and where, a brain MRI shows a tumour. Research use only. Not for diagnosis.")),
            (
                "licenceWords",
                self.tr(
                    "The program is free software (BSD 3-Clause). The bundled models, the sample and the guard scans are for non-commercial use only "
                    "(CC BY-NC-SA 4.0); they come from the LGG MRI segmentation data set (Buda et al. 2019; TCIA, TCGA-LGG)."
                ),
            ),
        ):
            label = QLabel(text, self)
            label.setObjectName(name)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
            policy.setHeightForWidth(True)
            label.setSizePolicy(policy)
            words.addWidget(label)
        head = QHBoxLayout()
        head.setSpacing(2 * GRID_PX)
        head.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        head.addLayout(words, 1)
        head.addWidget(self.close_button(), 0, Qt.AlignmentFlag.AlignTop)
        self._files = [(words, file) for words, file in self._texts() if file.is_file()]
        self.tabs = QTabBar(self)
        self.tabs.setObjectName("licenceTabs")
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        for tab, _ in self._files:
            self.tabs.addTab(tab)
        self.text = QPlainTextEdit(self)
        self.text.setObjectName("licenceText")
        self.text.setAccessibleName(self.tr("Licence"))
        self.text.setReadOnly(True)
        self.text.setFixedHeight(TEXT_PX)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID_PX, 2 * GRID_PX, 2 * GRID_PX, 3 * GRID_PX)
        column.setSpacing(GRID_PX)
        column.addLayout(head)
        column.addWidget(self.tabs)
        column.addWidget(self.text)
        self.tabs.currentChanged.connect(self._show_text)
        self._show_text(0)

    def _texts(self) -> tuple[tuple[str, Path], ...]:
        return (
            (self.tr("brainviewer"), paths.licence("LICENSE")),
            (self.tr("Models and sample scan"), paths.licence("LICENSE-MODELS-AND-SAMPLE.md")),
            (self.tr("Parts of other authors"), paths.licence("LICENCES-OF-PARTS.txt")),
        )

    @Slot(int)
    def _show_text(self, number: int) -> None:
        if not self._files:
            return
        try:
            text = self._files[number][1].read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            text = self.tr("The text cannot be read ({}).").format(error.strerror)
        self.text.setPlainText(text)
