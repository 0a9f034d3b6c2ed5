"""Augmentation keeps what the networks rely on."""

import cv2
import numpy as np
import pytest

from brainviewer.training.augment import FLAIR, augment, paste_tumour, substitute_channels


@pytest.fixture
def slice_and_mask() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    image = np.zeros((64, 64, 3), np.float32)
    image[12:52, 12:52] = rng.uniform(0.3, 0.6, (40, 40, 3))
    mask = np.zeros((64, 64), np.uint8)
    mask[24:40, 24:40] = 1
    image[24:40, 24:40, FLAIR] = 0.95
    return image, mask


@pytest.mark.parametrize("strength", [1.0, 1.8])
@pytest.mark.parametrize("seed", range(12))
def test_shapes_types_and_range(slice_and_mask: tuple[np.ndarray, np.ndarray], seed: int, strength: float) -> None:
    image, mask = augment(*slice_and_mask, np.random.default_rng(seed), strength)
    assert image.shape == (64, 64, 3)
    assert image.dtype == np.float32
    assert 0 <= image.min() <= image.max() <= 1
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) <= {0, 1}


@pytest.mark.parametrize("strength", [1.0, 1.6])
def test_the_mask_moves_with_the_picture(slice_and_mask: tuple[np.ndarray, np.ndarray], strength: float) -> None:
    """Wherever the mask goes, the bright square is under it."""
    for seed in range(40):
        image, mask = augment(*slice_and_mask, np.random.default_rng(seed), strength, substitution=0.0)
        inside, brain = image[..., FLAIR][mask > 0], image[..., FLAIR][(mask == 0) & (image[..., FLAIR] > 0.1)]
        assert mask.sum() > 30
        assert np.median(inside) > np.median(brain)


def test_nothing_changes_at_strength_zero(slice_and_mask: tuple[np.ndarray, np.ndarray]) -> None:
    image, mask = augment(*slice_and_mask, np.random.default_rng(0), strength=0, substitution=0)
    assert np.array_equal(image, slice_and_mask[0])
    assert np.array_equal(mask, slice_and_mask[1])


def test_same_seed_same_result(slice_and_mask: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = (augment(*slice_and_mask, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first[0], second[0])


def test_channels_are_substituted_as_often_as_asked(slice_and_mask: tuple[np.ndarray, np.ndarray]) -> None:
    image = slice_and_mask[0]
    rng = np.random.default_rng(0)
    both = pre = post = 0
    for _ in range(2000):
        changed = substitute_channels(image, rng, 0.2)
        same = [np.array_equal(changed[..., c], image[..., FLAIR]) for c in (0, 2)]
        both += all(same)
        pre += same == [True, False]
        post += same == [False, True]
        assert np.array_equal(changed[..., FLAIR], image[..., FLAIR])
    assert both / 2000 == pytest.approx(0.2, abs=0.03)
    assert pre / 2000 == pytest.approx(0.05, abs=0.02)
    assert post / 2000 == pytest.approx(0.05, abs=0.02)


def test_a_pasted_tumour_keeps_the_surroundings_and_marks_its_pixels(slice_and_mask: tuple[np.ndarray, np.ndarray]) -> None:
    donor, donor_mask = slice_and_mask
    image = donor * np.float32(0.5)
    image[24:40, 24:40, FLAIR] = 0.22  # a healthy head of another brightness
    empty = np.zeros_like(donor_mask)
    for seed in range(10):
        pasted, mask = paste_tumour(image, empty, donor, donor_mask, np.random.default_rng(seed))
        assert 200 <= mask.sum() <= 300
        inside, outside = mask > 0, cv2.dilate(mask, np.ones((9, 9), np.uint8)) == 0
        assert pasted[..., FLAIR][inside].mean() > 1.3 * image[12:52, 12:52, FLAIR].mean()
        assert np.allclose(pasted[outside], image[outside], atol=0.01)
        assert pasted.max() <= 1


def test_no_tumour_is_pasted_outside_the_head_or_where_nobody_could_see_it(slice_and_mask: tuple[np.ndarray, np.ndarray]) -> None:
    donor, donor_mask = slice_and_mask
    air = np.zeros_like(donor)
    assert paste_tumour(air, np.zeros_like(donor_mask), donor, donor_mask, np.random.default_rng(0))[0] is air
    faint = np.where(donor_mask[..., np.newaxis] > 0, np.float32(0.45), donor)
    assert paste_tumour(donor, np.zeros_like(donor_mask), faint, donor_mask, np.random.default_rng(0))[0] is donor
