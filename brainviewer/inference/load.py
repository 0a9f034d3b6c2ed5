"""Which engine computes: tried in order, with the reason for each that was not taken."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .. import audit
from ..errors import BundleError, EngineError, WriteError
from . import registry
from .bundle import TASKS, ModelBundle, choose_bundle
from .engine import Engine
from .kept import Kept
from .precision import Verdict, choose

ENGINES = ("onnx", "tensorflow")
PRECISIONS = ("float32", "int8")


@dataclass(frozen=True, eq=False, slots=True)
class Models:
    """The two networks, loaded, and what there is to say about where they run.

    Attributes:
        gpu_note: one sentence on why no GPU is used, or "" where one is.
        notes: for the user, e.g. that promoted models could not be used and earlier ones are.
        precision_note: why this precision, where nobody asked for one, else "".
        kept: answers of earlier runs, which are used and added to; None: everything is computed.
    """

    classifier: Engine
    segmenter: Engine
    classify_bundle: ModelBundle
    segment_bundle: ModelBundle
    gpu_note: str = ""
    notes: tuple[str, ...] = ()
    precision_note: str = ""
    kept: Kept | None = None

    @property
    def engine(self) -> str:
        return self.classifier.name

    @property
    def device(self) -> str:
        """Where both run; both names where they differ (one of them had to leave the GPU)."""
        both = dict.fromkeys((self.classifier.device, self.segmenter.device))
        return " and ".join(both)

    @property
    def precision(self) -> str:
        return self.classifier.precision

    @property
    def lanes(self) -> int:
        """Slices that can be asked about at the same time."""
        return min(self.classifier.lanes, self.segmenter.lanes)

    def weights_of(self, bundle: ModelBundle) -> str:
        """SHA-256 of the weights of a bundle that are in use."""
        return bundle.sha256("keras" if self.engine == "tensorflow" else self.engine, self.precision)

    @property
    def identities(self) -> tuple[tuple[str, str, str, str], ...]:
        """(name, version, task, sha256 of the weights in use) of each."""
        return tuple((b.name, b.version, b.task, self.weights_of(b)) for b in (self.classify_bundle, self.segment_bundle))

    def close(self) -> None:
        self.classifier.close()
        self.segmenter.close()
        if self.kept is not None:
            self.kept.close()


def nvidia_present() -> bool:
    """Whether an NVIDIA driver shows a device, without loading anything heavy."""
    return any(Path(p).exists() for p in ("/dev/nvidia0", "/dev/dxg", "/proc/driver/nvidia/version"))


def open_onnx(bundle: ModelBundle, precision: str, device: str, threads: int | None) -> Engine:
    from .onnx_engine import OnnxEngine

    return OnnxEngine(bundle, precision, device, threads)


def open_tensorflow(bundle: ModelBundle, precision: str, device: str, threads: int | None) -> Engine:
    from .keras_engine import KerasEngine

    return KerasEngine(bundle, precision, device, threads)


OPENERS: dict[str, Callable[[ModelBundle, str, str, int | None], Engine]] = {"onnx": open_onnx, "tensorflow": open_tensorflow}


def engine_order(prefer: str, device: str) -> tuple[tuple[str, str], ...]:
    """(engine, device) to try, best first: ONNX Runtime, unless only TensorFlow can reach a GPU that is there."""
    if prefer != "auto":
        return ((prefer, device),)
    usual = (("onnx", device), ("tensorflow", device))
    if device == "cpu" or not (sys.platform.startswith("linux") and nvidia_present()):
        return usual
    from .onnx_engine import gpu_providers

    # TensorFlow comes first only for its GPU; on a CPU ONNX Runtime is faster.
    return usual if gpu_providers() else (("tensorflow", "gpu"), *usual)


def gpu_note(engine: Engine) -> str:
    """Why no GPU is used and what would change that, in one sentence, or "" where one is used."""
    if engine.device != "CPU":
        return ""
    from .onnx_engine import gpu_providers

    return cpu_reason(sys.platform, tuple(gpu_providers()), nvidia_present(), bool(getattr(sys, "frozen", False)))


def cpu_reason(system: str, providers: Sequence[str], nvidia: bool, packaged: bool) -> str:
    """What this edition could use, and why it computes on the CPU: one sentence.

    Args:
        system: as `sys.platform`.
        providers: GPU back ends of ONNX Runtime's edition.
        nvidia: whether there is an NVIDIA driver.
        packaged: the program without Python, to which nothing can be added.
    """
    if system == "win32":
        if "DmlExecutionProvider" in providers:
            return "Running on the CPU: DirectML, which this edition uses, found no graphics card that can do this."
        return "Running on the CPU: for a graphics card, onnxruntime-directml has to take the place of onnxruntime."
    if system == "darwin":
        return "Running on the CPU: CoreML, which this edition uses, did not take these models."
    if "CUDAExecutionProvider" in providers:
        return "Running on the CPU: this edition uses NVIDIA GPUs through CUDA, and found none that it can use."
    if not nvidia:
        return "Running on the CPU: only NVIDIA GPUs can be used under Linux, and this computer shows no NVIDIA driver."
    if packaged:
        return "Running on the CPU: this packaged edition has no CUDA; the one that Python installs, brainviewer[gpu], uses your NVIDIA GPU."
    return "Running on the CPU: for your NVIDIA GPU, install CUDA's libraries with pip install brainviewer[gpu]."


def load_models(
    prefer: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    folder: Path | None = None,
    threads: int | None = None,
) -> Models:
    """Loads the classifier and the segmenter in use.

    Args:
        prefer: "auto", "onnx" or "tensorflow".
        device: "auto", "cpu" or "gpu".
        precision: "auto", "float32" or "int8".
        folder: of models; those in use by default (`registry.in_use`).
        threads: of the CPU; None for all cores.

    Raises:
        BundleError: if a model is missing or damaged.
        EngineError: if no engine works; lists the reason for each.
    """
    if folder is not None:
        return _open([choose_bundle(folder, task) for task in TASKS], prefer, device, precision, threads)
    return _open_in_use(prefer, device, precision, threads)


def _open_in_use(prefer: str, device: str, precision: str, threads: int | None) -> Models:
    """The pair in use; where it is damaged or does not load, the one before it, and so on to the program's own, and a note that says so.

    A damaged pair is never tried again. One that only does not load (no memory, say) is, at the next start.
    """
    damaged: list[str] = []
    notes: list[str] = []
    for name, digest in registry.candidates():
        try:
            models = _open(registry.resolve(name, digest).bundles(), prefer, device, precision, threads)
        except (BundleError, EngineError) as error:
            if name == registry.BUNDLED:
                raise
            if isinstance(error, BundleError):
                damaged.append(name)
            notes.append(f'The promoted models "{name}" cannot be used. {error.sentence}')
            continue
        if damaged:
            note_fall_back(damaged, name, notes[0])
        if notes:
            notes.append(
                ("The models that came with the program" if name == registry.BUNDLED else f'The earlier models "{name}"') + " are used instead."
            )
        return replace(models, notes=(" ".join(notes),) if notes else ())
    raise AssertionError("the program's own pair is always the last candidate")


def note_fall_back(failed: list[str], to: str, why: str) -> None:
    """Makes the switch that a start had to make for good, and notes it; where that cannot be written, the next start does the same again."""
    if registry.fall_back(failed, to):
        with suppress(WriteError):
            audit.record("fall back", "done", models=to, instead_of=failed[0], why=why)


def _open(bundles: list[ModelBundle], prefer: str, device: str, precision: str, threads: int | None) -> Models:
    reasons = []
    for name, where in engine_order(prefer, device):
        try:
            wanted = best_precision(name, bundles, where) if precision == "auto" else Verdict(precision, "")
            classifier, segmenter = _open_both(name, bundles, wanted.precision, where, threads)
        except (EngineError, ImportError) as error:
            reasons.append(f"{name}: {error.sentence if isinstance(error, EngineError) else f'not installed ({error}).'}")
        else:
            return Models(classifier, segmenter, bundles[0], bundles[1], gpu_note(classifier), precision_note=wanted.why)
    raise EngineError("The models could not be started. " + " ".join(reasons), "Run `brainviewer doctor` for details.")


def best_precision(name: str, bundles: list[ModelBundle], device: str) -> Verdict:
    """What "auto" means for an engine."""
    return choose(bundles, device) if name == "onnx" else Verdict("float32", "")


def _open_both(name: str, bundles: list[ModelBundle], precision: str, device: str, threads: int | None) -> tuple[Engine, Engine]:
    """Both networks, at the same time: reading and preparing one leaves a core free."""
    with ThreadPoolExecutor(len(bundles), "load") as pool:
        opening = [pool.submit(OPENERS[name], bundle, precision, device, threads) for bundle in bundles]
    faults = [fault for fault in (future.exception() for future in opening) if fault is not None]
    if faults:
        for future in opening:
            if future.exception() is None:
                future.result().close()
        raise faults[0]
    return opening[0].result(), opening[1].result()
