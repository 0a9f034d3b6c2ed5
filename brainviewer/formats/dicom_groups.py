"""Which frames make one volume: what a series holds is told apart by what must not differ, and by what would lie at the same place."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .dicom_headers import Frame

SAME_PLACE_MM = 0.01
SAME_DIRECTION = 0.005
"""Largest difference of a direction cosine within one volume; 0.3 degrees."""

SAME_SIZE = 0.005
"""Largest difference of the voxels' sizes within one volume, as a part of them: rounding, not another grid."""

MOST_COPIES_LISTED = 16
"""Of volumes that share their positions and that nothing tells apart; of a longer time series only the first is listed."""

MOST_VOLUMES_LISTED = 16
"""Of one series; what a time series has beyond that is not listed."""

UNEVEN = 0.05
"""A step from slice to slice that differs from the others by more than this part of it is another step."""

_STRONG = ("echo", "echo time", "temporal position")

_OTHER_ECHO = 0.1
"""Echo times that differ by more than this part of the longer one are two contrasts."""

_DENSE = 0.7
_FEWEST_SLICES = 3
"""What splits a series makes volumes of it: that many slices or more, which fill that part of the places between their ends. A number that
differs from slice to slice would tear it to pieces."""


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
        for group in _by_direction(_by_spacing(_by_uid(family))):
            parts += [(part, labels) for part, labels in _split(group, left)]
    parts = _first_of_many(parts, left)
    for part, _ in parts:
        by_series[_series(part[0])] += 1
    for part, labels in parts:
        alone = by_series[_series(part[0])] == 1
        found.append(Group(tuple(part), "" if alone else _name(part, labels), tuple(labels)))
    return found, left


def _series(frame: Frame) -> tuple[str, str]:
    """What volumes of one series share."""
    return frame.file.study, frame.file.series or f"{frame.file.path.parent}|{frame.file.series_number}|{frame.file.description}"


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
    """What frames of one volume must have in common, and have to the last bit."""
    file, pixels = frame.file, frame.file.pixels
    # Files without a series are told apart by their folders and what they are called.
    series = (file.series,) if file.series else (str(file.path.parent), file.series_number, file.description)
    alone = str(file.path) if not frame.placed and pixels.frames > 1 else ""
    return (
        series,
        pixels.rows,
        pixels.columns,
        pixels.colour,
        pixels.floating,
        frame.placed,
        frame.stack,
        file.mosaic,
        alone,
    )


def _by_uid(frames: list[Frame]) -> list[list[Frame]]:
    """Frames of one study and one frame of reference. Where nearly every slice has one of its own, as some programs write them when they take
    the names out, it says nothing."""
    groups = [frames]
    for name in ("study", "frame_of_reference"):
        groups = [piece for group in groups for piece in _by_one_uid(group, name)]
    return groups


def _by_one_uid(frames: list[Frame], name: str) -> list[list[Frame]]:
    pieces: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        pieces[getattr(frame.file, name)].append(frame)
    stated = [uid for uid in pieces if uid]
    if len(stated) <= 1 or (len(stated) > 2 and len(frames) < _FEWEST_SLICES * len(stated)):
        return [frames]
    return list(pieces.values())


def frame_of_reference(frames: Sequence[Frame]) -> str:
    """The frame of reference of the frames of one volume, or "" where they do not agree on one."""
    stated = {frame.file.frame_of_reference for frame in frames} - {""}
    return stated.pop() if len(stated) == 1 else ""


def _gathered(frames: list[Frame], same: Callable[[Frame, Frame], bool]) -> list[list[Frame]]:
    """Frames by the first one that they are the same as, each group in the order taken."""
    groups: list[list[Frame]] = []
    for frame in frames:
        for group in groups:
            if same(group[0], frame):
                group.append(frame)
                break
        else:
            groups.append([frame])
    return groups


def _by_spacing(groups: Iterable[list[Frame]]) -> list[list[Frame]]:
    """Frames whose pixels have one size."""

    def same(first: Frame, second: Frame) -> bool:
        a, b = first.spacing, second.spacing
        return a == b or (a is not None and b is not None and all(abs(x - y) < SAME_SIZE * x for x, y in zip(a, b, strict=True)))

    return [piece for group in groups for piece in _gathered(group, same)]


def _by_direction(groups: Iterable[list[Frame]]) -> list[list[Frame]]:
    """Frames that lie parallel."""

    def same(first: Frame, second: Frame) -> bool:
        a, b = first.orientation, second.orientation
        return a is b or (a is not None and b is not None and all(abs(x - y) < SAME_DIRECTION for x, y in zip(a, b, strict=True)))

    return [piece for group in groups for piece in _gathered(group, same)]


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
    smallest = min(map(len, groups.values()))
    if name == "echo time" and smallest > 1 and _are_contrasts(groups):
        return pieces
    if not _are_volumes(frames, groups.values()):
        return whole
    overlap = _overlaps(frames)
    if overlap:
        return pieces if name in _STRONG or sum(_overlaps(group) for group in groups.values()) < overlap else whole
    # Some scanners write slightly different times into the slices of one volume: together these are evenly spaced.
    if smallest == 1 or _even(frames):
        return whole
    return pieces if name in _STRONG or (name == "acquisition" and all(_even(group) for group in groups.values())) else whole


def _are_contrasts(groups: Iterable[str]) -> bool:
    """Whether echo times are so far apart that their slices look different."""
    times = sorted(float(time) for time in groups if time)
    return len(times) > 1 and all(b - a > _OTHER_ECHO * b for a, b in pairwise(times))


def _are_volumes(frames: Sequence[Frame], groups: Iterable[Sequence[Frame]]) -> bool:
    """Whether most of the frames would be part of something like a volume if they were split into these groups."""
    order = {place: number for number, place in enumerate(sorted({_place(frame) for frame in frames}))}
    good = 0
    for group in groups:
        places = {order[_place(frame)] for frame in group}
        enough = len(places) >= min(_FEWEST_SLICES, len(order))
        good += len(group) if enough and len(places) >= _DENSE * (max(places) - min(places) + 1) else 0
    return 2 * good > len(frames)


def _place(frame: Frame) -> int:
    """Where a placed frame lies, as a number that frames at the same place share."""
    return round(frame.along_mm / (10 * SAME_PLACE_MM))


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


def _first_of_many(parts: list[tuple[list[Frame], list[str]]], left: list[Left]) -> list[tuple[list[Frame], list[str]]]:
    """The volumes that are listed: of a series with a great many, the first."""
    numbers: dict[tuple, int] = defaultdict(int)
    total = Counter(_series(part[0]) for part, _ in parts)
    listed = []
    for part, labels in parts:
        series = _series(part[0])
        numbers[series] += 1
        if numbers[series] <= MOST_VOLUMES_LISTED:
            listed.append((part, labels))
        else:
            why = f"It belongs to volume {numbers[series]} of the {total[series]} of its series; only the first {MOST_VOLUMES_LISTED} are listed."
            left += [Left(frame, why) for frame in part]
    return listed


def _name(frames: Sequence[Frame], labels: Sequence[str]) -> str:
    """What splits a volume from its series, as text that does not depend on names and order of the files."""
    frame = frames[0]
    pixels = frame.file.pixels
    direction = "" if frame.orientation is None else ",".join(f"{value:.2f}" for value in _mean_direction(frames))
    values = [f"{label}={frame.splits.get(label, label)}" for label in labels]
    spacing = "" if frame.spacing is None else "x".join(f"{value:.3g}" for value in frame.spacing)
    own = frame.file.sop_instance if frame.position is None and pixels.frames > 1 else ""
    parts = (direction, f"{pixels.rows}x{pixels.columns}", str(pixels.colour), spacing, frame_of_reference(frames), frame.stack, own, *values)
    return "|".join(parts).replace("-0.00", "0.00")


def _mean_direction(frames: Sequence[Frame]) -> np.ndarray:
    return np.mean([frame.orientation for frame in frames if frame.orientation is not None], axis=0)
