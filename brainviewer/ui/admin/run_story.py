"""What the events of a training run say so far, as one value that the page draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...training.run import RunEvent

NAN = float("nan")
SCORES = ("val_dice", "val_accuracy", "val_auc")
"""Validation scores of 0..1."""


@dataclass(slots=True)
class Curve:
    """Points over the epochs; x is the number of epochs done."""

    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)

    def add(self, x: float, y: float) -> None:
        self.x.append(x)
        self.y.append(y)

    def cut(self, x: float) -> None:
        """Forgets what lies beyond: a resumed run goes over it again."""
        while self.x and self.x[-1] > x:
            self.x.pop()
            self.y.pop()


class StageStory:
    """One network's training.

    Attributes:
        task: "classify" or "segment".
        phase: "waiting", "training", "stopped", "trained" or "failed".
        epoch: that is being trained, from 0; the number of epochs done where none is.
        step, steps: within the epoch.
        left_s: of this stage, or None.
        best: validation scores of the best epoch.
        strip: names of the pictures of validation slices, and the epoch after which they were drawn.
    """

    def __init__(self, task: str, epochs: int) -> None:
        self.task, self.epochs = task, epochs
        self.phase = "waiting"
        self.epoch = self.step = self.steps = 0
        self.left_s: float | None = None
        self.step_loss, self.loss, self.validation_loss = Curve(), Curve(), Curve()
        self.scores: dict[str, Curve] = {}
        self.best: dict[str, float] = {}
        self.strip: tuple[int, tuple[str, ...]] = (0, ())
        self._best_score = -math.inf

    @property
    def share(self) -> float:
        """Of the training that is done, 0..1."""
        if self.phase == "trained":
            return 1.0
        within = self.step / self.steps if self.steps else 0.0
        return min(1.0, (self.epoch + within) / max(1, self.epochs))

    def on_started(self, event: RunEvent) -> None:
        self.phase, self.left_s = "training", None
        self.epoch, self.step = event.epoch, 0
        for curve in (self.step_loss, self.loss, self.validation_loss, *self.scores.values()):
            curve.cut(event.epoch)

    def on_step(self, event: RunEvent) -> None:
        self.phase, self.epoch, self.step = "training", event.epoch, event.step
        self.steps = int(event.logs.get("steps", self.steps))
        self.left_s = event.logs.get("left_s")
        if "loss" in event.logs and self.steps:
            self.step_loss.add(event.epoch + event.step / self.steps, float(event.logs["loss"]))

    def on_epoch(self, event: RunEvent) -> None:
        done, logs = event.epoch + 1, event.logs
        self.epoch, self.step = done, 0
        self.steps = event.step or self.steps
        if "loss" in logs:
            self.loss.add(done, float(logs["loss"]))
        if "val_loss" in logs:
            self.validation_loss.add(done, float(logs["val_loss"]))
        for name in SCORES:
            if name in logs:
                self.scores.setdefault(name, Curve()).add(done, NAN if logs[name] is None else float(logs[name]))
        score = logs.get("score")
        if score is not None and score >= self._best_score:
            self._best_score = score
            self.best = {name: float(logs[name]) for name in SCORES if logs.get(name) is not None}

    def on_strip(self, event: RunEvent) -> None:
        self.strip = (event.epoch + 1, tuple(event.logs.get("files", ())))

    def on_stopped(self, event: RunEvent) -> None:
        self.phase = "stopped" if event.logs.get("reason") == "asked" else "trained"
        self.left_s = None

    def on_finished(self, event: RunEvent) -> None:
        self.phase, self.left_s = "trained", None


class RunStory:
    """All stages of a run, and what comes after them.

    Attributes:
        device: in words, or "".
        memory_mb: of the run's process, or None.
        notes: sentences that the run wrote, the newest last.
        judging: (done, total, text) while the candidate is judged, or None.
        error: (sentence, hint) of a run that failed, or None.
        verdict: "better", "equal", "worse", or "" before it is judged.
        sentence: the verdict in words.
        pair: id of the candidate in the registry, or "".
    """

    def __init__(self, stages: Sequence[tuple[str, int]]) -> None:
        """(task, epochs) of each."""
        self.stages = [StageStory(task, epochs) for task, epochs in stages]
        self.device = ""
        self.memory_mb: float | None = None
        self.notes: list[str] = []
        self.judging: tuple[int, int, str] | None = None
        self.error: tuple[str, str] | None = None
        self.verdict = self.sentence = self.pair = ""

    def add(self, number: int, events: Iterable[RunEvent]) -> None:
        """Events of one stage, in order."""
        stage = self.stages[number]
        for event in events:
            self.device = str(event.logs.get("device", self.device))
            self.memory_mb = event.logs.get("memory_mb", self.memory_mb)
            kind = "started" if event.kind == "resumed" else event.kind
            for teller in (getattr(stage, f"on_{kind}", None), getattr(self, f"_on_{kind}", None)):
                if teller is not None:
                    teller(event)

    @property
    def current(self) -> StageStory:
        """The stage that was begun last."""
        return [stage for stage in self.stages if stage.phase != "waiting"][-1:][0] if self.begun else self.stages[0]

    @property
    def begun(self) -> bool:
        return any(stage.phase != "waiting" for stage in self.stages)

    @property
    def phase(self) -> str:
        """ "starting", "training", "stopped", "judging", "finished" or "failed"."""
        if self.error is not None:
            return "failed"
        if self.verdict:
            return "finished"
        if not self.begun:
            return "starting"
        if self.judging is not None or all(stage.phase == "trained" for stage in self.stages):
            return "judging"
        return "stopped" if self.current.phase == "stopped" else "training"

    @property
    def share(self) -> float:
        return sum(stage.share for stage in self.stages) / len(self.stages)

    def _on_started(self, event: RunEvent) -> None:
        self.error = self.judging = None

    def _on_note(self, event: RunEvent) -> None:
        self.notes.append(str(event.logs.get("text", "")))

    _on_batch = _on_note

    def _on_judging(self, event: RunEvent) -> None:
        self.error = None
        self.judging = (int(event.logs.get("done", 0)), int(event.logs.get("total", 0)), str(event.logs.get("text", "")))

    def _on_evaluated(self, event: RunEvent) -> None:
        self.judging = None
        self.verdict, self.sentence, self.pair = (str(event.logs.get(name, "")) for name in ("verdict", "sentence", "pair"))

    def _on_failed(self, event: RunEvent) -> None:
        self.error = (str(event.logs.get("sentence", "")), str(event.logs.get("hint", "")))
