"""Analysing a scan, its result, and going from finding to finding."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Slot

from ..result_panel import ResultPanel
from ..stage import Stage
from ..state import Phase
from .tool import SCAN, Command, Tool


class Analysing(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.flow.analyse_on_open = stage.settings.analyse_on_open
        self.flow.keep_results = stage.settings.keep_results
        panel = ResultPanel(self.session)
        panel.analyse_wanted.connect(self.flow.analyse)
        stage.right.add_section(panel)

    def commands(self) -> tuple[Command, ...]:
        tr = self.tr
        return (
            Command(
                "analyseAction",
                SCAN,
                tr("&Analyse"),
                self.flow.analyse,
                ("F5",),
                tr("Analyse the scan, from the slice on screen outward"),
                lambda: self.is_open() and self.session.analysis.phase is not Phase.RUNNING and not self.session.volume.refusal,
            ),
            # Always there: Esc also closes what lies over the scan.
            Command("cancelAction", SCAN, tr("&Cancel"), self._cancel, ("Esc",), tr("Stop; what is finished is kept")),
            Command(
                "analyseOnOpenAction",
                SCAN,
                tr("Analyse when a scan &opens"),
                self._toggle_on_open,
                checked=lambda: self.flow.analyse_on_open,
            ),
            Command(
                "keepResultsAction",
                SCAN,
                tr("&Keep results for the next time"),
                self._toggle_keep,
                tip=tr("A scan that is opened again shows its overlays at once; no name is kept"),
                checked=lambda: self.flow.keep_results,
            ),
            Command("forgetResultsAction", SCAN, tr("&Forget kept results"), self.flow.forget_results),
        )

    def _cancel(self) -> None:
        if not any(escape() for escape in self.stage.escapes):
            self.flow.cancel()

    def _toggle_on_open(self) -> None:
        self.flow.analyse_on_open = not self.flow.analyse_on_open
        self.stage.keep(replace(self.stage.settings, analyse_on_open=self.flow.analyse_on_open))

    def _toggle_keep(self) -> None:
        self.flow.keep_results = not self.flow.keep_results
        self.stage.keep(replace(self.stage.settings, keep_results=self.flow.keep_results))


class Findings(Tool):
    """To the next and the previous slice with a tumour."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._found = False
        self.session.prediction_changed.connect(self._on_prediction)
        self._show()

    def commands(self) -> tuple[Command, ...]:
        tr, scan = self.tr, self.stage.scan
        return (
            Command("nextFindingAction", SCAN, tr("&Next finding"), scan.go_to_next_finding, ("N",), enabled=lambda: self._found),
            Command("previousFindingAction", SCAN, tr("&Previous finding"), scan.go_to_previous_finding, ("Shift+N",), enabled=lambda: self._found),
        )

    def _show(self) -> None:
        for button in (self.stage.scan.previous_button, self.stage.scan.next_button):
            button.setEnabled(self._found)

    @Slot(object)
    def _on_prediction(self, changed: object) -> None:
        found = any(p is not None and p.tumour for p in self.session.predictions)
        if found != self._found:
            self._found = found
            self._show()
            self.own_changed.emit()
