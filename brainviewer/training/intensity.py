"""How bright a scan's head is to the networks, and how that compares with the scans that the bundled models learned from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import paths
from ..imaging.volume import CHANNEL_NAMES, Volume
from ..inference import preprocess

STEPS = 40
HEAD_LEVEL = 0.06
"""Of the networks' input, 0..1: what is darker is air."""
SLICES, SIZE = 7, 96
FLAIR = CHANNEL_NAMES.index("flair")


@dataclass(frozen=True, slots=True)
class Spread:
    """Of many scans, for each of STEPS equal steps of brightness 0..1 the share of the head: lower tenth, median and upper tenth of the scans."""

    scans: int
    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]

    def to_json(self) -> dict:
        return {"scans": self.scans, "low": list(self.low), "middle": list(self.middle), "high": list(self.high)}


def profile(volume: Volume) -> np.ndarray:
    """(STEPS,) float64, sum 1: the share of the head in each step of FLAIR's brightness, as the networks get it; zeros where there is no head."""
    ranges = preprocess.intensity_ranges(volume.voxels)
    middle = np.unique(np.linspace(0.2, 0.8, SLICES) * (len(volume) - 1)).round().astype(int)
    flair = np.stack([preprocess.to_network(volume[z], ranges, SIZE)[..., FLAIR] for z in np.unique(middle)])
    found, _ = np.histogram(flair[flair > HEAD_LEVEL], STEPS, (0.0, 1.0))
    return found / max(1, found.sum())


def spread_of(profiles: Sequence[np.ndarray]) -> Spread | None:
    """None without any."""
    if not profiles:
        return None
    low, middle, high = (tuple(round(float(v), 5) for v in row) for row in np.percentile(np.stack(profiles), (10, 50, 90), axis=0))
    return Spread(len(profiles), low, middle, high)


def bundled_spread() -> Spread:
    """Of the scans that the bundled models learned from."""
    document = json.loads(paths.resource("intensities.json").read_text(encoding="utf-8"))
    return Spread(document["scans"], *(tuple(document[name]) for name in ("low", "middle", "high")))
