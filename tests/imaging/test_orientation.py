import itertools

import numpy as np
import pytest

from brainviewer.imaging.orientation import analysis_refusal, arrange, edges, oblique_degrees, shear_degrees, usable, world_axes
from brainviewer.imaging.volume import Volume

nibabel = pytest.importorskip("nibabel")

ORDERS = [(order, flips) for order in itertools.permutations(range(3)) for flips in itertools.product((1, -1), repeat=3)]


def scene(spacing=(5.0, 0.9, 1.0)):
    """An axial volume as it should be displayed, (z, y, x), with its affine: every voxel has its own value."""
    displayed = np.arange(4 * 6 * 7).reshape(4, 6, 7)
    dz, dy, dx = spacing
    affine = np.diag([-dx, -dy, dz, 1.0])
    affine[:3, 3] = (40.0, 31.0, -12.0)
    return displayed, affine


def stored_as(displayed, affine, order, signs):
    """The same volume with its axes in another order and direction, and the affine that says so.

    `order[n]` is the displayed axis (x, y, z) that becomes the stored axis n; a sign of -1 stores it backwards.
    """
    xyz = displayed.transpose(2, 1, 0)
    stored = xyz.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    to_displayed = np.zeros((4, 4))
    to_displayed[3, 3] = 1
    for axis, (source, sign) in enumerate(zip(order, signs, strict=True)):
        to_displayed[source, axis] = sign
        to_displayed[source, 3] = 0 if sign > 0 else xyz.shape[source] - 1
    return stored, affine @ to_displayed


@pytest.mark.parametrize(("order", "signs"), ORDERS)
def test_every_stored_order_gives_the_same_displayed_volume(order, signs):
    displayed, affine = scene()
    stored, stored_affine = stored_as(displayed, affine, order, signs)
    arrangement = arrange(stored.shape, stored_affine)
    assert arrangement.plane == "axial"
    assert arrangement.shape == displayed.shape
    assert np.array_equal(arrangement.grid.display(stored), displayed)
    assert np.array_equal(arrangement.grid.restore(displayed), stored)
    assert np.allclose(arrangement.affine, affine)
    assert arrangement.spacing == pytest.approx((5.0, 0.9, 1.0))
    assert arrangement.axes == "".join(nibabel.aff2axcodes(stored_affine))


@pytest.mark.parametrize(("order", "signs"), ORDERS)
def test_a_landmark_keeps_its_place_in_millimetres(order, signs):
    displayed, affine = scene(spacing=(1.0, 1.1, 1.2))
    stored, stored_affine = stored_as(displayed, affine, order, signs)
    arrangement = arrange(stored.shape, stored_affine)
    landmark = 100
    z, y, x = np.argwhere(arrangement.grid.display(stored) == landmark)[0]
    at = np.argwhere(stored == landmark)[0]
    assert np.allclose(arrangement.affine @ (x, y, z, 1), stored_affine @ (*at, 1))


@pytest.mark.parametrize(
    ("spacing", "plane", "letters"),
    [
        ((1.0, 1.0, 5.0), "axial", ("R", "L", "A", "P")),
        ((5.0, 1.0, 1.0), "sagittal", ("A", "P", "S", "I")),
        ((1.0, 5.0, 1.0), "coronal", ("R", "L", "S", "I")),
        ((1.4, 1.0, 1.0), "axial", ("R", "L", "A", "P")),
        ((5.0, 5.0, 1.0), "coronal", ("R", "L", "S", "I")),
        ((5.0, 1.0, 5.0), "axial", ("R", "L", "A", "P")),
    ],
)
def test_coarsest_axis_is_the_slices_axis(spacing, plane, letters):
    arrangement = arrange((8, 9, 10), np.diag([*spacing, 1.0]))
    assert arrangement.plane == plane
    assert edges(arrangement.affine) == letters
    assert np.linalg.det(arrangement.affine[:3, :3]) > 0  # right-handed, as DICOM's own axes


def test_a_single_plane_stays_one_slice():
    assert arrange((1, 9, 10), np.eye(4)).plane == "sagittal"
    assert arrange((1, 9, 10), np.eye(4)).shape == (1, 10, 9)


def test_without_an_orientation_nothing_is_flipped():
    stored = np.arange(3 * 4 * 5).reshape(3, 4, 5)
    arrangement = arrange(stored.shape, None)
    assert (arrangement.affine, arrangement.spacing, arrangement.plane, arrangement.axes) == (None, None, None, "")
    assert np.array_equal(arrangement.grid.display(stored), stored.transpose(2, 1, 0))
    coarse = arrange(stored.shape, None, (1.0, 6.0, 2.0))
    assert coarse.spacing == (6.0, 2.0, 1.0)
    assert np.array_equal(coarse.grid.display(stored), stored.transpose(1, 2, 0))
    assert np.array_equal(coarse.grid.restore(coarse.grid.display(stored)), stored)


def test_axes_agree_with_nibabel_on_oblique_and_sheared_grids():
    rng = np.random.default_rng(4)
    tried = 0
    for number in range(600):
        affine = np.eye(4)
        affine[:3, :3] = rng.normal(size=(3, 3)) if number % 2 else np.linalg.qr(rng.normal(size=(3, 3)))[0] * rng.uniform(0.5, 5, 3)
        if usable(affine):
            tried += 1
            assert [tuple(row) for row in nibabel.io_orientation(affine).astype(int)] == list(world_axes(affine))
    assert tried > 400


@pytest.mark.parametrize("broken", [np.zeros((4, 4)), np.diag([1, 1, 0, 1.0]), np.diag([1, np.nan, 1, 1]), np.diag([1, 1, 1e9, 1]), np.ones((4, 4))])
def test_matrices_that_place_nothing_are_not_used(broken):
    assert not usable(broken)


def test_angles():
    turn = np.radians(12)
    oblique = np.eye(4)
    oblique[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    assert oblique_degrees(oblique) == pytest.approx(12)
    assert shear_degrees(oblique) == pytest.approx(0, abs=1e-6)
    tilted = np.eye(4)
    tilted[:3, 2] = (0, np.sin(turn), np.cos(turn))
    assert shear_degrees(tilted) == pytest.approx(12)


@pytest.mark.parametrize(
    ("plane", "refusal", "word"), [("axial", "", None), (None, "", None), ("sagittal", "", "sagittal"), ("axial", "It is a mosaic.", "mosaic")]
)
def test_what_the_models_do_not_know_is_refused_with_the_reason(tmp_path, plane, refusal, word):
    volume = Volume(
        voxels=np.zeros((2, 3, 4, 1), np.uint8), affine=None, channels=("grey",), source=tmp_path, key="k", format="nifti",
        sources=("a", "a"), stems=("a", "b"), plane=plane, refusal=refusal,
    )  # fmt: skip
    sentence = analysis_refusal(volume)
    assert (sentence is None) if word is None else word in sentence
