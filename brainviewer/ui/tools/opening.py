"""Opening: folders, files, recents, the sample scan, what is dropped, and the start page that offers them."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QTimer, Slot
from PySide6.QtWidgets import QMenu

from ... import paths
from ..drop_frame import DropFrame, one_to_open
from ..flow import Message
from ..stage import Stage
from .tool import FILE, HELP, Command, Tool


class Opening(Tool):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._to_open: list[Path] = []
        start = stage.start
        start.folder_wanted.connect(self._open_folder)
        start.file_wanted.connect(self._open_file)
        start.sample_wanted.connect(self._open_sample)
        start.recent_chosen.connect(self.flow.open_path)
        DropFrame(stage.window).dropped.connect(self.open_paths)
        self.flow.path_opened.connect(self._on_path_opened)
        self._show_recents()

    def commands(self) -> tuple[Command, ...]:
        tr = self.tr
        return (
            Command("openFolderAction", FILE, tr("Open f&older…"), self._open_folder, ("Ctrl+O",), tr("Open a folder of slices, or of patients")),
            Command(
                "openFileAction",
                FILE,
                tr("Open &file…"),
                self._open_file,
                ("Ctrl+Shift+O",),
                tr("Open one file: TIFF, DICOM, NIfTI or a picture"),
            ),
            Command("recentMenu", FILE, tr("&Recent"), fill=self._fill_recents, enabled=lambda: bool(self.stage.settings.recents)),
            Command("openSampleAction", HELP, tr("Open &sample scan"), self._open_sample, tip=tr("Open the scan that comes with the program")),
        )

    @Slot(object)
    def open_paths(self, chosen: list[Path]) -> None:
        """Opens what was dropped or named on the command line; says so where that is less than all of it."""
        path = one_to_open(chosen)
        self.flow.open_path(path)
        if len(chosen) > 1 and path == chosen[0]:
            words = self.tr('One folder or file is opened at a time: "{}".').format(path.name)
            self.stage.say(Message("info", words, self.tr("Open the folder that holds them all to see every series.")))

    def open_later(self, chosen: list[Path]) -> None:
        """The same once the window has been painted."""
        self._to_open = chosen
        QTimer.singleShot(0, self, self._open_now)

    @Slot()
    def _open_now(self) -> None:
        self.open_paths(self._to_open)

    @Slot()
    def _open_folder(self) -> None:
        stage = self.stage
        self._open(stage.dialogs.ask_folder(stage.window, self.tr("Open folder"), stage.last_folder()))

    @Slot()
    def _open_file(self) -> None:
        stage = self.stage
        self._open(stage.dialogs.ask_file(stage.window, self.tr("Open file"), stage.last_folder()))

    @Slot()
    def _open_sample(self) -> None:
        self._open(paths.resource("sample"))

    def _open(self, path: Path | None) -> None:
        if path is not None:
            self.flow.open_path(path)

    # Recents

    @Slot(object)
    def _on_path_opened(self, path: Path) -> None:
        if path.absolute() != paths.resource("sample").absolute():
            self.stage.keep(self.stage.settings.with_recent(path))
            self._show_recents()

    def _recents(self) -> tuple[Path, ...]:
        """Those that are still there."""
        return tuple(path for path in self.stage.settings.recents if path.exists())

    def _show_recents(self) -> None:
        self.stage.start.set_recents(self._recents())

    def _fill_recents(self, menu: QMenu) -> None:
        for path in self._recents():
            action = menu.addAction(f"{path.name}   {path.parent}")
            action.setData(str(path))
            action.triggered.connect(self._open_recent)
        if menu.isEmpty():
            menu.addAction(self.tr("None of them is there any more")).setEnabled(False)

    @Slot()
    def _open_recent(self) -> None:
        self._open(Path(self.sender().data()))
