"""Follows a training run by its files: what is new in the events of its stages, and whether its process still lives.

A run outlives the window, so nothing here depends on having started it.
"""

from __future__ import annotations

import json
import subprocess

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from ...training.run import Run, RunEvent

INTERVAL_MS = 250


class RunWatch(QObject):
    """Signals:
    happened: (stage, tuple of RunEvent in order); after `follow` at once all so far.
    alive_changed: whether a process works on the run.
    """

    happened = Signal(object)
    alive_changed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.run: Run | None = None
        self.alive = False
        self._tails: list[_Tail] = []
        self._process: subprocess.Popen | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self.look)

    def follow(self, run: Run, process: subprocess.Popen | None = None) -> None:
        """From the run's first event on; `process` is the one that this window has just started for it."""
        self.run, self.alive, self._process = run, False, process
        self._tails = [_Tail(stage) for stage in run.stages]
        self.look()
        self._timer.start()

    def leave(self) -> None:
        self._timer.stop()
        self.run, self.alive = None, False

    @Slot()
    def look(self) -> None:
        """Reads what is new."""
        if self.run is None:
            return
        # The life first: what a process writes before it ends is then read below, and not missed.
        # A process needs a while before it holds the folder; asking for its end also lets the system forget it.
        ours = self._process is not None and self._process.poll() is None
        alive = ours or bool(self.run.holder())
        for number, tail in enumerate(self._tails):
            events = tail.read()
            if events:
                self.happened.emit((number, events))
        if alive != self.alive:
            self.alive = alive
            self.alive_changed.emit(alive)


class _Tail:
    """Reads a stage's events as they come: whole lines only; one that is being written is read the next time."""

    def __init__(self, stage: Run) -> None:
        self._file = stage.events_file
        self._read_bytes = 0

    def read(self) -> tuple[RunEvent, ...]:
        try:
            with self._file.open("rb") as stream:
                stream.seek(self._read_bytes)
                data = stream.read()
        except OSError:
            return ()
        end = data.rfind(b"\n") + 1
        self._read_bytes += end
        events = []
        for line in data[:end].decode(errors="replace").splitlines():
            try:
                events.append(RunEvent(**json.loads(line)))
            except (ValueError, TypeError):
                continue  # a line that a kill cut short
        return tuple(events)
