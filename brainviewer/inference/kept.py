"""Answers of the networks kept between runs, so that a scan that is opened again needs none.

An answer is filed under a hash of everything that it depends on: the slice's values, how they are scaled, and the network with what computes it.
Decisions and clean-up are never kept: they are made anew from the models in use. Nothing here says whose scan it was.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .. import paths
from ..errors import WriteError

log = logging.getLogger(__name__)

FORMAT = 1
"""Answers of another one are forgotten."""

MOST_BYTES = 400_000_000
"""About a hundred scans of 32 slices; the longest unused go first."""

PATIENCE_S = 2.0
"""How long another process that is writing is waited for."""

Answer = Mapping[str, np.ndarray]


def file_of_results() -> Path:
    return paths.cache() / "results.sqlite"


class Kept:
    """A file of answers. What cannot be read or written is computed anew, and said in the log only; any thread may ask."""

    def __init__(self, file: Path | None = None, most_bytes: int = MOST_BYTES) -> None:
        self.file = file or file_of_results()
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._used: set[bytes] = set()
        self._new: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> Answer | None:
        """The answer filed under a key, bit for bit as it was put, or None."""
        with self._lock:
            if key in self._new:
                return unpacked(self._new[key])
            if not self.file.exists():
                return None
            try:
                row = self._connection().execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
            except (sqlite3.Error, OSError) as error:
                self._give_up(error)
                return None
            if row is None:
                return None
            self._used.add(key)
        return unpacked(row[0])

    def put(self, key: bytes, answer: Answer) -> None:
        """Files an answer; it is on disk after `save`."""
        with self._lock:
            self._new[key] = packed(answer)

    def save(self) -> None:
        """Writes what is new, and lets the longest unused go where there is too much."""
        with self._lock:
            now = time.time()
            rows = [(key, now, len(data), data) for key, data in self._new.items()]
            seen = [(now, key) for key in self._used]
            self._new.clear()
            self._used.clear()
            if not rows and not seen:
                return
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                with self._connection() as connection:
                    connection.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", rows)
                    connection.executemany("UPDATE answers SET used = ? WHERE key = ?", seen)
                    self._shrink(connection)
            except (sqlite3.Error, OSError) as error:
                self._give_up(error)

    def forget(self) -> None:
        """Forgets every answer; whoever has the file open notices, and goes on with a new one.

        Raises:
            WriteError: if it cannot be done.
        """
        with self._lock:
            self._new.clear()
            self._used.clear()
            self._close()
            try:
                self.file.unlink(missing_ok=True)
            except OSError as error:
                raise WriteError(f'The kept results in "{self.file}" could not be removed ({error.strerror}).', "Remove the file by hand.") from None

    def size_bytes(self) -> int:
        """Of what is kept on disk."""
        try:
            return self.file.stat().st_size
        except OSError:
            return 0

    def close(self) -> None:
        """Saves, and lets the file go; safe to call twice."""
        self.save()
        with self._lock:
            self._close()

    def _shrink(self, connection: sqlite3.Connection) -> None:
        held = connection.execute("SELECT COALESCE(SUM(size), 0) FROM answers").fetchone()[0]
        if held <= self._most_bytes:
            return
        for key, size in connection.execute("SELECT key, size FROM answers ORDER BY used").fetchall():
            connection.execute("DELETE FROM answers WHERE key = ?", (key,))
            held -= size
            if held <= self._most_bytes * 0.9:
                break

    def _connection(self) -> sqlite3.Connection:
        if self._open is not None and self._inode != _inode(self.file):
            self._close()  # someone forgot everything in the meantime
        if self._open is None:
            connection = sqlite3.connect(self.file, timeout=PATIENCE_S, check_same_thread=False)
            try:
                # What a power cut leaves half-written is found by its checksum, or is no database any more: nothing is worth waiting for the disk.
                for pragma in ("auto_vacuum = FULL", "synchronous = OFF"):
                    connection.execute(f"PRAGMA {pragma}")
                if connection.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
                    connection.execute("DROP TABLE IF EXISTS answers")
                    connection.execute("CREATE TABLE answers (key BLOB PRIMARY KEY, used REAL, size INTEGER, answer BLOB)")
                    connection.execute(f"PRAGMA user_version = {FORMAT}")
                    connection.commit()
            except BaseException:
                connection.close()
                raise
            self._open, self._inode = connection, _inode(self.file)
        return self._open

    def _give_up(self, error: Exception) -> None:
        """A file that cannot be used now is left; one that is damaged goes, so that the next start has a sound one."""
        log.info("Kept results cannot be used: %s", error)
        self._close()
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            try:
                self.file.unlink(missing_ok=True)
            except OSError as why:
                log.info("The damaged file of results stays: %s", why)

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def _inode(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def packed(answer: Answer) -> bytes:
    """Arrays by name as bytes, with a checksum."""
    head = json.dumps([(name, array.dtype.str, array.shape) for name, array in answer.items()]).encode()
    body = len(head).to_bytes(4, "little") + head + b"".join(np.ascontiguousarray(array).tobytes() for array in answer.values())
    return zlib.crc32(body).to_bytes(4, "little") + body


def unpacked(data: bytes) -> Answer | None:
    """The arrays, or None where the bytes are not what was packed."""
    if len(data) < 8 or zlib.crc32(data[4:]) != int.from_bytes(data[:4], "little"):
        return None
    start = 8 + int.from_bytes(data[4:8], "little")
    arrays = {}
    for name, kind, shape in json.loads(data[8:start]):
        dtype, count = np.dtype(kind), int(np.prod(shape))
        arrays[name] = np.frombuffer(data, dtype, count, start).reshape(shape)
        start += count * dtype.itemsize
    return arrays
