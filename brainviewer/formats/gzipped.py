"""Gzip streams that may lie about their size: nothing is inflated that was not asked for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

MAGIC = b"\x1f\x8b"
MOST_INFLATED = 1032
"""No deflate stream is longer than this, times its compressed length."""

_READ_BYTES, _PIECE_BYTES = 1 << 17, 1 << 20
"""Read and inflated at a time: small enough to stay in a processor's cache."""

_WORTH_CHECKING_BYTES = 16 << 20


class Damaged(Exception):
    """A stream ends early, or its bytes are not what they should be; the message is a clause."""


def inflate_head(head: bytes, most: int = 512) -> bytes:
    """What the first bytes of a gzip file hold, as far as they go; b"" if they are no gzip stream."""
    if not head.startswith(MAGIC):
        return b""
    try:
        return zlib.decompressobj(31).decompress(head, most)
    except zlib.error:
        return b""


def inflate(path: Path) -> Iterator[bytes]:
    """The content of a gzip file piece by piece, all its members; their checksums are checked as their ends are reached.

    Raises:
        Damaged: where the stream breaks.
        OSError: from the file.
    """
    with open(path, "rb") as stream:
        engine = zlib.decompressobj(31)
        data = stream.read(_READ_BYTES)
        while data:
            try:
                piece = engine.decompress(data, _PIECE_BYTES)
            except zlib.error as error:
                raise Damaged("its compressed data are damaged") from error
            if piece:
                yield piece
            if engine.eof:
                data = engine.unused_data or stream.read(_READ_BYTES)
                if not data.startswith(MAGIC):  # padding behind the last member
                    return
                engine = zlib.decompressobj(31)
            else:
                data = engine.unconsumed_tail or stream.read(_READ_BYTES)
        if not engine.eof:
            raise Damaged("its compressed data end early")


def read_part(path: Path, start: int, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """`size` inflated bytes from `start` on.

    Yields:
        (bytes filled so far, the array that is being filled: (size,) uint8), after each piece; the last one is complete and checked.

    Raises:
        Damaged: if the stream breaks or is shorter.
        OSError: from the file.
    """
    if start + size > MOST_INFLATED * path.stat().st_size + _PIECE_BYTES:
        raise Damaged("it is far too small for what its header announces")
    target = np.empty(size, np.uint8)
    position = filled = 0
    for piece in inflate(path):
        low, high = max(start - position, 0), min(start + size - position, len(piece))
        if low < high:
            target[filled : filled + high - low] = np.frombuffer(piece, np.uint8)[low:high]
            filled += high - low
            if filled < size:
                yield filled, target
        position += len(piece)
        if position > start + size + _WORTH_CHECKING_BYTES:
            break  # much more follows that nobody asked for: its checksum is not worth the wait
    if filled < size:
        raise Damaged(f"it is cut short: {max(position - start, 0):,} of {size:,} bytes")
    yield filled, target
