"""Which MRI sequence a series probably is, from what it is called and from its timing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

FLAIR, T1, T1_POST, T2, T2_STAR, PD, STIR = "FLAIR", "T1", "T1 post-contrast", "T2", "T2*", "PD", "STIR"
DIFFUSION, ADC, PERFUSION, ANGIOGRAPHY, FUNCTIONAL, LOCALISER = "DWI", "ADC", "perfusion", "angiography", "BOLD", "localiser"

_NAMED = (
    (LOCALISER, r"\b(loc|localis\w*|localiz\w*|scouts?|survey|3 ?plane\w*|aahead\w*)\b"),
    (ADC, r"\be?adc\b|apparent diffusion"),
    (DIFFUSION, r"\b(dwi|dti|dki|trace\w*|diff\w*|isodwi|ep2d ?diff\w*|resolve)\b"),
    (PERFUSION, r"\b(perf\w*|pwi|dsc|dce|asl|pcasl|pasl|r?cb[fv]|mtt|ttp|tmax)\b"),
    (ANGIOGRAPHY, r"\b(mra|mrv|tof\w*|angio\w*|venogra\w*)\b"),
    (FUNCTIONAL, r"\b(bold|fmri|resting ?state)\b"),
    (T2_STAR, r"t2 ?\*|t2 ?star|\b(swi|swan|swip|hemo|haemo|medic|merge|suscept\w*)\b"),
)
_POST = re.compile(r"\+ ?(c|gd|gad|km)\b|\bc ?\+|\b(post|gd|gad|gado\w*|contrast|ce|km|t1 ?ce|t1 ?c|t1 ?gd|t1 ?post)\b|t1ce|t1gd|t1post")
_NOT_POST = re.compile(r"\b(pre|without|w ?o|non?|native|nativ|before|vor|ohne) ?(contrast|gd|gad\w*|km|c)?\b")

_SEQUENCE_WORD = re.compile(
    r"flair|tirm|t[12](?![0-9])\w*|pd(?![0-9])\w*|pre|post|ce|c|gd|gad\w*|km|contrast|native?|w|wi|[23]d|ax|axial|tra|dwi|adc|swi|mr|space|cube", re.I
)


@dataclass(frozen=True, slots=True)
class Timing:
    """What the scanner did, as far as the file says: milliseconds and degrees, None where it does not."""

    tr_ms: float | None = None
    te_ms: float | None = None
    ti_ms: float | None = None
    contrast: bool = False


def words_beside(words: Iterable[str]) -> tuple[str, ...]:
    """What is left of a name's words without those that speak of a sequence: who was examined, and when."""
    return tuple(word for word in words if not _SEQUENCE_WORD.fullmatch(word))


def guess_sequence(text: str, timing: Timing = Timing()) -> str | None:
    """The likeliest sequence, or None where neither the name nor the numbers say.

    Args:
        text: series description, protocol, sequence and file names, in any order.
        timing: repetition, echo and inversion time; whether a contrast agent is recorded.
    """
    words = re.sub(r"[^a-z0-9+*]+", " ", text.lower()).strip()
    for name, pattern in _NAMED:
        if re.search(pattern, words):
            return name
    flair = re.search(r"flair|dark ?fluid|tirm", words) is not None
    t1 = re.search(r"(?<![a-z0-9])s?3?d?t1(?![0-9])|t1(w|ce|c|gd|post|wi)\b|mp2?rage|\b(f?spgr|bravo|vibe|i?r?fspgr|tfl3d|tfl)\b", words) is not None
    t2 = re.search(r"(?<![a-z0-9])3?d?t2(?![0-9])|t2(w|wi)\b", words) is not None
    by_time = _by_timing(timing)
    if flair and t1 and not t2:
        flair = False  # "T1 FLAIR" is T1-weighted: its inversion time is short
    if flair and by_time == STIR:
        return STIR
    if flair:
        return FLAIR
    if re.search(r"\bstir\b", words):
        return STIR
    if t1 or (not t2 and by_time == T1):
        return T1_POST if _post_contrast(words, timing) else T1
    if t2:
        return FLAIR if by_time == FLAIR else T2
    if re.search(r"\b(pd|pdw|proton)\b", words):
        return PD
    return by_time


def _post_contrast(words: str, timing: Timing) -> bool:
    if _NOT_POST.search(words):
        return False
    return timing.contrast or _POST.search(words) is not None


def _by_timing(timing: Timing) -> str | None:
    """Rules of thumb that hold from 1 to 3 tesla; None in the wide land between them."""
    tr, te, ti = timing.tr_ms, timing.te_ms, timing.ti_ms
    if tr is None or te is None or tr <= 0 or te <= 0:
        return None
    if ti is not None and 1500 <= ti <= 3000 and te >= 60 and tr >= 4000:
        return FLAIR
    if ti is not None and 90 <= ti <= 300 and tr >= 2000:
        return STIR
    if (ti is not None and 300 < ti <= 1300 and te <= 30 and tr <= 3500) or (tr <= 900 and te <= 25):
        return T1
    if tr >= 2000 and te >= 70 and not ti:
        return T2
    return PD if tr >= 2000 and te <= 40 and not ti else None
