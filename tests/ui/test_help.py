"""Help: the check of the installation and what About says."""

from __future__ import annotations

import json
import sys

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QLabel

from brainviewer import paths
from brainviewer.errors import BrainviewerError
from brainviewer.inference.selftest import NAMES
from brainviewer.ui.about_card import AboutCard
from brainviewer.ui.check_card import CheckCard
from brainviewer.ui.tools.checking import Checking


def line(name: str, passed: bool = True, detail: str = "As it should.") -> str:
    return json.dumps({"check": {"name": name, "passed": passed, "detail": detail, "seconds": 1.25}})


@pytest.fixture
def card(qtbot) -> CheckCard:
    card = CheckCard()
    qtbot.addWidget(card)
    card.begin()
    return card


def shown(card: CheckCard) -> str:
    return "\n".join(label.text() for label in card.findChildren(QLabel))


def test_every_check_has_words(card: CheckCard) -> None:
    assert set(card.words()) == set(NAMES)


def test_all_passed(card: CheckCard) -> None:
    assert not card.start.isVisibleTo(card)
    for name in NAMES:
        card.take_line(line(name))
    card.end({"passed": True})
    assert f"All {len(NAMES)} checks passed" in card.state.text()
    assert card.start.isVisibleTo(card)
    assert not card.cancel.isVisibleTo(card)


def test_one_did_not_pass(card: CheckCard) -> None:
    for name in NAMES:
        card.take_line(line(name, name != "onnx int8", "Areas are off by 900 pixels."))
    card.fail(BrainviewerError("The check failed unexpectedly."))
    assert f"1 of {len(NAMES)} checks did not pass" in card.state.text()
    assert "900 pixels" in shown(card)


def test_it_broke_off(card: CheckCard) -> None:
    card.take_line(line(NAMES[0]))
    card.take_line("a remark of some library")
    card.take_line('{"check": 3}')
    card.fail(BrainviewerError("The check was ended from outside."))
    assert "ended from outside" in card.state.text()
    card.begin()
    card.take_line(line(NAMES[0]))
    card.stop()
    assert card.state.text().startswith("Stopped: 1 of")


def test_the_report_can_be_copied_and_names_no_path(qtbot, card: CheckCard, home) -> None:
    for name in NAMES:
        card.take_line(line(name))
    card.end()
    qtbot.mouseClick(card.copy, Qt.MouseButton.LeftButton)
    report = QGuiApplication.clipboard().text()
    assert report.count("passed  ") == len(NAMES)
    assert "onnxruntime" in report
    assert str(home) not in report


def test_about_names_the_licences(qtbot) -> None:
    card = AboutCard()
    qtbot.addWidget(card)
    assert "non-commercial" in shown(card)
    assert "BSD 3-Clause License" in card.text.toPlainText()
    card.tabs.setCurrentIndex(1)
    assert "CC BY-NC-SA 4.0" in card.text.toPlainText()


SELFTEST = """
import json, sys
for name, passed in (("sample scan", True), ("onnx int8", False)):
    print(json.dumps({"check": {"name": name, "passed": passed, "detail": "Said by a child.", "seconds": 0.5}}), file=sys.stderr)
print("brainviewer: something is missing", file=sys.stderr)
sys.exit(1)
"""


def test_help_starts_the_check_in_a_process_of_its_own(qtbot, program, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def command(*words: str) -> list[str]:
        asked.append(words)
        return [sys.executable, "-c", SELFTEST]

    monkeypatch.setattr(paths, "command", command)
    program.window.findChild(QAction, "checkAction").trigger()
    tool = program.window.tool(Checking)
    qtbot.waitUntil(lambda: not tool.child.running, timeout=30_000)
    assert asked == [("selftest", "--json", "--progress")]
    assert tool.card.isVisibleTo(program.window)
    assert "broke off" in tool.card.state.text()
    assert "Said by a child." in shown(tool.card)


def test_about_is_one_card(program) -> None:
    about = program.window.findChild(QAction, "aboutAction")
    about.trigger()
    about.trigger()
    assert len(program.window.findChildren(AboutCard)) == 1
