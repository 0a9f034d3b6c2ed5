"""A training run is a folder. Standard library only: the window and the command line may import this without any framework.

config.json  events.jsonl  checkpoints/  stop  lock  report.json  bundle/
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from ..errors import TrainingError


@dataclass(frozen=True, slots=True)
class Phase:
    """Some epochs at one size of the networks' input (pixels a side)."""

    size: int
    epochs: int


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """What one run does. Plain JSON; unknown keys are refused, because a misspelt one would silently do nothing.

    Attributes:
        task: "classify" or "segment".
        data: folder in the data set's layout.
        about: what the data is, in words for the card; the folder's name where it is empty.
        exclude: file with one patient a line that must never be seen, or "".
        split: "patient" (stratified by site) or "slice_leaky" (the notebook's; near-copies on both sides).
        validation: share of the patients (or slices) kept for validation.
        validation_patients: these are kept for validation instead, whatever share they are; for runs that must agree on it.
        start: "none", "imagenet", or the folder of a bundle or of another run.
        imagenet: `.weights.h5` of ResNet50 without top; "" looks in the user's Keras cache, then asks Keras to download it.
        phases: progressive sizes.
        negatives: slices without tumour in an epoch, as a multiple of those with (0: all).
        precision: "float32" or "mixed_bfloat16" (half the time on CPUs with AVX-512 BF16).
        strength: of the augmentation: 0 none, 1 what other heads and scanners do, up to 2 with distortions beyond that.
        substitution: probability that all channels become FLAIR.
        paste: probability that a slice gets a tumour of another one ("segment" only).
        patience: epochs without a better validation score before the run stops early.
    """

    task: str
    data: str
    name: str = ""
    version: str = "1.0.0"
    about: str = ""
    exclude: str = ""
    split: str = "patient"
    validation: float = 0.15
    validation_patients: tuple[str, ...] = ()
    seed: int = 1
    start: str = "none"
    imagenet: str = ""
    phases: tuple[Phase, ...] = (Phase(256, 20),)
    batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup: float = 0.05
    negatives: float = 0.0
    loss: str = "focal_tversky_and_crossentropy"
    auxiliary: float = 1.0
    precision: str = "float32"
    strength: float = 1.0
    substitution: float = 0.2
    paste: float = 0.0
    patience: int = 10

    @property
    def epochs(self) -> int:
        return sum(phase.epochs for phase in self.phases)

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict) -> TrainConfig:
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(document) - known)
        if unknown:
            raise TrainingError(f"The training settings hold unknown names: {', '.join(unknown)}.", f"Known are: {', '.join(sorted(known))}.")
        missing = sorted({"task", "data"} - set(document))
        if missing:
            raise TrainingError(f"The training settings lack: {', '.join(missing)}.")
        values = dict(document)
        if "phases" in values:
            values["phases"] = tuple(Phase(**phase) for phase in values["phases"])
        values["validation_patients"] = tuple(values.get("validation_patients", ()))
        return cls(**values)


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One line of `events.jsonl`.

    Attributes:
        kind: started, resumed, step, epoch, checkpoint, note, stopped, evaluated, finished, failed.
        time_s: seconds since the epoch of the clock.
        epoch, step: counted from 0 over the whole run.
        logs: numbers and sentences.
    """

    kind: str
    time_s: float
    epoch: int = 0
    step: int = 0
    logs: dict = field(default_factory=dict)


class Run:
    """The folder of one run: paths, events, the wish to stop, and the lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.config_file = self.folder / "config.json"
        self.events_file = self.folder / "events.jsonl"
        self.checkpoints = self.folder / "checkpoints"
        self.stop_file = self.folder / "stop"
        self.lock_file = self.folder / "lock"
        self.report_file = self.folder / "report.json"
        self.bundle = self.folder / "bundle"

    def create(self, config: TrainConfig) -> None:
        """Writes the settings of a new run; a run that holds others is left as it is.

        Raises:
            TrainingError: if the folder holds a run with other settings.
        """
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        if self.config_file.exists():
            if self.config() != config:
                raise TrainingError(
                    f'The run in "{self.folder}" was started with other settings.',
                    "Resume it without --config, or choose a new folder.",
                )
            return
        write_atomic(self.config_file, json.dumps(config.to_json(), indent=1).encode())

    def config(self) -> TrainConfig:
        try:
            return TrainConfig.from_json(json.loads(self.config_file.read_text()))
        except FileNotFoundError:
            raise TrainingError(f'There is no training run in "{self.folder}".', "Start one with --config.") from None
        except (json.JSONDecodeError, TypeError) as error:
            raise TrainingError(f'The settings of the run in "{self.folder}" cannot be read ({error}).') from None

    def acquire(self) -> None:
        """Takes the lock, or says which living process holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            pid = int(self.lock_file.read_text())
        except (FileNotFoundError, ValueError):
            pid = 0
        if pid and pid != os.getpid() and is_alive(pid):
            raise TrainingError(f'Another process ({pid}) is training in "{self.folder}".', "Wait for it, or stop it first.")
        write_atomic(self.lock_file, str(os.getpid()).encode())

    def release(self) -> None:
        self.lock_file.unlink(missing_ok=True)

    def stop_asked(self) -> bool:
        return self.stop_file.exists()

    def log(self, kind: str, epoch: int = 0, step: int = 0, **logs: object) -> None:
        event = RunEvent(kind, round(time.time(), 3), epoch, step, logs)
        with self.events_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(event)) + "\n")

    def complete(self) -> bool:
        """Whether the training itself has come to its end: the last epoch, or no better score for a while."""
        last = [event for event in self.events() if event.kind in ("started", "resumed", "stopped", "finished")][-1:]
        return bool(last) and (last[0].kind == "finished" or (last[0].kind == "stopped" and last[0].logs.get("reason") != "asked"))

    def events(self) -> Iterator[RunEvent]:
        """All whole lines so far; a line that a kill cut short is passed over."""
        if not self.events_file.exists():
            return
        for line in self.events_file.read_text(encoding="utf-8").splitlines():
            try:
                yield RunEvent(**json.loads(line))
            except (json.JSONDecodeError, TypeError):
                continue


def is_alive(pid: int) -> bool:
    """Whether a process with this number runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def write_atomic(path: Path, data: bytes) -> None:
    """Writes aside, syncs, renames: the file is whole or the old one."""
    aside = path.with_name(path.name + ".partial")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
