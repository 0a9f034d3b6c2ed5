"""A run from its folder to a judged pair of models, whatever stopped it before: trains what is not trained yet, then makes, calibrates and judges.

Frameworks are imported inside, after the device is settled. Everything that goes wrong ends as one sentence in the run's events.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable

from ..errors import BrainviewerError, Cancelled, TrainingError
from . import memory
from .run import Run

STALE_S = 10.0
"""A wish to stop that is older than this when a run starts was meant for a process that is gone."""


def conduct(run: Run, say: Callable[[str], None] = lambda text: None) -> bool:
    """Trains, or goes on, until the run is judged or someone asks it to stop; whether it came to its end.

    Raises:
        BrainviewerError: with the sentence that is also the run's last event ("failed").
    """
    config = run.config()
    if run.state() == "done":
        return True
    if any(stage.config().split != "patient" for stage in run.stages):
        why = "Slices of one patient would stand on both sides, and the score would flatter."
        raise TrainingError("A split by slice makes no model that can be put into use.", f'{why} Use the split "patient".')
    run.acquire()
    try:
        _forget_old_wish(run)
        _settle_device(config.device)
        from .finish import finish_run
        from .trainer import train

        for stage in run.stages:
            if stage.complete():
                continue
            if stage is not run:
                stage.stop_file = run.stop_file  # one wish for both
            stage.on_note = say
            train(stage, lambda logs: say("Epoch done: " + ", ".join(f"{name} {value:g}" for name, value in logs.items())))
            if not stage.complete():
                return False
        run.on_note = say
        finish_run(run, lambda text: _tell(run, text, say), lambda done, total, note: _judging(run, done, total))
    except Cancelled:
        run.log("stopped", reason="asked")
        run.stop_file.unlink(missing_ok=True)
        return False
    except BrainviewerError as error:
        _failed(run, error)
        raise
    except KeyboardInterrupt:
        run.log("stopped", reason="asked")
        raise
    except Exception as error:
        known = sentence_of(error)
        _failed(run, known)
        if type(known) is TrainingError and known.args != (UNEXPECTED,):
            raise known from error
        raise
    finally:
        run.release()
    return True


UNEXPECTED = "The training ended with an unexpected error."


def sentence_of(error: Exception) -> TrainingError:
    """An error of the system or of a framework, in words."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return TrainingError("The training stopped: there is no room left on the disk.", "Free some space and resume the run.")
    if isinstance(error, OSError) and error.filename:
        return TrainingError(f'The training stopped: "{error.filename}" cannot be used ({error.strerror}).', "See to it and resume the run.")
    if memory.ran_out(error):
        return TrainingError("The training stopped: memory ran out.", "Choose a smaller size, or close other programs, and resume the run.")
    return TrainingError(UNEXPECTED, f"The details ({type(error).__name__}) are in what it printed, or in its output.log.")


def _failed(run: Run, error: BrainviewerError) -> None:
    try:
        run.log("failed", sentence=error.sentence, hint=error.hint)
    except OSError:
        return  # the disk may be what failed; the sentence still reaches whoever called


def _forget_old_wish(run: Run) -> None:
    try:
        if time.time() - run.stop_file.stat().st_mtime > STALE_S:
            run.stop_file.unlink()
    except FileNotFoundError:
        return


def _settle_device(device: str) -> None:
    """Before any framework is imported."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    if device == "gpu":
        from .trainer import gpus

        if not gpus():
            framework = {"tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX"}.get(os.environ["KERAS_BACKEND"], "Keras")
            raise TrainingError(f"There is no GPU that {framework} can use.", "Choose the CPU, or let the program choose.")


def _tell(run: Run, text: str, say: Callable[[str], None]) -> None:
    run.log("judging", text=text)
    say(text)
    _stop_if_asked(run)


def _judging(run: Run, done: int, total: int) -> None:
    run.log("judging", done=done, total=total)
    _stop_if_asked(run)


def _stop_if_asked(run: Run) -> None:
    if run.stop_asked():
        raise Cancelled
