"""The analysis of a scan: the classifier on each slice, the segmenter where it finds something, then one look at the whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

import numpy as np

from ..errors import RefusalError
from ..imaging.prediction import Mask, Prediction, ScanResult
from ..imaging.volume import Volume
from . import preprocess
from .bundle import ModelBundle
from .engine import Engine
from .fit import fit_note, fit_of, foreign_by_tags
from .kept import Answer
from .load import Models
from .postprocess import NETWORK_PIXELS, CleanUp, Decision, clean

LANE_NICENESS = 10


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

    Each slice is a batch of its own: an answer that depended on its neighbours could differ between the window and the command line. Slices are
    asked about side by side where the engine takes several calls at a time (`Engine.lanes`). A slice that equals one that was asked about before,
    in this run or, where the models keep answers (`Models.kept`), in an earlier one, needs no network.

    Attributes:
        p: (Z,) the classifier's own probability of a tumour; 0 where it was not asked.
        features: for each classified slice z, (F,) float32.
        maps: for each segmented slice z, (Y, X) float32 probability on the slice's own grid.
        seconds: (Z,) spent on each slice.
    """

    def __init__(self, volume: Volume, models: Models) -> None:
        self.volume, self.models, self.kept = volume, models, models.kept
        self.ranges = preprocess.intensity_ranges(volume.voxels)
        self.p = np.zeros(len(volume))
        self.features: dict[int, np.ndarray] = {}
        self.maps: dict[int, np.ndarray] = {}
        self.seconds = np.zeros(len(volume))
        self._digests: dict[int, bytes] = {}
        self._answered: dict[bytes, Future[int]] = {}
        self._lock = threading.Lock()

    def classify(self, z: int) -> None:
        started = time.perf_counter()

        def ask(key: bytes) -> None:
            answer = self._answer(z, key, self.models.classifier, self.models.classify_bundle)
            self.p[z] = float(answer["probability"][0, -1])
            if "features" in answer:
                self.features[z] = answer["features"][0]

        equal = self._once(z, self._key(z, self.models.classifier, self.models.classify_bundle), ask)
        if equal != z:
            self.p[z] = self.p[equal]
            if equal in self.features:
                self.features[z] = self.features[equal]
        self.seconds[z] += time.perf_counter() - started

    def segment(self, z: int) -> None:
        if z in self.maps:
            return
        started = time.perf_counter()

        def ask(key: bytes) -> None:
            answer = self._answer(z, key, self.models.segmenter, self.models.segment_bundle)
            self.maps[z] = preprocess.to_slice(answer["probability"][0, ..., 0], self.volume.shape[1:])

        equal = self._once(z, self._key(z, self.models.segmenter, self.models.segment_bundle), ask)
        self.maps[z] = self.maps[equal]
        self.seconds[z] += time.perf_counter() - started

    def look(self, slices: Iterable[int], gate: float = 0.0) -> Generator[int, None, None]:
        """Classifies slices, and segments those whose probability reaches the gate; yields each when it is known, in the order given."""

        def one(z: int) -> int:
            self.classify(z)
            if self.p[z] >= gate:
                self.segment(z)
            return z

        return side_by_side(one, slices, self.models.lanes)

    def fill(self, slices: Iterable[int]) -> Generator[int, None, None]:
        """Segments slices; yields each when it is known, in the order given."""

        def one(z: int) -> int:
            self.segment(z)
            return z

        return side_by_side(one, slices, self.models.lanes)

    def complete(self, slices: Iterable[int] | None = None) -> None:
        """Asks both networks about some slices, or every one."""
        for _ in self.look(range(len(self.volume)) if slices is None else slices):
            pass

    def save(self) -> None:
        """Keeps what was answered, where answers are kept."""
        if self.kept is not None:
            self.kept.save()

    def _once(self, z: int, key: bytes, ask: Callable[[bytes], None]) -> int:
        """Asks where nobody has under this key; the slice that has the answer. Of two equal slices at the same time one asks, the other waits."""
        with self._lock:
            answered = self._answered.get(key)
            if answered is None:
                mine = self._answered[key] = Future()
        if answered is not None:
            return answered.result()
        try:
            ask(key)
        except BaseException as error:
            with self._lock:
                del self._answered[key]
            mine.set_exception(error)
            raise
        mine.set_result(z)
        return z

    def _answer(self, z: int, key: bytes, engine: Engine, bundle: ModelBundle) -> Answer:
        """One network's answer on one slice, kept or new."""
        answer = self.kept.get(key) if self.kept is not None else None
        if answer is None:
            answer = engine(preprocess.to_network(self.volume[z], self.ranges, bundle.size)[np.newaxis])
            # A GPU that failed in this call was left for the CPU: the answer is not the one that the key names.
            if self.kept is not None and self._key(z, engine, bundle) == key:
                self.kept.put(key, answer)
        return answer

    def _key(self, z: int, engine: Engine, bundle: ModelBundle) -> bytes:
        """A hash of all that a network's answer on a slice depends on."""
        if z not in self._digests:
            slice_ = np.ascontiguousarray(self.volume[z])
            digest = hashlib.sha256(f"{preprocess.NAME} {preprocess.VERSION} {slice_.dtype.str} {slice_.shape}".encode())
            digest.update(self.ranges.tobytes())
            digest.update(slice_.data)
            self._digests[z] = digest.digest()
        network = f"{engine.identity} {bundle.task} {bundle.size} {self.models.weights_of(bundle)}"
        return hashlib.sha256(self._digests[z] + network.encode()).digest()


def side_by_side(work: Callable[[int], int], items: Iterable[int], lanes: int) -> Generator[int, None, None]:
    """`work` of each item, in order, on as many threads as there are lanes; no more than that are begun before they are wanted."""
    if lanes <= 1:
        yield from map(work, items)
        return
    begun: deque[Future[int]] = deque()
    with ThreadPoolExecutor(lanes, "lane", step_aside) as pool:
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                if len(begun) > lanes:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()


def step_aside() -> None:
    """Lets the window's own thread go first: while somebody scrolls, the lanes wait. Linux alone gives threads priorities of their own."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LANE_NICENESS)


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

    The result does not depend on `order`, nor do decisions and masks depend on `all_slices`, nor anything but its time on answers kept before.

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
    task.step(0, len(volume))
    scan, decision = Answers(volume, models), decision_of(models)
    count = len(volume)
    order = list(order) if order is not None else list(range(count))
    try:
        with contextlib.closing(scan.look(order, decision.gate)) as looked:
            for done, z in enumerate(looked, 1):
                p = decision.provisional(scan.p[z])
                on_slice(Prediction(z, p, p >= decision.threshold, Mask(scan.maps[z]) if z in scan.maps else None, True, scan.seconds[z]))
                task.step(done, count)
        gated = decision.gated(scan.p)
        with contextlib.closing(scan.fill(z for z in order if (gated[z] or all_slices) and z not in scan.maps)) as filled:
            for _ in filled:
                task.step(count, count)
    finally:
        scan.save()
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
    masks = {z: Mask(cleaned.get(z, map_)) for z, map_ in scan.maps.items()}
    areas = np.array([masks[z].area_px(threshold) / scale if z in cleaned else 0.0 for z in range(len(volume))])
    p, sees = decision.final(scan.p, areas), _Sight(models, volume)
    predictions = tuple(
        Prediction(
            z,
            float(p[z]),
            bool(p[z] >= decision.threshold),
            masks.get(z),
            False,
            float(scan.seconds[z]),
            only_seen_by=_lone_voice(decision.provisional(scan.p[z]) >= decision.threshold, bool(areas[z]) if gated[z] else sees(scan.maps.get(z))),
        )
        for z in range(len(volume))
    )
    foreign = foreign_by_tags(volume.facts)
    fit = 0.0 if foreign else fit_of(models.classify_bundle, scan.features)
    notes = [*models.notes, *models.classifier.notes, *models.segmenter.notes]
    if note := fit_note(models.classify_bundle, fit, foreign):
        notes.append(note)
    return ScanResult(
        predictions,
        threshold,
        decision.threshold,
        fit,
        models.engine,
        models.device,
        models.precision,
        models.identities,
        tuple(notes),
        trained_on=tuple(filter(None, (bundle.learned_from for bundle in (models.classify_bundle, models.segment_bundle)))),
    )


SPECK_PIXELS = 25
"""Of the networks' grid: less than that in a slice on its own is noise."""


class _Sight:
    """Whether the segmenter sees something in a slice on which it had no say: more than a clean-up would drop."""

    def __init__(self, models: Models, volume: Volume) -> None:
        self._threshold = models.segment_bundle.threshold
        self._least = max(cleanup_of(models).least_voxels, SPECK_PIXELS) * max(volume.shape[1:]) ** 2 / NETWORK_PIXELS

    def __call__(self, map_: np.ndarray | None) -> bool:
        return map_ is not None and int(np.count_nonzero(map_ >= self._threshold)) >= self._least


def _lone_voice(classifier: bool, segmenter: bool) -> str:
    """Which of the two sees a tumour alone."""
    if classifier == segmenter:
        return ""
    return "classifier" if classifier else "segmenter"


def second_pass(volume: Volume, models: Models, task: Task, result: ScanResult, order: Sequence[int] | None = None) -> Iterator[Prediction]:
    """The segmenter on the slices that the classifier passed over, for the heat map; yields predictions whose decision is unchanged.

    Raises:
        Cancelled: from `task.step`, between two slices.
        EngineError: when no engine can go on.
    """
    scan = Answers(volume, models)
    sees = _Sight(models, volume)
    open_ = [z for z in (order if order is not None else range(len(volume))) if result.predictions[z].mask is None]
    try:
        task.step(0, len(open_))
        with contextlib.closing(scan.fill(open_)) as filled:
            for done, z in enumerate(filled, 1):
                old = result.predictions[z]
                voice = _lone_voice(False, sees(scan.maps[z]))  # the classifier passed it over
                yield replace(old, mask=Mask(scan.maps[z]), seconds=old.seconds + scan.seconds[z], only_seen_by=voice)
                task.step(done, len(open_))
    finally:
        scan.save()
