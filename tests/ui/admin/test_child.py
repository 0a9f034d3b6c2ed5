"""A command in a process of its own: progress, one outcome, sentences. The processes are one-liners of Python."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from PySide6.QtCore import QObject

from brainviewer import paths
from brainviewer.errors import BrainviewerError
from brainviewer.ui.admin.child import Child, error_of, progress_of
from brainviewer.ui.worker import Progress

TIMEOUT_MS = 20_000


@pytest.fixture
def parent(qtbot: Any) -> QObject:
    return QObject()


@pytest.fixture
def run(qtbot: Any, parent: QObject, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs Python text as the command and returns the child, its end awaited where `signal` names one."""
    monkeypatch.setattr(paths, "command", lambda *words: [sys.executable, "-c", *words])

    def start(code: str, signal: str = "") -> tuple[Child, list[Any]]:
        made = Child("The check", parent)
        if not signal:
            made.start([code])
            return made, []
        with qtbot.waitSignal(getattr(made, signal), timeout=TIMEOUT_MS) as waited:
            made.start([code])
        return made, waited.args

    return start


def test_the_document_comes_back(run: Any) -> None:
    made, answer = run("print('{\"patients\": 3}')", "succeeded")
    assert answer == [{"patients": 3}]
    assert not made.running


def test_progress_and_words_arrive_before_the_end(qtbot: Any, run: Any, parent: QObject) -> None:
    made = Child("The check", parent)
    seen: list[object] = []
    made.progressed.connect(seen.append)
    made.said.connect(seen.append)
    with qtbot.waitSignal(made.succeeded, timeout=TIMEOUT_MS):
        made.start(["import sys; sys.stderr.write('{\"done\": 1, \"total\": 4}\\nlooking\\n'); print('{}')"])
    assert seen == [Progress(0, 1, 4, ""), "looking"]


def test_a_sentence_and_its_hint(run: Any) -> None:
    code = "import sys; sys.stderr.write('brainviewer: There is no scan.\\nChoose another folder.\\n'); sys.exit(1)"
    _, (error,) = run(code, "failed")
    assert (error.sentence, error.hint) == ("There is no scan.", "Choose another folder.")


def test_a_trace_is_no_sentence(run: Any) -> None:
    _, (error,) = run("1 / 0", "failed")
    assert error.sentence == "The check failed unexpectedly."


def test_a_child_killed_from_outside(run: Any) -> None:
    _, (error,) = run("import os, signal; os.kill(os.getpid(), getattr(signal, 'SIGKILL', signal.SIGTERM))", "failed")
    assert error.sentence == "The check was ended from outside, before it was done."


def test_cancel_ends_it(qtbot: Any, run: Any) -> None:
    made, _ = run("import time; print('up', flush=True); time.sleep(600)")
    with qtbot.waitSignal(made.cancelled, timeout=TIMEOUT_MS):
        made.cancel()
    assert not made.running


def test_close_says_nothing_more(qtbot: Any, run: Any) -> None:
    made, _ = run("import time; time.sleep(600)")
    with qtbot.assertNotEmitted(made.failed), qtbot.assertNotEmitted(made.cancelled):
        made.close()
    assert not made.running


def test_one_at_a_time(run: Any) -> None:
    made, _ = run("import time; time.sleep(600)")
    with pytest.raises(RuntimeError):
        made.start([""])
    made.close()


def test_what_cannot_be_started_is_said(qtbot: Any, parent: QObject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "command", lambda *words: ["/nowhere/brainviewer"])
    made = Child("The check", parent)
    with qtbot.waitSignal(made.failed, timeout=TIMEOUT_MS) as waited:
        made.start([])
    assert waited.args[0].sentence.startswith("The check could not be started")


def test_lines_that_are_no_progress() -> None:
    assert progress_of("reading") is None
    assert progress_of("{broken") is None
    assert progress_of('{"done": "x"}') is None
    assert progress_of('{"done": 2, "total": 5, "note": "p1"}') == Progress(0, 2, 5, "p1")


def test_the_last_sentence_counts() -> None:
    error = error_of("brainviewer: first.\nbrainviewer: second.\nDo this.\n", "It")
    assert isinstance(error, BrainviewerError)
    assert str(error) == "second. Do this."
