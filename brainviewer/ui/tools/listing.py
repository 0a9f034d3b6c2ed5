"""The list of series."""

from __future__ import annotations

from ..series_panel import SeriesPanel
from ..stage import Stage
from .tool import Tool


class Listing(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        panel = SeriesPanel(self.session)
        panel.series_chosen.connect(self.flow.open_series)
        self.flow.thumbnail_made.connect(panel.set_thumbnail)
        self.flow.open_failed.connect(panel.show_current)
        stage.left.add_section(panel, 1)
