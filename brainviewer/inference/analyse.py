"""The analysis of a scan: the classifier on each slice, the segmenter where it finds something, then one look at the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..imaging.prediction import Prediction, ScanResult
from ..imaging.volume import Volume
from .engine import Engine


class Task(Protocol):
    """What a job is given: it reports through `step`, which raises `Cancelled` when someone asked to stop."""

    def step(self, done: int, total: int, note: str = "") -> None: ...


@dataclass(frozen=True, eq=False, slots=True)
class Models:
    """The two networks, loaded."""

    classifier: Engine
    segmenter: Engine
    classify_bundle: object
    segment_bundle: object


def outward(start: int, count: int) -> list[int]:
    """All indices from 0 to `count` - 1: `start` first, then its neighbours, outward."""
    return sorted(range(count), key=lambda z: (abs(z - start), z < start))


def analyse(
    volume: Volume,
    models: Models,
    task: Task,
    *,
    order: Sequence[int] | None = None,
    all_slices: bool = False,
    on_slice: Callable[[Prediction], None] = lambda prediction: None,
) -> ScanResult:
    """Analyses a whole scan.

    Args:
        order: slices in the order in which they are wanted; natural order by default.
        all_slices: the segmenter also runs where the classifier finds nothing (decisions and masks stay the same; probabilities become
            known everywhere).
        on_slice: gets each slice's provisional prediction as soon as it is known, again when it is refined.

    Returns:
        The final result, none of whose predictions is provisional.

    Raises:
        Cancelled: from `task.step`, between two slices.
        EngineError: when no engine can go on.
    """
    raise NotImplementedError


def second_pass(volume: Volume, models: Models, task: Task, result: ScanResult, order: Sequence[int] | None = None) -> Iterator[Prediction]:
    """The segmenter on the slices that the classifier passed over, for the heat map and the threshold; yields final predictions whose decision is unchanged."""
    raise NotImplementedError
