"""The composition root: makes the parts, joins them, and starts the window."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QMessageLogContext, QObject, QSocketNotifier, QtMsgType, Signal, Slot, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from .. import __version__
from .. import settings as settings_store
from ..errors import BrainviewerError, WriteError
from ..inference.trial_runs import TRIAL
from ..settings import Settings
from . import jobs, palette
from .doorbell import Doorbell, Front
from .flow import Choice, Flow, Message
from .log_file import start_log
from .main_window import MainWindow
from .measuring import Measuring
from .session import Session
from .stage import Dialogs
from .tools.helping import Helping
from .tools.opening import Opening
from .trial import Trial
from .worker import Worker

log = logging.getLogger(__name__)

INTERRUPTED = 130


class Program:
    """All parts of one running window, made in order and closed in order."""

    def __init__(
        self, settings: Settings, backend: jobs.Backend | None = None, choice: jobs.EngineChoice | None = None, dialogs: Dialogs | None = None
    ) -> None:
        self.session = Session(settings)
        self.workers = tuple(Worker(name) for name in ("loader", "analyst", "writer", "keeper"))
        self.flow = Flow(self.session, *self.workers, backend=backend, choice=choice)
        self.measuring = Measuring(self.session, Worker("measurer"))
        self.window = MainWindow(self.session, self.flow, settings, dialogs)

    def close(self) -> None:
        """Ends the window, the work and the threads.

        Raises:
            RuntimeError: if a thread does not end in time.
        """
        self.window.hide()
        self.window.close_tools()
        self.measuring.close()
        self.flow.close()


class Keeper(QObject):
    """Saves the settings; a disk that is full is said once."""

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        self._flow = flow
        self._said = False

    @Slot(object)
    def keep(self, settings: Settings) -> None:
        try:
            settings_store.save(settings)
        except WriteError as error:
            log.warning("%s", error)
            if not self._said:
                self._said = True
                self._flow.messaged.emit(Message("warning", error.sentence, error.hint))


class Notice(QObject):
    """A sentence about the start, that the scan which opens with it does not wipe away."""

    def __init__(self, program: Program, sentence: str) -> None:
        super().__init__(program.window)
        self._stage, self._message = program.window.stage, Message("warning", sentence)
        self._stage.say(self._message)
        program.session.scan_changed.connect(self._on_scan)

    @Slot(object)
    def _on_scan(self, scan: object) -> None:
        if self._message is not None and self._stage.messages.message is self._message:
            self._stage.say(self._message)
        self._message = None


class Alarm(QObject):
    """What nobody caught: to the log, and as a message in the window, from whatever thread it came.

    Signals:
        raised: text of the exception's type.
    """

    raised = Signal(object)

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.raised.connect(self._on_raised)

    def hook(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """For `sys.excepthook`: one of the two places that catch everything."""
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        log.critical("Nobody caught this", exc_info=(kind, error, trace))
        self.raised.emit(kind.__name__)

    def thread_hook(self, args: threading.ExceptHookArgs) -> None:
        self.hook(args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback)

    @Slot(object)
    def _on_raised(self, kind: str) -> None:
        choice = Choice(self.tr("Show the log"), self._window.tool(Helping).show_log)
        self._window.stage.say(Message("error", self.tr("Unexpected error."), self.tr("The log says more."), (choice,)))


class Interrupt(QObject):
    """Ends the program on Ctrl-C in the terminal it was started from.

    Qt's loop runs no Python while nothing happens, so a signal would wait for the next click: a socket wakes the loop.
    """

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self._ours, self._theirs = socket.socketpair()
        for end in (self._ours, self._theirs):
            end.setblocking(False)
        self._notifier = QSocketNotifier(self._ours.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._on_woken)
        signal.set_wakeup_fd(self._theirs.fileno())
        signal.signal(signal.SIGINT, self._quit)

    @Slot()
    def _on_woken(self) -> None:
        self._ours.recv(1)

    def _quit(self, *_: object) -> None:
        QApplication.exit(INTERRUPTED)


def require_display() -> None:
    """Qt ends the whole program where it finds no display.

    Raises:
        BrainviewerError: where there is none to look for.
    """
    named = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
    if sys.platform.startswith("linux") and not named:
        raise BrainviewerError("The window needs a display, and there is none.", "Commands need none: brainviewer --help lists them.")


def on_qt_message(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
    """Qt's own messages, to the log; after a fatal one Qt aborts, so it is said first."""
    if kind == QtMsgType.QtFatalMsg:
        log.critical("Qt: %s", text)
        logging.shutdown()
        named = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY", "")
        why = f'The display "{named}" does not answer, or a system library for it is missing' if "platform plugin" in text else text
        sys.stderr.write(f"brainviewer: The window could not be opened. {why}.\nCommands need no display: brainviewer --help lists them.\n")
        sys.stderr.flush()
        os._exit(1)
    level = {QtMsgType.QtDebugMsg: logging.DEBUG, QtMsgType.QtInfoMsg: logging.INFO}.get(kind, logging.WARNING)
    log.log(level, "Qt: %s", text)


def run(paths_to_open: list[Path]) -> int:
    """Shows the window until it is closed, or brings forward the one that is open; returns the exit code.

    Raises:
        BrainviewerError: where there is no display.
    """
    start_log()
    require_display()
    qInstallMessageHandler(on_qt_message)
    app = QApplication.instance() or QApplication(sys.argv[:1])
    app.setApplicationName("brainviewer")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("brainviewer")
    doorbell = Doorbell(app)
    if doorbell.ring(paths_to_open):
        log.info("A window is open already: it was brought forward")
        return 0
    doorbell.listen()
    settings, problem = settings_store.read()
    palette.dress(app, settings.theme)
    program = Program(settings)
    keeper = Keeper(program.flow)
    program.window.settings_changed.connect(keeper.keep)
    alarm = Alarm(program.window)
    sys.excepthook = alarm.hook
    threading.excepthook = alarm.thread_hook
    Interrupt(app)
    program.window.show()
    if problem:
        Notice(program, problem)
    doorbell.rung.connect(Front(program.window).come)
    if os.environ.get(TRIAL):
        Trial(program.window, program.session, Path(os.environ[TRIAL]))
    if paths_to_open:
        # After the first paint: the window is on screen before anything is read.
        program.window.tool(Opening).open_later(paths_to_open)
    code = app.exec()
    try:
        program.close()
    except RuntimeError:
        # A thread that cannot be stopped would take the interpreter down in the middle of its own end.
        log.critical("A worker did not stop; leaving without it", exc_info=True)
        logging.shutdown()
        os._exit(code)
    return code
