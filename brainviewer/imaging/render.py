"""The one drawing function: screen, exported pictures, films and tests all call `compose`."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from .prediction import FALSE, HIT, MISSED, SKY_BLUE, OverlayStyle
from .volume import Volume, Window

SHOWS = ("flair", "pre", "post", "composite")


def windows_of(volume: Volume) -> tuple[Window, ...]:
    """The automatic window of each channel: the file's own where it has one, else percentiles of the volume."""
    if volume.window is not None and volume.voxels.shape[-1] == 1:
        return (Window(*volume.window),)
    return tuple(Window.auto(volume.voxels[..., channel]) for channel in range(volume.voxels.shape[-1]))


def background(volume: Volume, z: int, windows: tuple[Window, ...], show: str = "flair") -> np.ndarray:
    """One slice as a picture without overlay.

    Args:
        volume: the scan.
        z: displayed index.
        windows: one a channel.
        show: "flair", "pre", "post" in grey, or "composite" in colour; scans that are not composed have one way to be shown.

    Returns:
        (Y, X, 3) uint8 RGB.
    """
    slice_ = volume[z]
    if volume.voxels.shape[-1] == 1:
        return _grey(windows[0].apply(slice_[..., 0]))
    if volume.composed and show != "composite":
        channel = volume.channels.index(show)
        return _grey(windows[channel].apply(slice_[..., channel]))
    return np.stack([windows[channel].apply(slice_[..., channel]) for channel in range(3)], axis=-1)


def compose(
    picture: np.ndarray,
    mask: np.ndarray | None,
    style: OverlayStyle,
    reference: np.ndarray | None = None,
    *,
    probability: np.ndarray | None = None,
    agreement: bool = False,
) -> np.ndarray:
    """A slice with its overlays.

    Args:
        picture: (Y, X, 3) uint8 RGB from `background`.
        mask: (Y, X) bool predicted mask, or None.
        style: how it is drawn.
        reference: (Y, X) bool mask that came with the scan, drawn as a sky blue outline, or None.
        probability: (Y, X) float32 0..1, drawn as a heat map below; the mask is its border then, so that both can be read.
        agreement: where there are both masks, they are not drawn themselves but how they agree: HIT filled, MISSED and FALSE striped in
            different directions, so that no one needs colours to tell them apart.

    Returns:
        (Y, X, 3) uint8 RGB, a new array; equal to the given picture where nothing is drawn.
    """
    result = picture if probability is None else heatmap(picture, probability, style.opacity)
    if agreement and mask is not None and reference is not None:
        result = _paint(result, mask & reference, HIT, style.opacity)
        result = _hatch(result, reference & ~mask, MISSED, style.opacity, rising=False)
        result = _hatch(result, mask & ~reference, FALSE, style.opacity, rising=True)
        return result.copy() if result is picture else result
    if mask is not None and mask.any() and style.opacity > 0:
        if style.outline or probability is not None:
            result = _paint(result, border(mask), style.rgb, min(2 * style.opacity, 1.0))  # a line is seen less easily than a fill
        elif style.hatch:
            result = _hatch(result, mask, style.rgb, style.opacity, rising=True)
        else:
            result = _paint(result, mask, style.rgb, style.opacity)
    if reference is not None and reference.any():
        result = _paint(result, border(reference), SKY_BLUE, 1.0)
    return result.copy() if result is picture else result


def _hatch(picture: np.ndarray, where: np.ndarray, rgb: tuple[int, int, int], opacity: float, *, rising: bool) -> np.ndarray:
    """Stripes of 45 degrees and the border, twice as strong as a fill."""
    if not where.any():
        return picture
    height, width = where.shape
    pitch = 4 * max(1, round(max(height, width) / 320))
    rows, columns = np.ogrid[:height, :width]
    stripes = (rows + columns if rising else rows - columns) % pitch < pitch // 4
    return _paint(picture, where & (stripes | border(where)), rgb, min(2 * opacity, 1.0))


def binary_picture(mask: np.ndarray) -> np.ndarray:
    """(Y, X) uint8 of a bool mask: 0 or 255."""
    return mask.astype(np.uint8) * np.uint8(255)


PANEL_GAP = 4
CAPTION_HEIGHT = 20


def panel(picture: np.ndarray, mask: np.ndarray, style: OverlayStyle, reference: np.ndarray | None = None, *, drawn: bool = False) -> np.ndarray:
    """What the models say of a slice, side by side: scan, reference mask, predicted mask, scan with reference, scan with prediction.

    Args:
        picture: (Y, X, 3) uint8 RGB from `background`.
        mask: (Y, X) bool predicted mask.
        style: how overlays are drawn; both in the same way, the reference in its own colour.
        reference: (Y, X) bool mask that came with the scan; without one the two pictures that need it are left out.

        drawn: whether a person drew the mask, which its name then says.

    Returns:
        (H, W, 3) uint8 RGB on a black ground, each picture under its name where there is room for it.
    """
    views = [
        ("Scan", picture),
        ("Mask by hand" if drawn else "Predicted mask", _grey(binary_picture(mask))),
        ("By hand" if drawn else "Prediction", compose(picture, mask, style)),
    ]
    if reference is not None:
        own = replace(style, rgb=SKY_BLUE)
        views = [views[0], ("Reference mask", _grey(binary_picture(reference))), views[1], ("Reference", compose(picture, reference, own)), views[2]]
    height, width = picture.shape[:2]
    named = width >= 96
    top = CAPTION_HEIGHT if named else 0
    sheet = np.zeros((top + height, len(views) * (width + PANEL_GAP) - PANEL_GAP, 3), np.uint8)
    for number, (name, view) in enumerate(views):
        left = number * (width + PANEL_GAP)
        sheet[top:, left : left + width] = view
        if named:
            strip = np.zeros((top, width, 3), np.uint8)
            cv2.putText(strip, name, (2, top - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (205, 205, 205), 1, cv2.LINE_AA)
            sheet[:top, left : left + width] = strip
    return sheet


def _grey(values: np.ndarray) -> np.ndarray:
    """(Y, X, 3) uint8 of (Y, X) uint8."""
    return cv2.cvtColor(values, cv2.COLOR_GRAY2RGB)


def border(mask: np.ndarray) -> np.ndarray:
    """(Y, X) bool: the pixels of a mask that touch the outside (4-neighbours); the picture's edge counts as outside."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    inner = cv2.erode(mask.astype(np.uint8), cross, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return mask & (inner == 0)


def _paint(picture: np.ndarray, where: np.ndarray, rgb: tuple[int, int, int], opacity: float) -> np.ndarray:
    """Mixes a colour into some pixels, in whole-number arithmetic, so that every machine gives the same bytes."""
    result = picture.copy()
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    if not len(rows):
        return result
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    # 255 x 256 + 128 just fits into 16 bits.
    weight = round(opacity * 256)
    mixed = picture[box].astype(np.uint16)
    mixed *= np.uint16(256 - weight)
    mixed += np.array(rgb, np.uint16) * np.uint16(weight) + np.uint16(128)
    mixed >>= np.uint16(8)
    np.copyto(result[box], mixed, where=where[box][..., np.newaxis], casting="unsafe")
    return result


def heatmap(picture: np.ndarray, probability: np.ndarray, opacity: float) -> np.ndarray:
    """(Y, X, 3) uint8: a picture under a probability map (Y, X) float32 0..1; what is improbable stays clear."""
    colours = heat_colours()[np.clip(probability * 255, 0, 255).astype(np.uint8)]
    weight = (np.clip(probability * 2, 0, 1) * opacity)[..., np.newaxis]
    return (picture * (1 - weight) + colours * weight + 0.5).astype(np.uint8)


def heat_colours() -> np.ndarray:
    """(256, 3) uint8 RGB of the heat map, from dark to light, readable without colour vision (OpenCV's inferno)."""
    return cv2.applyColorMap(np.arange(256, dtype=np.uint8).reshape(256, 1), cv2.COLORMAP_INFERNO)[:, 0, ::-1].copy()
