"""Menus, actions and keys, made from what the tools can do; actions are enabled and checked as the tools say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import QCoreApplication, QObject, Qt, Slot
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from .stage import Stage
from .state import Analysis
from .tools.tool import MENUS, NO_MENU, Command, Tool


class Menus(QObject):
    """Attributes:
    menus: of the menu bar; those without a command are left out.
    """

    def __init__(self, window: QMainWindow, stage: Stage, tools: Sequence[Tool]) -> None:
        super().__init__(window)
        self._window, self._scan_area, self._stage = window, stage.scan, stage
        self._commands: dict[QAction, Command] = {}
        self._groups: dict[str, QActionGroup] = {}
        self._own: dict[Tool, list[QAction]] = {}
        self.menus: list[QMenu] = []
        sections = [tool.commands() for tool in tools]
        for title in MENUS:
            rows = [[command for command in section if command.menu == title] for section in sections]
            self._add_menu(title, [section for section in rows if section])
        for command in (command for section in sections for command in section if command.menu == NO_MENU):
            self._add_action(command)
        made = {command: action for action, command in self._commands.items()}
        for tool, section in zip(tools, sections, strict=True):
            self._own[tool] = [made[command] for command in section]
            tool.changed.connect(self.refresh)
            tool.own_changed.connect(self._on_own_changed)
        session = stage.session
        for signal in (session.scan_changed, session.layers_changed, session.style_changed, session.show_changed, session.windows_changed):
            signal.connect(self._on_changed)
        for signal in (session.result_changed, stage.settings_changed):
            signal.connect(self._on_changed)
        self._phase = session.analysis.phase
        session.analysis_changed.connect(self._on_analysis)
        session.settled.connect(self.refresh)
        stage.asked.connect(self.refresh)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Asks every command whether it can be done, and is on."""
        if not self._stage.session.unsettled:
            self._ask(self._commands)

    def _ask(self, actions: Iterable[QAction]) -> None:
        asking = self._stage.asking
        for action in actions:
            command = self._commands[action]
            action.setEnabled(bool(command.enabled()) and not (asking and has_plain_key(action)))
            if command.checked is not None:
                action.setChecked(bool(command.checked()))

    @Slot()
    def _on_own_changed(self) -> None:
        self._ask(self._own[self.sender()])

    @Slot(object)
    def _on_changed(self, changed: object) -> None:
        self.refresh()

    @Slot(object)
    def _on_analysis(self, analysis: Analysis) -> None:
        if analysis.phase is not self._phase:  # and not for every slice that arrives
            self._phase = analysis.phase
            self.refresh()

    @Slot()
    def _on_triggered(self) -> None:
        self._commands[self.sender()].run()
        self.refresh()  # Qt has turned the tick already

    @Slot()
    def _on_about_to_show(self) -> None:
        menu = self.sender()
        menu.clear()
        self._commands[menu.menuAction()].fill(menu)

    def _add_menu(self, title: str, sections: list[list[Command]]) -> None:
        if not sections:
            return
        menu = self._window.menuBar().addMenu(_tr(title))
        menu.setToolTipsVisible(True)
        self.menus.append(menu)
        for number, section in enumerate(sections):
            if number:
                menu.addSeparator()
            inner: dict[str, QMenu] = {}
            for command in section:
                if command.fill is not None:
                    self._add_submenu(command, menu)
                elif command.within:
                    if command.within not in inner:
                        inner[command.within] = menu.addMenu(command.within)
                        inner[command.within].setToolTipsVisible(True)
                    inner[command.within].addAction(self._add_action(command))
                else:
                    menu.addAction(self._add_action(command))

    def _add_submenu(self, command: Command, menu: QMenu) -> None:
        inner = menu.addMenu(command.text)
        inner.setObjectName(command.name)
        inner.aboutToShow.connect(self._on_about_to_show)
        self._commands[inner.menuAction()] = command

    def _add_action(self, command: Command) -> QAction:
        action = QAction(command.text, self._window)
        action.setObjectName(command.name)
        action.setCheckable(command.checked is not None)
        keys = [QKeySequence(key) for key in command.keys]
        action.setShortcuts(keys)
        if command.on_scan:
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        (self._scan_area if command.on_scan else self._window).addAction(action)
        if command.group:
            self._groups.setdefault(command.group, QActionGroup(self)).addAction(action)
        tip, named = plain(command.tip or command.text), key_words(keys)
        action.setToolTip(f"{tip} ({named})" if named else tip)
        action.triggered.connect(self._on_triggered)
        self._commands[action] = command
        return action


def actions_in(menu: QMenu) -> list[QAction]:
    """Its actions and those of the menus in it, in order."""
    found = []
    for action in menu.actions():
        found += actions_in(action.menu()) if action.menu() is not None else [action]
    return found


def has_plain_key(action: QAction) -> bool:
    """Whether a letter, digit or sign alone triggers it."""
    return any(len(key.toString(QKeySequence.SequenceFormat.PortableText).removeprefix("Shift+")) == 1 for key in action.shortcuts())


def plain(text: str) -> str:
    """A menu's words without their marks."""
    return text.replace("&", "").rstrip("…")


def key_words(keys: list[QKeySequence]) -> str:
    """ "Right or Down", as the system writes keys."""
    return _tr("{} or {}").format(*map(_key_name, keys[:2])) if len(keys) > 1 else "".join(map(_key_name, keys))


def _key_name(key: QKeySequence) -> str:
    return key.toString(QKeySequence.SequenceFormat.NativeText)


def _tr(text: str) -> str:
    return QCoreApplication.translate("Menus", text)
