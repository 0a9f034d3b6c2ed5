"""Does the answer stay when the same scan comes in another form? Only FLAIR known, other units, more bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..formats import open_volume
from ..imaging.volume import Volume
from ..inference.analyse import analyse
from ..inference.load import Models
from .evaluate import counts, dice_of, labelled_series

FLAIR = 1
TWELVE_BITS = 4095


def flair_only(voxels: np.ndarray) -> np.ndarray:
    """FLAIR as the only sequence, in all three channels; a scan that is one sequence already stays as it is."""
    if voxels.shape[-1] == 1:
        return voxels
    return np.repeat(voxels[..., FLAIR : FLAIR + 1], 3, axis=-1)


def twelve_bits(voxels: np.ndarray) -> np.ndarray:
    """As a scanner would have stored it: 12 bits over the same range."""
    return np.round(voxels.astype(np.float64) * (TWELVE_BITS / max(float(voxels.max()), 1.0))).astype(np.uint16)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "flair_only": flair_only,
    "half": lambda voxels: voxels.astype(np.float32) * 0.5,
    "four_times": lambda voxels: voxels.astype(np.float32) * 4,
    "twelve_bits": twelve_bits,
}


def robustness(volumes: Sequence[Volume], models: Models) -> dict[str, dict[str, float]]:
    """For each change: `dice_between`, the mean Dice of its masks with those of the scan as it is, and `dice_lost` against the reference."""
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in CHANGES}
    for volume in volumes:
        assert volume.reference is not None
        plain = mask_of(volume, models)
        before = dice_of(counts(plain, volume.reference).sum(axis=0))
        for name, change in CHANGES.items():
            changed = mask_of(replace(volume, voxels=change(volume.voxels)), models)
            after = dice_of(counts(changed, volume.reference).sum(axis=0))
            rows[name].append((dice_of(counts(changed, plain).sum(axis=0)), before - after))
    return {
        name: {"dice_between": round(float(np.mean([b for b, _ in pairs])), 4), "dice_lost": round(float(np.mean([d for _, d in pairs])), 4)}
        for name, pairs in rows.items()
    }


def robustness_in(folder: Path, models: Models, patients: Sequence[str] | None = None) -> dict[str, dict[str, float]]:
    """`robustness` over the labelled scans of a folder, or some of them."""
    volumes = (open_volume(series) for series in labelled_series(folder, patients))
    return robustness([volume for volume in volumes if volume.reference is not None and not volume.refusal], models)


def mask_of(volume: Volume, models: Models) -> np.ndarray:
    """(Z, Y, X) bool of the pipeline at the models' threshold."""
    result = analyse(volume, models)
    return result.mask(result.threshold, volume.shape)
