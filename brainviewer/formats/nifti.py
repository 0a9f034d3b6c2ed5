"""NIfTI-1 and NIfTI-2, one file or a pair, gzipped or not, through nibabel's headers."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import ReadError
from ..imaging.orientation import Arrangement, arrange, plane_refusal
from ..imaging.volume import MaskFile, Volume
from . import gzipped
from .nifti_header import NiftiHeader, NotNifti, looks_like_nifti, read_header
from .sequence import guess_sequence
from .series import Ignored, Progress, Series, key_for, reason, relative_name, slice_stems, stem_of

SUFFIXES = (".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz")

MOST_VOLUMES_LISTED = 16
"""Of a file with more volumes (a time series) only the first is listed."""

_PIECE_BYTES = 1 << 22
_READ_AT_ONCE = 4
_MASK_WORD = re.compile(r"(seg(mentation)?|mask|label|lesion_?map)(s|tr|ts){0,2}(?![a-z])", re.IGNORECASE)
_BRAIN_WORD = re.compile(r"(brain|bet|skull|head)[-_. ]?mask", re.IGNORECASE)
_MOST_LABELS = 16


@dataclass(frozen=True, eq=False, slots=True)
class NiftiFile:
    """One image: its header, and where its voxels are (the same file unless they are a pair)."""

    path: Path
    voxels_path: Path
    header: NiftiHeader

    @property
    def zipped(self) -> bool:
        """Whether the voxels are gzipped, whatever the suffix says."""
        with open(self.voxels_path, "rb") as stream:
            return stream.read(2) == gzipped.MAGIC


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
        masks = _masks(found)
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
            peek=None if file.zipped else partial(_peek, file, number, arrangement),
            refusal=_refusal(header, arrangement),
        )


def _masks(files: list[NiftiFile]) -> dict[int, NiftiFile]:
    """For each image (by `id`) the mask that belongs to it: same grid, few labels, a name that says so and begins like the image's."""
    candidates = [file for file in files if _may_be_mask(file)]
    images = [file for file in files if not any(file is mask for mask in candidates)]
    related = [(image, mask, rank) for image, mask, rank in _related(images, candidates) if _same_grid(image.header, mask.header)]
    asked = list({id(mask): mask for _, mask, _ in related}.values())
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        is_mask = dict(zip(map(id, asked), pool.map(_few_labels, asked), strict=True))
    best: dict[int, tuple[int, NiftiFile]] = {}
    for image, mask, rank in related:
        if is_mask[id(mask)] and rank > best.get(id(image), (-1, mask))[0]:
            best[id(image)] = rank, mask
    return {image: mask for image, (_, mask) in best.items()}


def _may_be_mask(file: NiftiFile) -> bool:
    return named_as_mask(file.path) and not file.header.colour and file.header.volumes == 1


def named_as_mask(path: Path) -> bool:
    """Whether a file's name, or its folder's, says that it holds a mask of a lesion."""
    stem = stem_of(path.name)
    named = _MASK_WORD.search(stem) or _MASK_WORD.fullmatch(re.sub(r"[^a-zA-Z_]", "", path.parent.name))
    return bool(named) and not _BRAIN_WORD.search(stem)


def _related(images: list[NiftiFile], masks: list[NiftiFile]) -> Iterator[tuple[NiftiFile, NiftiFile, int]]:
    """Images and masks that belong together by their names and folders alone, and how surely: the longer the shared name, the surer.

    A mask's name without the word that makes it one begins like the image's, or the image's like it; a bare word ("seg") goes with all images
    of its folder. Both lie in one folder, or in two folders side by side.
    """
    by_base: dict[str, list[NiftiFile]] = defaultdict(list)
    by_beginning: dict[str, list[NiftiFile]] = defaultdict(list)
    for mask in masks:
        base = _plain_name(_MASK_WORD.sub("", stem_of(mask.path.name)))
        by_base[base].append(mask)
        for beginning in _beginnings(base)[:-1]:
            by_beginning[beginning].append(mask)
    for image in images:
        name = _plain_name(stem_of(image.path.name))
        found = [(mask, 1 + len(base)) for base in _beginnings(name) for mask in by_base.get(base, ())]
        found += [(mask, 1 + len(name)) for mask in by_beginning.get(name, ())]
        found += [(mask, 0) for mask in by_base.get("", ()) if mask.path.parent == image.path.parent]
        for mask, rank in found:
            if mask.path.parent == image.path.parent or mask.path.parent.parent == image.path.parent.parent:
                yield image, mask, rank


def _plain_name(name: str) -> str:
    return re.sub(r"[-_. ]+", "_", name.casefold()).strip("_")


def _beginnings(name: str) -> list[str]:
    """`a`, `a_b`, `a_b_c` of `a_b_c`; none of an empty name."""
    parts = name.split("_")
    return ["_".join(parts[: number + 1]) for number in range(len(parts))] if name else []


def _same_grid(image: NiftiHeader, mask: NiftiHeader) -> bool:
    if image.shape != mask.shape:
        return False
    if image.affine is None or mask.affine is None:
        return image.affine is mask.affine
    corners = np.array([[i, j, k, 1] for i in (0, image.shape[0]) for j in (0, image.shape[1]) for k in (0, image.shape[2])]).T
    return bool(np.abs((image.affine - mask.affine) @ corners).max() < 0.1)


def _few_labels(mask: NiftiFile) -> bool:
    """Whether a volume's values are few and whole."""
    try:
        voxels = _read(mask, 0, lambda done, total: None)
    except ReadError:
        return False
    values = np.unique(voxels[:: max(1, voxels.shape[0] // 64)])
    if values.size > _MOST_LABELS:
        return False
    values = np.unique(voxels)
    return values.size <= _MOST_LABELS and bool(np.all(values == np.round(values)))


# --- pixels --------------------------------------------------------------------------------------------------------------------------------


def _open(
    root: Path, file: NiftiFile, number: int, arrangement: Arrangement, mask: NiftiFile | None, key: str, notes: tuple[str, ...], progress: Progress
) -> Volume:
    stored = _read(file, number, progress)
    voxels = arrangement.grid.display(stored)
    voxels = voxels if file.header.colour else voxels[..., np.newaxis]
    if voxels.dtype.kind == "f" and (strange := _count_strange(stored)):
        notes = (*notes, f"{strange:,} voxels are not numbers or infinite.")
    reference = None
    slices = arrangement.shape[0]
    mask_files: tuple[MaskFile, ...] = ()
    if mask is not None:
        values = _read(mask, 0, lambda done, total: None)
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


def _read(file: NiftiFile, number: int, progress: Progress) -> np.ndarray:
    """One volume's values in the stored axis order, (I, J, K) or (I, J, K, 3), native byte order.

    Raises:
        ReadError: with the file's name.
    """
    header = file.header
    start = header.offset + number * header.volume_bytes
    pieces = (gzipped.read_part if file.zipped else _read_plain)(file.voxels_path, start, header.volume_bytes)
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


def _read_plain(path: Path, start: int, size: int) -> Iterator[tuple[int, np.ndarray]]:
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


def _peek(file: NiftiFile, number: int, arrangement: Arrangement, z: int) -> np.ndarray:
    """One displayed slice (Y, X, C) of an uncompressed file."""
    header = file.header
    try:
        stored = np.memmap(file.voxels_path, header.stored, "r", header.offset + number * header.volume_bytes, header.shape, order="F")
    except (OSError, ValueError) as error:
        raise ReadError(f'"{file.voxels_path.name}" could not be read: it is cut short.') from error
    slice_ = arrangement.grid.display(stored)[z]
    values = _values(np.array(slice_)[np.newaxis], header)[0]
    return values if header.colour else values[..., np.newaxis]
