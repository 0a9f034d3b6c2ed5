"""How well a scan resembles what the models know, from the classifier's features.

Two questions are asked, and the lower answer counts. How far out: the bundle keeps the mean and the principal axes of the training slices'
features, and the distances of its validation scans; the answer is 1 while a scan lies no farther out than they do and falls towards 0 beyond
(Mahalanobis distance in the space of the principal axes plus the part that the axes cannot explain; Lee et al. 2018 use the same distance to
tell foreign pictures). Which kind: a logistic regression tells the scans that the models know from the same scans in forms that they do not
know (a T1 alone, sequences in each other's place, inverted): those lie no farther out, but elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from ..imaging.prediction import AMBER_FIT
from .bundle import ModelBundle, Weights
from .postprocess import sigmoid


def distances(features: np.ndarray, mean: np.ndarray, axes: np.ndarray, scale: np.ndarray, rest: float) -> np.ndarray:
    """(N,) distance of each slice's features (N, F) from the training slices.

    Args:
        mean: (F,) of the training features.
        axes: (K, F) principal axes.
        scale: (K,) standard deviations along them.
        rest: standard deviation of what is left over.
    """
    centred = features - mean
    along = centred @ axes.T
    left = np.square(centred).sum(axis=1) - np.square(along).sum(axis=1)
    return np.sqrt(np.square(along / scale).mean(axis=1) + np.maximum(left, 0) / rest**2)


def scan_distance(values: np.ndarray) -> float:
    """One number of a scan's slices: the median, which a few odd slices at the ends do not move."""
    return float(np.median(values))


def fit_of(bundle: ModelBundle, features: dict[int, np.ndarray]) -> float | None:
    """0..1, or None where the bundle keeps no measure of it or the engine gave no features."""
    stored = bundle.details.get("fit")
    if not stored or not features:
        return None
    entry = bundle.details["files"]["fit"]
    rows = np.stack([features[z] for z in sorted(features)])
    arrays = _arrays(str(bundle.path(Weights(**entry))), entry["sha256"])
    values = distances(rows, arrays["mean"], arrays["axes"], arrays["scale"], float(arrays["rest"]))
    kind = likeness(rows, arrays["weights"], float(arrays["bias"])) if "weights" in arrays else 1.0
    return min(kind, score(scan_distance(values), stored["known"], stored["foreign"]))


@lru_cache(maxsize=4)
def _arrays(path: str, sha256: str) -> dict[str, np.ndarray]:
    """What a bundle keeps of the scans that it knows; the hash is there for a file that another one has taken the place of."""
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def likeness(features: np.ndarray, weights: np.ndarray, bias: float) -> float:
    """0..1: how surely a scan of these slices' features (N, F) comes in a form that the models know, by the regression's (F,) weights."""
    return float(sigmoid(np.array(np.median(features @ weights) + bias)))


def score(distance: float, known: float, foreign: float) -> float:
    """1 up to `known` (as far out as validation scans lie), 0.5 at `foreign`, and on towards 0, halving with every further step."""
    if distance <= known:
        return 1.0
    return float(0.5 ** ((distance - known) / (foreign - known)))


def foreign_by_tags(facts: Mapping[str, str]) -> str:
    """What a scan's own tags say that it is, where that is nothing that a model of the brain in MRI knows, or "".

    Features alone do not tell every other part of the body from a head; only terms are believed that mean one for certain.

    Args:
        facts: of a `Volume`.
    """
    part, modality = facts.get("Body part", ""), facts.get("Modality", "")
    if re.sub(r"[^A-Z]", "", part.upper()) in OTHER_PARTS:
        return part
    return modality if modality in OTHER_MODALITIES else ""


_OTHER_PARTS = """
ABDOMEN ABDOMENPELVIS ADRENAL ANKLE AORTA ARM BLADDER BREAST CALF CERVICALSPINE CHEST CHESTABDOMEN CHESTABDPELVIS CLAVICLE COCCYX COLON CSPINE
CTSPINE ELBOW ESOPHAGUS EXTREMITY FEMUR FINGER FOOT FOREARM HAND HEART HIP HUMERUS KIDNEY KNEE LEG LIVER LOWEREXTREMITY LOWERLEG LSPINE LSSPINE
LUMBARSPINE LUNG NECK PANCREAS PELVIS PROSTATE RECTUM RIB SCAPULA SHOULDER SPINE SPLEEN SSPINE STERNUM STOMACH TESTIS THIGH THORACICSPINE THORAX
THUMB THYROID TLSPINE TOE TSPINE UPPERARM UPPEREXTREMITY UTERUS WHOLEBODY WRIST
"""
OTHER_PARTS = frozenset(_OTHER_PARTS.split())
"""Terms of DICOM's table of body parts (PS3.16, annex L) without a brain in the picture, and what is usually written in their place."""
OTHER_MODALITIES = frozenset({"CR", "CT", "DX", "MG", "NM", "OPT", "PT", "RF", "US", "XA"})


def fit_note(bundle: ModelBundle, fit: float | None, foreign: str = "") -> str:
    """A sentence for the user where the scan does not resemble what the models know.

    Args:
        foreign: of `foreign_by_tags`.
    """
    known = bundle.details.get("fit", {}).get("words", "the MRI scans that the models were trained on")
    if foreign:
        return f'Its tags say "{foreign}": it is not {known}, and their answer may mean nothing.'
    if fit is None or fit >= AMBER_FIT:
        return ""
    return f"This scan does not resemble {known}: the models' answer may mean nothing."
