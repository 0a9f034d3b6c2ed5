"""What the headers of TIFF, PNG and JPEG files promise, checked against what the files can really hold. No pixels are decoded here."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from .picture_file import DENSE_RATIO, JPEG_MARK, PNG_MARK, TIFF_MARKS, BoundedBytes, Page, Picture, Unreadable, check_room, check_side
from .series import reason
from .tiff_headers import ORIENTATION, tiff_picture


def inspect(path: Path) -> Picture:
    """The headers of one file; what is wrong with it stands in the pages' `problem`. Raises nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError as error:
        return _broken(path, f"it cannot be read ({reason(error)})")
    try:
        file = BoundedBytes(descriptor, os.fstat(descriptor).st_size)
        head = file.read(0, min(8, file.size))
        if len(head) == 8 and head[:4] in TIFF_MARKS:
            return tiff_picture(path, file, head)
        if head == PNG_MARK:
            return Picture(path, "picture", (_png(file),))
        if head[:3] == JPEG_MARK:
            return Picture(path, "picture", (_jpeg(file),))
        return _broken(path, _what_it_is_instead(path, file))
    except Unreadable as error:
        return _broken(path, str(error))
    except OSError as error:
        return _broken(path, f"it cannot be read ({reason(error)})")
    finally:
        os.close(descriptor)


def _broken(path: Path, problem: str) -> Picture:
    return Picture(path, "tiff" if path.suffix.lower() in (".tif", ".tiff") else "picture", (Page(0, problem=problem),))


def _what_it_is_instead(path: Path, file: BoundedBytes) -> str:
    head = file.read(0, min(512, file.size))
    named = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF"}.get(path.suffix.lower(), "JPEG")
    if not head:
        return "the file is empty"
    if not head.strip(b"\0"):
        return f"the file is named like a {named} but holds only zeros"
    text = b"\0" not in head and sum(byte < 32 and byte not in (9, 10, 12, 13) for byte in head) == 0
    return f"the file is named like a {named} but is {'a text file' if text else 'none'}"


# --- PNG and JPEG --------------------------------------------------------------------------------------------------------------------------


def _png(file: BoundedBytes) -> Page:
    length, kind, width, height, bits, colour_type = struct.unpack(">I4sIIBB", file.read(8, 18))
    if kind != b"IHDR" or length != 13 or colour_type not in (0, 2, 3, 4, 6) or bits not in (1, 2, 4, 8, 16):
        raise Unreadable("its header is damaged")
    check_side(height, width)
    samples = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[colour_type]
    check_room(height * width * samples * (2 if bits == 16 else 1), file.size)
    if b"IEND" not in file.read(max(8, file.size - 64), min(64, file.size - 8)):
        raise Unreadable("the file is cut short")
    notes = ("The transparency of the slices, or their last channel, is left out.",) if colour_type in (4, 6) else ()
    return Page(0, height, width, "grey" if colour_type in (0, 4) else "rgb", samples, "uint16" if bits == 16 else "uint8", notes=notes)


def _jpeg(file: BoundedBytes) -> Page:
    offset, orientation = 2, 1
    while True:
        mark, code, length = struct.unpack(">BBH", file.read(offset, 4))
        if mark != 0xFF or length < 2:
            raise Unreadable("its header is damaged")
        if code == 0xFF:  # padding
            offset += 1
            continue
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):
            break
        if code in (0xD9, 0xDA):
            raise Unreadable("its header is damaged")
        if code == 0xE1 and length > 22 and file.read(offset + 4, 6) == b"Exif\0\0":
            orientation = _exif_orientation(file.read(offset + 10, length - 8))
        offset += 2 + length
    bits, height, width, samples = struct.unpack(">BHHB", file.read(offset + 4, 6))
    if samples not in (1, 3, 4) or bits not in (8, 12, 16):
        raise Unreadable(f"pictures with {samples} channels of {bits} bits are not supported")
    check_side(height, width)
    check_room(height * width * samples * (1 if bits == 8 else 2), file.size, DENSE_RATIO)
    tail = min(file.size - 2, 4096)
    if b"\xff\xd9" not in file.read(file.size - tail, tail):
        raise Unreadable("the file is cut short")
    if orientation > 4:
        height, width = width, height
    return Page(0, height, width, {1: "grey", 3: "rgb", 4: "cmyk"}[samples], samples, "uint8" if bits == 8 else "uint16", orientation)


def _exif_orientation(data: bytes) -> int:
    """1..8 of an EXIF block, which is a small TIFF; 1 where it does not say."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", data, 4)
        (entries,) = struct.unpack_from(order + "H", data, start)
        for number in range(min(entries, 256)):
            code, kind, _, value = struct.unpack_from(order + "HHIH", data, start + 2 + 12 * number)
            if code == ORIENTATION and kind == 3 and 1 <= value <= 8:
                return value
    except struct.error:
        pass  # a damaged block says nothing
    return 1
