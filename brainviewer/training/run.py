"""A training run is a folder. Standard library only: the window and the command line may import this without any framework.

    config.json    the settings             stop          asks to stop: "keep" in it means to keep the best so far
    events.jsonl   one typed event a line   lock          held by the process that trains; its number stands in it
    checkpoints/   to go on from            strip/        validation slices of the last epoch, redrawn after each
    bundle/        both models at the end   report.json   how they were judged against the models in use
    output.log     what a detached process said
    then/          the run of the other network that follows this one, where there is one

A run with another one in `then/` trains this network, then that one, and makes one pair of both; `bundle/`, `report.json` and the event
`evaluated` are this run's then. The other one's `config.json`, `events.jsonl`, `checkpoints/` and `strip/` are its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from .. import paths
from ..errors import TrainingError
from ..inference.bundle import TASKS
from .hold import Hold


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
        known: what scans they are, in words for the user whose scan resembles none of them; made from `about` where it is empty.
        licence: of the data, which the model inherits; that of the bundle it starts from where it is empty.
        exclude: file with one patient a line that must never be seen, or "".
        split: "patient" (stratified by site) or "slice_leaky" (the notebook's; near-copies on both sides).
        validation: share of the patients (or slices) kept for validation.
        validation_patients: these are kept for validation instead, whatever share they are; for runs that must agree on it.
        refit: learn from the validation patients as well, to the last epoch: for a run in which nothing is left to choose or to calibrate.
        start: "current" (the model in use), "none", "imagenet", or the folder of a bundle or of another run.
        imagenet: `.weights.h5` of ResNet50 without top; "" looks in the user's Keras cache, then asks Keras to download it.
        phases: progressive sizes.
        negatives: slices without tumour in an epoch, as a multiple of those with (0: all).
        precision: "float32" or "mixed_bfloat16" (half the time on CPUs with AVX-512 BF16).
        strength: of the augmentation: 0 none, 1 what other heads and scanners do, up to 2 with distortions beyond that.
        substitution: probability that all channels become FLAIR.
        paste: probability that a slice gets a tumour of another one ("segment" only).
        patience: epochs without a better validation score before the run stops early.
        device: "auto" (a GPU where Keras' backend finds one), "cpu" or "gpu".
    """

    task: str
    data: str
    name: str = ""
    version: str = "1.0.0"
    about: str = ""
    known: str = ""
    licence: str = ""
    exclude: str = ""
    split: str = "patient"
    validation: float = 0.15
    validation_patients: tuple[str, ...] = ()
    refit: bool = False
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
    device: str = "auto"

    @property
    def epochs(self) -> int:
        return sum(phase.epochs for phase in self.phases)

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict) -> TrainConfig:
        """Settings as `to_json` gives them; what is left out is as above.

        Raises:
            TrainingError: for a name that is not known, and for a value of another kind or beyond what makes sense.
        """
        if not isinstance(document, dict):
            raise TrainingError("The training settings must be names with values.", 'For example {"task": "segment", "data": "FOLDER"}.')
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(document) - known)
        if unknown:
            raise TrainingError(f"The training settings hold unknown names: {', '.join(unknown)}.", f"Known are: {', '.join(sorted(known))}.")
        missing = sorted({"task", "data"} - set(document))
        if missing:
            raise TrainingError(f"The training settings lack: {', '.join(missing)}.")
        values = dict(document)
        for name, value in document.items():
            _check(name, value)
        if "phases" in values:
            values["phases"] = tuple(Phase(**phase) for phase in values["phases"])
        values["validation_patients"] = tuple(values.get("validation_patients", ()))
        if odd := [phase.size for phase in values.get("phases", ()) if phase.size % GRID[values["task"]]]:
            raise TrainingError(f"In the training settings a phase has {odd[0]} pixels a side.", f"It must be a multiple of {GRID[values['task']]}.")
        if values.get("refit") and (values["task"] != "segment" or values.get("split", "patient") != "patient"):
            raise TrainingError(
                "The training settings ask for a refit, which only a segmenter with a split by patient can have.",
                "A classifier needs patients that it has not learned from, for its calibration and its fit score.",
            )
        return cls(**values)


SPLITS = ("patient", "slice_leaky")
WORDS = {"task": TASKS, "split": SPLITS, "precision": ("float32", "mixed_bfloat16"), "device": ("auto", "cpu", "gpu")}
LIMITS = {
    "validation": (0.01, 0.99),
    "seed": (0, 2**31 - 1),
    "batch": (1, 4096),
    "learning_rate": (1e-12, 1),
    "weight_decay": (0, 1),
    "warmup": (0, 1),
    "negatives": (0, 1_000_000),
    "auxiliary": (0, 1000),
    "strength": (0, 2),
    "substitution": (0, 1),
    "paste": (0, 1),
    "patience": (1, 1_000_000),
    "size": (16, 1024),
    "epochs": (1, 100_000),
}
"""The least and the most of each number."""
GRID = {"classify": 32, "segment": 16}
"""What the sides of a network's input must be a multiple of: each stage halves them."""


def _check(name: str, value: Any) -> None:
    """Whether a setting can be meant.

    Raises:
        TrainingError: if not.
    """
    kind = {field.name: str(field.type) for field in (*fields(TrainConfig), *fields(Phase))}[name]
    if name == "phases":
        right = (
            isinstance(value, list | tuple) and bool(value) and all(isinstance(phase, dict) and set(phase) == {"size", "epochs"} for phase in value)
        )
        wanted = 'a list of {"size": pixels, "epochs": number}'
        for part, number in [entry for phase in value for entry in phase.items()] if right else ():
            _check(part, number)
    elif name == "validation_patients":
        right, wanted = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value), "a list of names"
    elif name in WORDS:
        right, wanted = value in WORDS[name], f"one of {', '.join(WORDS[name])}"
    elif name in LIMITS:
        least, most = LIMITS[name]
        numbers = int if kind == "int" else int | float
        right = isinstance(value, numbers) and not isinstance(value, bool) and least <= value <= most
        what = "a whole number" if kind == "int" else "a number"
        wanted = f"{what} from {least} to {most}"
    else:
        right, wanted = isinstance(value, bool if kind == "bool" else str), "true or false" if kind == "bool" else "a text"
    if not right:
        raise TrainingError(f'In the training settings "{name}" is {json.dumps(value)[:60]}.', f"It must be {wanted}.")


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One line of `events.jsonl`.

    Attributes:
        kind: started, resumed, step, epoch, strip, batch, note, stopped, finished (the training), judging, evaluated (everything), failed.
        time_s: seconds since the epoch of the clock.
        epoch, step: counted from 0; the epoch over the whole run, the step within its epoch.
        logs: numbers and sentences:
            started, resumed: `task`, `device`, `patients`, `epochs`, `batch`; `memory_mb` of the whole machine as `machine_mb`.
            step: `steps` (of the epoch), `left_s`, `memory_mb` (of the process), losses.
            epoch: losses and validation scores by name, `score` (what decides which epoch is the best), `seconds`, `size`.
            strip: `files` (in `strip/`), each a PNG of scan, reference and prediction side by side; `p_tumour`: a classifier's
                probability of each.
            batch: `batch` (slices in a batch from now on), `text` (why).
            note: `text`.
            stopped: `reason`: "asked", "keep" or "no better for a while".
            judging: `text`, and `done` and `total` where they are known.
            evaluated: `verdict`, `sentence`, `pair` (id in the registry), `dice`, `accuracy`.
            failed: `sentence`, `hint`.
    """

    kind: str
    time_s: float
    epoch: int = 0
    step: int = 0
    logs: dict = field(default_factory=dict)


class Run:
    """The folder of one run: paths, events, the wish to stop, and the hold of the process that works in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.config_file = self.folder / "config.json"
        self.events_file = self.folder / "events.jsonl"
        self.checkpoints = self.folder / "checkpoints"
        self.strip = self.folder / "strip"
        self.stop_file = self.folder / "stop"
        self.lock_file = self.folder / "lock"
        self.report_file = self.folder / "report.json"
        self.output_file = self.folder / "output.log"
        self.bundle = self.folder / "bundle"
        self.on_note: Callable[[str], None] = lambda text: None
        """Is told the sentences of this object's notes, for whoever watches the process and not the file."""
        self._hold = Hold(self.lock_file)

    @property
    def then(self) -> Run | None:
        """The run of the other network that follows this one."""
        follower = Run(self.folder / "then")
        return follower if follower.config_file.exists() else None

    @property
    def stages(self) -> list[Run]:
        """This run, and the one that follows."""
        return [self, *([self.then] if self.then else [])]

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

    def chain(self, config: TrainConfig) -> None:
        """Lets a run of the other network follow this one; both make one pair.

        Raises:
            TrainingError: if it is of the same network, or this run has another follower.
        """
        if config.task == self.config().task:
            raise TrainingError(f"Two runs in a row must train both networks; both of these {config.task}.")
        if not self.then and next(self.events(), None) is not None:
            raise TrainingError(f'The run in "{self.folder}" has begun without another one to follow.', "Choose a new folder.")
        Run(self.folder / "then").create(config)

    def acquire(self) -> None:
        """Holds the folder for this process; may be called again within.

        Raises:
            TrainingError: if another process works there, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._hold.take():
                return
        except OSError as error:
            raise TrainingError(f'"{self.folder}" cannot be used for a run ({error.strerror}).', "Choose another folder.") from None
        raise TrainingError(f'Another process ({self.holder()}) is training in "{self.folder}".', "Wait for it, or stop it first.")

    def release(self) -> None:
        self._hold.let_go()

    def holder(self) -> int:
        """Number of the living process that works in this folder; 0 where none does."""
        return self._hold.holder()

    def ask_to_stop(self, keep: bool = False) -> None:
        """Stops after the current batch; `keep`: the best epoch so far becomes a model and is judged, as if the run had ended there."""
        write_atomic(self.stop_file, b"keep" if keep else b"now")

    def stop_asked(self) -> str:
        """ "": go on; "asked": stop; "keep": stop, and keep the best."""
        try:
            return "keep" if self.stop_file.read_bytes().strip() == b"keep" else "asked"
        except FileNotFoundError:
            return ""
        except OSError:
            return "asked"

    def log(self, kind: str, epoch: int = 0, step: int = 0, **logs: object) -> None:
        event = RunEvent(kind, round(time.time(), 3), epoch, step, logs)
        with self.events_file.open("a+b") as file:
            # Half a line, where the disk was full, must not swallow the next one.
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
            end = b"" if file.read(1) in (b"", b"\n") else b"\n"
            file.write(end + json.dumps(asdict(event)).encode() + b"\n")
        if kind in ("note", "batch"):
            self.on_note(str(logs.get("text", "")))

    def complete(self) -> bool:
        """Whether the training itself has come to its end: the last epoch, no better score for a while, or the wish to keep the best."""
        last = [event for event in self.events() if event.kind in ("started", "resumed", "stopped", "finished")][-1:]
        return bool(last) and (last[0].kind == "finished" or (last[0].kind == "stopped" and last[0].logs.get("reason") != "asked"))

    def state(self) -> str:
        """ "new", "running", "stopped" (someone asked), "failed" (with a sentence), "dead" (it ended without a word), "done" (judged).

        All but "running" and "done" can be resumed.
        """
        if self.holder():
            return "running"
        last = [event.kind for stage in self.stages for event in stage.events() if event.kind != "note"]
        if not last:
            return "new"
        if "evaluated" in [event.kind for event in self.events()]:
            return "done"
        return last[-1] if last[-1] in ("stopped", "failed") else "dead"

    def events(self) -> Iterator[RunEvent]:
        """All whole lines so far; a line that a kill cut short is passed over."""
        if not self.events_file.exists():
            return
        for line in self.events_file.read_text(encoding="utf-8").splitlines():
            try:
                yield RunEvent(**json.loads(line))
            except (json.JSONDecodeError, TypeError):
                continue


def runs_in(folder: Path) -> list[Run]:
    """The runs in a folder, the one begun last first."""
    found = [Run(file.parent) for file in folder.glob("*/config.json")] if folder.is_dir() else []
    return sorted(found, key=lambda run: run.config_file.stat().st_mtime, reverse=True)


def start_detached(run: Run) -> subprocess.Popen:
    """Starts, or resumes, a run in a process that outlives this one and any window; it is found again by its folder (`Run.holder`).

    What it says goes to `output.log`. Waiting for the process is up to the caller.

    Raises:
        TrainingError: if there is no run there, another process works in it, or the process cannot be started.
    """
    run.config()
    if run.holder():
        raise TrainingError(f'Another process ({run.holder()}) is training in "{run.folder}".', "Wait for it, or stop it first.")
    words = paths.command("train", "--run", str(run.folder.absolute()))
    try:
        with run.output_file.open("ab") as output:
            common = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, "env": paths.environment(), "cwd": run.folder}
            if sys.platform == "win32":
                apart = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
                try:
                    # A job that ends with its starter (a terminal's, an installer's) would take the run along.
                    return subprocess.Popen(words, creationflags=apart | subprocess.CREATE_BREAKAWAY_FROM_JOB, **common)
                except PermissionError:
                    return subprocess.Popen(words, creationflags=apart, **common)
            return subprocess.Popen(words, start_new_session=True, **common)  # type: ignore[call-overload,no-any-return]
    except OSError as error:
        raise TrainingError(
            f'The training process could not be started in "{run.folder}" ({error.strerror}).', "Free some space or memory."
        ) from None


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
