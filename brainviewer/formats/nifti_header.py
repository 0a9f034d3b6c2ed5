"""What a NIfTI header says, checked before anything is believed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..imaging.orientation import describe_grid, three, usable
from . import gzipped

if TYPE_CHECKING:
    from nibabel import Nifti1Header

HEADER_BYTES = 544
"""Of the longer of the two headers, with the four bytes that announce extensions."""

_MOST_DIMENSIONS = 7
_MILLIMETRES = {1: 1000.0, 3: 0.001}
"""Units of length that are not millimetres: metres and micrometres."""

_FORMS_AGREE_MM = 1.0


class NotNifti(Exception):
    """The file is no NIfTI file that can be read; the message is a sentence."""


@dataclass(frozen=True, eq=False, slots=True)
class NiftiHeader:
    """One file's header.

    Attributes:
        shape: (i, j, k) of one volume.
        volumes: how many volumes the file says it holds.
        stored: dtype of a voxel in the file, byte order and colour fields included.
        offset: of the first voxel, in bytes.
        slope, inter: what turns stored whole numbers into values; (1, 0) where nothing does.
        affine: (4, 4) stored voxel (i, j, k) to RAS mm, or None where the file says nothing that can be used.
        spacing: (di, dj, dk) mm, or None.
        paired: whether the voxels are in an .img file of their own.
        notes: sentences for the user.
    """

    shape: tuple[int, int, int]
    volumes: int
    stored: np.dtype
    offset: int
    slope: float
    inter: float
    affine: np.ndarray | None
    spacing: tuple[float, float, float] | None
    paired: bool
    notes: tuple[str, ...]

    @property
    def colour(self) -> bool:
        return self.stored.names is not None

    @property
    def scaled(self) -> bool:
        return not self.colour and (self.slope, self.inter) != (1.0, 0.0)

    @property
    def volume_bytes(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2] * self.stored.itemsize

    @property
    def value_dtype(self) -> np.dtype:
        """Of the voxels that are shown: native byte order, magnitudes of complex numbers, floats where whole numbers are scaled."""
        if self.colour:
            return np.dtype(np.uint8)
        if self.stored.kind == "c":
            return np.dtype(np.float32 if self.stored.itemsize == 8 else np.float64)
        if self.stored.kind == "f":
            return np.dtype(f"f{min(self.stored.itemsize, 8)}")
        if self.scaled:
            return np.dtype(np.float32 if self.stored.itemsize <= 2 else np.float64)
        return self.stored.newbyteorder("=")


@dataclass(frozen=True, eq=False, slots=True)
class NiftiFile:
    """One image: its header, and where its voxels are (the same file unless they are a pair)."""

    path: Path
    voxels_path: Path
    header: NiftiHeader

    @property
    def zipped(self) -> bool:
        """Whether the voxels are gzipped, whatever the suffix says."""
        with open(self.voxels_path, "rb") as stream:
            return stream.read(2) == gzipped.MAGIC


def looks_like_nifti(head: bytes) -> bool:
    """Whether the first bytes (inflated) are those of a NIfTI header."""
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def read_header(path: Path) -> NiftiHeader:
    """Reads and checks one header.

    Raises:
        NotNifti: with a sentence that says what is wrong.
        OSError: from the file.
    """
    import nibabel

    try:
        with open(path, "rb") as stream:
            head = stream.read(HEADER_BYTES)
        if head.startswith(gzipped.MAGIC):
            head = _inflated(path)
        kind = _kind(head)
        header = kind(head[: kind.sizeof_hdr], check=False)
        magic = bytes(header["magic"])
        return _checked(header, paired=magic.startswith(b"ni"))
    except (struct.error, ValueError, TypeError, KeyError, ArithmeticError, EOFError, gzipped.Damaged) as error:
        raise NotNifti("Its NIfTI header is damaged.") from error
    except (nibabel.spatialimages.HeaderDataError, nibabel.filebasedimages.ImageFileError, np.linalg.LinAlgError) as error:
        raise NotNifti("Its NIfTI header is damaged.") from error


def _inflated(path: Path) -> bytes:
    for piece in gzipped.inflate(path):
        return piece[:HEADER_BYTES]
    return b""


def _kind(head: bytes) -> type[Nifti1Header]:
    """nibabel's header class for these bytes."""
    from nibabel import Nifti1Header, Nifti2Header

    if len(head) < 348:
        raise NotNifti(f"It is cut short: {len(head):,} bytes are not even a NIfTI header.")
    size = {struct.unpack(order + "i", head[:4])[0] for order in "<>"}
    if head[4:8] in (b"n+2\0", b"ni2\0"):
        if len(head) < 540:
            raise NotNifti(f"It is cut short: {len(head):,} bytes are not even a NIfTI header.")
        return Nifti2Header
    if head[344:348] in (b"n+1\0", b"ni1\0"):
        return Nifti1Header
    if 348 in size:
        raise NotNifti("It is an Analyze 7.5 file, which does not say where left and right are; convert it to NIfTI.")
    raise NotNifti("It has the suffix of a NIfTI file, but is none.")


def _checked(header: Nifti1Header, *, paired: bool) -> NiftiHeader:
    """The header's fields as far as they make sense."""
    dims = [int(value) for value in header["dim"]]
    if not 2 <= dims[0] <= _MOST_DIMENSIONS:
        raise NotNifti(f"Its header gives {dims[0]} dimensions, where 2 to 7 are possible.")
    lengths = dims[1 : dims[0] + 1]
    if any(length < 1 for length in lengths[:3]) or any(length < 0 for length in lengths[3:]):
        raise NotNifti(f"Its header gives an impossible size: {' x '.join(map(str, lengths))}.")
    lengths += [1] * (_MOST_DIMENSIONS - len(lengths))
    volumes = 1
    for length in lengths[3:]:
        volumes *= max(length, 1)

    stored = _voxel_type(header)
    slope, inter = header.get_slope_inter()
    scaling = (1.0, 0.0) if slope is None else (float(slope), float(inter))
    affine, spacing, notes = _geometry(header)
    single = 352 if header.sizeof_hdr == 348 else 544
    offset = int(header["vox_offset"])
    if not paired:
        offset = max(offset, single)
    if offset < 0:
        raise NotNifti("Its header says that the voxels begin before the file does.")
    return NiftiHeader(three(lengths[:3]), volumes, stored, offset, *scaling, affine, spacing, paired, tuple(notes))


def _voxel_type(header: Nifti1Header) -> np.dtype:
    code = int(header["datatype"])
    if code not in header._data_type_codes.value_set("code"):
        raise NotNifti(f"Its voxels have type {code}, which NIfTI does not define.")
    stored = header.get_data_dtype()
    if stored.itemsize == 0 or stored.kind not in "uifcV" or (stored.kind == "V" and stored.names is None):
        raise NotNifti(f"Its voxels have type {header._data_type_codes.label[code]}, which cannot be shown.")
    return stored


def _geometry(header: Nifti1Header) -> tuple[np.ndarray | None, tuple[float, float, float] | None, list[str]]:
    """Affine and spacing, and what is to be said of them."""
    notes: list[str] = []
    unit = _MILLIMETRES.get(int(header["xyzt_units"]) & 7)
    scale = np.diag([unit] * 3 + [1.0]) if unit else np.eye(4)
    sform = _form(header, "sform", scale)
    qform = _form(header, "qform", scale)
    affine = sform if sform is not None else qform
    zooms = np.abs(np.asarray(header["pixdim"][1:4], np.float64)) * (unit or 1.0)
    if affine is None:
        stated = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
        said = "does not say" if not stated else "says in a way that cannot be used"
        notes.append(f"The file {said} how the scan lies in space: neither sides nor plane are known, and the slices are shown as stored.")
        known = np.isfinite(zooms).all() and zooms.min() >= 1e-3 and zooms.max() <= 1e3 and not np.allclose(zooms, 1)
        return None, three(float(zoom) for zoom in zooms) if known else None, notes
    if unit:
        notes.append(f"The file gives lengths in {'metres' if unit > 1 else 'micrometres'}; they were turned into millimetres.")
    if sform is not None and qform is not None and _disagree(sform, qform, header):
        notes.append("The two positions in the file (sform and qform) disagree; the first was used.")
    notes += describe_grid(affine)
    return affine, three(float(length) for length in np.linalg.norm(affine[:3, :3], axis=0)), notes


def _form(header: Nifti1Header, name: str, scale: np.ndarray) -> np.ndarray | None:
    from nibabel.spatialimages import HeaderDataError

    try:
        form = getattr(header, f"get_{name}")(coded=True)[0]
    except (HeaderDataError, ValueError, ArithmeticError):
        return None
    if form is None:
        return None
    form = scale @ np.asarray(form, np.float64)
    return form if usable(form) else None


def _disagree(sform: np.ndarray, qform: np.ndarray, header: Nifti1Header) -> bool:
    """Whether the two forms put any corner of the grid more than a millimetre apart, although both speak of the same space."""
    if int(header["sform_code"]) != int(header["qform_code"]):
        return False
    last = np.asarray(header["dim"][1:4], np.float64) - 1
    corners = np.array([[i, j, k, 1] for i in (0, last[0]) for j in (0, last[1]) for k in (0, last[2])]).T
    return bool(np.abs((sform - qform) @ corners)[:3].max() > _FORMS_AGREE_MM)
