"""One command of this program in a process of its own: its progress, and exactly one outcome.

What is long or needs a framework runs so: the window keeps answering, memory comes back, and a crash takes nothing along.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal, Slot

from ... import paths
from ...errors import BrainviewerError
from ..worker import Progress

log = logging.getLogger(__name__)

PATIENCE_MS = 3000
"""A child that was asked to end and has not is killed."""
INTERRUPTED = 130
KEPT_CHARS = 20_000


class Child(QObject):
    """Signals:
    progressed: Progress; its ticket is 0.
    said: a sentence on what the command does, while it runs.
    succeeded: the JSON document that the command wrote (a dict), {} where it wrote none.
    failed: BrainviewerError.
    cancelled: it was asked to stop, and has.
    """

    progressed = Signal(object)
    said = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()

    def __init__(self, what: str, parent: QObject | None = None) -> None:
        """`what` it does, as the beginning of a sentence: "The data check"."""
        super().__init__(parent)
        self._what = what
        self._process: QProcess | None = None
        self._asked_to_stop = False
        self._errors = ""
        self._half_line = ""
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self._kill)

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self, arguments: Sequence[str]) -> None:
        """Runs `brainviewer ARGUMENTS`; one at a time.

        Raises:
            RuntimeError: if one is running already.
        """
        if self._process is not None:
            raise RuntimeError(f"{self._what} is running already")
        self._asked_to_stop, self._errors, self._half_line = False, "", ""
        process = QProcess(self)
        process.setProcessEnvironment(_environment())
        process.readyReadStandardError.connect(self._read_errors)
        process.errorOccurred.connect(self._on_error)
        process.finished.connect(self._on_finished)
        self._process = process
        program, *words = paths.command(*arguments)
        process.start(program, words)
        process.closeWriteChannel()

    @Slot()
    def cancel(self) -> None:
        """Asks it to end; it is killed where it does not."""
        if self._process is not None and not self._asked_to_stop:
            self._asked_to_stop = True
            self._process.terminate()
            self._patience.start()

    def close(self) -> None:
        """Ends it at once and waits until it is gone; says nothing more."""
        process, self._process = self._process, None
        self._patience.stop()
        if process is not None:
            process.blockSignals(True)
            process.kill()
            process.waitForFinished(PATIENCE_MS)
            process.deleteLater()

    @Slot()
    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    @Slot()
    def _read_errors(self) -> None:
        process = self.sender() if self._process is None else self._process
        if not isinstance(process, QProcess):
            return
        text = self._half_line + bytes(process.readAllStandardError().data()).decode(errors="replace")
        *lines, self._half_line = text.split("\n")
        for line in lines:
            self._on_line(line.rstrip("\r"))

    def _on_line(self, line: str) -> None:
        progress = progress_of(line)
        if progress is not None:
            self.progressed.emit(progress)
        elif line.strip():
            self._errors = (self._errors + line + "\n")[-KEPT_CHARS:]
            if not line.startswith("brainviewer:"):
                self.said.emit(line.strip())

    @Slot(QProcess.ProcessError)
    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            words = self._process.errorString()
            self._release()
            self.failed.emit(BrainviewerError(self.tr("{} could not be started ({}).").format(self._what, words)))

    @Slot(int, QProcess.ExitStatus)
    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        process = self._process
        if process is None:
            return
        self._read_errors()
        self._on_line(self._half_line)
        written = bytes(process.readAllStandardOutput().data()).decode(errors="replace")
        stopped = self._asked_to_stop
        self._release()
        if code == 0 and status == QProcess.ExitStatus.NormalExit:
            self._succeed(written)
        elif stopped or code == INTERRUPTED:
            self.cancelled.emit()
        elif status == QProcess.ExitStatus.CrashExit:
            log.error("%s was killed; it had said: %s", self._what, self._errors)
            hint = self.tr("Nothing was changed. Start it again; if it happens again, there may be too little memory.")
            self.failed.emit(BrainviewerError(self.tr("{} was ended from outside, before it was done.").format(self._what), hint))
        else:
            self.failed.emit(error_of(self._errors, self._what))

    def _succeed(self, written: str) -> None:
        try:
            document = json.loads(written) if written.strip() else {}
        except ValueError:
            log.exception("%s wrote no JSON: %s", self._what, written[:500])
            self.failed.emit(BrainviewerError(self.tr("{} gave an answer that cannot be read.").format(self._what)))
            return
        self.succeeded.emit(document)

    def _release(self) -> None:
        self._patience.stop()
        if self._process is not None:
            self._process.deleteLater()
            self._process = None


def progress_of(line: str) -> Progress | None:
    """A line `{"done": n, "total": n, "note": text}` of a command that reports, or None."""
    if not line.startswith("{"):
        return None
    try:
        document = json.loads(line)
        return Progress(0, int(document["done"]), int(document["total"]), str(document.get("note", "")), document.get("left_s"))
    except (ValueError, KeyError, TypeError):
        return None


def error_of(errors: str, what: str) -> BrainviewerError:
    """The last sentence that a command wrote on standard error, and the hint below it."""
    lines = [line for line in errors.splitlines() if line.strip()]
    starts = [n for n, line in enumerate(lines) if line.startswith("brainviewer: ")]
    if not starts:
        log.error("%s failed unexpectedly: %s", what, errors)
        return BrainviewerError(f"{what} failed unexpectedly.", "The log says more: Help > Show the log.")
    last = starts[-1]
    return BrainviewerError(lines[last].removeprefix("brainviewer: "), " ".join(lines[last + 1 : last + 3]))


def _environment() -> QProcessEnvironment:
    result = QProcessEnvironment()
    for name, value in paths.environment().items():
        result.insert(name, value)
    return result
