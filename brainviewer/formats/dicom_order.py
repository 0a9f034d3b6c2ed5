"""In which order the frames of a volume lie, and where: by position in space, whatever names and instance numbers say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..imaging.orientation import Arrangement, arrange, describe_grid, usable
from ..imaging.volume import StoredGrid
from .dicom_groups import SAME_PLACE_MM, UNEVEN
from .dicom_headers import Frame
from .series import count, listed, natural_path

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


def make_stack(frames: Sequence[Frame], split_by: str = "", labels: Sequence[str] = ()) -> Stack:
    """Orders the frames of one volume and places them in space."""
    marks = [f"{label} {value}" if (value := frames[0].splits.get(label)) else label for label in labels]
    notes = [f"The series holds several volumes; this one is told apart by its {listed(marks)}."] if marks else []
    if not frames[0].placed:
        return _unplaced(frames, split_by, notes)
    ordered = sorted(frames, key=lambda frame: (frame.along_mm, frame.taken_order))
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
        ordered, order_by = sorted(frames, key=lambda frame: frame.taken_order), "instance"
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


# --- space ---------------------------------------------------------------------------------------------------------------------------------


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
        affine[:3, 2] = np.array(first.normal) * (first.depth_mm or 1.0)
    affine[:3, 3] = first.position
    affine = _RAS @ affine
    return affine if usable(affine) else None


def _step_share(ordered: Sequence[Frame]) -> float:
    """One step as a part of the way from the first slice to the last."""
    steps = np.diff([frame.along_mm for frame in ordered])
    step, total = _usual(steps), float(steps.sum())
    return step / total if _gaps(steps).size else 1 / len(steps)


def _usual(steps: np.ndarray) -> float:
    """The step that most slices keep; of two, the smaller."""
    return float(np.sort(steps)[(len(steps) - 1) // 2])


def _gaps(steps: np.ndarray) -> np.ndarray:
    """Indices of the steps that are a whole number of times too wide, if all others are even; else none."""
    step = _usual(steps)
    multiples = np.round(steps / step)
    even = np.abs(steps - multiples * step).max() <= max(2 * UNEVEN * step, SAME_PLACE_MM)
    return np.flatnonzero(multiples >= 2) if even else np.empty(0, np.int64)


def _tilt(ordered: Sequence[Frame]) -> float:
    """The angle between the stack and its slices' normal, degrees."""
    if len(ordered) < 2 or ordered[0].position is None or ordered[-1].position is None:
        return 0.0
    across = np.array(ordered[-1].position) - np.array(ordered[0].position)
    cosine = abs(float(across @ np.array(ordered[0].normal))) / max(float(np.linalg.norm(across)), 1e-9)
    degrees = math.degrees(math.acos(min(cosine, 1.0)))
    return degrees if degrees > _TILT_DEGREES else 0.0


def _spacing_notes(ordered: Sequence[Frame], *, flipped: bool, keeps: bool) -> list[str]:
    """Missing slices, uneven steps, slices shifted against each other."""
    if len(ordered) < 3:
        return []
    places = np.array([frame.along_mm for frame in ordered])
    steps = np.diff(places)
    step = _usual(steps)
    notes = []
    if np.abs(steps - step).max() > max(UNEVEN * step, SAME_PLACE_MM):
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
    across = np.array(ordered[0].normal)
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
