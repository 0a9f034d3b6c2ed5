"""What the data check wrote, as typed values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ...errors import ReadError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; see `brainviewer explore --help`.

    Attributes:
        patient: key of the scan, or "" where it concerns the folder.
        file: relative to the folder that contains the data, or "".
        slice: displayed index, or None.
    """

    kind: str
    patient: str
    file: str
    slice: int | None
    sentence: str


@dataclass(frozen=True, slots=True)
class PatientRow:
    """Attributes:
    labelled: slices with a usable mask.
    tumour: slices whose mask is not empty.
    size: of the tumour, in `CheckReport.unit`.
    """

    patient: str
    slices: int
    labelled: int
    tumour: int
    size: float


@dataclass(frozen=True, slots=True)
class Brightness:
    """Of the heads of some scans: the share of the head, median over the scans, in each of equal steps of brightness 0..1."""

    scans: int
    shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Of one folder.

    Attributes:
        data: the folder that was checked.
        folder: where the pictures are.
        unit: of the tumour sizes.
        headings: of the kinds of findings, the gravest first.
        left_out: sentences on what training will not use.
        pictures: file names.
        brightness: of this data and of what the bundled models learned from, or None.
    """

    data: Path
    folder: Path
    patients: tuple[PatientRow, ...]
    slices: int
    labelled: int
    tumour: int
    unit: str
    findings: tuple[Finding, ...]
    headings: dict[str, str]
    left_out: tuple[str, ...]
    pictures: tuple[str, ...]
    brightness: tuple[Brightness, Brightness] | None = None

    @property
    def usable(self) -> bool:
        """Whether there is anything to learn from."""
        return self.tumour > 0


def read_report(data: Path, folder: Path) -> CheckReport:
    """The report in `folder` on `data`.

    Raises:
        ReadError: if it cannot be read.
    """
    file = folder / "findings.json"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        known_ml = all(row["tumour_ml"] is not None for row in document["per_patient"] if row["labelled"])
        rows = tuple(
            PatientRow(
                row["patient"],
                row["slices"],
                row["labelled"],
                row["tumour"],
                (row["tumour_ml"] or 0.0) if known_ml else row["tumour_px"] / 1000,
            )
            for row in document["per_patient"]
        )
        findings = tuple(Finding(f["kind"], f["patient"], f["file"], f["slice"], f["sentence"]) for f in document["findings"])
        return CheckReport(
            data,
            folder,
            rows,
            document["slices"],
            document["slices_labelled"],
            document["slices_with_tumour"],
            "ml" if known_ml else "1,000 pixels",
            findings,
            dict(document["headings"]),
            tuple(document["left_out"]),
            tuple(name for name in document["files"] if name.endswith(".png")),
            _brightness(document.get("intensities")),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(f'The result of the data check cannot be read ("{file.name}": {error}).', "Start the check again.") from None


def _brightness(document: dict | None) -> tuple[Brightness, Brightness] | None:
    if document is None:
        return None
    here, bundled = (Brightness(int(spread["scans"]), tuple(spread["middle"])) for spread in (document["here"], document["bundled"]))
    return here, bundled
