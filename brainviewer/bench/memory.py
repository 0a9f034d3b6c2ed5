"""How much memory this process holds, and held at most."""

from __future__ import annotations

import sys


def peak_mb() -> float:
    """The most that this process ever held in memory."""
    if (said := _status("VmHWM")) is not None:
        return said
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1024


def resident_mb() -> float:
    """What it holds now; the peak where the system does not tell."""
    said = _status("VmRSS")
    return peak_mb() if said is None else said


def _status(entry: str) -> float | None:
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(float(line.split()[1]) / 1024 for line in file if line.startswith(entry))
    except (OSError, StopIteration):
        return None
