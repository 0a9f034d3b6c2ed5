"""The places of a source checkout, an installed and a frozen program, and of what is kept for a user."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from brainviewer import paths

ROOT = Path(__file__).resolve().parent.parent


def test_source_checkout() -> None:
    assert paths.bundled_models() == ROOT / "models"
    assert paths.resource("sample/scan.tif") == ROOT / "resources" / "sample" / "scan.tif"


def test_installed(tmp_path: Path) -> None:
    """The package as a wheel lays it out, asked from another folder."""
    package = tmp_path / "site" / "brainviewer"
    (package / "_bundled" / "models").mkdir(parents=True)
    (package / "_bundled" / "resources").mkdir()
    for name in ("__init__.py", "paths.py"):
        shutil.copy(ROOT / "brainviewer" / name, package)
    code = "from brainviewer import paths; print(paths.bundled_models(), paths.resource('sample'), sep='\\n')"
    code = f"import sys; sys.path.insert(0, {str(package.parent)!r}); {code}"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(package / "_bundled" / "models"), str(package / "_bundled" / "resources" / "sample")]


def test_frozen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    assert paths.bundled_models() == tmp_path / "brainviewer" / "_bundled" / "models"
    assert paths.resource("sample") == tmp_path / "brainviewer" / "_bundled" / "resources" / "sample"


def test_one_variable_moves_everything_of_the_user(home: Path) -> None:
    places = [paths.user_data(), paths.user_models(), paths.runs(), paths.log_file(), paths.cache()]
    assert all(place == home or home in place.parents for place in places)
    assert len(set(places)) == len(places)
    assert list(home.iterdir()) == []


def test_a_relative_home_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRAINVIEWER_HOME", "mine")
    assert paths.user_data() == tmp_path / "mine"


@pytest.mark.parametrize(
    ("platform", "variables", "data", "cache"),
    [
        ("linux", {}, ".local/share/brainviewer", ".cache/brainviewer"),
        ("linux", {"XDG_DATA_HOME": "{home}/d", "XDG_CACHE_HOME": "{home}/c"}, "d/brainviewer", "c/brainviewer"),
        ("linux", {"XDG_DATA_HOME": "relative"}, ".local/share/brainviewer", ".cache/brainviewer"),
        ("darwin", {}, "Library/Application Support/brainviewer", "Library/Caches/brainviewer"),
        ("win32", {"LOCALAPPDATA": "{home}/AppData/Local"}, "AppData/Local/brainviewer", "AppData/Local/brainviewer/cache"),
        ("win32", {}, "AppData/Local/brainviewer", "AppData/Local/brainviewer/cache"),
    ],
)
def test_each_system_has_its_own_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, variables: dict[str, str], data: str, cache: str
) -> None:
    for name in ("BRAINVIEWER_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert paths.user_data() == tmp_path / data
    assert paths.cache() == tmp_path / cache


@pytest.mark.skipif(sys.platform == "win32", reason="a user has a home there")
def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("BRAINVIEWER_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    assert paths.user_data().is_absolute()
    assert paths.cache().is_absolute()
