"""Files that appear whole or not at all, and targets that are checked before any work is done."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np

from ..errors import WriteError
from .series import path_text, reason

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_PART = ".part"


def write_file(path: Path, data: bytes | memoryview, *, durable: bool = False) -> None:
    """Writes a file beside its place, then puts it there.

    Args:
        durable: whether it is on the disk when this returns, so that a power cut does not take it.

    Raises:
        WriteError: if it cannot be written; what was there before is untouched.
    """
    aside = path.with_name(f".{path.name[:100]}.{os.getpid()}{_PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(aside, "wb") as stream:
            stream.write(data)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        os.replace(aside, path)
    except OSError as error:
        _forget(aside)
        raise write_error(path, error) from error
    except BaseException:
        _forget(aside)
        raise


def _forget(path: Path) -> None:
    with suppress(OSError):  # the first error is the one to tell
        path.unlink(missing_ok=True)


def write_error(path: Path, error: OSError) -> WriteError:
    """The sentence for a file that could not be written."""
    if error.errno in _FULL:
        return WriteError(
            f'"{path_text(path)}" could not be written: there is not enough room ({reason(error)}).', "Free some space, or choose another folder."
        )
    return WriteError(f'"{path_text(path)}" could not be written: {reason(error)}.', "Choose another folder.")


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A folder to write into; its files move to `out` when the block ends well, and vanish when it does not.

    Folders that had to be made for it vanish then too.

    Raises:
        WriteError: where something cannot be written; OSErrors of the block become that.
    """
    made = _missing_folders(out)
    stage: Path | None = None
    try:
        out.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".writing-", suffix=_PART, dir=out))
        yield stage
        for path in sorted(stage.iterdir()):
            os.replace(path, out / path.name)
        stage.rmdir()
    except BaseException as error:
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)
        for folder in made:
            try:
                folder.rmdir()  # only where it is empty
            except OSError:
                break
        if isinstance(error, OSError):
            place = (
                out
                if error.filename is None
                else out / Path(os.fsdecode(error.filename)).name
                if stage is not None
                else Path(os.fsdecode(error.filename))
            )
            raise write_error(place, error) from error
        raise


def _missing_folders(out: Path) -> list[Path]:
    """The folders that have to be made for `out`, innermost first."""
    missing = []
    for folder in (out, *out.parents):
        if folder.exists():
            break
        missing.append(folder)
    return missing


RESULTS = ("results.json", "slices.csv")


def check_target(out: Path, overwrite: bool, sources: Iterable[Path] = ()) -> None:
    """Whether results may go into a folder; asked before any analysis. Changes nothing.

    Args:
        out: the folder of the results; it need not exist.
        overwrite: whether results that are there may be replaced.
        sources: the files of the scan.

    Raises:
        WriteError: if a file stands in its place, it may not be written to, it is the scan's own folder, or it holds results already.
    """
    out = Path(os.path.abspath(out))
    nearest = next((folder for folder in (out, *out.parents) if os.path.lexists(folder)), out)
    if not nearest.is_dir():
        raise WriteError(f'"{path_text(out)}" cannot be used for results: "{path_text(nearest)}" is not a folder.', "Choose another folder.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise WriteError(f'"{path_text(nearest)}" may not be written to.', "Choose another folder.")
    if any(Path(os.path.abspath(source)).parent == out for source in sources):
        # Masks beside slices would be taken for the scan's own reference the next time.
        raise WriteError(f'"{path_text(out)}" is the folder of the scan itself.', "Choose another folder for the results.")
    if nearest == out and not overwrite:
        there = _results_in(out)
        if there is not None:
            raise WriteError(
                f'"{path_text(out)}" already holds results ("{path_text(there.relative_to(out))}").',
                "Use --overwrite to replace them, or choose another folder.",
            )


def _results_in(out: Path) -> Path | None:
    """A result of an earlier analysis in a folder, or in a folder of it."""
    try:
        for folder in (out, *sorted(entry for entry in out.iterdir() if entry.is_dir())):
            for name in RESULTS:
                if (folder / name).exists():
                    return folder / name
    except OSError as error:
        raise WriteError(f'"{path_text(out)}" cannot be looked into: {reason(error)}.', "Choose another folder.") from error
    return None


def proposed_folder(base: Path) -> Path:
    """The folder itself where it is free (it does not exist, or is empty), else the first free one of "<name> 2", "<name> 3" ..."""
    candidate, number = base, 1
    while not _is_free(candidate):
        number += 1
        candidate = base.with_name(f"{base.name} {number}")
    return candidate


def _is_free(folder: Path) -> bool:
    if not os.path.lexists(folder):
        return True
    try:
        return folder.is_dir() and not any(folder.iterdir())
    except OSError:
        return False


def png_bytes(picture: np.ndarray) -> bytes:
    """The PNG of (Y, X) uint8 or uint16, or (Y, X, 3) uint8 RGB; the same bytes for the same picture."""
    stored = picture[..., ::-1] if picture.ndim == 3 else picture
    done, data = cv2.imencode(".png", np.ascontiguousarray(stored), [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise ValueError(f"A PNG holds 8 or 16 bits in 1 or 3 channels. Received: {picture.dtype} {picture.shape}")
    return data.tobytes()
