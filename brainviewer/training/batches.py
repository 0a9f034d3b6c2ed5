"""The batches of an epoch, and what the networks should answer to them."""

from __future__ import annotations

import keras
import numpy as np

from . import data
from .augment import augment, paste_tumour
from .run import TrainConfig

AUXILIARY_STRIDE = 8
"""Pixels of the input in a cell of the classifier's coarse mask, along a side."""


class Batches(keras.utils.PyDataset):
    """The batches of one epoch: which slices, in which order and how changed follows from seed and epoch alone."""

    def __init__(self, slices: data.Slices, positions: np.ndarray, config: TrainConfig, epoch: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=6)
        self.slices, self.config, self.epoch = slices, config, epoch
        rng = np.random.default_rng((config.seed, epoch))
        labels = slices.labels[positions]
        positive, negative = positions[labels], positions[~labels]
        if config.negatives > 0:
            count = min(len(negative), round(config.negatives * len(positive)))
            negative = rng.choice(negative, count, replace=False)
        self.order = rng.permutation(np.concatenate([positive, negative]))
        self.donors = positive

    def __len__(self) -> int:
        return max(1, len(self.order) // self.config.batch)

    def __getitem__(self, number: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        config = self.config
        rng = np.random.default_rng((config.seed, self.epoch, number))
        chosen = self.order[number * config.batch : (number + 1) * config.batch]
        pairs = [augment(*self._slice(n, rng), rng, config.strength, config.substitution) for n in chosen]
        images, masks = (np.stack(side) for side in zip(*pairs, strict=True))
        return images, targets(config, masks)

    def _slice(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A slice and its mask, now and then with the tumour of another slice."""
        image, mask = self.slices.images[n].astype(np.float32), self.slices.masks[n]
        if self.config.paste <= 0 or rng.random() >= self.config.paste or not len(self.donors):
            return image, mask
        donor = rng.choice(self.donors)
        return paste_tumour(image, mask, self.slices.images[donor].astype(np.float32), self.slices.masks[donor], rng)


def targets(config: TrainConfig, masks: np.ndarray) -> dict[str, np.ndarray]:
    """What the networks should answer for masks (N, S, S) uint8."""
    masks = masks.astype(np.float32)
    if config.task == "segment":
        return {"probability": masks[..., np.newaxis]}
    positive = masks.any(axis=(1, 2))
    answer = {"probability": np.stack([~positive, positive], axis=-1).astype(np.float32)}
    if config.auxiliary > 0:
        n, size, _ = masks.shape
        cells = size // AUXILIARY_STRIDE
        answer["mask"] = masks.reshape(n, cells, AUXILIARY_STRIDE, cells, AUXILIARY_STRIDE).mean(axis=(2, 4))[..., np.newaxis]
    return answer
