"""One line of the table: a figure, what it is compared with, and whether that is good enough."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure of this machine.

    Attributes:
        name: what was measured.
        value: in `unit`, or None where it could not be measured; `note` says why.
        unit: "s", "ms", "MB", "%", "x" ...
        rival: what the same was measured of in the same run, or "".
        rival_value: in the same unit, or None.
        ratio: `value` / `rival_value`, or None.
        target: in words, or "" where the figure is only reported.
        met: whether it is, or None where there is no target or no figure.
        note: how it was measured, or why not.
    """

    name: str
    value: float | None
    unit: str
    rival: str = ""
    rival_value: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None
    note: str = ""


def measured(
    name: str,
    value: float,
    unit: str,
    *,
    rival: str = "",
    rival_value: float | None = None,
    at_most: float | None = None,
    ratio_at_most: float | None = None,
    note: str = "",
) -> Measurement:
    """A figure with its ratio, its target in words and whether it is met.

    Args:
        at_most: the largest value that is good enough.
        ratio_at_most: the largest ratio to the rival that is.
    """
    ratio = value / rival_value if rival_value else None
    limits = []
    if at_most is not None:
        limits.append((f"{_number(at_most)} {unit}", value <= at_most))
    if ratio_at_most is not None:
        limits.append((f"{ratio_at_most:.3g} x", ratio is not None and ratio <= ratio_at_most))
    target = "at most " + " and ".join(words for words, _ in limits) if limits else ""
    met = all(good for _, good in limits) if limits else None
    return Measurement(name, value, unit, rival, rival_value, ratio, target, met, note)


def not_measured(name: str, why: str) -> Measurement:
    """A figure that this machine cannot give."""
    return Measurement(name, None, "", note=why)


def table(rows: Sequence[Measurement]) -> str:
    """The rows as a Markdown table, in columns that line up in a terminal."""
    head = ("measure", "here", "rival in the same run", "rival", "ratio", "target", "met", "note")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    texts = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines]
    texts.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(texts)


def document(rows: Sequence[Measurement], machine: str, version: str) -> dict:
    """What `brainviewer bench --json` says, as plain values."""
    return json.loads(json.dumps({"brainviewer": version, "machine": machine, "rows": [asdict(row) for row in rows]}, allow_nan=False))


def _cells(row: Measurement) -> tuple[str, ...]:
    return (
        row.name,
        "none" if row.value is None else f"{_number(row.value)} {row.unit}",
        row.rival,
        "" if row.rival_value is None else f"{_number(row.rival_value)} {row.unit}",
        "" if row.ratio is None else f"{row.ratio:.2g} x" if row.ratio < 0.1 else f"{row.ratio:.2f} x",
        row.target,
        "" if row.met is None else "yes" if row.met else "no",
        row.note,
    )


def _number(value: float) -> str:
    """Three digits that matter."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
