"""Which series are analysed and which comes first, on listings of studies with many series."""

import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

pytest.importorskip("pydicom")
sys.path.insert(0, str(Path(__file__).parent))

import tifffile
from dicom_files import head_scan, write_series

from brainviewer.errors import ReadError
from brainviewer.formats import choice, find_series, scan
from brainviewer.inference.predict import choose_series

SAGITTAL = {"row": (0, 1, 0), "column": (0, 0, -1)}


def study(folder, *rows):
    """Writes (description, values of every file) as one series each, in this order; the listing."""
    for number, (name, values) in enumerate(rows):
        values = {"slices": 6, **values}
        pixels = head_scan(slices=values.pop("slices"))
        write_series(folder / f"{number}", pixels, series=f"1.2.7.{number + 1}", SeriesNumber=number + 1, SeriesDescription=name, **values)
    return scan(folder)


def chosen(listing):
    """Descriptions of the chosen series, and the notes as one text."""
    series, notes = choose_series(listing, None)
    assert all(note.endswith(".") for note in notes)
    return [one.description for one in series], " ".join(notes)


DERIVED = {"ImageType": ["DERIVED", "SECONDARY", "OTHER"]}


def test_the_flair_of_a_study_with_everything_beside_it(tmp_path):
    listing = study(
        tmp_path,
        ("3-plane localizer", {"slices": 3}),
        ("AX T1", {}),
        ("AX T2", {}),
        ("ADC", DERIVED),
        ("ep2d_diff_trace", {}),
        ("Processed Images", DERIVED),
        ("unnamed", {}),
        ("AX FLAIR", {}),
        ("AX T1 +C", {}),
    )
    names, notes = chosen(listing)
    assert names == ["AX FLAIR"]
    assert "likeliest FLAIR: its name or timing says so." in notes
    assert all(series.key in notes for series in listing.series), "what is left aside is named, and so is what three make a composed scan"
    assert "--channels pre=2_AX_T1_" in notes


def test_timing_alone_tells_a_flair(tmp_path):
    timing = {"RepetitionTime": 9000, "EchoTime": 120, "InversionTime": 2500}
    names, notes = chosen(study(tmp_path, ("Series A", {}), ("Series B", timing), ("Series C", {})))
    assert names == ["Series B"]
    assert "Series_A" in notes


def test_all_that_fit_the_likeliest_first(tmp_path):
    listing = study(
        tmp_path,
        ("SAG FLAIR", SAGITTAL),
        ("AX FLAIR MPR", DERIVED),
        ("AX FLAIR few", {"slices": 2}),
        ("AX FLAIR", {}),
    )
    names, notes = chosen(listing)
    assert names == ["AX FLAIR", "AX FLAIR few", "AX FLAIR MPR", "SAG FLAIR"]
    assert "3 more do" in notes


@pytest.mark.parametrize(
    ("rows", "best", "says"),
    [
        ((("AX T1", {}), ("AX T2", {}), ("localizer", {})), "AX T2", "its name or timing says T2"),
        ((("localizer", {}), ("ADC map", {}), ("AX T1 +C", {})), "AX T1 +C", "says T1 post-contrast"),
        ((("scan", {"Modality": "CT"}), ("AX T1", {})), "AX T1", "says T1"),
        ((("SAG T2", SAGITTAL), ("AX T1", {})), "AX T1", "says T1"),
        ((("FA", DERIVED), ("localizer", {})), "FA", "nothing says what it is"),
    ],
)
def test_where_nothing_fits_the_likeliest_and_a_note(tmp_path, rows, best, says):
    names, notes = chosen(study(tmp_path, *rows))
    assert names == [best]
    assert 'No series that may be analysed looks like a FLAIR; "' in notes
    assert says in notes


def test_a_refused_flair_is_told_and_something_else_analysed(tmp_path):
    listing = study(tmp_path, ("SAG FLAIR", SAGITTAL), ("AX T2", {}), ("AX T1", {}))
    names, notes = chosen(listing)
    assert names == ["SAG FLAIR", "AX T2"]
    assert "No series that may be analysed looks like a FLAIR" in notes
    assert "sagittal" in choice.refusal(listing.series[0])


def test_alone_a_refused_series_is_chosen_so_that_its_reason_is_told(tmp_path):
    listing = study(tmp_path, ("SAG FLAIR", SAGITTAL))
    assert chosen(listing)[0] == ["SAG FLAIR"]


def test_mosaics_and_colour_are_known_before_they_are_read(tmp_path):
    mosaic = {"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}
    listing = study(tmp_path, ("AX FLAIR", mosaic), ("AX FLAIR", {}))
    series = choose_series(listing, None)[0]
    assert [bool(choice.refusal(one)) for one in series] == [False, True]
    assert "mosaic" in choice.refusal(series[1])


def test_series_of_other_examinations_stand_for_themselves(tmp_path):
    """A FLAIR of one patient does not speak for another's scan."""
    listing = study(tmp_path, ("AX FLAIR", {"StudyInstanceUID": "1.5.1"}), ("series 2", {"StudyInstanceUID": "1.5.1"}))
    more = study(tmp_path / "other", ("series 9", {"StudyInstanceUID": "1.5.2"}))
    assert chosen(listing)[0] == ["AX FLAIR"]
    assert chosen(more)[0] == ["series 9"]
    assert sorted(chosen(scan(tmp_path))[0]) == ["AX FLAIR", "series 9"]


def test_files_without_any_word_are_all_analysed(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((20, 20, 6), np.int16), np.diag([1, 1, 5, 1]))
    for name in ("p1", "p2", "p3_flair", "p3_other"):
        nibabel.save(image, tmp_path / f"{name}.nii")
    names, _ = chosen(scan(tmp_path))
    assert names[0] == "p3_flair"
    assert sorted(names) == ["p1", "p2", "p3_flair", "p3_other"]


def test_composed_pictures_of_many_patients_are_all_analysed(tmp_path):
    chance = np.random.default_rng(1)
    for patient in ("TCGA_A", "TCGA_B"):
        (tmp_path / patient).mkdir()
        for number in (1, 2):
            tifffile.imwrite(tmp_path / patient / f"{patient}_{number}.tif", chance.integers(0, 255, (16, 16, 3)).astype(np.uint8), photometric="rgb")
    series, notes = choose_series(scan(tmp_path), None)
    assert [one.key for one in series] == ["TCGA_A", "TCGA_B"]
    assert notes == (), "nobody had to choose"


def test_a_key_is_taken_as_it_is(tmp_path):
    listing = study(tmp_path, ("AX T1", {}), ("AX FLAIR", {}))
    key = listing.series[0].key
    assert choose_series(listing, key) == ([find_series(listing, key)], ())
    with pytest.raises(ReadError, match="no series"):
        choose_series(listing, "other")
