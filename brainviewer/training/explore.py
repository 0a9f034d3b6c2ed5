"""`brainviewer explore`: the data check and the pictures that show what a labelled folder holds."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import WriteError
from ..formats import nothing_found, page, scan
from ..formats.series import count, path_text
from ..formats.writing import check_target, staged
from ..imaging import render
from ..imaging.measure import fullest_slice
from ..imaging.prediction import OverlayStyle
from ..imaging.volume import Volume
from ..inference import preprocess
from . import figures
from .augment import FLAIR, augment
from .check import KINDS, Checked, Patient, check
from .data import mask_to_network
from .intensity import Spread, bundled_spread, profile, spread_of

SHOWN_PATIENTS = 20
SHOWN_FINDINGS = 50
PREVIEW, PREVIEWED = 192, 3
"""Of the augmentation: pixels a side, and slices."""


@dataclass(frozen=True, eq=False, slots=True)
class Shown:
    """One slice on the sheets.

    Attributes:
        picture: (Y, X, 3) uint8 RGB.
        mask: (Y, X) bool.
        input: (S, S, 3) float32, 0..1: what the networks get of it.
        target: (S, S) uint8, 0 or 1: its mask on the same grid.
    """

    name: str
    picture: np.ndarray
    mask: np.ndarray
    input: np.ndarray
    target: np.ndarray


def explore(data: Path, out: Path, progress: Callable[[int, int, str], None] = lambda *_: None) -> dict:
    """Checks a labelled folder and writes `findings.json`, `explore.html` and the pictures.

    Returns:
        The document of `findings.json`.

    Raises:
        ReadError: if the folder holds no scan at all.
        WriteError: if the results cannot be written.
    """
    started = time.perf_counter()
    check_outside(data, out)
    listing = scan(Path(data))
    if not listing.series:
        raise nothing_found(listing)
    labelled = [number for number, series in enumerate(listing.series) if series.reference]
    chosen = {labelled[n] for n in np.linspace(0, len(labelled) - 1, min(SHOWN_PATIENTS, len(labelled))).round().astype(int)} if labelled else set()
    shown: list[Shown] = []
    profiles: list[np.ndarray] = []

    def keep(number: int, volume: Volume) -> None:
        if number in chosen:
            shown.append(shown_of(volume))
        if volume.labelled.any():
            profiles.append(profile(volume))

    checked = check(listing, progress, keep)
    here, bundled = spread_of(profiles), bundled_spread()
    document = document_of(path_text(listing.path), checked)
    if here is not None:
        document["intensities"] = {"here": here.to_json(), "bundled": bundled.to_json()}
    pictures = draw(checked, shown, here, bundled)
    document |= {"files": ["findings.json", "explore.html", *pictures], "seconds": round(time.perf_counter() - started, 1)}
    with staged(Path(out)) as stage:
        for name, png in pictures.items():
            (stage / name).write_bytes(png)
        (stage / "explore.html").write_bytes(html(document, checked, pictures))
        (stage / "findings.json").write_text(json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False), encoding="utf-8")
    return document


def check_outside(data: Path, out: Path) -> None:
    """Whether pictures may be written into a folder; asked before any work.

    Raises:
        WriteError: if it cannot be written to, or lies within the data: the pictures would be taken for scans the next time.
    """
    here, there = Path(os.path.realpath(data)), Path(os.path.realpath(out))
    if there == here or here in there.parents:
        raise WriteError(f'"{path_text(there)}" lies within the data: its pictures would be taken for scans the next time.', "Choose another folder.")
    check_target(there, overwrite=True)


def shown_of(volume: Volume) -> Shown:
    """The slice with the largest mask; the middle one where there is no tumour."""
    assert volume.reference is not None
    z = fullest_slice(volume.reference)
    mask = volume.reference[z]
    ranges = preprocess.intensity_ranges(volume.voxels)
    slice_ = preprocess.to_network(volume[z], ranges, PREVIEW)
    target = mask_to_network(mask, PREVIEW)
    return Shown(f"{volume.key} {z}", render.background(volume, z, render.windows_of(volume)), mask, slice_, target)


def document_of(data: str, checked: Checked) -> dict:
    """The document of `findings.json` and of `--json`, but for `files` and `seconds`."""
    kinds = Counter(finding.kind for finding in checked.findings)
    labelled, tumour = (sum(getattr(p, name) for p in checked.patients) for name in ("labelled", "tumour"))
    return {
        "brainviewer": __version__,
        "data": data,
        "patients": len(checked.patients),
        "slices": sum(p.slices for p in checked.patients),
        "slices_labelled": labelled,
        "slices_with_tumour": tumour,
        "slices_without_tumour": labelled - tumour,
        "counts": {kind: kinds[kind] for kind in KINDS if kinds[kind]},
        "headings": {kind: KINDS[kind] for kind in KINDS if kinds[kind]},
        "left_out": left_out(checked.patients),
        "findings": [finding.to_json() for finding in checked.findings],
        "per_patient": [patient.to_json() for patient in checked.patients],
    }


def left_out(patients: Iterable[Patient]) -> list[str]:
    """Sentences on what training will not use of the scans that can be read."""
    sentences = []
    for patient in patients:
        without = patient.slices - patient.labelled
        if not patient.labelled:
            sentences.append(f'All of "{patient.patient}": it has no usable mask.')
        elif without:
            sentences.append(f'{count(without, "slice")} of "{patient.patient}": without a usable mask.')
    return sentences


def draw(checked: Checked, shown: list[Shown], here: Spread | None = None, bundled: Spread | None = None) -> dict[str, bytes]:
    """The PNG files by name; only those for which there is something to draw."""
    labelled = [patient for patient in checked.patients if patient.labelled]
    if not labelled:
        return {}
    names = [patient.patient for patient in labelled]
    tumour = np.array([patient.tumour for patient in labelled])
    rest = np.array([patient.labelled for patient in labelled]) - tumour
    red = OverlayStyle(rgb=figures.RED)
    captions = [one.name for one in shown]
    intensities = {} if here is None or bundled is None else {"intensities.png": figures.intensities(here, bundled)}
    return {
        "classes.png": figures.classes(names, tumour, rest),
        "sizes.png": figures.sizes(names, *sizes_of(labelled)),
        "scans.png": figures.sheet([one.picture for one in shown], captions),
        "masks.png": figures.sheet([np.repeat(render.binary_picture(one.mask)[..., np.newaxis], 3, axis=-1) for one in shown], captions),
        "overlays.png": figures.sheet([render.compose(one.picture, one.mask, red) for one in shown], captions),
        **intensities,
        "augmentation.png": augmentation(shown),
    }


def augmentation(shown: Sequence[Shown]) -> bytes:
    """A sheet: of the first slices with a tumour the networks' input, and what training makes of it."""
    rng = np.random.default_rng(0)
    with_tumour = [one for one in shown if one.target.any()] or list(shown)
    pictures, captions = [], []
    for one in with_tumour[:PREVIEWED]:
        pairs = [(one.input, one.target), *(augment(one.input, one.target, rng, substitution=0.0) for _ in range(figures.TILES_IN_A_ROW - 1))]
        pictures += [_input_picture(image, mask) for image, mask in pairs]
        captions += [one.name, *["augmented"] * (figures.TILES_IN_A_ROW - 1)]
    return figures.sheet(pictures, captions)


def _input_picture(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(S, S, 3) uint8: FLAIR of a networks' input with its mask in red."""
    grey = (image[..., FLAIR] * 255).astype(np.uint8)
    return render.compose(np.repeat(grey[..., np.newaxis], 3, axis=-1), mask > 0, OverlayStyle(rgb=figures.RED))


def sizes_of(patients: list[Patient]) -> tuple[np.ndarray, str]:
    """(P,) tumour sizes and their unit: millilitres where every patient's are known, else thousands of pixels."""
    if all(patient.tumour_ml is not None for patient in patients):
        return np.array([patient.tumour_ml for patient in patients], float), "ml"
    return np.array([patient.tumour_px / 1000 for patient in patients]), "1,000 pixels in all slices"


SHEETS = "Scans and masks"
CAPTIONED = ("overlays.png", "scans.png", "masks.png", "intensities.png", "augmentation.png")
PARTS = (
    ("Classes and sizes", ("classes.png", "sizes.png", "intensities.png")),
    (SHEETS, ("overlays.png", "scans.png", "masks.png")),
    ("Augmentation", ("augmentation.png",)),
)
WORDS = {
    "classes.png": "Slices in each class.",
    "sizes.png": "Tumour sizes by patient.",
    "scans.png": "Scans: of each patient the slice with the largest mask (its index after the name).",
    "masks.png": "Masks of the same slices.",
    "overlays.png": "The same scans with the mask in red.",
    "intensities.png": "Brightness of the head in FLAIR, as the networks get it: this data against what the bundled models learned from.",
    "augmentation.png": "Left: slices as they are. Right of each: what training makes of it.",
}


def html(document: dict, checked: Checked, pictures: dict[str, bytes]) -> bytes:
    """`explore.html`."""
    total, unlabelled = len(checked.findings), document["slices"] - document["slices_labelled"]
    tiles = [
        (f"{document['patients']:,}", "patients"),
        (f"{document['slices']:,}", "slices"),
        (f"{document['slices_with_tumour']:,}", "slices with tumour"),
        (f"{document['slices_without_tumour']:,}", "slices without tumour"),
        *([(f"{unlabelled:,}", "slices without a mask")] if unlabelled else []),
        (f"{total:,}", "finding" if total == 1 else "findings"),
    ]
    groups = [
        page.group(title, [f.sentence for f in checked.findings if f.kind == kind], SHOWN_FINDINGS, "findings.json")
        for kind, title in KINDS.items()
        if kind in document["counts"]
    ]
    if not groups:
        groups = [page.text("Nothing is wrong: " + CLEAN)]
    drawn = [
        page.section(
            title, *(page.image(pictures[name], WORDS[name], WORDS[name] if name in CAPTIONED else "") for name in names if name in pictures)
        )
        for title, names in PARTS
        if pictures
    ]
    sections = [page.section("Findings", *groups), *drawn, page.section("Patients", patient_table(checked.patients))]
    lead = f"Data check of {document['data']} by brainviewer {document['brainviewer']}."
    return page.page(f"{Path(document['data']).name}: what it holds", lead, tiles, sections)


CLEAN = (
    "every file can be read, every slice has a binary mask of its own size that lies within the head, no two slices are equal, and none of different "
    "patients are nearly so."
)


def patient_table(patients: Iterable[Patient]) -> str:
    """A row a patient."""
    rows = [
        (
            patient.patient,
            f"{patient.slices:,}",
            f"{patient.labelled:,}",
            f"{patient.tumour:,}",
            f"{patient.tumour_px:,}",
            "" if patient.tumour_ml is None else f"{patient.tumour_ml:,.1f}",
        )
        for patient in patients
    ]
    body = page.table(("patient", "slices", "with a mask", "with tumour", "tumour, pixels", "ml"), rows)
    return page.folded(f"Show {count(len(rows), 'patient')}", body)
