"""Colours, sizes and fonts of the whole window: the one place that knows them."""

from __future__ import annotations

from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from .style import FlatStyle

GRID_PX = 8

ACCENT = {"dark": "#6c9cff", "light": "#2f62d0"}
"""What can be pressed first, what is chosen, and where one is: nothing else has colour."""

SCAN_GROUND = QColor(0, 0, 0)
"""Around the scan, in both themes, so that grey values read true."""
SCAN_TEXT = QColor(222, 222, 222)
SCAN_QUIET_TEXT = QColor(150, 150, 150)

STATUS = {
    "dark": {"error": "#e8806a", "warning": "#d9b44a", "done": "#5fb894", "info": "#8a93a0"},
    "light": {"error": "#b3361b", "warning": "#8a6500", "done": "#12734f", "info": "#5c6570"},
}
"""Edge and sign of messages; the words say it too."""

_SHADES = {
    # window, base, raised, text, quiet text, line
    "dark": ("#1d1f23", "#16181b", "#2a2d33", "#e4e6ea", "#979da7", "#34383f"),
    "light": ("#f3f4f6", "#ffffff", "#e6e8ec", "#1c1f24", "#5c636e", "#ccd0d7"),
}


def palette(theme: str) -> QPalette:
    """Of a theme: "dark" or "light"."""
    window, base, raised, text, quiet, line = (QColor(c) for c in _SHADES[theme])
    accent = QColor(ACCENT[theme])
    on_accent = QColor("#0d1117") if theme == "dark" else QColor("#ffffff")
    result = QPalette()
    for role, colour in (
        (QPalette.ColorRole.Window, window),
        (QPalette.ColorRole.WindowText, text),
        (QPalette.ColorRole.Base, base),
        (QPalette.ColorRole.AlternateBase, window),
        (QPalette.ColorRole.Text, text),
        (QPalette.ColorRole.Button, raised),
        (QPalette.ColorRole.ButtonText, text),
        (QPalette.ColorRole.BrightText, text),
        (QPalette.ColorRole.ToolTipBase, raised),
        (QPalette.ColorRole.ToolTipText, text),
        (QPalette.ColorRole.PlaceholderText, quiet),
        (QPalette.ColorRole.Highlight, accent),
        (QPalette.ColorRole.HighlightedText, on_accent),
        (QPalette.ColorRole.Accent, accent),
        (QPalette.ColorRole.Link, accent),
        (QPalette.ColorRole.LinkVisited, accent),
        (QPalette.ColorRole.Light, raised.lighter(112)),
        (QPalette.ColorRole.Midlight, raised),
        (QPalette.ColorRole.Mid, line),
        (QPalette.ColorRole.Dark, line),
        (QPalette.ColorRole.Shadow, QColor(0, 0, 0)),
    ):
        result.setColor(role, colour)
    faint = QColor(quiet)
    faint.setAlpha(130)
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, role, faint)
    result.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Highlight, line)
    return result


def dress(app: QApplication, theme: str) -> None:
    """Gives the application its style and colours."""
    if not isinstance(app.style(), FlatStyle):
        app.setStyle(FlatStyle())
    app.setPalette(palette(theme))
    app.setProperty("theme", theme)


def theme_of(app: QApplication) -> str:
    return app.property("theme") or "dark"


def status_colour(kind: str) -> QColor:
    """Of a message: "error", "warning", "done" or "info"."""
    app = QApplication.instance()
    return QColor(STATUS[theme_of(app)][kind] if app is not None else STATUS["dark"][kind])


def emphasise(widget: QWidget, *, large: bool = False) -> None:
    """The one weight, and the one larger size, that stand out."""
    font = QFont(widget.font())
    font.setWeight(QFont.Weight.DemiBold)
    if large:
        font.setPointSizeF(QApplication.font().pointSizeF() * 1.45)
    widget.setFont(font)


def make_primary(button: QWidget) -> None:
    """The button that is pressed first; to be said again after the theme changed."""
    app_colours = QApplication.palette()
    colours = button.palette()
    colours.setColor(QPalette.ColorRole.Button, app_colours.color(QPalette.ColorRole.Highlight))
    colours.setColor(QPalette.ColorRole.ButtonText, app_colours.color(QPalette.ColorRole.HighlightedText))
    button.setPalette(colours)


def quieten(widget: QWidget) -> None:
    """Text that is read second."""
    widget.setForegroundRole(QPalette.ColorRole.PlaceholderText)


def tabular(font: QFont) -> QFont:
    """The same font with figures of one width, where the font has them."""
    result = QFont(font)
    if hasattr(QFont, "Tag"):
        result.setFeature(QFont.Tag("tnum"), 1)
    return result
