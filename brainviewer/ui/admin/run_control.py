"""Starting, stopping and finding training runs: each a folder of the user's, each in a process that outlives the window."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QCoreApplication

from ... import paths
from ...errors import TrainingError
from ...training.run import Phase, Run, TrainConfig, runs_in, start_detached, write_atomic
from .check_report import CheckReport
from .judgement import Judgement, read_judgement
from .train_form import BOTH, CLASSIFY, CURRENT, IMAGENET, NOTHING, TrainWishes

OUTPUT_CHARS = 4000


@dataclass(frozen=True, slots=True)
class RunControl:
    """What the page asks of the layers below; tests bring their own way to start a process."""

    spawn: Callable[[Run], subprocess.Popen] = start_detached

    def newest(self) -> Run | None:
        """The run that is going on, else the one begun last."""
        runs = runs_in(paths.runs())
        return next((run for run in runs if run.holder()), runs[0] if runs else None)

    def start(self, wishes: TrainWishes, report: CheckReport) -> tuple[Run, subprocess.Popen]:
        """Begins a run, in a folder of its own.

        Raises:
            TrainingError: if one is going on already, or the folder or the process cannot be made.
        """
        going = next((run for run in runs_in(paths.runs()) if run.holder()), None)
        if going is not None:
            raise TrainingError(
                _tr("Another training is going on, in another window or started by a command."), _tr("Wait for it, or stop it first.")
            )
        first, *rest = configs_of(wishes, report.data)
        run = Run(_free_folder(wishes.networks))
        try:
            run.create(first)
            for config in rest:
                run.chain(config)
        except OSError as error:
            raise TrainingError(
                _tr('The run could not be kept in "{}" ({}).').format(run.folder, error.strerror),
                _tr("Free some space, or check who may write there."),
            ) from None
        return run, self.spawn(run)

    def measure_arguments(self, wishes: TrainWishes, report: CheckReport) -> list[list[str]]:
        """The commands that measure a step of each network, one after the other.

        Raises:
            TrainingError: if their settings cannot be written.
        """
        commands = []
        for config in configs_of(wishes, report.data):
            file = paths.cache() / f"measure-{config.task}.json"
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(file, json.dumps(config.to_json()).encode())
            except OSError as error:
                raise TrainingError(_tr('"{}" cannot be written ({}).').format(file, error.strerror)) from None
            commands.append(["train", "--measure", "--config", str(file), "--json"])
        return commands

    def resume(self, run: Run) -> subprocess.Popen:
        """Raises:
        TrainingError: if a process works on it, or none can be started.
        """
        run.stop_file.unlink(missing_ok=True)
        return self.spawn(run)

    def stop(self, run: Run, keep: bool) -> None:
        """Raises:
        TrainingError: if the wish cannot be written down.
        """
        try:
            run.ask_to_stop(keep)
        except OSError as error:
            raise TrainingError(
                _tr('The training cannot be told to stop: "{}" cannot be written ({}).').format(run.stop_file, error.strerror),
                _tr("Free some space."),
            ) from None

    def stages(self, run: Run) -> list[tuple[str, int]]:
        """(task, epochs) of each."""
        return [(config.task, config.epochs) for config in (stage.config() for stage in run.stages)]

    def title(self, run: Run) -> str:
        """What trains, on what."""
        configs = [stage.config() for stage in run.stages]
        names = {CLASSIFY: _tr("classifier")}
        words = _tr(" and ").join(names.get(config.task, _tr("segmenter")) for config in configs)
        return _tr('{} on "{}"').format(words[:1].upper() + words[1:], Path(configs[0].data).name)

    def last_words(self, run: Run) -> str:
        """The last line of what the process said, where it ended without an event."""
        try:
            lines = run.output_file.read_text(encoding="utf-8", errors="replace")[-OUTPUT_CHARS:].splitlines()
        except OSError:
            return ""
        said = [line.removeprefix("brainviewer: ") for line in lines if line.startswith("brainviewer: ")]
        return said[-1] if said else ""

    def judgement(self, run: Run) -> Judgement | None:
        return read_judgement(run.folder)


def configs_of(wishes: TrainWishes, data: Path) -> list[TrainConfig]:
    """The settings of each stage.

    Raises:
        BundleError: if the models to start from are gone.
    """
    from ...inference import registry

    version = registry.free_version()
    return [
        TrainConfig(
            task=task,
            data=str(data),
            version=version,
            start=_start_of(wishes.start, task),
            phases=(Phase(wishes.size, wishes.epochs),),
            batch=wishes.batch,
            learning_rate=wishes.learning_rate,
            patience=wishes.patience,
            strength=wishes.strength,
            device=wishes.device,
        )
        for task in wishes.tasks
    ]


def _start_of(wish: str, task: str) -> str:
    if wish in (CURRENT, NOTHING):
        return wish
    if wish == IMAGENET:
        return wish if task == CLASSIFY else NOTHING  # ImageNet's pictures have no masks
    from ...inference import registry

    return str(registry.find_pair(wish).bundle(task).folder)


def pairs_to_start_from() -> tuple[tuple[str, str], ...]:
    """(words, id) of the models that are not in use."""
    from ...inference import registry

    now = registry.in_use().id
    return tuple((_tr("The bundled models") if pair.origin == registry.BUNDLED else pair.id, pair.id) for pair in registry.pairs() if pair.id != now)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Attributes:
    device: what was measured, in words.
    epoch_s: one epoch of all networks together.
    """

    device: str
    epoch_s: float

    def plus(self, document: object) -> Estimate | None:
        """With what `train --measure` said of another network; None where that makes no sense."""
        try:
            return Estimate(str(document["device"]), self.epoch_s + float(document["epoch_s"]))
        except (KeyError, TypeError, ValueError):
            return None


def _free_folder(networks: str) -> Path:
    """A folder that no run has yet."""
    stem = f"{datetime.now().astimezone():%Y-%m-%d %H.%M} {networks if networks != BOTH else 'both'}"
    folder, number = paths.runs() / stem, 1
    while folder.exists():
        number += 1
        folder = paths.runs() / f"{stem} {number}"
    return folder


def _tr(text: str) -> str:
    return QCoreApplication.translate("RunControl", text)
