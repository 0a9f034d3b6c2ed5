"""The strip: a few validation slices, drawn after each epoch as scan, reference and prediction side by side, so that one sees it learn."""

from __future__ import annotations

import numpy as np

from ..formats.writing import png_bytes
from ..imaging import render
from ..imaging.prediction import OverlayStyle
from ..imaging.volume import CHANNEL_NAMES
from .run import Run, write_atomic

MOST = 6
REFERENCE = OverlayStyle(rgb=(0, 158, 115), opacity=0.5)
PREDICTION = OverlayStyle(rgb=(213, 94, 0), opacity=0.5)


def chosen(labels: np.ndarray, validation: np.ndarray) -> np.ndarray:
    """Positions of at most six validation slices, the same in each epoch: spread over those with a tumour, and one without.

    Args:
        labels: (N,) bool, of all slices.
        validation: positions of the validation slices.
    """
    tumour, rest = validation[labels[validation]], validation[~labels[validation]]
    without = rest[len(rest) // 2 : len(rest) // 2 + 1]
    room = MOST - len(without)
    spread = tumour[np.unique(np.linspace(0, len(tumour) - 1, min(room, len(tumour))).round().astype(int))] if len(tumour) else tumour
    return np.concatenate([spread, without])


def draw(image: np.ndarray, reference: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(S, 3 S, 3) uint8: scan, scan with reference, scan with prediction.

    Args:
        image: (S, S, 3) 0..1, a network's input.
        reference, found: (S, S) bool.
    """
    grey = np.clip(image[..., CHANNEL_NAMES.index("flair")].astype(np.float32) * 255, 0, 255).astype(np.uint8)
    picture = np.repeat(grey[..., np.newaxis], 3, axis=-1)
    return np.hstack([picture, render.compose(picture, reference, REFERENCE), render.compose(picture, found, PREDICTION)])


def write(run: Run, images: np.ndarray, masks: np.ndarray, found: np.ndarray) -> list[str]:
    """Redraws the strip of a run, file by file; returns their names.

    Args:
        images: (N, S, S, 3) 0..1.
        masks: (N, S, S), 0 or 1.
        found: (N, S, S) bool.
    """
    run.strip.mkdir(exist_ok=True)
    names = []
    for number, (image, mask, seen) in enumerate(zip(images, masks, found, strict=True)):
        names.append(f"slice-{number}.png")
        write_atomic(run.strip / names[-1], png_bytes(draw(image, mask > 0, seen)))
    return names
