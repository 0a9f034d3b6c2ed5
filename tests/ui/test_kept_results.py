"""Answers kept for scans that are opened again: the switch, and forgetting them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PySide6.QtGui import QAction

from brainviewer.inference.kept import Kept, file_of_results
from brainviewer.settings import Settings
from brainviewer.ui import jobs
from brainviewer.ui.app import Program


def action(program: Program, name: str) -> QAction:
    found = program.window.findChild(QAction, name)
    assert isinstance(found, QAction)
    return found


def test_the_switch_is_remembered_and_reaches_the_jobs(program: Program) -> None:
    said: list[Settings] = []
    program.window.settings_changed.connect(said.append)
    switch = action(program, "keepResultsAction")
    assert switch.isChecked()
    switch.trigger()
    assert said[-1].keep_results is False
    assert not program.flow.keep_results
    assert not switch.isChecked()


def test_models_without_what_was_kept_where_nothing_shall_be() -> None:
    @dataclass(frozen=True)
    class Loaded:
        kept: object

        def close(self) -> None: ...

    kept = object()
    shelf = jobs.Shelf(jobs.Backend(load_models=lambda *_: Loaded(kept)))
    assert shelf.models(jobs.EngineChoice()).kept is kept
    assert shelf.models(jobs.EngineChoice(keep=False)).kept is None
    assert shelf.models(jobs.EngineChoice()).kept is kept


def test_forgetting_removes_the_file_and_says_so(qtbot: Any, program: Program) -> None:
    store = Kept()
    store.put(b"key", {"probability": np.zeros(4, np.float32)})
    store.close()
    assert file_of_results().exists()
    messages: list[Any] = []
    program.flow.messaged.connect(messages.append)
    action(program, "forgetResultsAction").trigger()
    assert not file_of_results().exists()
    assert messages[-1].kind == "done"


def test_what_cannot_be_removed_is_said(program: Program) -> None:
    file_of_results().mkdir(parents=True)
    messages: list[Any] = []
    program.flow.messaged.connect(messages.append)
    action(program, "forgetResultsAction").trigger()
    assert messages[-1].kind == "error"
    assert "could not be removed" in messages[-1].sentence
