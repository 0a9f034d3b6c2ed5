"""An animated GIF of RGB pictures, in at most 256 colours chosen from the pictures themselves.

OpenCV writes GIFs too, but with a fixed palette that turns greys into coloured dots; here a scan's greys stay grey.
"""

from __future__ import annotations

import struct

import numpy as np

COLOURS = 256
_COARSE_BITS = 6


def encode_gif(pictures: np.ndarray, seconds_each: float = 0.12) -> bytes:
    """The bytes of a film that runs for ever.

    Args:
        pictures: (N, Y, X, 3) uint8 RGB.
        seconds_each: how long each is shown; GIF knows hundredths.
    """
    import imagecodecs

    indexed, palette = reduce_colours(pictures)
    height, width = indexed.shape[1:]
    parts = [b"GIF89a", struct.pack("<HHBBB", width, height, 0xF7, 0, 0), palette.tobytes(), b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"]
    control = b"\x21\xf9\x04\x04" + struct.pack("<H", max(2, round(seconds_each * 100))) + b"\0\0"
    for picture in indexed:
        parts += [control, _image_block(bytes(imagecodecs.gif_encode(picture, colormap=palette)))]
    return b"".join((*parts, b"\x3b"))


def _image_block(single: bytes) -> bytes:
    """The one picture of a GIF without colours of its own: from its descriptor to its last data block."""
    flags = single[10]
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while single[at] == 0x21:  # an extension
        at = _after_blocks(single, at + 2)
    start = at
    own = single[at + 9]
    data = at + 10 + (3 << (own & 7) + 1 if own & 0x80 else 0) + 1
    return single[start : _after_blocks(single, data)]


def _after_blocks(data: bytes, at: int) -> int:
    """Where a chain of data blocks ends."""
    while data[at]:
        at += data[at] + 1
    return at + 1


def reduce_colours(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, Y, X) uint8 indices and a (256, 3) uint8 palette: exact where 256 colours are enough, else median cut (Heckbert 1982)."""
    packed = (pictures[..., 0].astype(np.uint32) << 16) | (pictures[..., 1].astype(np.uint32) << 8) | pictures[..., 2]
    present = np.bincount(packed.reshape(-1), minlength=1 << 24)
    codes = np.flatnonzero(present)
    if len(codes) > 4096:  # a colour composite: near colours count as one
        kept = 0xFF << (8 - _COARSE_BITS) & 0xFF
        packed = packed & (kept << 16 | kept << 8 | kept)
        present = np.bincount(packed.reshape(-1), minlength=1 << 24)
        codes = np.flatnonzero(present)
    colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1)
    box_of = _median_cut(colours, present[codes])
    palette = np.zeros((COLOURS, 3), np.uint8)
    weights = present[codes]
    for box in range(int(box_of.max()) + 1):
        mine = box_of == box
        palette[box] = np.rint(np.average(colours[mine], axis=0, weights=weights[mine])).astype(np.uint8)
    lookup = np.zeros(1 << 24, np.uint8)
    lookup[codes] = box_of
    return lookup[packed], palette


def _median_cut(colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """For each of (N, 3) colours the number of its box, 0..255: the box of the largest spread times weight is cut until there are 256."""
    boxes = [np.arange(len(colours))]
    scores = [_score(colours, weights, boxes[0])]
    while len(boxes) < COLOURS and max(scores) > 0:
        worst = int(np.argmax(scores))
        members = boxes[worst]
        axis = int(np.argmax(np.ptp(colours[members], axis=0)))
        members = members[np.argsort(colours[members, axis], kind="stable")]
        heap = np.cumsum(weights[members])
        cut = int(np.clip(np.searchsorted(heap, heap[-1] / 2), 1, len(members) - 1))
        boxes[worst], scores[worst] = members[:cut], _score(colours, weights, members[:cut])
        boxes.append(members[cut:])
        scores.append(_score(colours, weights, members[cut:]))
    result = np.zeros(len(colours), np.uint8)
    for number, members in enumerate(boxes):
        result[members] = number
    return result


def _score(colours: np.ndarray, weights: np.ndarray, members: np.ndarray) -> float:
    if len(members) < 2:
        return 0.0
    spread = float(np.ptp(colours[members], axis=0).max())
    return spread * spread * float(weights[members].sum()) ** 0.25
