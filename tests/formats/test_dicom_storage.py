"""Files that are written in another way than their headers say: right, or refused with a sentence; never shifted, swapped or torn."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dicom_files import ENCODERS, base, head_scan, set_pixels, write_series
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, generate_uid

from brainviewer.errors import ReadError
from brainviewer.formats import open_volume, scan

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

SCENE = head_scan(3)
GE = UID("1.2.840.113619.5.2")


def write_as(folder, stated, *, implicit=False, little=True, pixels="<u2", edit=lambda dataset: None):
    """A series whose headers state one syntax and which is written in another."""
    for number, path in enumerate(write_series(folder / "source", SCENE)):
        dataset = dcmread(path)
        dataset.PixelData = SCENE[number].astype(pixels).tobytes()
        dataset["PixelData"].VR = "OW"
        edit(dataset)
        dataset.file_meta.TransferSyntaxUID = stated
        meta, content = DicomBytesIO(), DicomBytesIO()
        meta.is_implicit_VR, meta.is_little_endian = False, True
        content.is_implicit_VR, content.is_little_endian = implicit, little
        write_file_meta_info(meta, dataset.file_meta)
        write_dataset(content, dataset)
        path.write_bytes(bytes(128) + b"DICM" + meta.getvalue() + content.getvalue())
    return folder / "source"


def opened_or_refused(path):
    """The voxels, or None where all was refused with sentences."""
    listing = scan(path)
    assert all(row.why.endswith(".") for row in listing.ignored)
    try:
        return open_volume(listing.series[0]).voxels[..., 0] if listing.series else None
    except ReadError:
        return None


@pytest.mark.parametrize("stated", [ImplicitVRLittleEndian, ExplicitVRLittleEndian], ids=lambda uid: uid.name)
@pytest.mark.parametrize("implicit", [True, False], ids=["written implicit", "written explicit"])
def test_explicit_and_implicit_files_that_state_the_other(tmp_path, stated, implicit):
    assert np.array_equal(opened_or_refused(write_as(tmp_path, stated, implicit=implicit)), SCENE)


@pytest.mark.parametrize("stated", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian], ids=lambda uid: uid.name)
@pytest.mark.parametrize("little", [True, False], ids=["written little", "written big"])
def test_the_other_byte_order_is_never_shown_wrongly(tmp_path, stated, little):
    voxels = opened_or_refused(write_as(tmp_path, stated, little=little, pixels="<u2" if little else ">u2"))
    assert voxels is None or np.array_equal(voxels, SCENE)


@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "explicit"])
def test_ges_private_syntax_has_big_endian_pixels(tmp_path, implicit):
    assert np.array_equal(opened_or_refused(write_as(tmp_path, GE, implicit=implicit, pixels=">u2")), SCENE)


@pytest.mark.parametrize("stated", [*map(UID, ENCODERS), RLELossless], ids=lambda uid: uid.name)
def test_decompressed_pixels_under_the_name_of_a_codec(tmp_path, stated):
    assert np.array_equal(opened_or_refused(write_as(tmp_path, stated)), SCENE)


@pytest.mark.parametrize("codec", list(ENCODERS))
def test_compressed_pixels_that_state_to_be_none(tmp_path, codec):
    noise = np.random.default_rng(1).integers(0, 65536, (64, 64)).astype(np.uint16)  # grows when it is compressed

    def compress(dataset):
        fresh = base()
        set_pixels(fresh, noise, UID(codec))
        for keyword in ("Rows", "Columns", "PixelData"):
            dataset[keyword] = fresh[keyword]
        dataset.SOPInstanceUID = generate_uid()

    listing = scan(write_as(tmp_path, ExplicitVRLittleEndian, edit=compress))
    assert listing.series == ()
    assert {row.why for row in listing.ignored} == {
        "Its pixels come in pieces, as compressed ones do, but its header says that they are not compressed."
    }
