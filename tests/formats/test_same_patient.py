"""One patient as TIFF slices, as DICOM in every syntax that can be written here, and as NIfTI in all 48 orders: the same pictures."""

import itertools
import random
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile

sys.path.insert(0, str(Path(__file__).parent))

from dicom_files import LOSSLESS, head_scan, write_series

from brainviewer.formats import open_volume, scan
from brainviewer.imaging.render import background, windows_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SCENE = head_scan(11, 30, 34)
AFFINE = np.array([[-1.1, 0, 0, 11], [0, -0.9, 0, 7], [0, 0, 5, 30], [0, 0, 0, 1.0]])


def pictures(path):
    """(z, y, x, 3) uint8: what the screen shows of the only series under a path."""
    listing = scan(path)
    assert len(listing.series) == 1, listing.series
    volume = open_volume(listing.series[0])
    windows = windows_of(volume)
    return np.stack([background(volume, z, windows) for z in range(len(volume))]), volume


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The patient's pictures, from a folder of TIFF slices."""
    folder = tmp_path_factory.mktemp("tiff") / "patient"
    folder.mkdir()
    for z, slice_ in enumerate(SCENE):
        tifffile.imwrite(folder / f"patient_{z + 1}.tif", slice_)
    result, volume = pictures(folder)
    assert np.array_equal(volume.voxels[..., 0], SCENE)
    return result


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
def test_as_dicom(tmp_path, shown, syntax):
    chance = random.Random(str(syntax))
    # Powers of two, so that what is stored gives the same values back to the last bit.
    rescales = [(2.0 ** -chance.randrange(4), -chance.randrange(500)) for _ in SCENE]
    numbers = list(range(len(SCENE), 0, -1))

    def edit(dataset, number):
        dataset.RescaleSlope, dataset.RescaleIntercept = (str(value) for value in rescales[number])

    stored = np.stack([((s.astype(float) - i) / k).astype(np.uint16) for s, (k, i) in zip(SCENE, rescales, strict=True)])
    write_series(tmp_path / "scan", stored, syntax=syntax, seed=3, numbers=numbers, edit=edit)
    ours, volume = pictures(tmp_path / "scan")
    assert np.array_equal(ours, shown)
    assert np.array_equal(volume.voxels[..., 0], SCENE)
    assert np.allclose(volume.affine, AFFINE, atol=1e-3)


@pytest.mark.parametrize("order", itertools.permutations(range(3)))
@pytest.mark.parametrize("signs", itertools.product((1, -1), repeat=3))
def test_as_nifti(tmp_path, shown, order, signs):
    xyz = SCENE.transpose(2, 1, 0)
    stored = xyz.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    to_displayed = np.zeros((4, 4))
    to_displayed[3, 3] = 1
    for axis, (source, sign) in enumerate(zip(order, signs, strict=True)):
        to_displayed[source, axis] = sign
        to_displayed[source, 3] = 0 if sign > 0 else xyz.shape[source] - 1
    image = nibabel.Nifti1Image(stored, AFFINE @ to_displayed)
    nibabel.save(image, tmp_path / "patient.nii.gz")
    ours, volume = pictures(tmp_path / "patient.nii.gz")
    assert np.array_equal(ours, shown)
    assert np.array_equal(volume.stored.restore(volume.voxels[..., 0]), stored)
    assert np.allclose(volume.stored.affine, image.affine, atol=1e-3)
