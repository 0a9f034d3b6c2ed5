"""The spacing that a user types for a scan whose files do not state one: marked as assumed, and remembered for that scan."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from pathlib import Path

from .. import paths
from ..imaging.volume import Volume
from .kept_edits import mark_of
from .series import reason
from .writing import write_file

log = logging.getLogger(__name__)

Spacing = tuple[float, float, float]

NOT_NEEDED = "The files state their spacing; the one that was typed was not used."

LEAST_MM, MOST_MM = 0.01, 100.0
_MOST_REMEMBERED = 1000


def checked(numbers: list[float]) -> Spacing:
    """(dz, dy, dx) mm of three numbers in that order, or of two: from slice to slice, and within the slice.

    Raises:
        ValueError: with a clause that says what is wrong.
    """
    if len(numbers) == 2:
        numbers = [*numbers, numbers[1]]
    if len(numbers) != 3:
        raise ValueError(f"two or three numbers are needed, not {len(numbers)}")
    if not all(math.isfinite(number) and LEAST_MM <= number <= MOST_MM for number in numbers):
        raise ValueError(f"each must lie between {LEAST_MM:g} and {MOST_MM:g} mm")
    return numbers[0], numbers[1], numbers[2]


def parse(text: str) -> Spacing:
    """(dz, dy, dx) mm of `5,0.9,0.9` or `5,0.9`.

    Raises:
        ValueError: with a clause that says what is wrong.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError("it must be numbers with a comma between them") from None
    return checked(numbers)


def can_assume(volume: Volume) -> bool:
    """Whether a spacing may be typed: not where the files state one."""
    return volume.spacing is None or volume.spacing_assumed


def assume(volume: Volume, spacing: Spacing | None) -> Volume:
    """The same scan with a typed spacing (dz, dy, dx) mm, or with none again; a scan that has one of its own stays as it is."""
    if not can_assume(volume):
        return volume
    notes = tuple(note for note in volume.notes if not note.startswith(_BEGINNING))
    if spacing is None:
        return replace(volume, voxel_mm=None, spacing_assumed=False, notes=notes)
    dz, dy, dx = spacing
    note = f"{_BEGINNING}, {dx:g} x {dy:g} x {dz:g} mm, was typed and not read: everything in millimetres is an assumption."
    return replace(volume, voxel_mm=spacing, spacing_assumed=True, notes=(*notes, note))


_BEGINNING = "The spacing"


# --- what is remembered --------------------------------------------------------------------------------------------------------------------


def spacings_file() -> Path:
    """Hashes of scans' voxels, with their spacings: a scan is known again wherever it lies, and another one in its place is not mistaken for it."""
    return paths.user_data() / "spacings.json"


def with_remembered(volume: Volume) -> Volume:
    """The scan with the spacing that was typed for it before, if its files state none."""
    if volume.spacing is not None or not (stored := _stored()):
        return volume
    return assume(volume, stored.get(mark_of(volume).content))


def remember(volume: Volume) -> None:
    """Keeps the typed spacing of a scan, or forgets it where it has none.

    Raises:
        WriteError: if it cannot be written; what was remembered before stays.
    """
    stored, mark = _stored(), mark_of(volume).content
    stored.pop(mark, None)
    if volume.spacing_assumed and volume.voxel_mm is not None:
        stored[mark] = volume.voxel_mm
    newest = dict(list(stored.items())[-_MOST_REMEMBERED:])
    write_file(spacings_file(), (json.dumps(newest, indent=1) + "\n").encode())


def _stored() -> dict[str, Spacing]:
    """What is remembered; what makes no sense is left out."""
    try:
        document = json.loads(spacings_file().read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        log.warning("The remembered spacings could not be read (%s).", reason(error))
        return {}
    except ValueError:
        log.warning("The remembered spacings are damaged and not used.")
        return {}
    found: dict[str, Spacing] = {}
    for mark, numbers in document.items() if isinstance(document, dict) else ():
        try:
            found[mark] = checked([float(number) for number in numbers])
        except (TypeError, ValueError):
            continue
    return found
