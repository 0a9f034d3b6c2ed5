"""The reading receipt: what was read of a scan and how, and what the answer rests on. For the window, and saved with what is exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import __version__
from ..imaging.prediction import AMBER_FIT, ScanResult
from ..imaging.volume import CHANNEL_NAMES, Volume
from .series import Series

MOST_FILES = 20
"""Ignored files that the text lists; the document has all of them, and all that were used."""
ORDERS = {
    "position": "by the positions that the files state",
    "instance": "by the instance numbers that the files state; they state no positions",
    "name": "by their names (1, 2, 10); the files state no positions",
}
NO_GAPS = {
    "position": "None: the positions are evenly spaced.",
    "instance": "Not known, as the files state no positions.",
    "name": "None in the numbers of the names, where they have any.",
}
GAP_WORDS = ("to be missing", "unevenly spaced", "missing from the numbering")
"""Of the notes that readers write of gaps."""
RESEARCH = "Research use only. Not for diagnosis."


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the receipt.

    Attributes:
        topic: a word or two.
        words: one sentence or a few.
        attention: whether the reader should stop here.
        key: its name in the document.
        value: the same as plain JSON.
    """

    topic: str
    words: str
    attention: bool
    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class Receipt:
    """In the order in which one reads it."""

    entries: tuple[Entry, ...]

    def document(self) -> dict[str, Any]:
        """For `receipt.json`: plain values."""
        return {"brainviewer": __version__, **{entry.key: entry.value for entry in self.entries}, "research": RESEARCH}

    def text(self) -> str:
        """For `receipt.txt`."""
        width = max(len(entry.topic) for entry in self.entries) + 2
        lines = []
        for entry in self.entries:
            first, *others = entry.words.split("\n")
            lines += [f"{entry.topic:<{width}}{first}", *(" " * width + other for other in others)]
        return "\n".join([f"Reading receipt, brainviewer {__version__}", "", *lines, "", RESEARCH, ""])


def receipt_of(volume: Volume, series: Series | None = None, result: ScanResult | None = None, ignored: Sequence[tuple[str, str]] = ()) -> Receipt:
    """The receipt of a scan.

    Args:
        series: as it was listed; without one the receipt does not know how slices were ordered.
        result: without one it says that the scan has not been analysed.
        ignored: (file, why) beside those of the volume.
    """
    entries = [
        _files(volume),
        _ignored([*volume.ignored, *ignored]),
        _order(series),
        *_gaps(volume, series),
        _grid(volume),
        _spacing(volume),
        _sequence(volume, series),
    ]
    entries += [_fit(result), *_models(result)]
    notes = [note for note in dict.fromkeys((*volume.notes, *(result.notes if result is not None else ()))) if not _of_a_gap(note)]
    if notes:
        entries.append(Entry("Noted", "\n".join(notes), True, "notes", notes))
    return Receipt(tuple(entries))


def _files(volume: Volume) -> Entry:
    names = list(dict.fromkeys(volume.sources))
    head = f"{_count(len(names), 'file')} used for {_count(len(volume), 'slice')}"
    ends = f": {names[0]}" if len(names) == 1 else f".\nFirst: {names[0]}\nLast: {names[-1]}"
    return Entry("Used", head + ends, False, "files", names)


def _ignored(rows: list[tuple[str, str]]) -> Entry:
    rows = list(dict.fromkeys(rows))
    lines = [f"{file}: {why}" for file, why in rows[:MOST_FILES]]
    if len(rows) > MOST_FILES:
        lines.append(f"and {len(rows) - MOST_FILES} more")
    head = f"{_count(len(rows), 'file')} ignored." if rows else "No file ignored."
    return Entry("Ignored", "\n".join([head, *lines]), False, "ignored", [{"file": file, "why": why} for file, why in rows])


def _order(series: Series | None) -> Entry:
    order = series.order_by if series is not None else None
    words = f"Slices are ordered {ORDERS[order]}." if order in ORDERS else "How the slices were ordered is not known here."
    return Entry("Order", words, False, "order_by", order)


def _gaps(volume: Volume, series: Series | None) -> list[Entry]:
    found = [note for note in volume.notes if _of_a_gap(note)]
    order = series.order_by if series is not None else None
    if len(volume) < 2 or not (found or order in NO_GAPS):
        return []
    return [Entry("Gaps", "\n".join(found) or NO_GAPS[str(order)], bool(found), "gaps", found)]


def _of_a_gap(note: str) -> bool:
    return any(words in note for words in GAP_WORDS)


def _grid(volume: Volume) -> Entry:
    slices, rows, columns = volume.shape
    plane = f", {volume.plane}" if volume.plane else ", plane not known"
    words = f"{_count(slices, 'slice')} of {rows} rows and {columns} columns{plane}, {volume.voxels.dtype}."
    return Entry("Grid", words, False, "shape", [int(n) for n in volume.voxels.shape])


def _spacing(volume: Volume) -> Entry:
    spacing = volume.spacing
    value = {"mm": None if spacing is None else [float(mm) for mm in spacing], "from": "files", "assumed": volume.spacing_assumed}
    if spacing is None:
        value["from"] = None
        words = "The files do not state how large a pixel is: nothing is given in millimetres."
        return Entry("Spacing", words, True, "spacing", value)
    numbers = f"{spacing[0]:.4g} mm from slice to slice, {spacing[1]:.4g} x {spacing[2]:.4g} mm a pixel"
    if volume.spacing_assumed:
        value["from"] = "typed"
        return Entry("Spacing", f"{numbers}: typed by the user, so every length, area and volume is an assumption.", True, "spacing", value)
    return Entry("Spacing", f"{numbers}, as the files state.", False, "spacing", value)


def _sequence(volume: Volume, series: Series | None) -> Entry:
    if volume.channels == CHANNEL_NAMES:
        return Entry("Sequence", "Pre-contrast T1, FLAIR and post-contrast T1, one in each channel.", False, "sequence", list(volume.channels))
    guess = series.sequence if series is not None else None
    words = f"Probably {guess}, by its name and timing." if guess else "Not known: neither the name nor the timing says."
    return Entry("Sequence", words, guess is None, "sequence", guess)


def _fit(result: ScanResult | None) -> Entry:
    if result is None:
        return Entry("Fit", "The scan has not been analysed to its end.", False, "fit", None)
    if result.fit is None:
        return Entry("Fit", "These models cannot say how well a scan fits them.", False, "fit", None)
    amber = result.fit < AMBER_FIT
    words = f"{result.fit:.2f} of 1: " + (
        "the scan does not resemble what the models learned from, so their answer may mean nothing."
        if amber
        else "the scan resembles what the models learned from."
    )
    return Entry("Fit", words, amber, "fit", round(float(result.fit), 4))


def _models(result: ScanResult | None) -> list[Entry]:
    if result is None:
        return []
    models = [f"{name} {version} ({task}), SHA-256 {sha256[:12]}…" for name, version, task, sha256 in result.models]
    value = [dict(zip(("name", "version", "task", "sha256"), model, strict=True)) for model in result.models]
    computed = f"{result.engine}, {result.device}, {result.precision}; pixels from probability {result.threshold:.2f} on."
    entries = [Entry("Models", "\n".join([*models, computed]), False, "models", value)]
    learned = list(result.trained_on)
    entries.append(Entry("Learned from", "\n".join(learned) or "The models do not say.", not learned, "trained_on", learned))
    if result.drawn_slices:
        words = f"The masks of {_count(len(result.drawn_slices), 'slice')} were drawn or changed by hand: {_ranges(result.drawn_slices)}."
        entries.append(Entry("By hand", words, True, "drawn_slices", list(result.drawn_slices)))
    return entries


def _ranges(slices: Sequence[int]) -> str:
    """ "3 to 5, 9", counted from 1."""
    runs: list[list[int]] = []
    for z in sorted(slices):
        if runs and z == runs[-1][1] + 1:
            runs[-1][1] = z
        else:
            runs.append([z, z])
    return ", ".join(f"{a + 1}" if a == b else f"{a + 1} to {b + 1}" for a, b in runs)


def _count(number: int, word: str) -> str:
    return f"1 {word}" if number == 1 else f"{number:,} {word}s"
