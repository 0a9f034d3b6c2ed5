#!/usr/bin/env python3
"""The developer's commands, from a bare clone on: makes `.venv` with the locked dependencies, then does what is asked.

    python3 dev.py run [PATH]      opens the window on PATH or the sample scan; without a display, analyses it and writes the overlays
    python3 dev.py test [ARGS]     the whole test suite, offscreen, on all cores; ARGS go to pytest, which then runs in one process
    python3 dev.py build           the packaged executable in dist/, what it weighs, then its own selftest
    python3 dev.py models DATA     makes the bundled models anew from the data folder
    python3 dev.py bench [ARGS]    the benchmarks

Standard library only; Python 3.11 to 3.13.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "brainviewer-setup.json"
"""Written when the set-up is complete: without it, `.venv` is half-made."""
OLDEST, NEWEST = (3, 11), (3, 13)

QT_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}
"""What Qt on Linux takes from the system, and Debian's package of it."""
SHARED_OUT = ("-n", "auto", "--maxprocesses", "4", "--dist", "worksteal")
"""How the whole suite runs: in a process for each core, up to four, as each may load TensorFlow."""
FONTS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".fonts", Path.home() / ".local/share/fonts")


class Stop(Exception):  # noqa: N818 - not every stop is an error
    """Ends the program with a sentence on standard error."""

    def __init__(self, sentence: str, code: int = 1) -> None:
        super().__init__(sentence)
        self.code = code


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    command, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["help"]
    commands = {"run": run, "test": test, "build": build, "models": models, "bench": bench}
    if command in ("help", "-h", "--help"):
        print((__doc__ or "").strip())
        return 0 if arguments or len(sys.argv) > 1 else 2
    try:
        if command not in commands:
            raise Stop(f'"{command}" is no command of dev.py: choose {", ".join(commands)}.', 2)
        return commands[command](rest)
    except Stop as stop:
        print(stop, file=sys.stderr)
        return stop.code
    except KeyboardInterrupt:
        return 130


# --- the commands


def run(arguments: Sequence[str]) -> int:
    """The window, or where there is no display the overlays of the scan."""
    if len(arguments) > 1 or any(a.startswith("-") for a in arguments):
        raise Stop("Usage: python3 dev.py run [PATH], where PATH is a file or a folder.", 2)
    scan = Path(arguments[0]).absolute() if arguments else sample()
    if has_display():
        python = environment()
        say("opening the window")
        return call([python, "-m", "brainviewer", *([str(scan)] if scan else [])])
    if scan is None:
        raise Stop("There is no display, and no sample scan in resources/sample: give a scan, as in python3 dev.py run PATH.")
    python = environment()
    out = ROOT / "build" / "overlays" / (scan.name or "scan")
    say(f"no display here: analysing {scan} instead of opening the window")
    code = call([python, "-m", "brainviewer", "predict", str(scan), "--out", str(out), "--overwrite"])
    if code == 0:
        say(f"the overlays are in {out}")
    return code


def test(arguments: Sequence[str]) -> int:
    python = environment()
    return call([python, "-m", "pytest", *(arguments or SHARED_OUT)], cwd=ROOT, QT_QPA_PLATFORM="offscreen")


def build(arguments: Sequence[str]) -> int:
    refuse(arguments, "build")
    spec = ROOT / "brainviewer.spec"
    if not spec.is_file():
        raise Stop("The executable cannot be built yet: brainviewer.spec, which says how, is not there.")
    if sys.platform == "linux":
        missing = {"objdump": "with which PyInstaller finds libraries", "strip": "which makes large libraries smaller"}
        if any(not shutil.which(tool) for tool in missing):
            system_packages({"binutils": " and ".join(f"{tool}, {why}" for tool, why in missing.items())})
        library = f"libpython{sys.version_info.major}.{sys.version_info.minor}"
        if sys.base_prefix == "/usr" and not loads(f"{library}.so.1.0"):  # Debian keeps it apart from Python
            system_packages({library: f"{library}.so.1.0"}, needed=True)
    python = environment()
    cpu_tensorflow(python)
    say("building the executable (some minutes)")
    code = call([python, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", str(spec)], cwd=ROOT, TF_CPP_MIN_LOG_LEVEL="3")
    if code:
        return code
    # On Windows the console twin: a windowed program has nowhere to write to.
    folders = ("brainviewer/brainviewer-console.exe", "brainviewer/brainviewer", "brainviewer.app/Contents/MacOS/brainviewer")
    executable = next((ROOT / "dist" / place for place in folders if (ROOT / "dist" / place).is_file()), None)
    if executable is None:
        raise Stop(f"PyInstaller ended without a fault, but none of {', '.join('dist/' + p for p in folders)} is there.")
    say(f"asking {executable.relative_to(ROOT)} for its selftest (some minutes)")
    return call([str(executable), "selftest"])


def cpu_tensorflow(python: str) -> None:
    """Sees to TensorFlow's CPU edition for the package, in build/: the other one carries 550 MB of code that runs beside CUDA only.

    Where CUDA's libraries are in the environment the package is to use them, and holds the environment's own TensorFlow.
    """
    lock, folder = ROOT / "resources" / "packaging" / "tensorflow-cpu.lock", ROOT / "build" / "tensorflow-cpu"
    with_cuda = any(site_packages().glob("nvidia_cuda_runtime*"))
    if sys.platform != "linux" or platform.machine() != "x86_64" or with_cuda or not lock.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        return
    stamp, digest = folder / "brainviewer-setup.txt", hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return
    say("fetching TensorFlow's CPU edition for the package (270 MB)")
    shutil.rmtree(folder, ignore_errors=True)
    pip = [python, "-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check", "--no-deps", "--target", str(folder)]
    try:
        step([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(lock)])
    except subprocess.CalledProcessError:
        raise Stop("TensorFlow's CPU edition could not be fetched; the lines above say why.") from None
    stamp.write_text(digest, encoding="utf-8")


def models(arguments: Sequence[str]) -> int:
    if len(arguments) < 1 or not Path(arguments[0]).is_dir():
        raise Stop("Usage: python3 dev.py models DATA, where DATA is the folder of the data set.", 2 if not arguments else 1)
    return call([environment(), "-m", "brainviewer.training.reproduce", *arguments])


def bench(arguments: Sequence[str]) -> int:
    return call([environment(), "-m", "brainviewer", "bench", *arguments])


def refuse(arguments: Sequence[str], command: str) -> None:
    if arguments:
        raise Stop(f"Usage: python3 dev.py {command} (it takes no arguments).", 2)


def sample() -> Path | None:
    """The sample scan of this checkout, or None where it has none."""
    sys.path.insert(0, str(ROOT))
    from brainviewer.paths import resource

    folder = resource("sample")
    return folder if folder.is_dir() else None


def has_display() -> bool:
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def call(command: Sequence[str], cwd: Path | None = None, **variables: str) -> int:
    """Runs a program to its end and returns its exit code: 130 after Ctrl-C, 128 + n when signal n ended it."""
    with subprocess.Popen(command, cwd=cwd, env=child_environment() | variables) as child:
        try:
            code = child.wait()
        except KeyboardInterrupt:  # Ctrl-C reaches the child too: it tidies up, and only a second one ends it at once
            try:
                child.wait()
            except KeyboardInterrupt:
                child.kill()
            return 130
    return code if code >= 0 else 130 if code == -2 else 128 - code


def child_environment() -> dict[str, str]:
    """The environment less what would lead Python to packages other than the locked ones."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__")}


def say(text: str) -> None:
    print(f"dev.py: {text}", file=sys.stderr, flush=True)


# --- the environment


def environment() -> str:
    """The interpreter of a complete `.venv`; makes, completes or repairs it first.

    Raises:
        Stop: with a sentence where that cannot be done.
    """
    require_python()
    require_qt()
    if is_ready():
        return str(interpreter())
    with one_at_a_time():
        if is_ready():  # made by another dev.py while this one waited
            return str(interpreter())
        usable = starts()
        try:
            try:
                install(fresh=not usable)
            except subprocess.CalledProcessError:
                if not usable:
                    raise
                say("that did not work; once more from the start")
                install(fresh=True)
        except subprocess.CalledProcessError as error:
            raise Stop(f"The set-up failed at `{' '.join(map(str, error.cmd[1:4]))}`; the lines above say why.") from None
    return str(interpreter())


def require_python() -> None:
    """Goes on in another interpreter where this one is too old or too new.

    Raises:
        Stop: where there is none.
    """
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        other = shutil.which(f"python3.{minor}")
        if other and subprocess.run([other, "-c", ""], capture_output=True, check=False).returncode == 0:
            raise SystemExit(call([other, str(ROOT / "dev.py"), *sys.argv[1:]]))
    raise Stop(f"brainviewer needs Python 3.{OLDEST[1]} to 3.{NEWEST[1]}; this is {platform.python_version()}. Install one of those and try again.")


def require_qt() -> None:
    """Sees to Qt's system libraries on Linux."""
    if sys.platform != "linux":
        return
    missing = {package: library for library, package in QT_LIBRARIES.items() if not loads(library)}
    if not any(folder.is_dir() and any(folder.iterdir()) for folder in FONTS):
        missing["fonts-dejavu-core"] = "a font"
    if missing:
        system_packages(missing)


def loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def system_packages(missing: Mapping[str, str], needed: bool = False) -> None:
    """Installs Debian packages where that is possible, else names them in one sentence.

    Args:
        missing: package, and what it brings.
        needed: nothing goes on without them.

    Raises:
        Stop: where they are needed and cannot be had.
    """
    names = sorted(missing)
    if shutil.which("apt-get") and os.geteuid() == 0:
        say(f"installing from Debian: {' '.join(names)}")
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install_them = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", *names]
        for command in (["apt-get", "update", "-qq"], install_them):
            done = subprocess.run(command, env=quiet, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode == 0:
            return
        sys.stderr.write(done.stdout)
        sentence = f"Debian's packages {' '.join(names)} could not be installed; the lines above say why."
    elif shutil.which("apt-get"):
        sentence = f"Some system packages are missing; install them with: sudo apt-get install {' '.join(names)}"
    else:
        sentence = f"This system lacks {', '.join(sorted(missing.values()))}: install the packages that bring them."
    if needed:
        raise Stop(sentence)
    say(sentence)


def install(fresh: bool) -> None:
    """Brings `.venv` to what the lock says, and the project itself into it as an editable install.

    Raises:
        subprocess.CalledProcessError: where a step failed; it has said why.
    """
    if fresh:
        if importlib.util.find_spec("ensurepip") is None:  # Debian keeps it in a package of its own
            package = f"python3.{sys.version_info[1]}-venv"
            system_packages({package: "Python's venv"}, needed=True)
        if VENV.exists():
            say("the environment in .venv is broken or half-made: making it anew")
            shutil.rmtree(VENV)
        say("making the virtual environment .venv")
        step([sys.executable, "-m", "venv", str(VENV)])
    gone = sorted(set(stamped().get("packages", ())) - locked_packages())
    STAMP.unlink(missing_ok=True)
    say("installing the locked packages (some minutes and 3 GB the first time)")
    pip = [str(interpreter()), "-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check"]
    if gone:
        step([*pip[:3], "uninstall", "-qq", "-y", *gone])
    step([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)])
    step([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    entries = sorted(entry.name for entry in site_packages().iterdir() if entry.name != "__pycache__")
    STAMP.write_text(json.dumps({"inputs": inputs(), "entries": entries, "packages": sorted(locked_packages())}), encoding="utf-8")
    say("the environment is ready")


def step(command: list[str]) -> None:
    """One step of the set-up; what it writes goes to standard error, so that standard output stays the command's own."""
    subprocess.run(command, stdout=2, env=child_environment(), check=True)


def is_ready() -> bool:
    """Whether `.venv` is complete and made from these very files. Takes some hundredths of a second."""
    stamp = stamped()
    if stamp.get("inputs") != inputs():
        return False
    return starts() and {entry.name for entry in site_packages().iterdir()}.issuperset(stamp["entries"])


def stamped() -> dict[str, Any]:
    """What the last complete set-up wrote down: `inputs`, `entries` of site-packages, `packages` of the lock; empty where there was none."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def locked_packages() -> set[str]:
    return {line.partition("==")[0] for line in LOCK.read_text(encoding="utf-8").splitlines() if "==" in line}


def inputs() -> str:
    """A hash of everything that decides what belongs into `.venv`."""
    digest = hashlib.sha256(f"{platform.python_version()} {platform.machine()} {sys.platform} {ROOT}".encode())
    for file in (LOCK, ROOT / "pyproject.toml"):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def starts() -> bool:
    """Whether `.venv` has an interpreter that starts, of the version that runs now."""
    version = f"import sys; sys.exit(sys.version_info[:3] != {tuple(sys.version_info[:3])})"
    try:
        return subprocess.run([str(interpreter()), "-I", "-S", "-c", version], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def interpreter() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def site_packages() -> Path:
    return VENV / ("Lib/site-packages" if os.name == "nt" else f"lib/python3.{sys.version_info[1]}/site-packages")


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two set-ups at once would spoil one another: the second waits (not on Windows, whose files cannot be locked this way)."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(__file__, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("waiting for another dev.py, which is setting up")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
