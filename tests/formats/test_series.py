"""The listing of a path: what is found, what it is called, what is said of the rest."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from brainviewer.errors import Cancelled, ReadError
from brainviewer.formats import describe, find_series, nothing_found, open_volume, scan
from brainviewer.formats.series import HEAD_BYTES, READER_MODULES, listed, natural, readers, safe_name, stem_of, unique_names

SLICE = np.arange(64, dtype=np.uint8).reshape(8, 8)


def write_slices(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        tifffile.imwrite(folder / name, SLICE + np.uint8(number))
    return folder


def test_the_readers_are_asked_in_their_order():
    assert tuple(reader.name for reader in readers()) == READER_MODULES == ("dicom", "nifti", "tiff")


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (b"II*\0" + bytes(508), "a", "tiff"),
        (b"II*\0" + bytes(124) + b"DICM" + bytes(380), "a.tif", "dicom"),  # a DICOM whose preamble makes it a TIFF too
        (b"MM\0*" + bytes(508), "a.nii.txt", "tiff"),
        (b"\x89PNG\r\n\x1a\n" + bytes(504), "a", "tiff"),
        (b"hello", "a.tif", "tiff"),
        (b"hello", "a.txt", None),
    ],
)
def test_a_file_goes_to_the_first_reader_that_claims_it(head, name, expected):
    claiming = [reader.name for reader in readers() if reader.claims(Path(name), head[:HEAD_BYTES])]
    assert (claiming[0] if claiming else None) == expected


def test_a_folder_of_folders_is_a_series_each_in_natural_order(tmp_path):
    for patient in ("p10", "p2", "p1"):
        write_slices(tmp_path / "study" / patient, ["s_1.tif", "s_2.tif"])
    listing = scan(tmp_path / "study")
    assert [series.key for series in listing.series] == ["p1", "p2", "p10"]
    assert [series.source for series in listing.series] == ["study/p1", "study/p2", "study/p10"]
    assert listing.ignored == ()


def test_keys_are_paths_relative_to_what_is_opened(tmp_path):
    write_slices(tmp_path / "all" / "a b" / "deep", ["1.tif", "2.tif"])
    assert [s.key for s in scan(tmp_path / "all").series] == ["a_b_deep"]
    assert [s.key for s in scan(tmp_path / "all" / "a b").series] == ["deep"]
    assert [s.key for s in scan(tmp_path / "all" / "a b" / "deep").series] == ["deep"]
    assert [s.key for s in scan(tmp_path / "all" / "a b" / "deep" / "1.tif").series] == ["1"]


def test_keys_that_would_be_equal_are_told_apart(tmp_path):
    write_slices(tmp_path / "a b", ["1.tif", "2.tif"])
    write_slices(tmp_path / "a_b", ["1.tif", "2.tif"])
    listing = scan(tmp_path)
    keys = [series.key for series in listing.series]
    assert keys == ["a_b", "a_b-2"]
    assert [open_volume(series).key for series in listing.series] == keys
    assert find_series(listing, "a_b-2").source.endswith("a_b")


def test_the_working_directory_can_be_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(write_slices(tmp_path / "case", ["1.tif", "2.tif"]))
    series = scan(Path(".")).series[0]
    assert (series.key, series.source) == ("case", "case")


def test_hidden_files_are_skipped_and_the_rest_is_explained(tmp_path):
    write_slices(tmp_path / "case", ["1.tif", "2.tif", ".3.tif"])
    write_slices(tmp_path / "case" / ".git", ["1.tif"])
    (tmp_path / "case" / "notes.txt").write_text("scanned on a Tuesday")
    (tmp_path / "case" / "empty.tif").touch()
    (tmp_path / "case" / "data.bin").write_bytes(bytes(range(256)))
    listing = scan(tmp_path / "case")
    assert [series.shape for series in listing.series] == [(2, 8, 8)]
    assert {row.file: row.why for row in listing.ignored} == {
        "case/notes.txt": "It is a text file, not an image.",
        "case/empty.tif": "The file is empty.",
        "case/data.bin": "It is none of the formats that can be read: TIFF, PNG, JPEG, DICOM and NIfTI.",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_that_lead_in_circles_end(tmp_path):
    write_slices(tmp_path / "case", ["1.tif", "2.tif"])
    (tmp_path / "case" / "up").symlink_to(tmp_path / "case", target_is_directory=True)
    (tmp_path / "case" / "nowhere.tif").symlink_to(tmp_path / "gone.tif")
    listing = scan(tmp_path / "case")
    assert [len(series.files) for series in listing.series] == [2]
    assert [(row.file, row.why) for row in listing.ignored] == [("case/nowhere.tif", "It is a broken link or no plain file.")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes there")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.tif")
    assert [row.file for row in scan(tmp_path).ignored] == [f"{tmp_path.name}/pipe.tif"]
    with pytest.raises(ReadError, match="neither a file nor a folder"):
        scan(tmp_path / "pipe.tif")


@pytest.mark.skipif(sys.platform == "win32" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="rights do not bind this user")
def test_what_may_not_be_read_is_said(tmp_path):
    folder = write_slices(tmp_path / "case", ["1.tif", "2.tif"])
    (folder / "2.tif").chmod(0)
    assert [row.why for row in scan(folder).ignored] == ["It cannot be read: permission denied."]
    folder.chmod(0)
    try:
        with pytest.raises(ReadError, match="permission denied"):
            scan(folder)
    finally:
        folder.chmod(0o700)


def test_a_path_that_does_not_exist():
    with pytest.raises(ReadError, match="does not exist") as caught:
        scan(Path("no/such/place"))
    assert caught.value.hint


def test_a_path_through_a_file_does_not_exist(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ReadError, match="does not exist"):
        scan(tmp_path / "file" / "below")


def test_nothing_found_says_why(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert nothing_found(scan(empty)).sentence == '"empty" is an empty folder.'
    (empty / "a.txt").write_text("words")
    assert "text file" in nothing_found(scan(empty)).sentence
    (empty / "b.txt").write_text("words")
    assert nothing_found(scan(empty)).sentence == (
        'No scan was found in "empty": none of its 2 files can be shown, e.g. "empty/a.txt": it is a text file, not an image.'
    )
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.tif").write_text("hello")
    assert nothing_found(scan(tmp_path / "one")).sentence == (
        'No scan was found in "one", whose only file is "one/a.tif": the file is named like a TIFF but is a text file.'
    )
    assert nothing_found(scan(empty / "a.txt")).sentence == '"a.txt" cannot be opened: it is a text file, not an image.'
    for error in (nothing_found(scan(empty)), nothing_found(scan(empty / "a.txt"))):
        assert error.hint.endswith(".")


def test_a_key_that_is_not_there_names_those_that_are(tmp_path):
    listing = scan(write_slices(tmp_path / "case", ["1.tif", "2.tif"]))
    with pytest.raises(ReadError, match='no series "x"') as caught:
        find_series(listing, "x")
    assert "case" in caught.value.hint


def test_pictures_beside_dicom_are_previews(tmp_path, monkeypatch):
    from brainviewer.formats import dicom

    write_slices(tmp_path / "mixed", ["1.tif", "2.tif"])
    import cv2

    cv2.imwrite(str(tmp_path / "mixed" / "1.png"), SLICE)
    (tmp_path / "mixed" / "IM1").write_bytes(bytes(128) + b"DICM" + bytes(200))
    monkeypatch.setattr(type(dicom.READER), "scan", lambda self, root, files, progress: ([], []))
    listing = scan(tmp_path / "mixed")
    assert [series.format for series in listing.series] == ["tiff"]
    assert [(row.file, row.why) for row in listing.ignored] == [("mixed/1.png", "It is a picture beside DICOM files, which are shown instead.")]


def test_results_of_an_earlier_analysis_are_no_scan(tmp_path):
    write_slices(tmp_path / "case", ["1.tif", "2.tif"])
    write_slices(tmp_path / "case" / "results", ["1_overlay.tif"])
    (tmp_path / "case" / "results" / "results.json").write_text('{\n "brainviewer": "1.0"}')
    listing = scan(tmp_path / "case")
    assert [series.key for series in listing.series] == ["case"]
    assert {row.why for row in listing.ignored} == {"It is a text file, not an image.", "It belongs to the results of an earlier analysis."}


def test_looking_can_be_stopped(tmp_path):
    write_slices(tmp_path / "case", ["1.tif", "2.tif"])

    def stop(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        scan(tmp_path / "case", stop)
    series = scan(tmp_path / "case").series[0]
    with pytest.raises(Cancelled):
        open_volume(series, stop)


def test_progress_ends_at_the_total(tmp_path):
    write_slices(tmp_path / "case", [f"{n}.tif" for n in range(5)])
    seen: list[tuple[int, int]] = []
    series = scan(tmp_path / "case", lambda done, total: seen.append((done, total))).series[0]
    assert seen[-1] == (5, 5)
    assert sorted(seen) == seen
    seen.clear()
    open_volume(series, lambda done, total: seen.append((done, total)))
    assert seen == [(n, 5) for n in range(1, 6)]


def test_the_document_of_info(tmp_path):
    write_slices(tmp_path / "case", ["1.tif", "2.tif"])
    (tmp_path / "case" / "a.txt").write_text("x")
    document = describe(scan(tmp_path / "case"))
    assert json.loads(json.dumps(document)) == document
    assert document["ignored"] == [{"file": "case/a.txt", "why": "It is a text file, not an image."}]
    assert document["series"] == [
        {
            "key": "case",
            "format": "tiff",
            "description": "case",
            "modality": "",
            "sequence": None,
            "source": "case",
            "files": 2,
            "slices": 2,
            "shape": [2, 8, 8, 1],
            "dtype": "uint8",
            "spacing_mm": None,
            "affine": None,
            "plane": None,
            "axes": "",
            "order_by": "name",
            "reference": False,
            "notes": [],
        }
    ]


# --- names


def test_natural_order():
    names = ["s_10.tif", "s_2.tif", "S_1.tif", "s_2b.tif", "s.tif"]
    assert sorted(names, key=natural) == ["s.tif", "S_1.tif", "s_2.tif", "s_2b.tif", "s_10.tif"]


@given(st.lists(st.text(max_size=12), max_size=8))
def test_natural_order_is_total_whatever_the_names(names):
    assert sorted(sorted(names), key=natural) == sorted(sorted(names, reverse=True), key=natural)


@given(st.text(max_size=300))
def test_safe_names_are_safe(text):
    name = safe_name(text)
    assert name
    assert not name.startswith((".", "-", " "))
    assert not set(name) & set('/\\:*?"<>|,= \t\n\0')
    assert len(name.encode()) <= 120
    assert name.split(".")[0].lower() not in ("con", "nul", "aux", "prn", "com1")
    assert safe_name(name) == name


def test_safe_names_keep_letters_of_any_script():
    assert safe_name("Schädel 1/axial") == "Schädel_1_axial"
    assert safe_name("CON") == "_CON"
    assert safe_name("...") == "series"


@given(st.lists(st.sampled_from(["a", "A", "a-2", "b"]), max_size=8))
def test_unique_names_are_unique_on_every_file_system(names):
    result = unique_names(names)
    assert len({name.casefold() for name in result}) == len(names)


def test_stems():
    assert [stem_of(name) for name in ("a.nii.gz", "a.b.tif", "a", ".nii.gz", "a.ome.tiff")] == ["a", "a.b", "a", ".nii", "a"]


def test_long_lists_are_cut():
    assert listed([1]) == "1"
    assert listed([1, 2]) == "1 and 2"
    assert listed(range(10), 3) == "0, 1, 2 and 7 more"
