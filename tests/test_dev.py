"""dev.py: what it calls, what it says, and when it makes the environment anew. No test here installs anything."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """dev.py as a module, in a checkout of its own whose set-up steps only leave traces."""
    spec = importlib.util.spec_from_file_location("dev_under_test", ROOT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "path", sys.path[:])
    (tmp_path / "requirements.lock").write_text("a==1 \\\n")
    (tmp_path / "pyproject.toml").write_text("")
    venv = tmp_path / ".venv"
    for name, value in (("ROOT", tmp_path), ("VENV", venv), ("LOCK", tmp_path / "requirements.lock"), ("STAMP", venv / "stamp.json")):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module, "require_qt", lambda: None)
    return module


@pytest.fixture
def steps(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The set-up's steps, recorded; the first makes a real, empty virtual environment."""
    done: list[list[str]] = []

    def step(command: list[str]) -> None:
        done.append(command)
        if command[1:3] == ["-m", "venv"]:
            subprocess.run([*command[:3], "--without-pip", *command[3:]], check=True)
        else:
            (dev.site_packages() / "a-1.dist-info").mkdir(exist_ok=True)

    monkeypatch.setattr(dev, "step", step)
    return done


@pytest.fixture
def calls(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, Any]]]:
    """What dev.py calls once the environment is there; every call succeeds."""
    made: list[tuple[list[str], dict[str, Any]]] = []

    def call(command: list[str], cwd: Path | None = None, **variables: str) -> int:
        made.append((command[1:] if command[0] == "PYTHON" else command, {"cwd": cwd, **variables}))
        return 0

    monkeypatch.setattr(dev, "call", call)
    monkeypatch.setattr(dev, "environment", lambda: "PYTHON")
    return made


# --- the environment


def test_a_bare_checkout_gets_everything_and_a_second_call_nothing(dev: ModuleType, steps: list[list[str]]) -> None:
    assert dev.environment() == str(dev.interpreter())
    assert [" ".join(step[1:4]) for step in steps] == [f"-m venv {dev.VENV}", "-m pip install", "-m pip install"]
    assert "--require-hashes" in steps[1]
    assert {"--no-deps", "-e", str(dev.ROOT)} <= set(steps[2])
    steps.clear()
    start = time.perf_counter()
    assert dev.environment() == str(dev.interpreter())
    assert steps == []
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("file", ["requirements.lock", "pyproject.toml"])
def test_a_changed_lock_or_project_is_installed_into_the_same_environment(dev: ModuleType, steps: list[list[str]], file: str) -> None:
    dev.environment()
    steps.clear()
    (dev.ROOT / file).write_text("a==2 \\\n")
    dev.environment()
    assert len(steps) == 2
    assert all(step[2] == "pip" for step in steps)


def test_what_the_lock_no_longer_names_is_taken_out(dev: ModuleType, steps: list[list[str]]) -> None:
    (dev.ROOT / "requirements.lock").write_text("a==1 \\\nb==1 ; sys_platform == 'linux' \\\n")
    dev.environment()
    steps.clear()
    (dev.ROOT / "requirements.lock").write_text("a==1 \\\n")
    dev.environment()
    assert [step[3] for step in steps] == ["uninstall", "install", "install"]
    assert steps[0][-2:] == ["-y", "b"]


def no_stamp(dev: ModuleType) -> None:
    dev.STAMP.unlink()


def no_interpreter(dev: ModuleType) -> None:
    dev.interpreter().unlink()


def half_a_stamp(dev: ModuleType) -> None:
    dev.STAMP.write_text("{")


def a_package_gone(dev: ModuleType) -> None:
    (dev.site_packages() / "a-1.dist-info").rmdir()


def only_a_folder(dev: ModuleType) -> None:
    import shutil

    shutil.rmtree(dev.VENV)
    dev.VENV.mkdir()


@pytest.mark.parametrize("harm", [no_stamp, no_interpreter, half_a_stamp, a_package_gone, only_a_folder])
def test_a_broken_environment_is_made_whole(dev: ModuleType, steps: list[list[str]], harm: Callable[[ModuleType], None]) -> None:
    dev.environment()
    steps.clear()
    harm(dev)
    dev.environment()
    assert len(steps) >= 2
    steps.clear()
    dev.environment()
    assert steps == []


@pytest.mark.parametrize("there", [False, True])
def test_a_step_that_fails_is_said_after_one_try_from_the_start(
    dev: ModuleType, steps: list[list[str]], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], there: bool
) -> None:
    if there:
        dev.environment()
        (dev.ROOT / "requirements.lock").write_text("a==2 \\\n")
        steps.clear()
    recorded = dev.step

    def fails(command: list[str]) -> None:
        recorded(command)
        if "pip" in command:
            raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(dev, "step", fails)
    assert dev.main(["test"]) == 1
    assert [step[2] for step in steps] == (["pip"] if there else []) + ["venv", "pip"]
    assert "The set-up failed at `-m pip install`" in capfd.readouterr().err
    assert not dev.STAMP.exists()


def test_what_is_installed_besides_stays(dev: ModuleType, steps: list[list[str]]) -> None:
    dev.environment()
    steps.clear()
    (dev.site_packages() / "a_debugger").mkdir()
    dev.environment()
    assert steps == []


def test_a_missing_system_package_is_named_in_one_sentence(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(dev.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    dev.system_packages({"libegl1": "libEGL.so.1"})
    assert "sudo apt-get install libegl1" in capfd.readouterr().err
    with pytest.raises(dev.Stop, match="sudo apt-get install python3-venv"):
        dev.system_packages({"python3-venv": "Python's venv"}, needed=True)
    monkeypatch.setattr(dev.shutil, "which", lambda name: None)
    dev.system_packages({"libegl1": "libEGL.so.1"})
    assert "This system lacks libEGL.so.1" in capfd.readouterr().err


# --- the commands


def test_without_a_display_the_scan_is_analysed(
    dev: ModuleType, calls: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dev, "has_display", lambda: False)
    out = tmp_path / "build" / "overlays" / "scan"
    assert dev.main(["run", str(tmp_path / "scan")]) == 0
    assert calls[0][0] == ["-m", "brainviewer", "predict", str(tmp_path / "scan"), "--out", str(out), "--overwrite"]
    assert str(out) in capfd.readouterr().err


def test_with_a_display_the_window_opens(dev: ModuleType, calls: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dev, "has_display", lambda: True)
    monkeypatch.chdir(tmp_path)
    assert dev.main(["run", "scan"]) == 0
    assert calls[0][0] == ["-m", "brainviewer", str(tmp_path / "scan")]


def test_without_a_path_the_sample_is_meant(dev: ModuleType, calls: list[Any], monkeypatch: pytest.MonkeyPatch, sample: Path) -> None:
    monkeypatch.setattr(dev, "has_display", lambda: True)
    assert dev.main(["run"]) == 0
    assert calls[0][0] == ["-m", "brainviewer", str(sample)]


def test_test_passes_its_arguments_to_pytest(dev: ModuleType, calls: list[Any], tmp_path: Path) -> None:
    assert dev.main(["test", "-k", "contracts", "-x"]) == 0
    assert calls == [(["-m", "pytest", "-k", "contracts", "-x"], {"cwd": tmp_path, "QT_QPA_PLATFORM": "offscreen"})]


def test_the_whole_suite_is_shared_out(dev: ModuleType, calls: list[Any]) -> None:
    assert dev.main(["test"]) == 0
    assert calls[0][0][:4] == ["-m", "pytest", "-n", "auto"]


def test_models_and_bench(dev: ModuleType, calls: list[Any], tmp_path: Path) -> None:
    assert dev.main(["models", str(tmp_path)]) == 0
    assert dev.main(["bench", "--json"]) == 0
    assert [command for command, _ in calls] == [["-m", "brainviewer.training.reproduce", str(tmp_path)], ["-m", "brainviewer", "bench", "--json"]]


def test_build_runs_pyinstaller_and_then_the_selftest(
    dev: ModuleType, calls: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(dev, "system_packages", lambda missing, needed=False: asked.extend(missing))
    monkeypatch.setattr(dev, "loads", lambda library: False)
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    assert dev.main(["build"]) == 1
    assert "brainviewer.spec" in capfd.readouterr().err
    (tmp_path / "brainviewer.spec").write_text("")
    executable = tmp_path / "dist" / "brainviewer" / "brainviewer"
    executable.parent.mkdir(parents=True)
    executable.write_text("")
    assert dev.main(["build"]) == 0
    assert [command[-1] for command, _ in calls] == [str(tmp_path / "brainviewer.spec"), "selftest"]
    if sys.platform == "linux":
        assert f"libpython3.{sys.version_info.minor}" in asked, "which Debian keeps apart from its Python"


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="only there TensorFlow has two editions")
def test_the_package_gets_the_cpu_edition_of_tensorflow_once(dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fetched: list[list[str]] = []

    def step(command: list[str]) -> None:
        fetched.append(command)
        (tmp_path / "build" / "tensorflow-cpu").mkdir(parents=True)

    monkeypatch.setattr(dev, "step", step)
    lock = tmp_path / "resources" / "packaging" / "tensorflow-cpu.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("tensorflow-cpu==1 \\\n")
    for _ in range(2):
        dev.cpu_tensorflow("PYTHON")
    assert len(fetched) == 1
    assert "--require-hashes" in fetched[0]
    lock.write_text("tensorflow-cpu==2 \\\n")
    dev.cpu_tensorflow("PYTHON")
    assert len(fetched) == 2
    (dev.site_packages() / "nvidia_cuda_runtime_cu12-1.dist-info").mkdir(parents=True)
    dev.cpu_tensorflow("PYTHON")  # the package is to use CUDA: no second TensorFlow stays in its way
    assert not (tmp_path / "build" / "tensorflow-cpu").exists()


@pytest.mark.parametrize("arguments", [["fly"], ["run", "a", "b"], ["run", "--fast"], ["models"], ["build", "now"]])
def test_wrong_usage(dev: ModuleType, calls: list[Any], arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert dev.main(arguments) == 2
    assert capfd.readouterr().err.strip()
    assert calls == []


@pytest.mark.parametrize(("code", "expected"), [("import sys; sys.exit(3)", 3), ("", 0), ("import os; os.kill(os.getpid(), 15)", 143)])
def test_exit_codes_are_passed_on(dev: ModuleType, code: str, expected: int) -> None:
    assert dev.call([sys.executable, "-c", code]) == expected


def test_other_packages_cannot_slip_in(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert dev.call([sys.executable, "-c", "import os, sys; sys.exit('PYTHONPATH' in os.environ)"]) == 0


@pytest.mark.skipif(os.name == "nt", reason="signals of a terminal")
def test_interrupted(dev: ModuleType) -> None:
    """Ctrl-C reaches the whole process group: the child tidies up and dev.py answers 130."""
    child = "import sys, time\ntry:\n    print('up', flush=True)\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('tidy', flush=True)"
    bench = f"dev.bench = lambda _: dev.call([sys.executable, '-c', {child!r}])"
    parent = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import dev; {bench}; sys.exit(dev.main(['bench']))"

    def listen() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite that runs in the background inherits deaf ears

    command = [sys.executable, "-B", "-c", parent]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=listen) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "tidy\n"
        assert process.wait(30) == 130


def test_the_stamp_is_written_last(dev: ModuleType, steps: list[list[str]]) -> None:
    dev.environment()
    stamp = json.loads(dev.STAMP.read_text())
    assert stamp["inputs"] == dev.inputs()
    assert "a-1.dist-info" in stamp["entries"]
