"""One small DICOM file in every transfer syntax that the program reads, written and read back: do the decoders of this installation work?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import BrainviewerError
from .series import open_volume, scan

IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
RUN_LENGTH = "1.2.840.10008.1.2.5"


@dataclass(frozen=True, slots=True)
class Trial:
    """How one syntax is tried.

    Attributes:
        codec: name of the encoder in imagecodecs, or "": stored as it is, or by pydicom itself.
        options: of the encoder.
        bits: of a value.
        tolerance: how far a value may be off; lossy codecs change values.
    """

    codec: str = ""
    options: tuple[tuple[str, object], ...] = ()
    bits: int = 12
    tolerance: int = 0


_J2K = (("codecformat", "j2k"), ("reversible", True))

TRIALS: dict[str, Trial] = {
    IMPLICIT: Trial(),
    EXPLICIT: Trial(),
    BIG_ENDIAN: Trial(),
    DEFLATED: Trial(),
    RUN_LENGTH: Trial(),
    "1.2.840.10008.1.2.4.50": Trial("jpeg8_encode", (("level", 98),), 8, 6),
    "1.2.840.10008.1.2.4.51": Trial("jpeg8_encode", (("level", 98), ("bitspersample", 12)), 12, 40),
    "1.2.840.10008.1.2.4.57": Trial("ljpeg_encode"),
    "1.2.840.10008.1.2.4.70": Trial("ljpeg_encode"),
    "1.2.840.10008.1.2.4.80": Trial("jpegls_encode"),
    "1.2.840.10008.1.2.4.81": Trial("jpegls_encode", (("level", 2),), 12, 2),
    "1.2.840.10008.1.2.4.90": Trial("jpeg2k_encode", (("level", 0), *_J2K)),
    "1.2.840.10008.1.2.4.91": Trial("jpeg2k_encode", (("level", 100), ("codecformat", "j2k"), ("reversible", False)), 12, 8),
    "1.2.840.10008.1.2.4.201": Trial("htj2k_encode", (("reversible", True),)),
    "1.2.840.10008.1.2.4.203": Trial("htj2k_encode", (("reversible", False),), 12, 60),
}
"""By transfer syntax. HTJ2K with the order of progression that .202 asks for cannot be written here; the decoder is the one of .201."""


def picture(bits: int) -> np.ndarray:
    """(rows, columns) uint8 or uint16 without any symmetry, smooth enough for lossy codecs."""
    y, x = np.mgrid[:32, :40]
    values = 0.5 + 0.3 * np.sin(x / 7) + 0.15 * np.cos((y + x / 3) / 5)
    return np.round(values * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def write_trial(path: Path, syntax: str) -> np.ndarray:
    """Writes the picture in a transfer syntax; returns the picture."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID, RLELossless, generate_uid

    trial = TRIALS[syntax]
    values = picture(trial.bits)
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid(), generate_uid()
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "MR", 1, 1
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient, dataset.PixelSpacing = [0, 0, 0], [1, 0, 0, 0, 1, 0], [1, 1]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated = 8 * values.dtype.itemsize
    dataset.BitsStored, dataset.HighBit = trial.bits, trial.bits - 1
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(EXPLICIT if syntax == RUN_LENGTH else syntax)
    if trial.codec:
        import imagecodecs

        dataset.PixelData = encapsulate([getattr(imagecodecs, trial.codec)(values, **dict(trial.options))])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    else:
        dataset.PixelData = values.astype(values.dtype.newbyteorder(">" if syntax == BIG_ENDIAN else "<")).tobytes()
        dataset["PixelData"].VR = "OW"
    if syntax == RUN_LENGTH:
        dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)
    return values


def try_syntaxes(folder: Path, tell: Callable[[str], None] = lambda name: None) -> tuple[list[str], list[str]]:
    """Writes and reads every syntax: the names of those that work, and a sentence for each that does not.

    Args:
        folder: empty; gets a folder a syntax.
        tell: hears the name of each before it is tried.
    """
    from pydicom.uid import UID

    passed, failed = [], []
    for syntax, trial in TRIALS.items():
        name = UID(syntax).name
        tell(name)
        file = folder / syntax / "slice.dcm"
        try:
            file.parent.mkdir(parents=True)
            values = write_trial(file, syntax)
            found = open_volume(scan(file).series[0]).voxels[0, :, :, 0]
            off = int(np.abs(found.astype(np.int64) - values).max())
        except (BrainviewerError, ImportError, OSError, RuntimeError, ValueError, IndexError, AttributeError) as error:
            failed.append(f"{name}: {error}")
            continue
        if off > trial.tolerance:
            failed.append(f"{name}: values are off by up to {off}.")
        else:
            passed.append(name)
    return passed, failed
