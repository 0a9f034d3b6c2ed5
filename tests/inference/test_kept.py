"""Answers kept between runs: the same bits, bounded, and never a fault where the file cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from brainviewer.inference.kept import Kept, file_of_results, packed, unpacked


@pytest.fixture
def kept(home: Path) -> Iterator[Kept]:
    store = Kept(file_of_results(), most_bytes=100_000)
    yield store
    store.close()


def answer(seed: int, size: int = 1000) -> dict[str, np.ndarray]:
    return {"probability": np.random.default_rng(seed).random((1, size), np.float32), "features": np.array([[seed]], np.float32)}


def equal(a: object, b: dict[str, np.ndarray]) -> bool:
    return isinstance(a, dict) and a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) and a[name].dtype == b[name].dtype for name in b)


@given(arrays.arrays(st.sampled_from([np.float32, np.float64, np.uint8]), arrays.array_shapes(max_dims=4)))
def test_an_answer_comes_back_bit_for_bit(array: np.ndarray) -> None:
    back = unpacked(packed({"probability": array}))
    assert back is not None
    assert back["probability"].tobytes() == array.tobytes()
    assert (back["probability"].shape, back["probability"].dtype) == (array.shape, array.dtype)


def test_what_was_cut_or_changed_is_no_answer() -> None:
    data = packed(answer(1))
    assert unpacked(data[:-1]) is None
    assert unpacked(data[:40] + bytes([data[40] ^ 1]) + data[41:]) is None
    assert unpacked(b"") is None


def test_kept_between_two_starts(kept: Kept) -> None:
    kept.put(b"one", answer(1))
    assert equal(kept.get(b"one"), answer(1)), "before it is on disk"
    kept.close()
    again = Kept(kept.file)
    assert equal(again.get(b"one"), answer(1))
    assert again.get(b"two") is None
    again.close()


def test_nothing_is_made_by_looking(kept: Kept) -> None:
    assert kept.get(b"one") is None
    kept.close()
    assert not kept.file.exists()


def test_the_longest_unused_go_first(kept: Kept) -> None:
    for number in range(15):  # 4 kB each
        kept.put(bytes([number]), answer(number))
        kept.save()
    assert kept.get(bytes([0])) is not None
    for number in range(15, 25):
        kept.put(bytes([number]), answer(number))
    kept.save()
    for number in range(25, 30):
        kept.put(bytes([number]), answer(number))
        kept.save()
    there = [number for number in range(30) if kept.get(bytes([number])) is not None]
    assert 0 in there, "it was used"
    assert 1 not in there
    assert 29 in there
    assert kept.size_bytes() < 150_000


def test_forgetting_leaves_nothing(kept: Kept) -> None:
    kept.put(b"one", {"probability": np.frombuffer(b"a tumour is here" * 64, np.uint8)})
    kept.save()
    assert b"a tumour is here" in kept.file.read_bytes()
    other = Kept(kept.file)
    assert other.get(b"one") is not None
    kept.forget()
    assert kept.get(b"one") is None
    assert other.get(b"one") is None
    assert not kept.file.exists()
    other.put(b"two", answer(2))
    other.close()
    assert equal(kept.get(b"two"), answer(2)), "the other goes on with a new file"


def test_a_damaged_file_is_made_anew(kept: Kept) -> None:
    kept.file.parent.mkdir(parents=True)
    kept.file.write_bytes(b"this is no database" * 100)
    assert kept.get(b"one") is None
    kept.put(b"one", answer(1))
    kept.close()
    again = Kept(kept.file)
    assert equal(again.get(b"one"), answer(1))
    again.close()


@pytest.mark.parametrize("fault", ["a file in the way", "damaged inside"])
def test_what_cannot_be_used_is_done_without(home: Path, fault: str) -> None:
    file = file_of_results()
    if fault == "a file in the way":
        file.parent.parent.mkdir(parents=True, exist_ok=True)
        file.parent.write_text("not a folder")
    else:
        store = Kept(file)
        for number in range(40):
            store.put(bytes([number]), answer(number))
        store.close()
        data = bytearray(file.read_bytes())
        data[5000:100000] = np.random.default_rng(0).bytes(95000)
        file.write_bytes(data)
    store = Kept(file)
    for number in range(40):
        found = store.get(bytes([number]))
        assert found is None or equal(found, answer(number))
    store.put(b"new", answer(99))
    store.close()


def test_two_at_the_same_time(kept: Kept) -> None:
    other = Kept(kept.file)
    kept.put(b"one", answer(1))
    kept.save()
    other.put(b"two", answer(2))
    other.save()
    assert equal(kept.get(b"two"), answer(2))
    assert equal(other.get(b"one"), answer(1))
    other.close()
