"""Which frames make one volume: what a series holds is told apart by what must not differ, and by what would lie at the same place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .dicom_headers import Frame

SAME_PLACE_MM = 0.01
SAME_DIRECTION = 0.005
"""Largest difference of a direction cosine within one volume; 0.3 degrees."""

MOST_COPIES_LISTED = 16
"""Of volumes that share their positions; the rest of a longer time series is not listed."""

UNEVEN = 0.05
"""A step from slice to slice that differs from the others by more than this part of it is another step."""

_STRONG = ("echo", "echo time", "temporal position")


@dataclass(frozen=True, slots=True)
class Left:
    """A frame that is part of no volume, and the reason as a sentence."""

    frame: Frame
    why: str


@dataclass(frozen=True, eq=False, slots=True)
class Group:
    """The frames of one volume, in no order.

    Attributes:
        split_by: what tells this volume from others of its series, as text that depends on neither names nor order of files; "" where
            nothing does.
        labels: the names of what splits it.
    """

    frames: tuple[Frame, ...]
    split_by: str
    labels: tuple[str, ...]


def groups_of(frames: Iterable[Frame]) -> tuple[list[Group], list[Left]]:
    """All frames of a listing by the volumes they belong to, and those that belong to none.

    A volume has one study, series, frame of reference, size, kind of pixel, voxel size, orientation and stack; within that, echoes, points in
    time, acquisitions and the like are told apart where frames would else lie at the same place.
    """
    left: list[Left] = []
    families: dict[tuple, list[Frame]] = defaultdict(list)
    for frame in _without_copies(sorted(frames, key=lambda frame: frame.taken_order), left):
        families[_family(frame)].append(frame)
    found: list[Group] = []
    by_series: dict[tuple[str, str], int] = defaultdict(int)
    parts: list[tuple[list[Frame], list[str]]] = []
    for family in families.values():
        for direction in _by_direction(family):
            parts += [(part, labels) for part, labels in _split(direction, left)]
    for part, _ in parts:
        by_series[_series(part[0])] += 1
    for part, labels in parts:
        alone = by_series[_series(part[0])] == 1
        found.append(Group(tuple(part), "" if alone else _name(part, labels), tuple(labels)))
    return found, left


def _series(frame: Frame) -> tuple[str, str]:
    return frame.file.study, frame.file.series


def _without_copies(frames: Iterable[Frame], left: list[Left]) -> list[Frame]:
    """Frames whose instance was met before are copies of the same file."""
    first: dict[tuple[str, int], Frame] = {}
    kept = []
    for frame in frames:
        uid = frame.file.sop_instance
        other = first.setdefault((uid, frame.index), frame) if uid else frame
        if other is frame:
            kept.append(frame)
        elif frame.index == 0:
            left.append(Left(frame, f'It is a copy of "{other.file.path.name}" (the same instance).'))
    return kept


def _family(frame: Frame) -> tuple:
    """What frames of one volume must have in common."""
    file, pixels = frame.file, frame.file.pixels
    spacing = None if frame.spacing is None else tuple(f"{value:.3g}" for value in frame.spacing)
    # A file without a series is a series of its own.
    series = file.series or str(file.path)
    alone = str(file.path) if not frame.placed and pixels.frames > 1 else ""
    return (
        file.study,
        series,
        file.frame_of_reference,
        pixels.rows,
        pixels.columns,
        pixels.colour,
        pixels.floating,
        spacing,
        frame.placed,
        frame.stack,
        file.mosaic,
        alone,
    )


def _by_direction(frames: list[Frame]) -> list[list[Frame]]:
    """Frames that lie parallel, each group in the order taken."""
    groups: list[tuple[tuple[float, ...] | None, list[Frame]]] = []
    for frame in frames:
        for direction, group in groups:
            if direction is frame.orientation or (
                direction is not None
                and frame.orientation is not None
                and all(abs(a - b) < SAME_DIRECTION for a, b in zip(direction, frame.orientation, strict=True))
            ):
                group.append(frame)
                break
        else:
            groups.append((frame.orientation, [frame]))
    return [group for _, group in groups]


def _split(frames: list[Frame], left: list[Left]) -> list[tuple[list[Frame], list[str]]]:
    """Volumes among parallel frames, each with the names of what tells it apart."""
    parts: list[tuple[list[Frame], list[str]]] = [(frames, [])]
    for name in frames[0].splits:
        parts = [piece for part, labels in parts for piece in _split_by(name, part, labels)]
    result = []
    for part, labels in parts:
        if not frames[0].placed:
            result.append((part, labels))
        else:
            result += _split_copies(part, labels, left)
    return result


def _split_by(name: str, frames: list[Frame], labels: list[str]) -> list[tuple[list[Frame], list[str]]]:
    groups: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        groups[frame.splits.get(name, "")].append(frame)
    whole = [(frames, labels)]
    if len(groups) == 1:
        return whole
    pieces = [(group, [*labels, name]) for _, group in sorted(groups.items(), key=lambda item: item[1][0].taken_order)]
    if not frames[0].placed:
        # Without positions only what is never different within a volume may split.
        return pieces if name in _STRONG and all(len(group) > 1 for group in groups.values()) else whole
    overlap = _overlaps(frames)
    if name == "echo" and min(map(len, groups.values())) > 1:
        return pieces
    if name in _STRONG and not overlap:
        # Some scanners write slightly different times into the slices of one volume: together these are evenly spaced.
        return pieces if min(map(len, groups.values())) > 1 and not _even(frames) else whole
    if overlap and name in _STRONG:
        return pieces
    if overlap:
        return pieces if sum(_overlaps(group) for group in groups.values()) < overlap else whole
    if name == "acquisition" and min(map(len, groups.values())) > 1 and not _even(frames) and all(_even(group) for group in groups.values()):
        return pieces
    return whole


def _overlaps(frames: Sequence[Frame]) -> int:
    """How many frames lie where another one does."""
    places = sorted(frame.along_mm for frame in frames)
    return sum(b - a < SAME_PLACE_MM for a, b in pairwise(places))


def _even(frames: Sequence[Frame]) -> bool:
    steps = np.diff(sorted(frame.along_mm for frame in frames))
    return len(steps) == 0 or bool(np.ptp(steps) <= UNEVEN * abs(float(np.median(steps))))


def _split_copies(frames: list[Frame], labels: list[str], left: list[Left]) -> list[tuple[list[Frame], list[str]]]:
    """Frames that still share their places: as many volumes where each place has as many, else the first of each place."""
    places: list[list[Frame]] = []
    for frame in sorted(frames, key=lambda frame: (frame.along_mm, frame.taken_order)):
        if places and frame.along_mm - places[-1][0].along_mm < SAME_PLACE_MM:
            places[-1].append(frame)
        else:
            places.append([frame])
    copies = {len(place) for place in places}
    if copies == {1}:
        return [(frames, labels)]
    for place in places:
        place.sort(key=lambda frame: frame.taken_order)
    if len(copies) == 1 and len(places) > 1:
        number = copies.pop()
        shown = number if number <= MOST_COPIES_LISTED else 1
        left += [
            Left(place[n], f"It belongs to volume {n + 1} of {number} at the same positions; only the first is listed.")
            for n in range(shown, number)
            for place in places
        ]
        return [([place[n] for place in places], [*labels, f"order (volume {n + 1} of {number})"]) for n in range(shown)]
    for place in places:
        left += [Left(frame, f'It lies at the same position as "{place[0].file.path.name}", which is shown.') for frame in place[1:]]
    return [([place[0] for place in places], labels)]


def _name(frames: Sequence[Frame], labels: Sequence[str]) -> str:
    """What splits a volume from its series, as text that does not depend on names and order of the files."""
    frame = frames[0]
    pixels = frame.file.pixels
    direction = "" if frame.orientation is None else ",".join(f"{value:.2f}" for value in _mean_direction(frames))
    values = [f"{label}={frame.splits.get(label, label)}" for label in labels]
    spacing = "" if frame.spacing is None else "x".join(f"{value:.3g}" for value in frame.spacing)
    own = frame.file.sop_instance if frame.position is None and pixels.frames > 1 else ""
    parts = (direction, f"{pixels.rows}x{pixels.columns}", str(pixels.colour), spacing, frame.file.frame_of_reference, frame.stack, own, *values)
    return "|".join(parts).replace("-0.00", "0.00")


def _mean_direction(frames: Sequence[Frame]) -> np.ndarray:
    return np.mean([frame.orientation for frame in frames if frame.orientation is not None], axis=0)
