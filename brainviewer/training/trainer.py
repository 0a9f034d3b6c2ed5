"""One training run, from its folder: builds, resumes, fits, keeps the best, stops when asked.

Backend-neutral: Keras 3 and NumPy batches. What happens in an epoch depends only on the seed, the epoch's number and the weights, so a run
that was killed goes on from its last checkpoint as if nothing had been.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..errors import TrainingError
from ..inference import registry
from ..inference.bundle import read_bundle
from . import data, losses, memory, networks, strip
from .augment import augment, paste_tumour
from .evaluate import counts, dice_of
from .fused import fused
from .run import Run, TrainConfig, write_atomic

AUXILIARY_STRIDE = 8
STEP_EVENT_S = 2.0
PATIENCE_OVER = "no better for a while"
NEARLY_ALL = 0.8
"""Of the machine's memory: with more in use than this, a run that just vanished was ended by the system."""
THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
AS_GOOD = 0.003
"""Mean Dice that twelve patients cannot tell apart."""
DAMAGED = (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, EOFError)
"""What reading a checkpoint that was cut short may raise."""


class Batches(keras.utils.PyDataset):
    """The batches of one epoch: which slices, in which order and how changed follows from seed and epoch alone."""

    def __init__(self, slices: data.Slices, positions: np.ndarray, config: TrainConfig, epoch: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=6)
        self.slices, self.config, self.epoch = slices, config, epoch
        rng = np.random.default_rng((config.seed, epoch))
        labels = slices.labels[positions]
        positive, negative = positions[labels], positions[~labels]
        if config.negatives > 0:
            count = min(len(negative), round(config.negatives * len(positive)))
            negative = rng.choice(negative, count, replace=False)
        self.order = rng.permutation(np.concatenate([positive, negative]))
        self.donors = positive

    def __len__(self) -> int:
        return max(1, len(self.order) // self.config.batch)

    def __getitem__(self, number: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        config = self.config
        rng = np.random.default_rng((config.seed, self.epoch, number))
        chosen = self.order[number * config.batch : (number + 1) * config.batch]
        pairs = [augment(*self._slice(n, rng), rng, config.strength, config.substitution) for n in chosen]
        images, masks = (np.stack(side) for side in zip(*pairs, strict=True))
        return images, targets(config, masks)

    def _slice(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A slice and its mask, now and then with a tumour of another patient."""
        image, mask = self.slices.images[n].astype(np.float32), self.slices.masks[n]
        if self.config.paste <= 0 or rng.random() >= self.config.paste or not len(self.donors):
            return image, mask
        donor = rng.choice(self.donors)
        return paste_tumour(image, mask, self.slices.images[donor].astype(np.float32), self.slices.masks[donor], rng)


def targets(config: TrainConfig, masks: np.ndarray) -> dict[str, np.ndarray]:
    """What the networks should answer for masks (N, S, S) uint8."""
    masks = masks.astype(np.float32)
    if config.task == "segment":
        return {"probability": masks[..., np.newaxis]}
    positive = masks.any(axis=(1, 2))
    answer = {"probability": np.stack([~positive, positive], axis=-1).astype(np.float32)}
    if config.auxiliary > 0:
        n, size, _ = masks.shape
        cells = size // AUXILIARY_STRIDE
        answer["mask"] = masks.reshape(n, cells, AUXILIARY_STRIDE, cells, AUXILIARY_STRIDE).mean(axis=(2, 4))[..., np.newaxis]
    return answer


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
    model: keras.Model | None = None
    slices: data.Slices | None = None
    for epoch in range(done["epoch"] if done else 0, config.epochs):
        if no_better(history, sizes, config.patience):  # a run that was stopped while it was judged, say
            run.log("stopped", epoch, reason=PATIENCE_OVER)
            break
        if slices is None or slices.images.shape[1] != sizes[epoch]:
            slices = data.load(cases, sizes[epoch], note)
            training, validation = positions(config, cases, slices, note)
            check_classes(config, slices.labels[training], slices.labels[validation])
            write_atomic(run.folder / "split.json", json.dumps(split_names(config, cases, slices, training, validation)).encode())
            steps = len(Batches(slices, training, config, 0))
            fresh = fused(build(config, sizes[epoch]))
            compile_model(fresh, config, steps * config.epochs)
            if model is not None:
                assign(fresh.variables, [np.asarray(v) for v in model.variables])
                assign(fresh.optimizer.variables, [np.asarray(v) for v in model.optimizer.variables])
            elif done:
                state.restore(fresh)
                fresh.optimizer.iterations.assign(epoch * steps)  # where the schedule stands, should a batch have fewer slices now
            else:
                start(fresh, config, run)
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
        if comparable[-1] >= max(comparable):
            state.write_best(model, epoch, logs)
        state.write(model, epoch + 1, history)
        run.log("epoch", epoch, steps, **logs)
        draw_strip(run, model, config, slices, validation, epoch)
        on_epoch(logs)
        if no_better(history, sizes, config.patience):
            run.log("stopped", epoch, reason=PATIENCE_OVER)
            break
    else:
        run.log("finished", config.epochs)


def no_better(history: list[dict], sizes: list[int], patience: int) -> bool:
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
        if config.validation_patients:
            by_case = data.named_split(cases, config.validation_patients)
        else:
            by_case = data.split_patients(cases, config.validation, config.seed, say)
        train, validation = (np.flatnonzero(np.isin(slices.cases, side)) for side in by_case)
        return train, validation
    if config.split == "slice_leaky":
        train, validation, _ = data.split_slices_leaky(slices.labels, data.LEAKY_TEST, data.LEAKY_VALIDATION, config.seed)
        return train, validation
    raise TrainingError(f'The split "{config.split}" is not known.', "Known are: patient, slice_leaky.")


def check_classes(config: TrainConfig, training: np.ndarray, validation: np.ndarray) -> None:
    """Whether there is anything to learn, from the labels (N,) bool of both sides.

    Raises:
        TrainingError: where a side is empty, or the training slices show one class only.
    """
    if not len(training) or not len(validation):
        raise TrainingError("A side of the split holds no usable slice.", "Add patients, or choose another share for validation.")
    if not training.any():
        raise TrainingError("No slice to learn from shows a tumour.", "Add patients whose masks are not empty.")
    if config.task == "classify" and training.all():
        raise TrainingError("Every slice to learn from shows a tumour: there is nothing to tell apart.", "Add slices without tumour.")


def split_names(config: TrainConfig, cases: list[data.Case], slices: data.Slices, training: np.ndarray, validation: np.ndarray) -> dict:
    """What is stored of the split: patients where it is by patient, slice numbers where it leaks."""
    if config.split == "patient":
        sides = {"train": training, "validation": validation}
        return {side: [cases[n].patient for n in sorted(set(slices.cases[where].tolist()))] for side, where in sides.items()}
    return {"train": training.tolist(), "validation": validation.tolist()}


def start(model: keras.Model, config: TrainConfig, run: Run) -> None:
    """Gives a new network its starting weights."""
    if config.start == "none":
        return
    if config.start == "imagenet":
        if config.task != "classify":
            raise TrainingError("Only the classifier can start from ImageNet weights.", "Use start: none, or a bundle.")
        networks.load_imagenet(model, imagenet_file(config, run))
        return
    weights = starting_weights(config)
    for variable in model.weights:
        if variable.path in weights:  # a bundle lacks what served training only; that starts anew
            variable.assign(weights[variable.path])


def starting_folder(config: TrainConfig) -> Path:
    """The folder of the bundle or of the run that a run starts from, where it does."""
    return registry.in_use().bundle(config.task).folder if config.start == "current" else Path(config.start)


def starting_weights(config: TrainConfig) -> dict[str, np.ndarray]:
    """float32 weights by name, of a bundle or of the best epoch of a run of the same task.

    Raises:
        TrainingError: where there is neither, or it is of another task.
        BundleError: where the bundle is damaged.
    """
    folder = starting_folder(config)
    other = f"Give a bundle or a run that can {config.task}."
    if (folder / "bundle.json").is_file():
        bundle = read_bundle(folder)
        task, file = bundle.task, bundle.path(bundle.weights["keras"]["float32"]["weights"])
    elif (folder / "checkpoints" / Checkpoint.BEST).is_file():
        task, file = Run(folder).config().task, folder / "checkpoints" / Checkpoint.BEST
    else:
        raise TrainingError(f'The starting point "{config.start}" is not known.', "Use current, none, imagenet, or the folder of a bundle or a run.")
    if task != config.task:
        raise TrainingError(f'"{config.start}" cannot start a run of another task.', other)
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files if name != "state"}


def imagenet_file(config: TrainConfig, run: Run) -> Path:
    """ResNet50's ImageNet weights: the given file, the user's Keras cache, or Keras' own download; says which."""
    if config.imagenet:
        if not Path(config.imagenet).is_file():
            raise TrainingError(f'The ImageNet weights "{config.imagenet}" do not exist.')
        run.log("note", text=f"ImageNet weights from {config.imagenet}")
        return Path(config.imagenet)
    cached = Path.home() / ".keras" / "models" / "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    source = "Keras' cache" if cached.is_file() else "a download by Keras"
    try:
        whole = keras.applications.ResNet50(include_top=False, weights="imagenet")
    except Exception as error:  # noqa: BLE001 - Keras raises whatever its download raised
        raise TrainingError(
            f"ResNet50's ImageNet weights could not be downloaded ({error}).", "Give a .weights.h5 file of them, or start from a bundle."
        ) from None
    run.log("note", text=f"ImageNet weights from {source}")
    file = run.folder / "imagenet.weights.h5"
    whole.save_weights(file)
    return file


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


def assign(variables: list, values: list[np.ndarray]) -> None:
    """Gives variables their values, in order.

    Raises:
        TrainingError: where number or shapes differ.
    """
    if len(variables) != len(values) or any(tuple(v.shape) != np.shape(x) for v, x in zip(variables, values, strict=True)):
        raise TrainingError("The checkpoint belongs to another network.", "Start a new run in another folder.")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


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
