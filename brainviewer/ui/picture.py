"""What the slice on screen looks like: the session's state to one RGB array, through the program's one drawing function."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..formats.export import overlay_picture
from ..imaging import render
from .session import Session


def picture_of(session: Session) -> np.ndarray | None:
    """(Y, X, 3) uint8 RGB of the slice on screen, or None where no scan is open."""
    volume = session.volume
    if volume is None:
        return None
    prediction, layers, style, z = session.prediction, session.layers, session.style, session.z
    masked = prediction if layers.overlay else None
    if not layers.heatmap or prediction is None or prediction.mask is None:
        return overlay_picture(volume, z, session.windows, masked, style, session.show, layers.reference)
    picture = render.heatmap(render.background(volume, z, session.windows, session.show), prediction.mask.probability, style.opacity)
    mask = masked.found(style.threshold) if masked is not None else None
    reference = volume.reference[z] if layers.reference and volume.reference is not None else None
    return render.compose(picture, mask, replace(style, outline=True), reference)  # over the heat map the mask is its border: both can be read
