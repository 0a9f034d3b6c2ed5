"""The reading receipt: what it says, what it warns of, and that its text and its document say the same."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydicom")
sys.path.insert(0, str(Path(__file__).parent))

from dicom_files import head_scan, write_series

from brainviewer.formats import open_volume, scan
from brainviewer.formats.receipt import Receipt, receipt_of
from brainviewer.imaging.prediction import Prediction, ScanResult
from brainviewer.imaging.volume import Volume


def volume_of(slices: int = 3, **more: object) -> Volume:
    names = tuple(f"case/slice_{z}.tif" for z in range(slices))
    voxels = np.zeros((slices, 8, 9, 1), np.uint8)
    return Volume(voxels, None, ("grey",), Path("/scans/case"), "case", "tiff", names, names, **more)


def result_of(volume: Volume, fit: float | None = 0.9, drawn: tuple[int, ...] = (), **more: object) -> ScanResult:
    mask = np.zeros(volume.shape[1:], bool)
    predictions = tuple(Prediction(z, 0.1, False, None, False, drawn=mask if z in drawn else None) for z in range(len(volume)))
    models = (("resnet", "1.0.0", "classify", "ab" * 32),)
    return ScanResult(predictions, 0.4, 0.5, fit, "onnx", "CPU", "float32", models, trained_on=("resnet 1.0.0: made squares, 3 patients.",), **more)


def words(receipt: Receipt, topic: str) -> str:
    return next(entry.words for entry in receipt.entries if entry.topic == topic)


def warned(receipt: Receipt) -> set[str]:
    return {entry.topic for entry in receipt.entries if entry.attention}


def test_says_what_was_used_and_what_not_and_why() -> None:
    volume = volume_of(ignored=(("case/notes.txt", "It is no picture."),), notes=("The window is odd.",))
    receipt = receipt_of(volume, None, result_of(volume), [("case/other.doc", "It is no picture.")])
    assert words(receipt, "Used").splitlines()[:2] == ["3 files used for 3 slices.", "First: case/slice_0.tif"]
    assert words(receipt, "Ignored").splitlines() == ["2 files ignored.", "case/notes.txt: It is no picture.", "case/other.doc: It is no picture."]
    assert words(receipt, "Noted") == "The window is odd."
    assert words(receipt, "Learned from") == "resnet 1.0.0: made squares, 3 patients."
    assert warned(receipt) == {"Spacing", "Sequence", "Noted"}


@pytest.mark.parametrize(
    ("more", "expected", "attention"),
    [
        ({}, "do not state how large a pixel is", True),
        ({"voxel_mm": (5.0, 0.9375, 0.9375)}, "5 mm from slice to slice, 0.9375 x 0.9375 mm a pixel, as the files state.", False),
        ({"voxel_mm": (5.0, 1.0, 1.0), "spacing_assumed": True}, "typed by the user", True),
    ],
)
def test_says_where_the_spacing_came_from(more: dict, expected: str, attention: bool) -> None:
    receipt = receipt_of(volume_of(**more))
    assert expected in words(receipt, "Spacing")
    assert ("Spacing" in warned(receipt)) is attention
    assert receipt.document()["spacing"]["from"] == (None if not more else "typed" if "spacing_assumed" in more else "files")


@pytest.mark.parametrize(("fit", "amber"), [(0.9, False), (0.5, False), (0.49, True), (None, False)])
def test_a_scan_that_does_not_fit_has_an_amber_light(fit: float | None, amber: bool) -> None:
    volume = volume_of()
    receipt = receipt_of(volume, None, result_of(volume, fit))
    assert ("Fit" in warned(receipt)) is amber
    assert receipt.document()["fit"] == fit


def test_gaps_are_said_apart_from_other_notes(tmp_path: Path) -> None:
    even, gapped = tmp_path / "even", tmp_path / "gapped"
    for folder, keep in ((even, range(8)), (gapped, (0, 1, 2, 5, 6, 7))):
        folder.mkdir()
        files = write_series(tmp_path / f"all of {folder.name}", head_scan(8), depth=4.0)
        for z in keep:
            files[z].rename(folder / files[z].name)
    for folder, expected in ((even, "None: the positions are evenly spaced."), (gapped, "2 slices seem to be missing")):
        series = scan(folder).series[0]
        receipt = receipt_of(open_volume(series), series)
        assert words(receipt, "Gaps").startswith(expected)
        assert ("Gaps" in warned(receipt)) is (folder is gapped)
        assert not any("missing" in entry.words for entry in receipt.entries if entry.topic == "Noted")
    assert "position" in words(receipt, "Order")
    names = volume_of(notes=("1 slice is missing from the numbering 1 to 4: 2.",))
    assert words(receipt_of(names), "Gaps") == "1 slice is missing from the numbering 1 to 4: 2."


def test_what_was_drawn_by_hand_is_said() -> None:
    volume = volume_of(9)
    receipt = receipt_of(volume, None, result_of(volume, drawn=(2, 3, 4, 7)))
    assert words(receipt, "By hand") == "The masks of 4 slices were drawn or changed by hand: 3 to 5, 8."
    assert not any(entry.topic == "By hand" for entry in receipt_of(volume, None, result_of(volume)).entries)


def test_long_lists_are_cut_in_the_text_and_whole_in_the_document() -> None:
    receipt = receipt_of(volume_of(100), ignored=[(f"{n}.doc", "It is no picture.") for n in range(50)])
    assert words(receipt, "Used").splitlines()[-1] == "Last: case/slice_99.tif"
    assert words(receipt, "Ignored").splitlines()[-1] == "and 30 more"
    assert len(receipt.document()["files"]) == 100
    assert len(receipt.document()["ignored"]) == 50


def test_the_sample_has_one(sample: Path) -> None:
    listing = scan(sample)
    series = listing.series[0]
    volume = open_volume(series)
    receipt = receipt_of(volume, series, result_of(volume), [(row.file, row.why) for row in listing.ignored])
    assert "32 files used for 32 slices" in receipt.text()
    assert "by their names" in words(receipt, "Order")
    document = json.loads(json.dumps(receipt.document(), allow_nan=False))
    assert document["order_by"] == "name"
    assert [row["file"] for row in document["ignored"]] == [row.file for row in listing.ignored]
    assert receipt_of(replace(volume, source=Path("/home/somebody/private")), series).text().find("somebody") < 0
    for entry in receipt.entries:
        assert entry.words.split("\n")[0] in receipt.text()
