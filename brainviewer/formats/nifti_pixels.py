"""The voxels of NIfTI files as values: read or inflated piece by piece, in native byte order, scaled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import ReadError
from ..imaging.orientation import Arrangement
from . import gzipped
from .nifti_header import NiftiFile, NiftiHeader
from .series import Progress, reason

_PIECE_BYTES = 1 << 22


def read_volume(file: NiftiFile, number: int, progress: Progress) -> np.ndarray:
    """One volume's values in the stored axis order, (I, J, K) or (I, J, K, 3), native byte order.

    Raises:
        ReadError: with the file's name.
    """
    header = file.header
    start = header.offset + number * header.volume_bytes
    pieces = (gzipped.read_part if file.zipped else _plain_parts)(file.voxels_path, start, header.volume_bytes)
    raw = np.empty(0, np.uint8)
    while True:
        try:
            filled, raw = next(pieces)
        except StopIteration:
            break
        except gzipped.Damaged as error:
            raise ReadError(f'"{file.voxels_path.name}" could not be read: {error}.', "Copy or download the file again.") from error
        except (OSError, MemoryError) as error:
            why = reason(error) if isinstance(error, OSError) else "there is not enough memory"
            raise ReadError(f'"{file.voxels_path.name}" could not be read: {why}.') from error
        progress(filled, header.volume_bytes)
    return _values(raw.view(header.stored).reshape(header.shape, order="F"), header)


def _plain_parts(path: Path, start: int, size: int) -> Iterator[tuple[int, np.ndarray]]:
    with open(path, "rb", buffering=0) as stream:
        available = os.fstat(stream.fileno()).st_size - start
        if available < size:
            raise gzipped.Damaged(f"it is cut short ({max(available, 0):,} of {size:,} bytes)")
        stream.seek(start)
        target = np.empty(size, np.uint8)
        filled = 0
        while filled < size:
            got = stream.readinto(target[filled : filled + _PIECE_BYTES].data)
            if not got:
                raise gzipped.Damaged(f"it is cut short ({filled:,} of {size:,} bytes)")
            filled += got
            yield filled, target


def _values(stored: np.ndarray, header: NiftiHeader) -> np.ndarray:
    """Stored voxels to the values they stand for, in native byte order."""
    if header.colour:
        return np.stack([stored[name] for name in ("R", "G", "B")], axis=-1)
    if not stored.dtype.isnative:
        stored = stored.byteswap(inplace=stored.flags.writeable).view(stored.dtype.newbyteorder("="))
    if stored.dtype.kind == "c":
        values = stored * header.slope + header.inter if header.scaled else stored
        return np.abs(values).astype(header.value_dtype, copy=False)
    values = stored.astype(header.value_dtype, copy=False)
    if header.scaled:
        with np.errstate(all="ignore"):
            values *= header.value_dtype.type(header.slope)
            values += header.value_dtype.type(header.inter)
    return values


def read_slice(file: NiftiFile, number: int, arrangement: Arrangement, z: int) -> np.ndarray:
    """One displayed slice (Y, X, C) of an uncompressed file."""
    header = file.header
    try:
        stored = np.memmap(file.voxels_path, header.stored, "r", header.offset + number * header.volume_bytes, header.shape, order="F")
    except (OSError, ValueError) as error:
        raise ReadError(f'"{file.voxels_path.name}" could not be read: it is cut short.') from error
    slice_ = arrangement.grid.display(stored)[z]
    values = _values(np.array(slice_)[np.newaxis], header)[0]
    return values if header.colour else values[..., np.newaxis]
