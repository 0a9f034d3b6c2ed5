"""A scan and its mask as a labelled case that training takes as it is, under a code in place of a name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..imaging.render import binary_picture
from ..imaging.volume import Volume
from .export import gzipped, nifti_bytes
from .writing import png_bytes, write_error

_TIFF_TYPES = ("uint8", "uint16", "int16", "uint32", "int32", "float32")
_COLOUR_TYPES = ("uint8", "uint16")


def by_slice(volume: Volume) -> bool:
    """Whether a case of this scan is written slice by slice, so that some slices can be written without the others."""
    return volume.composed or volume.format in ("tiff", "picture")


def export_case(out: Path, case: str, volume: Volume, mask: np.ndarray, slices: Sequence[int]) -> Path:
    """Writes one case into a folder of cases, in the place of what the folder holds of the same case; returns the case's folder.

    Scans of single slices, and composed ones, become `<case>/<case>_<n>.tif` with `<case>_<n>_mask.tif`, the layout of the LGG data set (`.png`
    where they are colour pictures); others `<case>/<case>.nii.gz` with `<case>_mask.nii.gz`, with the geometry of the source.

    Args:
        case: a code, safe as a file name.
        mask: (Z, Y, X) bool.
        slices: displayed indices to write: all of them, unless the scan is written `by_slice`.

    Raises:
        WriteError: if it cannot be written; what was there of the case stays.
        ValueError: if a scan in one piece is to be written in part.
    """
    if not by_slice(volume) and len(slices) != len(volume):
        raise ValueError("a scan in one piece is written whole")
    target = out / case
    with _in_place_of(target) as stage:
        if by_slice(volume):
            _write_slices(stage, case, volume, mask, slices)
        else:
            voxels = volume.voxels.astype(np.float32) if volume.voxels.dtype == np.float16 else volume.voxels
            rgb = volume.channels == ("red", "green", "blue")
            (stage / f"{case}.nii.gz").write_bytes(gzipped(nifti_bytes(voxels, volume, rgb=rgb)))
            (stage / f"{case}_mask.nii.gz").write_bytes(gzipped(nifti_bytes(mask[..., np.newaxis].astype(np.uint8), volume)))
    return target


def _write_slices(stage: Path, case: str, volume: Volume, mask: np.ndarray, slices: Sequence[int]) -> None:
    import tifffile

    colours = volume.voxels.shape[-1] == 3
    convert = _converter(volume.voxels, _COLOUR_TYPES if colours else _TIFF_TYPES)
    for z in slices:
        name, picture = f"{case}_{z + 1}", convert(volume[z])
        if colours and not volume.composed:
            (stage / f"{name}.png").write_bytes(png_bytes(picture))
            (stage / f"{name}_mask.png").write_bytes(png_bytes(binary_picture(mask[z])))
        else:
            tifffile.imwrite(
                stage / f"{name}.tif", picture if colours else picture[..., 0], photometric="rgb" if colours else "minisblack", metadata=None
            )
            tifffile.imwrite(stage / f"{name}_mask.tif", binary_picture(mask[z]), photometric="minisblack", metadata=None)


def _converter(voxels: np.ndarray, types: Sequence[str]) -> Callable[[np.ndarray], np.ndarray]:
    """Leaves slices as they are where the type can be written; else spreads the scan's values over 16 bits, which the networks do not notice."""
    if voxels.dtype.name in types:
        return np.ascontiguousarray
    low, high = float(np.nanmin(voxels)), float(np.nanmax(voxels))
    scale = 65535 / (high - low) if high > low else 1.0
    return lambda slice_: np.rint(np.nan_to_num((slice_.astype(np.float64) - low) * scale, nan=0.0, posinf=65535, neginf=0)).astype(np.uint16)


@contextmanager
def _in_place_of(target: Path) -> Iterator[Path]:
    """A folder to write into, that takes the place of another when the block ends well and vanishes when it does not.

    Raises:
        WriteError: where something cannot be written.
    """
    stage = target.with_name(f".{target.name}.{os.getpid()}.part")
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    try:
        stage.mkdir(parents=True)
        yield stage
        if target.exists():
            os.replace(target, old)
        os.replace(stage, target)
    except OSError as error:
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise write_error(target, error) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
