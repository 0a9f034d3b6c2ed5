"""The measure behind the fit score, on features whose structure is known and on an engine that sees what a scan is."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from brainviewer.imaging.volume import Volume
from brainviewer.inference.fit import distances, likeness, scan_distance
from brainviewer.training import known

pytest.importorskip("sklearn")


def test_axes_measure_what_is_far() -> None:
    rng = np.random.default_rng(0)
    training = rng.normal(size=(400, 100)) * np.linspace(3, 0.1, 100)
    arrays = known.axes_of(training)
    arguments = (arrays["mean"], arrays["axes"], arrays["scale"], float(arrays["rest"]))
    near = distances(rng.normal(size=(50, 100)) * np.linspace(3, 0.1, 100), *arguments)
    far = distances(rng.normal(size=(50, 100)) * 6 + 10, *arguments)
    assert near.max() < far.min()
    assert scan_distance(near) == pytest.approx(np.median(near))


def test_forms_of_a_scan() -> None:
    voxels = np.random.default_rng(0).integers(0, 200, (3, 8, 8, 3)).astype(np.uint8)
    made = known.forms(voxels)
    assert len(made) == 6
    assert [form for form in made if form in known.KNOWN] == [known.AS_GIVEN, known.FLAIR_ALONE]
    assert np.array_equal(made["pre-contrast T1 alone"][..., 2], voxels[..., 0])
    voxels[..., 2] = voxels[..., 1]  # the data set's way to say that there is no post-contrast T1
    assert set(known.forms(voxels)) == {known.AS_GIVEN, known.FLAIR_ALONE, "inverted", "pre-contrast T1 alone"}
    assert set(known.forms(voxels[..., :1])) == {known.AS_GIVEN, "inverted"}


class Eye:
    """An engine whose features are coarse pixels, enough to tell one form of a scan from another."""

    def __call__(self, batch: np.ndarray) -> Mapping[str, np.ndarray]:
        return {"features": batch[:, ::8, ::8].reshape(len(batch), -1)}


def head(seed: int) -> Volume:
    """Ten slices of a disc in which FLAIR, and only it, has a dark middle and a bright rim."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64] - 31.5
    radius = np.hypot(x, y)
    voxels = np.stack([(radius < 28) * 120, (radius < 28) * 60 + ((radius < 28) & (radius > 16)) * 120, (radius < 28) * 150], axis=-1)
    voxels = np.clip(voxels[np.newaxis] + rng.integers(0, 20, (10, 64, 64, 3)), 0, 255).astype(np.uint8)
    names = tuple(map(str, range(10)))
    return Volume(voxels, None, ("pre", "flair", "post"), Path("scan"), "scan", "tiff", names, names)


def test_what_is_known_scores_high_and_other_forms_low() -> None:
    training = known.look([head(n) for n in range(6)], Eye(), 64, every=2, seed=0)  # type: ignore[arg-type]
    validation = known.look([head(n) for n in range(10, 13)], Eye(), 64)  # type: ignore[arg-type]
    arrays, edge = known.measure(training, validation)
    assert edge > 0
    for one in known.look([head(20)], Eye(), 64):  # type: ignore[arg-type]
        score = likeness(one.features, arrays["weights"], float(arrays["bias"]))
        assert score > 0.6 if one.known else score < 0.4, one.form
