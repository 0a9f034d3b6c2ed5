"""One training run, from its folder: builds, resumes, fits, keeps the best, stops when asked.

Backend-neutral: Keras 3 and NumPy batches. What happens in an epoch depends only on the seed, the epoch's number and the weights, so a run
that was killed goes on from its last checkpoint as if nothing had been.
"""

from __future__ import annotations

import functools
import gc
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..errors import TrainingError
from ..formats.series import listed
from . import data, losses, memory, networks, strip
from .batches import Batches
from .checkpoint import Checkpoint, assign
from .evaluate import counts, dice_of
from .fused import fused
from .run import Run, TrainConfig, write_atomic
from .starting import start

STEP_EVENT_S = 2.0
PATIENCE_OVER = "no better for a while"
NEARLY_ALL = 0.8
"""Of the machine's memory: with more in use than this, a run that just vanished was ended by the system."""
THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
AS_GOOD = 0.003
"""Mean Dice that twelve patients cannot tell apart."""


def build(config: TrainConfig, size: int) -> keras.Model:
    """The network of a task at an input size, not yet trained."""
    if config.task == "segment":
        return networks.resunet((size, size, 3))
    return networks.resnet50_classifier((size, size, 3), auxiliary=config.auxiliary > 0)


def compile_model(model: keras.Model, config: TrainConfig, total_steps: int) -> None:
    """Adam with decoupled weight decay, a short warm-up and a cosine down to nothing over the whole run."""
    warmup = round(config.warmup * total_steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        1e-6 if warmup else config.learning_rate,
        max(1, total_steps - warmup),
        alpha=0.001,
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay, clipnorm=1.0)
    if config.task == "segment":
        if config.loss not in losses.LOSSES:
            raise TrainingError(f'The loss "{config.loss}" is not known.', f"Known are: {', '.join(losses.LOSSES)}.")
        loss: dict[str, Any] = {"probability": losses.LOSSES[config.loss]}
        weights = None
    else:
        loss = {"probability": "categorical_crossentropy"}
        weights = {"probability": 1.0}
        if config.auxiliary > 0:
            loss["mask"] = losses.focal_tversky_and_crossentropy
            weights["mask"] = config.auxiliary
    model.compile(optimizer=optimizer, loss=loss, loss_weights=weights, jit_compile="auto" if compiles_well() else False)
    optimizer.build(model.trainable_variables)


def compiles_well() -> bool:
    """Whether compiling the whole step pays: on a CPU, XLA compiles for a minute and then runs no faster; PyTorch runs as it is."""
    backend = keras.backend.backend()
    return backend == "jax" or (backend == "tensorflow" and bool(gpus()))


def gpus() -> list[str]:
    """Names of the GPUs that Keras' backend sees. Keras itself cannot say it of PyTorch."""
    if keras.backend.backend() == "torch":
        import torch  # type: ignore[import-not-found]  # installed by those who train on it

        return [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return [str(device) for device in keras.distribution.list_devices("gpu")]


class RunCallback(keras.callbacks.Callback):
    """Writes step events and looks for the wish to stop after every batch."""

    def __init__(self, run: Run, epoch: int, steps: int, later: float) -> None:
        """Args:
        steps: of this epoch.
        later: steps of the epochs after it, in steps of this one.
        """
        super().__init__()
        self.run, self.epoch, self.steps, self.later = run, epoch, steps, later
        self.started = self.last = 0.0
        self.stopped = ""

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if asked := self.run.stop_asked():
            self.stopped = asked
            self.model.stop_training = True
        now = time.monotonic()
        if batch == 0:  # the framework compiles in the first step, which tells nothing of the pace
            self.started = self.last = now
        elif now - self.last >= STEP_EVENT_S:
            self.last = now
            left = (now - self.started) / batch * (self.steps - batch - 1 + self.later)
            self.run.log("step", self.epoch, batch + 1, steps=self.steps, left_s=round(left), memory_mb=memory.used_mb(), **rounded(logs or {}))


def train(run: Run, on_epoch: Callable[[dict], None] = lambda logs: None) -> None:
    """Starts or resumes the run in its folder and trains to its end, to early stopping, or until `run.stop_file` appears.

    The best weights are in `checkpoints/best.npz` then.

    Raises:
        TrainingError: when another process trains there, the data cannot be used, or a checkpoint is of another network.
    """
    config = run.config()
    run.acquire()
    try:
        config = replace(config, batch=remembered_batch(run, config))
        while True:
            try:
                return _train(run, config, on_epoch)
            except Exception as error:
                if not memory.ran_out(error):
                    raise
                config = replace(config, batch=halved(run, config, "Memory ran out"))
            keras.backend.clear_session()
            gc.collect()
    finally:
        run.release()


def remembered_batch(run: Run, config: TrainConfig) -> int:
    """Slices in a batch: as settled, or fewer where memory ran out before. A run that the system killed while it used nearly all memory, too."""
    events = list(run.events())
    batch = next((int(event.logs["batch"]) for event in reversed(events) if event.kind == "batch"), config.batch)
    last = events[-1] if events else None
    if last is not None and last.kind == "step" and last.logs.get("memory_mb", 0) > NEARLY_ALL * memory.machine_mb() > 0:
        return halved(run, replace(config, batch=batch), "The run ended without a word while it used nearly all memory")
    return batch


def halved(run: Run, config: TrainConfig, why: str) -> int:
    """Half of the slices in a batch, noted in the run.

    Raises:
        TrainingError: where a batch is one slice already.
    """
    if config.batch <= 1:
        raise TrainingError("Memory ran out with a single slice in a batch.", "Choose a smaller size, or close other programs.")
    batch = config.batch // 2
    run.log("batch", batch=batch, text=f"{why}: from now on a batch has {batch} instead of {config.batch} slices.")
    return batch


def _train(run: Run, config: TrainConfig, on_epoch: Callable[[dict], None]) -> None:
    keras.mixed_precision.set_global_policy(config.precision)
    keras.utils.set_random_seed(config.seed)
    note = functools.cache(lambda text: run.log("note", text=text))  # a second look at the same scans has nothing new to say
    cases = data.index(Path(config.data), excluded(config), note)
    state = Checkpoint(run.checkpoints)
    done = state.read()
    history = done["history"] if done else []
    told = {event.epoch for event in run.events() if event.kind == "epoch"}
    for number, logs in enumerate(history):
        if number not in told:  # a kill between a checkpoint and its line
            run.log("epoch", number, **logs)
    run.log(
        "resumed" if done else "started",
        len(history),
        task=config.task,
        patients=len(cases),
        epochs=config.epochs,
        batch=config.batch,
        device=device_name(),
        machine_mb=memory.machine_mb(),
        backend=keras.backend.backend(),
    )

    sizes = [phase.size for phase in config.phases for _ in range(phase.epochs)]
    patience = math.inf if config.refit else config.patience  # scores on patients learned from stop nothing
    model: keras.Model | None = None
    slices: data.Slices | None = None
    for epoch in range(done["epoch"] if done else 0, config.epochs):
        if no_better(history, sizes, patience):  # a run that was stopped while it was judged, say
            run.log("stopped", epoch, reason=PATIENCE_OVER)
            break
        if slices is None or slices.images.shape[1] != sizes[epoch]:
            slices = data.load(cases, sizes[epoch], note)
            training, validation = settled(run, config, cases, slices, note, begun=bool(done) or model is not None)
            steps = len(Batches(slices, training, config, 0))
            fresh = fused(build(config, sizes[epoch]))
            compile_model(fresh, config, steps * config.epochs)
            if model is not None:
                assign(fresh.variables, [np.asarray(v) for v in model.variables])
                assign(fresh.optimizer.variables, [np.asarray(v) for v in model.optimizer.variables])
            elif done:
                state.restore(fresh)
            else:
                start(fresh, config, run)
            # Where the schedule stands: an epoch has other steps at another size (a tumour can be too small for it), or with a smaller batch.
            fresh.optimizer.iterations.assign(epoch * steps)
            model = fresh
        assert model is not None
        later = steps * sum((size / sizes[epoch]) ** 2 for size in sizes[epoch + 1 :])  # a step costs what its pixels cost
        callback = RunCallback(run, epoch, steps, later)
        before = time.monotonic()
        # Batches are in random order already; Keras would draw another from a state that no checkpoint holds.
        fitted = model.fit(Batches(slices, training, config, epoch), shuffle=False, verbose=0, callbacks=[callback])
        if callback.stopped:
            if callback.stopped == "keep" and not state.best.exists():
                run.log("note", epoch, text="No epoch has ended yet, so there is nothing to keep.")
                callback.stopped = "asked"
            run.log("stopped", epoch, reason=callback.stopped)
            run.stop_file.unlink(missing_ok=True)
            break
        scores = validate(model, config, slices, validation)
        logs = rounded({k: v[-1] for k, v in fitted.history.items()} | scores | {"seconds": time.monotonic() - before, "size": sizes[epoch]})
        history.append(logs)
        # Scores at different input sizes cannot be compared: the best is sought within the last size only.
        comparable = [h["score"] for h, s in zip(history, sizes, strict=False) if s == sizes[epoch]]
        if config.refit or comparable[-1] >= max(comparable):
            state.write_best(model, epoch, logs)
        state.write(model, epoch + 1, history)
        run.log("epoch", epoch, steps, **logs)
        draw_strip(run, model, config, slices, validation, epoch)
        on_epoch(logs)
        if no_better(history, sizes, patience):
            run.log("stopped", epoch, reason=PATIENCE_OVER)
            break
    else:
        run.log("finished", config.epochs)


def no_better(history: list[dict], sizes: list[int], patience: float) -> bool:
    """Whether the last size has seen so many epochs without a better score that the run ends early."""
    scores = [logs["score"] for logs, size in zip(history, sizes, strict=False) if size == sizes[-1]]
    return len(history) < len(sizes) and bool(scores) and len(scores) - 1 - int(np.argmax(scores)) >= patience


def draw_strip(run: Run, model: keras.Model, config: TrainConfig, slices: data.Slices, validation: np.ndarray, epoch: int) -> None:
    """Redraws the strip with what the network says now; a classifier shows the coarse mask that helps it to learn."""
    where = strip.chosen(slices.labels, validation)
    images = slices.images[where].astype(np.float32)
    answer = model.predict_on_batch(images)
    wanted = "probability" if config.task == "segment" else "mask"
    if wanted in answer:
        found = np.asarray(answer[wanted])[..., 0] >= 0.5
        scale = images.shape[1] // found.shape[1]
        found = found.repeat(scale, axis=1).repeat(scale, axis=2)
    else:
        found = np.zeros(images.shape[:3], bool)
    files = strip.write(run, images, slices.masks[where], found)
    p = [] if config.task == "segment" else [round(float(x), 3) for x in np.asarray(answer["probability"])[:, 1]]
    run.log("strip", epoch, files=files, p_tumour=p)


def device_name() -> str:
    """What computes, in words."""
    found = gpus()
    if not found:
        return f"CPU, {os.cpu_count()} cores"
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        first = tf.config.list_physical_devices("GPU")[0]
        return str(tf.config.experimental.get_device_details(first).get("device_name", "GPU"))
    return found[0]


def excluded(config: TrainConfig) -> list[str]:
    """Patients that this run must never see."""
    if not config.exclude:
        return []
    try:
        return Path(config.exclude).read_text().split()
    except OSError as error:
        raise TrainingError(f'The list of patients to leave out, "{config.exclude}", cannot be read ({error.strerror}).') from None


def positions(
    config: TrainConfig, cases: list[data.Case], slices: data.Slices, say: Callable[[str], None] = lambda text: None
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training and the validation slices."""
    if config.split == "patient":
        groups = data.alike(cases, slices)
        if len(groups) == 1 < len(cases):
            say("All patients have slices that are equal, or nearly so, to another's: every score is flattered.")
            groups = [[n] for n in range(len(cases))]
        for group in groups:
            if len(group) > 1:
                names = listed([cases[n].patient for n in group])
                kept = "" if config.validation_patients else ": they are kept on the same side of the split"
                say(f"Have slices that are equal, or nearly so{kept}: {names}.")
        if config.validation_patients:
            by_case = data.named_split(cases, config.validation_patients)
        else:
            by_case = data.split_patients(cases, config.validation, config.seed, say, groups)
        train, validation = (np.flatnonzero(np.isin(slices.cases, side)) for side in by_case)
        return train, validation
    if config.split == "slice_leaky":
        train, validation, _ = data.split_slices_leaky(slices.labels, data.LEAKY_TEST, data.LEAKY_VALIDATION, config.seed)
        return train, validation
    raise TrainingError(f'The split "{config.split}" is not known.', "Known are: patient, slice_leaky.")


def settled(
    run: Run, config: TrainConfig, cases: list[data.Case], slices: data.Slices, say: Callable[[str], None], *, begun: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training and the validation slices: as they were drawn when the run began, whatever has come into the folder since. To
    draw anew would judge the network by what it learned from.

    Raises:
        TrainingError: if the data cannot teach, or what the run began with is not there any more.
    """
    file = run.folder / "split.json"
    if begun and file.exists():
        return positions_of(json.loads(file.read_text()), config, cases, slices, say)
    training, validation = positions(config, cases, slices, say)
    if config.refit:
        say("The validation patients are learned from as well: their scores tell nothing of other patients, and the last epoch counts as the best.")
        training = np.sort(np.concatenate([training, validation]))
    check_classes(config, slices.labels[training], slices.labels[validation], say)
    write_atomic(file, json.dumps(split_names(config, cases, slices, training, validation)).encode())
    return training, validation


def positions_of(
    split: dict[str, list], config: TrainConfig, cases: list[data.Case], slices: data.Slices, say: Callable[[str], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training and the validation slices of a stored split (`split_names`).

    Raises:
        TrainingError: where some of it is not there any more.
    """
    back = "Put the scans back, or start a new run."
    if config.split != "patient":
        if max(*split["train"], *split["validation"]) >= len(slices.cases):
            raise TrainingError("The data has fewer slices than when the run began.", back)
        return np.array(split["train"]), np.array(split["validation"])
    readable = {cases[n].patient: n for n in np.unique(slices.cases)}
    began = {*split["train"], *split["validation"]}
    if absent := sorted(began - set(readable)):
        raise TrainingError(f"The run began with patients that are not there any more, or cannot be read: {listed(absent)}.", back)
    if late := sorted(set(readable) - began):
        say(f"Came after the run began, and take no part in it: {listed(late)}.")
    train, validation = (np.flatnonzero(np.isin(slices.cases, [readable[name] for name in split[side]])) for side in ("train", "validation"))
    return train, validation


def check_classes(config: TrainConfig, training: np.ndarray, validation: np.ndarray, say: Callable[[str], None]) -> None:
    """Whether there is anything to learn, from the labels (N,) bool of both sides.

    Raises:
        TrainingError: where a side is empty, or the training slices show one class only.
    """
    if not len(training) or not len(validation):
        raise TrainingError("A side of the split holds no usable slice.", "Add patients, or choose another share for validation.")
    if not training.any():
        raise TrainingError("No slice to learn from shows a tumour.", "Add patients whose masks are not empty.")
    if training.all():
        if config.task == "classify":
            raise TrainingError("Every slice to learn from shows a tumour: there is nothing to tell apart.", "Add slices without tumour.")
        say("Every slice to learn from shows a tumour: the network learns nothing of slices without one.")


def split_names(config: TrainConfig, cases: list[data.Case], slices: data.Slices, training: np.ndarray, validation: np.ndarray) -> dict:
    """What is stored of the split: patients where it is by patient, slice numbers where it leaks."""
    if config.split == "patient":
        sides = {"train": training, "validation": validation}
        return {side: [cases[n].patient for n in sorted(set(slices.cases[where].tolist()))] for side, where in sides.items()}
    return {"train": training.tolist(), "validation": validation.tolist()}


def validate(model: keras.Model, config: TrainConfig, slices: data.Slices, where: np.ndarray) -> dict[str, float]:
    """Scores on held-out slices; `score` is the one that decides which epoch is the best."""
    answers = predict(model, slices.images[where])
    reference, cases = slices.masks[where], slices.cases[where]
    if config.task == "segment":
        by_threshold = {threshold: dices(answers[..., 0] >= threshold, reference > 0, cases) for threshold in THRESHOLDS}
        plain = by_threshold[0.5]
        scores = {"val_dice": float(np.mean(plain)), "val_dice_median": float(np.median(plain)), "score": float(np.mean(plain))}
        return scores | {"val_threshold": operating_point({threshold: float(np.mean(values)) for threshold, values in by_threshold.items()})}
    from sklearn.metrics import log_loss, roc_auc_score

    labels = reference.any(axis=(1, 2))
    p = answers[:, 1]
    accuracy = float(np.mean((p >= 0.5) == labels))
    scores = {"val_accuracy": accuracy, "val_loss": float(log_loss(labels, p, labels=[0, 1])), "score": accuracy}
    if 0 < labels.sum() < len(labels):
        auc = float(roc_auc_score(labels, p))
        scores |= {"val_auc": auc, "score": accuracy + auc}
    return scores


def dices(found: np.ndarray, reference: np.ndarray, cases: np.ndarray) -> list[float]:
    """Dice of each case's volume: found and reference (N, S, S) bool, cases (N,)."""
    return [dice_of(counts(found[cases == case], reference[cases == case]).sum(axis=0)) for case in np.unique(cases)]


def operating_point(dice_by_threshold: dict[float, float]) -> float:
    """The lowest threshold that is as good as the best on validation patients: on scans that a segmenter does not know it misses more than it
    makes up, because it is less sure there."""
    best = max(dice_by_threshold.values())
    return min(threshold for threshold, dice in dice_by_threshold.items() if dice >= best - AS_GOOD)


def predict(model: keras.Model, images: np.ndarray, batch: int = 16) -> np.ndarray:
    """The network's `probability` for images (N, S, S, 3), in batches."""
    return np.concatenate(
        [np.asarray(model.predict_on_batch(images[n : n + batch].astype(np.float32))["probability"]) for n in range(0, len(images), batch)]
    )


def rounded(logs: dict) -> dict:
    return {key: round(float(value), 5) for key, value in logs.items()}
