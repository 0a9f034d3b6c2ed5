"""The program's own pictures: SVG in one stroke weight, drawn in the colour that the place asks for, sharp at every scale."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

FOLDER = Path(__file__).parent / "icons"
SIZES_PX = (16, 20, 24, 32, 48, 64, 128)


@cache
def _source(name: str) -> str:
    return (FOLDER / f"{name}.svg").read_text(encoding="utf-8")


def pixmap(name: str, colour: QColor, size_px: int, ratio: float = 1.0) -> QPixmap:
    """One icon, `size_px` wide on a screen with `ratio` dots a pixel."""
    result = QPixmap(round(size_px * ratio), round(size_px * ratio))
    result.fill(Qt.GlobalColor.transparent)
    renderer = QSvgRenderer(QByteArray(_source(name).replace("#000", colour.name()).encode()))
    painter = QPainter(result)
    renderer.render(painter, QRectF(0, 0, result.width(), result.height()))
    painter.end()
    result.setDevicePixelRatio(ratio)
    return result


def icon(name: str, colour: QColor) -> QIcon:
    """One icon in all the sizes that are asked for."""
    result = QIcon()
    for size in SIZES_PX:
        result.addPixmap(pixmap(name, colour, size))
    return result
