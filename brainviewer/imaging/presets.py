"""Windows to choose from. MRI has no units, so each is made from the scan's automatic window or its values."""

from __future__ import annotations

import numpy as np

from .volume import Window

PRESETS = ("full", "soft", "hard", "bright", "dark")
"""The names; "automatic" is the window that these are made from."""

_SHARES = {"soft": (-0.3, 1.5), "hard": (0.25, 0.75), "bright": (0.4, 1.15), "dark": (0.0, 0.45)}
"""From black to white, in fractions of the automatic window: 0 is its black, 1 its white."""


def preset(name: str, automatic: Window, voxels: np.ndarray) -> Window:
    """One of PRESETS.

    Args:
        name: "full": every value of the scan; "soft" and "hard": less and more contrast; "bright" and "dark": the bright or dark parts spread out.
        automatic: of the channel that is shown.
        voxels: of that channel, any shape.
    """
    if name == "full":
        values = voxels[np.isfinite(voxels)] if voxels.dtype.kind == "f" else voxels
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
        return Window(low, high if high > low else low + 1.0)
    dark, bright = _SHARES[name]
    return Window(automatic.low + dark * automatic.width, automatic.low + bright * automatic.width)
