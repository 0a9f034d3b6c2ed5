"""Looking at one slice of the data while the page waits: plain functions that run on a worker."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...errors import ReadError
from ...formats import ScanListing, open_volume, scan
from ...imaging import render
from ...imaging.measure import fullest_slice
from ...imaging.prediction import OverlayStyle
from ...imaging.volume import Volume
from ..worker import Task
from .check_report import Finding


@dataclass(frozen=True, eq=False, slots=True)
class Inspected:
    """Attributes:
    picture: (Y, X, 3) uint8 RGB: the scan, and beside it the scan with its mask; only the scan where it has none.
    """

    words: str
    picture: np.ndarray


@lru_cache(maxsize=1)
def _listing(data: Path) -> ScanListing:
    return scan(data)


def inspect(data: Path, finding: Finding, task: Task) -> Inspected:
    """The slice that a finding is about; of a whole scan its largest mask, or its middle.

    Raises:
        ReadError: if it cannot be shown.
    """
    task.step(0, 0)
    series = next((s for s in _listing(data).series if s.key == finding.patient), None)
    if series is None:
        raise ReadError(f'"{Path(finding.file or data).name}" cannot be shown as a slice.')
    volume = open_volume(series, lambda done, total: task.step(done, total))
    z = finding.slice
    if z is None:
        z = _place(volume, finding)
    z = min(z, len(volume) - 1)
    plain = render.background(volume, z, render.windows_of(volume))
    words = f"{series.key}, slice {z + 1} of {len(volume)}"
    if volume.reference is None or not volume.reference[z].any():
        return Inspected(f"{words}, without a mask", plain)
    masked = render.compose(plain, volume.reference[z], OverlayStyle())
    return Inspected(words, np.concatenate([plain, masked], axis=1))


def _place(volume: Volume, finding: Finding) -> int:
    """Where a finding without a slice is: at its file, or, where it is about the whole scan, at the largest mask.

    Raises:
        ReadError: if its file is no slice of the scan.
    """
    name = Path(finding.file).name
    if len(set(volume.sources)) > 1 and name and name != Path(volume.source).name:
        at = [n for n, source in enumerate(volume.sources) if Path(source).name == name]
        if not at:
            raise ReadError(f'"{name}" cannot be shown: it is not among the slices that were read.')
        return at[0]
    return len(volume) // 2 if volume.reference is None else fullest_slice(volume.reference)
