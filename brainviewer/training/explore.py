"""`brainviewer explore`: the data check and the pictures that show what a labelled folder holds."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import WriteError
from ..formats import nothing_found, page, scan
from ..formats.series import count, path_text
from ..formats.writing import check_target, staged
from ..imaging import render
from ..imaging.prediction import OverlayStyle
from ..imaging.volume import Volume
from . import figures
from .check import KINDS, Checked, Patient, check

SHOWN_PATIENTS = 20
SHOWN_FINDINGS = 50


@dataclass(frozen=True, eq=False, slots=True)
class Shown:
    """One slice on the sheets: (Y, X, 3) uint8 RGB picture and (Y, X) bool mask."""

    name: str
    picture: np.ndarray
    mask: np.ndarray


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

    def keep(number: int, volume: Volume) -> None:
        if number in chosen:
            shown.append(shown_of(volume))

    checked = check(listing, progress, keep)
    document = document_of(path_text(listing.path), checked)
    pictures = draw(checked, shown)
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
    areas = volume.reference.sum(axis=(1, 2))
    z = int(areas.argmax()) if areas.any() else len(volume) // 2
    return Shown(f"{volume.key} {z}", render.background(volume, z, render.windows_of(volume)), volume.reference[z])


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
        "findings": [finding.to_json() for finding in checked.findings],
        "per_patient": [patient.to_json() for patient in checked.patients],
    }


def draw(checked: Checked, shown: list[Shown]) -> dict[str, bytes]:
    """The PNG files by name; only those for which there is something to draw."""
    labelled = [patient for patient in checked.patients if patient.labelled]
    if not labelled:
        return {}
    names = [patient.patient for patient in labelled]
    tumour = np.array([patient.tumour for patient in labelled])
    rest = np.array([patient.labelled for patient in labelled]) - tumour
    red = OverlayStyle(rgb=figures.RED)
    captions = [one.name for one in shown]
    return {
        "classes.png": figures.classes(names, tumour, rest),
        "sizes.png": figures.sizes(names, *sizes_of(labelled)),
        "scans.png": figures.sheet([one.picture for one in shown], captions),
        "masks.png": figures.sheet([np.repeat(render.binary_picture(one.mask)[..., np.newaxis], 3, axis=-1) for one in shown], captions),
        "overlays.png": figures.sheet([render.compose(one.picture, one.mask, red) for one in shown], captions),
    }


def sizes_of(patients: list[Patient]) -> tuple[np.ndarray, str]:
    """(P,) tumour sizes and their unit: millilitres where every patient's are known, else thousands of pixels."""
    if all(patient.tumour_ml is not None for patient in patients):
        return np.array([patient.tumour_ml for patient in patients], float), "ml"
    return np.array([patient.tumour_px / 1000 for patient in patients]), "1,000 pixels in all slices"


SHEETS = "Scans and masks"
WORDS = {
    "classes.png": "Slices in each class.",
    "sizes.png": "Tumour sizes by patient.",
    "scans.png": "Scans: of each patient the slice with the largest mask (its index after the name).",
    "masks.png": "Masks of the same slices.",
    "overlays.png": "The same scans with the mask in red.",
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
        page.section(title, *(page.image(pictures[name], WORDS[name], WORDS[name] if title == SHEETS else "") for name in names))
        for title, names in (("Classes and sizes", ("classes.png", "sizes.png")), (SHEETS, ("overlays.png", "scans.png", "masks.png")))
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
