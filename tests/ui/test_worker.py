"""The worker's promises: exactly one outcome a ticket, newer work first, progress at a bearable pace, a clean end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QObject, QThread, Slot

from brainviewer.errors import ReadError
from brainviewer.ui.worker import Outcome, Partial, Progress, Task, Worker

TIMEOUT_MS = 10_000


class Notes(QObject):
    """Writes down what a worker sends, and on which thread it arrived."""

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self.progress: list[Progress] = []
        self.partials: list[Partial] = []
        self.outcomes: list[tuple[str, Outcome]] = []
        self.threads: set[QThread] = set()
        worker.progressed.connect(self._on_progressed)
        worker.shared.connect(self._on_shared)
        worker.succeeded.connect(self._on_succeeded)
        worker.failed.connect(self._on_failed)
        worker.cancelled.connect(self._on_cancelled)

    @Slot(object)
    def _on_progressed(self, progress: Progress) -> None:
        self.threads.add(QThread.currentThread())
        self.progress.append(progress)

    @Slot(object)
    def _on_shared(self, partial: Partial) -> None:
        self.partials.append(partial)

    @Slot(object)
    def _on_succeeded(self, outcome: Outcome) -> None:
        self._end("succeeded", outcome)

    @Slot(object)
    def _on_failed(self, outcome: Outcome) -> None:
        self._end("failed", outcome)

    @Slot(object)
    def _on_cancelled(self, outcome: Outcome) -> None:
        self._end("cancelled", outcome)

    def _end(self, how: str, outcome: Outcome) -> None:
        self.threads.add(QThread.currentThread())
        self.outcomes.append((how, outcome))

    def how(self) -> dict[int, list[str]]:
        ends: dict[int, list[str]] = {}
        for how, outcome in self.outcomes:
            ends.setdefault(outcome.ticket, []).append(how)
        return ends


class Blocked:
    """A job that steps until it is let go or told to stop."""

    def __init__(self) -> None:
        self.started, self.go_on = threading.Event(), threading.Event()

    def __call__(self, task: Task) -> str:
        self.started.set()
        while not self.go_on.wait(0.005):
            task.step(0, 1)
        return "done"


@pytest.fixture
def worker(qtbot: Any) -> Iterator[Worker]:
    made = Worker("test")
    yield made
    made.close()


@pytest.fixture
def notes(worker: Worker) -> Notes:
    return Notes(worker)


def ended(notes: Notes, count: int) -> Callable[[], bool]:
    return lambda: len(notes.outcomes) == count


def test_a_result_arrives_on_the_owners_thread(qtbot: Any, worker: Worker, notes: Notes) -> None:
    seen: list[QThread] = []

    def job(task: Task) -> int:
        seen.append(QThread.currentThread())
        task.step(1, 2, "half")
        return 42

    with qtbot.waitSignal(worker.succeeded, timeout=TIMEOUT_MS) as caught:
        ticket = worker.submit(job)
    assert caught.args[0].result == 42
    assert caught.args[0].ticket == ticket
    assert notes.threads == {QThread.currentThread()}
    assert seen != [QThread.currentThread()]
    assert notes.progress == [Progress(ticket, 1, 2, "half", None)]
    assert not worker.busy


def test_an_error_keeps_its_sentence_and_the_thread_lives_on(qtbot: Any, worker: Worker, notes: Notes) -> None:
    def job(task: Task) -> None:
        raise ReadError('"x" is no scan.', "Open another.")

    with qtbot.waitSignal(worker.failed, timeout=TIMEOUT_MS) as caught:
        worker.submit(job)
    assert (caught.args[0].error.sentence, caught.args[0].error.hint) == ('"x" is no scan.', "Open another.")
    with qtbot.waitSignal(worker.succeeded, timeout=TIMEOUT_MS):
        worker.submit(lambda task: None)


def test_an_unexpected_error_is_said_without_its_innards(qtbot: Any, worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    def job(task: Task) -> None:
        raise KeyError("secret detail")

    with qtbot.waitSignal(worker.failed, timeout=TIMEOUT_MS) as caught:
        worker.submit(job)
    assert "secret" not in str(caught.args[0].error)
    assert "log" in caught.args[0].error.hint
    assert "secret detail" in caplog.text


def test_newer_work_cancels_older_and_each_ticket_ends_once(qtbot: Any, worker: Worker, notes: Notes) -> None:
    jobs = [Blocked() for _ in range(3)]
    first = worker.submit(jobs[0])
    qtbot.waitUntil(jobs[0].started.is_set, timeout=TIMEOUT_MS)
    second = worker.submit(jobs[1])
    jobs[2].go_on.set()
    third = worker.submit(jobs[2])
    qtbot.waitUntil(ended(notes, 3), timeout=TIMEOUT_MS)
    assert notes.how() == {first: ["cancelled"], second: ["cancelled"], third: ["succeeded"]}
    assert not jobs[1].started.is_set(), "a job that was cancelled before its turn must not start"


def test_nothing_of_a_cancelled_job_arrives_any_more(qtbot: Any, worker: Worker, notes: Notes) -> None:
    started, go_on = threading.Event(), threading.Event()

    def job(task: Task) -> None:
        task.share("early")
        started.set()
        assert go_on.wait(60)
        task.share("late")
        task.step(1, 1)

    worker.submit(job)
    qtbot.waitUntil(lambda: bool(notes.partials), timeout=TIMEOUT_MS)
    worker.cancel()
    go_on.set()
    qtbot.waitUntil(ended(notes, 1), timeout=TIMEOUT_MS)
    assert [partial.value for partial in notes.partials] == ["early"]
    assert notes.outcomes[0][0] == "cancelled"


def test_a_job_that_ends_before_it_notices_still_succeeds_once(qtbot: Any, worker: Worker, notes: Notes) -> None:
    started, go_on = threading.Event(), threading.Event()

    def job(task: Task) -> str:
        started.set()
        assert go_on.wait(60)
        return "whole"

    ticket = worker.submit(job)
    qtbot.waitUntil(started.is_set, timeout=TIMEOUT_MS)
    worker.cancel(ticket)
    go_on.set()
    qtbot.waitUntil(ended(notes, 1), timeout=TIMEOUT_MS)
    assert notes.how() == {ticket: ["succeeded"]}


def test_progress_is_at_most_ten_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("brainviewer.ui.worker.time.monotonic", lambda: clock[0])
    reports: list[Progress] = []
    task = Task(1, reports.append, lambda partial: None)
    for done in range(1000):
        task.step(done, 1000)
        clock[0] += 0.01
    assert 90 <= len(reports) <= 100
    assert reports[50].left_s == pytest.approx((1000 - reports[50].done) * 0.01, rel=0.01)


def test_time_left_starts_anew_with_each_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("brainviewer.ui.worker.time.monotonic", lambda: clock[0])
    reports: list[Progress] = []
    task = Task(1, reports.append, lambda partial: None)
    for note, pace in (("slow", 10.0), ("fast", 1.0)):
        for done in range(4):
            task.step(done, 4, note)
            clock[0] += pace
    assert [report.left_s for report in reports] == [None, 30.0, 20.0, 10.0, None, 3.0, 2.0, 1.0]


def test_close_stops_what_runs(qtbot: Any) -> None:
    worker, job = Worker("test"), Blocked()
    worker.submit(job)
    qtbot.waitUntil(job.started.is_set, timeout=TIMEOUT_MS)
    worker.close()
    worker.close()
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit(job)


def test_close_says_when_a_job_does_not_stop(qtbot: Any) -> None:
    worker, started, go_on = Worker("test"), threading.Event(), threading.Event()

    def stubborn(task: Task) -> None:
        started.set()
        go_on.wait(60)

    worker.submit(stubborn)
    qtbot.waitUntil(started.is_set, timeout=TIMEOUT_MS)
    with pytest.raises(RuntimeError, match="did not stop"):
        worker.close(deadline_s=0.05)
    go_on.set()
    worker.close()
