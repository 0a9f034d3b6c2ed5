"""The look at the whole scan: small components go, and each slice's decision hears its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLOSE_TO_CERTAIN = 1e-4
NETWORK_PIXELS = 256 * 256


@dataclass(frozen=True, slots=True)
class CleanUp:
    """What is dropped of a mask in three dimensions (26-connected components at the bundle's threshold).

    Attributes:
        least_voxels: a component smaller than this many pixels of the networks' grid goes.
        least_share: one smaller than this share of the largest goes.
    """

    least_voxels: float = 60.0
    least_share: float = 0.15


@dataclass(frozen=True, slots=True)
class Decision:
    """How a slice's probability is made from both networks and the neighbours: a logistic regression fitted on validation patients.

    Attributes:
        gate: the segmenter runs on a slice when the classifier gives it, or a neighbour, at least this.
        weights: of the features of `features`, in their order.
        bias: the constant.
        threshold: `tumour` is a probability at or above this.
        alone: (weight, bias) for the classifier's own logit, used while the rest of the scan is not known.
    """

    gate: float = 0.05
    weights: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 0.0)
    bias: float = 0.0
    threshold: float = 0.5
    alone: tuple[float, float] = (1.0, 0.0)

    @classmethod
    def from_json(cls, document: dict) -> Decision:
        return cls(
            gate=float(document["gate"]),
            weights=tuple(float(w) for w in document["weights"]),
            bias=float(document["bias"]),
            threshold=float(document["threshold"]),
            alone=(float(document["alone"][0]), float(document["alone"][1])),
        )

    def to_json(self) -> dict:
        return {"gate": self.gate, "weights": list(self.weights), "bias": self.bias, "threshold": self.threshold, "alone": list(self.alone)}

    def provisional(self, p: float) -> float:
        """Calibrated probability of a slice from the classifier alone."""
        return float(sigmoid(self.alone[0] * logit(np.array(p)) + self.alone[1]))

    def gated(self, p: np.ndarray) -> np.ndarray:
        """(Z,) bool: slices on which the segmenter has a say, from the classifier's (Z,) probabilities."""
        return neighbours_highest(p) >= self.gate

    def final(self, p: np.ndarray, areas: np.ndarray) -> np.ndarray:
        """Calibrated (Z,) probabilities.

        Args:
            p: (Z,) of the classifier.
            areas: (Z,) pixels of the cleaned mask, in pixels of the networks' grid; 0 where the segmenter has no say.
        """
        return sigmoid(features(p, areas) @ np.array(self.weights) + self.bias)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, CLOSE_TO_CERTAIN, 1 - CLOSE_TO_CERTAIN)
    return np.log(p / (1 - p))


def features(p: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """(Z, 5): the classifier's logit, its mean over the two neighbours, log of the area, its mean over the neighbours, any area at all."""
    own, size = logit(p), np.log1p(areas)
    return np.stack([own, neighbours_mean(own), size, neighbours_mean(size), (areas > 0).astype(float)], axis=1)


def neighbours_mean(values: np.ndarray) -> np.ndarray:
    """Mean of the slices before and after; the ends have one neighbour, a lone slice is its own."""
    if len(values) == 1:
        return values.astype(float)
    padded = np.concatenate([values[1:2], values, values[-2:-1]]).astype(float)
    return (padded[:-2] + padded[2:]) / 2


def neighbours_highest(values: np.ndarray) -> np.ndarray:
    """Highest of each value and its two neighbours."""
    padded = np.concatenate([values[:1], values, values[-1:]])
    return np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])


def clean(maps: dict[int, np.ndarray], shape: tuple[int, int, int], threshold: float, rule: CleanUp) -> dict[int, np.ndarray]:
    """Drops small components of a scan's mask.

    Components are those at `threshold`; a dropped one loses its voxels, and with them the halo of lower probability that touches no kept
    component, so that the mask is right at every other threshold too.

    Args:
        maps: for each segmented slice z, its (Y, X) float32 probability.
        shape: (Z, Y, X) of the scan.
        threshold: pixel probability.
        rule: what is small; voxels are counted on the networks' grid.

    Returns:
        The maps with what was dropped set to 0; maps that lose nothing are the same arrays.
    """
    near = {z: map_ >= HALO * threshold for z, map_ in maps.items()}
    box = _box(near)
    if box is None:
        return maps
    from scipy import ndimage

    # Only the part of the scan that holds anything is looked at: labelling all of a large scan takes longer than a network.
    everywhere = np.ones((3, 3, 3), bool)
    (front, back), (rows, columns) = box
    mask = np.zeros((back - front, rows.stop - rows.start, columns.stop - columns.start), bool)
    halo = np.zeros_like(mask)
    for z, map_ in maps.items():
        if front <= z < back:
            mask[z - front] = map_[rows, columns] >= threshold
            halo[z - front] = near[z][rows, columns]
    labels, count = ndimage.label(mask, everywhere)
    if count == 0:
        return maps
    scale = max(shape[1:]) ** 2 / NETWORK_PIXELS
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    small = (sizes < rule.least_voxels * scale) | (sizes < rule.least_share * sizes.max())
    small[0] = False
    if not small.any():
        return maps
    halo_labels, halo_count = ndimage.label(halo, everywhere)
    keeps = np.zeros(halo_count + 1, bool)
    keeps[np.unique(halo_labels[mask & ~small[labels]])] = True
    drops = np.zeros(halo_count + 1, bool)
    drops[np.unique(halo_labels[mask & small[labels]])] = True
    gone = (drops & ~keeps)[halo_labels] | small[labels]
    cleaned = dict(maps)
    for z in range(front, back):
        if gone[z - front].any():
            cleaned[z] = maps[z].copy()
            cleaned[z][rows, columns][gone[z - front]] = 0
    return cleaned


def _box(near: dict[int, np.ndarray]) -> tuple[tuple[int, int], tuple[slice, slice]] | None:
    """Slices (first, one past the last), rows and columns that hold all true pixels of (Y, X) bool maps by z, or None where there is none."""
    held = [z for z, map_ in near.items() if map_.any()]
    if not held:
        return None
    seen = np.logical_or.reduce([near[z] for z in held])
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return (min(held), max(held) + 1), (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))


HALO = 0.4
"""Share of the threshold down to which a component's surroundings count as its own."""
