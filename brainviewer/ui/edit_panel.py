"""What a person does to the masks: the tools, and where the scan stands."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Slot
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QPushButton, QSlider, QVBoxLayout, QWidget

from . import palette
from .editing import SIZES, Drawing, Editing
from .icons import IconButton
from .session import Session
from .side_panel import heading

GRID_PX = palette.GRID_PX


class ToolButton(IconButton):
    """A picture with its name under it, that stays pressed while its tool is in hand."""

    def __init__(self, drawing: Drawing, name: str, text: str, tip: str, parent: QWidget) -> None:
        super().__init__(drawing.value, name, parent)
        self.drawing = drawing
        self.setText(text)
        self.setAccessibleName(text)
        self.setToolTip(tip)
        self.setCheckable(True)
        self.setIconSize(QSize(20, 20))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)


class EditPanel(QWidget):
    """Bound to the editing state: shows it, and passes wishes on."""

    def __init__(self, session: Session, editing: Editing, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("editPanel")
        self._session, self._editing = session, editing
        tr = self.tr
        self.tools = (
            ToolButton(Drawing.BRUSH, "brushButton", tr("Brush"), tr("Draw; the right button erases (B)"), self),
            ToolButton(Drawing.ERASER, "eraserButton", tr("Eraser"), tr("Erase; the right button draws (E)"), self),
            ToolButton(Drawing.FILL, "fillButton", tr("Fill"), tr("Fill what a line encloses; the right button takes a part away (G)"), self),
        )
        self.undo = IconButton("undo", "undoButton", self)
        self.redo = IconButton("redo", "redoButton", self)
        self.size = self._slider("brushSizeSlider", tr("Size of the brush"), tr("Size of the brush (- and +, Shift + wheel)"), len(SIZES) - 1)
        self.size_value = self._value(tr("{} px").format(100))
        self.alike = self._box("alikeBox", tr("Similar grey only"), tr("Brush and eraser keep to pixels that look like the one they began on (T)"))
        self.tolerance = self._slider("toleranceSlider", tr("How similar"), tr("How far from the first pixel's grey, of the range that is shown"), 50)
        self.tolerance_value = self._value(tr("{} %").format(100))
        self.reviewed = self._box("reviewedBox", tr("Reviewed"), tr("You looked at this slice and agree with its mask (V)"))
        self.models = self._box("modelsMasksBox", tr("Models' own"), tr("Show the models' own masks; what you drew is kept (M)"))
        self.clear = self._button("clearSliceButton", tr("Clear slice"), tr("An empty mask for this slice (Del)"))
        self.restore = self._button("restoreSliceButton", tr("Reset slice"), tr("The models' own mask for this slice; can be undone"))
        self.state = QLabel(self)
        self.state.setObjectName("editStateLabel")
        self.state.setWordWrap(True)
        self.state.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.state.setMinimumHeight(2 * self.state.fontMetrics().lineSpacing())
        palette.quieten(self.state)
        self._lay_out()
        self._connect()
        self._on_pen(None)
        self._on_edits(None)

    def _slider(self, name: str, accessible: str, tip: str, last: int) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal, self)
        slider.setObjectName(name)
        slider.setAccessibleName(accessible)
        slider.setToolTip(tip)
        slider.setRange(0, last)
        slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return slider

    def _value(self, widest: str) -> QLabel:
        label = QLabel(self)
        label.setFont(palette.tabular(label.font()))
        label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        label.setFixedWidth(label.fontMetrics().horizontalAdvance(widest) + 2)
        palette.quieten(label)
        return label

    def _box(self, name: str, text: str, tip: str) -> QCheckBox:
        box = QCheckBox(text, self)
        box.setObjectName(name)
        box.setToolTip(tip)
        box.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return box

    def _button(self, name: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setObjectName(name)
        button.setToolTip(tip)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(heading(self.tr("Edit"), self), 1)
        head.addWidget(self.undo)
        head.addWidget(self.redo)
        tools = QHBoxLayout()
        tools.setSpacing(GRID_PX // 2)
        for tool in self.tools:
            tools.addWidget(tool, 1)
            policy = tool.sizePolicy()
            policy.setHorizontalPolicy(policy.Policy.Expanding)
            tool.setSizePolicy(policy)
        grid = QGridLayout()
        grid.setHorizontalSpacing(GRID_PX)
        grid.setVerticalSpacing(GRID_PX)
        grid.setColumnStretch(1, 1)
        words = QLabel(self.tr("Size"), self)
        words.setBuddy(self.size)
        grid.addWidget(words, 0, 0)
        grid.addWidget(self.size, 0, 1)
        grid.addWidget(self.size_value, 0, 2)
        grid.addWidget(self.alike, 1, 0, 1, 3)
        grid.addWidget(self.tolerance, 2, 0, 1, 2)
        grid.addWidget(self.tolerance_value, 2, 2)
        boxes = QHBoxLayout()
        boxes.addWidget(self.reviewed)
        boxes.addStretch()
        boxes.addWidget(self.models)
        buttons = QHBoxLayout()
        buttons.setSpacing(GRID_PX)
        buttons.addWidget(self.clear, 1)
        buttons.addWidget(self.restore, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID_PX, GRID_PX, 2 * GRID_PX, GRID_PX)
        column.setSpacing(GRID_PX)
        for part in (head, tools, grid, boxes, buttons):
            column.addLayout(part)
        column.addWidget(self.state)

    def _connect(self) -> None:
        editing, session = self._editing, self._session
        for tool in self.tools:
            tool.clicked.connect(self._on_tool)
        self.undo.clicked.connect(editing.undo)
        self.redo.clicked.connect(editing.redo)
        self.size.valueChanged.connect(self._on_size)
        self.alike.toggled.connect(self._on_alike)
        self.tolerance.valueChanged.connect(self._on_tolerance)
        self.reviewed.clicked.connect(editing.toggle_reviewed)
        self.models.clicked.connect(editing.show_models)
        self.clear.clicked.connect(editing.clear_slice)
        self.restore.clicked.connect(editing.restore_slice)
        editing.pen_changed.connect(self._on_pen)
        editing.edits_changed.connect(self._on_edits)
        session.slice_changed.connect(self._on_edits)

    @Slot()
    def _on_tool(self) -> None:
        self._editing.take(self.sender().drawing)
        self._on_pen(None)  # the button has turned itself already

    @Slot(int)
    def _on_size(self, number: int) -> None:
        self._editing.set_pen(size=SIZES[number])

    @Slot(bool)
    def _on_alike(self, on: bool) -> None:
        self._editing.set_pen(alike=on)

    @Slot(int)
    def _on_tolerance(self, percent: int) -> None:
        self._editing.set_pen(tolerance=percent / 100)

    @Slot(object)
    def _on_pen(self, changed: object) -> None:
        pen = self._editing.pen
        for tool in self.tools:
            tool.setChecked(tool.drawing is pen.drawing)
        for slider, value in ((self.size, SIZES.index(pen.size)), (self.tolerance, round(pen.tolerance * 100))):
            slider.blockSignals(True)
            slider.setValue(value)
            slider.blockSignals(False)
        self.alike.blockSignals(True)
        self.alike.setChecked(pen.alike)
        self.alike.blockSignals(False)
        self.size_value.setText(self.tr("{} px").format(pen.size))
        self.tolerance_value.setText(self.tr("{} %").format(round(pen.tolerance * 100)))
        self.tolerance.setEnabled(pen.alike)

    @Slot(object)
    def _on_edits(self, changed: object) -> None:
        editing, z = self._editing, self._session.z
        now, possible = editing.history.now, editing.possible
        for widget in (*self.tools, self.size, self.alike, self.clear, self.reviewed):
            widget.setEnabled(possible)
        self.tolerance.setEnabled(possible and editing.pen.alike)
        self.restore.setEnabled(possible and z in now.drawn)
        self.models.setEnabled(possible and bool(now.drawn))
        self.models.setChecked(editing.models_shown)
        self.reviewed.setChecked(z in now.reviewed)
        for button, steps, words, none in (
            (self.undo, editing.history.past, self.tr("Undo: {} (Ctrl+Z)"), self.tr("Nothing to undo")),
            (self.redo, editing.history.future, self.tr("Redo: {} (Ctrl+Shift+Z)"), self.tr("Nothing to redo")),
        ):
            button.setEnabled(bool(steps))
            button.set_words(words.format(self.step_words(steps[-1].what)) if steps else none)
        self.state.setText(self._state_words())

    def _state_words(self) -> str:
        editing, total = self._editing, len(self._session.predictions)
        now = editing.history.now
        if self._session.volume is None:
            return ""
        if not editing.possible:
            return self.tr("Masks can be drawn on once the scan is analysed.")
        if editing.models_shown:
            return self.tr("The models' own masks are shown, measured and exported. What you drew is kept.")
        words = []
        if now.drawn:
            words.append(self.tr("1 slice edited by hand") if len(now.drawn) == 1 else self.tr("{} slices edited by hand").format(len(now.drawn)))
        if now.reviewed:
            words.append(self.tr("{} of {} reviewed").format(len(now.reviewed), total))
        return "\n".join(words) or self.tr("All masks are the models' own.")

    def step_words(self, what: str) -> str:
        """The name of a step."""
        return {
            "brush": self.tr("brush"),
            "erase": self.tr("eraser"),
            "fill": self.tr("fill"),
            "part": self.tr("part taken away"),
            "clear": self.tr("clear slice"),
            "restore": self.tr("models' own mask"),
            "review": self.tr("reviewed"),
        }[what]
