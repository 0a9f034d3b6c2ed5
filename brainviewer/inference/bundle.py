"""A model and all that must be known to use it: a folder with `bundle.json`, weights for each engine and precision, and a card.

Nothing is read from a bundle whose hashes do not match, and reading one never executes code that it carries: weights are ONNX graphs, plain
arrays (`.npz` without pickles) and a description of built-in Keras layers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import BundleError
from . import preprocess

SCHEMA = 1
TASKS = ("classify", "segment")
REINSTALL = "Install the program again, or import the model again."


@dataclass(frozen=True, slots=True)
class Weights:
    """One file of a bundle: where, and the SHA-256 that it must have."""

    file: str
    sha256: str


@dataclass(frozen=True, eq=False, slots=True)
class ModelBundle:
    """What `bundle.json` says.

    Attributes:
        folder: where the bundle lies.
        task: "classify" or "segment".
        input_shape: (H, W, C) of the network's input.
        labels: of the classifier's outputs, by position; the last one is "tumour".
        threshold: of the segmenter: pixel probability from which a pixel belongs to the mask.
        weights: for each engine ("onnx", "keras") and precision ("float32", "int8"), its files by role ("model", or "architecture" and "weights").
        details: everything else (calibration, clean-up, training data, split, metrics, licence), as it stands in the file.
    """

    folder: Path
    name: str
    version: str
    task: str
    input_shape: tuple[int, int, int]
    labels: tuple[str, ...]
    threshold: float
    weights: dict[str, dict[str, dict[str, Weights]]]
    details: dict

    @property
    def size(self) -> int:
        """Rows and columns of the network's input."""
        return self.input_shape[0]

    @property
    def id(self) -> str:
        return f"{self.task}-{self.version}"

    @property
    def learned_from(self) -> str:
        """A sentence on the training data, or "" where the bundle says nothing."""
        stored = self.details.get("trained_on")
        if not isinstance(stored, dict) or not stored.get("data"):
            return ""
        counts = [f"{stored[what]:,} {what}" for what in ("patients", "slices") if isinstance(stored.get(what), int)]
        return f"{self.name} {self.version}: {', '.join([str(stored['data']), *counts])}."

    def files(self) -> list[Weights]:
        """All files that the bundle vouches for."""
        listed = [w for by_precision in self.weights.values() for roles in by_precision.values() for w in roles.values()]
        return listed + [Weights(**entry) for entry in self.details.get("files", {}).values()]

    def sha256(self, engine: str, precision: str) -> str:
        """Hash of the weights proper, which names the model in results."""
        roles = self.weights[engine][precision]
        return roles.get("model", roles.get("weights", next(iter(roles.values())))).sha256

    def path(self, weights: Weights) -> Path:
        """The file, verified.

        Raises:
            BundleError: if it is missing or its hash differs.
        """
        path = self.folder / weights.file
        try:
            found = hash_file(path)
        except OSError as error:
            raise BundleError(f'The model "{self.id}" is incomplete: "{path}" cannot be read ({error.strerror}).', REINSTALL) from None
        if found != weights.sha256:
            raise BundleError(
                f'The model "{self.id}" is damaged: "{path}" is not the file that bundle.json vouches for (SHA-256 differs).', REINSTALL
            )
        return path

    def verify(self) -> None:
        """Checks every file.

        Raises:
            BundleError: naming the first that is missing or differs.
        """
        for weights in self.files():
            self.path(weights)


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_bundle(folder: Path) -> ModelBundle:
    """Reads and checks `bundle.json`; weights are verified when they are used.

    Raises:
        BundleError: with one sentence, if it is missing, unreadable or not usable by this program.
    """
    file = Path(folder) / "bundle.json"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f'There is no model in "{folder}": bundle.json is missing.', REINSTALL) from None
    except (OSError, ValueError) as error:
        raise BundleError(f'"{file}" cannot be read ({error}).', REINSTALL) from None
    try:
        bundle = _parse(Path(folder), document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f'"{file}" is not a description of a model ({type(error).__name__}: {error}).', REINSTALL) from None
    made_for = document["preprocess"]
    if document["schema"] != SCHEMA or (made_for["name"], made_for["version"]) != (preprocess.NAME, preprocess.VERSION):
        raise BundleError(f'The model in "{folder}" was made for another version of this program.', "Use the version it came with, or retrain.")
    return bundle


def _parse(folder: Path, document: dict) -> ModelBundle:
    weights = {
        engine: {precision: {role: _weights(entry) for role, entry in roles.items()} for precision, roles in by_precision.items()}
        for engine, by_precision in document["weights"].items()
    }
    for entry in document.get("files", {}).values():
        _weights(entry)
    rows, columns, channels = (int(n) for n in document["input_shape"])
    if document["task"] not in TASKS:
        raise ValueError(f"unknown task {document['task']!r}")
    return ModelBundle(
        folder=folder,
        name=str(document["name"]),
        version=str(document["version"]),
        task=document["task"],
        input_shape=(rows, columns, channels),
        labels=tuple(document["labels"]),
        threshold=float(document["threshold"]),
        weights=weights,
        details=document,
    )


def _weights(entry: dict) -> Weights:
    """A file entry whose path stays inside the bundle."""
    path = PurePosixPath(entry["file"])
    if path.is_absolute() or len(path.parts) != 1 or "\\" in entry["file"] or path.name in ("", ".", ".."):
        raise ValueError(f"file {entry['file']!r} is outside the bundle")
    return Weights(entry["file"], entry["sha256"])


def find_bundles(folder: Path) -> list[Path]:
    """Folders below `folder` that hold a `bundle.json`, newest version last."""
    if not Path(folder).is_dir():
        return []
    found = [path for path in Path(folder).iterdir() if (path / "bundle.json").is_file()]
    return sorted(found, key=lambda path: (path.name.rpartition("-")[0], _version_key(path.name.rpartition("-")[2])))


def _version_key(version: str) -> tuple:
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in version.split("."))


def choose_bundle(folder: Path, task: str) -> ModelBundle:
    """The newest bundle of a task in a models folder.

    Raises:
        BundleError: if there is none, or it cannot be used.
    """
    candidates = [path for path in find_bundles(folder) if path.name.startswith(f"{task}-")]
    if not candidates:
        raise BundleError(f'There is no model to {task} in "{folder}".', REINSTALL)
    return read_bundle(candidates[-1])
