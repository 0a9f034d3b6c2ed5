"""The hidden administration: a key opens it, and nothing in the window tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Slot

from ..stage import Stage
from .tool import NO_MENU, Command, Tool

if TYPE_CHECKING:
    from ..admin.office import Office


class Administering(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._office: Office | None = None

    def commands(self) -> tuple[Command, ...]:
        return (Command("administrationAction", NO_MENU, self.tr("Administration"), self._toggle, ("Ctrl+Shift+A",)),)

    @property
    def office(self) -> Office:
        """Made when it is first wanted, so that nobody else pays for it."""
        if self._office is None:
            from ..admin.office import Office

            self._office = Office(self.stage)
            self.stage.add_page(self._office.panel)
            self._office.panel.left.connect(self._leave)
            self._office.switched.connect(self.flow.use_other_models)
        return self._office

    def _toggle(self) -> None:
        panel = self.office.panel
        if panel.isVisible():
            self._leave()
        else:
            self.stage.show_page(panel)
            panel.take_focus()

    @Slot()
    def _leave(self) -> None:
        self.stage.show_page(None)
        if self.is_open():
            self.stage.scan.view.setFocus()

    def close(self) -> None:
        if self._office is not None:
            self._office.close()
