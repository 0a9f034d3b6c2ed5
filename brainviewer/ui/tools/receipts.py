"""The reading receipt of the scan on screen."""

from __future__ import annotations

from PySide6.QtCore import Slot

from ...formats.receipt import Receipt, receipt_of
from ..receipt_panel import ReceiptCard, ReceiptFoot
from ..session import Session
from ..stage import Stage
from .tool import FILE, Command, Tool


class Receipts(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.card = ReceiptCard()
        stage.add_card(self.card)
        foot = ReceiptFoot(self.session)
        foot.receipt_wanted.connect(self.toggle)
        stage.left.add_section(foot)
        self.session.result_changed.connect(self._on_result)

    def commands(self) -> tuple[Command, ...]:
        tip = self.tr("What was read and what was not, and what the answer rests on")
        return (Command("receiptAction", FILE, self.tr("&Reading receipt"), self.toggle, ("Ctrl+I",), tip, self.is_open),)

    @Slot()
    def toggle(self) -> None:
        receipt = session_receipt(self.session)
        if self.card.isVisible():
            self.card.dismiss()
        elif receipt is not None:
            self.card.show_receipt(receipt)

    @Slot(object)
    def _on_result(self, result: object) -> None:
        """What is on screen is true."""
        receipt = session_receipt(self.session)
        if self.card.isVisible() and receipt is not None:
            self.card.show_receipt(receipt)


def session_receipt(session: Session) -> Receipt | None:
    """The receipt of the scan on screen, as it stands now."""
    if session.scan is None or session.listing is None:
        return None
    ignored = [(row.file, row.why) for row in session.listing.ignored]
    return receipt_of(session.scan.volume, session.scan.series, session.result, ignored)
