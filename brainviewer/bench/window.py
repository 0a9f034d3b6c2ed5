"""The window, measured from inside: when it paints, how long it does not, and what memory it takes."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QEventLoop, QObject, QTimer
from PySide6.QtWidgets import QApplication

from ..errors import BrainviewerError
from ..formats.share import Scene, What
from ..settings import Settings
from ..ui import palette
from ..ui.app import Program
from ..ui.jobs import EngineChoice, ExportOrder
from ..ui.state import Phase
from ..ui.tools.opening import Opening
from .memory import peak_mb, resident_mb

PATIENCE_S = 900.0
BEAT_MS = 5
BLOCK_S = 0.05
CHANGES = 150


class Painted(QObject):
    """Counts what the scan's view has painted, and when."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self._program = program
        self.times = 0
        self.slice_s = self.overlay_s = self.slice_cpu_s = self.overlay_cpu_s = 0.0
        program.window.stage.scan.view.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            QTimer.singleShot(0, self, self._on_painted)
        return False

    def _on_painted(self) -> None:
        """Runs right after the paint event."""
        self.times += 1
        session, now = self._program.session, time.time()
        if not self.slice_s and (session.volume is not None or session.preview is not None):
            self.slice_s, self.slice_cpu_s = now, time.process_time()
        prediction = session.prediction if session.volume is not None else None
        if not self.overlay_s and prediction is not None and prediction.tumour and prediction.mask is not None:
            self.overlay_s, self.overlay_cpu_s = now, time.process_time()


def opened(path: Path, keep: bool = False) -> tuple[Program, Painted]:
    """The window on a scan, as `brainviewer PATH` opens it."""
    app = QApplication.instance() or QApplication(["brainviewer"])
    palette.dress(app, "dark")
    program = Program(Settings(keep_results=keep), choice=EngineChoice(keep=keep))
    painted = Painted(program)
    program.window.show()
    program.window.tool(Opening).open_later([path])
    return program, painted


def until(condition: Callable[[], bool], what: str) -> None:
    """Runs the window until something is so.

    Raises:
        BrainviewerError: if it does not become so.
    """
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise BrainviewerError(f"The window did not come to this: {what}.")
        rest(0.01)


def rest(seconds: float) -> None:
    """Runs the window for a while, as idle as it is when nobody looks."""
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()


def finished(program: Program) -> bool:
    phase = program.session.analysis.phase
    if phase in (Phase.FAILED, Phase.STOPPED):
        raise BrainviewerError("The analysis did not end well.")
    return phase is Phase.FINISHED and program.flow.busy is None


def first_pictures(path: Path) -> dict:
    """When the first slice, and when the first overlay, is on screen (`time.time`), and the processor time that it took."""
    program, painted = opened(path)
    until(lambda: bool(painted.overlay_s), "an overlay on screen")
    program.close()
    return {name: getattr(painted, name) for name in ("slice_s", "overlay_s", "slice_cpu_s", "overlay_cpu_s")}


def slice_changes(path: str) -> dict:
    """Milliseconds from the wish for another slice to its pixels, while the scan is analysed and when it is done."""
    program, painted = opened(Path(path))
    until(lambda: sum(p is not None and p.mask is not None for p in program.session.predictions) >= 12, "twelve slices with an overlay")
    busy = _changes(program, painted)
    still = program.session.analysis.phase is Phase.RUNNING
    program.flow.cancel()
    until(lambda: program.flow.busy is None, "quiet")
    idle = _changes(program, painted)
    program.close()
    return {"busy_ms": busy, "idle_ms": idle, "analysing": still}


def _changes(program: Program, painted: Painted) -> list[float]:
    app, session, took = QApplication.instance(), program.session, []
    for number in range(CHANGES):
        seen = [p.z for p in session.predictions if p is not None and p.mask is not None]
        z = seen[number % len(seen)]
        if z == session.z:
            continue
        before, started = painted.times, time.perf_counter()
        session.set_slice(z)
        while painted.times == before:
            app.processEvents()
        took.append((time.perf_counter() - started) * 1000)
        rest(0.02)  # as fast as a wheel turns
    return took


class Watchdog:
    """Notices when the main thread does not come back to its loop, and what it was doing meanwhile.

    Attributes:
        longest_s: wall time between two beats of the loop.
        longest_busy_s: of it, what the main thread computed itself; the rest is waiting, for the interpreter or for a core.
        blocks: how often each place of the program was seen in the way.
    """

    def __init__(self) -> None:
        self.longest_s = self.longest_busy_s = 0.0
        self.blocks: Counter[str] = Counter()
        self._main = threading.main_thread().ident
        self._beat, self._computed = time.perf_counter(), time.thread_time()
        self._timer = QTimer()
        self._timer.setInterval(BEAT_MS)
        self._timer.timeout.connect(self._on_beat)
        self._timer.start()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def _on_beat(self) -> None:
        now, computed = time.perf_counter(), time.thread_time()
        self.longest_s = max(self.longest_s, now - self._beat)
        self.longest_busy_s = max(self.longest_busy_s, computed - self._computed)
        self._beat, self._computed = now, computed

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            if time.perf_counter() - self._beat > BLOCK_S and self._main is not None:
                frame = sys._current_frames().get(self._main)
                own = [
                    f for f in traceback.extract_stack(frame) if f"brainviewer{os.sep}ui" in f.filename or f"brainviewer{os.sep}imaging" in f.filename
                ]
                self.blocks[" < ".join(f"{Path(f.filename).stem}.{f.name}" for f in reversed(own[-3:])) or "Qt itself"] += 1

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._timer.stop()


def watched(path: str, out: str) -> dict:
    """A series opened, analysed and exported under the eyes of the watchdog."""
    program, _ = opened(Path(path))
    app = QApplication.instance()
    until(lambda: program.window.isVisible(), "a window")
    for _ in range(10):  # the first paint of a window is the start's
        app.processEvents()
    dog = Watchdog()
    session, stages = program.session, {}

    def stage(name: str, condition: Callable[[], bool]) -> None:
        until(condition, name)
        stages[name] = {"longest_ms": dog.longest_s * 1000, "busy_ms": dog.longest_busy_s * 1000, "blocks": dog.blocks.most_common(4)}
        dog.longest_s = dog.longest_busy_s = 0.0
        dog.blocks.clear()

    stage("opened", lambda: session.volume is not None)
    stage("analysed", lambda: session.analysis.phase is Phase.FINISHED)
    result, volume = session.result, session.volume
    assert result is not None
    assert volume is not None
    scene = Scene(volume, session.windows, tuple(result.predictions), result, session.style)
    program.flow.export(ExportOrder(scene, (What.OVERLAYS,), tuple(range(len(volume))), Path(out)))
    stage("exported", lambda: not program.flow.exporting)
    dog.close()
    count = len(list(Path(out).iterdir()))
    program.close()
    return {"stages": stages, "files": count}


def sample_memory(path: str) -> dict:
    """Peak memory of the window with a scan opened and analysed, the heat map included."""
    program, _ = opened(Path(path))
    until(lambda: finished(program), "an analysed scan")
    peak = peak_mb()
    program.close()
    return {"peak_mb": peak}


def _analysed(program: Program, key: str) -> bool:
    scan = program.session.scan
    return scan is not None and scan.series.key == key and finished(program)


def growth(folder: str) -> dict:
    """Memory after each of many scans opened and analysed in one window."""
    scans = sorted(Path(folder).iterdir())
    program, _ = opened(scans[0])
    held = []
    for number, scan in enumerate(scans):
        if number:
            program.flow.open_path(scan)
        until(partial(_analysed, program, scan.name), f"{scan.name} analysed")
        held.append(resident_mb())
    program.close()
    return {"held_mb": held}
