"""NIfTI-1 and NIfTI-2, one file or a pair, gzipped or not, through nibabel's headers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ..imaging.orientation import Arrangement, arrange, plane_refusal
from ..imaging.volume import MaskFile, Volume
from . import gzipped
from .nifti_header import NiftiFile, NiftiHeader, NotNifti, looks_like_nifti, read_header
from .nifti_masks import masks_of
from .nifti_pixels import read_slice, read_volume
from .sequence import guess_sequence
from .series import Ignored, Progress, Series, key_for, reason, relative_name, silent, slice_stems, stem_of

SUFFIXES = (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz")

MOST_VOLUMES_LISTED = 16
"""Of a file with more volumes (a time series) only the first is listed."""


class NiftiReader:
    """The reader of NIfTI files (see `series.Reader`)."""

    name = "nifti"

    def claims(self, path: Path, head: bytes) -> bool:
        if path.name.lower().endswith(SUFFIXES):
            return True
        return looks_like_nifti(gzipped.inflate_head(head) or head)

    def scan(self, root: Path, files: Sequence[Path], progress: Progress) -> tuple[list[Series], list[Ignored]]:
        found: list[NiftiFile] = []
        ignored: list[Ignored] = []
        for number, (header_path, voxels_path) in enumerate(_pairs(files)):
            progress(number, len(files))
            try:
                found.append(_look(header_path, voxels_path))
            except NotNifti as error:
                ignored.append(Ignored(relative_name(root, header_path or voxels_path), str(error)))
            except OSError as error:
                ignored.append(Ignored(relative_name(root, header_path or voxels_path), f"It cannot be read: {reason(error)}."))
        masks = masks_of(found)
        taken = {id(mask) for mask in masks.values()}
        series = [one for file in found if id(file) not in taken for one in _series_of(root, file, masks.get(id(file)))]
        return series, ignored


READER = NiftiReader()


# --- listing -------------------------------------------------------------------------------------------------------------------------------


def _pairs(files: Sequence[Path]) -> Iterator[tuple[Path | None, Path]]:
    """(header, voxels) of each image; the header is None where an .img has none. A pair is met once, whichever half was opened."""
    seen: set[Path] = set()
    for file in files:
        lower = file.name.lower()
        bare = lower.removesuffix(".gz")
        if not bare.endswith((".hdr", ".img")):
            yield file, file
            continue
        header = file if bare.endswith(".hdr") else _other_half(file, ".hdr")
        voxels = file if bare.endswith(".img") else _other_half(file, ".img")
        if header is None:
            yield None, file
        elif header not in seen:
            seen.add(header)
            yield header, voxels or header


def _other_half(file: Path, suffix: str) -> Path | None:
    stem = stem_of(file.name)
    upper = stem_of(file.name) != file.name and file.name[len(stem) :].isupper()
    for ending in (suffix, suffix + ".gz"):
        other = file.with_name(stem + (ending.upper() if upper else ending))
        if other.is_file():
            return other
    return None


def _look(header_path: Path | None, voxels_path: Path) -> NiftiFile:
    if header_path is None:
        raise NotNifti("Its header file (.hdr) is missing.")
    header = read_header(header_path)
    if header.paired and header_path == voxels_path:
        raise NotNifti("The file with its voxels (.img) is missing.")
    if not header.paired:
        voxels_path = header_path
    file = NiftiFile(header_path, voxels_path, header)
    size, needed = voxels_path.stat().st_size, header.offset + header.volume_bytes
    most = gzipped.MOST_INFLATED * size if file.zipped else size
    if needed > most:
        kind = "It is far too small" if file.zipped else f"It is cut short ({size:,} of {needed:,} bytes)"
        shape = " x ".join(map(str, header.shape))
        raise NotNifti(f"{kind}: its header announces {shape} voxels.")
    return file


def _series_of(root: Path, file: NiftiFile, mask: NiftiFile | None) -> Iterator[Series]:
    """One series a volume, the first under the file's own key."""
    header = file.header
    arrangement = arrange(header.shape, header.affine, header.spacing)
    opened = root if root == file.voxels_path else file.path
    stem, key = stem_of(file.path.name), key_for(root, opened, is_file=True)
    listed = header.volumes if header.volumes <= MOST_VOLUMES_LISTED else 1
    folder = "" if file.path.parent == root.parent else file.path.parent.name
    sequence = guess_sequence(stem) or guess_sequence(folder)
    for number in range(listed):
        notes = list(header.notes)
        if header.volumes > 1:
            others = "the others are listed beside it" if listed > 1 else "only this one is shown"
            notes.append(f"The file holds {header.volumes:,} volumes; this is volume {number + 1}, and {others}.")
        yield Series(
            key=key if number == 0 else f"{key}_volume{number + 1}",
            format="nifti",
            description=stem if header.volumes == 1 else f"{stem}, volume {number + 1} of {header.volumes:,}",
            modality="",
            sequence=sequence,
            source=relative_name(root, opened),
            shape=arrangement.shape,
            channels=("red", "green", "blue") if header.colour else ("grey",),
            dtype=str(header.value_dtype),
            spacing_mm=arrangement.spacing,
            affine=arrangement.affine,
            plane=arrangement.plane,
            axes=arrangement.axes,
            order_by="position" if arrangement.affine is not None else "name",
            reference=mask is not None,
            files=(file.path,) if file.path == file.voxels_path else (file.path, file.voxels_path),
            notes=tuple(notes),
            open=partial(_open, root, file, number, arrangement, mask, key if number == 0 else f"{key}_volume{number + 1}", tuple(notes)),
            peek=None if file.zipped else partial(read_slice, file, number, arrangement),
            refusal=_refusal(header, arrangement),
        )


# --- pixels --------------------------------------------------------------------------------------------------------------------------------


def _open(
    root: Path, file: NiftiFile, number: int, arrangement: Arrangement, mask: NiftiFile | None, key: str, notes: tuple[str, ...], progress: Progress
) -> Volume:
    stored = read_volume(file, number, progress)
    voxels = arrangement.grid.display(stored)
    voxels = voxels if file.header.colour else voxels[..., np.newaxis]
    if voxels.dtype.kind == "f" and (strange := _count_strange(stored)):
        notes = (*notes, f"{strange:,} voxels are not numbers or infinite.")
    reference = None
    slices = arrangement.shape[0]
    mask_files: tuple[MaskFile, ...] = ()
    if mask is not None:
        values = read_volume(mask, 0, silent)
        reference = arrangement.grid.display(values > 0)
        levels = max(2, np.unique(values).size)
        more = f"; it has {levels} values, all above 0 count" if levels > 2 else ""
        notes = (*notes, f'The mask "{mask.path.name}" is shown as the reference{more}.')
        mask_files = (MaskFile(relative_name(root, mask.path), levels),) * slices
    return Volume(
        voxels=voxels,
        affine=arrangement.affine,
        channels=("red", "green", "blue") if file.header.colour else ("grey",),
        source=file.path,
        key=key,
        format="nifti",
        sources=(relative_name(root, file.path),) * slices,
        stems=slice_stems(key, slices),
        plane=arrangement.plane,
        reference=reference,
        mask_files=mask_files,
        stored=arrangement.grid,
        description=stem_of(file.path.name),
        notes=notes,
        facts=_facts(file.header),
        voxel_mm=arrangement.spacing if arrangement.affine is None else None,
        refusal=_refusal(file.header, arrangement),
    )


def _refusal(header: NiftiHeader, arrangement: Arrangement) -> str:
    """Why the scan must not be analysed, or ""."""
    return "The scan is in colour; the models know grey MRI slices only." if header.colour else plane_refusal(arrangement.plane)


def _facts(header: NiftiHeader) -> dict[str, str]:
    return {"Stored as": f"{header.stored.newbyteorder('=') if not header.colour else 'colour'}, {' x '.join(map(str, header.shape))}"}


def _count_strange(voxels: np.ndarray) -> int:
    """Of NaN and infinite values, slab by slab, so that no second volume is needed for the question."""
    return sum(int(slab.size - np.count_nonzero(np.isfinite(slab))) for slab in np.moveaxis(voxels, 2, 0))
