"""What a person takes along of a scan: any choice of pictures, volumes, tables and one page that holds it all, whole or not at all.

What was edited by hand says so: in the names of pictures and volumes, in the tables, on the page and in the DICOM SEG.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path, PurePosixPath

import numpy as np

from ..imaging import render, sheet
from ..imaging.prediction import OverlayStyle, Prediction, ScanResult
from ..imaging.volume import Volume, Window
from . import dicom_seg, scan_report
from .export import gzipped, nifti_bytes, overlay_picture, results_document, sixteen_bits, spread, table_text
from .film import encode_gif
from .receipt import Receipt
from .series import Progress, silent
from .writing import png_bytes, staged

SECONDS_A_PICTURE = 0.12
CONTACT_SHEET = "contact_sheet.png"


class What(Enum):
    """What can be taken along."""

    OVERLAYS = "overlays"
    PANELS = "panels"
    SHEET = "contact sheet"
    FILM = "film"
    MASK = "mask"
    PROBABILITY = "probability"
    SEG = "dicom-seg"
    TABLE = "table"
    NUMBERS = "numbers"
    REPORT = "report"


BY_SLICE = (What.OVERLAYS, What.PANELS, What.SHEET, What.FILM)
"""Those that show the slices that were chosen; the others are of the whole scan."""


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """A scan, what is known of it and how it is drawn, frozen at the moment it was asked for.

    Attributes:
        windows: one a channel.
        predictions: of all slices, in displayed order, with all the maps that there are; masks drawn by hand included.
        result: the whole scan's answer, masks drawn by hand included.
        reference, overlay, heatmap, agreement: what is drawn, as `overlay_picture` has it.
        reviewed: displayed indices of the slices that a person looked at.
        source: what the scan is called in the numbers.
        receipt: what was read and how.
    """

    volume: Volume
    windows: tuple[Window, ...]
    predictions: tuple[Prediction, ...]
    result: ScanResult
    style: OverlayStyle
    show: str = "flair"
    reference: bool = False
    overlay: bool = True
    heatmap: bool = False
    agreement: bool = False
    reviewed: frozenset[int] = frozenset()
    source: str = ""
    receipt: Receipt | None = None

    def picture(self, z: int) -> np.ndarray:
        """(Y, X, 3) uint8 of a slice as the window shows it."""
        return overlay_picture(
            self.volume,
            z,
            self.windows,
            self.predictions[z],
            self.style,
            self.show,
            self.reference,
            overlay=self.overlay,
            heatmap=self.heatmap,
            agreement=self.agreement,
        )

    def panel(self, z: int) -> np.ndarray:
        """(H, W, 3) uint8: the pictures of a slice side by side."""
        volume = self.volume
        found = self.predictions[z].found(self.style.threshold)
        mask = np.zeros(volume.shape[1:], bool) if found is None else found
        reference = None if volume.reference is None else volume.reference[z]
        return render.panel(
            render.background(volume, z, self.windows, self.show), mask, self.style, reference, drawn=self.predictions[z].drawn is not None
        )

    def contact_sheet(self, slices: Sequence[int], longest_px: int = sheet.LONGEST_SIDE_PX) -> np.ndarray:
        """(H, W, 3) uint8: slices in rows, each with its number and what was found."""
        spacing = self.volume.spacing
        pixel_mm = None if spacing is None else (spacing[1], spacing[2])
        return sheet.contact_sheet([self.picture(z) for z in slices], [self._caption(z) for z in slices], pixel_mm, longest_px)

    def _caption(self, z: int) -> str:
        prediction = self.predictions[z]
        words = f"{z + 1}"
        if prediction.tumour:
            words += " tumour"
        return f"{words}, edited" if prediction.drawn is not None else words

    def document(self, whats: Sequence[What], slices: Sequence[int]) -> dict:
        """What `results.json` says: the document of `predict`, and what a person did to it."""
        document = results_document(self.volume, self.result, self.style.threshold, source=self.source)
        chosen = set(slices)
        for z, row in enumerate(document["slices"]):
            row["overlay"] = self.name(What.OVERLAYS, z) if What.OVERLAYS in whats and z in chosen else None
            row["edited"], row["reviewed"] = self.predictions[z].drawn is not None, z in self.reviewed
        document["edited_by_hand"] = list(self.result.drawn_slices)
        document["reviewed"] = sorted(self.reviewed)
        document["seconds"] = {"analyse": round(self.result.seconds, 3)}
        if self.receipt is not None:
            document["receipt"] = self.receipt.document()
        return document

    def name(self, what: What, z: int = 0) -> str:
        """Of the file; of a slice's, where there is one a slice."""
        stem = self.volume.stems[z]
        edited = "_edited" if self.predictions[z].drawn is not None else ""
        whole = "_edited" if self.result.drawn_slices else ""
        return {
            What.OVERLAYS: f"{stem}_overlay{edited}.png",
            What.PANELS: f"{stem}_panel{edited}.png",
            What.SHEET: f"contact_sheet{whole}.png",
            What.FILM: f"scan{whole}.gif",
            What.MASK: f"mask{whole}.nii.gz",
            What.PROBABILITY: "probability.nii.gz",
            What.SEG: f"seg{whole}.dcm",
            What.TABLE: "slices.csv",
            What.NUMBERS: "results.json",
            What.REPORT: "report.html",
        }[what]

    def names(self, whats: Sequence[What], slices: Sequence[int]) -> tuple[str, ...]:
        """Every file that a choice writes; `results.json` is always there, so that pictures can be traced to what made them."""
        names = [self.name(What.NUMBERS)]
        for what in whats:
            if what in (What.OVERLAYS, What.PANELS):
                names += [self.name(what, z) for z in slices]
            else:
                names.append(self.name(what))
        return tuple(dict.fromkeys(names))


def without_folders(volume: Volume) -> Volume:
    """The same scan with the names of its files alone: folders are often named after patients, and what is taken along is passed on."""
    return replace(volume, sources=tuple(_names_alone(volume.sources)), ignored=tuple(ignored_alone(volume.ignored)))


def ignored_alone(rows: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(file, why) with the names of files alone."""
    listed = list(rows)
    return list(zip(_names_alone([file for file, _ in listed]), (why for _, why in listed), strict=True))


def _names_alone(files: Sequence[str]) -> list[str]:
    """Files of one name in several folders stay several: `IM1 (2)`."""
    names: dict[str, str] = {}
    for file in files:
        if file not in names:
            name, number = PurePosixPath(file).name, 1
            taken = set(names.values())
            while (f"{name} ({number})" if number > 1 else name) in taken:
                number += 1
            names[file] = f"{name} ({number})" if number > 1 else name
    return [names[file] for file in files]


def write(
    out: Path, scene: Scene, whats: Sequence[What], slices: Sequence[int], *, identity: bool = True, progress: Progress = silent
) -> tuple[str, ...]:
    """Writes a choice into a folder, all of it or nothing; returns the names of the files.

    Args:
        slices: displayed indices, for what is written by slice.
        identity: whether the DICOM SEG says what its source says of patient and study.
        progress: is told of pictures.

    Raises:
        WriteError: if something cannot be written.
    """
    volume, result, style = scene.volume, scene.result, scene.style
    with staged(out) as stage:

        def put(what: What, data: bytes) -> None:
            (stage / scene.name(what)).write_bytes(data)

        def write_pictures(z: int) -> None:
            for what, draw in ((What.OVERLAYS, scene.picture), (What.PANELS, scene.panel)):
                if what in whats:
                    (stage / scene.name(what, z)).write_bytes(png_bytes(draw(z)))

        if What.OVERLAYS in whats or What.PANELS in whats:
            spread(write_pictures, slices, progress)
        if What.SHEET in whats:
            put(What.SHEET, png_bytes(scene.contact_sheet(slices)))
        if What.FILM in whats:
            put(What.FILM, encode_gif(np.stack([scene.picture(z) for z in slices]), SECONDS_A_PICTURE))
        if What.MASK in whats:
            put(What.MASK, gzipped(nifti_bytes(result.mask(style.threshold, volume.shape)[..., np.newaxis].astype(np.uint8), volume)))
        if What.PROBABILITY in whats:
            put(What.PROBABILITY, gzipped(nifti_bytes(_probability(scene), volume, slope=1 / 65535)))
        if What.SEG in whats:
            dicom_seg.write_segmentation(stage / scene.name(What.SEG), volume, result, style.threshold, identity=identity)
        document = scene.document(whats, slices)
        if What.TABLE in whats:
            put(What.TABLE, table_text(document["slices"], edited=True).encode())
        if What.REPORT in whats:
            put(What.REPORT, scan_report.page_of(scene, document))
        put(What.NUMBERS, numbers_text(document).encode())
    return scene.names(whats, slices)


def numbers_text(document: Mapping[str, object]) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _probability(scene: Scene) -> np.ndarray:
    """(Z, Y, X, 1) uint16 of the models' own maps; what a person drew has no probability."""
    whole = np.zeros((*scene.volume.shape, 1), np.uint16)
    for z, prediction in enumerate(scene.result.predictions):
        if prediction.mask is not None:
            whole[z, ..., 0] = sixteen_bits(prediction.mask.probability)
    return whole
