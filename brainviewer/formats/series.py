"""What the readers have in common: the listing of a path and the opening of one series of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import ReadError
from ..imaging.volume import Volume


@dataclass(frozen=True, slots=True)
class Ignored:
    """A file that is no part of any series.

    Attributes:
        file: relative to the folder that contains what was opened, with `/`.
        why: one sentence.
    """

    file: str
    why: str


@dataclass(frozen=True, eq=False, slots=True)
class Series:
    """One series as a reader found it, before its pixels are read. The fields up to `notes` are those of `info` in the interface.

    Attributes:
        shape: (Z, Y, X) displayed.
        spacing_mm: (dz, dy, dx) or None.
        affine: (4, 4) displayed voxel (x, y, z) to RAS mm, or None.
        axes: directions of the stored axes, e.g. "LPS", or "" where unknown.
        order_by: "position", "instance" or "name".
        reference: whether masks came with it.
        files: in displayed order, one a slice where the format has one a slice.
        open: reads the pixels; called with a function that is told (done, total) and may raise to stop.
    """

    key: str
    format: str
    description: str
    modality: str
    sequence: str | None
    source: str
    shape: tuple[int, int, int]
    dtype: str
    spacing_mm: tuple[float, float, float] | None
    affine: np.ndarray | None
    plane: str | None
    axes: str
    order_by: str
    reference: bool
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    open: Callable[[Callable[[int, int], None]], Volume]


@dataclass(frozen=True, eq=False, slots=True)
class ScanListing:
    """All that was found under a path."""

    path: Path
    series: tuple[Series, ...]
    ignored: tuple[Ignored, ...]


class Reader(Protocol):
    """One file format.

    `claims` looks at a name and the first bytes; the first reader that claims a file gets it. `scan` turns the claimed files of one
    listing into series, and says of each file that it cannot use why.
    """

    name: str

    def claims(self, path: Path, head: bytes) -> bool: ...

    def scan(self, root: Path, files: list[Path]) -> tuple[list[Series], list[Ignored]]: ...


HEAD_BYTES = 512


def scan(path: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> ScanListing:
    """Everything that can be opened under a file or folder, sub-folders included; no pixels are read beyond what a listing needs.

    Raises:
        ReadError: if the path does not exist or cannot be listed.
    """
    raise NotImplementedError(path, progress, os, ReadError)


def open_volume(series: Series, progress: Callable[[int, int], None] = lambda done, total: None) -> Volume:
    """Reads the pixels of one series.

    Raises:
        ReadError: with one sentence that names the file.
    """
    return series.open(progress)
