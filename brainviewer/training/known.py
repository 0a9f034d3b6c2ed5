"""What the classifier knows: the measure behind the fit score (`inference.fit`), from training scans and validated on others.

Only the data set's own scans are needed: the forms of a scan that the networks were never taught (a T1 alone, sequences in each other's
place, inverted intensities) are made from it, so a user's retrained classifier gets its measure too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..imaging.volume import Volume
from ..inference import preprocess
from ..inference.engine import Engine
from ..inference.fit import distances, scan_distance
from .augment import augment

PRINCIPAL_AXES = 64
KNOWN_SHARE = 95
"""Share of the validation scans, in the forms that are known, which lie no farther out than what counts as known."""
REGULARISATION = 1e-3
AS_GIVEN, FLAIR_ALONE, AUGMENTED = "as given", "FLAIR alone", "augmented"
KNOWN = (AS_GIVEN, FLAIR_ALONE, AUGMENTED)


@dataclass(frozen=True, eq=False, slots=True)
class Looked:
    """Features of some slices of one scan in one form.

    Attributes:
        form: what was done to the scan.
        features: (N, F) float32.
    """

    form: str
    features: np.ndarray

    @property
    def known(self) -> bool:
        return self.form in KNOWN


def forms(voxels: np.ndarray) -> dict[str, np.ndarray]:
    """A scan (Z, Y, X, C) as it is and in other forms; those that would equal one another are left out."""
    made = {AS_GIVEN: voxels, "inverted": voxels.max() - voxels}
    if voxels.shape[-1] == 1:
        return made
    pre, flair, post = (voxels[..., channel : channel + 1] for channel in range(3))
    made[FLAIR_ALONE] = np.repeat(flair, 3, axis=-1)
    others = {"pre-contrast T1 alone": pre, "post-contrast T1 alone": post}
    made |= {name: np.repeat(one, 3, axis=-1) for name, one in others.items() if not np.array_equal(one, flair)}
    if len(made) == 3 + len(others):
        made["sequences in each other's place"] = voxels[..., (1, 0, 2)]
    return made


def look(volumes: Sequence[Volume], classifier: Engine, size: int, every: int = 1, seed: int | None = None) -> list[Looked]:
    """The classifier's features of every n-th slice of each volume in each form.

    Args:
        size: of the classifier's input.
        seed: where given, slices in the forms that are known are looked at a second time, augmented, so that the regression does not take
            one scanner's contrast for what is known.
    """
    rng = np.random.default_rng(seed)
    looked = []
    for number, volume in enumerate(volumes):
        chosen = range(number % every, len(volume), every)
        for form, voxels in forms(volume.voxels).items():
            ranges = preprocess.intensity_ranges(voxels)
            images = [preprocess.to_network(voxels[z], ranges, size) for z in chosen]
            looked.append(Looked(form, _features(images, classifier)))
            if seed is not None and form in KNOWN:
                nothing = np.zeros((size, size), np.uint8)
                looked.append(Looked(AUGMENTED, _features([augment(image, nothing, rng, substitution=0.0)[0] for image in images], classifier)))
    return looked


def _features(images: Sequence[np.ndarray], classifier: Engine) -> np.ndarray:
    return np.stack([classifier(image[np.newaxis])["features"][0] for image in images])


def measure(training: Sequence[Looked], validation: Sequence[Looked]) -> tuple[dict[str, Any], float]:
    """What `inference.fit` needs: the arrays, and the distance up to which a scan counts as known."""
    known = axes_of(np.concatenate([one.features for one in training if one.form in (AS_GIVEN, FLAIR_ALONE)]))
    arguments = (known["mean"], known["axes"], known["scale"], float(known["rest"]))
    far = [scan_distance(distances(one.features, *arguments)) for one in validation if one.known]
    weights, bias = regression(training, validation)
    return known | {"weights": weights, "bias": bias}, float(np.percentile(far, KNOWN_SHARE))


def axes_of(training: np.ndarray) -> dict[str, Any]:
    """Mean and principal axes of the training slices' features (N, F), with the spread along and beside them."""
    mean = training.mean(axis=0, dtype=np.float64)
    centred = training - mean
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:PRINCIPAL_AXES]
    scale = singular[:PRINCIPAL_AXES] / np.sqrt(len(training))
    left = np.square(centred).sum(axis=1) - np.square(centred @ axes.T).sum(axis=1)
    return {
        "mean": mean.astype(np.float32),
        "axes": axes.astype(np.float32),
        "scale": scale.astype(np.float32),
        # Few slices leave nothing over; a floor keeps what is beside the axes from counting without end.
        "rest": np.float32(np.sqrt(max(left.mean(), 1e-3 * np.square(centred).sum(axis=1).mean()))),
    }


def regression(training: Sequence[Looked], validation: Sequence[Looked]) -> tuple[np.ndarray, np.float32]:
    """Weights (F,) and bias of the regression that tells known from unknown forms: fitted on training slices, its certainty on validation scans."""
    from sklearn.linear_model import LogisticRegression

    rows = np.concatenate([one.features for one in training]).astype(np.float64)
    known = np.concatenate([np.full(len(one.features), one.known) for one in training])
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    fitted = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=500).fit((rows - mean) / spread, known)
    weights = fitted.coef_[0] / spread
    medians = np.array([np.median(one.features @ weights) for one in validation])[:, np.newaxis]
    certain = LogisticRegression(C=1.0, class_weight="balanced").fit(medians, [one.known for one in validation])
    factor = float(certain.coef_[0, 0])
    return (weights * factor).astype(np.float32), np.float32(certain.intercept_[0])
