"""Switching models in the window: refused unless better, overridden with a reason, taken back in one click."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QListWidget

from brainviewer.audit import Act
from brainviewer.errors import BundleError
from brainviewer.ui.admin.judgement import Figure, Judged, Judgement
from brainviewer.ui.admin.model_jobs import ModelBackend, ModelRow, ModelsState
from brainviewer.ui.admin.models_page import ModelsPage
from brainviewer.ui.admin.plots import Pair
from brainviewer.ui.app import Program
from brainviewer.ui.worker import Worker

from ..conftest import FakeBackend, finished
from ..test_window import child

TIMEOUT_MS = 20_000
OBJECTION = '"segment-2026.11.25" is not better than the models in use. Mean Dice 0.701 against 0.786.'
BUNDLED = ModelRow("bundled", ("classify", "segment"), "bundled", "", ("1.0.0", "1.0.0"), True, "", "", "", "", Path("/bundled"))
WORSE = ModelRow(
    "segment-2026.11.25", ("segment",), "run", "2026-11-25", ("1.0.0", "2026.11.25"), False, OBJECTION, "worse", "Worse.", "", Path("/w")
)
BETTER = ModelRow("both-2026.11.24", ("classify", "segment"), "run", "2026-11-24", ("2", "2"), False, "", "better", "Better.", "", Path("/b"))


class Registry:
    """Pairs in memory; what was asked is in `asked`."""

    def __init__(self) -> None:
        self.rows = [BUNDLED, BETTER, WORSE]
        self.before: list[str] = []
        self.asked: list[tuple] = []
        self.acts: list[Act] = []
        self.error: Exception | None = None

    def read_state(self) -> ModelsState:
        return ModelsState(tuple(self.rows), self.before[-1] if self.before else "", tuple(self.acts))

    def _use(self, name: str) -> str:
        self.rows = [replace(row, in_use=row.id == name) for row in self.rows]
        return name

    def promote(self, name: str, reason: str) -> str:
        self.asked.append(("promote", name, reason))
        row = next(row for row in self.rows if row.id == name)
        if self.error is not None:
            raise self.error
        if row.objection and not reason:
            raise BundleError(row.objection, "Give a reason.")
        self.before.append(next(row.id for row in self.rows if row.in_use))
        self.acts.append(Act("2026-11-25T10:00:00Z", "promote", "done", {"models": name, "override": reason}))
        return self._use(name)

    def roll_back(self) -> str:
        self.asked.append(("roll back",))
        return self._use(self.before.pop())

    def export(self, name: str, file: Path) -> Path:
        self.asked.append(("export", name, file))
        return file

    def import_(self, file: Path) -> str:
        self.asked.append(("import", file))
        if self.error is not None:
            raise self.error
        self.rows.append(replace(BETTER, id="both-2026.01.01", origin="import", verdict="", sentence="", objection="It was never compared."))
        return "both-2026.01.01"

    def remove(self, name: str) -> str:
        self.asked.append(("remove", name))
        self.rows = [row for row in self.rows if row.id != name]
        return name

    def judgement(self, row: ModelRow) -> Judgement | None:
        figures = (Figure("Patient Dice, mean", 0.701, 0.786, (0.6, 0.8), None), Figure("Calibration error", 0.02, 0.03, lower_is_better=True))
        part = Judged("On 3 held-out patients", figures, (((4, 1), (2, 5)), ((5, 0), (1, 6))), None, (Pair("p1", 0.5, 0.8),), ())
        return Judgement(row.verdict, row.sentence, (part,)) if row.verdict else None

    def backend(self) -> ModelBackend:
        return ModelBackend(self.read_state, self.promote, self.roll_back, self.export, self.import_, self.judgement, self.remove)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def page(qtbot: Any, shown: Callable[[Any], Any], worker: Worker, registry: Registry, tmp_path: Path) -> ModelsPage:
    made = shown(ModelsPage(worker, lambda *_: tmp_path / "from.bvmodel", lambda *_: tmp_path / "to", registry.backend()))
    made.enter()
    settled(qtbot, made)
    return made


def settled(qtbot: Any, page: ModelsPage) -> None:
    """Until the worker has answered."""
    qtbot.waitUntil(lambda: page.import_button.isEnabled(), timeout=TIMEOUT_MS)


def choose(page: ModelsPage, name: str) -> None:
    page.list.setCurrentRow(next(n for n in range(page.list.count()) if page.list.item(n).data(Qt.ItemDataRole.UserRole).id == name))


def test_what_is_in_use_and_what_there_is(page: ModelsPage) -> None:
    assert page.in_use.text() == "Classifier 1.0.0 and segmenter 1.0.0, which came with the program"
    assert [page.list.item(n).text().split("   ") for n in range(page.list.count())] == [
        ["segment-2026.11.25", "2026-11-25", "new segmenter", "worse"],
        ["both-2026.11.24", "2026-11-24", "both new", "better"],
        ["Came with the program", "in use"],
    ]
    assert not page.back_button.isVisible()
    assert page.chosen is None


def test_a_worse_one_is_refused_until_a_reason_is_written(qtbot: Any, page: ModelsPage, registry: Registry) -> None:
    choose(page, WORSE.id)
    assert page.objection.text() == OBJECTION
    qtbot.mouseClick(page.promote_button, Qt.MouseButton.LeftButton)
    settled(qtbot, page)
    assert registry.asked == [("promote", WORSE.id, "")]  # the refusal is the registry's own, and goes into its log
    assert page.message.sentence.text() == f"Not switched. {OBJECTION}"
    assert page.in_use.text().startswith("Classifier 1.0.0")
    assert page.reason.isVisible()
    assert not page.override_button.isEnabled()
    QTest.keyClicks(page.reason, "   ")
    assert not page.override_button.isEnabled()
    QTest.keyClicks(page.reason, "our scanner")
    with qtbot.waitSignal(page.switched, timeout=TIMEOUT_MS):
        qtbot.mouseClick(page.override_button, Qt.MouseButton.LeftButton)
    assert registry.asked[-1] == ("promote", WORSE.id, "our scanner")
    assert page.in_use.text() == "Classifier 1.0.0 and segmenter 2026.11.25, trained here"
    assert not page.reason.isVisible()
    assert "2026-11-25 10:00:00 UTC   promote   done   segment-2026.11.25   our scanner" in page.log.text()


def test_a_better_one_is_used_and_taken_back(qtbot: Any, page: ModelsPage, registry: Registry) -> None:
    choose(page, BETTER.id)
    assert not page.objection.isVisible()
    with qtbot.waitSignal(page.switched, timeout=TIMEOUT_MS):
        qtbot.mouseClick(page.promote_button, Qt.MouseButton.LeftButton)
        assert page.busy.text() == "Checking every file, and trying both models…"
        assert page.busy.isVisible()
    assert not page.busy.isVisible()
    assert page.message.sentence.text() == '"both-2026.11.24" is in use now.'
    assert not page.promote_button.isVisible()
    assert not page.remove_button.isVisible()
    assert page.back_button.text() == "Go back to the bundled models"
    with qtbot.waitSignal(page.switched, timeout=TIMEOUT_MS):
        qtbot.mouseClick(page.back_button, Qt.MouseButton.LeftButton)
    assert registry.asked[-1] == ("roll back",)
    assert page.in_use.text().endswith("which came with the program")
    assert not page.back_button.isVisible()


def test_a_damaged_candidate_changes_nothing(qtbot: Any, page: ModelsPage, registry: Registry) -> None:
    registry.error = BundleError("The model is damaged.", "Import it again.")
    choose(page, BETTER.id)
    qtbot.mouseClick(page.promote_button, Qt.MouseButton.LeftButton)
    settled(qtbot, page)
    assert (page.message.sentence.text(), page.message.hint.text()) == ("The model is damaged.", "Import it again.")
    assert page.in_use.text().endswith("which came with the program")
    assert not page.reason.isVisible()


def test_export_and_import(qtbot: Any, page: ModelsPage, registry: Registry, tmp_path: Path) -> None:
    choose(page, WORSE.id)
    qtbot.mouseClick(page.export_button, Qt.MouseButton.LeftButton)
    settled(qtbot, page)
    assert registry.asked[-1] == ("export", WORSE.id, tmp_path / "to.bvmodel")
    assert page.message.sentence.text() == 'Both models were written to "to.bvmodel".'
    qtbot.mouseClick(page.import_button, Qt.MouseButton.LeftButton)
    settled(qtbot, page)
    assert registry.asked[-1] == ("import", tmp_path / "from.bvmodel")
    assert page.message.sentence.text() == '"both-2026.01.01" was imported. It is not in use.'
    assert page.chosen is not None
    assert page.chosen.id == "both-2026.01.01"
    assert page.objection.text() == "It was never compared."
    assert not page.verdict.isVisible()


def test_a_crafted_file_is_a_sentence(qtbot: Any, page: ModelsPage, registry: Registry) -> None:
    registry.error = BundleError('"from.bvmodel" is refused: it is damaged.', "Ask for another.")
    qtbot.mouseClick(page.import_button, Qt.MouseButton.LeftButton)
    settled(qtbot, page)
    assert page.message.sentence.text() == '"from.bvmodel" is refused: it is damaged.'


def test_delete_asks_first(qtbot: Any, page: ModelsPage, registry: Registry) -> None:
    choose(page, WORSE.id)
    qtbot.mouseClick(page.remove_button, Qt.MouseButton.LeftButton)
    assert registry.asked == []
    choice = page.message.findChild(type(page.remove_button), "messageChoice0")
    qtbot.mouseClick(choice, Qt.MouseButton.LeftButton)
    settled(qtbot, page)
    assert registry.asked == [("remove", WORSE.id)]
    assert page.list.count() == 2


def test_the_judgement_side_by_side(page: ModelsPage) -> None:
    choose(page, WORSE.id)
    words = [label.text() for label in page.verdict.findChildren(type(page.name))]
    assert "Worse than the models in use" in words
    assert "0.701 (0.600 to 0.800)" in words
    assert "\N{MINUS SIGN}0.085" in words
    assert "\N{MINUS SIGN}0.010" in words
    choose(page, BUNDLED.id)
    assert not page.verdict.isVisible()
    assert page.objection.text() == "In use."


def test_other_models_forget_old_answers_and_analyse_anew(qtbot: Any, opened: Program, fake: FakeBackend) -> None:
    flow, session = opened.flow, opened.session
    before = len(fake.analysed)
    old = session.result
    flow.use_other_models()
    assert session.result is None
    qtbot.waitUntil(lambda: session.result is not None and finished(opened), timeout=TIMEOUT_MS)
    assert session.result is not old
    assert len(fake.analysed) == 2 * before
    assert fake.closed == 1  # the models before, on the thread that used them


def test_without_an_answer_nothing_is_analysed(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    program.flow.use_other_models()
    assert program.flow.busy is None
    assert fake.analysed == []


def test_answers_of_other_series_are_forgotten_too(qtbot: Any, program: Program, fake: FakeBackend) -> None:
    program.flow.open_path(Path("/scans/two"))
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
    first = program.session.scan.series.key
    second = next(series for series in program.session.listing.series if series.key != first)
    program.flow.open_series(second)
    qtbot.waitUntil(lambda: program.session.scan.series is second and finished(program), timeout=TIMEOUT_MS)
    program.flow.use_other_models()
    assert first not in program.session.badges
    panel = child(program.window, QListWidget, "seriesList")
    rows = [panel.item(n).text() for n in range(panel.count())]
    assert "found" not in next(row for row in rows if row.startswith(first))
    qtbot.waitUntil(lambda: finished(program), timeout=TIMEOUT_MS)
