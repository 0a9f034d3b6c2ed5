"""The values that the session holds: what is open, and where its analysis stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from ..formats.series import ScanListing, Series
from ..imaging.measure import Measures
from ..imaging.volume import Volume, Window


class Phase(Enum):
    """Where the analysis of the scan on screen stands."""

    NONE = "not analysed"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Analysis:
    """Attributes:
    done: slices that have an answer.
    total: slices of the scan.
    """

    phase: Phase = Phase.NONE
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What computes, in words for the user.

    Attributes:
        gpu_note: why no GPU is used, or "".
    """

    name: str
    device: str
    precision: str
    gpu_note: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class OpenedScan:
    """What opening a scan gives: made on a worker, so that the window has nothing left to compute.

    Attributes:
        windows: the automatic window of each channel.
        thumbnail: (H, W, 3) uint8 RGB of the middle slice.
        notes: sentences on what could not be opened on the way.
    """

    listing: ScanListing
    series: Series
    volume: Volume
    windows: tuple[Window, ...]
    thumbnail: np.ndarray
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Measured:
    """The masks of a finished scan in numbers, as they are shown.

    Attributes:
        range_ml: its volume at the thresholds of RANGE, the smaller first, or None where the spacing is not known.
        dice: with the reference, over all slices that came with one; None without.
    """

    measures: Measures
    range_ml: tuple[float, float] | None
    dice: float | None


RANGE = (0.7, 0.3)
"""Thresholds between which the volume's range is given."""


@dataclass(frozen=True, slots=True)
class Badge:
    """A series' result in the list: slices with a tumour of all slices."""

    found: int
    total: int
