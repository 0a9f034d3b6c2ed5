"""A program that cannot start says so on the screen: windowed builds have no console to write to."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication, QMessageBox


def crash_box(sentence: str, hint: str, log: Path) -> QMessageBox:
    """The dialog: what happened, what to do, and where the log is."""
    tr = QCoreApplication.translate
    box = QMessageBox(QMessageBox.Icon.Critical, "brainviewer", tr("Crash", "brainviewer could not start."))
    box.setObjectName("crashBox")
    box.setInformativeText("\n\n".join(part for part in (sentence, hint, tr("Crash", "The log says more: {}").format(log)) if part))
    if log.is_file():
        box.addButton(tr("Crash", "Open the log's folder"), QMessageBox.ButtonRole.ActionRole).setObjectName("openLogButton")
    box.addButton(QMessageBox.StandardButton.Close)
    return box


def show_crash(sentence: str, hint: str, log: Path) -> None:
    """Shows the dialog until it is closed."""
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        return
    app = QApplication.instance() or QApplication(sys.argv[:1])
    for window in app.topLevelWidgets():
        window.hide()
    box = crash_box(sentence, hint, log)
    box.exec()
    if box.clickedButton() is not None and box.clickedButton().objectName() == "openLogButton":
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(log.parent)))
