"""What a file that is about to be written will look like: a picture of it, or its first lines, and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QCoreApplication, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from ..formats.export import table_text
from ..formats.share import SECONDS_A_PICTURE, Scene, What, numbers_text
from . import palette

GRID_PX = palette.GRID_PX
MOST_CELLS = 30
LINES = 14


@dataclass(frozen=True, eq=False, slots=True)
class Preview:
    """Attributes:
    picture: (H, W, 3) uint8, or None.
    lines: of text, where there is no picture.
    words: what it is.
    """

    words: str
    picture: np.ndarray | None = None
    lines: tuple[str, ...] = ()


def preview_of(scene: Scene, what: What, slices: Sequence[int], z: int, identity: bool) -> Preview:
    """Of one kind of file; `z` is the slice that is shown where one stands for all."""
    volume = scene.volume
    size = " x ".join(str(side) for side in volume.shape[::-1])
    marked = int(scene.result.mask(scene.style.threshold, volume.shape).sum()) if what in (What.MASK, What.SEG) else 0
    if what is What.OVERLAYS:
        return Preview(_tr("PNG of each slice as it is shown now, without words."), scene.picture(z))
    if what is What.PANELS:
        words = _tr("PNG of each slice: scan, masks and both together, side by side.")
        return Preview(words, scene.panel(z))
    if what is What.SHEET:
        step = max(1, -(-len(slices) // MOST_CELLS))
        return Preview(_tr("One PNG with {} slices in rows.").format(len(slices)), scene.contact_sheet(slices[::step], 640))
    if what is What.FILM:
        words = _tr("GIF that runs through {} slices in {:.1f} s.").format(len(slices), len(slices) * SECONDS_A_PICTURE)
        return Preview(words, scene.picture(z))
    if what is What.MASK:
        words = _tr("NIfTI of 0 and 1, {} voxels on the grid of the source; {:,} of them are tumour.").format(size, marked)
        return Preview(words, _of_mask(scene, z))
    if what is What.PROBABILITY:
        words = _tr("NIfTI of 0 to 1, {} voxels on the grid of the source: the models' own maps.").format(size)
        return Preview(words, _of_probability(scene, z))
    if what is What.SEG:
        words = _tr("DICOM SEG that refers to the source's files; {:,} voxels are tumour.").format(marked)
        told = _tr("It carries the patient's identity, as its source does.") if identity else _tr("It names no patient.")
        return Preview(f"{words} {told}", _of_mask(scene, z))
    document = scene.document((what,), slices)
    if what is What.TABLE:
        rows = table_text(document["slices"], edited=True).splitlines()
        return Preview(_tr("CSV with a row a slice."), lines=tuple(rows[:LINES]))
    if what is What.NUMBERS:
        words = _tr("JSON of all numbers, models and settings, and of how the scan was read.")
        return Preview(words, lines=tuple(numbers_text(document).splitlines()[:LINES]))
    return Preview(_tr("One page for any browser: pictures, numbers, models, settings, and how the scan was read."), scene.picture(z))


def _of_mask(scene: Scene, z: int) -> np.ndarray:
    found = scene.predictions[z].found(scene.style.threshold)
    grey = np.zeros(scene.volume.shape[1:], np.uint8) if found is None else found.astype(np.uint8) * np.uint8(255)
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)


def _of_probability(scene: Scene, z: int) -> np.ndarray:
    mask = scene.predictions[z].mask
    grey = np.zeros(scene.volume.shape[1:], np.uint8) if mask is None else (mask.probability * 255).astype(np.uint8)
    return np.repeat(grey[..., np.newaxis], 3, axis=-1)


class PreviewPlace(QWidget):
    """Shows a preview, whole, on the scan's own ground."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("exportPreview")
        self.setAccessibleName(self.tr("Preview"))
        self.setMinimumSize(34 * GRID_PX, 24 * GRID_PX)
        self._preview: Preview | None = None
        self._pixel_mm: tuple[float, float] = (1.0, 1.0)

    def show_preview(self, preview: Preview, pixel_mm: tuple[float, float] | None) -> None:
        """A picture's pixels measure (dy, dx)."""
        self._preview, self._pixel_mm = preview, pixel_mm or (1.0, 1.0)
        self.setAccessibleDescription(preview.words)
        self.update()

    @property
    def preview(self) -> Preview | None:
        return self._preview

    def sizeHint(self) -> QSize:
        return QSize(42 * GRID_PX, 30 * GRID_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter)
        painter.end()

    def _paint(self, painter: QPainter) -> None:
        painter.fillRect(self.rect(), palette.SCAN_GROUND)
        if self._preview is None:
            return
        inside = self.rect().adjusted(GRID_PX, GRID_PX, -GRID_PX, -GRID_PX)
        if self._preview.picture is not None:
            picture = np.ascontiguousarray(self._preview.picture)
            image = QImage(picture.data, picture.shape[1], picture.shape[0], picture.shape[1] * 3, QImage.Format.Format_RGB888)
            dy, dx = self._pixel_mm
            wanted = QSize(max(1, round(image.width() * dx * 100)), max(1, round(image.height() * dy * 100)))
            wanted.scale(inside.size(), Qt.AspectRatioMode.KeepAspectRatio)
            place = inside.adjusted(0, 0, wanted.width() - inside.width(), wanted.height() - inside.height())
            place.moveCenter(inside.center())
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(place, image)
            return
        font = painter.font()
        font.setFamilies(["monospace", "Consolas", "Menlo"])
        font.setPointSizeF(font.pointSizeF() * 0.85)
        painter.setFont(font)
        painter.setPen(palette.SCAN_TEXT)
        metrics = painter.fontMetrics()
        for number, line in enumerate(self._preview.lines):
            top = inside.top() + (number + 1) * metrics.lineSpacing()
            if top > inside.bottom():
                break
            painter.drawText(inside.left(), top, metrics.elidedText(line, Qt.TextElideMode.ElideRight, inside.width()))


def _tr(text: str) -> str:
    return QCoreApplication.translate("ExportPreview", text)
