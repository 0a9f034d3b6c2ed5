"""One page about one scan: pictures, numbers, models, settings and how the scan was read, in a single HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ..imaging import sheet
from ..imaging.measure import Diameters, slice_diameters
from . import page
from .writing import png_bytes

if TYPE_CHECKING:
    from .share import Scene

KEY_SLICE_PX = 720
MOST_ON_SHEET = 60
RANGE = (0.3, 0.7)
"""Thresholds between which the volume's range is given."""


def page_of(scene: Scene, document: dict[str, Any]) -> bytes:
    """The page; numbers come from the document of `results.json`, so that both say the same."""
    scan = document["scan"]
    total, found = len(scene.volume), scan["slices_with_tumour"]
    verdict = f"Tumour found in {found} of {total} slices" if found else f"No tumour found in {total} of {total} slices"
    edited = document["edited_by_hand"]
    lead = f"{document['key']}. {_made(edited)}"
    sections = [_pictures(scene, scan["largest_slice"]), _findings(scene, document), _how(scene, document), _reading(scene, document)]
    return page.page(verdict, lead, _tiles(scene, scan, total), sections)


def _made(edited: Sequence[int]) -> str:
    when = f"Made with brainviewer on {datetime.now().astimezone():%Y-%m-%d %H:%M}"
    if not edited:
        return f"{when}; all masks are the models' own."
    slices = "slice" if len(edited) == 1 else "slices"
    return f"{when}; the mask of {slices} {_numbers(edited)} was edited by hand, and everything here counts what was drawn."


def _numbers(indices: Sequence[int]) -> str:
    """ "4, 7 to 9": displayed indices, counted from 1."""
    runs: list[list[int]] = []
    for z in indices:
        if runs and z == runs[-1][-1] + 1:
            runs[-1].append(z)
        else:
            runs.append([z])
    return ", ".join(f"{run[0] + 1}" if len(run) == 1 else f"{run[0] + 1} to {run[-1] + 1}" for run in runs)


def _tiles(scene: Scene, scan: dict[str, Any], total: int) -> list[tuple[str, str]]:
    tiles = [(f"{scan['slices_with_tumour']} of {total}", "slices with a tumour")]
    if scan["volume_ml"] is not None:
        low, high = sorted(_volume_ml(scene, threshold) for threshold in RANGE)
        tiles.append((f"{scan['volume_ml']:.1f} ml", f"volume ({low:.1f} to {high:.1f} ml at thresholds 0.7 to 0.3)"))
    if scan["longest_diameter_mm"] is not None:
        size = f"{scan['longest_diameter_mm']:.0f} x {scan['perpendicular_diameter_mm']:.0f} mm"
        tiles.append((size, f"longest and perpendicular diameter, slice {scan['largest_slice'] + 1}"))
    elif scan["largest_slice"] is not None:
        tiles.append(
            (f"{scan['largest_slice'] + 1}", "slice with the largest area; sizes in millimetres are not known, as the files do not state them")
        )
    if scan["fit"] is not None:
        tiles.append((f"{scan['fit']:.2f}", "likeness to what the models learned from (0 to 1)"))
    return tiles


def _volume_ml(scene: Scene, threshold: float) -> float:
    assert scene.volume.spacing is not None
    count = int(scene.result.mask(threshold, scene.volume.shape).sum())
    return count * float(np.prod(scene.volume.spacing)) / 1000


def _pictures(scene: Scene, largest: int | None) -> str:
    volume, spacing = scene.volume, scene.volume.spacing
    pixel_mm = None if spacing is None else (spacing[1], spacing[2])
    z = len(volume) // 2 if largest is None else largest
    large = sheet.in_proportion(scene.picture(z), pixel_mm, KEY_SLICE_PX)
    diameters = _diameters(scene, z)
    words = f"Slice {z + 1} of {len(volume)}"
    if diameters is not None:
        large = sheet.with_diameters(large, volume.shape[1:], diameters)
        words += f": {diameters.longest_mm:.0f} x {diameters.perpendicular_mm:.0f} mm"
    parts = [page.image(png_bytes(large), f"{words}, with the mask", words)]
    shown = [p.z for p in scene.predictions if p.tumour] or list(range(len(volume)))
    if len(shown) > MOST_ON_SHEET:
        shown = [shown[round(n)] for n in np.linspace(0, len(shown) - 1, MOST_ON_SHEET)]
    caption = f"{len(shown)} slices" if scene.result.slices_with_tumour == 0 else f"{len(shown)} of {scene.result.slices_with_tumour} with a tumour"
    parts.append(page.image(png_bytes(scene.contact_sheet(shown, 1400)), "The slices in rows, with their masks", caption))
    return page.section("Pictures", *parts)


def _diameters(scene: Scene, z: int) -> Diameters | None:
    found = scene.predictions[z].found(scene.style.threshold)
    if scene.volume.spacing is None or found is None:
        return None
    return slice_diameters(found, scene.volume.spacing, z)


def _findings(scene: Scene, document: dict[str, Any]) -> str:
    rows = [row for row in document["slices"] if row["tumour"] or row["edited"] or row["reviewed"]]
    if not rows:
        return page.section("Slices", page.text("No slice shows a tumour, and none was edited."))
    known = scene.volume.spacing is not None
    head = ("Slice", "Probability", "Area" + (" in cm²" if known else " in pixels"), "Mask", "Reviewed")
    body = [
        (
            f"{row['index'] + 1}",
            probability_words(row["p_tumour"]),
            f"{row['area_mm2'] / 100:.1f}" if known else f"{row['area_px']:,}",
            "by hand" if row["edited"] else "models",
            "yes" if row["reviewed"] else "",
        )
        for row in rows
    ]
    return page.section("Slices", page.table(head, body))


def probability_words(p: float) -> str:
    """Two digits; never a plain 0 or 1, which no model can promise."""
    if p > 0.995:
        return "> 0.99"
    return "< 0.01" if p < 0.005 else f"{p:.2f}"


def _how(scene: Scene, document: dict[str, Any]) -> str:
    models = [(f"{model['name']} {model['version']}", model["task"], model["sha256"][:16]) for model in document["models"]]
    settings = [
        ("brainviewer", document["brainviewer"]),
        ("Computed by", f"{document['engine']}, {document['device']}, {document['precision']}"),
        ("Threshold of a mask's pixels", f"{document['threshold']:.2f}"),
        ("Threshold of a slice's decision", f"{document['decision_threshold']:.2f}"),
        ("Time of the analysis", f"{scene.result.seconds:.1f} s"),
        ("Shown", scene.show if scene.volume.composed else scene.volume.channels[0]),
    ]
    return page.section("Models and settings", page.table(("Model", "Task", "SHA-256 begins"), models), page.table(("Setting", "Value"), settings))


def _reading(scene: Scene, document: dict[str, Any]) -> str:
    """The reading receipt; without one, what is known of the reading."""
    if scene.receipt is not None:
        return page.section("Reading receipt", page.prose([(entry.topic, entry.words) for entry in scene.receipt.entries]))
    ignored = [f"{row['file']}: {row['why']}" for row in document["ignored"]]
    lists = [("Notes", document["notes"]), ("Ignored files", ignored)]
    return page.section("How the scan was read", *(page.group(title, lines, 20, "results.json") for title, lines in lists if lines))
