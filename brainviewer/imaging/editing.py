"""Masks drawn by hand: the tools, what they have changed so far, and every step back and forth. Pure values: each change makes a new one."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import cv2
import numpy as np

MOST_STEPS = 500
MOST_BYTES = 64 * 2**20
"""What is kept to step back to, packed; the oldest steps go first."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The mask of one slice as a person left it, packed: a few hundred bytes where the array has a quarter of a million."""

    shape: tuple[int, int]
    packed: bytes

    @classmethod
    def of(cls, mask: np.ndarray) -> Drawn:
        """Of a (Y, X) bool mask."""
        rows, columns = mask.shape
        return cls((rows, columns), zlib.compress(np.packbits(mask).tobytes(), 1))

    def mask(self) -> np.ndarray:
        """(Y, X) bool, read-only.

        Raises:
            ValueError: if the packed bytes are not those of a mask of this shape.
        """
        count = self.shape[0] * self.shape[1]
        room = -(-count // 8)
        unpacker = zlib.decompressobj()
        try:
            bits = unpacker.decompress(self.packed, room + 1)
        except zlib.error as error:
            raise ValueError("the mask is damaged") from error
        if len(bits) != room or not unpacker.eof:
            raise ValueError(f"the mask does not have {self.shape[0]} x {self.shape[1]} pixels")
        mask = np.unpackbits(np.frombuffer(bits, np.uint8), count=count).astype(bool).reshape(self.shape)
        mask.flags.writeable = False
        return mask


@dataclass(frozen=True, slots=True)
class Edits:
    """Everything a person changed of one scan.

    Attributes:
        drawn: displayed index to the mask that takes the place of the models' one.
        reviewed: displayed indices of slices that a person looked at and agrees with.
    """

    drawn: Mapping[int, Drawn] = field(default_factory=lambda: MappingProxyType({}))
    reviewed: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.drawn or self.reviewed)

    def with_mask(self, z: int, mask: np.ndarray) -> Edits:
        """The same with a (Y, X) bool mask for one slice."""
        return replace(self, drawn=MappingProxyType({**self.drawn, z: Drawn.of(mask)}))

    def without_masks(self, slices: Iterable[int]) -> Edits:
        """The same with the models' own masks for some slices."""
        gone = set(slices)
        return replace(self, drawn=MappingProxyType({z: mask for z, mask in self.drawn.items() if z not in gone}))

    def with_reviewed(self, slices: Iterable[int], on: bool) -> Edits:
        chosen = frozenset(slices)
        return replace(self, reviewed=self.reviewed | chosen if on else self.reviewed - chosen)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done.

    Attributes:
        what: a word of the caller's for it.
        z: displayed index of the slice it was done on.
        other: the edits on the other side of the step: before it, or after it where it was undone.
        weight: bytes that only this step still holds.
    """

    what: str
    z: int
    other: Edits
    weight: int


@dataclass(frozen=True, slots=True)
class History:
    """The edits as they are now, and the way back and forth.

    Attributes:
        past: what can be undone, the oldest first.
        future: what can be done again, the next one last.
    """

    now: Edits = field(default_factory=Edits)
    past: tuple[Step, ...] = ()
    future: tuple[Step, ...] = ()

    def do(self, what: str, z: int, edits: Edits) -> History:
        """After one more step; what had been undone is gone. The same where nothing changes."""
        if edits == self.now:
            return self
        past = (*self.past, Step(what, z, self.now, _difference(self.now, edits)))[-MOST_STEPS:]
        heap = sum(step.weight for step in past)
        while heap > MOST_BYTES and len(past) > 1:
            heap -= past[0].weight
            past = past[1:]
        return History(edits, past)

    def undo(self) -> History:
        """One step back; the same where there is none."""
        if not self.past:
            return self
        step = self.past[-1]
        return History(step.other, self.past[:-1], (*self.future, replace(step, other=self.now)))

    def redo(self) -> History:
        """One step forth; the same where there is none."""
        if not self.future:
            return self
        step = self.future[-1]
        return History(step.other, (*self.past, replace(step, other=self.now)), self.future[:-1])


def _difference(before: Edits, after: Edits) -> int:
    """Bytes of the masks that one of both holds alone."""
    slices = before.drawn.keys() | after.drawn.keys()
    pairs = ((before.drawn.get(z), after.drawn.get(z)) for z in slices)
    return sum(len(mask.packed) for pair in pairs if pair[0] is not pair[1] for mask in pair if mask is not None)


# --- tools ---------------------------------------------------------------------------------------------------------------------------------

Point = tuple[float, float]
"""(y, x) in pixels; 0 is the outer edge of the first pixel, so that its centre is at 0.5."""
Pixel = tuple[int, int]


def stroke(shape: tuple[int, int], start: Point, end: Point, size: float, pixel_mm: tuple[float, float] | None = None) -> np.ndarray:
    """What a round brush covers on its way from one point to another: (Y, X) bool.

    Args:
        shape: of the slice.
        size: diameter in pixels of the finer direction; 1 is the pixel under the pointer.
        pixel_mm: (dy, dx) where they are known, so that the brush is round on screen.
    """
    result = np.zeros(shape, bool)
    dy, dx = pixel_mm or (1.0, 1.0)
    unit = min(dy, dx)
    scale = np.array([dy / unit, dx / unit])
    if size <= 1:
        start, end = (_middle(point) for point in (start, end))
    a, b = np.array(start) * scale, np.array(end) * scale
    radius = max(size, 1.0) / 2
    low = np.floor((np.minimum(a, b) - radius) / scale).astype(int).clip(0)
    high = np.minimum(np.ceil((np.maximum(a, b) + radius) / scale).astype(int), shape)
    if (low >= high).any():
        return result
    rows = ((np.arange(low[0], high[0]) + 0.5) * scale[0] - a[0])[:, np.newaxis]
    columns = ((np.arange(low[1], high[1]) + 0.5) * scale[1] - a[1])[np.newaxis, :]
    along = b - a
    length = float(along @ along)
    share = np.clip((rows * along[0] + columns * along[1]) / length, 0, 1) if length else np.zeros((1, 1))
    distance = np.hypot(rows - share * along[0], columns - share * along[1])
    result[low[0] : high[0], low[1] : high[1]] = distance <= radius + 1e-9
    return result


def _middle(point: Point) -> Point:
    return float(np.floor(point[0])) + 0.5, float(np.floor(point[1])) + 0.5


def alike(picture: np.ndarray, pixel: Pixel, tolerance: float) -> np.ndarray:
    """(Y, X) bool: where a picture (Y, X, 3) uint8 looks like one of its pixels, within a share 0..1 of the shown range in every channel."""
    reference = picture[pixel].astype(np.int16)
    return np.asarray((np.abs(picture.astype(np.int16) - reference).max(axis=-1)) <= round(tolerance * 255))


def enclosed(mask: np.ndarray, pixel: Pixel) -> np.ndarray | None:
    """The hole in a (Y, X) bool mask that a pixel lies in, as (Y, X) bool; None where nothing encloses it, or it is marked already."""
    if mask[pixel]:
        return None
    _, labels = cv2.connectedComponents((~mask).astype(np.uint8), connectivity=4)
    hole = labels == labels[pixel]
    if hole[0].any() or hole[-1].any() or hole[:, 0].any() or hole[:, -1].any():
        return None
    return hole


def part(mask: np.ndarray, pixel: Pixel) -> np.ndarray | None:
    """The part of a (Y, X) bool mask that a pixel belongs to (8-connected), as (Y, X) bool; None where the pixel is not marked."""
    if not mask[pixel]:
        return None
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return np.asarray(labels == labels[pixel])
