import gzip
import itertools
import struct
from pathlib import Path

import numpy as np
import pytest

from brainviewer.errors import ReadError
from brainviewer.formats import open_volume, scan

nibabel = pytest.importorskip("nibabel")

ORDERS = [(order, flips) for order in itertools.permutations(range(3)) for flips in itertools.product((1, -1), repeat=3)]
AFFINE = np.array([[-0.9, 0, 0, 40], [0, -0.9, 0, 31], [0, 0, 5, -12], [0, 0, 0, 1.0]])


def head_scan(dtype=np.int16):
    """(z, y, x): every voxel has its own value, and none is the mirror image of another."""
    return np.arange(4 * 6 * 7).reshape(4, 6, 7).astype(dtype)


def stored_as(displayed, order, signs):
    """The stored array and affine of a displayed volume whose axes (x, y, z) are stored in another order and direction."""
    xyz = displayed.transpose(2, 1, 0)
    stored = xyz.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    to_displayed = np.zeros((4, 4))
    to_displayed[3, 3] = 1
    for axis, (source, sign) in enumerate(zip(order, signs, strict=True)):
        to_displayed[source, axis] = sign
        to_displayed[source, 3] = 0 if sign > 0 else xyz.shape[source] - 1
    return stored, AFFINE @ to_displayed


def save(path: Path, array, affine=None, *, kind=nibabel.Nifti1Image, sform=1, qform=0, header=None):
    image = kind(array, affine, header)
    image.header.set_xyzt_units("mm")
    if affine is not None:
        image.set_sform(affine, sform)
        image.set_qform(affine if qform else None, qform)
    nibabel.save(image, path)
    return path


def only(path: Path):
    listing = scan(path)
    assert [row.why for row in listing.ignored] == []
    assert len(listing.series) == 1
    return listing.series[0]


def why(path: Path) -> str:
    listing = scan(path)
    assert listing.series == ()
    return " ".join(row.why for row in listing.ignored)


@pytest.mark.parametrize(("order", "signs"), ORDERS)
def test_all_orders_and_flips_show_the_same_slices(tmp_path, order, signs):
    displayed = head_scan()
    stored, affine = stored_as(displayed, order, signs)
    series = only(save(tmp_path / "flair.nii.gz", stored, affine))
    volume = open_volume(series)
    assert np.array_equal(volume.voxels[..., 0], displayed)
    assert volume.plane == series.plane == "axial"
    assert np.allclose(volume.affine, AFFINE, atol=1e-3)
    assert np.allclose(series.affine, volume.affine)
    assert series.shape == volume.shape == displayed.shape
    assert series.axes == "".join(nibabel.aff2axcodes(affine))
    assert np.array_equal(volume.stored.restore(volume.voxels[..., 0]), stored)
    assert np.allclose(volume.stored.affine, affine, atol=1e-3)


def test_a_series_says_what_it_is(tmp_path):
    path = save(tmp_path / "sub-01_FLAIR.nii.gz", head_scan().T, np.diag([-1, -1, 5, 1.0]))
    series = only(path)
    assert (series.key, series.format, series.sequence, series.order_by) == ("sub-01_FLAIR", "nifti", "FLAIR", "position")
    assert (series.source, series.dtype, series.channels) == ("sub-01_FLAIR.nii.gz", "int16", ("grey",))
    volume = open_volume(series)
    assert volume.stems == tuple(f"sub-01_FLAIR_z{z:04}" for z in range(4))
    assert set(volume.sources) == {series.source}
    assert not volume.voxels.flags.writeable


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.hdr", "a.img", "a.img.gz"])
@pytest.mark.parametrize("kind", ["Nifti1", "Nifti2"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_files_and_pairs_of_both_versions_and_byte_orders(tmp_path, name, kind, order):
    single = name.startswith("a.nii")
    image_class = getattr(nibabel, f"{kind}Image" if single else f"{kind}Pair")
    header = image_class.header_class(endianness=order)
    header.set_data_dtype(np.dtype(np.int16).newbyteorder(order))
    path = save(tmp_path / name, head_scan().T, np.diag([-1, -1, 5, 1.0]), kind=image_class, header=header)
    for opened in (path, tmp_path):
        volume = open_volume(only(opened))
        assert np.array_equal(volume.voxels[..., 0], head_scan())
        assert volume.voxels.dtype.isnative


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_voxel_type(tmp_path, dtype, order):
    dtype = np.dtype(dtype).newbyteorder(order)
    values = (head_scan() % 100).astype(dtype)
    if dtype.kind == "c":
        values = values * (3 + 4j) / 5
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(dtype)
    series = only(save(tmp_path / "a.nii", values.T.astype(dtype), np.diag([-1, -1, 5, 1.0]), header=header))
    volume = open_volume(series)
    assert str(volume.voxels.dtype) == series.dtype
    assert np.allclose(volume.voxels[..., 0], head_scan() % 100)
    assert np.allclose(series.peek(2), volume[2])


def test_scaled_whole_numbers(tmp_path):
    path = save(tmp_path / "a.nii", head_scan().T, np.diag([-1, -1, 5, 1.0]))
    data = bytearray(path.read_bytes())
    struct.pack_into("<ff", data, 112, 0.37, -5.25)
    path.write_bytes(data)
    series = only(path)
    volume = open_volume(series)
    assert volume.voxels.dtype == np.float32
    assert np.allclose(volume.voxels[..., 0], head_scan() * np.float32(0.37) - 5.25, rtol=1e-6, atol=1e-5)
    assert np.allclose(volume.voxels[..., 0].transpose(2, 1, 0), nibabel.load(path).get_fdata(), rtol=1e-6, atol=1e-5)
    assert np.allclose(series.peek(1), volume[1])


@pytest.mark.parametrize("fields", [[("R", "u1"), ("G", "u1"), ("B", "u1")], [("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")]])
def test_colour(tmp_path, fields):
    array = np.zeros((7, 6, 4), fields)
    for number, (name, _) in enumerate(fields):
        array[name] = head_scan().T % 100 + number
    series = only(save(tmp_path / "a.nii.gz", array, np.diag([-1, -1, 5, 1.0])))
    volume = open_volume(series)
    assert volume.channels == series.channels == ("red", "green", "blue")
    for number in range(3):
        assert np.array_equal(volume.voxels[..., number], head_scan() % 100 + number)


def test_volumes_of_four_and_five_dimensions_are_series_of_their_own(tmp_path):
    many = np.stack([head_scan().T + 1000 * number for number in range(3)], axis=-1)[:, :, :, np.newaxis, :]
    listing = scan(save(tmp_path / "multi.nii.gz", many, np.diag([-1, -1, 5, 1.0])))
    assert [one.key for one in listing.series] == ["multi", "multi_volume2", "multi_volume3"]
    for number, series in enumerate(listing.series):
        assert np.array_equal(open_volume(series).voxels[..., 0], head_scan() + 1000 * number)
        assert f"this is volume {number + 1}" in series.notes[-1]


def test_of_a_time_series_the_first_volume_is_listed(tmp_path):
    many = np.stack([head_scan().T] * 40, axis=-1)
    series = only(save(tmp_path / "bold.nii", many, np.diag([-1, -1, 5, 1.0])))
    assert "40 volumes" in series.notes[-1]


def test_flat_and_padded_shapes(tmp_path):
    series = only(save(tmp_path / "a.nii", head_scan()[0].T, np.diag([-1, -1, 5, 1.0])))
    assert series.shape == (1, 6, 7)
    series = only(save(tmp_path / "a.nii", head_scan().T[..., np.newaxis, np.newaxis], np.diag([-1, -1, 5, 1.0])))
    assert series.shape == (4, 6, 7)
    assert series.notes == ()


def test_where_the_scan_lies(tmp_path):
    matrix = np.diag([-1, -1, 5, 1.0])
    path = tmp_path / "a.nii"
    assert only(save(path, head_scan().T, matrix, sform=0, qform=1)).plane == "axial"
    neither = only(save(path, head_scan().T, matrix, sform=0, qform=0))
    assert (neither.affine, neither.plane, neither.axes) == (None, None, "")
    assert "does not say how the scan lies" in neither.notes[0]
    assert np.array_equal(open_volume(neither).voxels[..., 0], head_scan())

    image = nibabel.Nifti1Image(head_scan().T, matrix)
    image.set_sform(matrix, 1)
    image.set_qform(np.diag([1, 1, 5, 1.0]), 1)
    nibabel.save(image, path)
    assert "disagree" in only(path).notes[0]
    image.set_sform(np.zeros((4, 4)), 1)
    nibabel.save(image, path)
    assert np.allclose(only(path).affine, np.array([[-1, 0, 0, 6], [0, -1, 0, 5], [0, 0, 5, 0], [0, 0, 0, 1]]))


def test_oblique_sheared_and_other_units_are_said(tmp_path):
    turn = np.radians(15)
    oblique = np.eye(4)
    oblique[1:3, 1:3] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    assert "oblique by 15 degrees" in only(save(tmp_path / "a.nii", head_scan().T, oblique)).notes[0]
    sheared = np.eye(4)
    sheared[1, 2] = 0.5
    assert "sheared" in only(save(tmp_path / "a.nii", head_scan().T, sheared)).notes[0]
    path = save(tmp_path / "a.nii", head_scan().T, np.diag([-0.001, -0.001, 0.005, 1.0]))
    data = bytearray(path.read_bytes())
    data[123] = 1
    path.write_bytes(data)
    assert only(path).spacing_mm == pytest.approx((5, 1, 1))


def test_coarse_sagittal_files_are_shown_sagittal(tmp_path):
    series = only(save(tmp_path / "a.nii", head_scan(), np.array([[5, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])))
    assert (series.plane, series.shape, series.axes) == ("sagittal", (4, 7, 6), "RPS")
    assert "sagittal" in open_volume(series).refusal


def test_voxels_that_are_no_numbers_are_counted(tmp_path):
    values = head_scan(np.float32)
    values[0, 0, :3] = (np.nan, np.inf, -np.inf)
    assert "3 voxels are not numbers" in open_volume(only(save(tmp_path / "a.nii", values.T, np.eye(4)))).notes[-1]


# --- masks


def test_a_mask_of_the_same_grid_is_the_reference(tmp_path):
    matrix = np.diag([-1, -1, 5, 1.0])
    mask = (head_scan().T % 7 == 0).astype(np.uint8) * 4
    for name in ("case1_flair", "case1_t1", "case2_flair"):
        save(tmp_path / f"{name}.nii.gz", head_scan().T, matrix)
    save(tmp_path / "case1_seg.nii.gz", mask, matrix)
    save(tmp_path / "case2_seg.nii.gz", 1 - mask // 4, matrix)
    listing = scan(tmp_path)
    assert [one.reference for one in listing.series] == [True, True, True]
    volumes = {one.key: open_volume(one) for one in listing.series}
    assert np.array_equal(volumes["case1_flair"].reference, head_scan() % 7 == 0)
    assert np.array_equal(volumes["case2_flair"].reference, head_scan() % 7 != 0)


@pytest.mark.parametrize(
    ("name", "values", "matrix"),
    [
        ("a_seg", "many", np.diag([-1, -1, 5, 1.0])),
        ("a_seg", "few", np.diag([-1, -1, 4, 1.0])),
        ("a_brainmask", "few", np.diag([-1, -1, 5, 1.0])),
        ("b_seg", "few", np.diag([-1, -1, 5, 1.0])),
        ("a_t2", "few", np.diag([-1, -1, 5, 1.0])),
    ],
)
def test_what_is_no_matching_mask_stays_a_series(tmp_path, name, values, matrix):
    save(tmp_path / "a.nii.gz", head_scan().T, np.diag([-1, -1, 5, 1.0]))
    save(tmp_path / f"{name}.nii.gz", head_scan().T if values == "many" else head_scan().T % 2, matrix)
    assert [one.reference for one in scan(tmp_path).series] == [False, False]


def test_masks_in_a_folder_of_labels(tmp_path):
    for folder, values in (("imagesTr", head_scan()), ("labelsTr", head_scan() % 2)):
        (tmp_path / folder).mkdir()
        for case in ("x_01", "x_02"):
            save(tmp_path / folder / f"{case}.nii.gz", values.T, np.diag([-1, -1, 5, 1.0]))
    listing = scan(tmp_path)
    assert [(one.key, one.reference) for one in listing.series] == [("imagesTr_x_01", True), ("imagesTr_x_02", True)]


# --- what is refused


def test_what_cannot_be_read_is_refused_with_a_sentence(tmp_path):
    good = save(tmp_path / "good.nii", head_scan().T, np.eye(4)).read_bytes()
    path = tmp_path / "bad.nii"
    (tmp_path / "good.nii").unlink()
    for data, words in (
        (good[:100], "cut short"),
        (good[:-10], "cut short"),
        (b"x" * 1000, "is none"),
        (good[:344] + b"\0\0\0\0" + good[348:], "Analyze"),
        (good[:40] + struct.pack("<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1) + good[56:], "cut short"),
        (good[:40] + struct.pack("<8h", 3, -4, 6, 7, 1, 1, 1, 1) + good[56:], "impossible size"),
        (good[:40] + struct.pack("<8h", 99, 4, 6, 7, 1, 1, 1, 1) + good[56:], "dimensions"),
        (good[:70] + struct.pack("<h", 1) + good[72:], "cannot be shown"),
        (good[:70] + struct.pack("<h", 1536) + good[72:], "cannot be shown"),
        (good[:70] + struct.pack("<h", 77) + good[72:], "does not define"),
    ):
        path.write_bytes(data)
        assert words in why(path)


def test_a_gzipped_header_that_lies_takes_no_memory(tmp_path):
    good = save(tmp_path / "good.nii", head_scan().T, np.eye(4)).read_bytes()
    lie = good[:40] + struct.pack("<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1) + good[56:]
    path = tmp_path / "sub" / "lie.nii.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(lie))
    assert "far too small" in why(path)


def test_damaged_gzip_streams_are_refused(tmp_path):
    path = save(tmp_path / "a.nii.gz", np.random.default_rng(0).integers(0, 99, (30, 30, 30), np.int16), np.eye(4))
    good = path.read_bytes()
    series = only(path)
    for data in (good[: len(good) // 2], good[:5000] + bytes([good[5000] ^ 255]) + good[5001:], good[:-8] + b"\0\0\0\0" + good[-4:]):
        path.write_bytes(data)
        with pytest.raises(ReadError, match=r'"a\.nii\.gz"'):
            open_volume(series)


def test_halves_of_pairs(tmp_path):
    save(tmp_path / "a.img", head_scan().T, np.eye(4), kind=nibabel.Nifti1Pair)
    (tmp_path / "a.hdr").rename(tmp_path / "b.hdr")
    assert "(.hdr) is missing" in why(tmp_path)
    assert "(.img) is missing" in why(tmp_path)


def test_what_progress_raises_comes_through(tmp_path):
    series = only(save(tmp_path / "a.nii.gz", head_scan().T, np.eye(4)))

    def stop(done, total):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        open_volume(series, stop)


def test_every_file_that_nibabel_carries_opens_or_is_refused():
    folder = Path(nibabel.__file__).parent
    listing = scan(folder)
    opened, sentences = 0, [row.why for row in listing.ignored]
    for series in listing.series:
        if series.format != "nifti":
            continue
        try:
            volume = open_volume(series)
        except ReadError as error:
            sentences.append(error.sentence)
            continue
        opened += 1
        if volume.affine is not None:
            image = nibabel.as_closest_canonical(nibabel.load(volume.source))
            ours = nibabel.as_closest_canonical(nibabel.Nifti1Image(volume.voxels[..., 0].transpose(2, 1, 0), volume.affine))
            assert np.allclose(ours.affine, image.affine, atol=1e-3)
    assert opened >= 5
    assert [sentence for sentence in sentences if not sentence.endswith(".")] == []
