"""The data check: what is wrong with a labelled folder, file by file, each as one sentence.

Everything is found through the program's own readers, so that what is checked is what training, evaluation and the window would use.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import ReadError
from ..formats import Ignored, ScanListing, Series, open_volume
from ..formats.nifti import SUFFIXES as NIFTI_SUFFIXES
from ..formats.nifti_masks import named_as_mask
from ..formats.picture_groups import MASK, is_mask
from ..formats.series import count, stem_of
from ..formats.tiff import SUFFIXES as PICTURE_SUFFIXES
from ..imaging.volume import Volume, Window

KINDS = {
    "unreadable": "Files that cannot be read",
    "no-masks": "Patients without masks",
    "missing-mask": "Slices without a mask",
    "mask-size": "Masks of another size",
    "mask-misaligned": "Masks that lie outside the head",
    "mask-not-binary": "Masks that are not binary",
    "mask-without-scan": "Masks without a scan",
    "mask-empty": "Empty masks",
    "blank-slice": "Blank slices",
    "duplicate": "Duplicates",
    "near-duplicate": "Near-duplicates across patients",
    "one-class": "One class only",
    "other-file": "Other files",
}
"""Every kind of finding and its heading, the gravest first."""

OUTSIDE_SHARE = 0.1
"""A mask with more of its pixels outside the head is misaligned. Of the masks of the 90 LGG patients here none has a pixel there; with all masks of a
patient moved by 100 pixels, 80 of the 90 are found."""
HEAD_LEVEL = 0.04
"""Of the shown range: what is darker in every channel is no part of the head."""
NOISE_LEVEL = 6 * HEAD_LEVEL
"""The same where air is noisy, at most: so that corners that a head fills are not taken for air."""
ABOVE_AIR = 1.5
"""The head begins this many times above what the corners hold."""
FINGERPRINT = 32
LIKENESS = 0.95
"""Correlation of two fingerprints from which slices of different patients are near-duplicates. Among the 90 LGG patients here the highest is
0.93; copies with noise, another gamma or a bias field reach 0.98."""
ROWS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: a key of `KINDS`.
        patient: key of the scan, or "" where it concerns the folder.
        file: relative to the folder that contains the data, or "".
        slice: displayed index, or None where it concerns more than one slice, or none.
        sentence: what is wrong and what follows from it.
    """

    kind: str
    patient: str
    file: str
    slice: int | None
    sentence: str

    def to_json(self) -> dict:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Patient:
    """The figures of one scan.

    Attributes:
        patient: key of the scan.
        slices: that can be read.
        labelled: slices with a usable mask.
        tumour: slices whose mask is not empty.
        tumour_px: pixels of all masks.
        tumour_ml: the same as a volume, or None where the spacing is not known.
        notes: what the reader has to say.
    """

    patient: str
    slices: int
    labelled: int
    tumour: int
    tumour_px: int
    tumour_ml: float | None
    notes: tuple[str, ...]

    def to_json(self) -> dict:
        return asdict(self) | {"notes": list(self.notes)}


@dataclass(frozen=True, eq=False, slots=True)
class Trace:
    """What is remembered of a slice to compare it with all others.

    Attributes:
        fingerprint: (FINGERPRINT ** 2,) float32 of length 1.
        pixels: hash of its pixels and shape.
        mask: hash of its mask, b"" without one.
    """

    patient: str
    file: str
    slice: int
    fingerprint: np.ndarray
    pixels: bytes
    mask: bytes


@dataclass(frozen=True, eq=False, slots=True)
class Checked:
    """A whole folder's check."""

    patients: tuple[Patient, ...]
    findings: tuple[Finding, ...]


def check(
    listing: ScanListing,
    progress: Callable[[int, int, str], None] = lambda *_: None,
    on_volume: Callable[[int, Volume], None] = lambda number, volume: None,
) -> Checked:
    """Reads every scan of a listing once and says what is wrong.

    Args:
        on_volume: is given each scan that can be read, with its position in the listing, while it is in memory.
    """
    patients: list[Patient] = []
    findings = list(check_files(listing))
    traces: list[Trace] = []
    for number, series in enumerate(listing.series):
        progress(number, len(listing.series), series.key)
        if series.format == "nifti" and not series.reference and named_as_mask(series.files[0]):
            findings.append(Finding("mask-without-scan", "", series.source, None, _alone(series)))
            continue
        try:
            volume = open_volume(series)
        except ReadError as error:
            findings.append(Finding("unreadable", series.key, series.source, None, str(error)))
            continue
        findings += check_volume(volume)
        findings += _check_pixels(volume)
        traces += _traces(volume)
        patients.append(figures_of(volume))
        on_volume(number, volume)
    equal, copies = _duplicates(traces)
    findings += [*equal, *_near_duplicates(traces, copies)]
    findings += check_classes(patients)
    progress(len(listing.series), len(listing.series), "")
    order = list(KINDS)
    unique = dict.fromkeys(findings)  # what the listing says of a file, its scan may say again
    return Checked(tuple(patients), tuple(sorted(unique, key=lambda finding: order.index(finding.kind))))


def figures_of(volume: Volume) -> Patient:
    pixels = 0 if volume.reference is None else int(np.count_nonzero(volume.reference))
    tumour = 0 if volume.reference is None else int(volume.reference.any(axis=(1, 2)).sum())
    ml = None if volume.voxel_mm3 is None else round(pixels * volume.voxel_mm3 / 1000, 2)
    return Patient(volume.key, len(volume), int(volume.labelled.sum()), tumour, pixels, ml, volume.notes)


# --- files ---------------------------------------------------------------------------------------------------------------------------------


def check_files(listing: ScanListing) -> Iterator[Finding]:
    """Of each file that the readers left out, why."""
    patients = {str(Path(series.source)): series.key for series in reversed(listing.series)}
    scans = {(file.parent, stem_of(file.name).lower()) for series in listing.series for file in series.files}
    for row in listing.ignored:
        path = Path(os.path.abspath(listing.path)).parent / row.file
        has_scan = (path.parent, stem_of(path.name).lower()[: -len(MASK)]) in scans
        yield _left_out(row, patients.get(str(Path(row.file).parent), ""), has_scan)


def _alone(series: Series) -> str:
    return f'"{Path(series.source).name}" is named as a mask, but no scan beside it has its size and place, or its values are not those of a mask.'


def _left_out(row: Ignored, patient: str, has_scan: bool) -> Finding:
    path = Path(row.file)
    kind = "unreadable"
    if not path.name.lower().endswith((*PICTURE_SUFFIXES, *NIFTI_SUFFIXES, ".dcm")):
        kind = "other-file"
    elif is_mask(path) and "could not be read" not in row.why:
        kind = "mask-size" if has_scan else "mask-without-scan"
    return Finding(kind, patient, row.file, None, said(row.file, row.why))


def said(file: str, why: str) -> str:
    """The sentence of a file that is left out, with its name in it."""
    name = Path(file).name
    if name in why:
        return why
    return f'"{name}" is not used: {why[:1] if why[1:2].isupper() else why[:1].lower()}{why[1:]}'


# --- one scan ------------------------------------------------------------------------------------------------------------------------------


def check_volume(volume: Volume) -> Iterator[Finding]:
    """What is wrong with the files of one scan: what was unreadable, masks that are missing, unusable or not binary."""
    key = volume.key
    unusable = set()
    for file, why in volume.ignored:
        if is_mask(Path(file)):
            unusable.add(stem_of(Path(file).name).lower()[: -len(MASK)])
        kind = "unreadable" if "could not be read" in why or not is_mask(Path(file)) else "mask-size"
        yield Finding(kind, key, file, None, said(file, why))
    if volume.reference is None:
        yield Finding("no-masks", key, "", None, f'"{key}" has no masks; its {count(len(volume), "slice")} can neither train nor test a model.')
        return
    for z in np.flatnonzero(~volume.labelled).tolist():
        file = volume.sources[z]
        if stem_of(Path(file).name).lower() not in unusable:
            yield Finding("missing-mask", key, file, z, f'"{Path(file).name}" has no mask beside it; the slice counts as unlabelled.')
    told = set()
    for z, mask in enumerate(volume.mask_files):
        if mask is not None and mask.levels > 2 and mask.file not in told:
            told.add(mask.file)
            several = list(volume.mask_files).count(mask) > 1
            text = f'"{Path(mask.file).name}" has {mask.levels} different values instead of two; all above 0 count as tumour.'
            yield Finding("mask-not-binary", key, mask.file, None if several else z, text)


def _check_pixels(volume: Volume) -> Iterator[Finding]:
    """What only the pixels tell: blank slices, empty masks where there should be some, masks outside the head."""
    key = volume.key
    for z in range(len(volume)):
        if np.any(volume[z] != volume[z][:1, :1]):
            continue
        yield Finding("blank-slice", key, volume.sources[z], z, f'Slice {z} of "{key}" is blank: all of its pixels are equal.')
    if volume.reference is None:
        return
    marked = np.asarray(volume.reference.any(axis=(1, 2)))
    if not marked.any():
        yield Finding("mask-empty", key, "", None, f'All masks of "{key}" are empty: it shows no tumour anywhere.')
        return
    for z in range(1, len(volume) - 1):
        if volume.labelled[z] and marked[z - 1] and marked[z + 1] and not marked[z]:
            text = f'The mask of "{Path(volume.sources[z]).name}" is empty between two slices with tumour.'
            yield Finding("mask-empty", key, volume.sources[z], z, text)
    shown = Window.auto(volume.voxels)
    shares = {z: outside_share(volume[z], volume.reference[z], shown) for z in np.flatnonzero(marked).tolist()}
    away = {z: share for z, share in shares.items() if share > OUTSIDE_SHARE}
    if away:
        z = max(away, key=away.__getitem__)
        name = Path(volume.sources[z]).name
        lie = 'mask of "{}" lies' if len(away) == 1 else 'masks of "{}" lie'
        text = f'{len(away):,} {lie.format(key)} partly outside the head, that of "{name}" with {away[z]:.0%} of its pixels. Is it of another scan?'
        yield Finding("mask-misaligned", key, volume.sources[z], z, text)


def outside_share(image: np.ndarray, mask: np.ndarray, shown: Window) -> float:
    """Which share of a mask (Y, X) bool, 0..1, lies where its slice (Y, X, C) is no brighter than air in every channel and not enclosed by the head.

    Args:
        shown: the scan's range.
    """
    grey = (image.max(axis=-1).astype(np.float32) - shown.low) / max(shown.width, 1e-6)
    grey = cv2.GaussianBlur(grey, (0, 0), max(grey.shape) / 128)
    n = max(2, max(grey.shape) // 16)
    corners = np.concatenate([grey[y, x].ravel() for y in (slice(n), slice(-n, None)) for x in (slice(n), slice(-n, None))])
    head = (grey > np.clip(ABOVE_AIR * np.percentile(corners, 95), HEAD_LEVEL, NOISE_LEVEL)).astype(np.uint8)
    side = max(3, max(head.shape) // 16 | 1)
    head = cv2.morphologyEx(head, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return float(1 - head[mask].mean())


# --- between scans -------------------------------------------------------------------------------------------------------------------------


def _traces(volume: Volume) -> Iterator[Trace]:
    """Of each slice that is not blank."""
    for z in range(len(volume)):
        image = np.ascontiguousarray(volume[z])
        mark = fingerprint(image[..., image.shape[-1] // 2])
        if mark is None:
            continue
        mask = b"" if volume.reference is None or not volume.labelled[z] else _hash(volume.reference[z])
        yield Trace(volume.key, volume.sources[z], z, mark, _hash(image), mask)


def _hash(array: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16, key=str(array.shape).encode()).digest()


def fingerprint(image: np.ndarray) -> np.ndarray | None:
    """(FINGERPRINT ** 2,) float32 of length 1: the fine structure of a slice (Y, X), whatever its size, brightness and contrast; None where it has
    none. Coarse structure is left out, since all heads share it."""
    grey = np.nan_to_num(image.astype(np.float32), posinf=0, neginf=0)
    small = cv2.resize(grey, (FINGERPRINT, FINGERPRINT), interpolation=cv2.INTER_AREA)
    fine = small - cv2.GaussianBlur(small, (0, 0), FINGERPRINT / 16)
    fine -= fine.mean()
    length = float(np.linalg.norm(fine))
    return None if length <= 1e-6 * max(1.0, float(np.abs(small).max())) else (fine / length).ravel()


def _duplicates(traces: Sequence[Trace]) -> tuple[list[Finding], set[tuple[str, str]]]:
    """Slices with equal pixels: each one within a scan, one finding for each two scans; and those two."""
    findings = []
    first: dict[bytes, Trace] = {}
    across: dict[tuple[str, str], list[tuple[Trace, Trace]]] = defaultdict(list)
    for trace in traces:
        one = first.setdefault(trace.pixels, trace)
        if one is trace:
            continue
        if one.patient == trace.patient:
            text = f"{_name(trace)} holds the same pixels as {_name(one)}.{_masks_differ([(one, trace)])}"
            findings.append(Finding("duplicate", trace.patient, trace.file, trace.slice, text))
        else:
            across[one.patient, trace.patient].append((one, trace))
    for (old, new), pairs in across.items():
        one, trace = pairs[0]
        text = (
            f'{count(len(pairs), "slice")} of "{new}" {"has" if len(pairs) == 1 else "have"} the same pixels as slices of "{old}", '
            f"e.g. {_name(trace)} and {_name(one)}.{_masks_differ(pairs)} Keep one of the two, or both on the same side of a split."
        )
        findings.append(Finding("duplicate", new, trace.file, trace.slice, text))
    return findings, set(across)


def _masks_differ(pairs: Sequence[tuple[Trace, Trace]]) -> str:
    differ = any(one.mask and two.mask and one.mask != two.mask for one, two in pairs)
    return " Their masks differ." if differ else ""


def _name(trace: Trace) -> str:
    return f'"{Path(trace.file).name}"' + ("" if stem_of(trace.file)[-1:].isdigit() else f" (slice {trace.slice})")


def _near_duplicates(traces: Sequence[Trace], copies: set[tuple[str, str]]) -> Iterator[Finding]:
    """One finding for each two scans with slices that look alike, unless some are equal, which is told already (`copies`)."""
    if not traces:
        return
    marks = np.stack([trace.fingerprint for trace in traces])
    owners = np.unique([trace.patient for trace in traces], return_inverse=True)[1]
    across: dict[tuple[str, str], list[tuple[float, Trace, Trace]]] = defaultdict(list)
    for i, j, likeness in pairs_alike(marks, owners):
        one, two = traces[i], traces[j]
        if (one.patient, two.patient) not in copies:
            across[one.patient, two.patient].append((likeness, one, two))
    for (old, new), pairs in across.items():
        likeness, one, two = max(pairs, key=lambda pair: pair[0])
        slices = len({trace.file + str(trace.slice) for _, _, trace in pairs})
        text = (
            f'{count(slices, "slice")} of "{new}" {"is" if slices == 1 else "are"} nearly equal to slices of "{old}", '
            f"e.g. {_name(two)} and {_name(one)} (likeness {likeness:.2f}). On two sides of a split they flatter every score."
        )
        yield Finding("near-duplicate", new, two.file, two.slice, text)


def pairs_alike(marks: np.ndarray, owners: np.ndarray) -> Iterator[tuple[int, int, float]]:
    """Positions i < j of slices of different scans that are equal or nearly so, with their likeness.

    Args:
        marks: (N, FINGERPRINT ** 2) float32, fingerprints.
        owners: (N,) int, whose slice each is.
    """
    for start in range(0, len(marks), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        alike = marks[rows] @ marks[start:].T
        alike[owners[rows][:, np.newaxis] == owners[start:]] = -1
        for i, j in zip(*np.nonzero(alike >= LIKENESS), strict=True):
            if i < j:
                yield int(start + i), int(start + j), float(alike[i, j])


def check_classes(patients: Sequence[Patient]) -> list[Finding]:
    """Whether there is anything to tell apart."""
    labelled, tumour = sum(p.labelled for p in patients), sum(p.tumour for p in patients)
    if labelled and tumour in (0, labelled):
        which = "No slice shows" if tumour == 0 else "Every slice shows"
        text = f"{which} a tumour ({count(labelled, 'labelled slice')}): with one class only, nothing is learned or judged of the choice between two."
        return [Finding("one-class", "", "", None, text)]
    return []
