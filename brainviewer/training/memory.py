"""How much memory this process uses, how much the machine has, and whether an error means that it ran out. Standard library only."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

MB = 2**20
WORDS = ("out of memory", "oom when allocating", "failed to allocate", "resource exhausted", "bad_alloc", "resource_exhausted")


def used_mb() -> int:
    """Memory that this process holds now; 0 where the system does not tell."""
    try:
        return _used() // MB
    except (OSError, ValueError, IndexError):
        return 0


def machine_mb() -> int:
    """All memory of the machine; 0 where the system does not tell."""
    try:
        return _machine() // MB
    except (OSError, ValueError):
        return 0


def ran_out(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, of the machine or of a GPU; frameworks share no class for it."""
    if isinstance(error, MemoryError) or type(error).__name__ in ("ResourceExhaustedError", "OutOfMemoryError"):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in WORDS)


if sys.platform == "win32":
    from ctypes import wintypes

    class _Counters(ctypes.Structure):
        _fields_ = [
            ("size", wintypes.DWORD),
            ("faults", wintypes.DWORD),
            *((name, ctypes.c_size_t) for name in ("peak", "working_set", "a", "b", "c", "d", "pagefile", "peak_pagefile")),
        ]

    class _Status(ctypes.Structure):
        _fields_ = [("size", wintypes.DWORD), ("load", wintypes.DWORD), *((name, ctypes.c_ulonglong) for name in ("total", *"abcdef"))]

    def _used() -> int:
        counters = _Counters(ctypes.sizeof(_Counters))
        kernel = ctypes.windll.kernel32
        kernel.GetCurrentProcess.restype = wintypes.HANDLE
        kernel.K32GetProcessMemoryInfo.argtypes = (wintypes.HANDLE, ctypes.POINTER(_Counters), wintypes.DWORD)
        kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.size)
        return int(counters.working_set)

    def _machine() -> int:
        status = _Status(ctypes.sizeof(_Status))
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return int(status.total)

else:

    def _used() -> int:
        statm = Path("/proc/self/statm")
        if statm.exists():
            return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: bytes, and the highest so far

    def _machine() -> int:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
