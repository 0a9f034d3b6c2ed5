"""What the models said of a slice and of a scan, and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

MOST_COUNTED = 64


@dataclass(frozen=True, eq=False, slots=True)
class Mask:
    """Where the segmenter sees a tumour, **on the slice's own grid**, so that the threshold needs no new run.

    Attributes:
        probability: (Y, X) float32, 0..1.
    """

    probability: np.ndarray
    _counted: dict[float, int] = field(default_factory=dict, repr=False)
    """Areas by threshold: a panel that asks about every slice must not look at every pixel again."""

    def at(self, threshold: float) -> np.ndarray:
        """(Y, X) bool."""
        return self.probability >= threshold

    def area_px(self, threshold: float) -> int:
        counted = self._counted.get(threshold)
        if counted is None:  # of two threads that ask at once both may count, and both are right
            counted = int(np.count_nonzero(self.at(threshold)))
            if len(self._counted) >= MOST_COUNTED:
                self._counted.clear()
            self._counted[threshold] = counted
        return counted

    def area_mm2(self, spacing: tuple[float, float, float] | None, threshold: float) -> float | None:
        """Square millimetres, or None where the spacing (dz, dy, dx) is not known."""
        return None if spacing is None else self.area_px(threshold) * spacing[1] * spacing[2]


@dataclass(frozen=True, eq=False, slots=True)
class Prediction:
    """One slice's answer.

    Attributes:
        z: displayed index.
        p_tumour: calibrated probability that the slice shows a tumour, 0..1.
        tumour: the decision: `p_tumour` at or above the models' decision threshold. A mask is shown and measured only where it is true.
        mask: None where the segmenter has not run.
        provisional: True until the whole-scan pass, which looks at neighbours and cleans up in three dimensions.
        seconds: of both networks, for this slice.
        drawn: (Y, X) bool mask that a person drew; it takes the place of the models' one at every threshold. Then `tumour` says whether it has
            a pixel; `p_tumour` and `mask` stay what the models said.
        only_seen_by: "classifier" or "segmenter" where only one of the two models sees a tumour, else "". Known once the whole scan is.
    """

    z: int
    p_tumour: float
    tumour: bool
    mask: Mask | None
    provisional: bool = True
    seconds: float = 0.0
    drawn: np.ndarray | None = None
    only_seen_by: str = ""

    def with_drawn(self, drawn: np.ndarray) -> Prediction:
        """The same with a (Y, X) bool mask drawn by hand."""
        return replace(self, drawn=drawn, tumour=bool(drawn.any()))

    def found(self, threshold: float) -> np.ndarray | None:
        """(Y, X) bool of the mask that counts (empty where the decision is no tumour), or None where the segmenter has not run."""
        if self.drawn is not None:
            return self.drawn
        if self.mask is None:
            return None
        return self.mask.at(threshold) if self.tumour else np.zeros(self.mask.probability.shape, bool)

    def area_px(self, threshold: float) -> int | None:
        """Pixels of `found`, or None where that is not known."""
        if self.drawn is not None:
            return int(np.count_nonzero(self.drawn))
        if self.mask is None:
            return None
        return self.mask.area_px(threshold) if self.tumour else 0


AMBER_FIT = 0.5
"""Of a scan's fit: below this the user is told that the answer may mean nothing."""


@dataclass(frozen=True, eq=False, slots=True)
class ScanResult:
    """The whole scan's final answer.

    Attributes:
        predictions: one a slice, in displayed order, none provisional.
        threshold: pixel probability that the models' bundle proposes.
        decision_threshold: what `p_tumour` was compared with.
        fit: 0..1, how well the scan resembles what the models know, or None where the bundle cannot say.
        engine, device, precision: what computed it; `precision` is "float32" or "int8".
        models: (name, version, task, sha256) of each.
        notes: sentences for the user.
        seconds: wall time of preprocessing, networks and postprocessing.
        trained_on: a sentence for each model: what it learned from.
    """

    predictions: tuple[Prediction, ...]
    threshold: float
    decision_threshold: float
    fit: float | None
    engine: str
    device: str
    precision: str
    models: tuple[tuple[str, str, str, str], ...]
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    trained_on: tuple[str, ...] = ()

    @property
    def slices_with_tumour(self) -> int:
        return sum(p.tumour for p in self.predictions)

    @property
    def drawn_slices(self) -> tuple[int, ...]:
        """Displayed indices of the slices whose mask was drawn by hand."""
        return tuple(p.z for p in self.predictions if p.drawn is not None)

    def mask(self, threshold: float, shape: tuple[int, int, int]) -> np.ndarray:
        """(Z, Y, X) bool of the whole scan at a threshold."""
        whole = np.zeros(shape, bool)
        for prediction in self.predictions:
            found = prediction.found(threshold)
            if found is not None:
                whole[prediction.z] = found
        return whole


VERMILION = (213, 94, 0)
SKY_BLUE = (86, 180, 233)
BLUISH_GREEN = (0, 158, 115)
YELLOW = (240, 228, 66)
REDDISH_PURPLE = (204, 121, 167)
HIT, MISSED, FALSE = BLUISH_GREEN, SKY_BLUE, VERMILION
"""Agreement with a reference: marked in both, in the reference only, in the prediction only."""
PALETTE = {"vermilion": VERMILION, "sky blue": SKY_BLUE, "bluish green": BLUISH_GREEN, "yellow": YELLOW, "reddish purple": REDDISH_PURPLE}
"""Overlay colours that colour-blind people can tell apart (Okabe and Ito 2008)."""


@dataclass(frozen=True, slots=True)
class OverlayStyle:
    """How a mask is drawn.

    Attributes:
        rgb: 3 x 0..255.
        opacity: 0..1; 0 leaves the bare slice.
        threshold: pixel probability from which a pixel belongs to the mask.
        outline: the border only.
        hatch: stripes and the border, so that the tissue below can be seen; `outline` comes first.
    """

    rgb: tuple[int, int, int] = VERMILION
    opacity: float = 0.45
    threshold: float = 0.5
    outline: bool = False
    hatch: bool = False
