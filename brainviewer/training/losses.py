"""Overlap losses, written with `keras.ops` so that they run on every Keras backend.

All take masks of shape (N, H, W, 1), reference 0 or 1 and prediction 0..1, and are computed over the whole batch, unless they say otherwise: a
slice without tumour has no overlap of its own to be judged by, but its false pixels count in the batch's.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

Tensor = Any
"""A tensor of whichever Keras backend computes."""
SMOOTH = 1.0
"""Pixels added above and below, so that an empty batch gives an index of 1."""


def tversky_index(reference: Tensor, predicted: Tensor, alpha: float = 0.7, axes: tuple[int, ...] | None = None) -> Tensor:
    """Tversky index TP / (TP + alpha FN + (1 - alpha) FP), a scalar (Salehi et al. 2017); alpha 0.5 is the Dice coefficient. With axes (1, 2, 3) one
    for each slice."""
    reference = ops.cast(reference, "float32")
    predicted = ops.cast(predicted, "float32")
    hit = ops.sum(reference * predicted, axes)
    missed = ops.sum(reference * (1.0 - predicted), axes)
    false = ops.sum((1.0 - reference) * predicted, axes)
    return (hit + SMOOTH) / (hit + alpha * missed + (1.0 - alpha) * false + SMOOTH)


def tversky(reference: Tensor, predicted: Tensor, alpha: float = 0.7) -> Tensor:
    """1 - Tversky index."""
    return 1.0 - tversky_index(reference, predicted, alpha)


def dice(reference: Tensor, predicted: Tensor) -> Tensor:
    """1 - Dice coefficient."""
    return tversky(reference, predicted, 0.5)


def focal_tversky(reference: Tensor, predicted: Tensor, alpha: float = 0.7, exponent: float = 0.75) -> Tensor:
    """Focal Tversky loss (1 - index) ** exponent (Abraham and Khan 2018)."""
    return _focal(tversky_index(reference, predicted, alpha), exponent)


def _focal(index: Tensor, exponent: float = 0.75) -> Tensor:
    return ops.power(ops.maximum(1.0 - index, 1e-6), exponent)  # the floor keeps the gradient finite where all is right


def focal_tversky_and_crossentropy(reference: Tensor, predicted: Tensor) -> Tensor:
    """Focal Tversky for the overlap plus binary cross-entropy, which keeps empty slices quiet and probabilities honest."""
    crossentropy = ops.mean(keras.losses.binary_crossentropy(ops.cast(reference, "float32"), predicted))
    return focal_tversky(reference, predicted) + crossentropy


def small_too(reference: Tensor, predicted: Tensor) -> Tensor:
    """Half focal Tversky over the batch, half its mean over the slices with a tumour, plus binary cross-entropy: in a batch's own index a small
    tumour is next to nothing beside a large one, and to miss it is free."""
    reference = ops.cast(reference, "float32")
    with_tumour = ops.cast(ops.any(reference > 0, (1, 2, 3)), "float32")
    of_each = _focal(tversky_index(reference, predicted, axes=(1, 2, 3))) * with_tumour
    by_slice = ops.sum(of_each) / ops.maximum(ops.sum(with_tumour), 1.0)
    crossentropy = ops.mean(keras.losses.binary_crossentropy(reference, predicted))
    return (focal_tversky(reference, predicted) + by_slice) / 2 + crossentropy


def dice_and_crossentropy(reference: Tensor, predicted: Tensor) -> Tensor:
    """Dice for the overlap plus binary cross-entropy: missed and false pixels weigh the same."""
    crossentropy = ops.mean(keras.losses.binary_crossentropy(ops.cast(reference, "float32"), predicted))
    return dice(reference, predicted) + crossentropy


LOSSES = {
    "tversky": tversky,
    "dice": dice,
    "dice_and_crossentropy": dice_and_crossentropy,
    "focal_tversky": focal_tversky,
    "focal_tversky_and_crossentropy": focal_tversky_and_crossentropy,
    "small_too": small_too,
}
