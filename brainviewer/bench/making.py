"""Scans to measure on, made from the sample that comes with the program."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import tifffile

from ..formats import export, open_volume, scan
from ..imaging.volume import Volume
from ..inference.selftest import sample_scan


def sample() -> Volume:
    """The sample scan, read."""
    return open_volume(scan(sample_scan()).series[0])


def large_series(folder: Path, slices: int, size: int = 512) -> Path:
    """A NIfTI file of that many slices of `size` x `size`, 16 bits, no two alike: the sample's FLAIR again and again, with noise."""
    flair, random = sample().voxels[..., 1], np.random.default_rng(1)
    voxels = np.empty((slices, size, size), np.uint16)
    for z in range(slices):
        large = cv2.resize(flair[z % len(flair)], (size, size), interpolation=cv2.INTER_LINEAR).astype(np.float32) * 16
        voxels[z] = np.clip(large + random.normal(0, 4, large.shape), 0, None)
    names = tuple(str(z) for z in range(slices))
    affine = np.diag([0.5, 0.5, 1.0, 1.0])
    whole = Volume(voxels[..., np.newaxis], affine, ("value",), folder, "large", "nifti", names, names, plane="axial")
    file = folder / "large.nii"
    file.write_bytes(export.nifti_bytes(whole.voxels, whole))
    return file


def small_scans(folder: Path, count: int, slices: int) -> Path:
    """Folders of TIFF slices, each another part of the sample with other noise."""
    voxels, random = sample().voxels, np.random.default_rng(2)
    for number in range(count):
        own = folder / f"scan_{number:03d}"
        own.mkdir(parents=True)
        first = int(random.integers(0, len(voxels) - slices + 1))
        for z in range(slices):
            noise = random.integers(0, 3, voxels.shape[1:], np.uint8)
            tifffile.imwrite(own / f"slice_{z:02d}.tif", np.minimum(voxels[first + z], 252) + noise)
    return folder
