"""What can be measured, and how a part of it runs in a process of its own.

A group of rows is a function that yields them; add one to `GROUPS`. What must not share a process with anything else (a start, a peak of memory,
a rival that brings a framework) is a *part*: a function that returns plain values, run by `apart`.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .. import paths
from ..errors import BrainviewerError
from .measurement import Measurement, not_measured

Group = Callable[[], Iterable[Measurement]]
Part = Callable[..., dict]
PART_S = 1800.0
"""A part that takes longer has gone wrong."""


def _late(module: str, function: str) -> Callable[..., Any]:
    """A function of this package that is imported when it is called: frameworks, Qt and the rest only where they are measured."""

    def call(*arguments: str) -> Any:
        return getattr(importlib.import_module(f".{module}", __package__), function)(*arguments)

    return call


GROUPS: dict[str, Group] = {
    "scan": _late("scans", "rows"),
    "start": _late("starts", "rows"),
    "reading": _late("reading", "rows"),
    "slices": _late("windows", "slice_rows"),
    "watchdog": _late("windows", "watchdog_rows"),
    "predict": _late("scans", "predict_rows"),
    "memory": _late("windows", "memory_rows"),
    "growth": _late("windows", "growth_rows"),
    "gpu": _late("scans", "gpu_rows"),
    "napari": _late("napari", "rows"),
}
"""Name of each group, as `--only` takes it; in the order of the table."""

PARTS: dict[str, Part] = {
    "whole-scan": _late("scans", "whole_scan"),
    "start": _late("starts", "start"),
    "notebook-start": _late("starts", "notebook_start"),
    "read-dicom": _late("reading", "read_dicom"),
    "slices": _late("window", "slice_changes"),
    "watched": _late("window", "watched"),
    "sample-memory": _late("window", "sample_memory"),
    "growth": _late("window", "growth"),
    "napari": _late("napari_window", "measure"),
}
"""What `apart` can run, by name."""


def run(only: Sequence[str] = (), told: Callable[[str], None] = lambda name: None) -> Iterator[Measurement]:
    """Measures one group after the other; a group that fails is a row that says why.

    Args:
        only: names of groups; all by default.
        told: is told each group before it is measured.
    """
    for name, group in GROUPS.items():
        if only and name not in only:
            continue
        told(name)
        try:
            yield from group()
        except (BrainviewerError, ImportError) as error:
            yield not_measured(name, str(error))


def apart(part: str, *arguments: str, environment: dict[str, str] | None = None) -> dict:
    """What a part answers, run in a fresh process, with the moment it was started at as `started_s` (of `time.time`).

    Raises:
        BrainviewerError: if it does not answer.
    """
    started_s = time.time()
    try:
        done = subprocess.run(
            paths.command("bench", "--part", part, *arguments),
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PART_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BrainviewerError(f'The part "{part}" did not end.') from None
    answer = done.stdout.strip().splitlines()
    if done.returncode or not answer:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise BrainviewerError(f'The part "{part}" failed ({said}).')
    return {**json.loads(answer[-1]), "started_s": started_s}


@contextmanager
def home(on_display: bool = False) -> Iterator[dict[str, str]]:
    """The environment of a window that is measured: a home of its own, gone afterwards, and no display unless one is asked for."""
    with tempfile.TemporaryDirectory(prefix="brainviewer-") as folder:
        yield {"BRAINVIEWER_HOME": folder} | ({} if on_display else {"QT_QPA_PLATFORM": "offscreen"})


def answer(part: str, *arguments: str) -> dict:
    """What `apart` asks of the process that it starts.

    Raises:
        BrainviewerError: if there is no such part.
    """
    if part not in PARTS:
        raise BrainviewerError(f'There is nothing called "{part}" to run.')
    return PARTS[part](*arguments)


def machine() -> str:
    """The machine in words: cores, processor, what of it matters for speed."""
    from ..inference.processor import cores, processor

    return ", ".join([f"{cores()} cores", processor(), platform.system(), f"Python {platform.python_version()}"])
