"""Labelled scans for training: the index, the splits and what the networks are fed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ReadError, TrainingError
from ..formats import Series, open_volume, scan
from ..formats.series import listed, stem_of
from ..inference import preprocess
from .check import check_files, fingerprint, pairs_alike

RARE_SITE = 4
LEAKY_TEST, LEAKY_VALIDATION = 0.15, 0.15
"""Of all slices, and of the rest: the original notebook's shares."""


@dataclass(frozen=True, eq=False, slots=True)
class Case:
    """One patient's labelled scan.

    Attributes:
        patient: name of its folder or file, or the scan's key where several share that; serves to split, never enters a network's input.
        site: institution, the second part of the data set's names, or "" where there is none.
        series: opens it.
    """

    patient: str
    site: str
    series: Series


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
        return np.asarray(self.masks.any(axis=(1, 2)))


def index(folder: Path, exclude: Sequence[str] = (), say: Callable[[str], None] = lambda text: None) -> list[Case]:
    """The labelled scans of a folder: `<patient>/<slice>.tif` with `<slice>_mask.tif`, or scan and mask NIfTI pairs, by patient.

    Args:
        exclude: patients that must not be seen, by the name of the folder or file, or by key.
        say: is told which files and patients are left out, and why, and which are to be left out but are not there.

    Raises:
        ReadError: if there is no such folder.
        TrainingError: if it is a file, or there is no labelled scan.
    """
    cases = []
    if Path(folder).is_file():
        raise TrainingError(f'"{folder}" is a file, not a folder of labelled scans.', "Choose the folder that holds them.")
    listing = scan(Path(folder))
    for finding in check_files(listing):
        if finding.kind != "other-file":
            say(finding.sentence)
    if unlabelled := [series.key for series in listing.series if not series.reference]:
        say(f"Without a usable mask, and not used: {listed(unlabelled)}.")
    if absent := sorted(set(exclude) - {name for series in listing.series for name in names_of(series)}):
        say(f"To be left out, but not in the data: {listed(absent)}.")
    labelled = [series for series in listing.series if series.reference]
    shared = Counter(map(name_of, labelled))
    for series in labelled:
        if names_of(series).isdisjoint(exclude):
            patient = name_of(series) if shared[name_of(series)] == 1 else series.key
            parts = patient.split("_")
            cases.append(Case(patient, parts[1] if parts[0] == "TCGA" and len(parts) > 2 else "", series))
    if not cases:
        raise TrainingError(f'No slices with masks were found in "{folder}".', "Expected <patient>/<slice>.tif with <slice>_mask.tif beside it.")
    return sorted(cases, key=lambda case: case.patient)


def name_of(series: Series) -> str:
    """The name of a scan's folder, or of its file without the suffix."""
    source = Path(series.source)
    return source.name if source.is_dir() else stem_of(source.name)


def names_of(series: Series) -> set[str]:
    """What a list of patients may call a scan: its key, or the name of its folder or file."""
    return {series.key, name_of(series)}


def load(cases: Sequence[Case], size: int, say: Callable[[str], None] = lambda text: None) -> Slices:
    """All slices of all cases that have a usable mask, through the program's own preprocessing, at `size` pixels a side.

    Args:
        say: is told, once a case, what its reader has to say of missing or broken slices and masks, or that it cannot be read and is left out.

    Raises:
        TrainingError: if none of the scans can be read.
    """
    images, masks, numbers = [], [], []
    for number, case in enumerate(cases):
        try:
            volume = open_volume(case.series)
        except ReadError as error:
            say(f"{case.patient} is left out: {error}")
            continue
        for note in volume.notes:
            say(f"{case.patient}: {note}")
        if volume.reference is None:
            say(f"{case.patient} is left out: none of its masks can be read.")
            continue
        ranges = preprocess.intensity_ranges(volume.voxels)
        kept = np.flatnonzero(volume.labelled).tolist()  # a slice whose mask is missing or broken must not teach that it shows nothing
        images += [preprocess.to_network(volume[z], ranges, size).astype(np.float16) for z in kept]
        masks += [mask_to_network(volume.reference[z], size) for z in kept]
        numbers += [number] * len(kept)
    if not images:
        raise TrainingError("None of the labelled scans can be read.", "`brainviewer explore` says what is wrong with each.")
    return Slices(np.stack(images), np.stack(masks), np.array(numbers))


def mask_to_network(mask: np.ndarray, size: int) -> np.ndarray:
    """A mask (Y, X) bool on the grid of the networks' input: (size, size) uint8, 0 or 1."""
    grid = preprocess.resample(preprocess.pad_to_square(mask[..., np.newaxis].astype(np.float32)), size)[..., 0]
    return (grid >= 0.5).astype(np.uint8)


def split_patients(
    cases: Sequence[Case],
    validation: float,
    seed: int,
    say: Callable[[str], None] = lambda text: None,
    groups: Sequence[Sequence[int]] | None = None,
) -> tuple[list[int], list[int]]:
    """Positions of the training and validation cases, stratified by site; sites with few patients count as one.

    Args:
        groups: positions that stay on one side (`alike`); each case for itself by default.
        say: is told where so few patients cannot be stratified, which then are drawn at random.

    Raises:
        TrainingError: where there are not two patients.
    """
    from sklearn.model_selection import train_test_split

    units = [[n] for n in range(len(cases))] if groups is None else groups
    if len(units) < 2:
        raise TrainingError("A split by patient needs at least two patients.", "Add labelled patients.")
    sites = strata_of([cases[unit[0]].site for unit in units])
    held = max(1, min(len(units) - 1, round(validation * len(units))))
    kinds = len(set(sites))
    stratify: list[str] | None = sites
    if kinds > 1 and (held < kinds or len(units) - held < kinds or min(Counter(sites).values()) < 2):
        say(f"{len(units)} patients are too few to keep {held} of {kinds} sites for validation: they are drawn at random instead.")
        stratify = None
    train, held_out = train_test_split(range(len(units)), test_size=held, random_state=seed, stratify=stratify)
    return sorted(n for unit in train for n in units[unit]), sorted(n for unit in held_out for n in units[unit])


def alike(cases: Sequence[Case], slices: Slices) -> list[list[int]]:
    """Positions of the cases in groups that belong on one side of a split: those some of whose slices are equal or nearly so (a patient under two
    names, a second export). On two sides they would flatter every score."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    marks = [fingerprint(image[..., image.shape[-1] // 2]) for image in slices.images]
    usable = [n for n, mark in enumerate(marks) if mark is not None]
    owners = slices.cases[usable]
    stack = np.array([marks[n] for n in usable], np.float32)
    links = np.array([(owners[i], owners[j]) for i, j, _ in pairs_alike(stack, owners)], int).reshape(-1, 2).T
    graph = coo_array((np.ones(links.shape[1]), tuple(links)), (len(cases), len(cases)))
    group_of = connected_components(graph, directed=False)[1]
    return [np.flatnonzero(group_of == group).tolist() for group in dict.fromkeys(group_of.tolist())]


def strata_of(sites: Sequence[str]) -> list[str]:
    """The stratum of each case: its site, rare sites together; too few of them join the largest site, since a stratum of one cannot be split."""
    counts = Counter(sites)
    strata = [site if counts[site] >= RARE_SITE else "other" for site in sites]
    sizes = Counter(strata)
    if sizes["other"] == 1 and len(sizes) > 1:
        largest = max((site for site in sizes if site != "other"), key=lambda site: sizes[site])
        strata = [largest if stratum == "other" else stratum for stratum in strata]
    return strata


def named_split(cases: Sequence[Case], validation: Sequence[str]) -> tuple[list[int], list[int]]:
    """Positions of the training and validation cases where the validation patients are given by name.

    Raises:
        TrainingError: where some of them are not there, or nobody is left to learn from.
    """
    if absent := sorted(set(validation) - {case.patient for case in cases}):
        raise TrainingError(f"Validation patients that are not in the data: {', '.join(absent)}.", "Correct validation_patients in the settings.")
    held_out = [n for n, case in enumerate(cases) if case.patient in validation]
    train = [n for n, case in enumerate(cases) if case.patient not in validation]
    if not train:
        raise TrainingError("All patients are kept for validation, none is left to learn from.", "Shorten validation_patients in the settings.")
    return train, held_out


def split_slices_leaky(labels: np.ndarray, test: float, validation: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The notebook's split: slices at random, `test` of all, then `validation` of the rest. Near-copies of each training slice stand on
    the other side, so its scores flatter; for comparison with the notebook only. Returns positions (train, validation, test)."""
    from sklearn.model_selection import train_test_split

    everything = np.arange(len(labels))
    rest, tested = train_test_split(everything, test_size=test, random_state=seed, stratify=labels)
    train, held_out = train_test_split(rest, test_size=validation, random_state=seed, stratify=labels[rest])
    return np.sort(train), np.sort(held_out), np.sort(tested)
