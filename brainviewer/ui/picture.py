"""What the slice on screen looks like: the session's state to one RGB array, through the program's one drawing function."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..imaging import render
from ..imaging.prediction import Prediction
from .session import Session


def picture_of(session: Session) -> np.ndarray | None:
    """(Y, X, 3) uint8 RGB of the slice on screen, or None where no scan is open."""
    volume = session.volume
    if volume is None:
        return None
    prediction, layers, style = session.prediction, session.layers, session.style
    picture = render.background(volume, session.z, session.windows, session.show)
    if layers.heatmap and prediction is not None and prediction.mask is not None:
        picture = render.heatmap(picture, prediction.mask.probability, style.opacity)
        style = replace(style, outline=True)  # over the heat map the mask is its border: both can be read
    mask = found(prediction, style.threshold) if layers.overlay else None
    reference = volume.reference[session.z] if layers.reference and volume.reference is not None else None
    return render.compose(picture, mask, style, reference)


def found(prediction: Prediction | None, threshold: float) -> np.ndarray | None:
    """(Y, X) bool of the tumour in a slice, or None where that is not known."""
    return prediction.found(threshold) if prediction is not None else None
