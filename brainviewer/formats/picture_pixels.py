"""The pixels of TIFF, PNG and JPEG files, after `picture_headers` has checked what the files can hold."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from ..errors import ReadError
from .picture_file import PNG_MARK, Page, Picture, Unreadable


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turns whatever the decoders raise inside into one sentence that names the file.

    Raises:
        ReadError: for every exception.
    """
    try:
        yield
    except ReadError:
        raise
    except Unreadable as error:
        raise ReadError(f'"{name}" could not be read: {error}.') from error
    except MemoryError as error:
        raise ReadError(f'"{name}" could not be read: there is not enough memory for it.', "Close other programs and try again.") from error
    except OSError as error:
        raise ReadError(f'"{name}" could not be read: {(error.strerror or str(error)).lower()}.') from error
    except Exception as error:  # decoders raise anything on damaged data; what they raise is told, never swallowed
        raise ReadError(f'"{name}" could not be read: the file is damaged or of a kind that is not supported ({_one_line(error)}).') from error


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "..."


@contextmanager
def opened(picture: Picture) -> Iterator[Callable[[Page], np.ndarray]]:
    """A function that reads pages of one file, as (H, W, C) arrays of the dtype and C that their headers promise, upright, without transparency.

    Raises:
        ReadError: with one sentence, where the file cannot be opened; so does the function, of a page that cannot be read.
    """
    name = picture.path.name
    if picture.format == "picture":
        yield lambda page: _read(name, page, lambda: _compressed_picture(picture))
    elif picture.pages[0].offset is not None:
        yield lambda page: _read(name, page, lambda: _raw(picture, page))
    else:
        with decoding(name):
            import tifffile

            logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # its remarks on damaged files; ours are raised
            file = tifffile.TiffFile(picture.path, _multifile=False)
        with file:
            yield lambda page: _read(name, page, lambda: _tiff_page(file, page))


def _read(name: str, page: Page, stored: Callable[[], np.ndarray]) -> np.ndarray:
    with decoding(name):
        return _finished(stored(), page)


def _tiff_page(file: object, page: Page) -> np.ndarray:
    """(H, W, samples) as stored."""
    source = file.pages[page.index]  # type: ignore[attr-defined]
    stored = (page.width, page.height) if page.orientation > 4 else (page.height, page.width)
    if (source.imagelength, source.imagewidth) != stored:
        raise Unreadable("its header changed while it was read")
    array = source.asarray(maxworkers=1)
    axes = source.axes
    if set(axes) - set("YXS") or array.ndim != len(axes):
        raise Unreadable("its pixels are arranged in a way that is not supported")
    if axes.startswith("S"):
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 2:
        array = array[..., np.newaxis]
    if page.colour == "palette":
        colours = np.asarray(source.colormap)
        if colours.max() > 255:  # 16 bits as the standard asks; some writers use 8
            colours = colours >> 8
        array = np.take(colours.astype(np.uint8), array[..., 0], axis=1, mode="clip").transpose(1, 2, 0)
    return array


def _raw(picture: Picture, page: Page) -> np.ndarray:
    """(H, W, samples) of uncompressed pixels that have no directory of their own."""
    with open(picture.path, "rb") as stream:
        dtype = np.dtype(page.dtype).newbyteorder(">" if stream.read(2) == b"MM" else "<")
        stream.seek(page.offset or 0)
        values = np.fromfile(stream, dtype, page.height * page.width * page.samples)
    return values.reshape(page.height, page.width, page.samples)


def _compressed_picture(picture: Picture) -> np.ndarray:
    """(H, W, samples) of a PNG or JPEG, as stored."""
    import imagecodecs

    data = picture.path.read_bytes()
    if data[:3] == b"\xff\xd8\xff":
        if picture.pages[0].colour == "cmyk":
            # OpenCV knows the two ways in which such files are inverted.
            array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
            if array is None:
                raise Unreadable("the file is damaged")
            array = array[..., ::-1]
        else:
            array = imagecodecs.jpeg_decode(data)
    else:
        check_png(data)
        array = imagecodecs.png_decode(data)
    return array[..., np.newaxis] if array.ndim == 2 else array


def check_png(data: bytes) -> None:
    """Compares the checksum of every part: the decoder goes on over wrong ones with a remark.

    Raises:
        Unreadable: where one is wrong or the file ends early.
    """
    at = len(PNG_MARK)
    kind = b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise Unreadable("the file is cut short")
        length = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        end = at + 8 + length
        if end + 4 > len(data):
            raise Unreadable("the file is cut short")
        if zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise Unreadable("the file is damaged (a checksum is wrong)")
        at = end + 4


def _finished(array: np.ndarray, page: Page) -> np.ndarray:
    """Stored samples as the channels that are shown; refuses what is not as the header says."""
    if np.iscomplexobj(array):
        array = np.abs(array)
    if page.colour == "cmyk" and array.shape[-1] >= 4:
        top = np.iinfo(array.dtype).max
        array = ((top - array[..., :3].astype(np.uint32)) * (top - array[..., 3:4].astype(np.uint32)) // top).astype(array.dtype)
    elif page.colour == "ycbcr":
        array = cv2.cvtColor(np.ascontiguousarray(array[..., (0, 2, 1)]), cv2.COLOR_YCrCb2RGB)
    array = array[..., : page.channels]
    array = turned(array, page.orientation)
    dtype = np.dtype(page.dtype)
    if array.shape != (page.height, page.width, page.channels) or (array.dtype.kind != dtype.kind and array.dtype != bool):
        raise Unreadable("its pixels are not what its header says")
    if page.inverted:
        array = _inverted(array)
    return array.astype(dtype, copy=False)  # also to this machine's byte order, and 1 bit to 8


def _inverted(array: np.ndarray) -> np.ndarray:
    """0 is white in the file: made so that bright is large, as everywhere else."""
    if array.dtype == bool:
        return ~array
    if array.dtype.kind == "u":
        return np.iinfo(array.dtype).max - array
    return -array if array.dtype.kind == "f" else -1 - array


def turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) upright, from an array stored with a TIFF or EXIF orientation of 1..8; a view."""
    if orientation > 4:
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array
