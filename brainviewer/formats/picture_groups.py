"""Which pictures of a folder are one series: single ones that agree in size, kind of pixel and beginning of name, and the pages of one file."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .picture_file import Page, Picture
from .series import Ignored, count, key_for, listed, natural, path_text, relative_name, safe_name, stem_of
from .stack_layout import first_time

MASK = "_mask"


def is_mask(path: Path) -> bool:
    return stem_of(path.name).lower().endswith(MASK)


@dataclass(frozen=True, eq=False, slots=True)
class PictureSlice:
    """One slice to be: a page (three pages of an ImageJ or OME stack with three channels) and its mask."""

    picture: Picture
    pages: tuple[Page, ...]
    mask: tuple[Picture, Page] | None = None

    @property
    def channels(self) -> int:
        return 3 if len(self.pages) == 3 else self.pages[0].channels


@dataclass(slots=True)
class PictureGroup:
    """Slices of one series, in order, and what is to be said of them.

    Attributes:
        path: the folder, or the file, that is the series.
        tag: what tells it from others of the same path, or "".
    """

    path: Path
    is_file: bool
    key: str
    tag: str = ""
    slices: list[PictureSlice] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)

    @property
    def pages(self) -> Iterator[Page]:
        return (page for item in self.slices for page in item.pages)


def groups_of(root: Path, folder: Path, pictures: list[Picture]) -> tuple[list[PictureGroup], list[Ignored]]:
    """The series of one folder, and the files that are part of none."""
    ignored: list[Ignored] = []
    slices = [picture for picture in pictures if not is_mask(picture.path)]
    masks = {stem_of(picture.path.name).lower()[: -len(MASK)]: picture for picture in pictures if is_mask(picture.path)}
    stems = {stem_of(picture.path.name).lower() for picture in slices}
    for stem, mask in masks.items():
        if stem not in stems:
            ignored.append(Ignored(relative_name(root, mask.path), "It is a reference mask without a slice of its name beside it."))

    broken: list[tuple[Path, str]] = []
    singles: list[Picture] = []
    stacks: list[PictureGroup] = []
    for picture in slices:
        if all(page.problem for page in picture.pages):
            problem = picture.pages[0].problem
            broken.append((picture.path, problem))
            ignored.append(Ignored(relative_name(root, picture.path), f"{problem[:1].upper()}{problem[1:]}."))
        elif len(picture.pages) == 1:
            singles.append(picture)
        else:
            stacks += _stack(root, picture, masks.get(stem_of(picture.path.name).lower()))
    groups = _folder_groups(root, folder, singles, masks, broken) + stacks
    return groups, ignored + [row for group in groups for row in group.ignored]


def _folder_groups(root: Path, folder: Path, singles: list[Picture], masks: dict[str, Picture], broken: list[tuple[Path, str]]) -> list[PictureGroup]:
    """The single pictures of one folder as series: by kind of pixel, then by the beginnings of their names."""
    kinds: dict[tuple, list[Picture]] = defaultdict(list)
    for picture in singles:
        kinds[_kind(picture, picture.pages[0])].append(picture)
    ordered = sorted(kinds.items(), key=lambda item: (-len(item[1]), natural(item[1][0].path.name)))
    beginnings = _beginnings(singles)
    path, is_file = (root, True) if singles and singles[0].path == root else (folder, False)
    unsaid = list(broken)
    groups: list[PictureGroup] = []
    for label, (kind, members) in zip(_labels([kind for kind, _ in ordered]), ordered, strict=True):
        parts: dict[str, list[Picture]] = defaultdict(list)
        for picture in members:
            parts[beginnings.get(picture.path, "")].append(picture)
        for beginning, pictures in sorted(parts.items(), key=lambda item: natural(item[0])):
            names = [key_for(root, path, is_file=is_file)] if path != root or not beginning else []
            tag = "_".join(filter(None, (beginning, label)))
            group = PictureGroup(path, is_file, safe_name("_".join((*names, *filter(None, (beginning, label))))), tag)
            if beginning:
                group.notes.append(
                    f'The folder holds {count(len(set(beginnings.values())), "scan")}, told apart by how their names begin; here "{beginning}".'
                )
            if len(ordered) > 1:
                group.notes.append(f"The folder holds pictures of {len(ordered)} sizes or kinds, each shown as a series; here {_kind_text(kind)}.")
            for picture in sorted(pictures, key=lambda picture: natural(picture.path.name)):
                group.slices.append(_with_mask(root, group, picture, picture.pages, masks.get(stem_of(picture.path.name).lower()), 0))
            mine = [row for row in unsaid if not beginning or _numbered(row[0].name)[0].strip(_AROUND) == beginning]
            unsaid = [row for row in unsaid if row not in mine]
            group.notes += _numbering_notes(group, mine)
            groups.append(group)
    return groups


def _kind(picture: Picture, page: Page) -> tuple[str, int, int, int, str]:
    return picture.format, page.height, page.width, page.channels, page.dtype


def _kind_text(kind: tuple[str, int, int, int, str]) -> str:
    form, height, width, channels, dtype = kind
    return f"{width} x {height} pixels, {'grey' if channels == 1 else 'colour'}, {dtype}, {'TIFF' if form == 'tiff' else 'PNG or JPEG'}"


def _labels(kinds: list[tuple]) -> list[str]:
    """For each kind what tells it from the first one, as a part of its key: the first has none."""
    labels = [""]
    for kind in kinds[1:]:
        different = [a != b for a, b in zip(kind, kinds[0], strict=True)]
        words = []
        if different[0]:
            words.append("pictures" if kind[0] == "picture" else "tiff")
        if different[1] or different[2]:
            words.append(f"{kind[2]}x{kind[1]}")
        if different[3]:
            words.append("grey" if kind[3] == 1 else "colour")
        if different[4]:
            words.append(kind[4])
        labels.append("_".join(words))
    return labels[: len(kinds)]


_AROUND = "_- ."


def _numbered(name: str) -> tuple[str, int | None]:
    """A name's beginning and the number at its end: `case_12.tif` is ("case_", 12)."""
    found = re.fullmatch(r"(.*?)([0-9]+)", stem_of(name))
    return (found.group(1), int(found.group(2))) if found else (stem_of(name), None)


def _beginnings(pictures: Sequence[Picture]) -> dict[Path, str]:
    """The beginning of each name where a folder mixes several scans: all are numbered and no beginning is alone. Else empty."""
    split = {picture.path: _numbered(picture.path.name) for picture in pictures}
    sizes = Counter(beginning for beginning, _ in split.values())
    if len(sizes) < 2 or min(sizes.values()) < 2 or any(number is None for _, number in split.values()):
        return {}
    return {path: beginning.strip(_AROUND) for path, (beginning, _) in split.items()}


def _numbering_notes(group: PictureGroup, broken: Sequence[tuple[Path, str]]) -> list[str]:
    """What is missing: broken files, numbers that no file has, numbers that two files have."""
    notes = []
    for path, problem in broken:
        notes.append(f'"{path_text(Path(path.name))}" could not be read: {problem}. {the_others(len(group.slices))}')
    split = [_numbered(item.picture.path.name) for item in group.slices]
    if len(split) < 2 or any(number is None for _, number in split) or len({beginning for beginning, _ in split}) > 1:
        return notes
    numbers = [number for _, number in split if number is not None]
    known = set(numbers) | {number for path, _ in broken if (number := _numbered(path.name)[1]) is not None}
    repeated = sorted(number for number, times in Counter(numbers).items() if times > 1)
    if repeated:
        notes.append(f"More than one slice has the number {listed(repeated)}.")
    low, high = min(known), max(known)
    step = math.gcd(*(number - low for number in known)) or 1
    absent = (high - low) // step + 1 - len(known)
    if absent > 0:
        gaps = [number for number in range(low, min(high, low + step * (len(known) + 64)), step) if number not in known][:9]
        which = listed(gaps, 8) if absent == len(gaps) else f"{listed(gaps[:8], 8)} and more"
        notes.append(f"{count(absent, 'slice')} {'is' if absent == 1 else 'are'} missing from the numbering {low} to {high}: {which}.")
    if low > 1:
        notes.append(f"The numbering of the slices begins at {low}.")
    return notes


def the_others(number: int) -> str:
    return f"The other {count(number, 'slice')} {'is' if number == 1 else 'are'} shown."


def _with_mask(root: Path, group: PictureGroup, picture: Picture, pages: tuple[Page, ...], mask: Picture | None, number: int) -> PictureSlice:
    """A slice with its mask, if there is one of its size; else it is said why not."""
    if mask is None:
        return PictureSlice(picture, pages)
    why = ""
    if number >= len(mask.pages):
        why = f"It has {count(len(mask.pages), 'page')}, fewer than the scan."
    else:
        page = mask.pages[number]
        if page.problem:
            why = f"The reference mask could not be read: {page.problem}."
        elif (page.height, page.width) != (pages[0].height, pages[0].width):
            why = f"The reference mask has {page.width} x {page.height} pixels, its slice {pages[0].width} x {pages[0].height}."
        else:
            return PictureSlice(picture, pages, (mask, page))
    row = Ignored(relative_name(root, mask.path), why)
    if row not in group.ignored:
        group.ignored.append(row)
    return PictureSlice(picture, pages)


# --- stacks --------------------------------------------------------------------------------------------------------------------------------


def _stack(root: Path, picture: Picture, mask: Picture | None) -> list[PictureGroup]:
    """The pages of one file as series: by size and kind of pixel."""
    notes = list(picture.notes)
    for page in picture.pages:
        if page.problem:
            notes.append(f'Page {page.index + 1} of "{path_text(Path(picture.path.name))}" could not be read: {page.problem}.')
    chosen, more = first_time(picture)
    notes += more
    kinds: dict[tuple, list[tuple[int, tuple[Page, ...]]]] = defaultdict(list)
    for number, pages in enumerate(chosen):
        if len({_kind(picture, page) for page in pages}) > 1:
            notes.append(f"The channels of slice {number + 1} differ in size or kind; it is left out.")
        elif not any(page.problem for page in pages):
            kinds[_kind(picture, pages[0])].append((number, pages))
    ordered = sorted(kinds.items(), key=lambda item: (-len(item[1]), item[1][0][0]))
    if len(ordered) > 1:
        notes.append(f"The pages of the file differ and are shown as {len(ordered)} series: {listed([_kind_text(kind) for kind, _ in ordered])}.")
    groups = []
    key = key_for(root, picture.path, is_file=True)
    for label, (_, members) in zip(_labels([kind for kind, _ in ordered]), ordered, strict=True):
        group = PictureGroup(picture.path, True, safe_name(f"{key}_{label}" if label else key), label, notes=list(notes))
        for number, pages in members:
            group.slices.append(_with_mask(root, group, picture, pages, mask, number))
        groups.append(group)
    return groups
