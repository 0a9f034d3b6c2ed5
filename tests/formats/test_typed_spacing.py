"""A spacing that was typed: taken only where none was read, marked, said, remembered."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from brainviewer.formats import open_volume, scan, typed_spacing
from brainviewer.formats.typed_spacing import assume, can_assume, parse, remember, with_remembered


@pytest.fixture
def bare(tmp_path: Path):
    """A scan whose files state no spacing."""
    folder = tmp_path / "scan"
    folder.mkdir()
    for z in range(3):
        tifffile.imwrite(folder / f"s_{z}.tif", np.arange(80, dtype=np.uint8).reshape(8, 10) + z)
    return open_volume(scan(folder).series[0])


@pytest.mark.parametrize(("text", "spacing"), [("5,0.9,0.8", (5, 0.9, 0.8)), ("5, 1", (5, 1, 1)), ("0.01,100,1", (0.01, 100, 1))])
def test_spacings_that_make_sense(text, spacing):
    assert parse(text) == spacing


@pytest.mark.parametrize("text", ["", "5", "a,b", "5,0,1", "5,-1,1", "nan,1,1", "inf,1,1", "1,2,3,4", "500,1,1", "5;1"])
def test_spacings_that_make_none(text):
    with pytest.raises(ValueError, match=r"number|between"):
        parse(text)


def test_it_is_marked_and_said(bare):
    volume = assume(bare, (5.0, 0.9, 0.8))
    assert volume.spacing == (5.0, 0.9, 0.8)
    assert volume.voxel_mm3 == pytest.approx(3.6)
    assert volume.spacing_assumed
    assert volume.affine is None
    assert volume.notes[-1] == "The spacing, 0.8 x 0.9 x 5 mm, was typed and not read: everything in millimetres is an assumption."
    again = assume(volume, (6.0, 1.0, 1.0))
    assert sum("was typed" in note for note in again.notes) == 1
    assert again.spacing == (6.0, 1.0, 1.0)
    forgotten = assume(again, None)
    assert (forgotten.spacing, forgotten.spacing_assumed, forgotten.notes) == (None, False, bare.notes)


def test_a_spacing_that_was_read_stays(bare):
    read = replace(bare, voxel_mm=(4.0, 1.0, 1.0))
    assert not can_assume(read)
    assert assume(read, (5.0, 0.9, 0.8)) is read
    assert with_remembered(read) is read


def test_it_is_remembered_for_this_scan_alone(bare):
    remember(assume(bare, (5.0, 0.9, 0.8)))
    assert with_remembered(bare).spacing == (5.0, 0.9, 0.8)
    assert with_remembered(bare).spacing_assumed
    moved = replace(bare, source=Path("elsewhere"))
    assert with_remembered(moved).spacing == (5.0, 0.9, 0.8)
    other = replace(bare, voxels=bare.voxels + 1)
    assert with_remembered(other).spacing is None
    assert str(bare.source) not in typed_spacing.spacings_file().read_text()
    remember(bare)
    assert with_remembered(bare).spacing is None


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 5, "b": [1, 2, 3], "c": ["x"], "d": [0, 0, 0]}'])
def test_a_damaged_memory_does_no_harm(bare, content):
    typed_spacing.spacings_file().parent.mkdir(parents=True, exist_ok=True)
    typed_spacing.spacings_file().write_text(content)
    assert with_remembered(bare).spacing is None
    remember(assume(bare, (5.0, 0.9, 0.8)))
    assert with_remembered(bare).spacing == (5.0, 0.9, 0.8)
