"""What goes into the packaged program, and the scripts beside it. The build itself takes minutes and is `python3 dev.py build`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from email.message import Message
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGING = ROOT / "resources" / "packaging"


@pytest.fixture(scope="module")
def contents() -> ModuleType:
    spec = importlib.util.spec_from_file_location("contents_under_test", PACKAGING / "contents.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("licence", "gpl_only"),
    [
        ("MIT", False),
        ("GPL-3.0-only", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("AGPL-3.0-or-later", True),
        ("LGPL-3.0-only OR GPL-2.0-only OR GPL-3.0-only", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("Apache Software License, GNU General Public License v2 (GPLv2)", False),
    ],
)
def test_gpl_only(contents: ModuleType, licence: str, gpl_only: bool) -> None:
    assert contents.is_gpl_only(licence) == gpl_only


def test_the_licence_that_a_package_states(contents: ModuleType) -> None:
    about = Message()
    about["License"] = "Copyright (c) somebody\nand so on"
    about["Classifier"] = "License :: OSI Approved :: BSD License"
    assert contents.stated_licence(about) == "BSD License"
    about["License-Expression"] = "BSD-3-Clause"
    assert contents.stated_licence(about) == "BSD-3-Clause"


def test_what_is_never_loaded_stays_out_and_links_to_it_too(contents: ModuleType) -> None:
    plugin = ("PySide6/Qt/plugins/platforms/libqxcb.so", "/x/libqxcb.so", "BINARY")
    library = ("PySide6/Qt/lib/libQt6Pdf.so.6", "/x/libQt6Pdf.so.6", "BINARY")
    link = ("libQt6Pdf.so.6", "PySide6/Qt/lib/libQt6Pdf.so.6", "SYMLINK")
    ours = ("brainviewer/_bundled/resources/tests/scan.h", "/x/scan.h", "DATA")
    header = ("tensorflow/include/x.h", "/x/x.h", "DATA")
    assert contents.wanted([plugin, library, link, ours, header]) == [plugin, ours]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="system libraries are told apart under Linux")
def test_of_the_systems_libraries_only_what_is_asked_for_and_python_stay(contents: ModuleType) -> None:
    python = ("libpython3.11.so.1.0", "/usr/lib/libpython3.11.so.1.0", "BINARY")
    nobodys = ("libstrange.so.1", "/usr/lib/libstrange.so.1", "BINARY")
    assert contents.needed([python, nobodys]) == [python]


@pytest.mark.parametrize("place", ["cv2/qt/plugins/libqxcb.so", "libreadline.so.8"])
def test_what_must_not_be_there_ends_the_build(contents: ModuleType, place: str) -> None:
    with pytest.raises(SystemExit, match="would be packaged"):
        contents.refuse([(place, f"/x/{place}", "BINARY")])


@pytest.mark.parametrize("prefix", ["/usr", "/opt/python"])
def test_a_library_that_nobody_reviewed_ends_the_build(contents: ModuleType, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("system libraries are told apart under Linux")
    monkeypatch.setattr(sys, "base_prefix", prefix)
    with pytest.raises(SystemExit, match="look at its licence"):
        contents.licences([("libstrange.so.1", "/usr/lib/libstrange.so.1", "BINARY")], tmp_path, tmp_path)


def test_the_licences_of_what_is_packaged(contents: ModuleType, tmp_path: Path) -> None:
    import numpy

    text = contents.licences([("numpy/__init__.py", numpy.__file__, "PYMODULE")], tmp_path, tmp_path)
    assert f"numpy {numpy.__version__}" in text
    assert "non-commercial" in text
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in text  # Qt's
    assert "LGPL-3.0" in text


def test_icons_of_every_kind(contents: ModuleType, tmp_path: Path) -> None:
    from PIL import Image

    icons = contents.make_icons(ROOT / "brainviewer" / "ui" / "icons" / "brainviewer.svg", tmp_path)
    assert Image.open(icons["png"]).size == (256, 256)
    assert (256, 256) in Image.open(icons["win32"]).info["sizes"]
    assert Path(icons["darwin"]).stat().st_size > 10_000


@pytest.mark.skipif(os.name == "nt", reason="a script for Linux")
def test_install_and_uninstall_for_one_user(tmp_path: Path) -> None:
    program, user = tmp_path / 'a folder "ü" $x 100 %', tmp_path / "user"
    program.mkdir()
    user.mkdir()
    for script in ("install.sh", "uninstall.sh"):
        shutil.copy(PACKAGING / "linux" / script, program / script)
    (program / "brainviewer.png").write_text("")
    (program / "brainviewer").write_text("#!/bin/sh\n")
    (program / "brainviewer").chmod(0o755)
    variables = {"HOME": str(user), "PATH": os.environ["PATH"]}
    subprocess.run(["sh", program / "install.sh"], env=variables, check=True, capture_output=True)
    entry = user / ".local/share/applications/brainviewer.desktop"
    escaped = str(program / "brainviewer").replace('"', '\\\\"').replace("$", "\\\\$").replace("%", "%%")
    assert f'Exec="{escaped}" %F' in entry.read_text().splitlines()
    assert (user / ".local/bin/brainviewer").resolve() == (program / "brainviewer").resolve()
    subprocess.run(["sh", program / "uninstall.sh"], env=variables, check=True, capture_output=True)
    assert [path for path in user.rglob("*") if not path.is_dir()] == []
    assert (program / "brainviewer").exists()


@pytest.mark.skipif(os.name == "nt", reason="a script for Linux")
def test_install_without_a_home_says_so(tmp_path: Path) -> None:
    shutil.copy(PACKAGING / "linux" / "install.sh", tmp_path / "install.sh")
    (tmp_path / "brainviewer").write_text("#!/bin/sh\n")
    (tmp_path / "brainviewer").chmod(0o755)
    done = subprocess.run(["sh", tmp_path / "install.sh"], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "HOME" in done.stderr
