"""Damaged files: whatever happens to their bytes, a reader ends soon, with a volume or a sentence.

500 mutations a reader in the suite; more by hand: `python tests/formats/test_mutations.py nifti 10000 [first]`.
"""

import random
import struct
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from brainviewer.errors import ReadError
from brainviewer.formats import scan

SUITE = 500
MOST_SECONDS = 2.0
"""Of the processor, so that other work on the machine does not count."""

LONGEST_WAIT_S = 60.0
"""By the clock: nothing hangs."""

MOST_BYTES = 64 << 20
"""Above what a file of a few kilobytes can hold, with the readers' own buffers."""


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One damaged copy: bytes changed, cut short, cut out, doubled, or a size that lies."""
    kind = rng.randrange(8)
    if kind == 0:
        return data[: rng.randrange(len(data))]
    if kind == 1:
        start, length = rng.randrange(len(data)), rng.randrange(1, 64)
        return data[:start] + data[start + length :]
    if kind == 2:
        start, length = rng.randrange(len(data)), rng.randrange(1, 64)
        return data[:start] + data[start : start + length] + data[start:]
    changed = bytearray(data)
    if kind == 3:  # a 16-bit number that is far too large, as a size would be
        at = 2 * rng.randrange(len(changed) // 2 - 1)
        changed[at : at + 2] = struct.pack("<H", rng.choice((0, 1, 255, 32767, 32768, 65535)))
    elif kind == 4:
        at = 4 * rng.randrange(len(changed) // 4 - 1)
        changed[at : at + 4] = struct.pack("<I", rng.choice((0, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, len(data))))
    else:  # a few bytes, mostly of the header
        reach = len(changed) if rng.random() < 0.3 else min(len(changed), 1200)
        for _ in range(rng.choice((1, 2, 4, 16))):
            changed[rng.randrange(reach)] = rng.randrange(256)
    return bytes(changed)


def try_to_open(path: Path) -> str:
    """Lists and opens; what came of it. Anything but a volume or a sentence is an exception."""
    listing = scan(path)
    sentences = [row.why for row in listing.ignored]
    outcome = "ignored"
    for series in listing.series:
        try:
            volume = series.open(lambda done, total: None)
        except ReadError as error:
            sentences.append(error.sentence)
            outcome = "refused"
        else:
            assert volume.voxels.ndim == 4
            outcome = "opened"
    assert [sentence for sentence in sentences if not sentence.endswith(".")] == []
    return outcome


def nifti_seeds(folder: Path) -> list[tuple[str, bytes]]:
    import nibabel
    import numpy as np

    values = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7)
    seeds = []
    for name, kind, array in (
        ("a.nii", nibabel.Nifti1Image, values),
        ("b.nii.gz", nibabel.Nifti1Image, values),
        ("c.nii", nibabel.Nifti2Image, values.astype(np.float32)),
        ("d.nii", nibabel.Nifti1Image, np.stack([values] * 3, axis=-1).astype(np.complex64)),
    ):
        nibabel.save(kind(array, np.diag([-1, -1, 3, 1.0])), folder / name)
        seeds.append((name, (folder / name).read_bytes()))
        (folder / name).unlink()
    return seeds


def tiff_seeds(folder: Path) -> list[tuple[str, bytes]]:
    import cv2
    import numpy as np
    import tifffile

    grey = (np.arange(24 * 20) % 251).reshape(24, 20).astype(np.uint8)
    colour = np.stack([grey, grey[::-1], grey.T.reshape(24, 20)], axis=-1)
    stack = np.stack([grey.astype(np.uint16) * z for z in range(1, 6)])
    writers = {
        "a.tif": (colour, {}),
        "b.tif": (colour, {"compression": "zlib", "predictor": True, "rowsperstrip": 5}),
        "c.tif": (grey, {"compression": "lzw"}),
        "d.tif": (stack, {"imagej": True, "metadata": {"axes": "ZYX", "spacing": 3, "unit": "mm"}, "resolution": (2, 2)}),
        "e.tif": (stack, {"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 1.0}}),
        "f.tif": (stack.astype(np.float32), {"bigtiff": True, "byteorder": ">"}),
        "g.tif": (np.tile(grey, (2, 2)), {"tile": (16, 16), "compression": "zstd"}),
        "h.tif": (colour, {"photometric": "rgb", "compression": "jpeg", "planarconfig": "contig"}),
        "j.tif": (grey.astype(bool), {}),
        "k.tif": (grey, {"photometric": "palette", "colormap": np.arange(3 * 256, dtype=np.uint16).reshape(3, 256)}),
    }
    seeds = []
    for name, (array, options) in writers.items():
        tifffile.imwrite(folder / name, array, **options)
        seeds.append((name, (folder / name).read_bytes()))
        (folder / name).unlink()
    for name, array in (("l.png", colour), ("m.jpg", colour), ("n.png", stack[0])):
        seeds.append((name, cv2.imencode(Path(name).suffix, array)[1].tobytes()))
    return seeds


def dicom_seeds(folder: Path) -> list[tuple[str, bytes]]:
    from dicom_files import LOSSLESS, base, head_scan, save, set_pixels, write_enhanced, write_series
    from pydicom.uid import UID, ExplicitVRLittleEndian

    seeds = []
    for number, syntax in enumerate(LOSSLESS):
        path = write_series(folder, head_scan(1, 16, 12), syntax=syntax, WindowCenter=100, WindowWidth=200, EchoTime=90, RepetitionTime=4000)[0]
        seeds.append((f"classic{number}.dcm", path.read_bytes()))
    for syntax in (ExplicitVRLittleEndian, UID("1.2.840.10008.1.2.4.90")):
        path = write_enhanced(folder / "many.dcm", head_scan(4, 16, 12), syntax=syntax)
        seeds.append((f"enhanced{len(seeds)}.dcm", path.read_bytes()))
    colours = head_scan(3, 16, 12).transpose(1, 2, 0).astype("uint8")
    dataset = base()
    set_pixels(dataset, colours.copy(), ExplicitVRLittleEndian)
    seeds.append(("colour.dcm", save(dataset, folder / "colour.dcm").read_bytes()))
    for path in folder.iterdir():
        path.unlink()
    return seeds


SEEDS: dict[str, Callable[[Path], list[tuple[str, bytes]]]] = {"dicom": dicom_seeds, "nifti": nifti_seeds, "tiff": tiff_seeds}


def run(reader: str, folder: Path, count: int, first: int = 0, report: Callable[[str], None] = lambda line: None) -> dict[str, int]:
    """Tries `count` mutations, numbered from `first`; the same number is always the same file."""
    seeds = SEEDS[reader](folder)
    (folder / seeds[0][0]).write_bytes(seeds[0][1])
    try_to_open(folder / seeds[0][0])  # imports are nobody's fault
    (folder / seeds[0][0]).unlink()
    outcomes: dict[str, int] = {}
    for number in range(first, first + count):
        rng = random.Random(number)
        name, data = seeds[number % len(seeds)]
        path = folder / name
        path.write_bytes(mutate(data, rng))
        tracemalloc.start()
        start, waited = time.process_time(), time.perf_counter()
        try:
            outcome = try_to_open(path)
        except Exception as error:
            error.add_note(f"mutation {number} of {name}")
            raise
        seconds, waited = time.process_time() - start, time.perf_counter() - waited
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        path.unlink()
        assert seconds < MOST_SECONDS, f"mutation {number} of {name} took {seconds:.1f} s"
        assert waited < LONGEST_WAIT_S, f"mutation {number} of {name} was waited for {waited:.0f} s"
        assert peak < MOST_BYTES, f"mutation {number} of {name} took {peak:,} bytes"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        if number % 1000 == 999:
            report(f"{number + 1}: {outcomes}")
    return outcomes


@pytest.mark.parametrize("reader", SEEDS)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_end_in_a_volume_or_a_sentence(reader, tmp_path):
    outcomes = run(reader, tmp_path, SUITE)
    assert sum(outcomes.values()) == SUITE
    assert outcomes["opened"] > SUITE // 20  # the mutations do not just break the first bytes
    assert outcomes["ignored"] > SUITE // 20


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as own:
        print(run(sys.argv[1], Path(own), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0, print))  # noqa: T201
