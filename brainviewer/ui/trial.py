"""A window on trial: it writes down what it showed of the scan, and closes itself. The selftest starts it so, without a display."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from .session import Session

log = logging.getLogger(__name__)

PAINTED_MS = 100
LONGEST_MS = 120_000


class Trial(QObject):
    def __init__(self, window: QWidget, session: Session, file: Path) -> None:
        super().__init__(window)
        self._window, self._session, self._file = window, session, file
        self._started = time.perf_counter()
        self._painted = QTimer(self)
        self._painted.setSingleShot(True)
        self._painted.setInterval(PAINTED_MS)
        self._painted.timeout.connect(self._write)
        self._limit = QTimer(self)
        self._limit.setSingleShot(True)
        self._limit.setInterval(LONGEST_MS)
        self._limit.timeout.connect(window.close)
        self._limit.start()
        session.scan_changed.connect(self._on_scan)

    @Slot(object)
    def _on_scan(self, scan: object) -> None:
        if scan is not None:
            self._painted.start()

    @Slot()
    def _write(self) -> None:
        seconds = time.perf_counter() - self._started
        volume = self._session.volume
        document = {"slices": 0 if volume is None else len(volume), "colours": colours(self._window.grab().toImage()), "seconds": round(seconds, 2)}
        try:
            self._file.write_text(json.dumps(document), encoding="utf-8")
        except OSError as error:
            log.warning("The trial could not be written (%s).", error.strerror)
        self._limit.stop()
        self._window.close()


def colours(image: QImage) -> int:
    """How many different colours a picture has."""
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    return len(np.unique(np.frombuffer(image.constBits(), np.uint32, image.width() * image.height())))
