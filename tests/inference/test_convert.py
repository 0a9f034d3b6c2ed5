"""`convert` on the files that pydicom and nibabel carry: the same voxels in the same place as these libraries have them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from brainviewer.formats import Series, scan
from brainviewer.inference.predict import convert_path

pytestmark = pytest.mark.filterwarnings("ignore")

PYDICOM = Path(pydicom.__file__).parent / "data" / "test_files"
NIBABEL = Path(nibabel.__file__).parent
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def converted(path: Path, out: Path) -> dict[str, nibabel.Nifti1Image]:
    """{key: what `convert` wrote}"""
    document = convert_path(path, out, None, overwrite=False)
    return {Path(file).name.removesuffix(".nii.gz"): nibabel.load(file) for file in document["files"]}


def assert_same(ours: nibabel.Nifti1Image, theirs: nibabel.Nifti1Image) -> None:
    ours, theirs = nibabel.as_closest_canonical(ours), nibabel.as_closest_canonical(theirs)
    assert ours.shape == theirs.shape
    assert np.allclose(ours.affine, theirs.affine, atol=1e-3)
    assert np.allclose(np.asarray(ours.dataobj), np.asarray(theirs.dataobj), rtol=1e-5, atol=1e-3, equal_nan=True)


def by_pydicom(series: Series) -> nibabel.Nifti1Image | None:
    """A series of classic files as pydicom reads it, placed by the standard's equations; None where it does not place it."""
    files = [pydicom.dcmread(path) for path in series.files]
    first = files[0]
    if any(name not in one for one in files for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")):
        return None
    along, down = np.array(first.ImageOrientationPatient[:3], float), np.array(first.ImageOrientationPatient[3:], float)
    normal = np.cross(along, down)
    files.sort(key=lambda one: float(np.dot(one.ImagePositionPatient, normal)))
    start, end = (np.array(one.ImagePositionPatient, float) for one in (files[0], files[-1]))
    depth = float(first.get("SpacingBetweenSlices") or first.get("SliceThickness") or 1)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = along * float(first.PixelSpacing[1]), down * float(first.PixelSpacing[0])
    affine[:3, 2] = (end - start) / (len(files) - 1) if len(files) > 1 else normal * abs(depth)
    affine[:3, 3] = start
    slices = [one.pixel_array * float(one.get("RescaleSlope", 1)) + float(one.get("RescaleIntercept", 0)) for one in files]
    return nibabel.Nifti1Image(np.stack([one.T for one in slices], axis=-1), LPS_TO_RAS @ affine)


def placed(series: tuple[Series, ...]) -> Iterator[Series]:
    """DICOM series that both place: classic grey files without what only one of them turns round, evenly spaced."""
    for one in series:
        even = not any(word in note for note in one.notes for word in ("missing", "uneven", "MONOCHROME1"))
        if one.format == "dicom" and one.affine is not None and len(one.channels) == 1 and even and len(one.files) == one.shape[0]:
            yield one


@pytest.mark.parametrize("folder", [PYDICOM / "dicomdirtests", NIBABEL / "nicom" / "tests" / "data"], ids=["pydicom", "nibabel"])
def test_dicom_as_pydicom_has_it(tmp_path: Path, folder: Path) -> None:
    if not folder.is_dir():
        pytest.skip("the library came without its test files")
    images = converted(folder, tmp_path)
    compared = 0
    for series in placed(scan(folder).series):
        theirs = by_pydicom(series)
        if theirs is not None:
            assert_same(images[series.key], theirs)
            compared += 1
    assert compared >= 2


def test_nifti_as_nibabel_has_it(tmp_path: Path) -> None:
    compared = 0
    for number, series in enumerate(scan(NIBABEL).series):
        if series.format != "nifti" or series.affine is None or "_volume" in series.key or len(series.channels) > 1:
            continue
        theirs = nibabel.load(series.files[0])
        (ours, *_) = converted(series.files[0], tmp_path / str(number)).values()
        data = np.asarray(theirs.dataobj).reshape(*theirs.shape[:3], -1)[..., 0]
        assert_same(ours, nibabel.Nifti1Image(data.astype(np.float64), theirs.affine))
        compared += 1
    assert compared >= 5
