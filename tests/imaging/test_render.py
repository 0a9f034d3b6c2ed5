"""The one drawing function: exact bytes, on every machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brainviewer.imaging import render
from brainviewer.imaging.prediction import FALSE, HIT, MISSED, SKY_BLUE, VERMILION, OverlayStyle
from brainviewer.imaging.volume import CHANNEL_NAMES, Volume, Window

PICTURE = np.arange(6 * 6 * 3, dtype=np.uint8).reshape(6, 6, 3) * 2
MASK = np.zeros((6, 6), bool)
MASK[1:5, 1:5] = True

pictures = arrays(np.uint8, (5, 6, 3))
masks = arrays(bool, (5, 6))
styles = st.builds(
    OverlayStyle,
    rgb=st.tuples(*[st.integers(0, 255)] * 3),
    opacity=st.floats(0, 1),
    threshold=st.floats(0, 1),
    outline=st.booleans(),
    hatch=st.booleans(),
)


def volume_of(voxels: np.ndarray, channels: tuple[str, ...], **more: object) -> Volume:
    names = tuple(str(z) for z in range(len(voxels)))
    return Volume(voxels=voxels, affine=None, channels=channels, source=Path("x"), key="x", format="tiff", sources=names, stems=names, **more)


def test_golden_fill():
    drawn = render.compose(PICTURE, MASK, OverlayStyle(VERMILION, 0.45))
    assert np.array_equal(drawn[0], PICTURE[0])
    # 115/256 of (213, 94, 0) over (42, 44, 46), in whole numbers
    assert drawn[1, 1].tolist() == [(42 * 141 + 213 * 115 + 128) // 256, (44 * 141 + 94 * 115 + 128) // 256, (46 * 141 + 128) // 256] == [119, 66, 25]
    assert drawn[4, 4].tolist() == [188, 136, 95]  # over (168, 170, 172)


def test_golden_outline():
    drawn = render.compose(PICTURE, MASK, OverlayStyle(VERMILION, 1.0, outline=True))
    expected = PICTURE.copy()
    ring = MASK.copy()
    ring[2:4, 2:4] = False
    expected[ring] = VERMILION
    assert np.array_equal(drawn, expected)


def test_golden_reference_over_prediction():
    reference = np.zeros((6, 6), bool)
    reference[0:3, 0:3] = True
    drawn = render.compose(PICTURE, MASK, OverlayStyle(VERMILION, 1.0), reference)
    ring = reference.copy()
    ring[1, 1] = False
    assert np.array_equal(drawn[ring], np.broadcast_to(SKY_BLUE, (8, 3)))
    assert drawn[1, 1].tolist() == list(VERMILION)
    assert drawn[5, 5].tolist() == PICTURE[5, 5].tolist()


@given(pictures, masks, styles)
def test_what_is_outside_stays(picture, mask, style):
    before = picture.copy()
    drawn = render.compose(picture, mask, style)
    assert drawn.dtype == np.uint8
    assert drawn is not picture
    assert np.array_equal(picture, before)
    assert np.array_equal(drawn[~mask], picture[~mask])
    low, high = np.minimum(picture, style.rgb), np.maximum(picture, style.rgb)
    assert ((drawn >= low) & (drawn <= high)).all()


@given(pictures, masks, styles)
def test_no_opacity_is_the_bare_slice(picture, mask, style):
    assert np.array_equal(render.compose(picture, mask, replace(style, opacity=0.0)), picture)
    assert np.array_equal(render.compose(picture, None, style), picture)


@given(pictures, masks, styles)
def test_full_opacity_is_the_colour(picture, mask, style):
    drawn = render.compose(picture, mask, replace(style, opacity=1.0, outline=False, hatch=False))
    assert (drawn[mask] == np.array(style.rgb)).all()


@given(masks)
def test_a_border_is_the_part_that_touches_the_outside(mask):
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    assert np.array_equal(render.border(mask), mask & ~inner)


def test_a_composed_scan_is_shown_sequence_by_sequence():
    voxels = np.zeros((1, 4, 4, 3), np.uint8)
    voxels[..., 0], voxels[..., 1], voxels[..., 2] = 10, 20, 30
    volume = volume_of(voxels, CHANNEL_NAMES)
    windows = (Window(0, 255),) * 3
    for show, level in (("pre", 10), ("flair", 20), ("post", 30)):
        assert (render.background(volume, 0, windows, show) == level).all()
    assert render.background(volume, 0, windows, "composite")[0, 0].tolist() == [10, 20, 30]


def test_other_scans_have_one_look():
    grey = volume_of(np.full((1, 4, 4, 1), 7, np.uint16), ("T1",))
    colours = volume_of(np.full((1, 4, 4, 3), (1, 2, 3), np.uint8), ("red", "green", "blue"))
    for show in render.SHOWS:
        assert render.background(grey, 0, (Window(0, 255),), show)[0, 0].tolist() == [7, 7, 7]
        assert render.background(colours, 0, (Window(0, 255),) * 3, show)[0, 0].tolist() == [1, 2, 3]


def test_the_files_own_window_comes_first():
    volume = volume_of(np.arange(16, dtype=np.int16).reshape(1, 4, 4, 1), ("T1",), window=(3.0, 9.0))
    assert render.windows_of(volume) == (Window(3.0, 9.0),)
    assert render.windows_of(replace(volume, window=None)) != (Window(3.0, 9.0),)


@pytest.mark.parametrize("width", [40, 128])
def test_panels(width):
    picture = np.random.default_rng(1).integers(0, 255, (50, width, 3), dtype=np.uint8)
    mask = np.zeros((50, width), bool)
    mask[10:20, 10:20] = True
    style = OverlayStyle()
    top = render.CAPTION_HEIGHT if width > 100 else 0
    step = width + render.PANEL_GAP

    def views(sheet: np.ndarray, number: int) -> list[np.ndarray]:
        assert sheet.shape == (50 + top, number * step - render.PANEL_GAP, 3)
        return [sheet[top:, n * step :][:, :width] for n in range(number)]

    own, predicted, over = views(render.panel(picture, mask, style), 3)
    assert np.array_equal(own, picture)
    assert np.array_equal(predicted, np.repeat(mask[..., None] * np.uint8(255), 3, axis=-1))
    assert np.array_equal(over, render.compose(picture, mask, style))
    reference = ~mask
    five = views(render.panel(picture, mask, style, reference), 5)
    assert np.array_equal(five[1][..., 0] > 0, reference)
    assert np.array_equal(five[3], render.compose(picture, reference, replace(style, rgb=SKY_BLUE)))
    assert np.array_equal(five[4], over)


@given(pictures, arrays(np.float32, (5, 6), elements=st.floats(0, 1, width=32)), st.floats(0, 1))
def test_heat_maps(picture, probability, opacity):
    drawn = render.heatmap(picture, probability, opacity)
    assert drawn.dtype == np.uint8
    assert np.array_equal(drawn[probability == 0], picture[probability == 0])
    assert np.array_equal(render.heatmap(picture, probability, 0.0), picture)


GOLDEN = Path(__file__).parent / "golden"


def overlays() -> np.ndarray:
    """Every way to draw a slice, side by side: (40, N * 48, 3) uint8."""
    rows, columns = np.mgrid[:40, :48]
    picture = np.repeat(((rows * 5 + columns * 3) % 200)[..., np.newaxis], 3, axis=-1).astype(np.uint8)
    mask = (rows - 18) ** 2 + (columns - 20) ** 2 < 120
    reference = (rows - 21) ** 2 + (columns - 27) ** 2 < 140
    probability = np.exp(-((rows - 18) ** 2 + (columns - 20) ** 2) / 120).astype(np.float32)
    style = OverlayStyle()
    ways = (
        render.compose(picture, mask, style),
        render.compose(picture, mask, replace(style, outline=True), reference),
        render.compose(picture, mask, replace(style, hatch=True)),
        render.compose(picture, mask, style, reference, agreement=True),
        render.compose(picture, mask, style, probability=probability),
        render.compose(picture, None, style, reference, probability=probability),
    )
    return np.concatenate(ways, axis=1)


def test_golden_overlays() -> None:
    expected = cv2.imread(str(GOLDEN / "overlays.png"))[..., ::-1]
    heat = 4 * 48
    assert np.array_equal(overlays()[:, :heat], expected[:, :heat])
    assert np.abs(overlays()[:, heat:].astype(int) - expected[:, heat:]).max() <= 1, "the heat map is mixed in floating point"


def test_agreement_tells_hit_missed_and_false_apart_without_colour() -> None:
    mask, reference = np.zeros((32, 32), bool), np.zeros((32, 32), bool)
    mask[4:20, 4:20], reference[12:28, 4:20] = True, True
    drawn = render.compose(np.full((32, 32, 3), 90, np.uint8), mask, OverlayStyle(opacity=1.0), reference, agreement=True)
    assert (drawn[mask & reference] == HIT).all()
    for part, rgb in ((mask & ~reference, FALSE), (reference & ~mask, MISSED)):
        colours = {tuple(colour) for colour in drawn[part].tolist()}
        assert colours == {rgb, (90, 90, 90)}, "stripes, with the scan between them"
    striped = (drawn == FALSE).all(axis=-1)[6:10, 6:18]
    assert np.array_equal(striped[0, 1:], striped[1, :-1]), "rising to the right"
    striped = (drawn == MISSED).all(axis=-1)[22:26, 6:18]
    assert np.array_equal(striped[0, :-1], striped[1, 1:]), "falling to the right"
    assert (drawn[~mask & ~reference] == 90).all()


def test_agreement_needs_both_masks() -> None:
    style = OverlayStyle()
    assert np.array_equal(render.compose(PICTURE, MASK, style, None, agreement=True), render.compose(PICTURE, MASK, style))
    assert np.array_equal(render.compose(PICTURE, None, style, MASK, agreement=True), render.compose(PICTURE, None, style, MASK))
