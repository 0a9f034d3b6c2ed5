"""Masks drawn by hand, kept in the user's folder: saved whole or not at all, found again by what the scan holds, free of identity.

A file is named after two hashes: of the scan's voxels, by which it is found wherever the scan lies now, and of the place it was opened from, by
which a scan that has changed since is noticed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np

from .. import paths
from ..imaging.editing import Drawn, Edits
from ..imaging.volume import Volume
from .series import reason
from .writing import write_file

SCHEMA = 1
_MARK = 16


@dataclass(frozen=True, slots=True)
class ScanMark:
    """What a scan's edits are found by: hexadecimal hashes, that say nothing to anybody.

    Attributes:
        content: of its voxels.
        place: of the file or folder and the series in it.
        shape: (Z, Y, X).
    """

    content: str
    place: str
    shape: tuple[int, int, int]

    @property
    def case(self) -> str:
        """A name for the scan that names nobody."""
        return f"case-{self.content[:8]}"

    @property
    def file(self) -> Path:
        """Where its edits are kept."""
        return folder() / f"{self.content}-{self.place}.json"


@dataclass(frozen=True, slots=True)
class Found:
    """What was kept of a scan.

    Attributes:
        edits: empty where there are none.
        problem: a sentence on what was found and could not be used, or "".
        hint: what to do about it, or "".
    """

    edits: Edits
    problem: str = ""
    hint: str = ""


def folder() -> Path:
    return paths.user_data() / "edits"


def mark_of(volume: Volume) -> ScanMark:
    """Reads every voxel: about 0.1 s for 100 MB."""
    content = hashlib.blake2b(f"{volume.voxels.shape} {volume.voxels.dtype.str}".encode(), digest_size=_MARK)
    for z in range(len(volume)):
        content.update(np.ascontiguousarray(volume.voxels[z]).data)
    place = hashlib.blake2b(f"{volume.source.absolute()}\n{volume.key}".encode(errors="surrogateescape"), digest_size=_MARK // 2)
    return ScanMark(content.hexdigest(), place.hexdigest(), volume.shape)


def keep(mark: ScanMark, edits: Edits) -> None:
    """Saves the edits of a scan; empty ones too, so that older ones do not come back.

    Raises:
        WriteError: if it cannot be written; what was kept before stays.
    """
    write_file(mark.file, to_bytes(mark, edits), durable=True)


def find(mark: ScanMark) -> Found:
    """What was kept of a scan, from wherever it was opened then. A file that cannot be used is put aside, never deleted."""
    try:
        own = sorted(folder().glob(f"{mark.content}-*.json"), key=lambda file: (file != mark.file, -file.stat().st_mtime_ns))
        older = sorted(folder().glob(f"*-{mark.place}.json"))
    except OSError as error:
        return Found(Edits(), f"The drawn masks that may be kept of this scan could not be looked for: {reason(error)}.")
    if own:
        try:
            return Found(from_bytes(own[0].read_bytes(), mark.shape))
        except OSError as error:
            return Found(Edits(), f"The drawn masks of this scan could not be read: {reason(error)}.", f'They are in "{own[0]}".')
        except ValueError as error:
            return Found(Edits(), f"The drawn masks that were kept of this scan cannot be used: {error}.", _put_aside(own[0]))
    if older:
        sentence = "Masks were drawn on an earlier state of this scan, whose files have changed since; they are not shown."
        return Found(Edits(), sentence, f'They are kept in "{older[0]}" and come back with the files they were drawn on.')
    return Found(Edits())


def _put_aside(file: Path) -> str:
    aside = file.with_suffix(".broken")
    try:
        file.replace(aside)
    except OSError as error:
        return f'The file "{file}" could not be put aside ({reason(error)}).'
    return f'They were put aside as "{aside}"; the models\' own masks are shown.'


def to_bytes(mark: ScanMark, edits: Edits) -> bytes:
    """The JSON that is kept."""
    document = {
        "schema": SCHEMA,
        "saved": datetime.now(UTC).isoformat(timespec="seconds"),
        "shape": list(mark.shape),
        "drawn": {str(z): base64.b64encode(mask.packed).decode() for z, mask in sorted(edits.drawn.items())},
        "reviewed": sorted(edits.reviewed),
    }
    return json.dumps({**document, "check": _check(document)}, indent=1).encode()


def from_bytes(data: bytes, shape: tuple[int, int, int]) -> Edits:
    """The edits of a scan of (Z, Y, X).

    Raises:
        ValueError: with a clause that says what is wrong: damaged, of another version, or of a scan of another size.
    """
    try:
        document = json.loads(data)
        check = document.pop("check")
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise ValueError("the file is damaged") from error
    if document.get("schema") != SCHEMA:
        raise ValueError("another version of brainviewer wrote the file")
    if check != _check(document):
        raise ValueError("the file is damaged")
    if document.get("shape") != list(shape):
        there = " x ".join(map(str, document.get("shape") or ()))
        raise ValueError(f"they are of a scan of {there} voxels, and this one has {' x '.join(map(str, shape))}")
    try:
        drawn = {int(z): Drawn(shape[1:], base64.b64decode(packed, validate=True)) for z, packed in document["drawn"].items()}
        reviewed = frozenset(map(int, document["reviewed"]))
        for mask in drawn.values():
            mask.mask()
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error) as error:
        raise ValueError("the file is damaged") from error
    if any(not 0 <= z < shape[0] for z in (*drawn, *reviewed)):
        raise ValueError("the file is damaged")
    return Edits(MappingProxyType(drawn), reviewed)


def _check(document: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
