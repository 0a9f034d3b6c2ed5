"""What a run needs to go on, in files that are whole or not there."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np

from ..errors import TrainingError

DAMAGED = (ValueError, KeyError, zipfile.BadZipFile, zlib.error, EOFError)
"""What reading a checkpoint that was cut short may raise."""


class Checkpoint:
    """Everything a run needs to go on, in one file an epoch: weights, random states, optimiser, history. Two are kept, and the best."""

    BEST = "best.npz"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.best = folder / self.BEST

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("epoch-*.npz"))

    def read(self) -> dict | None:
        """State of the newest whole checkpoint: `epoch` (the next one) and `history`; None at the start. Damaged ones are removed."""
        for file in reversed(self.files()):
            try:
                with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                    for name in stored.files:
                        stored[name]  # a read compares each array with its checksum
                    return json.loads(str(stored["state"]))
            except OSError as error:  # a share that went away must not cost the run
                hint = "Resume the run once it can be. Where the disk is damaged, delete the file: the checkpoint before it serves then."
                raise TrainingError(f'The checkpoint "{file}" cannot be read ({error.strerror}).', hint) from None
            except DAMAGED:
                file.unlink()
        return None

    def restore(self, model: keras.Model) -> None:
        """Gives a compiled model everything that the newest checkpoint holds; to be called after `read`."""
        with np.load(self.files()[-1], allow_pickle=False) as stored:
            for part, variables in (("model", model.variables), ("optimizer", model.optimizer.variables)):
                assign(variables, [stored[name] for name in sorted(stored.files) if name.startswith(part)])

    def write(self, model: keras.Model, epoch: int, history: list[dict]) -> None:
        arrays = {f"model{n:04}": np.asarray(v) for n, v in enumerate(model.variables)}
        arrays |= {f"optimizer{n:04}": np.asarray(v) for n, v in enumerate(model.optimizer.variables)}
        save_arrays(self.folder / f"epoch-{epoch:04}.npz", arrays, {"epoch": epoch, "history": history})
        for old in self.files()[:-2]:
            old.unlink()

    def write_best(self, model: keras.Model, epoch: int, logs: dict) -> None:
        save_arrays(self.best, {v.path: np.asarray(v) for v in model.variables}, {"epoch": epoch, "logs": logs})


def save_arrays(path: Path, arrays: dict[str, np.ndarray], state: dict) -> None:
    """An `.npz` with a JSON text beside the arrays, written aside, synced and renamed."""
    aside = path.with_suffix(".partial")
    try:
        with aside.open("wb") as file:
            np.savez(file, **(arrays | {"state": np.array(json.dumps(state))}))  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise TrainingError(f'The checkpoint "{path}" could not be written ({error.strerror}).', "Free some space and resume the run.") from None


def assign(variables: list, values: list[np.ndarray]) -> None:
    """Gives variables their values, in order.

    Raises:
        TrainingError: where number or shapes differ.
    """
    if len(variables) != len(values) or any(tuple(v.shape) != np.shape(x) for v, x in zip(variables, values, strict=True)):
        raise TrainingError("The checkpoint belongs to another network.", "Start a new run in another folder.")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
