"""Augmentation, for training only: what another scanner, another head or another centre would have done to the same slice."""

from __future__ import annotations

import cv2
import numpy as np

FLAIR = 1
BENT, BLURRED = 0.4, 0.15
"""Shares of the slices that are bent and blurred where the strength goes beyond 1."""
CURVE_KNOTS = 7


def augment(
    image: np.ndarray, mask: np.ndarray, rng: np.random.Generator, strength: float = 1.0, substitution: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """One slice and its mask, changed at random.

    Args:
        image: (S, S, 3) float32, 0..1; channels pre-contrast T1, FLAIR, post-contrast T1.
        mask: (S, S) uint8, 0 or 1.
        rng: source of all randomness.
        strength: 0 changes nothing but channels; every range grows with it. Beyond 1, contrast curves, elastic bending and blur join.
        substitution: probability that FLAIR takes the place of both T1 channels, as in a scan of which only FLAIR is known; each of them
            alone is replaced with a quarter of it.

    Returns:
        Arrays of the same shapes and types.
    """
    image = substitute_channels(image, rng, substitution)
    if strength <= 0:
        return image, mask
    image, mask = _geometry(image, mask, rng, strength)
    beyond = max(0.0, strength - 1.0)
    if beyond and rng.random() < BENT:
        image, mask = _bend(image, mask, rng, 0.04 * beyond)
    if rng.random() < 0.15:
        image = _lower_resolution(image, rng.uniform(1.0, 1.0 + strength))
    if beyond and rng.random() < BLURRED:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.3 + 2 * beyond) * image.shape[0] / 256)
    image = _intensity(image, rng, strength)
    if rng.random() < 0.3:
        image = image * _bias_field(image.shape[0], rng, 0.3 * strength)
    if rng.random() < 0.3:
        image = image + rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(0, 0.04) * strength)
    return np.clip(image, 0.0, 1.0, dtype=np.float32), mask


def substitute_channels(image: np.ndarray, rng: np.random.Generator, substitution: float) -> np.ndarray:
    """FLAIR in the place of one or both T1 channels, at random."""
    draw = rng.random()
    if draw >= 1.5 * substitution:
        return image
    image = image.copy()
    channels = (0, 2) if draw < substitution else (0,) if draw < 1.25 * substitution else (2,)
    for channel in channels:
        image[..., channel] = image[..., FLAIR]
    return image


def _geometry(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Flips, rotation, scale and shift in one resampling."""
    size = image.shape[0]
    angle = rng.uniform(-20, 20) * strength
    scale = np.exp(rng.uniform(-0.2, 0.2) * strength)
    stretch = np.exp(rng.uniform(-0.07, 0.07) * strength)
    matrix = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), angle, scale)
    matrix = np.vstack([matrix, [0, 0, 1]])
    if rng.random() < 0.5:
        matrix = np.array([[-1, 0, size - 1], [0, 1, 0], [0, 0, 1]]) @ matrix
    if rng.random() < 0.1 * strength:
        matrix = np.array([[1, 0, 0], [0, -1, size - 1], [0, 0, 1]]) @ matrix
    matrix = np.diag([stretch, 1 / stretch, 1]) @ matrix
    matrix[:2, 2] += rng.uniform(-0.08, 0.08, 2) * strength * size
    image = cv2.warpAffine(image, matrix[:2], (size, size), flags=cv2.INTER_LINEAR, borderValue=0)
    mask = cv2.warpAffine(mask, matrix[:2], (size, size), flags=cv2.INTER_NEAREST, borderValue=0)
    return image, mask


def _bend(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator, amplitude: float) -> tuple[np.ndarray, np.ndarray]:
    """Smooth displacement of up to `amplitude` of the side."""
    size = image.shape[0]
    coarse = (rng.uniform(-amplitude, amplitude, (5, 5, 2)) * size).astype(np.float32)
    move = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    rows, columns = rows + move[..., 0], columns + move[..., 1]
    image = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderValue=0)
    return image, cv2.remap(mask, columns, rows, cv2.INTER_NEAREST, borderValue=0)


def _lower_resolution(image: np.ndarray, factor: float) -> np.ndarray:
    size = image.shape[0]
    small = cv2.resize(image, (max(8, round(size / factor)),) * 2, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)


def _intensity(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Gamma, gain and offset (and a random curve beyond strength 1), each channel its own; air stays near zero."""
    gamma = np.exp(rng.uniform(-0.35, 0.35, 3) * strength)
    gain = np.exp(rng.uniform(-0.2, 0.2, 3) * strength)
    offset = rng.uniform(-0.04, 0.04, 3) * strength
    # A table of 1,024 steps: a power for every pixel would cost more than the rest of the augmentation together.
    levels = np.linspace(0, 1, 1024, dtype=np.float32)[:, np.newaxis]
    if strength > 1:
        levels = np.stack([_curve(levels[:, 0], rng, strength - 1) for _ in range(3)], axis=-1)
    tables = (levels**gamma * gain + offset).astype(np.float32)
    steps = np.clip(image * 1023, 0, 1023).astype(np.int32)
    return np.stack([tables[steps[..., channel], channel] for channel in range(3)], axis=-1)


def _bias_field(size: int, rng: np.random.Generator, amplitude: float) -> np.ndarray:
    """(S, S, 1) smooth factor around 1, as a receive coil leaves it."""
    coarse = rng.uniform(-amplitude, amplitude, (4, 4)).astype(np.float32)
    return np.exp(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC))[..., np.newaxis]


def _curve(levels: np.ndarray, rng: np.random.Generator, amplitude: float) -> np.ndarray:
    """A monotone curve from 0 to 1 through random knots: another sequence's contrast between the same tissues."""
    steps = np.exp(rng.uniform(-1.6, 1.6, CURVE_KNOTS) * amplitude)
    knots = np.concatenate([[0.0], np.cumsum(steps) / steps.sum()])
    return np.interp(levels, np.linspace(0, 1, CURVE_KNOTS + 1), knots)


def paste_tumour(
    image: np.ndarray, mask: np.ndarray, donor: np.ndarray, donor_mask: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A tumour of another slice put into this one, at its own place or mirrored, its grey fitted to the tissue around it.

    Args:
        image, donor: (S, S, 3) float32, 0..1.
        mask, donor_mask: (S, S) uint8, 0 or 1.

    Returns:
        The new slice and mask; the given ones where the place lies outside the head, or nobody could see the tumour there.
    """
    if rng.random() < 0.5:
        donor, donor_mask = donor[:, ::-1], donor_mask[:, ::-1]
    size = len(mask)
    shift = np.array([[1, 0, rng.uniform(-0.04, 0.04) * size], [0, 1, rng.uniform(-0.04, 0.04) * size]], np.float32)
    donor = cv2.warpAffine(np.ascontiguousarray(donor), shift, (size, size), flags=cv2.INTER_LINEAR, borderValue=0)
    donor_mask = cv2.warpAffine(np.ascontiguousarray(donor_mask), shift, (size, size), flags=cv2.INTER_NEAREST, borderValue=0)
    inside = donor_mask > 0
    if not inside.any() or np.mean(image[..., FLAIR][inside] > TISSUE) < 0.95:
        return image, mask
    side = max(3, size // 24 | 1)
    ring = (cv2.dilate(donor_mask, np.ones((side, side), np.uint8)) > 0) & ~inside & (mask == 0)
    ring &= (image[..., FLAIR] > TISSUE) & (donor[..., FLAIR] > TISSUE)
    if ring.sum() < size / 8:
        return image, mask
    around = image[ring].mean(axis=0)
    fitted = donor * (around / np.maximum(donor[ring].mean(axis=0), TISSUE))
    if fitted[inside].mean(axis=0)[FLAIR] < CONTRAST * around[FLAIR]:
        return image, mask
    border = cv2.GaussianBlur(donor_mask.astype(np.float32), (0, 0), size / 128)[..., np.newaxis]
    return np.clip(image * (1 - border) + fitted * border, 0, 1).astype(np.float32), np.maximum(mask, donor_mask)


TISSUE = 0.1
"""Darker FLAIR is air, bone or fluid: no place for a tumour."""
CONTRAST = 1.15
"""How much brighter than its surroundings a pasted tumour must be on FLAIR."""
