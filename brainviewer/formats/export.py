"""Everything that is written of a scan and its analysis: pictures, masks, volumes, tables. The window and the command line call the same.

The formats, names and fields are those that other programs rely on; a set of results appears whole or not at all.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from .. import __version__
from ..imaging import render
from ..imaging.measure import measure
from ..imaging.prediction import OverlayStyle, Prediction, ScanResult
from ..imaging.volume import Volume, Window
from .film import encode_gif
from .series import Progress, silent
from .writing import check_target, png_bytes, proposed_folder, staged, write_file

__all__ = [
    "DEFAULT_SAVE",
    "SAVES",
    "check_target",
    "convert_volume",
    "export_overlays",
    "overlay_name",
    "overlay_picture",
    "proposed_folder",
    "results_document",
    "sixteen_bits",
    "spread",
    "table_text",
    "write_results",
]

SAVES = ("overlay", "mask", "probability", "panel", "nifti", "dicom-seg", "gif")
DEFAULT_SAVE = ("overlay", "mask")
COLUMNS = ("index", "source", "p_tumour", "tumour", "area_px", "area_mm2", "max_probability", "seconds")


# --- pictures ------------------------------------------------------------------------------------------------------------------------------


def overlay_picture(
    volume: Volume,
    z: int,
    windows: Sequence[Window],
    prediction: Prediction | None,
    style: OverlayStyle,
    show: str = "flair",
    reference: bool = False,
    *,
    overlay: bool = True,
    heatmap: bool = False,
    agreement: bool = False,
) -> np.ndarray:
    """What is shown and written of one slice: (Y, X, 3) uint8 RGB on the displayed grid.

    Args:
        volume: the scan.
        z: displayed index.
        windows: one a channel, from `render.windows_of` or as the user set them.
        prediction: of this slice, or None for the bare slice.
        style: how the mask is drawn, and from which probability on.
        show: what of a composed scan is shown.
        reference: whether the mask that came with the scan is drawn too.
        overlay: whether the mask is drawn.
        heatmap: whether the probabilities are drawn, where the segmenter has run.
        agreement: whether hit, missed and false pixels are drawn instead of the masks, where the slice came with a usable mask.
    """
    compared = agreement and bool(volume.labelled[z])
    own = volume.reference[z] if (reference or compared) and volume.reference is not None else None
    found = prediction.found(style.threshold) if prediction is not None and (overlay or compared) else None
    if compared and found is None and prediction is not None and not prediction.tumour:
        found = np.zeros(volume.shape[1:], bool)  # passed over by the segmenter: the answer is that there is nothing
    heat = prediction.mask.probability if heatmap and prediction is not None and prediction.mask is not None else None
    picture = render.background(volume, z, tuple(windows), show)
    return render.compose(picture, found, style, own, probability=heat, agreement=compared)


def overlay_name(volume: Volume, z: int) -> str:
    """`<stem>_overlay.png`."""
    return f"{volume.stems[z]}_overlay.png"


def export_overlays(
    out: Path, volume: Volume, predictions: Sequence[Prediction], style: OverlayStyle, *, slices: Sequence[int] | None = None
) -> list[Path]:
    """Writes the overlays of some slices, or of all, with the automatic windows; the files, in order.

    Raises:
        WriteError: if they cannot be written; none is there then.
    """
    chosen = range(len(volume)) if slices is None else slices
    windows = render.windows_of(volume)
    with staged(out) as stage:
        for z in chosen:
            (stage / overlay_name(volume, z)).write_bytes(png_bytes(overlay_picture(volume, z, windows, predictions[z], style)))
    return [out / overlay_name(volume, z) for z in chosen]


def spread(work: Callable[[int], None], items: Sequence[int], progress: Progress) -> None:
    """Does something for each item, a few at a time (OpenCV lets go of the interpreter); the first failure ends it."""
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="write")
    try:
        for done, _ in enumerate(pool.map(work, items), 1):
            progress(done, len(items))
    finally:
        pool.shutdown(cancel_futures=True)


# --- results of a scan ---------------------------------------------------------------------------------------------------------------------


def write_results(
    out: Path,
    volume: Volume,
    result: ScanResult,
    style: OverlayStyle,
    *,
    save: Collection[str] = DEFAULT_SAVE,
    show: str = "flair",
    source: str = "",
    seconds: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
    ignored: Sequence[tuple[str, str]] = (),
    more: Mapping[str, Callable[[Path], None]] | None = None,
    progress: Progress = silent,
) -> dict:
    """Writes all that `predict` writes of one scan into one folder, and returns the document of `results.json`.

    Args:
        style: its threshold is the one that masks are cut with.
        save: of `SAVES`; `results.json` and `slices.csv` are always written.
        show: what of a composed scan overlays show.
        source: the series' folder or file as `info` names it.
        seconds: "load" and "read", as far as known.
        notes: sentences beside those of the volume and the result.
        ignored: (file, why) beside those of the volume.
        more: further files by name, each written by a function of its path (e.g. the DICOM SEG).
        progress: is told of slices.

    Raises:
        WriteError: if something cannot be written; nothing is there then.
        ValueError: for a word in `save` that is unknown, or "dicom-seg" without a function for it.
    """
    unknown = set(save) - set(SAVES)
    if unknown or ("dicom-seg" in save and not more):
        raise ValueError(f"save takes {SAVES}, dicom-seg with its writer. Received: {sorted(save)}")
    started = time.perf_counter()
    windows = render.windows_of(volume)
    with staged(out) as stage:
        film: dict[int, np.ndarray] = {}

        def write(z: int) -> None:
            prediction = result.predictions[z]
            pictures = _pictures(volume, z, windows, prediction, style, show, save)
            for name, picture in pictures.items():
                (stage / name).write_bytes(png_bytes(picture))
            if "gif" in save:
                film[z] = overlay_picture(volume, z, windows, prediction, style, show)

        spread(write, range(len(volume)), progress)
        mask = result.mask(style.threshold, volume.shape)
        if film:
            (stage / "scan.gif").write_bytes(encode_gif(np.stack([film[z] for z in range(len(volume))])))
        if "nifti" in save:
            _write_nifti(stage / "mask.nii.gz", mask.astype(np.uint8), volume)
        if "probability" in save:
            whole = np.zeros(volume.shape, np.uint16)
            for z, prediction in enumerate(result.predictions):
                if prediction.mask is not None:
                    whole[z] = sixteen_bits(prediction.mask.probability)
            _write_nifti(stage / "probability.nii.gz", whole, volume, slope=1 / 65535)
        for name, write_it in (more or {}).items():
            write_it(stage / name)
        document = results_document(volume, result, style.threshold, save, source, notes, ignored)
        (stage / "slices.csv").write_text(table_text(document["slices"]), encoding="utf-8", newline="")
        document["seconds"] = {
            "load": 0.0,
            "read": 0.0,
            **(seconds or {}),
            "analyse": round(result.seconds, 3),
            "write": round(time.perf_counter() - started, 3),
        }
        (stage / "results.json").write_text(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n", encoding="utf-8")
    return document


def _pictures(
    volume: Volume, z: int, windows: tuple[Window, ...], prediction: Prediction, style: OverlayStyle, show: str, save: Collection[str]
) -> dict[str, np.ndarray]:
    """The pictures of one slice by file name."""
    stem = volume.stems[z]
    pictures = {}
    found = prediction.found(style.threshold)
    mask = np.zeros(volume.shape[1:], bool) if found is None else found
    if "overlay" in save:
        pictures[overlay_name(volume, z)] = overlay_picture(volume, z, windows, prediction, style, show)
    if "mask" in save:
        pictures[f"{stem}_mask.png"] = render.binary_picture(mask)
    if "probability" in save:
        empty = np.zeros(volume.shape[1:], np.uint16)
        pictures[f"{stem}_probability.png"] = empty if prediction.mask is None else sixteen_bits(prediction.mask.probability)
    if "panel" in save:
        reference = None if volume.reference is None else volume.reference[z]
        pictures[f"{stem}_panel.png"] = render.panel(render.background(volume, z, windows, show), mask, style, reference)
    return pictures


def sixteen_bits(probability: np.ndarray) -> np.ndarray:
    """0..1 as uint16 0..65535 of the same shape."""
    return np.rint(np.clip(probability, 0, 1).astype(np.float64) * 65535).astype(np.uint16)


def results_document(
    volume: Volume,
    result: ScanResult,
    threshold: float,
    save: Collection[str] = (),
    source: str = "",
    notes: Sequence[str] = (),
    ignored: Sequence[tuple[str, str]] = (),
) -> dict:
    """What `results.json` says, as plain values; "seconds" is added when all is written."""
    spacing = volume.spacing
    measures = measure(result.mask(threshold, volume.shape), spacing, volume.voxel_mm3)
    diameters = measures.diameters
    rows = []
    for z, prediction in enumerate(result.predictions):
        rows.append(
            {
                "index": z,
                "source": volume.sources[z],
                "p_tumour": _rounded(prediction.p_tumour, 6),
                "tumour": bool(prediction.tumour),
                "area_px": measures.areas_px[z],
                "area_mm2": None if measures.areas_mm2 is None else _rounded(measures.areas_mm2[z], 3),
                "max_probability": None if prediction.mask is None else _rounded(float(prediction.mask.probability.max()), 6),
                "seconds": _rounded(prediction.seconds, 4),
                "mask": f"{volume.stems[z]}_mask.png" if "mask" in save else None,
                "overlay": overlay_name(volume, z) if "overlay" in save else None,
            }
        )
    return {
        "brainviewer": __version__,
        "source": source or volume.source.name,
        "key": volume.key,
        "format": volume.format,
        "shape": [int(size) for size in volume.voxels.shape],
        "spacing_mm": None if spacing is None else list(spacing),
        "spacing_assumed": volume.spacing_assumed,
        "plane": volume.plane,
        "engine": result.engine,
        "device": result.device,
        "precision": result.precision,
        "models": [dict(zip(("name", "version", "task", "sha256"), model, strict=True)) for model in result.models],
        "threshold": float(threshold),
        "decision_threshold": float(result.decision_threshold),
        "slices": rows,
        "scan": {
            "tumour": result.slices_with_tumour > 0,
            "slices_with_tumour": result.slices_with_tumour,
            "volume_ml": None if measures.volume_ml is None else _rounded(measures.volume_ml, 4),
            "longest_diameter_mm": None if diameters is None else _rounded(diameters.longest_mm, 2),
            "perpendicular_diameter_mm": None if diameters is None else _rounded(diameters.perpendicular_mm, 2),
            "largest_slice": measures.largest_slice,
            "fit": None if result.fit is None else _rounded(result.fit, 4),
        },
        "seconds": {},
        "notes": list(dict.fromkeys((*volume.notes, *result.notes, *notes))),
        "ignored": [{"file": file, "why": why} for file, why in dict.fromkeys((*volume.ignored, *ignored))],
    }


def _rounded(value: float, digits: int) -> float:
    return round(float(value), digits)


def table_text(rows: Sequence[Mapping[str, object]], *, edited: bool = False) -> str:
    """The rows as CSV; what is not known is empty, true and false as in JSON. `edited` adds what a person did to the slice."""
    columns = (*COLUMNS, "edited", "reviewed") if edited else COLUMNS
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if row[name] is None else str(row[name]).lower() if isinstance(row[name], bool) else row[name] for name in columns])
    return text.getvalue()


# --- NIfTI ---------------------------------------------------------------------------------------------------------------------------------


def convert_volume(volume: Volume, out: Path) -> Path:
    """Writes the scan itself as `<key>.nii.gz` with its geometry, on its stored grid; returns the file.

    Three sequences become three volumes of one file, colours of 8 bits become RGB voxels.

    Raises:
        WriteError: if it cannot be written.
    """
    path = out / f"{volume.key}.nii.gz"
    voxels = volume.voxels
    if voxels.dtype == np.float16:
        voxels = voxels.astype(np.float32)
    write_file(path, gzipped(nifti_bytes(voxels, volume, rgb=volume.channels == ("red", "green", "blue"))))
    return path


def _write_nifti(path: Path, displayed: np.ndarray, volume: Volume, slope: float | None = None) -> None:
    path.write_bytes(gzipped(nifti_bytes(displayed[..., np.newaxis], volume, slope=slope)))


def gzipped(data: bytes) -> bytes:
    """The same bytes for the same data: no time, no name."""
    return gzip.compress(data, compresslevel=4, mtime=0)


def nifti_bytes(displayed: np.ndarray, volume: Volume, *, rgb: bool = False, slope: float | None = None) -> bytes:
    """A NIfTI-1 file on the volume's stored grid.

    Args:
        displayed: (Z, Y, X, C) on the displayed grid.
        volume: whose geometry it has. TIFF and pictures say nothing of directions: identity, with codes 0.
        rgb: whether three channels of uint8 are colours, else they are volumes.
        slope: what stored numbers are multiplied with.
    """
    import nibabel as nib

    if volume.stored is not None:
        stored = np.moveaxis(np.stack([volume.stored.restore(displayed[..., channel]) for channel in range(displayed.shape[-1])]), 0, -1)
        affine = volume.stored.affine
    else:
        stored, affine = displayed.transpose(2, 1, 0, 3), volume.affine
    placed = affine is not None and volume.format not in ("tiff", "picture")
    header = nib.Nifti1Header()
    if rgb and stored.dtype == np.uint8 and stored.shape[-1] == 3:
        stored = np.ascontiguousarray(stored).view([("R", "u1"), ("G", "u1"), ("B", "u1")])
    stored = stored[..., 0] if stored.shape[-1] == 1 else stored
    header.set_data_dtype(stored.dtype)
    header.set_data_shape(stored.shape)
    header["vox_offset"] = 352
    header["scl_slope"], header["scl_inter"] = (slope, 0) if slope is not None else (1, 0)
    header.set_xyzt_units("mm" if affine is not None else "unknown")
    if affine is not None:
        header.set_zooms([*np.linalg.norm(affine[:3, :3], axis=0), *([1.0] * (stored.ndim - 3))])
    matrix = affine if placed and affine is not None else np.diag([*header.get_zooms()[:3], 1.0])
    header.set_sform(matrix, code=1 if placed else 0)
    header.set_qform(matrix, code=1 if placed else 0)
    if placed and not np.allclose(np.asarray(header.get_qform()), matrix, atol=1e-3):
        header["qform_code"] = 0  # a sheared grid has no such form
    if stored.ndim == 4:
        header["descrip"] = ", ".join(volume.channels).encode()[:79]
    stored = stored.astype(stored.dtype.newbyteorder("<"), copy=False)
    plain = nib.Nifti1Header(header.as_byteswapped("<").binaryblock) if header.endianness != "<" else header
    return plain.binaryblock + b"\0\0\0\0" + stored.tobytes(order="F")
