"""The figures of the data check and of an evaluation, each as the bytes of a PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ..formats.series import count
from ..formats.writing import png_bytes
from .intensity import Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

BLUE, VERMILION, GREEN = "#0072b2", "#d55e00", "#009e73"
"""Of Okabe and Ito's colours, which stay apart without colour vision: no tumour (or the one network), tumour (or the pipeline), agreement."""
INK, QUIET, LINE, PALE = "#1c1f24", "#5c636e", "#d5d9e0", "#c9ced6"
BEHIND: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
LINES = (3.2, 1.6)
"""Of the first curve and of the second, drawn over it: where they are equal, both are seen."""
DOTS_PER_INCH = 144
NAMED_PATIENTS = 40
"""So many bars can carry their patients' names."""
TILE, TILES_IN_A_ROW, TILE_GAP, TILE_CAPTION = 192, 5, 6, 18
RED = (230, 30, 40)


# --- plots ---------------------------------------------------------------------------------------------------------------------------------


def classes(patients: Sequence[str], tumour: np.ndarray, rest: np.ndarray) -> bytes:
    """Slices in each class, of all patients and of each.

    Args:
        patients: P names.
        tumour, rest: (P,) int, slices with and without tumour.
    """
    figure, (whole, each) = _figure(9.6, 3.6, 2, widths=(1, 2.6))
    totals = (int(rest.sum()), int(tumour.sum()))
    bars = whole.bar(("no tumour", "tumour"), totals, color=(BLUE, VERMILION), width=0.62)
    everything = max(1, sum(totals))
    whole.bar_label(bars, [f"{n:,}\n{n / everything:.0%}" for n in totals], padding=3, color=INK)
    whole.set_ylim(0, max(1, *totals) * 1.22)
    whole.set_yticks([])
    whole.spines["left"].set_visible(False)
    _title(whole, "All slices")
    order = np.lexsort((rest, tumour))[::-1]
    positions = np.arange(len(patients))
    width = bar_width(len(patients))
    each.bar(positions, tumour[order], width=width, color=VERMILION, label="tumour")
    each.bar(positions, rest[order], width=width, bottom=tumour[order], color=BLUE, label="no tumour")
    _title(each, f"Slices of each of {count(len(patients), 'patient')}, most tumour first")
    each.set_ylim(0, max(1, int((tumour + rest).max(initial=1))) * 1.2)
    each.legend(loc="upper right", ncols=2, frameon=False)
    _name_patients(each, [patients[n] for n in order])
    return _png(figure)


def sizes(patients: Sequence[str], values: np.ndarray, unit: str) -> bytes:
    """Tumour sizes by patient, largest first, with their median.

    Args:
        patients: P names.
        values: (P,) size of each patient's tumour.
        unit: of the values, for the axis.
    """
    figure, (axes,) = _figure(9.6, 3.6)
    order = np.argsort(-values, kind="stable")
    axes.bar(np.arange(len(patients)), values[order], width=bar_width(len(patients)), color=VERMILION)
    present = values[values > 0]
    if len(present):
        median = float(np.median(present))
        axes.axhline(median, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.text(len(patients) - 0.5, median, f"median {median:,.3g}", ha="right", va="bottom", color=INK, bbox=BEHIND)
    axes.set_ylabel(f"tumour, {unit}")
    _title(axes, f"Tumour sizes of {count(len(patients), 'patient')}, largest first")
    _name_patients(axes, [patients[n] for n in order])
    return _png(figure)


def intensities(here: Spread, bundled: Spread) -> bytes:
    """Brightness of the head of some scans against that of the scans the bundled models learned from, each as a band of eight in ten scans."""
    figure, (axes,) = _figure(9.6, 3.2)
    for spread, colour, words in ((bundled, BLUE, "bundled models' data"), (here, VERMILION, "this data")):
        x = (np.arange(len(spread.middle)) + 0.5) / len(spread.middle)
        axes.fill_between(x, spread.low, spread.high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(x, spread.middle, color=colour, linewidth=1.8, label=f"{words} ({count(spread.scans, 'scan')})")
    axes.set(xlim=(0, 1), ylim=(0, None), xlabel="brightness, 0 to 1", ylabel="share of the head")
    axes.legend(loc="upper right", frameon=False)
    _title(axes, "Brightness of the head in FLAIR")
    return _png(figure)


def confusion(matrix: Sequence[Sequence[int]], title: str) -> bytes:
    """Slice decisions: [[true negatives, false positives], [false negatives, true positives]]."""
    figure, (axes,) = _figure(4.2, 3.8)
    cells = np.array(matrix, float)
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    for row in range(2):
        for column in range(2):
            right, share = row == column, shares[row, column]
            colour = GREEN if right else VERMILION
            axes.add_patch(_box(column, row, colour, 0.12 + 0.78 * share))
            ink = "white" if share > 0.5 else INK
            axes.text(column + 0.5, row + 0.44, f"{int(cells[row, column]):,}", ha="center", va="center", fontsize=17, color=ink)
            axes.text(column + 0.5, row + 0.68, f"{share:.1%}", ha="center", va="center", color=ink)
    axes.set(xlim=(0, 2), ylim=(2, 0), xticks=(0.5, 1.5), yticks=(0.5, 1.5), xlabel="decided", ylabel="reference")
    axes.set_xticklabels(("no tumour", "tumour"))
    axes.set_yticklabels(("no tumour", "tumour"), rotation=90, va="center")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    _title(axes, title)
    return _png(figure)


def roc(labels: np.ndarray, curves: Sequence[tuple[str, np.ndarray, float | None]], decisions: np.ndarray) -> bytes:
    """Receiver operating characteristic of slice decisions.

    Args:
        labels: (N,) bool.
        curves: name, (N,) probability and area under the curve (None where only one class occurs) of each.
        decisions: (N,) bool, drawn as the point at which the pipeline works.
    """
    figure, (axes,) = _figure(4.2, 3.8)
    axes.plot((0, 1), (0, 1), color=LINE, linewidth=1)
    if 0 < labels.sum() < len(labels):
        for (name, p, area), colour, width in zip(curves, (BLUE, VERMILION), LINES, strict=False):
            hit, false = roc_points(labels, p)
            axes.plot(false, hit, color=colour, linewidth=width, label=f"{name}, AUC {area:.3f}", clip_on=False)
        point = float(decisions[~labels].mean()), float(decisions[labels].mean())
        axes.plot(*point, "o", color=INK, markersize=5, label="as decided", clip_on=False)
        axes.legend(loc="lower right", frameon=False)
    else:
        _say(axes, "Only one class occurs:\nthere is no curve to draw.")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="false alarms, of slices without tumour", ylabel="found, of slices with tumour")
    _title(axes, "Receiver operating characteristic")
    return _png(figure)


def roc_points(labels: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the tumour slices found and of the others raised, both (K,), from the highest threshold to the lowest. Both classes must occur."""
    order = np.argsort(-p, kind="stable")
    last = np.append(np.diff(p[order]) != 0, True)  # equal probabilities are one step
    hit, false = np.cumsum(labels[order])[last], np.cumsum(~labels[order])[last]
    return np.append(0, hit / hit[-1]), np.append(0, false / false[-1])


def learning(history: Sequence[dict], refit: bool = False) -> bytes:
    """The curve of a training: loss and validation score of each epoch, and the input's size where it changes.

    Args:
        history: of each epoch `loss`, `size`, and `val_dice` or `val_accuracy`.
        refit: the validation patients were learned from, and their scores are called so.
    """
    figure, (axes,) = _figure(9.6, 3.6)
    epochs = np.arange(1, len(history) + 1)
    key, measure = ("val_dice", "patient Dice") if "val_dice" in history[0] else ("val_accuracy", "accuracy")
    words = f"{measure} of patients learned from" if refit else f"validation, {measure}"
    axes.plot(epochs, [logs["loss"] for logs in history], color=BLUE, linewidth=1.8, marker="o", markersize=3, label="loss")
    axes.plot(epochs, [logs[key] for logs in history], color=VERMILION, linewidth=1.8, marker="o", markersize=3, label=words)
    for n, logs in enumerate(history):
        if n == 0 or logs["size"] != history[n - 1]["size"]:
            axes.axvline(n + 0.5, color=LINE, linewidth=1)
            axes.text(n + 0.6, 0.02, f"{logs['size']:.0f} px", color=QUIET, transform=axes.get_xaxis_transform())
    axes.set(xlim=(0.5, len(history) + 0.5), ylim=(0, None), xlabel="epoch")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    _title(axes, "Learning curve")
    return _png(figure)


def calibration(labels: np.ndarray, curves: Sequence[tuple[str, np.ndarray, float]], bins: int) -> bytes:
    """What share of slices with a given probability shows a tumour, and how many have it.

    Args:
        labels: (N,) bool.
        curves: name, (N,) probability and expected calibration error of each.
        bins: of the probability, all equally wide.
    """
    figure, (axes, below) = _figure(4.2, 3.8, 2, heights=(3, 1))
    axes.plot((0, 1), (0, 1), color=LINE, linewidth=1)
    edges = np.linspace(0, 1, bins + 1)
    for number, ((name, p, error), colour, line) in enumerate(zip(curves, (BLUE, VERMILION), LINES, strict=False)):
        index = np.minimum((p * bins).astype(int), bins - 1)
        filled = np.unique(index)
        axes.plot(
            [p[index == b].mean() for b in filled],
            [labels[index == b].mean() for b in filled],
            "o-",
            color=colour,
            markersize=2.5 + line,
            linewidth=line,
            label=f"{name}, error {error:.3f}",
            clip_on=False,
        )
        width = 0.4 / bins
        below.bar(edges[:-1] + 0.5 / bins + (number - 0.5) * width, np.bincount(index, minlength=bins), width=width, color=colour)
    axes.legend(loc="upper left", frameon=False)
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="share that shows a tumour")
    _title(axes, "Calibration")
    axes.set_xticklabels(())
    below.set(xlim=(0, 1), xlabel="probability said", ylabel="slices")
    below.set_yscale("symlog", linthresh=10)
    below.set_yticks((0, 10, 100, 1000), ("0", "10", "100", "1,000"))
    return _png(figure)


def dice_by_patient(patients: Sequence[str], pipeline: np.ndarray, segmenter: np.ndarray) -> bytes:
    """Dice of each patient, best first: bars for the pipeline, dots for the bare segmenter. All (P,) 0..1."""
    figure, (axes,) = _figure(9.6, 3.6)
    order = np.argsort(-pipeline, kind="stable")
    positions = np.arange(len(patients))
    axes.bar(positions, pipeline[order], width=bar_width(len(patients)), color=VERMILION, label="pipeline")
    axes.plot(positions, segmenter[order], "o", color=BLUE, markersize=5, markeredgecolor="white", label="segmenter alone", clip_on=False)
    axes.axhline(float(pipeline.mean()), color=INK, linewidth=1, linestyle=(0, (4, 3)), label=f"mean {pipeline.mean():.3f}")
    axes.set(ylim=(0, 1), ylabel="Dice")
    _title(axes, f"Dice of {count(len(patients), 'patient')}, best first")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False)
    _name_patients(axes, [patients[n] for n in order])
    return _png(figure)


# --- sheets --------------------------------------------------------------------------------------------------------------------------------


def sheet(pictures: Sequence[np.ndarray], names: Sequence[str]) -> bytes:
    """Pictures (Y, X, 3) uint8 RGB in rows on black, each scaled by proportion into its tile, its name below."""
    rows = max(1, -(-len(pictures) // TILES_IN_A_ROW))
    step_y, step_x = TILE + TILE_CAPTION + TILE_GAP, TILE + TILE_GAP
    canvas = np.zeros((rows * step_y + TILE_GAP, TILES_IN_A_ROW * step_x + TILE_GAP, 3), np.uint8)
    for number, (picture, name) in enumerate(zip(pictures, names, strict=True)):
        top, left = number // TILES_IN_A_ROW * step_y + TILE_GAP, number % TILES_IN_A_ROW * step_x + TILE_GAP
        scale = TILE / max(picture.shape[:2])
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
        y, x = top + (TILE - height) // 2, left + (TILE - width) // 2
        canvas[y : y + height, x : x + width] = small
        text = shortened(name, 30).encode("ascii", "replace").decode()
        cv2.putText(canvas, text, (left, top + TILE + 12), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (190, 190, 190), 1, cv2.LINE_AA)
    return png_bytes(canvas)


def shortened(name: str, most: int) -> str:
    """A name with its middle left out where it is too long."""
    return name if len(name) <= most else f"{name[: most - most // 2 - 2]}..{name[-(most // 2) :]}"


# --- how they look -------------------------------------------------------------------------------------------------------------------------


def _figure(
    width: float, height: float, panels: int = 1, widths: Sequence[float] | None = None, heights: Sequence[float] | None = None
) -> tuple[Figure, Sequence[Axes]]:
    """An empty figure of some inches with axes side by side, or one below the other where heights are given."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DOTS_PER_INCH, layout="constrained", facecolor="white")
    if heights is not None:
        axes = figure.subplots(panels, 1, height_ratios=heights, squeeze=False)
    else:
        axes = figure.subplots(1, panels, width_ratios=widths, squeeze=False)
    every = list(axes.ravel())
    for one in every:
        one.spines[["top", "right"]].set_visible(False)
        one.spines[["left", "bottom"]].set_color(PALE)
        one.tick_params(colors=QUIET, labelsize=8.5, length=0)
        one.xaxis.label.set(color=QUIET, fontsize=9)
        one.yaxis.label.set(color=QUIET, fontsize=9)
        one.set_axisbelow(True)
        one.grid(visible=True, axis="y", color=LINE, linewidth=0.6)
    return figure, every


def bar_width(bars: int) -> float:
    """Share of its place that a bar fills: few bars stay slim."""
    return 0.8 if bars > 12 else 0.35 + 0.03 * bars


def _title(axes: Axes, words: str) -> None:
    axes.set_title(words, loc="left", color=INK, fontsize=10.5, pad=10)


def _name_patients(axes: Axes, names: Sequence[str]) -> None:
    """The patients under their bars where there is room for the names."""
    axes.set_xlim(-0.7, max(len(names), 1) - 0.3)
    if len(names) <= NAMED_PATIENTS:
        axes.set_xticks(
            range(len(names)), [shortened(name, 22) for name in names], rotation=0 if len(names) <= 5 else 90 if len(names) > 12 else 20, fontsize=7.5
        )
    else:
        axes.set_xticks([])
        axes.set_xlabel("patients")


def _box(x: float, y: float, colour: str, opacity: float) -> Patch:
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch((x + 0.04, y + 0.04), 0.92, 0.92, boxstyle="round,pad=0,rounding_size=0.04", facecolor=colour, alpha=opacity, linewidth=0)


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=QUIET)


def _png(figure: Figure) -> bytes:
    """The figure's PNG: the same bytes for the same figure (no date, no program's version)."""
    stream = io.BytesIO()
    for axes in figure.axes:
        if legend := axes.get_legend():
            for text in legend.get_texts():
                text.set(color=INK, fontsize=8.5)
        for text in axes.texts:
            if text.get_fontsize() == 10:  # matplotlib's own size: none was asked for
                text.set_fontsize(9)
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
