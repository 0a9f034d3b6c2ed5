"""Labelled scans for training: the index, the splits and what the networks are fed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import TrainingError
from ..inference import preprocess

SUFFIXES = (".tif", ".tiff")
RARE_SITE = 4


@dataclass(frozen=True, slots=True)
class Case:
    """One patient's labelled slices, in natural order.

    Attributes:
        patient: folder name; serves to split, never enters a network's input.
        site: institution, the second part of the data set's names, or "" where there is none.
        images, masks: files, pair by pair.
    """

    patient: str
    site: str
    images: tuple[Path, ...]
    masks: tuple[Path, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Slices:
    """Preprocessed slices of many cases.

    Attributes:
        images: (N, S, S, 3) float16, 0..1.
        masks: (N, S, S) uint8, 0 or 1.
        cases: (N,) int, position in the list of cases.
    """

    images: np.ndarray
    masks: np.ndarray
    cases: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """(N,) bool: whether the reference mask is not empty."""
        return self.masks.any(axis=(1, 2))


def natural(name: str) -> list:
    """Sort key that puts 2 before 10."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", name)]


def index(folder: Path, exclude: Sequence[str] = ()) -> list[Case]:
    """The cases of a folder in the data set's layout: `<patient>/<slice>.tif` with `<slice>_mask.tif`.

    Raises:
        TrainingError: if there is none.
    """
    cases = []
    for patient in sorted(path for path in Path(folder).iterdir() if path.is_dir() and path.name not in exclude):
        files = sorted((f for f in patient.iterdir() if f.suffix.lower() in SUFFIXES), key=lambda f: natural(f.name))
        names = {f.stem: f for f in files}
        pairs = [(f, names[f.stem + "_mask"]) for f in files if f.stem + "_mask" in names]
        if pairs:
            parts = patient.name.split("_")
            site = parts[1] if parts[0] == "TCGA" and len(parts) > 2 else ""
            cases.append(Case(patient.name, site, *(tuple(side) for side in zip(*pairs, strict=True))))
    if not cases:
        raise TrainingError(f'No slices with masks were found in "{folder}".', "Expected <patient>/<slice>.tif with <slice>_mask.tif beside it.")
    return cases


def read_case(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (Z, Y, X, 3) and masks (Z, Y, X) uint8 0 or 1 of a case."""
    images, masks = [], []
    for image_file, mask_file in zip(case.images, case.masks, strict=True):
        image, mask = cv2.imread(str(image_file), cv2.IMREAD_UNCHANGED), cv2.imread(str(mask_file), cv2.IMREAD_GRAYSCALE)
        for file, pixels in ((image_file, image), (mask_file, mask)):
            if pixels is None:
                raise TrainingError(f'"{file}" cannot be read.', "Remove it, or replace it, and start again.")
        if image.ndim == 2:
            image = np.repeat(image[..., np.newaxis], 3, axis=-1)
        images.append(image[..., 2::-1])
        masks.append((mask > 0).astype(np.uint8))
    return np.stack(images), np.stack(masks)


def load(cases: Sequence[Case], size: int) -> Slices:
    """All slices of all cases through the programs' own preprocessing, at `size` pixels a side."""
    images, masks, numbers = [], [], []
    for number, case in enumerate(cases):
        voxels, reference = read_case(case)
        ranges = preprocess.intensity_ranges(voxels)
        images += [preprocess.to_network(image, ranges, size).astype(np.float16) for image in voxels]
        masks += [_mask_to_network(mask, size) for mask in reference]
        numbers += [number] * len(voxels)
    return Slices(np.stack(images), np.stack(masks), np.array(numbers))


def _mask_to_network(mask: np.ndarray, size: int) -> np.ndarray:
    grid = preprocess.resample(preprocess.pad_to_square(mask[..., np.newaxis].astype(np.float32)), size)[..., 0]
    return (grid >= 0.5).astype(np.uint8)


def split_patients(cases: Sequence[Case], validation: float, seed: int) -> tuple[list[int], list[int]]:
    """Positions of the training and validation cases, stratified by site; sites with few patients count as one."""
    from sklearn.model_selection import train_test_split

    counts = Counter(case.site for case in cases)
    strata = [case.site if counts[case.site] >= RARE_SITE else "other" for case in cases]
    smallest = min(Counter(strata).values())
    stratify = strata if smallest > 1 else None
    train, held_out = train_test_split(range(len(cases)), test_size=validation, random_state=seed, stratify=stratify)
    return sorted(train), sorted(held_out)


def split_slices_leaky(labels: np.ndarray, test: float, validation: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The notebook's split: slices at random, `test` of all, then `validation` of the rest. Near-copies of each training slice stand on
    the other side, so its scores flatter; for comparison with the notebook only. Returns positions (train, validation, test)."""
    from sklearn.model_selection import train_test_split

    everything = np.arange(len(labels))
    rest, tested = train_test_split(everything, test_size=test, random_state=seed, stratify=labels)
    train, held_out = train_test_split(rest, test_size=validation, random_state=seed, stratify=labels[rest])
    return np.sort(train), np.sort(held_out), np.sort(tested)
