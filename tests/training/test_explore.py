"""The page, the pictures and the findings of a labelled folder."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from brainviewer.cli import main
from brainviewer.errors import WriteError
from brainviewer.training import figures
from brainviewer.training.explore import explore

FILES = {"findings.json", "explore.html", "classes.png", "sizes.png", "scans.png", "masks.png", "overlays.png", "intensities.png", "augmentation.png"}


class Page(HTMLParser):
    """What a page shows, and whether each tag that opens also closes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.links: list[str | None] = []
        self.words = ""
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "img":
            self.images.append(given)
        elif tag != "meta":
            self.open.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_good_folder(heads: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    document = explore(heads, out)
    assert {path.name for path in out.iterdir()} == FILES == set(document["files"])
    assert json.loads((out / "findings.json").read_text(encoding="utf-8")) == document
    assert (document["patients"], document["slices"], document["slices_with_tumour"], document["slices_without_tumour"]) == (4, 24, 8, 16)
    assert document["findings"] == []
    page = Page(out / "explore.html")
    assert "Research use only. Not for diagnosis." in page.words
    assert "Nothing is wrong" in page.words
    assert len(page.images) == 7
    assert all((link or "").startswith("data:image/png;base64,") for link in page.links), "the page carries all that it shows"
    assert all(image["alt"] for image in page.images)


def test_what_is_left_out_and_how_bright_the_heads_are(heads: Path, tmp_path: Path) -> None:
    (heads / "p1" / "p1_2_mask.tif").unlink()
    for mask in (heads / "p2").glob("*_mask.tif"):
        mask.unlink()
    document = explore(heads, tmp_path / "out")
    assert document["left_out"] == ['1 slice of "p1": without a usable mask.', 'All of "p2": it has no usable mask.']
    assert document["headings"]["missing-mask"] == "Slices without a mask"
    here, bundled = document["intensities"]["here"], document["intensities"]["bundled"]
    assert (here["scans"], bundled["scans"]) == (3, 66)
    assert len(here["middle"]) == len(bundled["middle"])
    for spread in (here, bundled):
        assert sum(spread["middle"]) == pytest.approx(1, abs=0.2)
        assert all(low <= middle <= high for low, middle, high in zip(spread["low"], spread["middle"], spread["high"], strict=True))


def test_the_preview_shows_each_slice_as_it_is_and_four_changes(heads: Path, tmp_path: Path) -> None:
    explore(heads, tmp_path / "out")
    sheet = cv2.imread(str(tmp_path / "out" / "augmentation.png"))[..., ::-1].astype(int)
    step, side = figures.TILE + figures.TILE_GAP, figures.TILE
    tiles = [sheet[figures.TILE_GAP : figures.TILE_GAP + side, figures.TILE_GAP + n * step : figures.TILE_GAP + n * step + side] for n in range(5)]
    assert all(tile.max() > 60 for tile in tiles)
    assert all(np.abs(tiles[0] - tile).mean() > 1 for tile in tiles[1:])


def test_the_sheet_shows_the_mask_in_red_on_the_scan(heads: Path, tmp_path: Path) -> None:
    explore(heads, tmp_path / "out")
    scans, masks, overlays = (cv2.imread(str(tmp_path / "out" / name))[..., ::-1].astype(int) for name in ("scans.png", "masks.png", "overlays.png"))
    side = figures.TILE
    tile = (slice(figures.TILE_GAP, figures.TILE_GAP + side), slice(figures.TILE_GAP, figures.TILE_GAP + side))
    marked = masks[tile][..., 0] > 128
    assert marked.mean() == pytest.approx(60 / 64**2, rel=0.02)
    assert np.array_equal(scans[tile][~marked], overlays[tile][~marked])
    change = (overlays[tile] - scans[tile])[marked].mean(axis=0)
    assert change[0] > change[1] + 30
    assert change[0] > change[2] + 30


def test_findings_are_on_the_page_and_in_the_document_and_text_is_escaped(heads: Path, tmp_path: Path) -> None:
    (heads / "a & b.csv").write_text("x")
    (heads / "p1" / "p1_2_mask.tif").unlink()
    document = explore(heads, tmp_path / "out")
    assert document["counts"] == {"missing-mask": 1, "other-file": 1}
    assert set(document["findings"][0]) == {"kind", "patient", "file", "slice", "sentence"}
    page = Page(tmp_path / "out" / "explore.html")
    for finding in document["findings"]:
        assert finding["sentence"] in page.words


def test_no_masks_at_all_still_gives_a_page(heads: Path, tmp_path: Path) -> None:
    for path in heads.glob("*/*_mask.tif"):
        path.unlink()
    document = explore(heads, tmp_path / "out")
    assert document["counts"] == {"no-masks": 4}
    assert set(document["files"]) == {"findings.json", "explore.html"}
    assert Page(tmp_path / "out" / "explore.html").images == []


def test_results_never_go_into_the_data(heads: Path) -> None:
    before = sorted(heads.rglob("*"))
    for out in (heads, heads / "p0", heads / "new"):
        with pytest.raises(WriteError, match="within the data"):
            explore(heads, out)
    assert sorted(heads.rglob("*")) == before


def test_when_a_picture_cannot_be_written_nothing_is_left(heads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WriteError, match="not enough room"):
        explore(heads, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command(heads: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (heads / "p0" / "p0_3_mask.tif").unlink()
    assert main(["explore", str(heads), "--out", str(tmp_path / "out"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads((tmp_path / "out" / "findings.json").read_text(encoding="utf-8"))
    assert main(["explore", str(heads), "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert document["findings"][0]["sentence"] in out
    assert "Research use only" in out
    assert main(["explore", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 1
    (tmp_path / "empty").mkdir()
    assert main(["explore", str(tmp_path / "empty"), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.count("brainviewer: ") == 2
