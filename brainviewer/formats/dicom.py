"""DICOM, through pydicom's parser and decoders: classic and enhanced files, ordered by their place in space."""

from __future__ import annotations

import hashlib
import os
import re
import statistics
import struct
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import ReadError
from ..imaging.orientation import plane_refusal
from ..imaging.volume import Volume, Window
from . import gzipped
from .dicom_fields import Fields, library_errors, open_stream
from .dicom_groups import frame_of_reference, groups_of
from .dicom_headers import Frame, NotAnImage, read_file
from .dicom_order import Stack, make_stack
from .dicom_pixels import Unreadable, Values, forget_file, padding_of, read_frame, turned_window, values_of
from .sequence import guess_sequence
from .series import Ignored, Progress, Series, count, natural, relative_name, safe_name, slice_stems

SUFFIXES = (".dcm", ".dicom", ".dic", ".ima", ".dcm.gz")
_READERS_AT_ONCE = 4
_SAMPLES = 1_000_000


class DicomReader:
    """The reader of DICOM files (see `series.Reader`)."""

    name = "dicom"

    def claims(self, path: Path, head: bytes) -> bool:
        head = gzipped.inflate_head(head) or head
        return head[128:132] == b"DICM" or path.name.lower().endswith(SUFFIXES) or _headless(head)

    def scan(self, root: Path, files: Sequence[Path], progress: Progress) -> tuple[list[Series], list[Ignored]]:
        frames: list[Frame] = []
        ignored: list[Ignored] = []
        for number, path in enumerate(_listed_by_index(root, files)):
            if number % 16 == 0:
                progress(min(number, len(files)), len(files))
            try:
                frames += read_file(path)
            except NotAnImage as error:
                ignored.append(Ignored(relative_name(root, path), str(error)))
        groups, left = groups_of(frames)
        found = [make_stack(group.frames, group.split_by, group.labels) for group in groups]
        used = {frame.file.path for stack in found for frame in stack.frames}
        reasons = {row.frame.file.path: row.why for row in left if row.frame.file.path not in used}
        ignored += [Ignored(relative_name(root, path), why) for path, why in reasons.items()]
        sources = [_Source(root, stack, _key(root, stack), values_of(stack.frames)) for stack in found]
        return [_series(source) for source in sorted(sources, key=_place_in_list)], ignored


READER = DicomReader()

_HEADLESS = re.compile(rb"[\x02\x08]\x00[\x00-\x20]\x00|\x00[\x02\x08]\x00[\x00-\x20]")


def _headless(head: bytes) -> bool:
    """Whether a file without DICOM's mark begins like one: an element of group 2 or 8 whose type or length makes sense."""
    if len(head) < 16 or not _HEADLESS.match(head):
        return False
    if head[4:6] in (b"CS", b"UI", b"UL", b"SH", b"LO", b"DA", b"TM", b"OB", b"PN"):
        return True
    length = struct.unpack("<I", head[4:8])[0]
    return head[1] == 0 and length <= 64 and length % 2 == 0


def _listed_by_index(root: Path, files: Sequence[Path]) -> Sequence[Path]:
    """The files; where what was opened is an index (DICOMDIR), those that it lists."""
    if list(files) != [root] or not root.name.upper().startswith("DICOMDIR"):
        return files
    try:
        from pydicom import dcmread

        with open_stream(root) as stream:
            records = Fields(dcmread(stream, specific_tags=[0x00041220], force=True)).items("DirectoryRecordSequence")
            names = [record.strings("ReferencedFileID") for record in records]
    except gzipped.Damaged:
        return files
    except library_errors():
        return files
    paths = [root.parent.joinpath(*parts) for parts in names if parts and not any(part in ("", "..") or os.path.isabs(part) for part in parts)]
    return [path for path in dict.fromkeys(paths) if path.is_file()] or files


# --- listing -------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, slots=True)
class _Source:
    """One volume, found but not read."""

    root: Path
    stack: Stack
    key: str
    values: Values

    @property
    def first(self) -> Frame:
        return self.stack.frames[0]


def _key(root: Path, stack: Stack) -> str:
    """Series number, description, and eight hex digits that stand for the series (where it has no name, its folder) and what splits it."""
    file = stack.frames[0].file
    series = file.series or f"{relative_name(root, file.path.parent)}|{file.series_number}|{file.description}"
    digest = hashlib.sha256("\0".join((_study(stack.frames), series, stack.split_by)).encode()).hexdigest()[:8]
    number = "" if file.series_number is None else str(file.series_number)
    return safe_name("_".join(part for part in (number, file.description, digest) if part))


def _study(frames: Sequence[Frame]) -> str:
    """The study of the frames of one volume, or "" where they do not agree on one."""
    studies = {frame.file.study for frame in frames}
    return studies.pop() if len(studies) == 1 else ""


def _place_in_list(source: _Source) -> tuple:
    """By study and number; volumes of one series in the order in which they were taken."""
    file, earliest = source.first.file, min(frame.taken_order for frame in source.stack.frames)
    return file.study, file.series_number is None, file.series_number or 0, natural(file.description), file.series, earliest, source.key


def _series(source: _Source) -> Series:
    stack, file = source.stack, source.first.file
    arrangement, study = stack.arrangement, _study(stack.frames)
    return Series(
        key=source.key,
        format="dicom",
        description=file.description,
        modality=file.modality,
        sequence=_sequence(source),
        source=_folder_name(source),
        shape=arrangement.shape,
        channels=source.values.channels,
        dtype=str(source.values.dtype),
        spacing_mm=arrangement.spacing,
        affine=arrangement.affine,
        plane=arrangement.plane,
        axes=arrangement.axes,
        order_by=stack.order_by,
        reference=False,
        files=_files(stack),
        notes=(*_pixel_notes(stack), *stack.notes),
        open=partial(_open, source),
        peek=partial(_peek, source) if stack.keeps_slices else None,
        study=hashlib.sha256(study.encode()).hexdigest()[:8] if study else "",
        frame_of_reference=frame_of_reference(stack.frames),
        derived="DERIVED" in (word.upper() for word in file.image_type[:1]),
        refusal=_refusal(stack),
        instances=_instances(stack),
        window=_stated_window(stack) if len(source.values.channels) == 1 else None,
    )


def _instances(stack: Stack) -> tuple[tuple[Path, int], ...]:
    return tuple((frame.file.path, frame.index) for frame in stack.frames)


def _sequence(source: _Source) -> str | None:
    file = source.first.file
    return guess_sequence(file.words, file.timing) if file.modality in ("MR", "") else None


def _files(stack: Stack) -> tuple[Path, ...]:
    frames = stack.displayed_frames() if stack.keeps_slices else stack.frames
    return tuple(dict.fromkeys(frame.file.path for frame in frames))


def _folder(source: _Source) -> Path:
    """The series' file, or the folder that holds all its files."""
    paths = {frame.file.path for frame in source.stack.frames}
    return next(iter(paths)) if len(paths) == 1 else Path(os.path.commonpath([path.parent for path in paths]))


def _folder_name(source: _Source) -> str:
    return relative_name(source.root, _folder(source))


def _pixel_notes(stack: Stack) -> list[str]:
    """What the pixels are that a viewer of them should know."""
    file = stack.frames[0].file
    notes = []
    if file.mosaic:
        notes.append("Each picture is a mosaic of the slices of a whole volume (Siemens); it is shown as it is, and not placed in space.")
    if any(frame.file.lossy for frame in stack.frames):
        notes.append("The pixels were compressed with loss: fine detail may be missing.")
    if file.pixels.inverted:
        notes.append("The file asks to be shown inverted (MONOCHROME1); its values were turned round, so that bright means high.")
    return notes


def _refusal(stack: Stack) -> str:
    """Why the scan must not be analysed, or ""."""
    file = stack.frames[0].file
    if file.mosaic:
        return "The pictures are mosaics of many slices, not slices; export the series as single slices or enhanced DICOM to analyse it."
    if file.pixels.colour:
        return "The pictures are in colour; the models know grey MRI slices only."
    return plane_refusal(stack.arrangement.plane)


# --- pixels --------------------------------------------------------------------------------------------------------------------------------


def _open(source: _Source, progress: Progress) -> Volume:
    """Reads all frames of one volume; those that cannot be read are left out, and that is said."""
    stack, values = source.stack, source.values
    pixels = source.first.file.pixels
    try:
        voxels = np.empty((len(stack.frames), pixels.rows, pixels.columns, len(values.channels)), values.dtype)
    except MemoryError as error:
        raise ReadError(f'"{_folder_name(source)}" could not be read: there is not enough memory for it.') from error
    try:
        failed = _read_all(stack.frames, voxels, progress)
    finally:
        forget_file()
    notes: tuple[str, ...] = ()
    ignored: tuple[tuple[str, str], ...] = ()
    if failed:
        why, first = failed[min(failed)], stack.frames[min(failed)]
        name = first.file.path.name
        if len(failed) == len(stack.frames):
            alone = len(failed) == 1
            raise ReadError(
                f'"{name}" could not be read: {why}.' if alone else f'None of the {len(failed)} slices could be read; of "{name}", {why}.'
            )
        good = [n for n in range(len(stack.frames)) if n not in failed]
        ignored = tuple((relative_name(source.root, stack.frames[n].file.path), f"It could not be read: {why}.") for n, why in sorted(failed.items()))
        notes = (f'{count(len(failed), "slice")} could not be read ("{name}": {why}); the other {len(good)} are shown.',)
        stack = make_stack([stack.frames[n] for n in good], stack.split_by)
        order = {id(frame): n for n, frame in enumerate(source.stack.frames)}
        voxels = voxels[[order[id(frame)] for frame in stack.frames]]
    return _volume(replace(source, stack=stack), voxels, (*notes, *_pixel_notes(stack), *stack.notes), ignored)


def _read_all(frames: Sequence[Frame], voxels: np.ndarray, progress: Progress) -> dict[int, str]:
    """Fills `voxels` (Z, rows, columns, C); the reasons of what failed, by index. Uncompressed files are read several at a time."""
    failed: dict[int, str] = {}
    if any(frame.file.pixels.offset < 0 or frame.file.pixels.zipped for frame in frames):
        for number, frame in enumerate(frames):
            progress(number, len(frames))
            if (why := _try_frame(frame, voxels[number])) is not None:
                failed[number] = why
        progress(len(frames), len(frames))
        return failed
    with ThreadPoolExecutor(_READERS_AT_ONCE) as pool:
        jobs: dict[Future[str | None], int] = {}
        try:
            jobs = {pool.submit(_try_frame, frame, voxels[number]): number for number, frame in enumerate(frames)}
            waiting = set(jobs)
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for job in done:
                    if (why := job.result()) is not None:
                        failed[jobs[job]] = why
                progress(len(frames) - len(waiting), len(frames))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def _try_frame(frame: Frame, target: np.ndarray) -> str | None:
    try:
        read_frame(frame, target)
    except Unreadable as error:
        return str(error)
    return None


def _volume(source: _Source, voxels: np.ndarray, notes: tuple[str, ...], ignored: tuple[tuple[str, str], ...]) -> Volume:
    """The displayed volume of a stack whose frames lie in `voxels` (slice, row, column, channel)."""
    stack, arrangement = source.stack, source.stack.arrangement
    file = source.first.file
    slices = arrangement.shape[0]
    if stack.keeps_slices:
        sources = tuple(relative_name(source.root, frame.file.path) for frame in stack.displayed_frames())
    else:
        sources = (_folder_name(source),) * slices
    return Volume(
        voxels=arrangement.grid.display(voxels.transpose(2, 1, 0, 3)),
        affine=arrangement.affine,
        channels=source.values.channels,
        source=_folder(source),
        key=source.key,
        format="dicom",
        sources=sources,
        stems=slice_stems(source.key, slices),
        plane=arrangement.plane,
        stored=arrangement.grid,
        description=file.description,
        notes=notes,
        ignored=ignored,
        facts=dict(file.facts),
        window=_window(stack, voxels),
        voxel_mm=arrangement.spacing if arrangement.affine is None else None,
        refusal=_refusal(stack),
        frame_of_reference=frame_of_reference(stack.frames),
        instances=_instances(stack),
    )


def _stated_window(stack: Stack) -> tuple[float, float] | None:
    """The window that most of the files ask for: the median of theirs."""
    windows = [window for frame in stack.frames if (window := turned_window(frame)) is not None]
    if len(windows) * 2 <= len(stack.frames):
        return None
    low, high = statistics.median(low for low, _ in windows), statistics.median(high for _, high in windows)
    return (float(low), float(high)) if high > low else None


def _window(stack: Stack, voxels: np.ndarray) -> tuple[float, float] | None:
    """The files' own window, or one by percentiles that leaves the padding out, or None."""
    if voxels.shape[-1] != 1:
        return None
    stated = _stated_window(stack)
    if stated is not None and Window(*stated).shows(voxels.reshape(-1)[:: max(1, voxels.size // _SAMPLES)]):
        return stated
    paddings = {padding_of(frame) for frame in stack.frames} - {None}
    if len(paddings) != 1:
        return None
    low, high = next(padding for padding in paddings if padding is not None)
    sample = voxels.reshape(-1)[:: max(1, voxels.size // _SAMPLES)]
    tissue = sample[(sample < low) | (sample > high)]
    if tissue.size in (0, sample.size):
        return None
    shown = Window.auto(tissue)
    return shown.low, shown.high


def _peek(source: _Source, z: int) -> np.ndarray:
    """One displayed slice (Y, X, C)."""
    stack = source.stack
    frame = stack.displayed_frames()[z]
    pixels = frame.file.pixels
    picture = np.empty((pixels.rows, pixels.columns, len(source.values.channels)), source.values.dtype)
    try:
        read_frame(frame, picture)
    except Unreadable as error:
        raise ReadError(f'"{frame.file.path.name}" could not be read: {error}.') from error
    finally:
        forget_file()
    _, flip_rows, flip_columns = stack.arrangement.grid.flips
    rows, columns = stack.arrangement.grid.axes[1:]
    turned = picture if (rows, columns) == (1, 0) else picture.transpose(1, 0, 2)
    return turned[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
