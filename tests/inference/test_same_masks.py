"""One patient as TIFF, as DICOM in every writable syntax, and as NIfTI in all 48 orders: the same masks, each on its own stored grid."""

from __future__ import annotations

import itertools
import random
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import tifffile

sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))
sys.path.insert(0, str(Path(__file__).parent))

from dicom_files import LOSSLESS, write_series
from test_predict import head, loads  # noqa: F401 - a fixture

from brainviewer.formats import open_volume, scan
from brainviewer.inference import predict
from brainviewer.inference.load import load_models
from brainviewer.inference.predict import Options, predict_path

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

AFFINE = np.array([[-1.1, 0, 0, 11], [0, -0.9, 0, 7], [0, 0, 5, 30], [0, 0, 0, 1.0]])
"""Of what `write_series` writes by default, displayed voxel (x, y, z) to RAS mm."""

ORDERS = [(order, signs) for order in itertools.permutations(range(3)) for signs in itertools.product((1, -1), repeat=3)]


def as_tiff(folder: Path, scene: np.ndarray) -> Path:
    folder.mkdir()
    for z, slice_ in enumerate(scene):
        tifffile.imwrite(folder / f"p_{z + 1}.tif", slice_)
    return folder


def as_dicom(folder: Path, scene: np.ndarray, syntax: Any) -> Path:
    """12 bits, another rescale in each file, shuffled names, reversed instance numbers."""
    chance = random.Random(str(syntax))
    rescales = [(chance.uniform(0.07, 0.4), -chance.uniform(0, 50)) for _ in scene]
    numbers = list(range(len(scene), 0, -1))
    write_series(folder, scene, syntax=syntax, bits=12, seed=3, numbers=numbers, rescale=rescales.__getitem__, SeriesDescription="AX FLAIR")
    return folder


def as_nifti(file: Path, scene: np.ndarray, order: tuple[int, ...], signs: tuple[int, ...]) -> Path:
    stored = scene.transpose(2, 1, 0).transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    to_displayed = np.zeros((4, 4))
    to_displayed[3, 3] = 1
    for axis, (source, sign) in enumerate(zip(order, signs, strict=True)):
        to_displayed[source, axis] = sign
        to_displayed[source, 3] = 0 if sign > 0 else scene.shape[2 - source] - 1
    nibabel.save(nibabel.Nifti1Image(stored, AFFINE @ to_displayed), file)
    return file


def mask_of(path: Path, out: Path) -> tuple[np.ndarray, nibabel.Nifti1Image]:
    """(Z, Y, X) bool: mask.nii.gz brought to the displayed order through its own affine; and that file."""
    document = predict_path(path, Options(out=out, save=("nifti",)))
    assert document["failed"] == []
    image = nibabel.load(out / "mask.nii.gz")
    stored = np.asarray(image.dataobj)
    if int(image.header["sform_code"]) == 0:
        return stored.transpose(2, 1, 0) > 0, image
    placed = nibabel.as_closest_canonical(image)
    ras = np.asarray(placed.dataobj)[::-1, ::-1]  # the patient's right and front first, as on the screen
    return ras.transpose(2, 1, 0) > 0, image


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def check_stored_grid(path: Path, image: nibabel.Nifti1Image) -> None:
    """That a mask lies voxel for voxel on its source."""
    grid = open_volume(scan(path).series[0]).stored
    assert image.shape == tuple(grid.shape)
    assert np.allclose(image.affine, grid.affine, atol=1e-3)


@pytest.fixture
def expected(tmp_path: Path, loads: list[str]) -> np.ndarray:  # noqa: F811
    mask, _ = mask_of(as_tiff(tmp_path / "tiff", head()), tmp_path / "tiff out")
    assert mask.any()
    return mask


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
def test_as_dicom(tmp_path: Path, expected: np.ndarray, syntax: Any) -> None:
    path = as_dicom(tmp_path / "dicom", head(), syntax)
    mask, image = mask_of(path, tmp_path / "out")
    assert dice(mask, expected) >= 0.99
    check_stored_grid(path, image)


def test_as_nifti_in_all_orders(tmp_path: Path, expected: np.ndarray) -> None:
    for number, (order, signs) in enumerate(ORDERS):
        path = as_nifti(tmp_path / f"n{number}.nii", head(), order, signs)
        mask, image = mask_of(path, tmp_path / f"out{number}")
        assert np.array_equal(mask, expected), (order, signs)
        source = nibabel.load(path)
        assert image.shape == source.shape
        assert np.allclose(image.affine, source.affine, atol=1e-3)


@pytest.mark.engine
def test_with_the_bundled_models(tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = load_models("onnx", "cpu", "float32")
    monkeypatch.setattr(predict, "load_models", lambda *_: models)
    monkeypatch.setattr(type(models), "close", lambda self: None)
    scene = open_volume(scan(sample).series[0]).voxels[14:18, ..., 1].astype(np.uint16)
    expected, _ = mask_of(as_tiff(tmp_path / "tiff", scene), tmp_path / "tiff out")
    assert expected.any()
    dicom = as_dicom(tmp_path / "dicom", scene, LOSSLESS[-2])
    for number, path in enumerate((dicom, as_nifti(tmp_path / "a.nii.gz", scene, (1, 2, 0), (-1, 1, -1)))):
        mask, image = mask_of(path, tmp_path / str(number))
        assert dice(mask, expected) >= 0.99
        check_stored_grid(path, image)
