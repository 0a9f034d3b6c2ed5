"""The film of slices: plays from slice to slice and round the end, until someone goes to a slice by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QToolButton

from ...settings import Settings
from ..icons import IconButton
from ..stage import Stage
from .tool import SCAN, Command, Tool

SPEEDS = (1, 2, 5, 10, 15, 20, 30)
"""Slices a second."""


class Cine(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.slices_per_s = stage.settings.slices_per_s
        self._stepping = False
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._step)
        self.button = IconButton("play", "playButton", stage.scan)
        self.button.clicked.connect(self.toggle)
        self.speed = QToolButton(stage.scan)
        self.speed.setObjectName("speedButton")
        self.speed.setAccessibleName(self.tr("Speed of the film"))
        self.speed.setToolTip(self.tr("Slices a second (slower: comma, faster: full stop)"))
        self.speed.setAutoRaise(True)
        self.speed.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.speed.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._choices = QActionGroup(self)
        self._choices.triggered.connect(self._on_chosen)
        menu = QMenu(self.speed)
        for speed in SPEEDS:
            action = QAction(self.tr("{} slices a second").format(speed), self._choices)
            action.setCheckable(True)
            action.setData(speed)
            menu.addAction(action)
        self.speed.setMenu(menu)
        stage.scan.buttons.addWidget(self.button)
        stage.scan.buttons.addWidget(self.speed)
        self.session.scan_changed.connect(self._on_scan)
        self.session.slice_changed.connect(self._on_slice)
        self._show()

    def commands(self) -> tuple[Command, ...]:
        tr, can = self.tr, self._can
        return (
            Command("playAction", SCAN, tr("Play the sli&ces"), self.toggle, ("P",), tr("Go through the slices like a film"), can, self._plays),
            Command("slowerAction", SCAN, tr("Slo&wer"), partial(self._change, -1), (",",), enabled=can),
            Command("fasterAction", SCAN, tr("Fas&ter"), partial(self._change, 1), (".",), enabled=can),
        )

    def remember(self, settings: Settings) -> Settings:
        return replace(settings, slices_per_s=self.slices_per_s)

    @Slot()
    def toggle(self) -> None:
        if self._plays():
            self._timer.stop()
        elif self._can():
            self._timer.start(round(1000 / self.slices_per_s))
        self._show()

    def _plays(self) -> bool:
        return self._timer.isActive()

    def _can(self) -> bool:
        return len(self.session.predictions) > 1

    def _change(self, step: int) -> None:
        """To the next speed up or down."""
        beyond = [speed for speed in SPEEDS if (speed - self.slices_per_s) * step > 0]
        if beyond:
            self._set_speed(min(beyond) if step > 0 else max(beyond))

    def _set_speed(self, slices_per_s: int) -> None:
        self.slices_per_s = slices_per_s
        self._timer.setInterval(round(1000 / slices_per_s))
        self._show()

    @Slot(QAction)
    def _on_chosen(self, action: QAction) -> None:
        self._set_speed(action.data())

    @Slot()
    def _step(self) -> None:
        self._stepping = True
        self.session.set_slice((self.session.z + 1) % len(self.session.predictions))
        self._stepping = False

    @Slot(object)
    def _on_slice(self, z: object) -> None:
        if self._plays() and not self._stepping:
            self.toggle()

    @Slot(object)
    def _on_scan(self, scan: object) -> None:
        self._timer.stop()
        self._show()

    def _show(self) -> None:
        plays = self._plays()
        self.button.set_picture("pause" if plays else "play")
        self.button.set_words(self.tr("Stop the film (P)") if plays else self.tr("Play the slices like a film (P)"))
        self.button.setEnabled(self._can())
        self.speed.setEnabled(self._can())
        self.speed.setText(self.tr("{} / s").format(self.slices_per_s))
        for action in self._choices.actions():
            action.setChecked(action.data() == self.slices_per_s)
        self.changed.emit()
