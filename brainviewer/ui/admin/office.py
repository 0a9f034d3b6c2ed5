"""Makes the parts of the administration and joins them."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

from ...passcode import Passcode
from ..stage import Stage
from ..worker import Worker
from .data_page import DataPage
from .models_page import ModelsPage
from .panel import AdminPanel
from .train_page import TrainPage


class Office(QObject):
    """Attributes:
    panel: what is shown.

    Signals:
        switched: other models are in use now.
    """

    switched = Signal()

    def __init__(self, stage: Stage, passcode: Passcode | None = None) -> None:
        super().__init__(stage)
        self.worker = Worker("administration", self)
        self.data = DataPage(self.worker, stage.dialogs.ask_folder)
        self.models = ModelsPage(self.worker, stage.dialogs.ask_file)
        self.models.switched.connect(self.switched)
        self.train = TrainPage()
        self.data.checked.connect(self.train.set_data)
        self.train.data_wanted.connect(self._show_data)
        self.train.models_wanted.connect(self._show_models)
        pages = ((self.tr("Data"), self.data), (self.tr("Train"), self.train), (self.tr("Models"), self.models))
        self.panel = AdminPanel(pages, self.data, passcode)

    @Slot()
    def _show_data(self) -> None:
        self.panel.show_page(self.data)

    @Slot(object)
    def _show_models(self, candidate: str) -> None:
        self.models.read(candidate)
        self.panel.show_page(self.models)

    def close(self) -> None:
        """Ends the check and the thread; a training goes on.

        Raises:
            RuntimeError: if the thread does not end in time.
        """
        self.data.close_child()
        self.train.close_child()
        self.worker.close()
