"""The entry point of `python -m brainviewer`, of both installed commands and of the packaged executable."""

from __future__ import annotations

import io
import multiprocessing
import os
import sys


def main() -> int:
    """Runs the program; returns its exit code (130 when it was interrupted)."""
    multiprocessing.freeze_support()  # in a packaged build a child process starts here, and goes no further than this line
    give_streams()
    try:
        # Absolute: the packaged executable runs this file as a script. Late: child processes import this module, not the command line.
        from brainviewer.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130


def give_streams() -> None:
    """Windowed builds have no standard streams (they are None): whatever writes there writes to nowhere. Elsewhere odd file names print escaped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open for as long as the program runs
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - the same


if __name__ == "__main__":
    sys.exit(main())
