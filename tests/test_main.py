"""The entry point: streams in windowed builds, exit codes."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from brainviewer import __main__


def test_windowed_builds_get_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    __main__.give_streams()
    print("into the void", file=sys.stdout)  # noqa: T201 - the act of the test
    print("into the void", file=sys.stderr)  # noqa: T201
    assert sys.stdin.read() == ""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()


def test_odd_characters_never_stop_the_program() -> None:
    code = "from brainviewer.__main__ import give_streams; give_streams(); print('sl\\u012bce \\udcff')"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == r"sl\u012bce \udcff"


def interrupted() -> int:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("run", "code"), [(lambda: 0, 0), (lambda: 2, 2), (interrupted, 130)])
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, run: object, code: int) -> None:
    cli = types.ModuleType("brainviewer.cli")
    cli.main = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "brainviewer.cli", cli)
    assert __main__.main() == code
