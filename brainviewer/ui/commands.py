"""Everything that can be done, as a table: its name, menu, words and keys. Menus, tooltips and the key sheet are made from it."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu, QWidget


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table.

    Attributes:
        name: objectName of its action.
        text: in the menu.
        keys: portable key sequences; the first is shown.
        tip: one sentence; the key is added to it. Empty: the text.
        checkable: whether it is on or off.
        group: exclusive with the others of the same group.
        on_scan: its keys belong to the scan and its strip, so that they keep their own meaning in lists, sliders and text fields.
    """

    name: str
    text: str
    keys: tuple[str, ...] = ()
    tip: str = ""
    checkable: bool = False
    group: str = ""
    on_scan: bool = False


SEPARATOR = None

MENUS: tuple[tuple[str, tuple[Command | None, ...]], ...] = (
    (
        QT_TRANSLATE_NOOP("commands", "&File"),
        (
            Command("openFolderAction", "Open f&older…", ("Ctrl+O",), "Open a folder of slices, or of patients"),
            Command("openFileAction", "Open &file…", ("Ctrl+Shift+O",), "Open one file: TIFF, DICOM, NIfTI or a picture"),
            Command("recentMenu", "&Recent"),
            SEPARATOR,
            Command("exportAction", "&Export pictures…", ("Ctrl+E",), "Write this slice or all slices with their overlay as PNG"),
            SEPARATOR,
            Command("closeScanAction", "&Close scan", ("Ctrl+W",), "Back to the start page"),
            Command("quitAction", "&Quit", ("Ctrl+Q",)),
        ),
    ),
    (
        QT_TRANSLATE_NOOP("commands", "&View"),
        (
            Command("overlayAction", "&Overlay", ("O",), "Show the predicted mask", checkable=True),
            Command("referenceAction", "&Reference", ("R",), "Show the mask that came with the scan", checkable=True),
            Command("heatmapAction", "&Heat map", ("H",), "Show the probability of each pixel", checkable=True),
            Command("outlineAction", "Outline on&ly", ("L",), "Draw the border of the mask only", checkable=True),
            Command("lessOpacityAction", "Less opa&que", ("[",)),
            Command("moreOpacityAction", "&More opaque", ("]",)),
            SEPARATOR,
            Command("showPreAction", "&Pre-contrast T1", ("1",), checkable=True, group="show"),
            Command("showFlairAction", "&FLAIR", ("2",), checkable=True, group="show"),
            Command("showPostAction", "Pos&t-contrast T1", ("3",), checkable=True, group="show"),
            Command("showCompositeAction", "&Colour composite", ("0",), checkable=True, group="show"),
            SEPARATOR,
            Command("autoWindowAction", "&Automatic window", ("A",), "Contrast and brightness from the values of the scan"),
            Command("fitAction", "F&it", ("F",), "Show the whole slice"),
            Command("zoomInAction", "&Zoom in", ("Ctrl++", "Ctrl+=")),
            Command("zoomOutAction", "Zoom o&ut", ("Ctrl+-",)),
            Command("smoothAction", "&Smooth pixels", ("S",), "Blend enlarged pixels; off shows them as squares", checkable=True),
            SEPARATOR,
            Command("foldSeriesAction", "Series pa&nel", ("F7",), checkable=True),
            Command("foldResultAction", "Result pan&el", ("F8",), checkable=True),
            Command("lightAction", "Li&ght colours", (), "Light panels; the scan keeps its black ground", checkable=True),
        ),
    ),
    (
        QT_TRANSLATE_NOOP("commands", "&Scan"),
        (
            Command("analyseAction", "&Analyse", ("F5",), "Analyse the scan, from the slice on screen outward"),
            Command("cancelAction", "&Cancel", ("Esc",), "Stop; what is finished is kept"),
            Command("analyseOnOpenAction", "Analyse when a scan &opens", (), checkable=True),
            SEPARATOR,
            Command("nextFindingAction", "&Next finding", ("N",)),
            Command("previousFindingAction", "&Previous finding", ("Shift+N",)),
            SEPARATOR,
            Command("nextSliceAction", "Next &slice", ("Right", "Down"), on_scan=True),
            Command("previousSliceAction", "Pre&vious slice", ("Left", "Up"), on_scan=True),
            Command("forwardAction", "Five slices &forward", ("PgDown",), on_scan=True),
            Command("backAction", "Five slices &back", ("PgUp",), on_scan=True),
            Command("firstSliceAction", "F&irst slice", ("Home",), on_scan=True),
            Command("lastSliceAction", "&Last slice", ("End",), on_scan=True),
        ),
    ),
    (
        QT_TRANSLATE_NOOP("commands", "&Help"),
        (
            Command("keysAction", "All &keys", ("F1",), "Every key and what the mouse does"),
            Command("openSampleAction", "Open &sample scan", (), "Open the scan that comes with the program"),
            Command("logAction", "Show the &log", (), "Open the folder of the log file"),
            Command("aboutAction", "&About brainviewer"),
        ),
    ),
)
"""Texts pass through `tr` when the menus are made."""


def build(window: QMainWindow, scan_area: QWidget) -> tuple[dict[str, QAction], list[QMenu]]:
    """Fills the window's menu bar; returns the actions by name, and the menus."""
    actions: dict[str, QAction] = {}
    groups: dict[str, QActionGroup] = {}
    menus = []
    for title, commands in MENUS:
        menu = window.menuBar().addMenu(_tr(title))
        menu.setToolTipsVisible(True)
        menus.append(menu)
        for command in commands:
            if command is SEPARATOR:
                menu.addSeparator()
            elif command.name == "recentMenu":
                recent = menu.addMenu(_tr(command.text))
                recent.setObjectName(command.name)
                actions[command.name] = recent.menuAction()
            else:
                action = _action(command, window)
                menu.addAction(action)
                (scan_area if command.on_scan else window).addAction(action)
                actions[command.name] = action
                if command.group:
                    groups.setdefault(command.group, QActionGroup(window)).addAction(action)
    return actions, menus


def _action(command: Command, window: QMainWindow) -> QAction:
    action = QAction(_tr(command.text), window)
    action.setObjectName(command.name)
    action.setCheckable(command.checkable)
    keys = [QKeySequence(key) for key in command.keys]
    action.setShortcuts(keys)
    if command.on_scan:
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    tip, named = plain(_tr(command.tip or command.text)), key_words(keys)
    action.setToolTip(f"{tip} ({named})" if named else tip)
    return action


def plain(text: str) -> str:
    """A menu's words without their marks."""
    return text.replace("&", "").rstrip("…")


def key_words(keys: list[QKeySequence]) -> str:
    """ "Right or Down", as the system writes keys."""
    return _tr("{} or {}").format(*map(_key_name, keys[:2])) if len(keys) > 1 else "".join(map(_key_name, keys))


def _key_name(key: QKeySequence) -> str:
    return key.toString(QKeySequence.SequenceFormat.NativeText)


def _tr(text: str) -> str:
    return QCoreApplication.translate("commands", text)
