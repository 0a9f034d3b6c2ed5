"""Which series of a listing the models are asked about, and which is opened first, as far as the listing tells."""

from __future__ import annotations

import re

from ..imaging.orientation import plane_refusal
from . import sequence as sequences
from .series import Series, listed, stem_of

_KNOWN = ("composite", sequences.FLAIR)
_LIKENESS = (
    *((name,) for name in _KNOWN),
    (None,),
    (sequences.T2,),
    (sequences.PD, sequences.STIR),
    (sequences.T1_POST, sequences.T1),
    (sequences.T2_STAR,),
)
"""Sequences in the order in which they resemble what the models know; what is not named comes after, localisers last."""

_FEW_SLICES = 5
"""Fewer are a survey or a sample, not a scan of a head."""


def examination(series: Series) -> tuple[str, ...]:
    """What series of one examination have in common: the study; where there is none, the folder, and what their names say beside the sequence."""
    if series.study:
        return "study", series.study
    if not series.files:
        return (series.key,)
    first, single = series.files[0], len(series.files) == 1
    folder = (first.parent if single else first.parent.parent).as_posix()
    words = re.split(r"[\W_]+", stem_of(first.name) if single else series.key)
    return folder, *sequences.words_beside(word.casefold() for word in words if word)


def is_mri(series: Series) -> bool:
    """Whether it may be MRI; most formats do not say."""
    return series.modality in ("MR", "", "OT")


def refusal(series: Series) -> str:
    """Why its analysis will be refused, as far as the listing tells, or ""."""
    return series.refusal or plane_refusal(series.plane)


def unlikeness(series: Series) -> tuple:
    """Sort key: the series that the models can say most about comes first; equal ones keep their order."""
    rank = next((n for n, names in enumerate(_LIKENESS) if series.sequence in names), len(_LIKENESS) + (series.sequence == sequences.LOCALISER))
    few = series.shape[0] < _FEW_SLICES
    return not is_mri(series), bool(refusal(series)), max(rank, 1), series.derived, few, series.plane not in ("axial", None)


def fitting(all_series: tuple[Series, ...]) -> list[Series]:
    """Those that may be what the models know: composed scans and FLAIR; and those that do not say what they are, unless they are computed from
    others or there is a composed scan or a FLAIR in the same examination. In the order of `unlikeness`."""
    answered = {examination(series) for series in all_series if is_mri(series) and series.sequence in _KNOWN}
    return sorted(
        (
            series
            for series in all_series
            if is_mri(series)
            and (series.sequence in _KNOWN or (series.sequence is None and not series.derived and examination(series) not in answered))
        ),
        key=unlikeness,
    )


def chosen(all_series: tuple[Series, ...]) -> tuple[list[Series], tuple[str, ...]]:
    """The series to analyse where none was named, likeliest FLAIR first, and notes on the choice.

    Every series that fits; where none of them may be analysed, also the likeliest of the others. One that will be refused is among them, so
    that the reason is told.

    Args:
        all_series: of a listing; at least one.
    """
    fit = fitting(all_series)
    best = min(all_series, key=unlikeness)
    notes = []
    if not any(not refusal(series) for series in fit) and best not in fit:
        fit.append(best)
        notes.append(f'No series that may be analysed looks like a FLAIR; "{best.key}" was analysed as the likeliest: {reason(best)}.')
    elif best.sequence in _KNOWN and (rivals := [s for s in all_series if s is not best and examination(s) == examination(best)]):
        others = sum(series in fit and series.sequence in _KNOWN for series in rivals)
        also = f"; {others} more {'does' if others == 1 else 'do'}" if others else ""
        notes.append(f'"{best.key}" was taken for the likeliest FLAIR: {reason(best)}{also}.')
    left = [series.key for series in all_series if series not in fit]
    if left:
        notes.append(f"Not analysed, as they do not look like what the models know: {listed(left)}.")
    return fit, tuple(notes)


def reason(series: Series) -> str:
    """Why a series is the likeliest FLAIR, as part of a sentence."""
    if series.sequence == "composite":
        return "it holds the three sequences that the models know"
    if series.sequence == sequences.FLAIR:
        return "its name or timing says so"
    if series.sequence is None:
        return "nothing says what it is"
    return f"its name or timing says {series.sequence}"
