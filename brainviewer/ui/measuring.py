"""Measuring what is shown: on a worker, since a large scan takes longer than a frame, and again whenever the masks change."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, QTimer, Slot

from . import jobs
from .session import Session
from .worker import Outcome, Worker

SETTLE_MS = 120
"""A slider that moves is waited for."""


class Measuring(QObject):
    """Puts `Measured` into the session."""

    def __init__(self, session: Session, worker: Worker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._worker = session, worker
        self._ticket = 0
        self._areas: tuple[int | None, ...] = ()
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._submit)
        for signal in (session.scan_changed, session.spacing_changed, session.result_changed):
            signal.connect(self._on_changed)
        session.mask_changed.connect(self._on_mask)
        worker.succeeded.connect(self._on_succeeded)

    def close(self) -> None:
        """Ends the thread.

        Raises:
            RuntimeError: if it does not end in time.
        """
        self._settle.stop()
        self._ticket = 0
        self._worker.cancel()
        self._worker.close()

    @Slot(object)
    def _on_mask(self, z: int | None) -> None:
        """A slice that was empty and is empty changes no number: the second pass, which fills in the heat map, brings many."""
        before, self._areas = self._areas, self._session.areas
        if z is None or z >= len(before) or before[z] or self._areas[z]:
            self._on_changed(z)

    @Slot(object)
    def _on_changed(self, changed: object) -> None:
        """What is being measured is too old already."""
        self._ticket = 0
        if self._session.result is None:
            self._settle.stop()
            self._session.put_measured(None)
        else:
            self._settle.start()

    @Slot()
    def _submit(self) -> None:
        session = self._session
        if session.result is not None and session.volume is not None:
            job = partial(jobs.measure_scan, session.volume, session.predictions, session.style.threshold)
            self._ticket = self._worker.submit(job, background=True)

    @Slot(object)
    def _on_succeeded(self, outcome: Outcome) -> None:
        if outcome.ticket == self._ticket:
            self._session.put_measured(outcome.result)
