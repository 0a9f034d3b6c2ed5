"""TIFF series and stacks, PNG and JPEG slices: a folder of single pictures is a scan, and so is a file of many pages.

What belongs together: single pictures of one folder that agree in size, kind of pixel and beginning of name; the pages of one file that
agree in size. `<slice>_mask` beside `<slice>` is its reference mask and never a slice.

Three colour channels: in a TIFF they are the LGG data set's three sequences (pre-contrast T1, FLAIR, post-contrast T1); in a PNG or JPEG,
and in a TIFF with a palette, CMYK or numbers other than 8 and 16 bits, they are the red, green and blue of a picture. Three equal channels
are one grey sequence.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ReadError
from ..imaging.volume import CHANNEL_NAMES, MaskFile, Volume
from .picture_file import JPEG_MARK, PNG_MARK, TIFF_MARKS, Page, Picture
from .picture_groups import MASK, PictureGroup, PictureSlice, groups_of, is_mask, the_others
from .picture_headers import inspect
from .picture_pixels import decoding, opened
from .sequence import guess_sequence
from .series import (
    PICTURE_SUFFIXES,
    Ignored,
    Progress,
    Series,
    count,
    natural_path,
    path_text,
    relative_name,
    slice_stems,
    stem_of,
)
from .stack_layout import spacing_of

SUFFIXES = (".tif", ".tiff", *PICTURE_SUFFIXES)
COLOURS = ("red", "green", "blue")
SAMPLED_SLICES = 9
"""So many slices of a colour series are looked at to list it: three equal channels are one grey sequence."""


class TiffReader:
    """TIFF, PNG and JPEG files."""

    name = "tiff"

    def claims(self, path: Path, head: bytes) -> bool:
        return head[:4] in TIFF_MARKS or head[:8] == PNG_MARK or head[:3] == JPEG_MARK or path.name.lower().endswith(SUFFIXES)

    def scan(self, root: Path, files: Sequence[Path], progress: Progress) -> tuple[list[Series], list[Ignored]]:
        if list(files) == [root] and not is_mask(root):
            files = [root, *_masks_beside(root)]
        folders: dict[Path, list[Picture]] = defaultdict(list)
        for number, file in enumerate(files):
            if number % 64 == 0:
                progress(number, len(files))
            folders[file.parent].append(inspect(file))
        series: list[Series] = []
        ignored: list[Ignored] = []
        for folder in sorted(folders, key=natural_path):
            groups, left = groups_of(root, folder, folders[folder])
            series += [_series(root, group) for group in groups]
            ignored += left
        return series, ignored


READER = TiffReader()


def _masks_beside(file: Path) -> list[Path]:
    """The mask of a slice that was opened alone."""
    named = file.with_name(f"{stem_of(file.name)}{MASK}{file.suffix}")
    return [named] if named.is_file() else []


# --- series --------------------------------------------------------------------------------------------------------------------------------


def _series(root: Path, group: PictureGroup) -> Series:
    first, page = group.slices[0], group.slices[0].pages[0]
    notes = [*group.notes, *dict.fromkeys(note for page in group.pages for note in page.notes)]
    if any(page.orientation != 1 for page in group.pages):
        notes.append("Slices are turned upright as their files ask.")
    marked = sum(item.mask is not None for item in group.slices)
    if 0 < marked < len(group.slices):
        notes.append(
            f"{count(len(group.slices) - marked, 'slice')} of {len(group.slices)} came without a usable reference mask; nothing is marked there."
        )
    spacing = spacing_of(first.picture) if group.is_file else None
    if spacing is not None:
        notes.append(
            f"The file gives its spacing, {spacing[2]:.4g} x {spacing[1]:.4g} x {spacing[0]:.4g} mm, but not which side is the patient's left."
        )
    name = path_text(Path(stem_of(group.path.name) if group.is_file else group.path.name))
    description = f"{name} ({group.tag})" if group.tag else name
    sequence = guess_sequence(f"{description} {first.picture.path.stem}")
    channels, why = _channel_names(group, sequence)
    recipe = _Recipe(root, group, channels, description, None if spacing is None else np.diag([*spacing[::-1], 1.0]), (*notes, *why))
    files = [item.picture.path for item in group.slices]
    return Series(
        key=group.key,
        format=first.picture.format,
        description=description,
        modality="",
        sequence="composite" if channels == CHANNEL_NAMES else sequence,
        source=relative_name(root, group.path),
        shape=(len(group.slices), page.height, page.width),
        channels=channels,
        dtype=page.dtype,
        spacing_mm=spacing,
        affine=recipe.affine,
        plane=None,
        axes="",
        order_by="instance" if len(set(files)) < len(files) else "name",
        reference=marked > 0,
        files=tuple(dict.fromkeys(files)),
        notes=recipe.notes,
        open=recipe.open,
        peek=recipe.peek,
    )


def _channel_names(group: PictureGroup, sequence: str | None) -> tuple[tuple[str, ...], list[str]]:
    """What the channels are, and what is to be said of it."""
    grey = (sequence or "grey",)
    first = group.slices[0]
    if first.channels == 1:
        return grey, []
    step = max(1, len(group.slices) // SAMPLED_SLICES)
    middle = len(group.slices) // 2
    for z in (middle, *range(0, len(group.slices), step)):
        try:
            if not _is_grey(_read_slice(group.slices[z])):
                break
        except ReadError:
            continue  # said when the series is opened
    else:
        return grey, ["The three colour channels are equal: they are one grey sequence."]
    if first.picture.format == "tiff" and first.pages[0].colour in ("rgb", "grey") and first.pages[0].dtype in ("uint8", "uint16"):
        return CHANNEL_NAMES, ["The three channels are taken for pre-contrast T1, FLAIR and post-contrast T1, as in the LGG data set."]
    return COLOURS, ["The slices are colour pictures."]


def _is_grey(array: np.ndarray) -> bool:
    """Whether the three channels of (H, W, 3) are equal."""
    return np.array_equal(array[..., 0], array[..., 1]) and np.array_equal(array[..., 0], array[..., 2])


def _read_slice(item: PictureSlice) -> np.ndarray:
    """(H, W, C) of one slice; raises ReadError."""
    with opened(item.picture) as read:
        return _joined([read(page) for page in item.pages])


def _joined(pages: list[np.ndarray]) -> np.ndarray:
    return pages[0] if len(pages) == 1 else np.concatenate(pages, axis=-1)


@dataclass(frozen=True, eq=False, slots=True)
class _Recipe:
    """How a series is read."""

    root: Path
    group: PictureGroup
    channels: tuple[str, ...]
    description: str
    affine: np.ndarray | None
    notes: tuple[str, ...]

    def peek(self, z: int) -> np.ndarray:
        array = _read_slice(self.group.slices[z])
        return array[..., : len(self.channels)]

    def open(self, progress: Progress) -> Volume:
        slices = self.group.slices
        page = slices[0].pages[0]
        with decoding(self.group.path.name):
            voxels = np.empty((len(slices), page.height, page.width, slices[0].channels), page.dtype)
            reference = np.zeros(voxels.shape[:3], bool) if any(item.mask for item in slices) else None
        levels = [2] * len(slices)
        failures, mask_failures, grey = self._fill(voxels, reference, levels, progress)

        notes, ignored = list(self.notes), [(row.file, row.why) for row in self.group.ignored]
        good = [z for z in range(len(slices)) if z not in failures]
        if not good:
            raise next(iter(failures.values()))
        for z, error in failures.items():
            where = f"Slice {z + 1}: " if len(slices) > len({item.picture.path for item in slices}) else ""
            notes.append(f"{where}{error.sentence} {the_others(len(good))}")
            ignored.append((relative_name(self.root, slices[z].picture.path), f"{where}{error.sentence}"))
        for z, error in mask_failures.items():
            notes.append(f"{error.sentence} The reference of its slice is empty.")
            ignored.append((relative_name(self.root, slices[z].mask[0].path), error.sentence))  # type: ignore[index]
        mask_files = [
            None if item.mask is None or z in mask_failures else MaskFile(relative_name(self.root, item.mask[0].path), levels[z])
            for z, item in enumerate(slices)
        ]
        if uneven := [mask.file for mask in mask_files if mask is not None and mask.levels > 2]:
            notes.append(
                f"{count(len(uneven), 'reference mask')} {'has' if len(uneven) == 1 else 'have'} more than two grey levels "
                f'("{Path(uneven[0]).name}"); every pixel above 0 counts.'
            )
        if failures:
            voxels, reference = voxels[good], None if reference is None else reference[good]
        channels = self.channels
        if voxels.shape[-1] == 3 and len(channels) == 1:
            if grey:
                voxels = np.ascontiguousarray(voxels[..., :1])
            else:  # the slices that were looked at for the listing are grey, others are not
                channels = COLOURS
                notes = [note for note in notes if "one grey sequence" not in note] + ["The slices are colour pictures; some of them are grey."]
        if voxels.dtype.kind == "f" and (bad := voxels.size - np.count_nonzero(np.isfinite(voxels))):
            notes.append(f"{count(int(bad), 'value')} {'is' if bad == 1 else 'are'} no number (NaN or infinite) and shown black or white.")
        return Volume(
            voxels=voxels,
            affine=self.affine,
            channels=channels,
            source=self.group.path,
            key=self.group.key,
            format=slices[0].picture.format,
            sources=tuple(relative_name(self.root, slices[z].picture.path) for z in good),
            stems=_stems(self.group.key, [slices[z].picture for z in good]),
            reference=reference,
            mask_files=() if reference is None else tuple(mask_files[z] for z in good),
            description=self.description,
            notes=tuple(notes),
            ignored=tuple(ignored),
        )

    def _fill(
        self, voxels: np.ndarray, reference: np.ndarray | None, levels: list[int], progress: Progress
    ) -> tuple[dict[int, ReadError], dict[int, ReadError], bool]:
        """Reads all slices and masks, several files at a time; returns what failed by slice, masks alike, and whether all colour is grey."""
        slices = self.group.slices
        failures: dict[int, ReadError] = {}
        mask_failures: dict[int, ReadError] = {}
        workers = min(8, (os.cpu_count() or 1) + 1)
        files = len({item.picture.path for item in slices})
        # Slices of one file share a handle; a folder's slices are handed out one by one, for progress.
        size = 1 if files == len(slices) else -(-len(slices) // workers)
        batches = [range(start, min(start + size, len(slices))) for start in range(0, len(slices), size)]
        all_grey = True

        def work(batch: range) -> bool:
            return _read_batch(slices, batch, voxels, reference, levels, failures, mask_failures)

        pool = ThreadPoolExecutor(workers, thread_name_prefix="read")
        try:
            for batch, grey in zip(batches, pool.map(work, batches), strict=True):
                all_grey &= grey
                progress(batch.stop, len(slices))
        finally:
            pool.shutdown(cancel_futures=True)
        return dict(sorted(failures.items())), dict(sorted(mask_failures.items())), all_grey


def _read_batch(
    slices: list[PictureSlice],
    batch: range,
    voxels: np.ndarray,
    reference: np.ndarray | None,
    levels: list[int],
    failures: dict[int, ReadError],
    mask_failures: dict[int, ReadError],
) -> bool:
    """Reads some neighbouring slices into their places; returns whether their colour is grey."""
    grey = True
    with ExitStack() as handles:
        open_now: dict[Path, Callable[[Page], np.ndarray]] = {}

        def reader(picture: Picture) -> Callable[[Page], np.ndarray]:
            if picture.path not in open_now:
                open_now[picture.path] = handles.enter_context(opened(picture))
            return open_now[picture.path]

        for z in batch:
            item = slices[z]
            try:
                read = reader(item.picture)
                for number, page in enumerate(item.pages):
                    channels = slice(None) if len(item.pages) == 1 else slice(number, number + 1)
                    voxels[z, ..., channels] = read(page)
                grey = grey and voxels.shape[-1] == 3 and _is_grey(voxels[z])
            except ReadError as error:
                failures[z] = error
                continue
            if item.mask is not None and reference is not None:
                picture, page = item.mask
                try:
                    reference[z], levels[z] = _marked(picture, page, reader(picture)(page))
                except ReadError as error:
                    mask_failures[z] = error
    return grey


def _marked(picture: Picture, page: Page, mask: np.ndarray) -> tuple[np.ndarray, int]:
    """(Y, X) bool of a mask picture (Y, X, C): what is not 0; in a JPEG, whose zeros are not exact, what is brighter than half. And the
    number of its grey levels where they are more than two."""
    values = mask.max(axis=-1)
    if page.bilevel and page.inverted:
        return values == 0, 2  # ink on paper: what the file stores as 1 is marked, though it would be shown black
    lossy = picture.path.suffix.lower() in PICTURE_SUFFIXES and picture.path.suffix.lower() != ".png"
    if lossy:
        return values > np.iinfo(values.dtype).max // 2, 2
    marked = values > 0
    plain = np.all(values[marked] == values.max()) and (values.dtype.kind != "f" or np.isfinite(values).all())
    return marked, 2 if plain else max(3, np.unique(values).size)


def _stems(key: str, pictures: list[Picture]) -> tuple[str, ...]:
    """Names for what is written of each slice: the file's; where that would repeat, with the slice's index."""
    if len({picture.path for picture in pictures}) < len(pictures):
        return slice_stems(key, len(pictures))
    taken: set[str] = set()
    stems = []
    for z, picture in enumerate(pictures):
        stem = picture.path.stem
        while stem.casefold() in taken:
            stem = f"{stem}_z{z:04}"
        taken.add(stem.casefold())
        stems.append(stem)
    return tuple(stems)
