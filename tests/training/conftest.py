"""Labelled folders made on the spot."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest


def make_patient(folder: Path, name: str, slices: int, rng: np.random.Generator, tumour: range = range(0)) -> None:
    """A patient in the data set's layout: bright discs in the dark, a brighter square where there is a tumour."""
    (folder / name).mkdir(parents=True)
    for n in range(1, slices + 1):
        image, mask = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint8)
        cv2.circle(image, (32, 32), 24, (90, 100, 110), -1)
        if n in tumour:
            y, x = rng.integers(18, 34, 2)
            image[y : y + 12, x : x + 12, 1] = 230
            mask[y : y + 12, x : x + 12] = 255
        image += rng.integers(0, 12, image.shape, dtype=np.uint8)
        cv2.imwrite(str(folder / name / f"{name}_{n}.tif"), image)
        cv2.imwrite(str(folder / name / f"{name}_{n}_mask.tif"), mask)


@pytest.fixture(scope="session")
def make_patients() -> Callable[..., Path]:
    """Writes some patients of two sites, each with the same slices that show a tumour; returns the folder."""

    def make(folder: Path, patients: int, slices: int, tumour: range) -> Path:
        rng = np.random.default_rng(0)
        for n in range(patients):
            make_patient(folder, f"TCGA_{'AB'[n % 2]}_{n:04}_19990101", slices, rng, tumour)
        return folder

    return make
