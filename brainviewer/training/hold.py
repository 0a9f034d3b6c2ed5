"""Who works in a folder: a file that a process holds as long as it lives. Standard library only.

The system lets go of it when the process ends, however it ends, so that neither a kill nor a number that another process has got meanwhile can
mislead. The file holds the process' number, for people and for whoever wants to end it.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 1.0
"""Looking whether a folder is held takes the hold for an instant; whoever wants to hold it tries again for so long."""
FAR = 2**20
"""Where Windows, which keeps others from reading what is locked, locks one byte of the file."""


class Hold:
    """The hold on one file. It counts how often it was taken, so that a function may take it within another that has."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stream: int | None = None
        self._depth = 0

    def take(self) -> bool:
        """Whether this process holds the file now; False where another one does.

        Raises:
            OSError: where the file cannot be made.
        """
        if self._depth:
            self._depth += 1
            return True
        until = time.monotonic() + PATIENCE_S
        while True:
            stream = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o644)
            if _lock(stream) and _same(stream, self._file):
                os.ftruncate(stream, 0)
                os.write(stream, str(os.getpid()).encode())
                self._stream, self._depth = stream, 1
                return True
            os.close(stream)
            if time.monotonic() > until:
                return False
            time.sleep(0.02)

    def let_go(self) -> None:
        if not self._depth:
            return
        self._depth -= 1
        if self._depth or self._stream is None:
            return
        if sys.platform != "win32":
            self._file.unlink(missing_ok=True)
        os.close(self._stream)
        self._stream = None
        if sys.platform == "win32":
            with suppress(OSError):  # somebody else holds it by now
                self._file.unlink()

    def holder(self) -> int:
        """Number of the living process that holds the file, this one included; 0 where none does."""
        if self._depth:
            return os.getpid()
        try:
            stream = os.open(self._file, os.O_RDWR)
        except OSError:
            return 0
        try:
            if _lock(stream):
                return 0
            return _number(stream)
        finally:
            os.close(stream)


def _number(stream: int) -> int:
    """What stands in the file; -1 where its holder has not written it yet."""
    os.lseek(stream, 0, os.SEEK_SET)
    try:
        return int(os.read(stream, 32))
    except ValueError:
        return -1


def _same(stream: int, file: Path) -> bool:
    """Whether the open file is still the one at the path: a holder that ended has removed it."""
    if sys.platform == "win32":
        return True
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return False
    opened = os.fstat(stream)
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)


def _lock(stream: int) -> bool:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(stream, FAR, os.SEEK_SET)
        try:
            msvcrt.locking(stream, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN):
            return False
        raise
    return True
