"""Fusion with flat buttons and boxes whose edges can be seen on dark ground."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPalette, QPen
from PySide6.QtWidgets import QProxyStyle, QStyle, QStyleOption, QStyleOptionComplex, QStyleOptionSlider, QWidget

RADIUS_PX = 4
BOX_PX = 16
GROOVE_PX = 4
HANDLE_PX = 14
SCROLL_BAR_PX = 10
SHORTEST_SCROLL_HANDLE_PX = 32

State, Primitive, Metric = QStyle.StateFlag, QStyle.PrimitiveElement, QStyle.PixelMetric


class FlatStyle(QProxyStyle):
    def __init__(self) -> None:
        super().__init__("Fusion")

    # Qt's own names

    def drawPrimitive(self, element: Primitive, option: QStyleOption, painter: QPainter, widget: QWidget | None = None) -> None:
        if element == Primitive.PE_IndicatorCheckBox:
            self._draw_box(option, painter, RADIUS_PX - 1)
        elif element == Primitive.PE_IndicatorRadioButton:
            self._draw_box(option, painter, BOX_PX / 2)
        elif element == Primitive.PE_PanelButtonCommand:
            self._draw_button(option, painter)
        elif element == Primitive.PE_PanelButtonTool:
            self._draw_tool_button(option, painter)
        elif element == Primitive.PE_FrameFocusRect:
            self._draw_focus(option.rect.toRectF(), option.palette, painter)
        else:
            super().drawPrimitive(element, option, painter, widget)

    def drawComplexControl(self, control: QStyle.ComplexControl, option: QStyleOption, painter: QPainter, widget: QWidget | None = None) -> None:
        if control == QStyle.ComplexControl.CC_Slider and isinstance(option, QStyleOptionSlider):
            self._draw_slider(option, painter, widget)
        elif control == QStyle.ComplexControl.CC_ScrollBar and isinstance(option, QStyleOptionSlider):
            self._draw_scroll_bar(option, painter, widget)
        else:
            super().drawComplexControl(control, option, painter, widget)

    def subControlRect(
        self, control: QStyle.ComplexControl, option: QStyleOptionComplex, part: QStyle.SubControl, widget: QWidget | None = None
    ) -> QRect:
        if control == QStyle.ComplexControl.CC_ScrollBar and isinstance(option, QStyleOptionSlider):
            return self._scroll_bar_part(option, part)
        return super().subControlRect(control, option, part, widget)

    def pixelMetric(self, metric: Metric, option: QStyleOption | None = None, widget: QWidget | None = None) -> int:
        if metric in (Metric.PM_IndicatorWidth, Metric.PM_IndicatorHeight, Metric.PM_ExclusiveIndicatorWidth, Metric.PM_ExclusiveIndicatorHeight):
            return BOX_PX
        if metric in (Metric.PM_SliderLength, Metric.PM_SliderControlThickness):
            return HANDLE_PX
        if metric == Metric.PM_SliderThickness:
            return HANDLE_PX + 4
        if metric == Metric.PM_ScrollBarExtent:
            return SCROLL_BAR_PX
        return super().pixelMetric(metric, option, widget)

    # The parts

    def _draw_box(self, option: QStyleOption, painter: QPainter, radius: float) -> None:
        colours, state = option.palette, option.state
        box = _inside(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        on = bool(state & State.State_On)
        alive = bool(state & State.State_Enabled)
        edge = colours.color(QPalette.ColorRole.PlaceholderText)
        if not alive:
            edge = colours.color(QPalette.ColorRole.Mid)
        elif state & State.State_MouseOver:
            edge = colours.color(QPalette.ColorRole.Text)
        fill = colours.color(QPalette.ColorRole.Highlight if on and alive else QPalette.ColorRole.Base)
        if state & State.State_Selected:  # in a menu, under the pointer
            edge = colours.color(QPalette.ColorRole.HighlightedText)
        painter.setPen(QPen(fill if on and alive and not state & State.State_Selected else edge, 1))
        painter.setBrush(fill)
        painter.drawRoundedRect(box, radius, radius)
        if on:
            sign = colours.color(QPalette.ColorRole.HighlightedText if alive else QPalette.ColorRole.Mid)
            if radius > RADIUS_PX:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(sign)
                painter.drawEllipse(box.center(), 3, 3)
            else:
                painter.setPen(QPen(sign, 1.8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
                left, top = box.left(), box.top()
                painter.drawPolyline([QPointF(left + 3.5, top + 7.8), QPointF(left + 6.4, top + 10.6), QPointF(left + 11.4, top + 4.4)])
        if by_key(state):
            self._draw_focus(box.adjusted(-2, -2, 2, 2), colours, painter)
        painter.restore()

    def _draw_button(self, option: QStyleOption, painter: QPainter) -> None:
        colours, state = option.palette, option.state
        fill = colours.color(QPalette.ColorRole.Button)
        primary = fill == colours.color(QPalette.ColorRole.Highlight)
        edge = fill if primary else colours.color(QPalette.ColorRole.Mid)
        self._draw_panel(option.rect, _pressed(fill, state), edge, painter)
        if by_key(state):
            self._draw_focus(option.rect.toRectF(), colours, painter, on_accent=primary)

    def _draw_tool_button(self, option: QStyleOption, painter: QPainter) -> None:
        colours, state = option.palette, option.state
        raised = bool(state & State.State_AutoRaise)
        active = bool(state & (State.State_MouseOver | State.State_Sunken | State.State_On)) and bool(state & State.State_Enabled)
        if not raised or active:
            fill = _pressed(colours.color(QPalette.ColorRole.Button), state)
            edge = colours.color(QPalette.ColorRole.Button if raised else QPalette.ColorRole.Mid)
            if state & State.State_On:
                edge = colours.color(QPalette.ColorRole.Highlight)
            self._draw_panel(option.rect, fill, edge, painter)
        if by_key(state):
            self._draw_focus(option.rect.toRectF(), colours, painter)

    def _draw_panel(self, rect: QRect, fill: QColor, edge: QColor, painter: QPainter) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(edge, 1))
        painter.setBrush(fill)
        painter.drawRoundedRect(_inside(rect), RADIUS_PX, RADIUS_PX)
        painter.restore()

    def _draw_focus(self, rect: QRectF, colours: QPalette, painter: QPainter, *, on_accent: bool = False) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(colours.color(QPalette.ColorRole.HighlightedText if on_accent else QPalette.ColorRole.Highlight), 1.5))
        inset = 2.75 if on_accent else 0.75
        painter.drawRoundedRect(rect.adjusted(inset, inset, -inset, -inset), RADIUS_PX - 1, RADIUS_PX - 1)
        painter.restore()

    def _draw_slider(self, option: QStyleOptionSlider, painter: QPainter, widget: QWidget | None) -> None:
        colours = option.palette
        alive = bool(option.state & State.State_Enabled)
        handle = self.subControlRect(QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, widget).toRectF()
        whole = option.rect.toRectF()
        centre = QPointF(handle.center().x(), whole.center().y())
        groove = QRectF(whole.left() + 1, centre.y() - GROOVE_PX / 2, whole.width() - 2, GROOVE_PX)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colours.color(QPalette.ColorRole.Mid))
        painter.drawRoundedRect(groove, GROOVE_PX / 2, GROOVE_PX / 2)
        if alive:
            painter.setBrush(colours.color(QPalette.ColorRole.PlaceholderText))
            painter.drawRoundedRect(QRectF(groove.left(), groove.top(), centre.x() - groove.left(), GROOVE_PX), GROOVE_PX / 2, GROOVE_PX / 2)
        held = bool(option.activeSubControls & QStyle.SubControl.SC_SliderHandle) and bool(option.state & State.State_Sunken)
        knob = colours.color(QPalette.ColorRole.Text if alive else QPalette.ColorRole.Mid)
        painter.setBrush(colours.color(QPalette.ColorRole.Highlight) if held else knob)
        painter.drawEllipse(centre, HANDLE_PX / 2 - 1, HANDLE_PX / 2 - 1)
        if by_key(option.state):
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colours.color(QPalette.ColorRole.Highlight), 2))
            painter.drawEllipse(centre, HANDLE_PX / 2, HANDLE_PX / 2)
        painter.restore()

    def _scroll_bar_part(self, option: QStyleOptionSlider, part: QStyle.SubControl) -> QRect:
        """A bar without buttons at its ends."""
        upright = option.orientation == Qt.Orientation.Vertical
        length = option.rect.height() if upright else option.rect.width()
        steps = option.maximum - option.minimum
        size = length
        if steps > 0:
            size = min(max(length * option.pageStep // (steps + option.pageStep), SHORTEST_SCROLL_HANDLE_PX), length)
        start = QStyle.sliderPositionFromValue(option.minimum, option.maximum, option.sliderPosition, length - size, option.upsideDown)
        parts = {
            QStyle.SubControl.SC_ScrollBarGroove: (0, length),
            QStyle.SubControl.SC_ScrollBarSlider: (start, size),
            QStyle.SubControl.SC_ScrollBarSubPage: (0, start),
            QStyle.SubControl.SC_ScrollBarAddPage: (start + size, length - start - size),
        }
        if part not in parts:
            return QRect()
        begin, extent = parts[part]
        if upright:
            return QRect(option.rect.x(), option.rect.y() + begin, option.rect.width(), extent)
        return QRect(option.rect.x() + begin, option.rect.y(), extent, option.rect.height())

    def _draw_scroll_bar(self, option: QStyleOptionSlider, painter: QPainter, widget: QWidget | None) -> None:
        handle = self._scroll_bar_part(option, QStyle.SubControl.SC_ScrollBarSlider).toRectF().adjusted(2, 2, -2, -2)
        over = bool(option.state & State.State_MouseOver)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(option.palette.color(QPalette.ColorRole.PlaceholderText if over else QPalette.ColorRole.Mid))
        radius = min(handle.width(), handle.height()) / 2
        painter.drawRoundedRect(handle, radius, radius)
        painter.restore()


def by_key(state: State) -> bool:
    """Whether the focus is shown: it came by a key, not by the mouse or of itself."""
    return bool(state & State.State_HasFocus) and bool(state & State.State_KeyboardFocusChange)


def _inside(rect: QRect) -> QRectF:
    """So that a line of one pixel is sharp."""
    return rect.toRectF().adjusted(0.5, 0.5, -0.5, -0.5)


def _pressed(fill: QColor, state: State) -> QColor:
    if not state & State.State_Enabled:
        faint = QColor(fill)
        faint.setAlpha(120)
        return faint
    dark = fill.lightness() < 128
    if state & State.State_Sunken:
        return fill.darker(120) if dark else fill.darker(110)
    if state & State.State_MouseOver:
        return fill.lighter(120) if dark else fill.darker(104)
    return fill
