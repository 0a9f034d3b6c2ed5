"""Three sequences of one examination as the three channels that the networks know, on the grid of FLAIR."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..errors import RefusalError
from ..imaging.orientation import plane_refusal
from ..imaging.volume import CHANNEL_NAMES, Volume
from . import sequence as sequences
from .choice import examination, is_mri, refusal, unlikeness
from .series import Progress, ScanListing, Series, listed, open_volume, silent

_SAME_GRID = 0.02
"""Grids whose corners differ by less, in voxels, are the same."""

_WHOLE = 0.995
_NAMES = {"pre": "pre-contrast T1", "flair": "FLAIR", "post": "post-contrast T1"}
_HINT = "Choose series of one examination, or analyse FLAIR alone."


@dataclass(frozen=True, eq=False, slots=True)
class Channels:
    """Which series is which. FLAIR takes the place of a missing one, as it did in training."""

    flair: Series
    pre: Series | None = None
    post: Series | None = None


def guess_channels(listing: ScanListing) -> Channels | None:
    """The three sequences of one examination, or None where they are not all there; of several examinations, the first that has them."""
    groups: dict[tuple[str, ...], list[Series]] = {}
    for series in combinable(listing):
        groups.setdefault(examination(series), []).append(series)
    for group in groups.values():
        flairs = [series for series in group if series.sequence == sequences.FLAIR and not refusal(series)]
        for flair in sorted(flairs, key=unlikeness):
            pre, post = (_nearest(flair, group, name) for name in (sequences.T1, sequences.T1_POST))
            if pre is not None and post is not None:
                return Channels(flair, pre, post)
    return None


def combinable(listing: ScanListing) -> tuple[Series, ...]:
    """The series that may be one of three: grey, and MRI as far as the files say."""
    return tuple(series for series in listing.series if is_mri(series) and len(series.channels) == 1)


def proposed_channels(listing: ScanListing, current: Series | None = None) -> Channels | None:
    """A proposal to change: the three sequences of an examination where they are there, else what is; None where there are not two series.

    Args:
        current: the series on screen; its examination comes first.
    """
    found = combinable(listing)
    if len(found) < 2:
        return None
    group = [series for series in found if current is not None and examination(series) == examination(current)]
    near = replace(listing, series=tuple(group)) if len(group) > 1 else listing
    if (guess := guess_channels(near) or guess_channels(listing)) is not None:
        return guess
    flair = min(combinable(near), key=unlikeness)
    others = [series for series in combinable(near) if series is not flair]
    return Channels(flair, *(_nearest(flair, others, name) for name in (sequences.T1, sequences.T1_POST)))


def combined(channels: Channels) -> Series:
    """The composed scan as a series of its own, for a list beside the series that it is made of."""
    flair = channels.flair
    parts = [series for series in (channels.pre, flair, channels.post) if series is not None]
    mark = hashlib.sha256("\0".join(series.key if series else "" for series in (channels.pre, flair, channels.post)).encode()).hexdigest()[:6]
    return replace(
        flair,
        key=f"{flair.key}_combined_{mark}",
        description=" + ".join(series.description or series.key for series in parts),
        sequence="composite",
        channels=CHANNEL_NAMES,
        files=tuple(dict.fromkeys(file for series in parts for file in series.files)),
        notes=(),
        open=partial(open_channels, channels),
        peek=None,
        window=None,
    )


def _nearest(flair: Series, group: Sequence[Series], sequence: str) -> Series | None:
    """The series of a sequence that needs the least to lie on FLAIR's grid: original, same grid, same plane, similar spacing."""
    found = [series for series in group if series.sequence == sequence and _why_not(flair, series) is None]

    def distance(series: Series) -> tuple:
        same = same_grid(flair, series)
        ratio = 0.0
        if flair.spacing_mm is not None and series.spacing_mm is not None:
            ratio = float(np.abs(np.log(np.divide(series.spacing_mm, flair.spacing_mm))).max())
        return series.derived, not same, series.plane != flair.plane, round(ratio, 2)

    return min(found, key=distance, default=None)


def check_channels(channels: Channels) -> None:
    """Whether series can be composed and analysed, as far as the listing tells.

    Raises:
        RefusalError: with the reason.
    """
    if why := refusal(channels.flair):
        raise RefusalError(why, "Choose an axial FLAIR.")
    for other in (channels.pre, channels.post):
        if (reason := _why_not(channels.flair, other or channels.flair)) is not None:
            raise RefusalError(reason, _HINT)


def resampled_roles(channels: Channels) -> tuple[str, ...]:
    """Which of "pre" and "post" would be resampled to FLAIR's grid, as far as the listing tells."""
    flair = channels.flair
    others = {"pre": channels.pre, "post": channels.post}
    return tuple(role for role, other in others.items() if other is not None and _placed(flair) and not same_grid(flair, other))


def open_channels(channels: Channels, progress: Progress = silent) -> Volume:
    """Reads and composes up to three series.

    Raises:
        ReadError: from a file.
        RefusalError: where they do not go together.
    """
    wanted = {series.key: series for series in (channels.flair, channels.pre, channels.post) if series is not None}
    volumes = {}
    for number, (key, series) in enumerate(wanted.items()):

        def advance(done: int, total: int, before: int = number) -> None:
            progress(before * 1000 + (done * 1000 // total if total else 0), len(wanted) * 1000)

        volumes[key] = open_volume(series, advance)
    pre, post = (None if series is None else volumes[series.key] for series in (channels.pre, channels.post))
    return compose(volumes[channels.flair.key], pre, post)


def compose(flair: Volume, pre: Volume | None = None, post: Volume | None = None) -> Volume:
    """One volume with the channels ("pre", "flair", "post") on FLAIR's displayed and stored grid, under FLAIR's key.

    A series on the same grid is taken as it is; one on another grid is resampled through the affines, by linear interpolation; what lies
    outside of it becomes its lowest value. Series without a place in space go together where they have the same shape. Nothing is moved to
    fit: series of one space are taken as registered. A missing series is FLAIR's copy.

    Returns:
        Voxels float32 where anything was resampled, else of the type that holds all three.

    Raises:
        RefusalError: where the series do not go together.
    """
    parts: dict[str, Volume] = {"pre": pre or flair, "flair": flair, "post": post or flair}
    for other in parts.values():
        if (reason := _why_not(flair, other)) is not None:
            raise RefusalError(reason, _HINT)
    named = [f'"{volume.key}" ({_NAMES[role]})' for role, volume in parts.items() if role == "flair" or volume is not flair]
    notes = [f"The scan is composed of {listed(named)}." if len(named) > 1 else "FLAIR alone fills all three channels."]
    missing = [_NAMES[role] for role, volume in parts.items() if role != "flair" and volume is flair]
    if missing and len(named) > 1:
        notes.append(f"FLAIR takes the place of {missing[0]}, which was not given.")
    arrays: dict[str, np.ndarray] = {}
    resampled = []
    for role, volume in parts.items():
        if volume is flair or not _placed(flair) or same_grid(flair, volume):
            arrays[role] = volume.voxels[..., 0]
            continue
        arrays[role], covered = resample(volume, flair)
        if covered == 0:
            raise RefusalError(f'"{volume.key}" and "{flair.key}" do not overlap in space, so they cannot be composed.', _HINT)
        resampled.append(_NAMES[role])
        if covered < _WHOLE:
            notes.append(f'"{volume.key}" covers only {100 * covered:.0f} % of FLAIR; the rest of its channel is empty.')
    if resampled:
        notes.append(f"On FLAIR's grid by linear interpolation: {' and '.join(resampled)}.")
    notes += _certainty(flair, [volume for volume in parts.values() if volume is not flair])
    for volume in dict.fromkeys(parts.values()):
        if volume is not flair:
            notes += [f'"{volume.key}": {note}' for note in volume.notes]
    dtype = np.dtype(np.float32) if resampled else np.result_type(*(array.dtype for array in arrays.values()))
    voxels = np.empty((*flair.shape, len(CHANNEL_NAMES)), dtype)
    for number, role in enumerate(CHANNEL_NAMES):
        voxels[..., number] = arrays[role]
    # A coarse sagittal T1 can be resampled; a mosaic cannot be anything.
    refusals = [volume.refusal for volume in parts.values() if volume.refusal and (volume is flair or volume.refusal != plane_refusal(volume.plane))]
    return replace(
        flair,
        voxels=voxels,
        channels=CHANNEL_NAMES,
        window=None,
        notes=(*notes, *flair.notes),
        ignored=tuple(dict.fromkeys(row for volume in parts.values() for row in volume.ignored)),
        refusal=next(iter(refusals), ""),
    )


def _certainty(flair: Volume, others: Sequence[Volume]) -> list[str]:
    """What is not known of whether the series lie in one space."""
    if not others:
        return []
    if not _placed(flair):
        return ["The files do not say where the slices lie; slices of the same number were taken as the same place."]
    if not flair.frame_of_reference or any(not other.frame_of_reference for other in others):
        return ["The files do not say whether the series lie in one space; they were taken as registered."]
    return []


def _placed(one: Series | Volume) -> bool:
    """Whether its affine says where it lies in space, and not only how large its voxels are."""
    return one.affine is not None and one.format not in ("tiff", "picture")


def _why_not(flair: Series | Volume, other: Series | Volume) -> str | None:
    """Why two series cannot be composed, as a sentence, or None."""
    if len(other.channels) != 1:
        return f'"{other.key}" cannot be composed with others: it has three channels already.'
    if _placed(flair) != _placed(other):
        lost = flair if _placed(other) else other
        return f'"{other.key}" and "{flair.key}" cannot be composed: "{lost.key}" does not say where its slices lie.'
    if not _placed(flair):
        if flair.shape != other.shape:
            sizes = " and ".join(" x ".join(map(str, one.shape[::-1])) for one in (other, flair))
            return f'"{other.key}" and "{flair.key}" cannot be composed: they do not say where they lie, and differ in size ({sizes}).'
        return None
    if flair.frame_of_reference and other.frame_of_reference and flair.frame_of_reference != other.frame_of_reference:
        return f'"{other.key}" and "{flair.key}" cannot be composed: they lie in different frames of reference.'
    return None


# --- space ---------------------------------------------------------------------------------------------------------------------------------


def same_grid(first: Series | Volume, second: Series | Volume) -> bool:
    """Whether two placed series have the same voxels at the same places."""
    if first.shape != second.shape or first.affine is None or second.affine is None:
        return False
    z, y, x = first.shape
    corners = np.array([[i, j, k, 1] for i in (0, x - 1) for j in (0, y - 1) for k in (0, z - 1)]).T
    moved = np.linalg.solve(first.affine, second.affine) - np.eye(4)
    # The corners of a single slice say nothing of its depth.
    return bool(np.abs(moved @ corners).max() < _SAME_GRID and np.abs(moved).max() < _SAME_GRID)


def resample(volume: Volume, target: Volume) -> tuple[np.ndarray, float]:
    """A grey volume on the displayed grid of another.

    Args:
        volume: (Z', Y', X', 1), placed in space; NaN and infinite voxels count as its lowest value.
        target: placed in the same space.

    Returns:
        (Z, Y, X) float32, linearly interpolated; and the part of the target, 0..1, that lies within the volume.
    """
    from scipy.ndimage import affine_transform

    assert volume.affine is not None
    assert target.affine is not None
    values = volume.voxels[..., 0].astype(np.float32)
    finite = np.isfinite(values)
    lowest = float(values[finite].min()) if finite.any() else 0.0
    values[~finite] = lowest
    across = np.linalg.solve(volume.affine, target.affine)
    matrix, offset = across[:3, :3][::-1, ::-1], across[:3, 3][::-1]  # x, y, z to z, y, x
    result = np.empty(target.shape, np.float32)
    # Up to half a voxel beyond the outermost centres the volume still knows its value.
    affine_transform(values, matrix, offset, target.shape, result, order=1, mode="nearest", prefilter=False)
    rows, columns = np.ogrid[: target.shape[1], : target.shape[2]]
    inside = 0
    for z, slice_ in enumerate(result):
        known = np.ones(slice_.shape, bool)
        for axis, size in enumerate(values.shape):
            place = matrix[axis, 0] * z + matrix[axis, 1] * rows + matrix[axis, 2] * columns + offset[axis]
            known &= (place > -0.5 - 1e-6) & (place < size - 0.5 + 1e-6)
        slice_[~known] = lowest
        inside += int(np.count_nonzero(known))
    return result, inside / result.size
