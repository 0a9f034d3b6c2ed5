"""How long a training will take on this computer, from a few measured steps."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from . import data
from .batches import Batches
from .fused import fused
from .run import TrainConfig
from .trainer import build, compile_model, device_name, excluded, predict

STEPS = 2
"""That are timed; one before them, in which the framework prepares itself, is not."""
LEAST_CASES = 2


@dataclass(frozen=True, slots=True)
class Estimate:
    """Attributes:
    device: what computed, in words.
    step_s: one step, a batch of slices.
    steps: in an epoch.
    epoch_s: one epoch, its validation included.
    seconds: the whole run, if it is not stopped early; starting and judging come on top.
    """

    device: str
    step_s: float
    steps: int
    epoch_s: float
    seconds: float

    def to_json(self) -> dict:
        return {
            "device": self.device,
            "step_s": round(self.step_s, 4),
            "steps": self.steps,
            "epoch_s": round(self.epoch_s, 2),
            "seconds": round(self.seconds),
        }


def estimate(config: TrainConfig) -> Estimate:
    """Trains a few steps of a fresh network on slices of the data, at the last phase's size, and reckons; nothing is written.

    Raises:
        TrainingError: if there is no labelled scan.
    """
    cases = data.index(Path(config.data), excluded(config))
    size = config.phases[-1].size
    few = data.load(cases[:LEAST_CASES], size)
    slices = len(few.labels) / min(LEAST_CASES, len(cases)) * len(cases)
    held = max(1, min(len(cases) - 1, round(config.validation * len(cases)))) / max(1, len(cases))
    drawn = len(Batches(few, np.arange(len(few.labels)), config, 0).order) / len(few.labels)  # a segmenter may see a part of the empty slices
    steps = max(1, round(slices * (1 - held) * (drawn or 1)) // config.batch)
    everything = np.resize(np.arange(len(few.labels)), max(config.batch, len(few.labels)))
    batches = Batches(few, everything, replace(config, negatives=0.0), 0)  # whatever a slice shows, it takes as long
    model = fused(build(config, size))
    compile_model(model, config, steps * config.epochs)
    model.train_on_batch(*batches[0])
    before = time.monotonic()
    for _ in range(STEPS):
        model.train_on_batch(*batches[0])
    step_s = (time.monotonic() - before) / STEPS
    predict(model, few.images[:1])
    before = time.monotonic()
    predict(model, few.images[:1])
    look_s = time.monotonic() - before
    epoch_s = steps * step_s + slices * held * look_s
    keras.backend.clear_session()
    seconds = sum(phase.epochs * epoch_s * (phase.size / size) ** 2 for phase in config.phases)
    return Estimate(device_name(), step_s, steps, epoch_s, seconds)
