import gzip
import io
import itertools
import json
import random
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydicom")
sys.path.insert(0, str(Path(__file__).parent))

import pydicom
from dicom_files import ENCODERS, LOSSLESS, NATIVE, base, head_scan, save, set_pixels, write_enhanced, write_series
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless

from brainviewer.errors import ReadError
from brainviewer.formats import open_volume, scan
from brainviewer.imaging.orientation import analysis_refusal

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

AFFINE = np.array([[-1.1, 0, 0, 11], [0, -0.9, 0, 7], [0, 0, 5, 30], [0, 0, 0, 1.0]])
"""Of what `write_series` writes by default, displayed voxel (x, y, z) to RAS mm."""


def listing_of(path):
    listing = scan(path)
    assert [row.why for row in listing.ignored] == []
    return listing.series


def only(path):
    series = listing_of(path)
    assert len(series) == 1
    return series[0]


def opened(path):
    return open_volume(only(path))


def whys(path):
    return [row.why for row in scan(path).ignored]


# --- the same patient


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
def test_every_transfer_syntax_that_can_be_written_shows_the_same_slices(tmp_path, syntax):
    scene = head_scan()
    chance = random.Random(3)
    rescales = [(chance.choice((0.5, 1, 2, 4)) if syntax not in ENCODERS else 1, -chance.randrange(0, 3)) for _ in scene]
    stored = scene // 4 * 4
    write_series(
        tmp_path,
        stored,
        syntax=syntax,
        bits=None if syntax in ENCODERS else 16,
        seed=7,
        numbers=list(range(len(scene), 0, -1)),
        rescale=rescales.__getitem__,
    )
    series = only(tmp_path)
    volume = open_volume(series)
    expected = np.stack([np.round((s - i) / k) * k + i for s, (k, i) in zip(stored.astype(float), rescales, strict=True)])
    assert np.allclose(volume.voxels[..., 0], expected)
    assert np.abs(expected - stored).max() <= 2
    assert np.allclose(volume.affine, AFFINE, atol=1e-3)
    assert (volume.plane, series.order_by, series.axes, series.sequence) == ("axial", "position", "LPS", "FLAIR")
    assert "instance numbers run against" in " ".join(series.notes)
    assert str(volume.voxels.dtype) == series.dtype
    for z in range(len(volume)):
        assert np.array_equal(series.peek(z), volume[z])


DIRECTIONS = [
    (row, column, sign)
    for row, column in itertools.permutations([(1, 0, 0), (0, 1, 0), (0, 0, 1)], 2)
    for sign in itertools.product((1, -1), repeat=2)
]


@pytest.mark.parametrize(("row", "column", "signs"), DIRECTIONS)
@pytest.mark.parametrize("reverse", [False, True])
def test_slices_cut_in_any_direction_show_the_same_volume(tmp_path, row, column, signs, reverse):
    """All 48 ways to store one volume: 6 orders of the axes, each axis in two directions."""
    scene = head_scan(8, 9, 10)
    spacing = {0: 1.1, 1: 0.9, 2: 1.2}  # nearly cubes: shown axial whatever the slices are
    first = np.array([-11.0, -7.0, 30.0])
    x_axis, y_axis = np.flatnonzero(row)[0], np.flatnonzero(column)[0]
    z_axis = 3 - x_axis - y_axis
    direction = np.zeros(3)
    direction[z_axis] = 1
    normal = np.cross(np.multiply(row, signs[0]), np.multiply(column, signs[1]))
    stored = scene.transpose(2, 1, 0).transpose(z_axis, y_axis, x_axis)
    corner = first.copy()
    size = dict(enumerate(scene.shape[::-1]))
    for axis, sign, place in ((x_axis, signs[0], 2), (y_axis, signs[1], 1), (z_axis, normal[z_axis], 0)):
        if sign < 0:
            stored = np.flip(stored, place)
            corner[axis] += spacing[axis] * (size[axis] - 1)
    step = normal * spacing[z_axis]
    numbers = list(range(1, len(stored) + 1))
    write_series(
        tmp_path,
        np.ascontiguousarray(stored),
        origin=tuple(corner),
        row=tuple(np.multiply(row, signs[0])),
        column=tuple(np.multiply(column, signs[1])),
        step=tuple(step),
        spacing=(spacing[y_axis], spacing[x_axis]),
        depth=spacing[z_axis],
        numbers=numbers[::-1] if reverse else numbers,
        seed=1 if reverse else None,
    )
    volume = opened(tmp_path)
    assert volume.plane == "axial"
    assert np.array_equal(volume.voxels[..., 0], scene)
    assert np.allclose(volume.affine, np.array([[-1.1, 0, 0, 11], [0, -0.9, 0, 7], [0, 0, 1.2, 30], [0, 0, 0, 1]]), atol=1e-3)
    assert np.array_equal(volume.stored.restore(volume.voxels[..., 0]), stored.transpose(2, 1, 0))
    assert analysis_refusal(volume) is None


def test_slices_keep_their_files(tmp_path):
    paths = write_series(tmp_path, head_scan())
    series = only(tmp_path)
    volume = open_volume(series)
    assert series.files == tuple(paths)
    assert volume.sources == tuple(f"{tmp_path.name}/{path.name}" for path in paths)
    assert volume.stems == tuple(f"{series.key}_z{z:04}" for z in range(6))
    assert series.source == tmp_path.name


def test_coarse_sagittal_slices_are_shown_and_not_analysed(tmp_path):
    write_series(tmp_path, head_scan(), row=(0, 1, 0), column=(0, 0, -1), origin=(20, -50, 60))
    series = only(tmp_path)
    volume = open_volume(series)
    assert (volume.plane, series.axes) == ("sagittal", "PIR")
    assert np.array_equal(volume.voxels[..., 0], head_scan())  # left to right: right-handed, as DICOM's own axes
    assert "sagittal" in volume.refusal
    assert volume.refusal == analysis_refusal(volume)
    assert series.shape == (6, 20, 24)


# --- which files make a volume


@pytest.mark.parametrize(
    ("keyword", "values"),
    [
        ("StudyInstanceUID", ("1.2.3", "1.2.4")),
        ("series", ("1.2.3.4", "1.2.3.5")),
        ("FrameOfReferenceUID", ("1.2.3.9", "1.2.3.8")),
        ("EchoNumbers", (1, 2)),
        ("EchoTime", (10.5, 90.0)),
        ("AcquisitionNumber", (1, 2)),
        ("TemporalPositionIdentifier", (1, 2)),
        ("ImageType", (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"])),
        ("TriggerTime", (0, 120)),
        ("AcquisitionTime", ("101010", "101020")),
        ("spacing", ((0.9, 1.1), (0.8, 1.1))),
        ("row", ((1, 0, 0), (0.9659258, 0.2588190, 0))),
    ],
)
def test_volumes_that_differ_are_told_apart(tmp_path, keyword, values):
    for number in range(2):
        extra = {"column": (-0.2588190, 0.9659258, 0)} if keyword == "row" and number else {}
        write_series(
            tmp_path / str(number), head_scan() + number, numbers=list(range(1 + 6 * number, 7 + 6 * number)), **{keyword: values[number]}, **extra
        )
    series = listing_of(tmp_path)
    assert [one.shape for one in series] == [(6, 20, 24)] * 2
    assert len({one.key for one in series}) == 2
    assert {int(open_volume(one).voxels[0, 0, 0, 0]) for one in series} == {int(head_scan()[0, 0, 0]) + n for n in range(2)}


def test_volumes_without_any_mark_are_told_apart_by_their_numbers(tmp_path):
    for number in range(3):
        write_series(tmp_path / str(number), head_scan() + number, numbers=list(range(1 + 6 * number, 7 + 6 * number)))
    series = listing_of(tmp_path)
    for one in series:
        number = int(open_volume(one).voxels[0, 0, 0, 0]) - int(head_scan()[0, 0, 0])
        assert f"volume {number + 1} of 3" in one.notes[0]
    assert len({one.key for one in series}) == 3


def test_a_survey_in_three_planes_is_three_series(tmp_path):
    for number, (row, column) in enumerate((((1, 0, 0), (0, 1, 0)), ((0, 1, 0), (0, 0, -1)), ((1, 0, 0), (0, 0, -1)))):
        write_series(tmp_path / str(number), head_scan(3), row=row, column=column, SeriesDescription="Survey")
    series = listing_of(tmp_path)
    assert sorted(one.plane for one in series) == ["axial", "coronal", "sagittal"]
    assert {one.sequence for one in series} == {"localiser"}


def test_numbers_that_differ_from_slice_to_slice_do_not_tear_a_volume_apart(tmp_path):
    def edit(dataset, number):
        dataset.AcquisitionNumber = number + 1
        dataset.TemporalPositionIdentifier = number + 1
        dataset.AcquisitionTime = f"1010{number:02}"
        dataset.EchoTime = 90 + number / 10

    write_series(tmp_path, head_scan(), edit=edit)
    assert np.array_equal(opened(tmp_path).voxels[..., 0], head_scan())


def test_echo_times_that_alternate_do_not_tear_a_volume_apart(tmp_path):
    write_series(tmp_path, head_scan(), edit=lambda dataset, number: setattr(dataset, "EchoTime", 90 + (number % 2) / 10))
    assert np.array_equal(opened(tmp_path).voxels[..., 0], head_scan())


def test_of_a_long_time_series_the_first_volume_is_listed(tmp_path):
    for time in range(18):
        write_series(tmp_path / str(time), head_scan(2, 8, 8), numbers=[2 * time + 1, 2 * time + 2])
    listing = scan(tmp_path)
    assert len(listing.series) == 1
    assert len(listing.ignored) == 34
    assert "volume 2 of 18" in listing.ignored[0].why


def test_two_slices_far_apart_after_a_gap(tmp_path):
    paths = write_series(tmp_path, head_scan(5))
    paths[2].unlink()
    paths[3].unlink()
    series = only(tmp_path)
    assert "2 slices seem to be missing after slice 2" in series.notes[0]
    assert series.spacing_mm[0] == pytest.approx(5)


def test_keys_depend_on_nothing_but_the_series(tmp_path):
    for name, seed in (("one", None), ("two", 4)):
        for echo in (1, 2):
            write_series(tmp_path / name / str(echo), head_scan(), seed=seed, EchoNumbers=echo)
    one, two = ([series.key for series in listing_of(tmp_path / name)] for name in ("one", "two"))
    assert sorted(one) == sorted(two)
    assert all(key.startswith("5_AX_FLAIR_") for key in one)
    assert all(len(key) == len("5_AX_FLAIR_") + 8 for key in one)


def test_a_key_is_the_hash_of_the_series_alone_where_nothing_splits(tmp_path):
    write_series(tmp_path / "a", head_scan())
    write_series(tmp_path / "b", head_scan(3))
    assert only(tmp_path / "a").key == only(tmp_path / "b").key


# --- gaps and the like


def test_missing_slices_are_said(tmp_path):
    paths = write_series(tmp_path, head_scan(10))
    for number in (3, 4, 7):
        paths[number].unlink()
    series = only(tmp_path)
    assert series.notes[0] == "3 slices seem to be missing after slice 3 and 5: the step is 5 mm, but up to 15 mm there."
    assert series.spacing_mm == pytest.approx((5, 0.9, 1.1))


def test_uneven_spacing_and_tilt_are_said(tmp_path):
    def uneven(dataset, number):
        dataset.ImagePositionPatient = [-11, -7, 30 + 5 * number + (number % 3)]

    write_series(tmp_path / "uneven", head_scan(), edit=uneven)
    assert "unevenly spaced: 3 to 6 mm" in only(tmp_path / "uneven").notes[0]
    write_series(tmp_path / "tilt", head_scan(), step=(0, np.tan(np.radians(15)) * 5, 5), Modality="CT")
    series = only(tmp_path / "tilt")
    assert "tilted: the slices are shifted against each other by 15.0 degrees" in series.notes[0]
    assert np.allclose(series.affine[:3, 2], [0, -np.tan(np.radians(15)) * 5, 5], atol=1e-3)

    def aside(dataset, number):
        dataset.ImagePositionPatient = [-11 + 4 * (number % 2), -7, 30 + 5 * number]

    write_series(tmp_path / "aside", head_scan(7), edit=aside)
    assert "shifted against each other by up to 4 mm" in only(tmp_path / "aside").notes[0]


def test_copies_and_second_slices_at_one_place_are_left_out(tmp_path):
    paths = write_series(tmp_path, head_scan())
    (tmp_path / "copy.dcm").write_bytes(paths[2].read_bytes())
    again = pydicom.dcmread(paths[4])
    again.SOPInstanceUID, again.InstanceNumber = "1.9.9", 99
    save(again, tmp_path / "again.dcm")
    listing = scan(tmp_path)
    assert [(row.file.split("/")[-1], row.why) for row in listing.ignored] == [
        ("again.dcm", 'It lies at the same position as "IM0004.dcm", which is shown.'),
        ("IM0002.dcm", 'It is a copy of "copy.dcm" (the same instance).'),
    ]
    assert np.array_equal(open_volume(listing.series[0]).voxels[..., 0], head_scan())


def test_shuffled_numbers_are_said_and_not_followed(tmp_path):
    write_series(tmp_path, head_scan(), numbers=[3, 1, 2, 6, 5, 4])
    series = only(tmp_path)
    assert "do not follow" in series.notes[0]
    assert np.array_equal(open_volume(series).voxels[..., 0], head_scan())


def test_without_positions_numbers_then_names_decide(tmp_path):
    def bare(dataset, number):
        del dataset.ImagePositionPatient

    write_series(tmp_path / "numbers", head_scan(), seed=2, edit=bare)
    series = only(tmp_path / "numbers")
    assert (series.order_by, series.affine, series.plane, series.spacing_mm) == ("instance", None, None, pytest.approx((5, 0.9, 1.1)))
    assert np.array_equal(open_volume(series).voxels[..., 0], head_scan())
    assert open_volume(series).spacing == pytest.approx((5, 0.9, 1.1))

    def barer(dataset, number):
        bare(dataset, number)
        del dataset.InstanceNumber

    write_series(tmp_path / "names", head_scan(12), edit=barer)
    (tmp_path / "names" / "IM0010.dcm").rename(tmp_path / "names" / "IM10.dcm")
    series = only(tmp_path / "names")
    assert series.order_by == "name"
    assert "names of the files" in series.notes[0]


def test_a_single_slice_has_its_own_depth(tmp_path):
    path = write_series(tmp_path, head_scan(1), SpacingBetweenSlices=6.5)[0]
    assert only(path).spacing_mm == pytest.approx((6.5, 0.9, 1.1))


# --- enhanced files


def test_enhanced_files_are_ordered_by_position(tmp_path):
    path = write_enhanced(tmp_path / "a.dcm", head_scan(), order=[3, 0, 5, 1, 4, 2])
    series = only(path)
    volume = open_volume(series)
    assert np.array_equal(volume.voxels[..., 0], head_scan())
    assert np.allclose(volume.affine, AFFINE, atol=1e-3)
    assert series.files == (path,)
    assert np.array_equal(series.peek(4), volume[4])


def test_stacks_of_an_enhanced_file_are_volumes_of_their_own(tmp_path):
    path = write_enhanced(tmp_path / "a.dcm", head_scan(), stacks=2)
    series = listing_of(path)
    assert [one.shape for one in series] == [(3, 20, 24)] * 2
    assert {int(open_volume(one).voxels[0, 3, 3, 0]) for one in series} == {int(head_scan()[0, 3, 3]), int(head_scan()[3, 3, 3])}


def test_enhanced_frames_have_their_own_rescale_and_window(tmp_path):
    def edit(dataset):
        for number, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            rescale, window = Dataset(), Dataset()
            rescale.RescaleSlope, rescale.RescaleIntercept = 2, number
            window.WindowCenter, window.WindowWidth = 1000.5, 2001
            group.PixelValueTransformationSequence, group.FrameVOILUTSequence = Sequence([rescale]), Sequence([window])

    volume = opened(write_enhanced(tmp_path / "a.dcm", head_scan(), edit=edit))
    assert np.array_equal(volume.voxels[..., 0], head_scan().astype(int) * 2 + np.arange(6)[:, None, None])
    assert volume.window == (0, 2000)


def test_a_classic_multi_frame_file_is_not_placed(tmp_path):
    dataset = base(PixelSpacing=[1, 1])
    set_pixels(dataset, head_scan(), ExplicitVRLittleEndian)
    series = only(save(dataset, tmp_path / "a.dcm"))
    assert (series.affine, series.order_by, series.shape) == (None, "instance", (6, 20, 24))


# --- mosaics


@pytest.mark.parametrize(
    ("values", "mosaic"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]}, True),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], "AcquisitionMatrix": [8, 0, 0, 8]}, True),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], "AcquisitionMatrix": [24, 0, 0, 20]}, False),
        ({}, False),
    ],
)
def test_mosaics_are_recognised_and_not_analysed(tmp_path, values, mosaic):
    write_series(tmp_path, head_scan(), **values)
    series = only(tmp_path)
    assert (series.affine is None) == mosaic
    refusal = analysis_refusal(open_volume(series))
    assert (refusal is not None and "mosaic" in refusal) == mosaic


def test_siemens_own_count_makes_a_mosaic(tmp_path):
    def edit(dataset, number):
        block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x0A, "US", 48)

    write_series(tmp_path, head_scan(1), edit=edit)
    dataset = pydicom.dcmread(tmp_path / "IM0000.dcm")
    assert 0x0019100A in dataset
    assert "mosaic" in analysis_refusal(opened(tmp_path))


def test_the_word_alone_makes_no_mosaic_of_an_enhanced_file(tmp_path):
    series = only(write_enhanced(tmp_path / "a.dcm", head_scan(), ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]))
    assert series.affine is not None


# --- pixels


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian], ids=["little", "big"])
def test_signed_and_unsigned_pixels_of_every_width(tmp_path, dtype, syntax):
    stored = head_scan(3).astype(np.int64) * 1_000_003
    stored = stored.astype(dtype)
    write_series(tmp_path, stored, syntax=syntax)
    volume = opened(tmp_path)
    assert volume.voxels.dtype == np.dtype(dtype)
    assert np.array_equal(volume.voxels[..., 0], stored)


@pytest.mark.parametrize("kind", ["u", "i"])
@pytest.mark.parametrize(("allocated", "bits"), [(16, 12), (16, 9), (8, 5), (32, 20)])
def test_bits_above_those_stored_are_rubbish(tmp_path, kind, allocated, bits):
    values = head_scan(3).astype(np.int64) % (1 << bits)
    if kind == "i":
        values -= 1 << bits - 1
    rubbish = np.random.default_rng(1).integers(0, 1 << allocated - bits, values.shape) << bits
    stored = ((values & ((1 << bits) - 1)) | rubbish).astype(f"u{allocated // 8}").view(f"{kind}{allocated // 8}")
    write_series(tmp_path, stored, bits=bits)
    assert np.array_equal(opened(tmp_path).voxels[..., 0], values)


@pytest.mark.parametrize("kind", ["u", "i"])
@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
def test_codestreams_of_whole_words_leak_nothing(tmp_path, kind, syntax):
    values = head_scan(2).astype(np.int64) % (1 << 11) - (1 << 10 if kind == "i" else 0)
    rubbish = np.random.default_rng(1).integers(0, 16, values.shape) << 12

    def edit(dataset, number):
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, int(kind == "i")

    write_series(tmp_path, ((values & 4095) | rubbish).astype(np.uint16), syntax=syntax, edit=edit)
    assert np.array_equal(opened(tmp_path).voxels[..., 0], values)


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
def test_pixels_in_the_high_bits_of_compressed_files_are_right_or_refused(tmp_path, syntax):
    def edit(dataset, number):
        dataset.BitsStored, dataset.HighBit = 12, 15

    write_series(tmp_path, head_scan(2) << 4 | 9, syntax=syntax, edit=edit)
    if syntax in (*NATIVE, RLELossless):
        assert np.array_equal(opened(tmp_path).voxels[..., 0], head_scan(2))
    else:
        with pytest.raises(ReadError, match="12 bits below bit 16"):
            opened(tmp_path)


def test_pixels_in_the_high_bits(tmp_path):
    def edit(dataset, number):
        dataset.BitsStored, dataset.HighBit = 12, 15

    write_series(tmp_path, head_scan(3) << 4 | 9, edit=edit)
    assert np.array_equal(opened(tmp_path).voxels[..., 0], head_scan(3))


@pytest.mark.parametrize(("keyword", "dtype"), [("FloatPixelData", "f4"), ("DoubleFloatPixelData", "f8")])
def test_float_pixels(tmp_path, keyword, dtype):
    values = (head_scan(3) / 7).astype(dtype)

    def edit(dataset, number):
        del dataset.PixelData
        del dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
        dataset.BitsAllocated = 8 * np.dtype(dtype).itemsize
        setattr(dataset, keyword, values[number].tobytes())

    write_series(tmp_path, head_scan(3), edit=edit)
    volume = opened(tmp_path)
    assert volume.voxels.dtype == np.dtype(dtype)
    assert np.array_equal(volume.voxels[..., 0], values)


def test_monochrome1_is_turned_round_with_its_window(tmp_path):
    write_series(tmp_path, head_scan(3), bits=12, PhotometricInterpretation="MONOCHROME1", WindowCenter=600.5, WindowWidth=1001)
    volume = opened(tmp_path)
    assert np.array_equal(volume.voxels[..., 0], 4095 - head_scan(3))
    assert volume.window == (4095 - 1100, 4095 - 100)
    assert "MONOCHROME1" in volume.notes[0]


def test_whole_rescales_stay_whole_and_others_become_floats(tmp_path):
    write_series(tmp_path / "ct", head_scan(3), bits=12, edit=lambda d, n: setattr(d, "RescaleIntercept", -1024) or setattr(d, "RescaleSlope", 1))
    volume = opened(tmp_path / "ct")
    assert volume.voxels.dtype == np.int16
    assert np.array_equal(volume.voxels[..., 0], head_scan(3).astype(int) - 1024)
    write_series(tmp_path / "pet", head_scan(3), edit=lambda d, n: setattr(d, "RescaleSlope", 0.1 * (n + 1)) or setattr(d, "RescaleIntercept", 0))
    volume = opened(tmp_path / "pet")
    assert volume.voxels.dtype == np.float32
    assert np.allclose(volume.voxels[..., 0], head_scan(3) * 0.1 * np.arange(1, 4)[:, None, None], rtol=1e-5)


def test_windows_of_the_file_and_without_padding(tmp_path):
    write_series(
        tmp_path / "window", head_scan(3), edit=lambda d, n: setattr(d, "WindowCenter", [1000 + n, 5]) or setattr(d, "WindowWidth", [501, 5])
    )
    assert opened(tmp_path / "window").window == (751 - 0.5, 1251 - 0.5)

    def table(dataset, number):
        item = Dataset()
        item.LUTDescriptor = [1000, 200, 16]
        item.LUTData = np.arange(1000, dtype="<u2").tobytes()
        item["LUTData"].VR = "OW"
        dataset.VOILUTSequence = Sequence([item])

    write_series(tmp_path / "table", head_scan(3), edit=table)
    assert opened(tmp_path / "table").window == (200, 1199)
    padded = head_scan(3).astype(np.int16)
    padded[:, :15] = -2000
    write_series(tmp_path / "padding", padded, PixelPaddingValue=-2000)
    volume = opened(tmp_path / "padding")
    assert volume.window[0] >= 0
    assert volume.voxels.min() == -2000
    write_series(tmp_path / "none", head_scan(3))
    assert opened(tmp_path / "none").window is None


def test_colour_and_palettes_are_pictures(tmp_path):
    colours = np.stack([head_scan(3)[0] % 256, head_scan(3)[1] % 256, head_scan(3)[2] % 256], axis=-1).astype(np.uint8)
    dataset = base()
    set_pixels(dataset, colours, ExplicitVRLittleEndian)
    volume = opened(save(dataset, tmp_path / "rgb.dcm"))
    assert volume.channels == ("red", "green", "blue")
    assert np.array_equal(volume.voxels[0], colours)
    assert "colour" in analysis_refusal(volume)

    dataset = base(PhotometricInterpretation="PALETTE COLOR")
    set_pixels(dataset, colours[..., 0], ExplicitVRLittleEndian)
    for number, name in enumerate(("Red", "Green", "Blue")):
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(dataset, f"{name}PaletteColorLookupTableData", (np.arange(256, dtype="<u2") * 256 + number).tobytes())
    path = tmp_path / "palette" / "a.dcm"
    path.parent.mkdir()
    volume = opened(save(dataset, path))
    assert np.array_equal(volume.voxels[0], np.repeat(colours[..., :1], 3, axis=-1))


@pytest.mark.parametrize("table", [True, False])
def test_compressed_frames_in_pieces_with_and_without_an_offset_table(tmp_path, table):
    def edit(dataset):
        encoder = ENCODERS["1.2.840.10008.1.2.4.90"]
        # Without a table pydicom can tell frames in several pieces apart by their end marks.
        dataset.PixelData = encapsulate([encoder(frame) for frame in head_scan()], fragments_per_frame=3 if table else 1, has_bot=table)
        dataset["PixelData"].VR = "OB"

    volume = opened(write_enhanced(tmp_path / "a.dcm", head_scan(), syntax=UID("1.2.840.10008.1.2.4.90"), edit=edit))
    assert np.array_equal(volume.voxels[..., 0], head_scan())


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"])
@pytest.mark.parametrize("bits", [12, 16])
def test_signed_compressed_pixels(tmp_path, uid, bits):
    values = head_scan(3).astype(np.int16) - 2048

    write_series(tmp_path, values, bits=bits, syntax=UID(uid))
    assert np.array_equal(opened(tmp_path).voxels[..., 0], values)


def test_lossy_jpeg_of_8_and_12_bits(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs")
    smooth = (np.add.outer(np.arange(64), np.arange(48)) * 20).astype(np.uint16)
    for uid, array, bits in (("1.2.840.10008.1.2.4.51", smooth, 12), ("1.2.840.10008.1.2.4.50", (smooth // 16).astype(np.uint8), 8)):
        dataset = base(SliceThickness=5, PixelSpacing=[1, 1], ImagePositionPatient=[0, 0, 0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
        set_pixels(dataset, array, ExplicitVRLittleEndian, bits)
        dataset.PixelData = encapsulate([imagecodecs.jpeg8_encode(array, level=98, bitspersample=bits)])
        dataset["PixelData"].is_undefined_length = True
        path = tmp_path / str(bits) / "a"
        path.parent.mkdir()
        volume = opened(save(dataset, path, UID(uid)))
        assert np.abs(volume.voxels[0, ..., 0].astype(int) - array).max() < 20
        assert "with loss" in volume.notes[0]


def test_what_no_decoder_knows_is_named(tmp_path):
    dataset = base()
    set_pixels(dataset, head_scan(1)[0], ExplicitVRLittleEndian)
    dataset.PixelData = encapsulate([b"\0" * 64])
    dataset["PixelData"].is_undefined_length = True
    path = save(dataset, tmp_path / "a.dcm", UID("1.2.840.10008.1.2.4.100"))
    with pytest.raises(ReadError, match="MPEG2 Main Profile"):
        opened(path)
    with pytest.raises(ReadError, match="MPEG2 Main Profile"):
        only(path).peek(0)


def test_a_slice_that_cannot_be_decoded_is_left_out_and_named(tmp_path):
    paths = write_series(tmp_path, head_scan(), syntax=UID("1.2.840.10008.1.2.4.80"))
    data = paths[3].read_bytes()
    start = data.index(b"\xff\xd8\xff", 200)
    paths[3].write_bytes(data[: start + 4] + b"\0" * (len(data) - start - 4))
    volume = opened(tmp_path)
    assert np.array_equal(volume.voxels[..., 0], np.delete(head_scan(), 3, axis=0))
    assert volume.notes[0].startswith('1 slice could not be read ("IM0003.dcm"')
    assert "missing after slice 3" in " ".join(volume.notes)
    assert volume.ignored[0][0] == f"{tmp_path.name}/IM0003.dcm"
    assert len(volume.sources) == 5


# --- what is no image


def test_what_is_no_image_is_told_apart(tmp_path):
    def write(name, sop_class, **values):
        dataset = base(**values)
        dataset.SOPClassUID = sop_class
        save(dataset, tmp_path / name)

    write("gsps", "1.2.840.10008.5.1.4.1.1.11.1", Modality="PR")
    write("sr", "1.2.840.10008.5.1.4.1.1.88.33", Modality="SR")
    write("plan", "1.2.840.10008.5.1.4.1.1.481.5", Modality="RTPLAN")
    write("pdf", "1.2.840.10008.5.1.4.1.1.104.1", Modality="DOC")
    write("empty", "1.2.840.10008.5.1.4.1.1.4", Rows=64, Columns=64)
    whole = write_series(tmp_path / "short", head_scan(1))[0]
    whole.write_bytes(whole.read_bytes()[:-100])
    private = Dataset()
    private.SOPClassUID = "1.2.3.4.5.6"
    private.private_block(0x0029, "ACME", create=True).add_new(1, "LO", "x")
    save(private, tmp_path / "private")
    (tmp_path / "junk.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"rubbish" * 40)
    listing = scan(tmp_path)
    assert listing.series == ()
    reasons = {row.file.split("/")[-1]: row.why for row in listing.ignored}
    for name, words in {
        "gsps": "presentation state",
        "sr": "report or document",
        "plan": "radiotherapy object",
        "pdf": "report or document",
        "empty": "stored without them",
        "IM0000.dcm": "cut short: 860 of the 960 bytes",
        "private": "public DICOM attributes",
        "junk.dcm": ".",
    }.items():
        assert words in reasons[name], (name, reasons[name])


def test_headers_that_lie_about_size_take_no_memory(tmp_path):
    def edit(dataset, number):
        dataset.Rows = dataset.Columns = 65535

    write_series(tmp_path / "native", head_scan(1), edit=edit)
    assert "cut short" in whys(tmp_path / "native")[0]
    write_series(tmp_path / "packed", head_scan(1), edit=edit, syntax=UID("1.2.840.10008.1.2.4.90"))
    assert "holds only" in whys(tmp_path / "packed")[0]
    write_series(tmp_path / "frames", head_scan(1), edit=lambda d, n: setattr(d, "NumberOfFrames", 60000), syntax=UID("1.2.840.10008.1.2.4.90"))
    assert whys(tmp_path / "frames")[0].startswith(("It announces", "It is cut short: 1 of 60,000 frames"))


# --- names, folders, privacy


def test_a_folder_of_any_kind(tmp_path):
    write_series(tmp_path / "Ünïcode ordner" / "深い" / "a", head_scan(), seed=5)
    (tmp_path / "README.txt").write_text("hello", encoding="utf-8")
    (tmp_path / "Ünïcode ordner" / "view.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    listing = scan(tmp_path)
    dicom = [one for one in listing.series if one.format == "dicom"]
    assert np.array_equal(open_volume(dicom[0]).voxels[..., 0], head_scan())
    assert any("README" in row.file for row in listing.ignored)


def test_gzipped_and_headless_files(tmp_path):
    paths = write_series(tmp_path, head_scan())
    for path in paths:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert np.array_equal(opened(tmp_path).voxels[..., 0], head_scan())
    for path in tmp_path.iterdir():
        data = gzip.decompress(path.read_bytes())
        path.unlink()
        dataset = pydicom.dcmread(io.BytesIO(data))
        del dataset.file_meta
        dataset.preamble = None
        pydicom.dcmwrite(tmp_path / path.name.removesuffix(".dcm.gz"), dataset, implicit_vr=True, little_endian=True)
    assert np.array_equal(opened(tmp_path).voxels[..., 0], head_scan())


def test_descriptions_in_other_scripts(tmp_path):
    write_series(tmp_path, head_scan(), SpecificCharacterSet="ISO_IR 192", SeriesDescription="脳 FLAIR")
    series = only(tmp_path)
    assert (series.description, series.sequence) == ("脳 FLAIR", "FLAIR")
    assert series.key.startswith("5_脳_FLAIR_")


def test_nothing_says_whose_scan_it_is(tmp_path, caplog):
    write_series(tmp_path, head_scan())
    listing = scan(tmp_path)
    series = listing.series[0]
    volume = open_volume(series)
    said = [series.key, series.description, series.source, *series.notes, *volume.notes, *volume.facts, *volume.facts.values(), *volume.stems]
    said += [json.dumps([asdict(row) for row in listing.ignored]), caplog.text, volume.description, repr(volume.source.name)]
    text = " ".join(said).lower()
    assert not [word for word in ("doe", "jane", "secret", "1970", "hospital") if word in text]
    assert volume.facts["Modality"] == "MR"


def test_an_index_opens_what_it_lists(tmp_path):
    folder = Path(pydicom.__file__).parent / "data" / "test_files" / "dicomdirtests"
    if not (folder / "DICOMDIR").is_file():
        pytest.skip("pydicom came without its test files")
    listing = scan(folder / "DICOMDIR")
    assert len(listing.series) >= 10


def test_what_progress_raises_comes_through(tmp_path):
    write_series(tmp_path, head_scan())
    series = only(tmp_path)

    def stop(done, total):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        open_volume(series, stop)


# --- the libraries' own files


def library_files():
    import nibabel.nicom.tests

    yield Path(pydicom.__file__).parent / "data" / "test_files"
    yield Path(nibabel.nicom.tests.__file__).parent / "data"


@pytest.mark.parametrize("number", [0, 1], ids=["pydicom", "nibabel"])
def test_every_file_that_the_libraries_carry_opens_or_is_refused(number):
    pytest.importorskip("nibabel")
    folder = list(library_files())[number]
    if not folder.is_dir():
        pytest.skip("the library came without its test files")
    opened_files = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        listing = scan(path)
        sentences = [row.why for row in listing.ignored]
        for series in listing.series:
            try:
                volume = open_volume(series)
            except ReadError as error:
                sentences.append(error.sentence)
            else:
                opened_files += 1
                if series.format == "dicom" and volume.affine is not None:
                    compare_with_nibabel(path, volume)
        assert listing.series or sentences
        assert [sentence for sentence in sentences if not sentence.endswith(".")] == []
    assert opened_files > (60 if number == 0 else 5)


def compare_with_nibabel(path, volume):
    """The same voxels in the same place as nibabel's own reader, after closest-canonical reorientation."""
    import nibabel
    from nibabel.nicom import dicomwrappers

    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    wrapper = dicomwrappers.wrapper_from_data(pydicom.dcmread(io.BytesIO(content), force=True))
    if wrapper.is_mosaic or volume.voxels.shape[-1] != 1:
        return
    try:
        to_ras = np.diag([-1, -1, 1, 1]) @ wrapper.affine
    except dicomwrappers.WrapperError:
        return  # nibabel does not place it either
    data = np.asarray(wrapper.get_data()).reshape(wrapper.image_shape if len(wrapper.image_shape) == 3 else (*wrapper.image_shape, 1))
    theirs = nibabel.as_closest_canonical(nibabel.Nifti1Image(data.astype(np.float64), to_ras))
    ours = nibabel.as_closest_canonical(nibabel.Nifti1Image(volume.voxels[..., 0].transpose(2, 1, 0).astype(np.float64), volume.affine))
    same_depth = volume.shape[0] > 1 or "SpacingBetweenSlices" not in wrapper.dcm_data
    assert np.allclose(ours.affine, theirs.affine, atol=1e-3) or not same_depth, path
    assert np.allclose(ours.get_fdata(), theirs.get_fdata(), atol=1e-2, rtol=1e-5), path
