"""A run is killed at each named point and at random moments: it goes on or says what is wrong, and the models in use are always whole."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("keras")

from brainviewer import paths
from brainviewer.inference import registry
from brainviewer.inference.contents import check_folder
from brainviewer.training.run import Phase, Run, TrainConfig

pytestmark = [pytest.mark.engine, pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")]

CHILD = """
import importlib.util, os, signal, sys, threading
from contextlib import contextmanager
from pathlib import Path

folder, bundled, guarded, helper, kills = sys.argv[1:6]
from brainviewer import paths
paths.bundled_models = lambda: Path(bundled)
import brainviewer.inference.registry as registry
from brainviewer.training import bundling, conduct, finish, guard, run, trainer
found = importlib.util.spec_from_file_location("helper", helper)
module = importlib.util.module_from_spec(found)
found.loader.exec_module(module)
trainer.build = bundling.build = module.tiny_network
@contextmanager
def unpacked():
    yield Path(guarded)
guard.unpacked = unpacked
guard.patients = lambda: sorted(path.name for path in Path(guarded).iterdir())

def before(owner, name, when=lambda *a, **k: True):
    real = getattr(owner, name)
    def done(*a, **k):
        if when(*a, **k):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*a, **k)
    setattr(owner, name, done)

def half(file, **arrays):
    file.write(b"PK\\x03\\x04 half of a checkpoint")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

POINTS = {
    "in a checkpoint's writing": lambda: setattr(trainer.np, "savez", half),
    "between writing and renaming": lambda: before(Path, "replace", lambda path, target: str(target).endswith("epoch-0001.npz")),
    "between a checkpoint and its line": lambda: before(run.Run, "log", lambda self, kind, *a, **k: kind == "epoch"),
    "at an epoch's end": lambda: before(trainer, "draw_strip"),
    "while a bundle is written": lambda: before(bundling, "write_int8"),
    "while it is judged": lambda: before(finish, "compare"),
    "while the pair is kept": lambda: before(registry, "_write"),
    "before the last line": lambda: before(run.Run, "log", lambda self, kind, *a, **k: kind == "evaluated"),
}
for kill in kills.split("|"):
    child = os.fork()  # frameworks are imported once; none has computed anything here
    if child == 0:
        if kill in POINTS:
            POINTS[kill]()
        elif kill:
            threading.Timer(float(kill), lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        conduct.conduct(run.Run(folder))
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    registry.in_use().verify()
    for pair in registry.user_pairs():
        pair.verify()
    print(kill, code, run.Run(folder).state(), registry.in_use().id, sep=";", flush=True)
"""
NAMED = (
    "in a checkpoint's writing",
    "between writing and renaming",
    "between a checkpoint and its line",
    "at an epoch's end",
    "while a bundle is written",
    "while it is judged",
    "while the pair is kept",
    "before the last line",
)


@pytest.fixture
def run(tmp_path: Path, make_patients: Callable[..., Path]) -> Run:
    """Two epochs on four small patients."""
    data = make_patients(tmp_path / "data", 4, 4, range(2, 4))
    made = Run(tmp_path / "run")
    made.create(TrainConfig(task="segment", data=str(data), phases=(Phase(32, 2),), batch=4, validation=0.3, device="cpu"))
    return made


def goes(run: Run, bundled: Path, kills: list[str]) -> list[list[str]]:
    """Lets the run go on once for each kill: (kill, exit code, state of the run, pair in use)."""
    guarded, helper = Path(run.config().data), Path(__file__).with_name("conftest.py")
    words = [sys.executable, "-c", CHILD, run.folder, bundled, guarded, helper, "|".join(kills)]
    done = subprocess.run(words, env=paths.environment(), capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [line.split(";") for line in done.stdout.splitlines() if line.count(";") == 3]


def whole(run: Run) -> None:
    """The run has ended well, and its pair is whole."""
    assert run.state() == "done"
    assert [event.epoch for event in run.events() if event.kind == "epoch"] in ([0, 1], [0, 0, 1])
    last = [event for event in run.events() if event.kind == "evaluated"][-1]
    pair = registry.find_pair(last.logs["pair"])
    for bundle in pair.bundles():
        check_folder(bundle.folder)
    assert json.loads(run.report_file.read_text())["verdict"] == last.logs["verdict"]
    assert not list(run.folder.rglob("*.partial"))
    assert len(registry.user_pairs()) == 1


def test_killed_at_each_named_point(run: Run, bundled: Path) -> None:
    rows = goes(run, bundled, [*NAMED, ""])
    assert [row[0] for row in rows] == [*NAMED, ""]
    for kill, code, state, used in rows[:-1]:
        assert (code, used) == (str(-signal.SIGKILL), "bundled"), kill
        assert state == "dead", kill
    assert rows[-1][1:] == ["0", "done", "bundled"]
    whole(run)


@pytest.mark.slow
def test_killed_at_random_moments(run: Run, bundled: Path) -> None:
    moments = [f"{random.uniform(0.2, 6):.2f}" for _ in range(5)]
    rows = goes(run, bundled, [*moments, ""])
    assert all(row[1] in (str(-signal.SIGKILL), "0") and row[3] == "bundled" for row in rows), rows
    assert rows[-1][2] == "done"
    whole(run)


def test_killed_from_outside_a_detached_run_is_found_dead_and_goes_on(tmp_path: Path) -> None:
    from brainviewer.training.run import start_detached

    run = Run(tmp_path / "run")
    run.create(TrainConfig(task="segment", data=str(tmp_path / "nothing")))
    process = start_detached(run)
    assert process.wait(300) == 1
    assert run.state() == "failed"
    last = list(run.events())[-1]
    assert "nothing" in last.logs["sentence"]
    assert "Traceback" not in run.output_file.read_text()
    assert os.getsid(0) != process.pid
