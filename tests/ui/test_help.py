"""Help: the check of the installation and what About says."""

from __future__ import annotations

import json

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel

from brainviewer.errors import BrainviewerError
from brainviewer.inference.selftest import NAMES
from brainviewer.ui.about_card import AboutCard
from brainviewer.ui.check_card import CheckCard


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
