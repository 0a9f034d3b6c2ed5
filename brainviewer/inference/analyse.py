"""The analysis of a scan: the classifier on each slice, the segmenter where it finds something, then one look at the whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from ..errors import RefusalError
from ..imaging.prediction import Mask, Prediction, ScanResult
from ..imaging.volume import Volume
from . import preprocess
from .fit import fit_note, fit_of
from .load import Models
from .postprocess import NETWORK_PIXELS, CleanUp, Decision, clean


class Task(Protocol):
    """What a job is given: it reports through `step`, which raises `Cancelled` when someone asked to stop."""

    def step(self, done: int, total: int, note: str = "") -> None: ...


class Silent:
    """A task that nobody watches or stops."""

    def step(self, done: int, total: int, note: str = "") -> None: ...


def outward(start: int, count: int) -> list[int]:
    """All indices from 0 to `count` - 1: `start` first, then its neighbours, outward."""
    return sorted(range(count), key=lambda z: (abs(z - start), z < start))


def decision_of(models: Models) -> Decision:
    """How the models' bundle decides; the classifier alone where the bundle says nothing."""
    stored = models.classify_bundle.details.get("decision")
    return Decision.from_json(stored) if stored else Decision()


def cleanup_of(models: Models) -> CleanUp:
    """What the models' bundle drops of a mask."""
    return CleanUp(**models.segment_bundle.details.get("clean_up", {}))


class Answers:
    """What the two networks say of the slices of one volume, as far as they were asked.

    Each slice is a batch of its own: an answer that depended on its neighbours could differ between the window and the command line.

    Attributes:
        p: (Z,) the classifier's own probability of a tumour; 0 where it was not asked.
        features: for each classified slice z, (F,) float32.
        maps: for each segmented slice z, (Y, X) float32 probability on the slice's own grid.
        seconds: (Z,) spent on each slice.
    """

    def __init__(self, volume: Volume, models: Models) -> None:
        self.volume, self.models = volume, models
        self.ranges = preprocess.intensity_ranges(volume.voxels)
        self.p = np.zeros(len(volume))
        self.features: dict[int, np.ndarray] = {}
        self.maps: dict[int, np.ndarray] = {}
        self.seconds = np.zeros(len(volume))

    def classify(self, z: int) -> None:
        started = time.perf_counter()
        size = self.models.classify_bundle.size
        answer = self.models.classifier(preprocess.to_network(self.volume[z], self.ranges, size)[np.newaxis])
        self.p[z] = float(answer["probability"][0, -1])
        if "features" in answer:
            self.features[z] = answer["features"][0]
        self.seconds[z] += time.perf_counter() - started

    def segment(self, z: int) -> None:
        if z in self.maps:
            return
        started = time.perf_counter()
        image = preprocess.to_network(self.volume[z], self.ranges, self.models.segment_bundle.size)
        probability = self.models.segmenter(image[np.newaxis])["probability"][0, ..., 0]
        self.maps[z] = preprocess.to_slice(probability, self.volume.shape[1:])
        self.seconds[z] += time.perf_counter() - started


def analyse(
    volume: Volume,
    models: Models,
    task: Task | None = None,
    *,
    order: Sequence[int] | None = None,
    all_slices: bool = False,
    on_slice: Callable[[Prediction], None] = lambda prediction: None,
) -> ScanResult:
    """Analyses a whole scan.

    The result does not depend on `order`, nor do decisions and masks depend on `all_slices`.

    Args:
        order: slices in the order in which they are wanted; natural order by default.
        all_slices: the segmenter also runs where the classifier finds nothing; its probabilities become known everywhere.
        on_slice: gets each slice's provisional prediction as soon as it is known.

    Returns:
        The final result, none of whose predictions is provisional.

    Raises:
        Cancelled: from `task.step`, between two slices.
        RefusalError: where the answer would mean nothing (`volume.refusal`).
        EngineError: when no engine can go on.
    """
    if volume.refusal:
        raise RefusalError(volume.refusal, "It is shown, but not analysed.")
    task = task or Silent()
    started = time.perf_counter()
    scan, decision = Answers(volume, models), decision_of(models)
    count = len(volume)
    order = list(order) if order is not None else list(range(count))
    for done, z in enumerate(order):
        task.step(done, count)
        scan.classify(z)
        p = decision.provisional(scan.p[z])
        if scan.p[z] >= decision.gate:
            scan.segment(z)
        on_slice(Prediction(z, p, p >= decision.threshold, Mask(scan.maps[z]) if z in scan.maps else None, True, scan.seconds[z]))
    gated = decision.gated(scan.p)
    for z in order:
        if gated[z] or all_slices:
            task.step(count, count)
            scan.segment(z)
    result = finish(scan, decision, gated, models)
    task.step(count, count)
    return replace(result, seconds=time.perf_counter() - started)


def finish(scan: Answers, decision: Decision, gated: np.ndarray, models: Models) -> ScanResult:
    """The whole-scan pass: clean-up in three dimensions, then each slice's decision.

    Args:
        gated: (Z,) bool, slices on which the segmenter has a say; all of them must have been segmented.
    """
    volume, threshold = scan.volume, models.segment_bundle.threshold
    heard = {z: map_ for z, map_ in scan.maps.items() if gated[z]}
    cleaned = clean(heard, volume.shape, threshold, cleanup_of(models))
    scale = max(volume.shape[1:]) ** 2 / NETWORK_PIXELS
    areas = np.array([np.count_nonzero(cleaned[z] >= threshold) / scale if z in cleaned else 0.0 for z in range(len(volume))])
    p = decision.final(scan.p, areas)
    predictions = tuple(
        Prediction(
            z,
            float(p[z]),
            bool(p[z] >= decision.threshold),
            Mask(cleaned.get(z, scan.maps.get(z))) if z in scan.maps else None,  # type: ignore[arg-type]
            False,
            float(scan.seconds[z]),
        )
        for z in range(len(volume))
    )
    fit = fit_of(models.classify_bundle, scan.features)
    notes = [*models.notes, *models.classifier.notes, *models.segmenter.notes]
    if note := fit_note(models.classify_bundle, fit):
        notes.append(note)
    return ScanResult(
        predictions, threshold, decision.threshold, fit, models.engine, models.device, models.precision, models.identities, tuple(notes)
    )


def second_pass(volume: Volume, models: Models, task: Task, result: ScanResult, order: Sequence[int] | None = None) -> Iterator[Prediction]:
    """The segmenter on the slices that the classifier passed over, for the heat map; yields predictions whose decision is unchanged.

    Raises:
        Cancelled: from `task.step`, between two slices.
        EngineError: when no engine can go on.
    """
    scan = Answers(volume, models)
    open_ = [z for z in (order if order is not None else range(len(volume))) if result.predictions[z].mask is None]
    for done, z in enumerate(open_):
        task.step(done, len(open_))
        scan.segment(z)
        old = result.predictions[z]
        yield Prediction(z, old.p_tumour, old.tumour, Mask(scan.maps[z]), False, old.seconds + scan.seconds[z])
