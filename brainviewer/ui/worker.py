"""Long work away from the window: plain jobs, one at a time, each with exactly one outcome."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from ..errors import BrainviewerError, Cancelled

log = logging.getLogger(__name__)

PROGRESS_INTERVAL_S = 0.1
CLOSE_DEADLINE_S = 10.0

Job = Callable[["Task"], Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes:
        left_s: estimated from this stage's own pace, or None while too little is known.
    """

    ticket: int
    done: int
    total: int
    note: str = ""
    left_s: float | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Partial:
    """Something a job hands over before it ends."""

    ticket: int
    value: Any


@dataclass(frozen=True, eq=False, slots=True)
class Outcome:
    """How a job ended: its result, or its error, or neither where it was cancelled."""

    ticket: int
    result: Any = None
    error: BrainviewerError | None = None


class Task:
    """What a job is given. Lives on the worker's thread; only `cancel` may be called from elsewhere."""

    def __init__(self, ticket: int, progressed: Callable[[Progress], None], shared: Callable[[Partial], None]) -> None:
        self.ticket = ticket
        self._progressed = progressed
        self._shared = shared
        self._stop = threading.Event()
        self._stage: tuple[str, int] | None = None
        self._stage_start = (0.0, 0)
        self._last_report_s = float("-inf")

    def cancel(self) -> None:
        self._stop.set()

    @property
    def cancelled(self) -> bool:
        return self._stop.is_set()

    def step(self, done: int, total: int, note: str = "") -> None:
        """Reports, at most ten times a second.

        Raises:
            Cancelled: when someone asked the job to stop.
        """
        if self._stop.is_set():
            raise Cancelled
        now = time.monotonic()
        if self._stage != (note, total):
            self._stage, self._stage_start = (note, total), (now, done)
        if now - self._last_report_s < PROGRESS_INTERVAL_S:
            return
        self._last_report_s = now
        start_s, start_done = self._stage_start
        pace_known = done > start_done and now - start_s > 0.5
        left_s = (now - start_s) * (total - done) / (done - start_done) if pace_known else None
        self._progressed(Progress(self.ticket, done, total, note, left_s))

    def share(self, value: object) -> None:
        """Hands something over before the job ends."""
        self._shared(Partial(self.ticket, value))


class _Runner(QObject):
    """Lives on the worker's thread and runs what is queued to it."""

    progressed = Signal(object)
    shared = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal(object)

    @Slot(object)
    def run(self, order: tuple[Task, Job, bool]) -> None:
        task, job, background = order
        if task.cancelled:
            self.cancelled.emit(Outcome(task.ticket))
            return
        QThread.currentThread().setPriority(QThread.Priority.LowPriority if background else QThread.Priority.NormalPriority)
        try:
            result = job(task)
        except Cancelled:
            self.cancelled.emit(Outcome(task.ticket))
        except BrainviewerError as error:
            log.info("Job %d failed: %s", task.ticket, error, exc_info=True)
            self.failed.emit(Outcome(task.ticket, error=error))
        except Exception:  # one of the two places that catch everything: a failed job must not end the thread
            log.exception("Job %d failed unexpectedly", task.ticket)
            unexpected = BrainviewerError("Something unexpected went wrong.", "The log says more: Help > Show the log.")
            self.failed.emit(Outcome(task.ticket, error=unexpected))
        else:
            self.succeeded.emit(Outcome(task.ticket, result))


class Worker(QObject):
    """One thread for life, one job at a time; a new job cancels what is older.

    Signals (frozen dataclasses, all delivered on the thread this object lives on):
        progressed: Progress; at most ten a second.
        shared: Partial.
        succeeded, failed, cancelled: Outcome; exactly one of them for each ticket.
    """

    progressed = Signal(object)
    shared = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal(object)

    _ordered = Signal(object)
    _tickets = itertools.count(1)
    """Shared by all workers, so that a ticket names one job of the whole program."""

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._open: dict[int, Task] = {}
        self._closed = False
        self._thread = QThread()
        self._thread.setObjectName(name)
        self._runner = _Runner()
        self._runner.moveToThread(self._thread)
        queued = Qt.ConnectionType.QueuedConnection
        self._ordered.connect(self._runner.run, queued)
        self._runner.progressed.connect(self._on_progressed, queued)
        self._runner.shared.connect(self._on_shared, queued)
        self._runner.succeeded.connect(self._on_succeeded, queued)
        self._runner.failed.connect(self._on_failed, queued)
        self._runner.cancelled.connect(self._on_cancelled, queued)
        self._thread.start()

    @property
    def busy(self) -> bool:
        return bool(self._open)

    def submit(self, job: Job, *, background: bool = False) -> int:
        """Queues a job and asks everything older to stop; returns its ticket. `background` runs it at low priority."""
        if self._closed:
            raise RuntimeError(f"the worker {self.objectName()!r} is closed")
        self.cancel()
        task = Task(next(self._tickets), self._runner.progressed.emit, self._runner.shared.emit)
        self._open[task.ticket] = task
        self._ordered.emit((task, job, background))
        return task.ticket

    def cancel(self, ticket: int | None = None) -> None:
        """Asks one job, or all, to stop at its next step."""
        for task in list(self._open.values()):
            if ticket is None or task.ticket == ticket:
                task.cancel()

    def close(self, deadline_s: float = CLOSE_DEADLINE_S) -> None:
        """Cancels everything and ends the thread; safe to call twice.

        Raises:
            RuntimeError: if the thread has not ended within the deadline.
        """
        self._closed = True
        self.cancel()
        self._thread.quit()
        if not self._thread.wait(int(deadline_s * 1000)):
            raise RuntimeError(f"the worker {self.objectName()!r} did not stop within {deadline_s:g} s")

    @Slot(object)
    def _on_progressed(self, progress: Progress) -> None:
        if progress.ticket in self._open and not self._open[progress.ticket].cancelled:
            self.progressed.emit(progress)

    @Slot(object)
    def _on_shared(self, partial: Partial) -> None:
        if partial.ticket in self._open and not self._open[partial.ticket].cancelled:
            self.shared.emit(partial)

    @Slot(object)
    def _on_succeeded(self, outcome: Outcome) -> None:
        self._open.pop(outcome.ticket, None)
        self.succeeded.emit(outcome)

    @Slot(object)
    def _on_failed(self, outcome: Outcome) -> None:
        self._open.pop(outcome.ticket, None)
        self.failed.emit(outcome)

    @Slot(object)
    def _on_cancelled(self, outcome: Outcome) -> None:
        self._open.pop(outcome.ticket, None)
        self.cancelled.emit(outcome)
