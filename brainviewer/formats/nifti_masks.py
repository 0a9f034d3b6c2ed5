"""Which NIfTI file is the reference mask of which: the same grid, few labels, and names that leave no doubt whose it is.

A mask on another patient's scan is worse than none, and scans in a template's space all have one grid: where the names fit several
patients, the mask stays a series of its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ..errors import ReadError
from .nifti_header import NiftiFile, NiftiHeader
from .nifti_pixels import read_volume
from .sequence import words_beside
from .series import silent, stem_of

_READ_AT_ONCE = 4
_MASK_WORD = re.compile(r"(seg(m(ent(ation|ed)?)?)?|mask|label|lesion_?map)(s|tr|ts){0,2}(?![a-z])", re.IGNORECASE)
_BRAIN_WORD = re.compile(r"(brain|bet|skull|head)[-_. ]?mask", re.IGNORECASE)
_CHANNEL = re.compile(r"000[0-9]")
"""At the end of an image's name, where labels lie in a folder of their own and sequences count from 0000: the number of a sequence."""
_MOST_LABELS = 16

Words = tuple[str, ...]


def named_as_mask(path: Path) -> bool:
    """Whether a file's name, or its folder's, says that it holds a mask of a lesion."""
    stem = stem_of(path.name)
    return bool(_MASK_WORD.search(stem) or _holds_masks(path.parent)) and not _BRAIN_WORD.search(stem)


def _holds_masks(folder: Path) -> bool:
    return _MASK_WORD.fullmatch(re.sub(r"[^a-zA-Z_]", "", folder.name)) is not None


def masks_of(files: list[NiftiFile]) -> dict[int, NiftiFile]:
    """For each image (by `id`) the mask that belongs to it."""
    candidates = [file for file in files if named_as_mask(file.path) and not file.header.colour and file.header.volumes == 1]
    masks = {id(mask) for mask in candidates}
    images = [file for file in files if id(file) not in masks]
    related = [(image, mask, rank) for image, mask, rank in _related(images, candidates) if _same_grid(image.header, mask.header)]
    asked = list({id(mask): mask for _, mask, _ in related}.values())
    with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
        is_mask = dict(zip(map(id, asked), pool.map(_few_labels, asked), strict=True))
    best: dict[int, tuple[int, NiftiFile]] = {}
    for image, mask, rank in related:
        if is_mask[id(mask)] and rank > best.get(id(image), (-1, mask))[0]:
            best[id(image)] = rank, mask
    return {image: mask for image, (_, mask) in best.items()}


def _words(path: Path) -> Words:
    """The words of a name, without the one that makes it a mask."""
    return tuple(word for word in re.split(r"[\W_]+", _MASK_WORD.sub("", stem_of(path.name)).casefold()) if word)


def _beginnings(words: Words) -> list[Words]:
    """(a), (a, b), (a, b, c) of (a, b, c)."""
    return [words[: number + 1] for number in range(len(words))]


def _related(images: list[NiftiFile], masks: list[NiftiFile]) -> Iterator[tuple[NiftiFile, NiftiFile, int]]:
    """Images and masks that belong together by names and folders, and how surely: the longer the shared beginning, the surer."""
    images_named: dict[tuple[Path, Words], list[NiftiFile]] = defaultdict(list)
    images_begun: dict[tuple[Path, Words], list[NiftiFile]] = defaultdict(list)
    folders: dict[Path, set[Path]] = defaultdict(set)
    for image in images:
        folder, words = image.path.parent, _words(image.path)
        folders[folder.parent].add(folder)
        images_named[folder, words].append(image)
        for beginning in ((), *_beginnings(words)[:-1]):
            images_begun[folder, beginning].append(image)
    for mask in masks:
        own, words = mask.path.parent, _words(mask.path)
        beside = sorted(folders[own.parent] - {own}) if _holds_masks(own) else []
        found: list[tuple[NiftiFile, int]] = []
        for folder in (own, *beside) if words else (own,):
            found += [(image, 1 + len(words)) for image in (*images_named[folder, words], *images_begun[folder, words])]
            found += [(image, 1 + len(beginning)) for beginning in _beginnings(words)[:-1] for image in images_named[folder, beginning]]
        for image in _of_one_scan(mask, [image for image, _ in found]):
            yield image, mask, next(rank for other, rank in found if other is image)


def _of_one_scan(mask: NiftiFile, images: list[NiftiFile]) -> list[NiftiFile]:
    """Those of the images that a mask can be of without a doubt: of one patient, as far as their names say, and in one folder."""
    own, beside = words_beside(_words(mask.path)), any(image.path.parent != mask.path.parent for image in images)
    names = {id(image): words_beside(_words(image.path)) for image in images}
    if beside and any(name[-1:] == ("0000",) for name in names.values()):
        names = {image: name[:-1] if _CHANNEL.fullmatch("".join(name[-1:])) else name for image, name in names.items()}
    exact = [image for image in images if names[id(image)] == own and _words(mask.path)]
    likely = exact or images
    if len({names[id(image)] for image in likely}) > 1 or len({image.path.parent for image in likely}) > 1:
        return []
    return [image for image in likely if not _words(mask.path) or _same_patient(own, names[id(image)])]


def _same_patient(own: Words, other: Words) -> bool:
    """Whether what one name has beyond the other says nothing of a patient: no number."""
    more = max(own, other, key=len)[min(len(own), len(other)) :]
    return not any(re.search(r"\d", word) for word in more)


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
        voxels = read_volume(mask, 0, silent)
    except ReadError:
        return False
    values = np.unique(voxels[:: max(1, voxels.shape[0] // 64)])
    if values.size > _MOST_LABELS:
        return False
    values = np.unique(voxels)
    return values.size <= _MOST_LABELS and bool(np.all(values == np.round(values)))
