"""Where a run's network begins: nowhere, with ImageNet's weights, with a bundle's, or with another run's."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from ..errors import TrainingError
from ..inference import registry
from ..inference.bundle import read_bundle
from . import networks
from .checkpoint import Checkpoint
from .run import Run, TrainConfig


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
