"""Where the program's own files and the user's files lie: the only module that knows source, installed and frozen builds apart.

`BRAINVIEWER_HOME` moves everything that is kept for a user into one folder. Nothing here makes a folder: whoever writes makes it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

NAME = "brainviewer"


def bundled_models() -> Path:
    """The folder of the models that came with the program; it is never written to."""
    return _own("models")


def resource(name: str) -> Path:
    """A file or folder that came with the program, e.g. `resource("sample")`.

    Args:
        name: relative to the resources folder, with `/`.
    """
    return _own("resources") / name


def licence(name: str) -> Path:
    """A licence text that came with the program; that of the parts of other authors exists in the packaged program only."""
    return _own(name)


def _own(name: str) -> Path:
    """`models`, `resources` or a licence: inside the package where it is installed or frozen, beside it in a source checkout."""
    frozen = getattr(sys, "_MEIPASS", None)
    package = Path(frozen) / NAME if frozen else Path(__file__).resolve().parent
    bundled = package / "_bundled" / name
    return bundled if frozen or bundled.exists() else package.parent / name


def command(*words: str) -> list[str]:
    """How this very program is started once more, with a command of its own."""
    return [sys.executable, *([] if is_frozen() else ["-m", NAME]), *words]


def environment() -> dict[str, str]:
    """The environment of a process that `command` starts."""
    if is_frozen():
        return os.environ | {"PYINSTALLER_RESET_ENVIRONMENT": "1"}  # else the child would use this process' unpacked files
    package = str(Path(__file__).resolve().parent.parent)
    return os.environ | {"PYTHONPATH": os.pathsep.join(part for part in (package, os.environ.get("PYTHONPATH", "")) if part)}


def is_frozen() -> bool:
    """Whether this is the packaged program."""
    return bool(getattr(sys, "frozen", False))


def home() -> Path:
    """The user's home folder. Where the system knows none (a user number without a name), a folder for that number among the temporary ones."""
    try:
        folder = Path.home()
    except RuntimeError:
        folder = Path()
    number = os.getuid() if hasattr(os, "getuid") else 0
    return folder if folder.is_absolute() else Path(tempfile.gettempdir()) / f"{NAME}-{number}"


def user_data() -> Path:
    """The folder of what is kept for this user: settings, runs, retrained models, logs. Absolute; it may not exist yet."""
    moved = os.environ.get("BRAINVIEWER_HOME")
    if moved:
        return Path(moved).expanduser().absolute()
    if sys.platform == "win32":
        return _environment("LOCALAPPDATA", home() / "AppData" / "Local") / NAME
    if sys.platform == "darwin":
        return home() / "Library" / "Application Support" / NAME
    return _environment("XDG_DATA_HOME", home() / ".local" / "share") / NAME


def site_configuration() -> Path:
    """The system-wide folder in which whoever runs a site settles things for all users of a computer. `BRAINVIEWER_HOME` does not move it: a
    user cannot get around it with a variable."""
    if sys.platform == "win32":
        return _environment("PROGRAMDATA", Path("C:/ProgramData")) / NAME
    if sys.platform == "darwin":
        return Path("/Library/Application Support") / NAME
    return Path("/etc") / NAME


def cache() -> Path:
    """The folder of what can be deleted at any time and is then computed again."""
    if os.environ.get("BRAINVIEWER_HOME") or sys.platform == "win32":
        return user_data() / "cache"
    if sys.platform == "darwin":
        return home() / "Library" / "Caches" / NAME
    return _environment("XDG_CACHE_HOME", home() / ".cache") / NAME


def _environment(variable: str, otherwise: Path) -> Path:
    """The absolute folder that an environment variable names (a relative one counts as unset, as the XDG rules say), or `otherwise`."""
    folder = Path(os.environ.get(variable, ""))
    return folder if folder.is_absolute() else otherwise


def user_models() -> Path:
    """The folder of retrained and imported models."""
    return user_data() / "models"


def runs() -> Path:
    """The folder of training runs."""
    return user_data() / "runs"


def labelled() -> Path:
    """The folder of scans that a person labelled for retraining."""
    return user_data() / "labelled"


def log_file() -> Path:
    return user_data() / "logs" / f"{NAME}.log"
