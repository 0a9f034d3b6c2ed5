"""What every test gets: an offscreen Qt, a folder of its own for settings, a look for leaks after tests of the window."""

from __future__ import annotations

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before Qt loads
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import gc
import json
import random
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from brainviewer import paths
from brainviewer.inference import preprocess, registry
from brainviewer.inference.bundle import SCHEMA, hash_file

hypothesis.settings.register_profile("here", deadline=None, derandomize="CI" in os.environ)  # no flakes on a busy machine
hypothesis.settings.load_profile("here")

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "qtbot" in getattr(item, "fixturenames", ()):
            item.add_marker("gui")


@pytest.fixture(scope="session")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the program's verdict on 8-bit weights goes from one test of real networks to the next: to reach it takes longer than most tests."""
    return tmp_path_factory.mktemp("verdict") / "precision.json"


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same weights in each run for networks that a test makes: Keras draws the seeds of its initialisers from `random`."""
    random.seed(0)


@pytest.fixture(autouse=True)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of everything that the program keeps for a user: one a test, empty."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("BRAINVIEWER_HOME", str(folder))
    if request.node.get_closest_marker("engine") is None:
        yield folder
        return
    verdict, own = request.getfixturevalue("verdict"), folder / "cache" / "precision.json"
    if verdict.exists():
        own.parent.mkdir()
        shutil.copy(verdict, own)
    yield folder
    if own.exists():
        shutil.copy(own, verdict)


# --- scans


@pytest.fixture(scope="session")
def sample() -> Path:
    """The sample scan that comes with the program."""
    folder = paths.resource("sample")
    if not folder.is_dir():
        pytest.skip("the sample scan is not there")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The data set beside the checkout, which only some machines have."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the data set beside the checkout is not there")
    return folder


# --- engines


class FakeEngine:
    """An engine without a network, whose answer can be told from its input.

    A segmenter's probability is the input's second channel (FLAIR); a classifier's is whether that channel reaches one half anywhere.

    Attributes:
        batches: number of slices in each call so far.
        started: set when a call began.
        go_on: calls wait for it; set from the start unless the engine is made blocked.
        closed: whether `close` was called.
        blind: a classifier that finds nothing.
    """

    name = "fake"
    device = "CPU"
    precision = "float32"
    lanes = 1
    identity = "fake"

    def __init__(self, task: str = "segment", blocked: bool = False) -> None:
        self.task = task
        self.notes: list[str] = []
        self.batches: list[int] = []
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.closed = self.blind = False
        if not blocked:
            self.go_on.set()

    def __call__(self, batch: np.ndarray) -> Mapping[str, np.ndarray]:
        self.batches.append(len(batch))
        self.started.set()
        assert self.go_on.wait(60), "the engine was never let go"
        flair = batch[..., 1:2].astype(np.float32)
        if self.task == "segment":
            return {"probability": flair}
        tumour = (flair.max(axis=(1, 2, 3)) >= 0.5).astype(np.float32) * (not self.blind)
        return {"probability": np.stack([1 - tumour, tumour], axis=1), "features": batch.mean(axis=(1, 2)).astype(np.float32)}

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def fake_engine() -> Iterator[Callable[..., FakeEngine]]:
    """Makes engines: `fake_engine("classify")` or `fake_engine("segment", blocked=True)`. Blocked ones are let go when the test ends."""
    made: list[FakeEngine] = []

    def make(task: str = "segment", blocked: bool = False) -> FakeEngine:
        made.append(FakeEngine(task, blocked))
        return made[-1]

    yield make
    for engine in made:
        engine.go_on.set()


# --- models: pairs that work, made on the spot, of networks of one multiplication

SIDE = 16


def network(task: str, factor: float, path: Path) -> None:
    """An ONNX graph whose answer shows its factor."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = np.full((1, 1, 3, 1), factor / 3, np.float32)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, SIDE, SIDE, 3])]
    numbers = [numpy_helper.from_array(np.array([3], np.int64), "axes")]
    if task == "segment":
        numbers.append(numpy_helper.from_array(np.array(factor, np.float32), "factor"))
        nodes = [helper.make_node("ReduceMean", ["x", "axes"], ["mean"]), helper.make_node("Mul", ["mean", "factor"], ["probability"])]
        outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, SIDE, SIDE, 1])]
    else:
        numbers = [
            numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
            numpy_helper.from_array(weight[0, 0] @ np.ones((1, 2), np.float32), "w"),
        ]
        nodes = [
            helper.make_node("ReduceMean", ["x", "axes"], ["features"], keepdims=0),
            helper.make_node("MatMul", ["features", "w"], ["probability"]),
        ]
        outputs = [
            helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 2]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 3]),
        ]
    graph = helper.make_graph(nodes, "g", inputs, outputs, numbers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def write_bundle(folder: Path, task: str, version: str, factor: float) -> Path:
    """One bundle `<task>-<version>` in a folder."""
    target = folder / f"{task}-{version}"
    target.mkdir(parents=True)
    network(task, factor, target / "model.onnx")
    shutil.copy(target / "model.onnx", target / "model-int8.onnx")
    layer = {"module": "keras.layers", "class_name": "Conv2D", "config": {"name": "c"}, "registered_name": None}
    (target / "architecture.json").write_text(
        json.dumps(
            {"module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional", "config": {"layers": [layer]}}
        )
    )
    np.savez_compressed(target / "weights.npz", kernel=np.full((2, 2), factor, np.float32))
    files = {
        name: {"file": name, "sha256": hash_file(target / name)} for name in ("model.onnx", "model-int8.onnx", "architecture.json", "weights.npz")
    }
    document = {
        "schema": SCHEMA,
        "name": f"toy-{task}",
        "version": version,
        "task": task,
        "input_shape": [SIDE, SIDE, 3],
        "preprocess": {"name": preprocess.NAME, "version": preprocess.VERSION},
        "labels": ["no tumour", "tumour"],
        "threshold": 0.5,
        "weights": {
            "keras": {"float32": {"architecture": files["architecture.json"], "weights": files["weights.npz"]}},
            "onnx": {"float32": {"model": files["model.onnx"]}, "int8": {"model": files["model-int8.onnx"]}},
        },
    }
    (target / "bundle.json").write_text(json.dumps(document))
    return target


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of its own pair, classify-1.0.0 and segment-1.0.0, of factor 0.25."""
    folder = tmp_path / "bundled"
    for task in ("classify", "segment"):
        write_bundle(folder, task, "1.0.0", 0.25)
    monkeypatch.setattr(paths, "bundled_models", lambda: folder)
    return folder


@pytest.fixture
def add_pair(tmp_path: Path, bundled: Path) -> Callable[..., registry.Pair]:
    """Adds a pair to the user's models: by default a new segmenter beside the program's classifier, better than what is in use."""
    count = 0

    def add(version: str = "2.0.0", factor: float = 0.5, trained: Sequence[str] = ("segment",), verdict: str = "better") -> registry.Pair:
        nonlocal count
        count += 1
        staging = tmp_path / f"staging{count}"
        for task in ("classify", "segment"):
            write_bundle(staging, task, version if task in trained else "1.0.0", factor if task in trained else 0.25)
        now = registry.in_use()
        judged = {"verdict": verdict, "against": now.id, "against_digest": now.digest, "sentence": "Dice +0.1."} if verdict else {}
        return registry.install(staging, registry.pair_id(trained, version), trained, "run", judged)

    return add


# --- leaks of the window


@pytest.fixture(autouse=True)
def no_qt_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that uses `qtbot` fails where it leaves a running thread, a running timer or a top-level widget behind."""
    if "qtbot" not in request.fixturenames:
        yield
        return
    from PySide6.QtWidgets import QApplication

    before = set(map(id, QApplication.topLevelWidgets()))
    gc.freeze()  # what is here now is of no interest: with TensorFlow loaded, to go through it takes longer than most tests
    try:
        yield
        application = QApplication.instance()
        assert application is not None
        left = []
        for _ in range(3):  # a widget that goes may take another along only in the next round
            application.sendPostedEvents(None, 52)  # QEvent.DeferredDelete: `deleteLater` waits for an event loop otherwise
            application.processEvents()
            gc.collect()
            left = _left_over(before)
            if not left:
                return
        pytest.fail("the test left behind: " + ", ".join(sorted(left)))
    finally:
        gc.unfreeze()


def _left_over(before: set[int]) -> list[str]:
    """Every running thread and timer that Python made since `gc.freeze`, and every top-level widget that is not among those before, by identity."""
    from PySide6.QtCore import QObject, QThread, QTimer
    from PySide6.QtWidgets import QApplication
    from shiboken6 import isValid

    found = []
    for thing in gc.get_objects():
        if isinstance(thing, QObject) and isValid(thing):
            if isinstance(thing, QThread) and thing.isRunning() and thing is not QThread.currentThread():
                found.append(f"a running thread ({thing.objectName() or type(thing).__name__})")
            elif isinstance(thing, QTimer) and thing.isActive():
                found.append(f"a running timer ({thing.objectName() or type(thing.parent()).__name__}, {thing.interval()} ms)")
    widgets = [widget for widget in QApplication.topLevelWidgets() if id(widget) not in before]
    return found + [f"a top-level widget ({widget.objectName() or type(widget).__name__})" for widget in widgets]
