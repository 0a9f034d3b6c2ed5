"""From slice to slice by keys."""

from __future__ import annotations

from functools import partial

from .tool import SCAN, Command, Tool

PAGE_SLICES = 5


class Slices(Tool):
    def commands(self) -> tuple[Command, ...]:
        tr, go = self.tr, self._command
        return (
            go("nextSliceAction", tr("Next &slice"), ("Right", "Down"), 1),
            go("previousSliceAction", tr("Pre&vious slice"), ("Left", "Up"), -1),
            go("forwardAction", tr("Five slices &forward"), ("PgDown",), PAGE_SLICES),
            go("backAction", tr("Five slices &back"), ("PgUp",), -PAGE_SLICES),
            go("firstSliceAction", tr("F&irst slice"), ("Home",), -(10**6)),
            go("lastSliceAction", tr("&Last slice"), ("End",), 10**6),
        )

    def _command(self, name: str, text: str, keys: tuple[str, ...], step: int) -> Command:
        return Command(name, SCAN, text, partial(self._go, step), keys, enabled=lambda: len(self.session.predictions) > 1, on_scan=True)

    def _go(self, step: int) -> None:
        """Beyond the ends, to the end."""
        self.session.set_slice(self.session.z + step)
