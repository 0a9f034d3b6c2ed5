"""Drawn masks in the user's folder: found again, never lost, never of another scan."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brainviewer.errors import WriteError
from brainviewer.formats import kept_edits
from brainviewer.formats.kept_edits import find, keep, mark_of
from brainviewer.imaging.editing import Edits
from brainviewer.imaging.volume import Volume


def volume(seed: int = 1, source: str = "/scans/Jane Doe", shape: tuple[int, int, int] = (5, 12, 10)) -> Volume:
    voxels = np.random.default_rng(seed).integers(0, 255, (*shape, 1)).astype(np.uint8)
    names = tuple(f"{z}.tif" for z in range(shape[0]))
    return Volume(voxels, None, ("grey",), Path(source), "Jane Doe", "tiff", names, names)


def some_edits(shape: tuple[int, int] = (12, 10)) -> Edits:
    mask = np.zeros(shape, bool)
    mask[3:7, 2:5] = True
    return Edits().with_mask(2, mask).with_reviewed((0, 2), True)


def test_kept_and_found_again(home: Path) -> None:
    mark = mark_of(volume())
    assert not find(mark).edits
    keep(mark, some_edits())
    found = find(mark)
    assert (found.edits, found.problem) == (some_edits(), "")
    keep(mark, Edits())
    assert not find(mark).edits


def test_found_wherever_the_scan_lies_now(home: Path) -> None:
    keep(mark_of(volume()), some_edits())
    assert find(mark_of(volume(source="/elsewhere/x"))).edits == some_edits()


def test_nothing_kept_names_anybody(home: Path) -> None:
    mark = mark_of(volume())
    keep(mark, some_edits())
    (file,) = (home / "edits").iterdir()
    assert "Jane" not in file.name
    assert b"Jane" not in file.read_bytes()
    assert "Jane" not in mark.case


def test_a_scan_that_changed_since_is_said_and_nothing_is_lost(home: Path) -> None:
    keep(mark_of(volume()), some_edits())
    for changed in (volume(seed=2), volume(shape=(6, 12, 10))):
        found = find(mark_of(changed))
        assert not found.edits
        assert "earlier state of this scan" in found.problem
        assert "They are kept in" in found.hint
    assert find(mark_of(volume())).edits == some_edits()


def damaged(data: bytes) -> list[bytes]:
    whole = json.loads(data)
    other = {**whole, "reviewed": [1]}
    return [b"", data[: len(data) // 2], b"[]", b"null", b"\xff\xfe\x00", data.replace(b'"schema": 1', b'"schema": 7'), json.dumps(other).encode()]


@pytest.mark.parametrize("number", range(7))
def test_a_damaged_file_is_put_aside(home: Path, number: int) -> None:
    mark = mark_of(volume())
    keep(mark, some_edits())
    broken = damaged(mark.file.read_bytes())[number]
    mark.file.write_bytes(broken)
    found = find(mark)
    assert not found.edits
    assert found.problem.endswith(".")
    assert found.problem.count(".") == 1
    aside = mark.file.with_suffix(".broken")
    assert aside.read_bytes() == broken
    assert str(aside) in found.hint
    keep(mark, some_edits())
    assert find(mark).edits == some_edits()


def test_masks_of_a_scan_of_another_size_are_not_put_on_this_one(home: Path) -> None:
    mark = mark_of(volume())
    keep(replace(mark, shape=(5, 10, 12)), some_edits((10, 12)))
    found = find(mark)
    assert not found.edits
    assert "5 x 10 x 12" in found.problem
    assert mark.file.with_suffix(".broken").exists()


def test_random_damage_never_escapes() -> None:
    mark = mark_of(volume())
    data = kept_edits.to_bytes(mark, some_edits())
    random = np.random.default_rng(3)
    for _ in range(400):
        mutant = bytearray(data)
        for at in random.integers(0, len(data), random.integers(1, 4)):
            mutant[at] = random.integers(0, 256)
        with suppress(ValueError):
            assert kept_edits.from_bytes(bytes(mutant), mark.shape) == some_edits()


def test_what_cannot_be_saved_is_said_and_the_last_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = mark_of(volume())
    keep(mark, some_edits())
    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(WriteError, match="not enough room"):
            keep(mark, Edits())
    assert find(mark).edits == some_edits()
    assert len(list(mark.file.parent.iterdir())) == 1
