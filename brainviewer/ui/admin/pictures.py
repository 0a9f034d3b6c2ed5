"""Pictures that shrink to the width they get and never grow beyond their own pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget


class PictureView(QWidget):
    """One picture, whole, in its own proportions."""

    def __init__(self, name: str, words: str, parent: QWidget | None = None, *, largest_scale: float = 1.0) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(words)
        self._largest_scale = largest_scale
        self.image = QImage()
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_file(self, file: Path) -> bool:
        """Whether it could be read; the picture before is gone either way."""
        # Through the bytes: a file that is being replaced is read whole or not at all.
        try:
            self._put(QImage.fromData(file.read_bytes()))
        except OSError:
            self._put(QImage())
        return not self.image.isNull()

    def show_array(self, picture: np.ndarray) -> None:
        """(Y, X, 3) uint8 RGB."""
        height, width = picture.shape[:2]
        self._put(QImage(np.ascontiguousarray(picture).data, width, height, 3 * width, QImage.Format.Format_RGB888).copy())

    def clear(self) -> None:
        self._put(QImage())

    def _put(self, image: QImage) -> None:
        self.image = image
        self.setVisible(not image.isNull())
        self.updateGeometry()
        self.update()

    # Qt's own names

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.image.isNull():
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        width = min(self.width(), round(self.image.width() * self._largest_scale))
        height = self.image.height() * width / self.image.width()
        if height > self.height():
            height, width = self.height(), self.image.width() * self.height() / self.image.height()
        painter.drawImage(QRectF(0, 0, width, height), self.image)
        painter.end()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        if self.image.isNull():
            return 0
        width = min(width, round(self.image.width() * self._largest_scale))
        return round(self.image.height() * width / self.image.width())

    def sizeHint(self) -> QSize:
        width = round(self.image.width() * self._largest_scale)
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        return QSize(0, 0)
