"""Numbers as the window says them: with a unit, at one sensible precision."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from ..imaging.prediction import Prediction
from ..imaging.volume import Volume
from .session import Session
from .state import Phase

NOTHING = "\u2013"
"""A dash, in place of a number that is not known."""


def _tr(text: str) -> str:
    return QCoreApplication.translate("measures", text)


def area_words(pixels: int, spacing: tuple[float, float, float] | None) -> str:
    """ "6.1 cm²" where the spacing (dz, dy, dx) in mm is known, else "1,234 pixels"."""
    if spacing is None:
        return _tr("{:,} pixels").format(pixels)
    return _tr("{:.1f} cm²").format(pixels * spacing[1] * spacing[2] / 100)


def spacing_words(volume: Volume) -> str:
    """ "Voxels 0.9 x 0.9 x 5 mm", with a word where that was typed and not read."""
    if volume.spacing is None:
        return _tr("Spacing unknown")
    dz, dy, dx = volume.spacing
    size = _tr("{:.3g} x {:.3g} x {:.3g} mm").format(dx, dy, dz)
    return _tr("Voxels {}, assumed").format(size) if volume.spacing_assumed else _tr("Voxels {}").format(size)


def volume_ml(session: Session) -> float | None:
    """Of the whole scan's tumour as it is shown, or None where the spacing or the final answer is not known."""
    volume = session.volume
    if volume is None or session.result is None or volume.voxel_mm3 is None:
        return None
    return sum(area or 0 for area in session.areas) * volume.voxel_mm3 / 1000


def diameter_words(session: Session) -> str:
    """ "52 x 41 mm, slice 17": the largest lesion's diameters, or "" where they are not known."""
    found = session.measured.measures.diameters if session.measured is not None else None
    if found is None:
        return ""
    return _tr("{:.0f} x {:.0f} mm, slice {}").format(found.longest_mm, found.perpendicular_mm, found.z + 1)


def centre_words(centroid: tuple[float, float, float] | None) -> str:
    """ "slice 15, x 101, y 92", or a dash where nothing was found."""
    if centroid is None:
        return NOTHING
    z, y, x = centroid
    return _tr("slice {}, x {:.0f}, y {:.0f}").format(round(z) + 1, x, y)


def place_words(volume: Volume | None, voxel: tuple[float, float, float] | None) -> str:
    """Where a voxel (z, y, x) lies in the patient: "R 12.3   A 4.5   H 20.1 mm", or "" where the files do not say."""
    if volume is None or volume.affine is None or voxel is None:
        return ""
    right, front, up = volume.affine[:3] @ (voxel[2], voxel[1], voxel[0], 1)
    letters = ((_tr("R"), _tr("L")), (_tr("A"), _tr("P")), (_tr("H"), _tr("F")))
    parts = (f"{pair[0] if mm >= 0 else pair[1]} {abs(mm):.1f}" for pair, mm in zip(letters, (right, front, up), strict=True))
    return _tr("{} mm").format("   ".join(parts))


def probability_words(p: float) -> str:
    """Two digits; never a plain 0 or 1, which no model can promise."""
    if p > 0.995:
        return "> 0.99"
    return "< 0.01" if p < 0.005 else f"{p:.2f}"


def duration_words(seconds: float) -> str:
    """ "3 s", "2 min"."""
    if seconds < 90:
        return _tr("{} s").format(max(1, round(seconds)))
    return _tr("{} min").format(round(seconds / 60))


def slice_words(volume: Volume, z: int, prediction: Prediction | None, pixels: int | None) -> str:
    """One slice's answer in a few lines; `pixels` is the tumour's area."""
    head = _tr("Slice {} of {}").format(z + 1, len(volume))
    if prediction is None:
        return head + "\n" + _tr("Not analysed")
    verdict = _tr("Tumour") if prediction.tumour else _tr("No tumour found")
    lines = [head, _tr("{}, probability {}").format(verdict, probability_words(prediction.p_tumour))]
    if prediction.tumour and pixels is not None:
        lines.append(_tr("Area {}").format(area_words(pixels, volume.spacing)))
    if prediction.drawn is not None:
        lines.append(_tr("Edited by hand"))
    if prediction.only_seen_by:
        lines.append(doubt_words(prediction))
    if prediction.provisional:
        lines.append(_tr("Provisional, until the whole scan is analysed"))
    return "\n".join(lines)


def doubt_words(prediction: Prediction) -> str:
    """Which of the two models sees a tumour alone."""
    return {
        "classifier": _tr("The models disagree: only the classifier sees a tumour"),
        "segmenter": _tr("The models disagree: only the segmenter sees a tumour"),
    }.get(prediction.only_seen_by, "")


def sequence_words(session: Session) -> str:
    """What the picture shows: one of the composed scan's sequences, or the series' own name."""
    volume = session.volume
    if volume is None:
        return ""
    return show_words(session.show) if volume.composed else volume.description or volume.key


def show_words(show: str) -> str:
    """The name of one way to show a composed scan."""
    return {
        "pre": _tr("Pre-contrast T1"),
        "flair": _tr("FLAIR"),
        "post": _tr("Post-contrast T1"),
        "composite": _tr("Colour composite"),
    }[show]


def verdict_words(session: Session) -> str:
    """The scan's verdict, in an honest state; never more than what was looked at."""
    analysis, result = session.analysis, session.result
    if session.scan is None:
        return ""
    if analysis.phase is Phase.RUNNING:
        return _tr("Analysing {} of {}").format(analysis.done, analysis.total)
    if analysis.phase is Phase.STOPPED:
        return _tr("Stopped at {} of {}").format(analysis.done, analysis.total)
    if analysis.phase is Phase.FAILED:
        return _tr("Analysis failed at {} of {}").format(analysis.done, analysis.total)
    if result is None:
        return _tr("Not analysed") if session.scan.volume.refusal else _tr("Not analysed yet")
    if result.slices_with_tumour:
        return _tr("Tumour found in {} of {} slices").format(result.slices_with_tumour, analysis.total)
    return _tr("No tumour found in {} of {} slices").format(analysis.total, analysis.total)
