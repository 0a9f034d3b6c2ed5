"""What the slice on screen looks like: the session's state to one RGB array, through the program's one drawing function."""

from __future__ import annotations

import numpy as np

from ..formats.export import overlay_picture
from ..imaging import render
from .session import Session


def picture_of(session: Session) -> np.ndarray | None:
    """(Y, X, 3) uint8 RGB of the slice on screen, or None where no scan is open."""
    volume, layers, preview = session.volume, session.layers, session.preview
    if volume is None:
        return None if preview is None else render.background(preview.volume, 0, session.windows_of(preview), session.show)
    return overlay_picture(
        volume,
        session.z,
        session.windows,
        session.prediction,
        session.style,
        session.show,
        layers.reference,
        overlay=layers.overlay,
        heatmap=layers.heatmap,
        agreement=layers.agreement,
    )
