"""The window: layout, menus, actions. What happens is in `flow`, what is shown is in `session`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QByteArray, QMimeData, QSize, Qt, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import QCloseEvent, QDesktopServices, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QIcon, QKeyEvent, QPalette
from PySide6.QtWidgets import QAbstractButton, QApplication, QFileDialog, QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from .. import __version__, paths
from ..settings import Settings
from . import commands, icons, palette
from .drop_frame import DropFrame
from .export_sheet import ExportSheet
from .flow import Choice, Flow, Message
from .jobs import ExportDone
from .key_sheet import KeySheet
from .overlay_panel import OverlayPanel
from .result_panel import ResultPanel
from .scan_panel import ScanPanel
from .series_panel import SeriesPanel
from .session import Phase, Session
from .sheets import MessageCard, SheetPlace
from .side_panel import SidePanel, rule
from .start_page import StartPage
from .status_strip import StatusStrip

SMALLEST_PX = (1024, 640)
USUAL_PX = (1280, 832)
PAGE_SLICES = 5
OPACITY_STEP = 0.1
ZOOM_STEP = 1.25
SHOWS = {"showPreAction": "pre", "showFlairAction": "flair", "showPostAction": "post", "showCompositeAction": "composite"}


def ask_folder(parent: QWidget, title: str, start: Path) -> Path | None:
    """The system's own dialog; tests bring their own answer."""
    chosen = QFileDialog.getExistingDirectory(parent, title, str(start))
    return Path(chosen) if chosen else None


def ask_file(parent: QWidget, title: str, start: Path) -> Path | None:
    chosen, _ = QFileDialog.getOpenFileName(parent, title, str(start))
    return Path(chosen) if chosen else None


class MainWindow(QMainWindow):
    """Signals:
    settings_changed: Settings, whenever something worth keeping changed.
    """

    settings_changed = Signal(object)

    def __init__(
        self,
        session: Session,
        flow: Flow,
        settings: Settings | None = None,
        *,
        folder_dialog: Callable[[QWidget, str, Path], Path | None] = ask_folder,
        file_dialog: Callable[[QWidget, str, Path], Path | None] = ask_file,
        open_outside: Callable[[QUrl], object] = QDesktopServices.openUrl,
    ) -> None:
        super().__init__()
        self.setObjectName("mainWindow")
        self.setWindowTitle("brainviewer")
        self.setMinimumSize(*SMALLEST_PX)
        self.setAcceptDrops(True)
        self._session, self._flow = session, flow
        self._too_early: Message | None = None
        self._settings = settings or Settings()
        self._folder_dialog, self._file_dialog, self._open_outside = folder_dialog, file_dialog, open_outside
        flow.analyse_on_open = self._settings.analyse_on_open
        self._build()
        self.actions_by_name, menus = commands.build(self, self.scan)
        self.keys = KeySheet(self)
        self.keys.fill(menus)
        cards = (self.messages, self.export_sheet, self.keys)
        self._sheets = SheetPlace(self._middle, cards)
        for card in cards:
            card.closed.connect(self._give_the_scan_the_keys)
        self._connect_actions()
        self._connect_session()
        self._show_recents()
        self._refresh_actions()
        self._restore_place()

    # Layout

    def _build(self) -> None:
        session = self._session
        self.scan = ScanPanel(session)
        self.series = SeriesPanel(session)
        self.result = ResultPanel(session)
        self.overlay = OverlayPanel(session)
        self.start = StartPage()
        self.status = StatusStrip(session)
        self.messages = MessageCard(self)
        self.export_sheet = ExportSheet(session, self._folder_dialog, self)
        findings = QWidget()
        column = QVBoxLayout(findings)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.result)
        column.addWidget(rule())
        column.addWidget(self.overlay, 1)
        self.left = SidePanel(self.tr("Series"), self.series, at_left=True, width_px=240, name="seriesPanel")
        self.right = SidePanel(self.tr("Result"), findings, at_left=False, width_px=272, name="resultPanel")
        scan_page = QWidget()
        row = QHBoxLayout(scan_page)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.left)
        row.addWidget(self.scan, 1)
        row.addWidget(self.right)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.start)
        self.pages.addWidget(scan_page)
        self._middle = QWidget()
        middle = QVBoxLayout(self._middle)
        middle.setContentsMargins(0, 0, 0, 0)
        middle.addWidget(self.pages)
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._middle, 1)
        column.addWidget(self.status)
        self.setCentralWidget(whole)
        self._drop_frame = DropFrame(self)
        self.setWindowIcon(QIcon(icons.pixmap("brainviewer", self.palette().color(QPalette.ColorRole.Highlight), 128)))

    def _connect_session(self) -> None:
        session, flow = self._session, self._flow
        session.scan_changed.connect(self._on_scan)
        session.layers_changed.connect(self._on_look)
        session.style_changed.connect(self._on_look)
        session.show_changed.connect(self._on_look)
        session.analysis_changed.connect(self._on_state)
        session.prediction_changed.connect(self._on_state)
        session.result_changed.connect(self._on_result)
        flow.busy_changed.connect(self.status.set_busy)
        self.status.busy_shown.connect(self.start.set_busy)
        flow.busy_changed.connect(self._on_state)
        flow.messaged.connect(self.messages.show_message)
        flow.path_opened.connect(self._on_path_opened)
        flow.thumbnail_made.connect(self.series.set_thumbnail)
        flow.exported.connect(self._on_exported)
        flow.open_failed.connect(self.series.show_current)
        self.series.series_chosen.connect(flow.open_series)
        self.result.analyse_wanted.connect(flow.analyse)
        self.status.cancel_wanted.connect(flow.cancel)
        self.export_sheet.ordered.connect(flow.export)
        self.start.folder_wanted.connect(self._open_folder)
        self.start.file_wanted.connect(self._open_file)
        self.start.sample_wanted.connect(self._open_sample)
        self.start.recent_chosen.connect(flow.open_path)
        self.left.folded_changed.connect(self._on_state)
        self.right.folded_changed.connect(self._on_state)

    def _connect_actions(self) -> None:
        session = self._session
        for name, slot in {
            "openFolderAction": self._open_folder,
            "openFileAction": self._open_file,
            "openSampleAction": self._open_sample,
            "exportAction": self._export,
            "closeScanAction": self._flow.close_scan,
            "quitAction": self.close,
            "lessOpacityAction": self._less_opacity,
            "moreOpacityAction": self._more_opacity,
            "autoWindowAction": session.reset_windows,
            "fitAction": self.scan.view.fit,
            "zoomInAction": self._zoom_in,
            "zoomOutAction": self._zoom_out,
            "analyseAction": self._flow.analyse,
            "cancelAction": self._cancel,
            "nextFindingAction": self.scan.go_to_next_finding,
            "previousFindingAction": self.scan.go_to_previous_finding,
            "nextSliceAction": self._next_slice,
            "previousSliceAction": self._previous_slice,
            "forwardAction": self._forward,
            "backAction": self._back,
            "firstSliceAction": self._first_slice,
            "lastSliceAction": self._last_slice,
            "keysAction": self._toggle_keys,
            "logAction": self.show_log,
            "aboutAction": self._about,
        }.items():
            self.actions_by_name[name].triggered.connect(slot)
        for name, toggled in {
            "overlayAction": self._session.show_overlay,
            "referenceAction": self._session.show_reference,
            "heatmapAction": self._session.show_heatmap,
            "outlineAction": self._session.show_outline,
            "smoothAction": self._set_smooth,
            "foldSeriesAction": self._set_left,
            "foldResultAction": self._set_right,
            "lightAction": self._set_light,
            "analyseOnOpenAction": self._set_analyse_on_open,
        }.items():
            self.actions_by_name[name].triggered.connect(toggled)
        for name in SHOWS:
            self.actions_by_name[name].triggered.connect(self._on_show_wanted)

    # What the actions do

    @Slot()
    def _open_folder(self) -> None:
        self._open(self._folder_dialog(self, self.tr("Open folder"), self._last_folder()))

    @Slot()
    def _open_file(self) -> None:
        self._open(self._file_dialog(self, self.tr("Open file"), self._last_folder()))

    @Slot()
    def _open_sample(self) -> None:
        self._open(paths.resource("sample"))

    def open_paths(self, chosen: list[Path]) -> None:
        """Opens what was dropped or named on the command line; says so where that is less than all of it."""
        path = one_to_open(chosen)
        self._flow.open_path(path)
        if len(chosen) > 1 and path == chosen[0]:
            words = self.tr('One folder or file is opened at a time: "{}".').format(path.name)
            self.messages.show_message(Message("info", words, self.tr("Open the folder that holds them all to see every series.")))

    def open_later(self, chosen: list[Path]) -> None:
        """The same once the window has been painted."""
        self._to_open = chosen
        QTimer.singleShot(0, self, self._open_now)

    @Slot()
    def _open_now(self) -> None:
        self.open_paths(self._to_open)

    def _open(self, path: Path | None) -> None:
        if path is not None:
            self._flow.open_path(path)

    def _last_folder(self) -> Path:
        last = self._settings.last_folder
        return last if last is not None and last.is_dir() else Path.home()

    @Slot()
    def _open_recent(self) -> None:
        self._open(Path(self.sender().data()))

    @Slot()
    def _export(self) -> None:
        session = self._session
        if session.result is None:
            words = self.tr("Only finished results are exported, and this scan's analysis is not finished.")
            choice = () if self._flow.analysing else (Choice(self.tr("Analyse"), self._flow.analyse),)
            self._too_early = Message("info", words, "", choice)
            self.messages.show_message(self._too_early)
        elif self._flow.exporting:
            self.messages.show_message(Message("info", self.tr("The last export is still being written.")))
        elif self.export_sheet.isVisible():
            self.export_sheet.dismiss()
        else:
            self.messages.dismiss()
            self.export_sheet.open()

    @Slot()
    def _cancel(self) -> None:
        """Closes what lies over the scan, else stops what runs."""
        for card in (self.keys, self.export_sheet, self.messages):
            if card.isVisible():
                card.dismiss()
                return
        self._flow.cancel()

    @Slot()
    def _give_the_scan_the_keys(self) -> None:
        if self._session.scan is not None:
            self.scan.view.setFocus()

    @Slot()
    def _less_opacity(self) -> None:
        self._session.set_style(opacity=max(round(self._session.style.opacity - OPACITY_STEP, 2), 0.0))

    @Slot()
    def _more_opacity(self) -> None:
        self._session.set_style(opacity=min(round(self._session.style.opacity + OPACITY_STEP, 2), 1.0))

    @Slot()
    def _zoom_in(self) -> None:
        self.scan.view.zoom(ZOOM_STEP)

    @Slot()
    def _zoom_out(self) -> None:
        self.scan.view.zoom(1 / ZOOM_STEP)

    @Slot()
    def _next_slice(self) -> None:
        self._session.set_slice(self._session.z + 1)

    @Slot()
    def _previous_slice(self) -> None:
        self._session.set_slice(self._session.z - 1)

    @Slot()
    def _forward(self) -> None:
        self._session.set_slice(self._session.z + PAGE_SLICES)

    @Slot()
    def _back(self) -> None:
        self._session.set_slice(self._session.z - PAGE_SLICES)

    @Slot()
    def _first_slice(self) -> None:
        self._session.set_slice(0)

    @Slot()
    def _last_slice(self) -> None:
        self._session.set_slice(len(self._session.predictions) - 1)

    @Slot()
    def _toggle_keys(self) -> None:
        self.keys.dismiss() if self.keys.isVisible() else self.keys.show()

    @Slot()
    def show_log(self) -> None:
        folder = paths.log_file().parent
        folder.mkdir(parents=True, exist_ok=True)
        self._open_outside(QUrl.fromLocalFile(str(folder)))

    @Slot()
    def _about(self) -> None:
        sentence = self.tr("brainviewer {} shows whether, and where, a brain MRI shows a tumour. Research use only.").format(__version__)
        hint = self.tr("Models and sample scan: from the LGG MRI segmentation data set (Buda et al. 2019; TCIA, TCGA-LGG), CC BY-NC-SA 4.0.")
        self.messages.show_message(Message("info", sentence, hint))

    @Slot(bool)
    def _set_smooth(self, on: bool) -> None:
        self._session.set_layers(smooth=on)

    @Slot(bool)
    def _set_left(self, on: bool) -> None:
        self.left.set_folded(not on)

    @Slot(bool)
    def _set_right(self, on: bool) -> None:
        self.right.set_folded(not on)

    @Slot(bool)
    def _set_light(self, on: bool) -> None:
        theme = "light" if on else "dark"
        palette.dress(QApplication.instance(), theme)
        self._keep(replace(self._settings, theme=theme))

    @Slot(bool)
    def _set_analyse_on_open(self, on: bool) -> None:
        self._flow.analyse_on_open = on
        self._keep(replace(self._settings, analyse_on_open=on))

    @Slot()
    def _on_show_wanted(self) -> None:
        self._session.set_show(SHOWS[self.sender().objectName()])

    # What follows from the state

    @Slot(object)
    def _on_scan(self, scan: object) -> None:
        self.pages.setCurrentIndex(1 if scan is not None else 0)
        self.export_sheet.dismiss()
        self.keys.dismiss()
        if scan is not None:
            self.messages.dismiss()
            self.scan.view.setFocus()
        self.setWindowTitle(f"{self._session.scan.series.key} - brainviewer" if self._session.scan else "brainviewer")
        self._refresh_actions()

    @Slot(object)
    def _on_look(self, changed: object) -> None:
        self._refresh_actions()

    @Slot(object)
    def _on_state(self, changed: object) -> None:
        self._refresh_actions()

    @Slot(object)
    def _on_result(self, result: object) -> None:
        """That it is too early for something is no longer true."""
        if result is not None and self.messages.message is self._too_early:
            self.messages.dismiss()

    def _refresh_actions(self) -> None:
        session, volume, actions = self._session, self._session.volume, self.actions_by_name
        is_open = volume is not None
        composed = is_open and volume.composed
        has_reference = is_open and volume.reference is not None
        running = session.analysis.phase is Phase.RUNNING
        found = any(p is not None and p.tumour for p in session.predictions)
        layers = session.layers
        enabled = {
            "exportAction": is_open,
            "closeScanAction": is_open,
            "referenceAction": has_reference,
            "analyseAction": is_open and not running and not volume.refusal,
            "cancelAction": True,  # Esc also closes what lies over the scan
            "nextFindingAction": found,
            "previousFindingAction": found,
        }
        enabled |= dict.fromkeys(("overlayAction", "heatmapAction", "outlineAction", "lessOpacityAction", "moreOpacityAction"), is_open)
        enabled |= dict.fromkeys(("autoWindowAction", "fitAction", "zoomInAction", "zoomOutAction", "smoothAction"), is_open)
        enabled |= dict.fromkeys(SHOWS, composed)
        enabled |= dict.fromkeys(("foldSeriesAction", "foldResultAction"), is_open)
        for name in ("nextSliceAction", "previousSliceAction", "forwardAction", "backAction", "firstSliceAction", "lastSliceAction"):
            enabled[name] = is_open and len(volume) > 1
        for name, on in enabled.items():
            actions[name].setEnabled(bool(on))
        for name, checked in {
            "overlayAction": layers.overlay,
            "referenceAction": layers.reference,
            "heatmapAction": layers.heatmap,
            "smoothAction": layers.smooth,
            "outlineAction": session.style.outline,
            "foldSeriesAction": not self.left.folded,
            "foldResultAction": not self.right.folded,
            "lightAction": self._settings.theme == "light",
            "analyseOnOpenAction": self._settings.analyse_on_open,
            **{name: session.show == show for name, show in SHOWS.items()},
        }.items():
            actions[name].setChecked(checked)
        self.scan.previous_button.setEnabled(found)
        self.scan.next_button.setEnabled(found)

    @Slot(object)
    def _on_path_opened(self, path: Path) -> None:
        if path.absolute() != paths.resource("sample").absolute():
            self._keep(self._settings.with_recent(path))
            self._show_recents()

    @Slot(object)
    def _on_exported(self, done: ExportDone) -> None:
        count = self.tr("1 picture was written") if done.count == 1 else self.tr("{} pictures were written").format(done.count)
        self._exported_to = done.folder
        choice = Choice(self.tr("Open folder"), self._open_exported)
        self.messages.show_message(Message("done", self.tr('{} to "{}".').format(count, done.folder.name), str(done.folder), (choice,)))

    def _open_exported(self) -> None:
        self._open_outside(QUrl.fromLocalFile(str(self._exported_to)))

    def _show_recents(self) -> None:
        there = tuple(path for path in self._settings.recents if path.exists())
        self.start.set_recents(there)
        menu = self.actions_by_name["recentMenu"].menu()
        menu.clear()
        for path in there:
            action = menu.addAction(f"{path.name}   {path.parent}")
            action.setData(str(path))
            action.triggered.connect(self._open_recent)
        menu.setEnabled(bool(there))

    # What is kept for the next start

    def _keep(self, settings: Settings) -> None:
        self._settings = settings
        self._refresh_actions()
        self.settings_changed.emit(settings)

    def _restore_place(self) -> None:
        if self._settings.window_geometry:
            self.restoreGeometry(QByteArray.fromBase64(self._settings.window_geometry.encode()))
        else:
            room = self.screen().availableGeometry().size() * 0.96
            self.resize(QSize(*USUAL_PX).boundedTo(room))
        folded = self._settings.window_state.split(",")
        self.left.set_folded("series" in folded)
        self.right.set_folded("result" in folded)

    def present_settings(self) -> Settings:
        """Everything worth keeping as it is now."""
        folded = [name for name, panel in (("series", self.left), ("result", self.right)) if panel.folded]
        geometry = bytes(self.saveGeometry().toBase64().data()).decode()
        return replace(self._session.looks(self._settings), window_geometry=geometry, window_state=",".join(folded))

    # Qt's own names

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return presses the button that has the focus, as in a dialog."""
        button = self.focusWidget()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and isinstance(button, QAbstractButton):
            event.accept()
            button.click()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        dropped = dropped_paths(event.mimeData())
        if dropped:
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._drop_frame.show_over(one_to_open(dropped).name)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._drop_frame.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self._drop_frame.hide()
        dropped = dropped_paths(event.mimeData())
        if dropped:
            event.setDropAction(Qt.DropAction.CopyAction)  # a move would let the file manager delete what was dropped
            event.accept()
            self.open_paths(dropped)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.settings_changed.emit(self.present_settings())
        super().closeEvent(event)


def dropped_paths(mime: QMimeData) -> list[Path]:
    return [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]


def one_to_open(chosen: list[Path]) -> Path:
    """Of several files of one folder the folder, as they are slices of one scan; else the first."""
    parents = {path.parent for path in chosen}
    return parents.pop() if len(chosen) > 1 and len(parents) == 1 and all(path.is_file() for path in chosen) else chosen[0]
