"""The lock: names, versions, markers and hashes; no address to download from, no path; nothing that brings a second Qt or a GPL decoder."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINS = [Requirement(line.removesuffix(" \\")) for line in LOCK.splitlines() if not line.startswith(" ")]


def test_every_line_is_a_pin_or_a_hash() -> None:
    pin = re.compile(r"[a-z0-9-]+==[0-9a-z.+]+( ; [a-z_]+ [<>=!']+ [^;]+)? \\")
    sha = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in LOCK.splitlines() if not pin.fullmatch(line) and not sha.fullmatch(line)] == []


def test_no_download_address_and_no_path() -> None:
    assert re.search(r"://|@|/|--(index|extra|find|trusted)", LOCK) is None


def test_what_must_stay_out() -> None:
    names = {pin.name for pin in PINS}
    unwanted = {
        "torch",
        "opencv-python",
        "opencv-contrib-python",
        "pylibjpeg-libjpeg",
        "pyside6",
        "pyside6-addons",
        "onnxruntime-gpu",
        "tensorflow-cpu",
    }
    assert names & unwanted == set()


def test_all_direct_dependencies_are_pinned_within_their_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for text in project["dependencies"] + project["optional-dependencies"]["dev"]:
        wanted = Requirement(text)  # its marker may leave it out here; the lock serves every system
        pinned = [pin for pin in PINS if pin.name == canonicalize_name(wanted.name)]
        assert pinned, f"{wanted} is not in the lock"
        for pin in pinned:
            assert wanted.specifier.contains(str(pin.specifier).removeprefix("=="))


def test_every_supported_python_and_system_has_one_pin_a_package() -> None:
    for python in ("3.11", "3.12", "3.13"):
        for system, platform in (("Linux", "linux"), ("Darwin", "darwin"), ("Windows", "win32")):
            where = {"python_version": python, "python_full_version": f"{python}.4", "platform_system": system, "sys_platform": platform}
            names = [pin.name for pin in PINS if pin.marker is None or pin.marker.evaluate(where)]
            assert len(names) == len(set(names))
            assert {"tensorflow", "numpy", "scipy", "pyside6-essentials", "imagecodecs"} <= set(names)
            runtimes = {name for name in names if name.startswith("onnxruntime")}
            assert runtimes == ({"onnxruntime-directml"} if platform == "win32" else {"onnxruntime"})


def test_the_packaged_tensorflow_is_the_locked_one() -> None:
    """The package holds TensorFlow's CPU edition, of the very version that is tested."""
    lines = (ROOT / "resources" / "packaging" / "tensorflow-cpu.lock").read_text(encoding="utf-8").splitlines()
    versions = [str(pin.specifier) for pin in PINS if pin.name == "tensorflow"]
    assert [f"tensorflow-cpu{version} \\" for version in versions] == [line for line in lines if not line.startswith(" ")]


@pytest.mark.skipif(Path(sys.prefix) != ROOT / ".venv", reason="not in the environment that dev.py makes")
def test_this_environment_is_the_locked_one() -> None:
    wanted = {pin.name: str(pin.specifier).removeprefix("==") for pin in PINS if pin.marker is None or pin.marker.evaluate()}
    assert {name: version(name) for name in wanted} == wanted
