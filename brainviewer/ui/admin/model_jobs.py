"""What the page of models asks of the layers below: plain functions that run on a worker. Heavy imports happen inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ... import audit
from ...errors import BundleError
from ..worker import Task
from .judgement import Judgement, read_judgement

if TYPE_CHECKING:
    from ...inference.registry import Pair


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A classifier and a segmenter that belong together, in the words of the page.

    Attributes:
        trained: the tasks of the networks that are new in it.
        origin: "bundled", "run" or "import".
        made: day, or "".
        versions: of (classifier, segmenter); "" where a bundle cannot be read.
        in_use: whether it is the one that analyses.
        objection: why it is not put into use without a written reason, or "".
        verdict: "better", "equal", "worse", or "" where it was never compared.
        sentence: the verdict in words, or "".
        damage: why it cannot be used, or "".
        folder: where it lies.
    """

    id: str
    trained: tuple[str, ...]
    origin: str
    made: str
    versions: tuple[str, str]
    in_use: bool
    objection: str
    verdict: str
    sentence: str
    damage: str
    folder: Path


@dataclass(frozen=True, slots=True)
class ModelsState:
    """All pairs, the one in use, and the one before it ("" where there is none)."""

    rows: tuple[ModelRow, ...]
    before: str
    acts: tuple[audit.Act, ...]

    @property
    def in_use(self) -> ModelRow:
        return next(row for row in self.rows if row.in_use)


MOST_ACTS = 12


def read_state() -> ModelsState:
    from ...inference import promotion, registry

    now = registry.in_use()
    rows = tuple(_row(pair, pair.id == now.id, promotion.objection) for pair in registry.pairs())
    before = registry.pointer().before
    return ModelsState(rows, before[-1][0] if before else "", tuple(audit.read())[-MOST_ACTS:])


def _row(pair: Pair, in_use: bool, objection: Callable[[Pair], str]) -> ModelRow:
    versions, damage, against = ("", ""), "", ""
    try:
        versions = (pair.bundle("classify").version, pair.bundle("segment").version)
        against = "" if in_use else objection(pair)
    except BundleError as error:
        damage = error.sentence
    verdict = pair.verdict
    return ModelRow(
        pair.id,
        pair.trained,
        pair.origin,
        pair.made,
        versions,
        in_use,
        against,
        str(verdict.get("verdict", "")),
        str(verdict.get("sentence", "")),
        damage,
        pair.folder,
    )


def promote_pair(name: str, reason: str) -> str:
    from ...inference import promotion, registry

    pair = registry.find_pair(name)
    promotion.promote(pair, reason)
    return pair.id


def roll_back() -> str:
    """Takes the last promotion back; the id of the pair that is in use now."""
    from ...inference import promotion, registry
    from ...inference.bundle import TASKS

    pointer = registry.pointer()
    changed = TASKS[0]
    if pointer.before:
        now, before = registry.resolve(pointer.pair, pointer.digest), registry.resolve(*pointer.before[-1])
        differ = [task for task in TASKS if now.bundle(task).sha256("onnx", "float32") != before.bundle(task).sha256("onnx", "float32")]
        changed = differ[0] if differ else changed
    return promotion.rollback(changed).id


def export_models(name: str, file: Path) -> Path:
    from ...inference import exchange, registry

    return exchange.export_pair(registry.find_pair(name), file)


def import_models(file: Path) -> str:
    from ...inference import exchange

    return exchange.import_pair(file).id


def remove_models(name: str) -> str:
    from ...inference import registry

    registry.remove(registry.find_pair(name))
    audit.record("delete models", "done", models=name)
    return name


def judgement_of(row: ModelRow) -> Judgement | None:
    """How a pair was judged, as it is kept beside it; None where it never was."""
    return read_judgement(row.folder) if row.verdict else None


@dataclass(frozen=True, slots=True)
class ModelBackend:
    """Everything the page asks for; tests bring their own."""

    read_state: Callable[[], ModelsState] = read_state
    promote: Callable[[str, str], str] = promote_pair
    roll_back: Callable[[], str] = roll_back
    export: Callable[[str, Path], Path] = export_models
    import_: Callable[[Path], str] = import_models
    judgement: Callable[[ModelRow], Judgement | None] = judgement_of
    remove: Callable[[str], str] = remove_models


@dataclass(frozen=True, slots=True)
class Done:
    """What an act on models ended with: its kind, what it answered, and how things stand now."""

    act: str
    answer: object
    state: ModelsState


def act(backend: ModelBackend, kind: str, arguments: tuple, task: Task) -> Done:
    """One of the backend's acts, or "read", and the state after it."""
    task.step(0, 0)
    answer = None if kind == "read" else getattr(backend, kind)(*arguments)
    return Done(kind, answer, backend.read_state())
