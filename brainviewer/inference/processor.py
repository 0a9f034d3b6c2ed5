"""What the processor is, and what of it matters for speed."""

from __future__ import annotations

import os
import platform
from functools import cache


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def processor() -> str:
    """The processor's own name, and the instruction sets that decide which code a library takes on it."""
    return " ".join([_said("model name") or platform.processor() or platform.machine(), *(name for name, there in cpu_flags().items() if there)])


def cpu_flags() -> dict[str, bool]:
    """Instruction sets that matter for speed; empty where the system does not tell."""
    flags = _said("flags").split()
    if not flags:
        return {}
    return {"avx2": "avx2" in flags, "avx512": "avx512f" in flags, "vnni": "avx512_vnni" in flags or "avx_vnni" in flags}


def _said(entry: str) -> str:
    """What Linux says of the first core, "" where it does not tell."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith(entry)), "")
    except OSError:
        return ""
