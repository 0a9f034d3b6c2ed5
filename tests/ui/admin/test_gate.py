"""The door in the window: first use, wrong tries, a site that shuts it, and that it locks itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QMenu, QPushButton, QWidget

from brainviewer import audit, passcode, paths
from brainviewer.passcode import Passcode
from brainviewer.ui.admin.gate import Gate
from brainviewer.ui.app import Program
from brainviewer.ui.tools.administering import Administering

from ..test_window import child, click, press, text

CODE = "open sesame"


def admin(program: Program) -> Any:
    return program.window.tool(Administering).office.panel


def unlock(qtbot: Any, program: Program) -> None:
    """Ctrl+Shift+A and a first passcode."""
    press(program.window, "Ctrl+Shift+A")
    QTest.keyClicks(child(program.window, QLineEdit, "passcodeEdit"), CODE)
    QTest.keyClicks(child(program.window, QLineEdit, "passcodeAgainEdit"), CODE)
    click(qtbot, program.window, QPushButton, "gateOpenButton")


def test_it_is_in_no_menu_and_not_among_the_keys(program: Program) -> None:
    for menu in program.window.findChildren(QMenu):
        assert "administration" not in " ".join(action.text().lower() for action in menu.actions())
    press(program.window, "F1")
    words = " ".join(label.text() for label in child(program.window, QWidget, "keySheet").findChildren(QWidget) if hasattr(label, "text"))
    assert "administration" not in words.lower()
    assert program.window.findChild(QWidget, "adminPanel") is None


def test_first_use_sets_the_passcode(qtbot: Any, program: Program) -> None:
    unlock(qtbot, program)
    assert child(program.window, QWidget, "adminPanel").isVisible()
    assert admin(program).unlocked
    assert Passcode().check(CODE)
    assert [act.result for act in audit.read()] == ["passcode set"]
    assert CODE not in (paths.user_data() / "passcode.json").read_text()


def test_two_that_differ_set_nothing(qtbot: Any, program: Program) -> None:
    press(program.window, "Ctrl+Shift+A")
    QTest.keyClicks(child(program.window, QLineEdit, "passcodeEdit"), CODE)
    QTest.keyClicks(child(program.window, QLineEdit, "passcodeAgainEdit"), "open simsim")
    click(qtbot, program.window, QPushButton, "gateOpenButton")
    assert text(program.window, "gateAnswer") == "The two are not the same."
    assert not Passcode().is_set()
    assert not admin(program).unlocked


def test_too_short_is_said(qtbot: Any, program: Program) -> None:
    press(program.window, "Ctrl+Shift+A")
    for name in ("passcodeEdit", "passcodeAgainEdit"):
        QTest.keyClicks(child(program.window, QLineEdit, name), "abc")
    click(qtbot, program.window, QPushButton, "gateOpenButton")
    assert "too short" in text(program.window, "gateAnswer")
    assert not admin(program).unlocked


def test_return_opens_and_a_wrong_one_does_not(qtbot: Any, program: Program) -> None:
    Passcode().set(CODE)
    press(program.window, "Ctrl+Shift+A")
    code = child(program.window, QLineEdit, "passcodeEdit")
    assert not child(program.window, QLineEdit, "passcodeAgainEdit").isVisible()
    QTest.keyClicks(code, "guess 1")
    QTest.keyClick(code, Qt.Key.Key_Return)
    assert text(program.window, "gateAnswer") == "That is not the passcode."
    assert code.text() == ""
    QTest.keyClicks(code, CODE)
    QTest.keyClick(code, Qt.Key.Key_Return)
    assert admin(program).unlocked
    assert [act.result for act in audit.read()] == ["wrong passcode", "opened"]


def test_wrong_tries_wait_and_the_wait_is_counted(qtbot: Any, shown: Any, tmp_path: Path) -> None:
    now = [1000.0]
    gate = shown(Gate(Passcode(tmp_path / "passcode.json", tmp_path / "site.json", lambda: now[0])))
    gate._passcode.set(CODE)
    gate.ask()
    for _ in range(passcode.FREE_TRIES + 2):
        now[0] += 5
        gate._show_wait()
        gate.code.setText("guess")
        gate.open_button.click()
    assert not gate.code.isEnabled()
    assert not gate.open_button.isEnabled()
    assert gate.answer.text() == "That is not the passcode. The next try is taken in 4 seconds."
    now[0] += 4.5
    gate._show_wait()
    assert gate.code.isEnabled()
    gate.code.setText(CODE)
    with qtbot.waitSignal(gate.opened, timeout=1000):
        gate.open_button.click()


def test_a_site_switches_it_off(program: Program) -> None:
    site = paths.site_configuration() / "administration.json"
    site.parent.mkdir()
    site.write_text(json.dumps({"administration": "disabled"}))
    press(program.window, "Ctrl+Shift+A")
    assert "switched off" in text(program.window, "gateAnswer")
    assert not child(program.window, QLineEdit, "passcodeEdit").isVisible()
    assert not child(program.window, QPushButton, "gateOpenButton").isVisible()


def test_it_locks_itself_when_idle_and_a_key_keeps_it_open(qtbot: Any, program: Program) -> None:
    unlock(qtbot, program)
    panel = admin(program)
    assert panel._idle.isActive()
    assert panel._idle.interval() == 600_000
    panel._idle.start(50_000)
    QTest.keyClick(panel, Qt.Key.Key_Tab)
    assert panel._idle.remainingTime() > 0
    panel._idle.timeout.emit()
    assert not panel.unlocked
    assert child(program.window, QWidget, "adminGate").isVisible()
    assert [act.what for act in audit.read()][-1] == "lock"


def test_escape_and_the_key_go_back_and_it_stays_open(qtbot: Any, opened: Program) -> None:
    unlock(qtbot, opened)
    QTest.keyClick(admin(opened), Qt.Key.Key_Escape)
    assert child(opened.window, QWidget, "sliceView").isVisible()
    press(opened.window, "Ctrl+Shift+A")
    assert admin(opened).isVisible()
    assert admin(opened).unlocked
    press(opened.window, "Ctrl+Shift+A")
    assert not admin(opened).isVisible()


def test_lock_shuts_it(qtbot: Any, program: Program) -> None:
    unlock(qtbot, program)
    click(qtbot, program.window, QPushButton, "adminLockButton")
    assert not admin(program).unlocked
    press(program.window, "Ctrl+Shift+A")
    assert child(program.window, QLineEdit, "passcodeEdit").isVisible()


@pytest.mark.parametrize("keys", ["O", "N", "Ctrl+E", "F5"])
def test_keys_of_the_scan_have_no_say(qtbot: Any, opened: Program, keys: str) -> None:
    unlock(qtbot, opened)
    layers, phase = opened.session.layers, opened.session.analysis
    press(admin(opened), keys)
    assert opened.session.layers == layers
    assert opened.session.analysis == phase
    assert not child(opened.window, QWidget, "exportSheet").isVisible()
