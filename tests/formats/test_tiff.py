"""TIFF, PNG and JPEG: what is one scan, in which order, of which channels; and what is said of everything odd."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from brainviewer.errors import ReadError
from brainviewer.formats import open_volume, scan
from brainviewer.formats.picture_pixels import turned
from brainviewer.imaging.volume import CHANNEL_NAMES, Volume

rng = np.random.default_rng(7)
GREY = rng.integers(0, 250, (24, 20), dtype=np.uint8)
COLOUR = rng.integers(0, 250, (24, 20, 3), dtype=np.uint8)


def only(path: Path) -> Volume:
    """The one series of a path, opened; its listing and its volume agree."""
    listing = scan(path)
    assert len(listing.series) == 1, listing
    series = listing.series[0]
    volume = open_volume(series)
    assert volume.shape == series.shape
    assert volume.channels == series.channels
    assert str(volume.voxels.dtype) == series.dtype
    assert (volume.reference is not None) == series.reference
    return volume


def lgg(folder: Path, count: int = 12, masks: bool = True) -> list[np.ndarray]:
    """A patient's folder in the data set's layout; the slices' pixels in order."""
    folder.mkdir(parents=True)
    slices = [rng.integers(0, 250, (24, 20, 3), dtype=np.uint8) for _ in range(count)]
    for number, pixels in enumerate(slices, 1):
        tifffile.imwrite(folder / f"case_{number}.tif", pixels, photometric="rgb")
        if masks:
            mask = np.zeros((24, 20), np.uint8)
            mask[:number, 0] = 255
            tifffile.imwrite(folder / f"case_{number}_mask.tif", mask)
    return slices


# --- series


def test_the_data_sets_layout(tmp_path):
    slices = lgg(tmp_path / "all" / "case")
    volume = only(tmp_path / "all")
    assert np.array_equal(volume.voxels, np.stack(slices))
    assert volume.channels == CHANNEL_NAMES
    assert volume.composed
    assert volume.reference is not None
    assert volume.reference.sum(axis=(1, 2)).tolist() == list(range(1, 13))
    assert volume.stems == tuple(f"case_{number}" for number in range(1, 13))
    assert volume.sources[9] == "all/case/case_10.tif"
    assert (volume.key, volume.format, volume.affine, volume.plane, volume.stored) == ("case", "tiff", None, None, None)
    assert volume.ignored == ()
    assert len(volume.notes) == 1  # what the channels are taken for


def test_the_sample_opens_as_one_composed_scan_with_a_reference(sample):
    volume = only(sample)
    assert volume.composed
    assert volume.shape == (32, 256, 256)
    assert [int(stem.rsplit("_", 1)[1]) for stem in volume.stems] == list(range(1, 33))
    assert volume.reference is not None
    assert int(volume.reference.any(axis=(1, 2)).sum()) == 17


def test_a_single_slice_brings_its_mask(tmp_path):
    slices = lgg(tmp_path / "case")
    volume = only(tmp_path / "case" / "case_3.tif")
    assert np.array_equal(volume.voxels[0], slices[2])
    assert (volume.key, volume.stems, volume.sources) == ("case_3", ("case_3",), ("case_3.tif",))
    assert volume.reference is not None
    assert volume.reference.sum() == 3


def test_a_mask_alone_is_no_slice(tmp_path):
    lgg(tmp_path / "case", 3)
    (tmp_path / "case" / "case_2.tif").unlink()
    listing = scan(tmp_path / "case")
    assert listing.series[0].shape[0] == 2
    assert [(row.file, row.why) for row in listing.ignored] == [
        ("case/case_2_mask.tif", "It is a reference mask without a slice of its name beside it.")
    ]
    assert scan(tmp_path / "case" / "case_1_mask.tif").series == ()


def test_a_mask_of_another_size_is_left_out_and_said(tmp_path):
    lgg(tmp_path / "case", 3)
    tifffile.imwrite(tmp_path / "case" / "case_2_mask.tif", np.full((12, 10), 255, np.uint8))
    listing = scan(tmp_path / "case")
    volume = open_volume(listing.series[0])
    assert [row.why for row in listing.ignored] == ["The reference mask has 10 x 12 pixels, its slice 20 x 24."]
    assert volume.reference is not None
    assert volume.reference.sum(axis=(1, 2)).tolist() == [1, 0, 3]
    assert "1 slice of 3 came without a usable reference mask; nothing is marked there." in volume.notes


def test_which_slices_are_labelled_and_how_many_levels_their_masks_have(tmp_path):
    lgg(tmp_path / "case", 4)
    (tmp_path / "case" / "case_1_mask.tif").unlink()
    soft = np.zeros((24, 20), np.uint8)
    soft[2:5, 3:6] = [[40, 128, 255]] * 3
    tifffile.imwrite(tmp_path / "case" / "case_3_mask.tif", soft)
    volume = open_volume(scan(tmp_path / "case").series[0])
    assert volume.labelled.tolist() == [False, True, True, True]
    assert [mask and (mask.file, mask.levels) for mask in volume.mask_files] == [
        None,
        ("case/case_2_mask.tif", 2),
        ("case/case_3_mask.tif", 4),
        ("case/case_4_mask.tif", 2),
    ]
    assert volume.reference[2].sum() == 9
    assert '1 reference mask has more than two grey levels ("case_3_mask.tif"); every pixel above 0 counts.' in volume.notes


def test_masks_of_other_kinds(tmp_path):
    lgg(tmp_path / "case", 6, masks=False)
    marked = np.zeros((24, 20), np.uint8)
    marked[8:16, 8:16] = 1
    tifffile.imwrite(tmp_path / "case" / "case_1_mask.tif", marked)  # 0 and 1
    cv2.imwrite(str(tmp_path / "case" / "case_2_mask.png"), marked * 255)
    cv2.imwrite(str(tmp_path / "case" / "case_3_mask.jpg"), marked * 255)
    tifffile.imwrite(tmp_path / "case" / "case_4_mask.tif", np.repeat(marked[..., None] * 255, 3, axis=-1), photometric="rgb")
    tifffile.imwrite(tmp_path / "case" / "case_5_mask.tif", marked > 0)  # one bit, 0 is white
    tifffile.imwrite(tmp_path / "case" / "case_6_mask.tif", marked > 0, photometric="minisblack")
    reference = only(tmp_path / "case").reference
    assert reference is not None
    for z in range(6):
        assert np.array_equal(reference[z], marked > 0)


def test_a_missing_number_is_said(tmp_path):
    lgg(tmp_path / "case", 12, masks=False)
    for number in (1, 5, 6):
        (tmp_path / "case" / f"case_{number}.tif").unlink()
    notes = only(tmp_path / "case").notes
    assert "2 slices are missing from the numbering 2 to 12: 5 and 6." in notes
    assert "The numbering of the slices begins at 2." in notes


def test_far_numbers_are_no_burden(tmp_path):
    for number in (1, 2, 10**17):
        tifffile.imwrite(tmp_path / f"s{number}.tif", GREY)
    begun = time.perf_counter()
    assert any("99,999,999,999,999,997 slices are missing" in note for note in only(tmp_path).notes)
    assert time.perf_counter() - begun < 2


def test_even_numbers_only_are_no_gap(tmp_path):
    for number in (2, 4, 6):
        tifffile.imwrite(tmp_path / f"s{number}.tif", GREY)
    assert only(tmp_path).notes == ("The numbering of the slices begins at 2.",)


def test_a_number_twice_is_said(tmp_path):
    for name in ("s1.tif", "s01.tif", "s2.tif"):
        tifffile.imwrite(tmp_path / name, GREY)
    assert "More than one slice has the number 1." in only(tmp_path).notes


def test_two_sizes_become_two_series(tmp_path):
    folder = tmp_path / "case"
    slices = lgg(folder, 4, masks=False)
    tifffile.imwrite(folder / "case_2.tif", GREY[:10])
    listing = scan(folder)
    assert [(series.key, series.shape) for series in listing.series] == [("case", (3, 24, 20)), ("case_20x10_grey", (1, 10, 20))]
    for series in listing.series:
        assert any("2 sizes or kinds" in note for note in series.notes)
    assert "1 slice is missing from the numbering 1 to 4: 2." in listing.series[0].notes
    assert np.array_equal(open_volume(listing.series[0]).voxels, np.stack([slices[n] for n in (0, 2, 3)]))


def test_several_scans_in_one_folder_are_told_apart_by_their_names(tmp_path):
    for patient in ("b", "a"):
        for number in (1, 2, 3):
            tifffile.imwrite(tmp_path / f"{patient}_{number}.tif", GREY)
    listing = scan(tmp_path)
    assert [(series.key, series.shape[0]) for series in listing.series] == [("a", 3), ("b", 3)]
    assert open_volume(listing.series[1]).stems == ("b_1", "b_2", "b_3")


def test_stems_that_would_repeat_get_the_index(tmp_path):
    tifffile.imwrite(tmp_path / "s1.tif", GREY)
    tifffile.imwrite(tmp_path / "s1.tiff", GREY)
    tifffile.imwrite(tmp_path / "s2.tif", GREY)
    assert only(tmp_path).stems == ("s1", "s1_z0001", "s2")


# --- stacks


def test_a_multi_page_stack(tmp_path):
    stack = rng.integers(0, 4000, (7, 24, 20), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", stack, photometric="minisblack", metadata=None)
    tifffile.imwrite(tmp_path / "stack_mask.tif", (stack > 3000).astype(np.uint8), photometric="minisblack", metadata=None)
    volume = only(tmp_path / "stack.tif")
    assert np.array_equal(volume.voxels[..., 0], stack)
    assert volume.stems == tuple(f"stack_z{z:04}" for z in range(7))
    assert np.array_equal(volume.reference, stack > 3000)
    assert scan(tmp_path).series[0].key == "stack"


def test_a_mask_with_fewer_pages(tmp_path):
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([GREY] * 4), photometric="minisblack", metadata=None)
    tifffile.imwrite(tmp_path / "stack_mask.tif", np.stack([GREY] * 2), photometric="minisblack", metadata=None)
    volume = only(tmp_path)
    assert volume.reference is not None
    assert volume.reference.any(axis=(1, 2)).tolist() == [True, True, False, False]
    assert volume.ignored == ((f"{tmp_path.name}/stack_mask.tif", "It has 2 pages, fewer than the scan."),)


def test_pages_of_two_sizes_become_two_series(tmp_path):
    with tifffile.TiffWriter(tmp_path / "mixed.tif") as file:
        for page in (GREY, GREY[:10], GREY):
            file.write(page, contiguous=False, metadata=None)
    assert [(series.key, series.shape) for series in scan(tmp_path).series] == [("mixed", (2, 24, 20)), ("mixed_20x10", (1, 10, 20))]


def test_thumbnails_in_a_file_are_no_slices(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GREY, metadata=None)
        file.write(GREY[::2, ::2], subfiletype=1, metadata=None)
    assert only(tmp_path).shape == (1, 24, 20)


@pytest.mark.parametrize("contiguous", [True, False])
def test_imagej_stacks_have_their_spacing(tmp_path, contiguous):
    stack = rng.integers(0, 4000, (5, 24, 20), dtype=np.uint16)
    options = {} if contiguous else {"compression": "zlib"}
    tifffile.imwrite(tmp_path / "j.tif", stack, imagej=True, resolution=(2, 4), metadata={"axes": "ZYX", "spacing": 5.0, "unit": "mm"}, **options)
    volume = only(tmp_path / "j.tif")
    assert np.array_equal(volume.voxels[..., 0], stack)
    assert volume.spacing == pytest.approx((5.0, 0.25, 0.5))
    assert any("0.5 x 0.25 x 5 mm" in note for note in volume.notes)


def test_pixels_are_no_millimetres(tmp_path):
    tifffile.imwrite(
        tmp_path / "j.tif", np.stack([GREY] * 3), imagej=True, resolution=(2, 2), metadata={"axes": "ZYX", "spacing": 5.0, "unit": "pixel"}
    )
    tifffile.imwrite(tmp_path / "dpi.tif", GREY, resolution=(72, 72), resolutionunit="INCH")
    for series in scan(tmp_path).series:
        assert series.affine is None
        assert series.spacing_mm is None


def test_ome_stacks_have_their_spacing(tmp_path):
    stack = rng.integers(0, 4000, (5, 24, 20), dtype=np.uint16)
    metadata = {
        "axes": "ZYX",
        "PhysicalSizeX": 500,
        "PhysicalSizeY": 0.25,
        "PhysicalSizeYUnit": "mm",
        "PhysicalSizeZ": 0.5,
        "PhysicalSizeZUnit": "cm",
    }
    tifffile.imwrite(tmp_path / "o.ome.tif", stack, ome=True, metadata=metadata)
    volume = only(tmp_path / "o.ome.tif")
    assert np.array_equal(volume.voxels[..., 0], stack)
    assert volume.spacing == pytest.approx((5.0, 0.25, 0.5))
    assert volume.key == "o"


def test_channels_and_times_of_hyperstacks(tmp_path):
    data = rng.integers(0, 250, (2, 4, 3, 24, 20), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "t.tif", data, imagej=True, metadata={"axes": "TZCYX"})
    volume = only(tmp_path / "t.tif")
    assert np.array_equal(volume.voxels, np.moveaxis(data[0], 1, -1))
    assert "The file holds 2 points in time; the first is shown." in volume.notes
    tifffile.imwrite(tmp_path / "t.tif", data[0, :, :2], imagej=True, metadata={"axes": "ZCYX"})
    volume = only(tmp_path / "t.tif")
    assert np.array_equal(volume.voxels[..., 0], data[0, :, 0])
    assert "The file holds 2 channels; the first is shown." in volume.notes


def test_one_broken_page(tmp_path):
    stack = rng.integers(0, 250, (4, 24, 20), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack", metadata=None, compression="zlib")
    with tifffile.TiffFile(tmp_path / "s.tif") as file:
        start = file.pages[2].dataoffsets[0]
    data = bytearray((tmp_path / "s.tif").read_bytes())
    data[start : start + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "s.tif").write_bytes(data)
    series = scan(tmp_path / "s.tif").series[0]
    volume = open_volume(series)
    assert np.array_equal(volume.voxels[..., 0], stack[[0, 1, 3]])
    assert any(note.startswith("Slice 3: ") and note.endswith("The other 3 slices are shown.") for note in volume.notes)
    assert len(volume.ignored) == 1


# --- kinds of pixels


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_numbers_are_kept_as_they_are(tmp_path, dtype, byteorder):
    pixels = (rng.normal(0, 50, (24, 20))).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=byteorder)
    volume = only(tmp_path)
    assert volume.voxels.dtype == np.dtype(dtype)
    assert volume.voxels.dtype.isnative
    assert np.array_equal(volume.voxels[0, ..., 0], pixels)


def test_bits_and_complex_numbers(tmp_path):
    tifffile.imwrite(tmp_path / "1.tif", GREY > 100, photometric="minisblack")
    tifffile.imwrite(tmp_path / "2.tif", (GREY + 1j * GREY).astype(np.complex64))
    by_key = {series.dtype: open_volume(series) for series in scan(tmp_path).series}
    assert np.array_equal(by_key["uint8"].voxels[0, ..., 0], (GREY > 100).astype(np.uint8))
    assert np.allclose(by_key["float32"].voxels[0, ..., 0], np.hypot(GREY, GREY.astype(float)))


def test_values_that_are_no_numbers_are_said(tmp_path):
    pixels = GREY.astype(np.float32)
    pixels[3, 4], pixels[5, 6] = np.nan, np.inf
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    series = scan(tmp_path).series[0]
    assert open_volume(series).notes == ("2 values are no number (NaN or infinite) and shown black or white.",)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzw"},
        {"compression": "zlib", "predictor": True},
        {"compression": "packbits"},
        {"compression": "zstd"},
        {"compression": "lzma"},
        {"compression": "webp", "compressionargs": {"lossless": True}},
        {"tile": (16, 16)},
        {"tile": (16, 16), "compression": "zlib"},
        {"planarconfig": "separate"},
        {"planarconfig": "separate", "compression": "lzw", "rowsperstrip": 5},
        {"bigtiff": True},
        {"rowsperstrip": 7},
        {"byteorder": ">"},
    ],
)
def test_ways_to_store_colour(tmp_path, options):
    tifffile.imwrite(
        tmp_path / "a.tif", COLOUR if options.get("planarconfig") != "separate" else np.moveaxis(COLOUR, -1, 0), photometric="rgb", **options
    )
    assert np.array_equal(only(tmp_path).voxels[0], COLOUR)


def test_jpeg_in_tiff_is_nearly_the_same(tmp_path):
    smooth = cv2.GaussianBlur(cv2.resize(COLOUR, (64, 64)), (0, 0), 6)
    tifffile.imwrite(tmp_path / "a.tif", smooth, photometric="rgb", compression="jpeg", compressionargs={"level": 95})
    assert np.abs(only(tmp_path).voxels[0].astype(int) - smooth).max() < 25


def test_fax(tmp_path):
    # a page of 32 x 8 white pixels, which is one code a line in group 3 (RLE)
    white = bytes([0b00011011])  # 32 white pixels
    header = struct.pack("<4sI", b"II*\0", 16) + white * 8
    tags = [
        (256, 3, 1, 32),
        (257, 3, 1, 8),
        (258, 3, 1, 1),
        (259, 3, 1, 2),
        (262, 3, 1, 0),
        (273, 4, 1, 8),
        (277, 3, 1, 1),
        (278, 3, 1, 8),
        (279, 4, 1, 8),
    ]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    (tmp_path / "fax.tif").write_bytes(header + struct.pack("<H", len(tags)) + entries + bytes(4))
    assert only(tmp_path).voxels.tolist() == np.ones((1, 8, 32, 1), int).tolist()


def test_palettes_have_their_colours(tmp_path):
    colours = rng.integers(0, 255, (3, 256)).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="palette", colormap=colours)
    volume = only(tmp_path)
    assert volume.channels == ("red", "green", "blue")
    assert np.array_equal(volume.voxels[0], (colours >> 8).astype(np.uint8).T[GREY])


def test_cmyk(tmp_path):
    inks = rng.integers(0, 255, (24, 20, 4), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated")
    volume = only(tmp_path)
    assert volume.channels == ("red", "green", "blue")
    expected = (255 - inks[..., :3].astype(int)) * (255 - inks[..., 3:].astype(int)) // 255
    assert np.array_equal(volume.voxels[0], expected)


def test_transparency_is_left_out_and_said(tmp_path):
    with_alpha = np.concatenate([COLOUR, np.full((24, 20, 1), 9, np.uint8)], axis=-1)
    tifffile.imwrite(tmp_path / "a.tif", with_alpha, photometric="rgb", extrasamples=["unassalpha"])
    volume = only(tmp_path)
    assert np.array_equal(volume.voxels[0], COLOUR)
    assert any("transparency" in note for note in volume.notes)


def test_white_is_zero(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="miniswhite")
    assert np.array_equal(only(tmp_path).voxels[0, ..., 0], 255 - GREY)


def test_three_equal_channels_are_one_sequence(tmp_path):
    for number in (1, 2):
        tifffile.imwrite(tmp_path / f"flair_{number}.tif", np.repeat(GREY[..., None], 3, axis=-1), photometric="rgb")
    volume = only(tmp_path)
    assert volume.channels == ("FLAIR",)
    assert np.array_equal(volume.voxels[0, ..., 0], GREY)
    assert any("one grey sequence" in note for note in volume.notes)


def test_a_colour_slice_among_grey_ones_that_were_looked_at(tmp_path):
    for number in range(1, 31):
        pixels = np.repeat(GREY[..., None], 3, axis=-1)
        if number == 12:  # not among those that the listing looks at
            pixels = COLOUR
        tifffile.imwrite(tmp_path / f"s_{number:02}.tif", pixels, photometric="rgb")
    series = scan(tmp_path).series[0]
    volume = open_volume(series)
    assert np.array_equal(volume.voxels[11], COLOUR)
    assert volume.voxels.shape[-1] == 3


def test_float_colour_is_a_picture(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", COLOUR.astype(np.float32), photometric="rgb")
    assert only(tmp_path).channels == ("red", "green", "blue")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_slices_are_turned_upright(tmp_path, orientation):
    # The standard's words: where row 0 and column 0 of the file belong.
    row, column = {1: "TL", 2: "TR", 3: "BR", 4: "BL", 5: "LT", 6: "RT", 7: "RB", 8: "LB"}[orientation]
    height, width = GREY.shape
    upright = np.zeros((width, height) if orientation > 4 else (height, width), np.uint8)
    for r in range(height):
        for c in range(width):
            place = {}
            for side, index, size in ((row, r, height), (column, c, width)):
                place["y" if side in "TB" else "x"] = index if side in "TL" else size - 1 - index
            upright[place["y"], place["x"]] = GREY[r, c]
    assert np.array_equal(turned(GREY[..., None], orientation)[..., 0], upright)
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[(274, 3, 1, orientation, True)])
    volume = only(tmp_path)
    assert np.array_equal(volume.voxels[0, ..., 0], upright)
    assert any("turned" in note for note in volume.notes) == (orientation != 1)


# --- PNG and JPEG


@pytest.mark.parametrize("pixels", [GREY, GREY.astype(np.uint16) * 200, COLOUR, COLOUR.astype(np.uint16) * 200])
def test_png(tmp_path, pixels):
    cv2.imwrite(str(tmp_path / "a.png"), pixels if pixels.ndim == 2 else pixels[..., ::-1])
    volume = only(tmp_path)
    assert volume.format == "picture"
    assert volume.channels == (("grey",) if pixels.ndim == 2 else ("red", "green", "blue"))
    assert np.array_equal(volume.voxels[0], pixels if pixels.ndim == 3 else pixels[..., None])


def test_png_with_transparency(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.concatenate([COLOUR[..., ::-1], np.full((24, 20, 1), 9, np.uint8)], axis=-1))
    volume = only(tmp_path)
    assert np.array_equal(volume.voxels[0], COLOUR)
    assert any("transparency" in note for note in volume.notes)


def test_jpeg(tmp_path):
    smooth = cv2.GaussianBlur(cv2.resize(GREY, (64, 48)), (0, 0), 4)
    cv2.imwrite(str(tmp_path / "a_1.jpg"), smooth, [cv2.IMWRITE_JPEG_QUALITY, 95])
    cv2.imwrite(str(tmp_path / "a_2.jpg"), np.repeat(smooth[..., None], 3, axis=-1), [cv2.IMWRITE_JPEG_QUALITY, 95])
    series = {series.channels: series for series in scan(tmp_path).series}
    assert set(series) == {("grey",)}  # the second by its equal channels
    for one in scan(tmp_path).series:
        assert np.abs(open_volume(one).voxels[0, ..., 0].astype(int) - smooth).max() < 12


def test_a_folder_of_png_slices_in_order(tmp_path):
    for number in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f"s{number}.png"), np.full((24, 20), number, np.uint8))
        cv2.imwrite(str(tmp_path / f"s{number}_mask.png"), np.full((24, 20), 255 * (number == 2), np.uint8))
    volume = only(tmp_path)
    assert volume.voxels[:, 0, 0, 0].tolist() == [1, 2, 10]
    assert volume.reference is not None
    assert volume.reference.all(axis=(1, 2)).tolist() == [False, True, False]


# --- what is broken


def reason_for(folder: Path, name: str) -> str:
    return next(row.why for row in scan(folder).ignored if row.file.endswith(name))


def test_broken_files_are_named_and_the_others_shown(tmp_path):
    folder = tmp_path / "case"
    slices = lgg(folder, 5, masks=False)
    whole = (folder / "case_2.tif").read_bytes()
    (folder / "case_2.tif").write_bytes(whole[: len(whole) // 2])
    (folder / "case_4.tif").write_text("this is no picture")
    listing = scan(folder)
    volume = open_volume(listing.series[0])
    assert np.array_equal(volume.voxels, np.stack([slices[n] for n in (0, 2, 4)]))
    assert {row.file for row in listing.ignored} == {"case/case_2.tif", "case/case_4.tif"}
    assert reason_for(folder, "case_4.tif") == "The file is named like a TIFF but is a text file."
    assert "cut short" in reason_for(folder, "case_2.tif")
    for name in ("case_2.tif", "case_4.tif"):
        assert any(f'"{name}" could not be read' in note and note.endswith("The other 3 slices are shown.") for note in volume.notes)
    assert not any("missing from the numbering" in note for note in volume.notes)  # they are there, and said


def test_damage_that_shows_only_in_the_pixels(tmp_path):
    folder = tmp_path / "case"
    folder.mkdir()
    for number in range(1, 4):
        tifffile.imwrite(folder / f"s_{number}.tif", GREY, compression="zlib")
    data = bytearray((folder / "s_2.tif").read_bytes())
    with tifffile.TiffFile(folder / "s_2.tif") as file:
        start = file.pages[0].dataoffsets[0]
    data[start : start + 4] = b"\xff\xff\xff\xff"
    (folder / "s_2.tif").write_bytes(data)
    volume = open_volume(scan(folder).series[0])
    assert len(volume) == 2
    assert volume.stems == ("s_1", "s_3")
    assert [file for file, _ in volume.ignored] == ["case/s_2.tif"]
    assert any('"s_2.tif" could not be read' in note for note in volume.notes)


def test_a_file_that_cannot_be_read_at_all_raises_its_name(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, compression="zlib")
    series = scan(tmp_path).series[0]
    (tmp_path / "a.tif").write_bytes(b"gone")
    with pytest.raises(ReadError, match=r'"a\.tif" could not be read'):
        open_volume(series)
    assert series.peek is not None
    with pytest.raises(ReadError, match=r'"a\.tif"'):
        series.peek(0)
    (tmp_path / "a.tif").unlink()
    with pytest.raises(ReadError, match=r'"a\.tif" could not be read: no such file'):
        open_volume(series)


def test_a_broken_mask_leaves_the_slice(tmp_path):
    lgg(tmp_path / "case", 3)
    mask = tmp_path / "case" / "case_2_mask.tif"
    mask.write_bytes(mask.read_bytes()[:300])
    listing = scan(tmp_path / "case")
    assert "cut short" in reason_for(tmp_path / "case", "case_2_mask.tif")
    volume = open_volume(listing.series[0])
    assert len(volume) == 3
    assert volume.reference is not None
    assert not volume.reference[1].any()


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 1)])
def test_tiny_pictures_are_refused_with_their_size(tmp_path, shape):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros(shape, np.uint8))
    assert scan(tmp_path).series == ()
    assert reason_for(tmp_path, "a.tif") == f"A picture of {shape[1]} x {shape[0]} pixels is too small for a scan."


@pytest.mark.parametrize("compression", [1, 5, 8, 32773, 50000])
@pytest.mark.parametrize("side", [65535, 4_000_000])
def test_headers_that_lie_about_the_size_cost_nothing(tmp_path, compression, side):
    tags = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, compression), (262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1)]
    tags += [(278, 4, 1, side), (279, 4, 1, 4)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    data = struct.pack("<4sI", b"II*\0", 12) + bytes(4) + struct.pack("<H", len(tags)) + entries + bytes(4)
    (tmp_path / "a.tif").write_bytes(data)
    assert "more than a file of" in reason_for(tmp_path, "a.tif")


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits", "zstd", "lzma"])
def test_empty_masks_may_be_packed_densely(tmp_path, compression):
    stack = np.zeros((40, 1024, 1024), np.uint8)
    stack[7, 5, 5] = 255
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", compression=compression, metadata=None)
    assert np.array_equal(only(tmp_path).voxels[..., 0], stack)


def test_a_chain_of_pages_that_bites_its_tail(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, metadata=None)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    first = struct.unpack_from("<I", data, 4)[0]
    entries = struct.unpack_from("<H", data, first)[0]
    struct.pack_into("<I", data, first + 2 + 12 * entries, first)
    (tmp_path / "a.tif").write_bytes(data)
    assert only(tmp_path).shape == (1, 24, 20)


def test_a_png_whose_checksum_is_wrong(tmp_path):
    data = bytearray(cv2.imencode(".png", GREY)[1].tobytes())
    data[60] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ReadError, match="a checksum is wrong"):
        open_volume(scan(tmp_path).series[0])


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_cut_pictures(tmp_path, suffix):
    data = cv2.imencode(suffix, COLOUR)[1].tobytes()
    (tmp_path / f"a{suffix}").write_bytes(data[: len(data) * 2 // 3])
    assert "cut short" in reason_for(tmp_path, suffix)


def test_one_slice_can_be_looked_at_alone(tmp_path):
    slices = lgg(tmp_path / "case", 12)
    series = scan(tmp_path / "case").series[0]
    assert series.peek is not None
    assert np.array_equal(series.peek(9), slices[9])


# --- speed


@pytest.mark.slow
def test_three_thousand_slices_are_listed_in_a_second(tmp_path):
    pixels = rng.integers(0, 250, (64, 64, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "s_1.tif", pixels, photometric="rgb")
    data = (tmp_path / "s_1.tif").read_bytes()
    for number in range(2, 3001):
        (tmp_path / f"s_{number}.tif").write_bytes(data)
    # Of the processor, so that other work on the machine does not count.
    begun = time.process_time()
    series = scan(tmp_path).series[0]
    listed = time.process_time() - begun
    assert series.peek is not None
    series.peek(1500)
    shown = time.process_time() - begun - listed
    print(f"3,000 TIFF slices listed in {listed:.2f} s, one shown after {shown:.4f} s")  # noqa: T201
    assert listed < 1.0
    assert shown < 0.5
