"""Help > Check this installation: the selftest in a process of its own, on a card."""

from __future__ import annotations

from PySide6.QtCore import Slot

from ..admin.child import Child
from ..check_card import CheckCard
from ..stage import Stage
from .tool import HELP, Command, Tool


class Checking(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._card: CheckCard | None = None
        self.child = Child(self.tr("The check"), self)

    def commands(self) -> tuple[Command, ...]:
        tip = self.tr("Compute, read, export and train a little, and compare with what should come out")
        return (Command("checkAction", HELP, self.tr("&Check this installation"), self.open_card, tip=tip),)

    @property
    def card(self) -> CheckCard:
        """Made when it is first wanted."""
        if self._card is None:
            card = self._card = CheckCard()
            self.stage.add_card(card)
            card.start_wanted.connect(self.start)
            card.cancel_wanted.connect(self.child.cancel)
            self.child.said.connect(card.take_line)
            self.child.succeeded.connect(card.end)
            self.child.failed.connect(card.fail)
            self.child.cancelled.connect(card.stop)
        return self._card

    @Slot()
    def open_card(self) -> None:
        self.card.show()
        if not self.child.running:
            self.start()

    @Slot()
    def start(self) -> None:
        self.card.begin()
        self.child.start(["selftest", "--json", "--progress"])

    def close(self) -> None:
        self.child.close()
