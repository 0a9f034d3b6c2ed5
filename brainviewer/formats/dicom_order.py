"""Which frames make one volume, and in which order: by position in space, whatever names and instance numbers say."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..imaging.orientation import Arrangement, arrange, describe_grid, usable
from ..imaging.volume import StoredGrid
from .dicom_headers import Frame
from .series import count, listed, natural_path

SAME_PLACE_MM = 0.01
SAME_DIRECTION = 0.005
"""Largest difference of a direction cosine within one stack; 0.3 degrees."""

MOST_COPIES_LISTED = 16
"""Of volumes that share their positions; the rest of a longer time series is not listed."""

_STRONG = ("echo", "echo time", "temporal position")
_UNEVEN = 0.05
_TILT_DEGREES = 0.5
_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From DICOM's world (x to the left, y to the back) to RAS."""


@dataclass(frozen=True, eq=False, slots=True)
class Stack:
    """The frames of one volume.

    Attributes:
        frames: in stored order, ascending along the slice normal; slice k of the stored grid (column, row, slice) is frame k.
        arrangement: how that grid is displayed.
        keeps_slices: whether a displayed slice is a frame.
        order_by: "position", "instance" or "name".
        split_by: what tells this volume from others of its series, as text; "" where nothing does.
        notes: sentences for the user.
    """

    frames: tuple[Frame, ...]
    arrangement: Arrangement
    keeps_slices: bool
    order_by: str
    split_by: str
    notes: tuple[str, ...]

    def displayed_frames(self) -> tuple[Frame, ...]:
        """The frames in displayed order, if a displayed slice is a frame."""
        return self.frames[::-1] if self.arrangement.grid.flips[0] else self.frames


@dataclass(frozen=True, slots=True)
class Left:
    """A frame that is part of no volume, and the reason as a sentence."""

    frame: Frame
    why: str


def stacks(frames: Iterable[Frame]) -> tuple[list[Stack], list[Left]]:
    """All frames of a listing as volumes.

    A volume has one study, series, frame of reference, size, kind of pixel, voxel size, orientation and stack; within that, echoes, points in
    time, acquisitions and the like are told apart where frames would else lie at the same place.
    """
    left: list[Left] = []
    families: dict[tuple, list[Frame]] = defaultdict(list)
    for frame in _without_copies(sorted(frames, key=_taken_order), left):
        families[_family(frame)].append(frame)
    found: list[Stack] = []
    by_series: dict[tuple[str, str], int] = defaultdict(int)
    parts: list[tuple[list[Frame], list[str]]] = []
    for family in families.values():
        for direction in _by_direction(family):
            parts += [(part, labels) for part, labels in _split(direction, left)]
    for part, _ in parts:
        by_series[_series(part[0])] += 1
    for part, labels in parts:
        alone = by_series[_series(part[0])] == 1
        found.append(make_stack(part, "" if alone else _name(part, labels), labels))
    return found, left


def make_stack(frames: Sequence[Frame], split_by: str = "", labels: Sequence[str] = ()) -> Stack:
    """Orders the frames of one volume and places them in space."""
    notes = [f"The series holds several volumes; this one is told apart by its {listed(list(labels))}."] if labels else []
    if frames[0].orientation is None or frames[0].position is None:
        return _unplaced(frames, split_by, notes)
    ordered = sorted(frames, key=lambda frame: (_along(frame), _taken_order(frame)))
    affine = stored_affine(ordered)
    if affine is None:
        notes.append("The positions in the files make no sense.")
        return _unplaced(frames, split_by, notes)
    pixels = frames[0].file.pixels
    arrangement = arrange((pixels.columns, pixels.rows, len(ordered)), affine)
    keeps = arrangement.grid.axes[0] == 2
    notes += _spacing_notes(ordered, flipped=keeps and arrangement.grid.flips[0], keeps=keeps)
    notes += describe_grid(affine, tilt=_tilt(ordered))
    notes += _number_notes(ordered)
    if len(ordered) == 1 and ordered[0].depth_mm is None:
        notes.append("The file does not say how thick its slice is: 1 mm is assumed.")
    if not keeps:
        notes.append("The voxels are nearly as deep as wide, so the slices are shown axial, across the files' own.")
    return Stack(tuple(ordered), arrangement, keeps, "position", split_by, tuple(notes))


def _unplaced(frames: Sequence[Frame], split_by: str, notes: list[str]) -> Stack:
    """A stack without positions: in the order of instance numbers, else of names."""
    numbers = [frame.file.instance_number for frame in frames]
    files = {frame.file.path for frame in frames}
    numbered = None not in numbers and len({(frame.file.instance_number, frame.index) for frame in frames}) == len(frames)
    if numbered or len(files) == 1:
        ordered, order_by = sorted(frames, key=_taken_order), "instance"
    else:
        ordered, order_by = sorted(frames, key=lambda frame: (natural_path(frame.file.path), frame.index)), "name"
    if len(ordered) > 1:
        by = "their numbers" if order_by == "instance" else "the names of the files"
        notes.append(f"The files do not say where the slices lie; they are in the order of {by}.")
    pixels = ordered[0].file.pixels
    spacing, depth = ordered[0].spacing, ordered[0].depth_mm
    known = None if spacing is None or depth is None else (depth, *spacing)
    # Files that are slices stay slices, whatever their spacing.
    grid = StoredGrid((pixels.columns, pixels.rows, len(ordered)), (2, 1, 0), (False, False, False))
    arrangement = Arrangement(grid, (len(ordered), pixels.rows, pixels.columns), None, known, None, "")
    return Stack(tuple(ordered), arrangement, True, order_by, split_by, tuple(notes))


# --- telling volumes apart -----------------------------------------------------------------------------------------------------------------


def _taken_order(frame: Frame) -> tuple:
    """The order in which frames were taken, as far as their numbers say; never equal for two frames."""
    number = frame.file.instance_number
    return (number is None, number or 0, frame.index, natural_path(frame.file.path))


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
    placed = frame.orientation is not None and frame.position is not None
    alone = str(file.path) if not placed and pixels.frames > 1 else ""
    return (
        file.study,
        series,
        file.frame_of_reference,
        pixels.rows,
        pixels.columns,
        pixels.colour,
        pixels.floating,
        spacing,
        placed,
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
        if frames[0].position is None or frames[0].orientation is None:
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
    pieces = [(group, [*labels, name]) for _, group in sorted(groups.items(), key=lambda item: _taken_order(item[1][0]))]
    if frames[0].position is None or frames[0].orientation is None:
        # Without positions only what is never different within a volume may split.
        return pieces if name in _STRONG and all(len(group) > 1 for group in groups.values()) else whole
    overlap = _overlaps(frames)
    if name in _STRONG:
        return pieces if overlap or min(map(len, groups.values())) > 1 else whole
    if overlap:
        return pieces if sum(_overlaps(group) for group in groups.values()) < overlap else whole
    if name == "acquisition" and min(map(len, groups.values())) > 1 and not _even(frames) and all(_even(group) for group in groups.values()):
        return pieces
    return whole


def _overlaps(frames: Sequence[Frame]) -> int:
    """How many frames lie where another one does."""
    places = sorted(_along(frame) for frame in frames)
    return sum(b - a < SAME_PLACE_MM for a, b in pairwise(places))


def _even(frames: Sequence[Frame]) -> bool:
    steps = np.diff(sorted(_along(frame) for frame in frames))
    return len(steps) == 0 or bool(np.ptp(steps) <= _UNEVEN * abs(float(np.median(steps))))


def _split_copies(frames: list[Frame], labels: list[str], left: list[Left]) -> list[tuple[list[Frame], list[str]]]:
    """Frames that still share their places: as many volumes where each place has as many, else the first of each place."""
    places: list[list[Frame]] = []
    for frame in sorted(frames, key=lambda frame: (_along(frame), _taken_order(frame))):
        if places and _along(frame) - _along(places[-1][0]) < SAME_PLACE_MM:
            places[-1].append(frame)
        else:
            places.append([frame])
    copies = {len(place) for place in places}
    if copies == {1}:
        return [(frames, labels)]
    for place in places:
        place.sort(key=_taken_order)
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


# --- space ---------------------------------------------------------------------------------------------------------------------------------


def normal(frame: Frame) -> np.ndarray:
    """The direction in which slices are stacked, LPS."""
    assert frame.orientation is not None
    return np.cross(frame.orientation[:3], frame.orientation[3:])


def _along(frame: Frame) -> float:
    """Where a frame lies along its own normal, mm."""
    assert frame.position is not None
    assert frame.orientation is not None
    (a, b, c), (d, e, f) = frame.orientation[:3], frame.orientation[3:]
    x, y, z = frame.position
    return x * (b * f - c * e) + y * (c * d - a * f) + z * (a * e - b * d)


def stored_affine(ordered: Sequence[Frame]) -> np.ndarray | None:
    """(4, 4) stored voxel (column, row, slice) to RAS mm; None where the numbers place nothing.

    The step is the mean of all, so that unevenly spaced slices lie between the right ends; where slices are missing it is that of the others,
    so that each slice stands for its own depth.
    """
    first, last = ordered[0], ordered[-1]
    assert first.orientation is not None
    assert first.spacing is not None
    assert first.position is not None
    assert last.position is not None
    affine = np.eye(4)
    affine[:3, 0] = np.array(first.orientation[:3]) * first.spacing[1]
    affine[:3, 1] = np.array(first.orientation[3:]) * first.spacing[0]
    if len(ordered) > 1:
        affine[:3, 2] = (np.array(last.position) - np.array(first.position)) * _step_share(ordered)
    else:
        affine[:3, 2] = normal(first) * (first.depth_mm or 1.0)
    affine[:3, 3] = first.position
    affine = _RAS @ affine
    return affine if usable(affine) else None


def _step_share(ordered: Sequence[Frame]) -> float:
    """One step as a part of the way from the first slice to the last."""
    steps = np.diff([_along(frame) for frame in ordered])
    step, total = float(np.median(steps)), float(steps.sum())
    return step / total if _gaps(steps).size else 1 / len(steps)


def _gaps(steps: np.ndarray) -> np.ndarray:
    """Indices of the steps that are a whole number of times too wide, if all others are even; else none."""
    step = float(np.median(steps))
    multiples = np.round(steps / step)
    even = np.abs(steps - multiples * step).max() <= max(2 * _UNEVEN * step, SAME_PLACE_MM)
    return np.flatnonzero(multiples >= 2) if even else np.empty(0, np.int64)


def _tilt(ordered: Sequence[Frame]) -> float:
    """The angle between the stack and its slices' normal, degrees."""
    if len(ordered) < 2 or ordered[0].position is None or ordered[-1].position is None:
        return 0.0
    across = np.array(ordered[-1].position) - np.array(ordered[0].position)
    cosine = abs(float(across @ normal(ordered[0]))) / max(float(np.linalg.norm(across)), 1e-9)
    degrees = math.degrees(math.acos(min(cosine, 1.0)))
    return degrees if degrees > _TILT_DEGREES else 0.0


def _spacing_notes(ordered: Sequence[Frame], *, flipped: bool, keeps: bool) -> list[str]:
    """Missing slices, uneven steps, slices shifted against each other."""
    if len(ordered) < 3:
        return []
    places = np.array([_along(frame) for frame in ordered])
    steps = np.diff(places)
    step = float(np.median(steps))
    notes = []
    if np.abs(steps - step).max() > max(_UNEVEN * step, SAME_PLACE_MM):
        gaps = _gaps(steps)
        if gaps.size:
            missing = int(np.round(steps[gaps] / step).sum()) - gaps.size
            where = [len(ordered) - int(gap) - 1 if flipped else int(gap) + 1 for gap in gaps]
            after = f" after slice {listed(sorted(where))}" if keeps else ""
            notes.append(
                f"{count(missing, 'slice')} {'seems' if missing == 1 else 'seem'} to be missing{after}: "
                f"the step is {step:.4g} mm, but up to {float(steps.max()):.4g} mm there."
            )
        else:
            notes.append(
                f"The slices are unevenly spaced: {float(steps.min()):.4g} to {float(steps.max()):.4g} mm; positions between them are approximate."
            )
    positions = np.array([frame.position for frame in ordered])
    line = positions[0] + np.linspace(0, 1, len(ordered))[:, np.newaxis] * (positions[-1] - positions[0])
    across = normal(ordered[0])
    aside = positions - line
    aside -= (aside @ across)[:, np.newaxis] * across
    if (shift := float(np.linalg.norm(aside, axis=1).max())) > 0.5:
        notes.append(f"The slices are shifted against each other by up to {shift:.2g} mm within their plane; they are shown as stored.")
    return notes


def _number_notes(ordered: Sequence[Frame]) -> list[str]:
    """What the instance numbers say against the positions."""
    numbers = [frame.file.instance_number for frame in ordered]
    if len({frame.file.path for frame in ordered}) != len(ordered) or None in numbers or len(numbers) < 3 or len(set(numbers)) != len(numbers):
        return []
    steps = np.diff(np.array(numbers, np.float64))
    if (steps > 0).all():
        return []
    if (steps < 0).all():
        return ["The instance numbers run against the slices' positions; the positions were used."]
    return ["The instance numbers do not follow the slices' positions; the positions were used."]
