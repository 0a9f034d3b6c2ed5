"""What the readers have in common: the listing of a path, the names of what it holds, and the opening of one series of it."""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import re
import stat
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import ReadError
from ..imaging.volume import Volume

Progress = Callable[[int, int], None]
"""Is told (done, total) and may raise to stop."""


def silent(done: int, total: int) -> None:
    """The progress of nobody who looks."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A file that is no part of any series.

    Attributes:
        file: relative to the folder that contains what was opened, with `/`.
        why: one sentence.
    """

    file: str
    why: str


@dataclass(frozen=True, eq=False, slots=True)
class Series:
    """One series as a reader found it, before its pixels are read. The fields up to `notes` are those of `info` in the interface.

    Attributes:
        shape: (Z, Y, X) displayed.
        channels: names, one of each channel, as in `Volume`.
        spacing_mm: (dz, dy, dx) or None.
        affine: (4, 4) displayed voxel (x, y, z) to RAS mm, or None.
        axes: directions of the stored axes, e.g. "LPS", or "" where unknown.
        order_by: "position", "instance" or "name".
        reference: whether masks came with it.
        files: in displayed order, one a slice where the format has one a slice.
        open: reads the pixels; called with a function that is told (done, total) and may raise to stop. Raises only `ReadError` and what
            that function raises.
        peek: reads one slice alone, (Y, X, C) by displayed index, for the picture on screen while the rest is read, and for thumbnails;
            None where nothing less than the whole can be read. Raises only `ReadError`.
        study: tells the series of one examination from others; "" where the files do not say. Says nothing of the patient.
        frame_of_reference: names the space that `affine` leads to, as in `Volume`.
        derived: whether the pictures were computed from others (maps, reformats), as far as the files say.
        refusal: why it must not be analysed, as far as the listing tells, or "".
        instances: of DICOM, as in `Volume`; slices that turn out to be unreadable included.
        window: (low, high) that the files ask to be shown with, or None; it may leave a picture black.
    """

    key: str
    format: str
    description: str
    modality: str
    sequence: str | None
    source: str
    shape: tuple[int, int, int]
    channels: tuple[str, ...]
    dtype: str
    spacing_mm: tuple[float, float, float] | None
    affine: np.ndarray | None
    plane: str | None
    axes: str
    order_by: str
    reference: bool
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    open: Callable[[Progress], Volume]
    peek: Callable[[int], np.ndarray] | None = None
    study: str = ""
    frame_of_reference: str = ""
    derived: bool = False
    refusal: str = ""
    instances: tuple[tuple[Path, int], ...] = ()
    window: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class ScanListing:
    """All that was found under a path."""

    path: Path
    series: tuple[Series, ...]
    ignored: tuple[Ignored, ...]


class Reader(Protocol):
    """One file format. Its module has one as `READER`, and imports its library inside the functions that need it, so that asking costs nothing.

    Attributes:
        name: for the order of the readers.

    `claims` looks at a name and the first `HEAD_BYTES`; the first reader that claims a file gets it. `scan` turns the claimed files of
    one listing (absolute, in natural order) into series, in the order in which people should see them, and says of each file that it
    cannot use why. It names things with `key_for` and `relative_name`. It raises nothing but what `progress` raises.
    """

    name: str

    def claims(self, path: Path, head: bytes) -> bool: ...

    def scan(self, root: Path, files: Sequence[Path], progress: Progress) -> tuple[list[Series], list[Ignored]]: ...


READER_MODULES = ("dicom", "nifti", "tiff")
"""In the order in which they are asked. DICOM first: its mark stands 128 bytes into a file whose beginning may look like something else.
The TIFF reader last: it also claims by suffix what turns out to be none, in order to say so."""

HEAD_BYTES = 512


@functools.cache
def readers() -> tuple[Reader, ...]:
    """The readers in the order in which they are asked."""
    return tuple(importlib.import_module(f".{name}", __package__).READER for name in READER_MODULES)


# --- names ---------------------------------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1 << 14)
def natural(name: str) -> tuple:
    """Sort key that puts 2 before 10; never equal for different names."""
    parts = re.split(r"([0-9]+)", name)
    return tuple(int(part) if odd % 2 else part.casefold() for odd, part in enumerate(parts)), name


def natural_path(path: Path) -> tuple:
    """Sort key of a path: folder by folder, each naturally."""
    return tuple(natural(part) for part in path.parts)


_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
_LONGEST_NAME = 120


def safe_name(text: str) -> str:
    """A name that every file system takes: letters, digits, `.`, `-` and `_` of any script; never empty, hidden, reserved or too long."""
    name = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", text)).strip("._- ") or "series"
    if _RESERVED.match(name):
        name = f"_{name}"
    if len(name.encode()) > _LONGEST_NAME:
        mark = hashlib.sha256(name.encode()).hexdigest()[:8]
        name = name.encode()[: _LONGEST_NAME - 9].decode(errors="ignore") + "-" + mark
    return name


_DOUBLE_SUFFIXES = (".nii.gz", ".hdr.gz", ".img.gz", ".ome.tif", ".ome.tiff")


def stem_of(name: str) -> str:
    """A file's name less its suffix; both suffixes of `.nii.gz` and the like."""
    for suffix in _DOUBLE_SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return os.path.splitext(name)[0]


def key_for(root: Path, path: Path, *, is_file: bool) -> str:
    """The key of a series that is a folder or a file: its path relative to what was opened, made safe; its own name where it is that itself.

    Args:
        root: what was opened, absolute.
        path: the series' folder or file, absolute.
        is_file: whether `path` is a file; its suffix is left out.
    """
    parts = list(path.relative_to(root).parts) if path != root else [path.name]
    if is_file:
        parts[-1] = stem_of(parts[-1])
    return safe_name("_".join(parts))


def relative_name(root: Path, path: Path) -> str:
    """A file's or folder's name relative to the folder that contains what was opened, with `/`."""
    try:
        return path_text(path.relative_to(root.parent), posix=True)
    except ValueError:
        return path_text(Path(path.name))


def unique_names(names: Iterable[str]) -> list[str]:
    """The names, with -2, -3 ... where one repeats; names that differ in case only count as the same, as on many file systems."""
    taken: set[str] = set()
    result = []
    for name in names:
        candidate, number = name, 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{name}-{number}"
        taken.add(candidate.casefold())
        result.append(candidate)
    return result


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(items: Sequence[object], most: int = 8) -> str:
    """`1, 2 and 3`; what is beyond `most` is counted."""
    words = [str(item) for item in items]
    if len(words) > most:
        words = [*words[:most], f"{len(words) - most:,} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


# --- listing -------------------------------------------------------------------------------------------------------------------------------


def scan(path: Path, progress: Progress = silent) -> ScanListing:
    """Everything that can be opened under a file or folder, sub-folders included; no pixels are read beyond what a listing needs.

    Hidden files and folders are skipped. A listing without series is returned, not raised: `nothing_found` words it.

    Raises:
        ReadError: if the path does not exist or cannot be listed.
    """
    root = Path(os.path.abspath(path))
    files, ignored = _walk(root)
    claimed: dict[str, list[Path]] = defaultdict(list)
    for number, file in enumerate(files):
        if number % 64 == 0:
            progress(0, len(files))
        head = _head(file)
        if isinstance(head, str):
            ignored.append(Ignored(relative_name(root, file), head))
            continue
        reader = next((reader for reader in readers() if reader.claims(file, head)), None)
        if reader is None:
            ignored.append(Ignored(relative_name(root, file), _why_unclaimed(file, head)))
        else:
            claimed[reader.name].append(file)
    _set_aside(root, claimed, ignored)

    series: list[Series] = []
    done = 0
    for reader in readers():
        group = claimed.get(reader.name, [])
        if not group:
            continue
        found, left = reader.scan(root, group, functools.partial(_advance, progress, done, len(files)))
        series += found
        ignored += left
        done += len(group)
    progress(len(files), len(files))
    keys = unique_names(one.key for one in series)
    named = tuple(one if one.key == key else replace(one, key=key) for one, key in zip(series, keys, strict=True))
    return ScanListing(root, named, tuple(sorted(ignored, key=lambda row: natural_path(Path(row.file)))))


def _advance(progress: Progress, before: int, total: int, done: int, _: int) -> None:
    progress(before + done, total)


def _walk(root: Path) -> tuple[list[Path], list[Ignored]]:
    """The plain files under a path in natural order, and what cannot be looked into."""
    try:
        mode = root.stat().st_mode
    except OSError as error:
        if isinstance(error, PermissionError):
            raise ReadError(f'"{path_text(root)}" may not be read.', "Ask for permission to read it, or open another folder.") from error
        raise ReadError(f'"{path_text(root)}" does not exist.', "Check the path.") from error
    if stat.S_ISREG(mode):
        return [root], []
    if not stat.S_ISDIR(mode):
        raise ReadError(f'"{path_text(root)}" is neither a file nor a folder.', "Open a file or a folder with a scan.")

    names: dict[Path, list[str]] = defaultdict(list)
    ignored: list[Ignored] = []
    seen = {_identity(root)}
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                content = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            if folder == root:
                raise ReadError(
                    f'"{path_text(root)}" cannot be listed: {reason(error)}.', "Ask for permission to read it, or open another folder."
                ) from error
            ignored.append(Ignored(relative_name(root, folder), f"The folder cannot be listed: {reason(error)}."))
            continue
        for entry in content:
            try:
                if entry.is_dir():
                    path = Path(entry.path)
                    # A link may lead back up: each folder is entered once.
                    identity = _identity(path) if entry.is_symlink() else (entry.stat().st_dev, entry.inode())
                    if identity not in seen or identity[1] == 0:
                        seen.add(identity)
                        folders.append(path)
                elif entry.is_file():
                    names[folder].append(entry.name)
                else:
                    ignored.append(Ignored(relative_name(root, Path(entry.path)), "It is a broken link or no plain file."))
            except OSError as error:
                ignored.append(Ignored(relative_name(root, Path(entry.path)), f"It cannot be read: {reason(error)}."))
    return [folder / name for folder in sorted(names, key=natural_path) for name in sorted(names[folder], key=natural)], ignored


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _head(file: Path) -> bytes | str:
    """The first bytes of a file, or a sentence that says why there are none."""
    try:
        with open(file, "rb", buffering=0) as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        return f"It cannot be read: {reason(error)}."
    return head or "The file is empty."


def _why_unclaimed(file: Path, head: bytes) -> str:
    if b"\0" not in head:
        try:
            # A character may be cut in two at the end.
            head.decode("utf-8", errors="strict" if len(head) < HEAD_BYTES else "ignore")
        except UnicodeDecodeError:
            pass
        else:
            if head.isascii() or file.suffix.lower() in (".txt", ".csv", ".json", ".xml", ".md", ".html", ".yaml", ".yml", ".tsv", ".log"):
                return "It is a text file, not an image."
    return "It is none of the formats that can be read: TIFF, PNG, JPEG, DICOM and NIfTI."


PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif")


def _set_aside(root: Path, claimed: dict[str, list[Path]], ignored: list[Ignored]) -> None:
    """Takes out what is no scan though it could be read: what the program wrote itself, and previews beside DICOM files."""
    dicom = {file.parent for file in claimed.get("dicom", ())}
    results: dict[Path, bool] = {}
    for name, files in claimed.items():
        kept = []
        for file in files:
            if file.parent not in results:
                results[file.parent] = file != root and _holds_results(file.parent)
            if results[file.parent]:
                ignored.append(Ignored(relative_name(root, file), "It belongs to the results of an earlier analysis."))
            elif name == "tiff" and file.parent in dicom and file.suffix.lower() in PICTURE_SUFFIXES:
                ignored.append(Ignored(relative_name(root, file), "It is a picture beside DICOM files, which are shown instead."))
            else:
                kept.append(file)
        claimed[name] = kept


def _holds_results(folder: Path) -> bool:
    """Whether an analysis was written into a folder."""
    head = _head(folder / "results.json")
    return isinstance(head, bytes) and b'"brainviewer"' in head


def reason(error: OSError) -> str:
    """What the operating system says, as part of a sentence: `permission denied`."""
    text = error.strerror or str(error) or type(error).__name__
    return text[:1].lower() + text[1:].rstrip(".")


def path_text(path: Path, *, posix: bool = False) -> str:
    """A path as people can read it: names that are no valid text get replacement characters."""
    text = path.as_posix() if posix else str(path)
    return text.encode("utf-8", "replace").decode("utf-8")


# --- opening -------------------------------------------------------------------------------------------------------------------------------


def open_volume(series: Series, progress: Progress = silent) -> Volume:
    """Reads the pixels of one series.

    Raises:
        ReadError: with one sentence that names the file.
    """
    try:
        volume = series.open(progress)
    except OSError as error:  # a file that went away since the listing
        name = Path(os.fsdecode(error.filename)).name if error.filename else series.source
        raise ReadError(f'"{name}" could not be read: {reason(error)}.', "Open the scan again.") from error
    if volume.key == series.key:
        return volume
    # The listing gave it another key, as two series had the same: the slices' names follow.
    own = f"{volume.key}_z"
    stems = tuple(f"{series.key}_z{stem[len(own) :]}" if stem.startswith(own) else stem for stem in volume.stems)
    return replace(volume, key=series.key, stems=stems)


def slice_stems(key: str, slices: int) -> tuple[str, ...]:
    """The stems of slices that have no file of their own: `<key>_z0000`, `<key>_z0001` ..."""
    return tuple(f"{key}_z{z:04}" for z in range(slices))


def nothing_found(listing: ScanListing) -> ReadError:
    """The sentence of a listing without series: what is there instead, and what to do."""
    name = listing.path.name or path_text(listing.path)
    if len(listing.ignored) == 1:
        why = listing.ignored[0].why
        why = why[:1].lower() + why[1:]
        if listing.ignored[0].file == name:
            return ReadError(f'"{name}" cannot be opened: {why}', "Open a scan as TIFF, DICOM or NIfTI, or a folder of them.")
        return ReadError(f'No scan was found in "{name}", whose only file is "{listing.ignored[0].file}": {why}', "Open a folder with a scan.")
    if not listing.ignored:
        return ReadError(f'"{name}" is an empty folder.', "Open a folder with TIFF, DICOM or NIfTI files.")
    reasons: dict[str, int] = defaultdict(int)
    for row in listing.ignored:
        reasons[row.why] += 1
    commonest = max(reasons, key=lambda why: reasons[why])
    example = next(row.file for row in listing.ignored if row.why == commonest)
    why = f'e.g. "{example}": {commonest[:1].lower()}{commonest[1:]}'
    return ReadError(
        f'No scan was found in "{name}": none of its {count(len(listing.ignored), "file")} can be shown, {why}',
        "Open a folder with TIFF, DICOM or NIfTI files.",
    )


def describe(listing: ScanListing) -> dict:
    """The document of `info`: what was found, as plain values for JSON."""
    return {"series": [_described(series) for series in listing.series], "ignored": ignored_rows(listing.ignored)}


def ignored_rows(ignored: Iterable[Ignored]) -> list[dict[str, str]]:
    """As they stand in the documents of `info` and `predict`."""
    return [{"file": row.file, "why": row.why} for row in ignored]


def _described(series: Series) -> dict:
    return {
        "key": series.key,
        "format": series.format,
        "description": series.description,
        "modality": series.modality,
        "sequence": series.sequence,
        "source": series.source,
        "files": len(series.files),
        "slices": series.shape[0],
        "shape": [int(size) for size in (*series.shape, len(series.channels))],
        "dtype": series.dtype,
        "spacing_mm": None if series.spacing_mm is None else [float(size) for size in series.spacing_mm],
        "affine": None if series.affine is None else [[float(value) for value in row] for row in series.affine],
        "plane": series.plane,
        "axes": series.axes,
        "order_by": series.order_by,
        "reference": series.reference,
        "notes": list(series.notes),
    }


def find_series(listing: ScanListing, key: str) -> Series:
    """The series of a key.

    Raises:
        ReadError: if there is none; names those that exist.
    """
    for series in listing.series:
        if series.key == key:
            return series
    if not listing.series:
        raise nothing_found(listing)
    known = listed([f'"{series.key}"' for series in listing.series])
    raise ReadError(f'There is no series "{key}" in "{listing.path.name}".', f"It has {known}.")
