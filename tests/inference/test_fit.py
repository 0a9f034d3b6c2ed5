"""The bundled fit score on the sample in forms that the models know and forms that they do not."""

from pathlib import Path

import numpy as np
import pytest

from brainviewer import paths
from brainviewer.formats import open_volume, scan
from brainviewer.imaging.prediction import AMBER_FIT
from brainviewer.inference import preprocess
from brainviewer.inference.bundle import choose_bundle
from brainviewer.inference.fit import fit_note, fit_of
from brainviewer.inference.onnx_engine import OnnxEngine

pytestmark = pytest.mark.engine
SLICES = range(8, 24, 5)


@pytest.fixture(scope="module")
def fit() -> object:
    """The score of some voxels (Z, Y, X, C), from a few of their slices, with its sentence."""
    bundle = choose_bundle(paths.bundled_models(), "classify")
    engine = OnnxEngine(bundle, device="cpu")

    def of(voxels: np.ndarray) -> tuple[float, str]:
        ranges = preprocess.intensity_ranges(voxels)
        chosen = [z for z in SLICES if z < len(voxels)] or [0]
        features = {z: engine(preprocess.to_network(voxels[z], ranges, bundle.size)[np.newaxis])["features"][0] for z in chosen}
        score = fit_of(bundle, features)
        return score, fit_note(bundle, score)

    return of


def test_a_t1_alone_an_inverted_scan_and_a_picture_of_no_head_get_a_sentence(fit: object) -> None:
    (series,) = scan(paths.resource("sample")).series
    voxels = open_volume(series).voxels
    known = {"as it is": voxels, "FLAIR alone": voxels[..., 1:2], "other units": voxels.astype(np.float32) * 3 + 7}
    picture = Path(pytest.importorskip("sklearn.datasets").__file__).parent / "images" / "china.jpg"
    (photograph,) = scan(picture).series
    foreign = {
        "T1 alone": voxels[..., 0:1],
        "contrast T1 alone": voxels[..., 2:3],
        "inverted": voxels.max() - voxels,
        "a photograph": open_volume(photograph).voxels,
    }
    for name, one in known.items():
        score, note = fit(one)  # type: ignore[operator]
        assert score >= AMBER_FIT, name
        assert not note
    for name, one in foreign.items():
        score, note = fit(one)  # type: ignore[operator]
        assert score < AMBER_FIT, name
        assert "does not resemble" in note
