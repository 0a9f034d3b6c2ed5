"""Models are promoted, taken back and fallen back from; what is in use is always whole."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brainviewer import audit, paths
from brainviewer.errors import BundleError, EngineError, PromotionError
from brainviewer.inference import load, promotion, registry
from brainviewer.inference.registry import Pair

pytestmark = pytest.mark.engine
SLICE = np.linspace(0, 1, 16 * 16 * 3, dtype=np.float32).reshape(1, 16, 16, 3)
Add = Callable[..., Pair]


def answers() -> tuple[bytes, bytes, tuple[str, ...]]:
    """What the models in use say of a slice, and what they have to say of themselves."""
    models = load.load_models("onnx", "cpu", "float32")
    found = models.classifier(SLICE)["probability"].tobytes(), models.segmenter(SLICE)["probability"].tobytes(), models.notes
    models.close()
    return found


def acts() -> list[tuple[str, str]]:
    return [(act.what, act.result) for act in audit.read()]


def test_without_anything_else_the_programs_own_are_in_use(bundled: Path) -> None:
    assert registry.in_use().id == "bundled"
    assert [pair.id for pair in registry.pairs()] == ["bundled"]
    answers()
    assert not paths.user_models().exists()  # reading writes nothing


def test_promoted_and_taken_back_bit_for_bit(add_pair: Add) -> None:
    before = answers()
    pair = add_pair()
    assert answers() == before
    assert promotion.promote(pair).id == "bundled"
    assert registry.in_use().id == pair.id == "segment-2.0.0"
    changed = answers()
    assert changed[0] == before[0]
    assert changed[1] != before[1]
    second = add_pair("3.0.0", 0.75, ("classify", "segment"))
    promotion.promote(second)
    assert second.id == "both-3.0.0"
    assert promotion.rollback("segment").id == pair.id
    assert answers() == changed
    assert promotion.rollback("segment").id == "bundled"
    assert answers() == before
    with pytest.raises(PromotionError, match="no earlier model to segment"):
        promotion.rollback("segment")
    assert {pair.id, second.id} <= {known.id for known in registry.pairs()}  # nothing is deleted
    assert acts() == [("promote", "done"), ("promote", "done"), ("roll back", "done"), ("roll back", "done")]


def test_rollback_passes_over_promotions_that_left_the_task_alone(add_pair: Add) -> None:
    promotion.promote(add_pair("2.0.0", trained=("classify",)))
    promotion.promote(add_pair("3.0.0", trained=("classify",), factor=0.7))
    with pytest.raises(PromotionError, match="no earlier model to segment"):
        promotion.rollback("segment")
    assert promotion.rollback("classify").id == "classify-2.0.0"


@pytest.mark.parametrize(("judged", "words"), [("worse", "not better"), ("equal", "not better"), ("", "never compared")])
def test_what_is_not_better_needs_a_reason(add_pair: Add, judged: str, words: str) -> None:
    pair = add_pair(verdict=judged)
    for reason in ("", "  \n "):
        with pytest.raises(PromotionError, match=words):
            promotion.promote(pair, reason)
    assert registry.in_use().id == "bundled"
    promotion.promote(pair, "our scanner\nis new")
    assert registry.in_use().id == pair.id
    last = list(audit.read())[-1]
    assert last.about["override"] == "our scanner is new"
    assert words in last.about["objection"]
    assert acts() == [("promote", "refused")] * 2 + [("promote", "done")]


def test_a_comparison_with_others_does_not_count(add_pair: Add) -> None:
    late = add_pair("3.0.0", 0.7)
    promotion.promote(add_pair())
    with pytest.raises(PromotionError, match=r'compared with "bundled", but "segment-2\.0\.0" is in use'):
        promotion.promote(late)


def test_the_pair_in_use_is_not_promoted_again(add_pair: Add) -> None:
    pair = add_pair()
    promotion.promote(pair)
    with pytest.raises(PromotionError, match="in use already"):
        promotion.promote(pair, "again")


def test_a_damaged_candidate_is_not_promoted(add_pair: Add) -> None:
    pair = add_pair()
    spoil(pair.folder / "segment-2.0.0" / "weights.npz")
    with pytest.raises(BundleError, match="damaged"):
        promotion.promote(pair)
    assert registry.in_use().id == "bundled"
    assert acts() == [("promote", "failed")]


def spoil(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.unlink()  # the bytes may have a second name
    file.write_bytes(data)


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: spoil(folder / "segment-2.0.0" / "model.onnx"),
        lambda folder: (folder / "segment-2.0.0" / "model.onnx").unlink(),
        lambda folder: (folder / "segment-2.0.0" / "bundle.json").write_text("{"),
        lambda folder: (folder / "classify-1.0.0" / "bundle.json").write_text((folder / "classify-1.0.0" / "bundle.json").read_text() + " "),
        lambda folder: (folder / "pair.json").unlink(),
        lambda folder: folder.rename(folder.with_name("elsewhere")),
    ],
)
def test_a_promoted_model_that_is_damaged_falls_back_for_good_and_says_so(add_pair: Add, harm: Callable[[Path], object]) -> None:
    before = answers()
    pair = add_pair()
    promotion.promote(pair)
    harm(pair.folder)
    found = answers()
    assert found[:2] == before[:2]
    assert len(found[2]) == 1
    assert "cannot be used" in found[2][0]
    assert "came with the program" in found[2][0]
    assert acts()[-1] == ("fall back", "done")
    assert registry.pointer() == registry.Pointer()
    assert answers() == before  # said once


def test_it_falls_back_to_the_pair_before(add_pair: Add) -> None:
    first = add_pair()
    promotion.promote(first)
    good = answers()
    second = add_pair("3.0.0", 0.7)
    promotion.promote(second)
    (second.folder / "segment-3.0.0" / "model.onnx").unlink()
    found = answers()
    assert found[:2] == good[:2]
    assert 'earlier models "segment-2.0.0" are used' in found[2][0]
    assert registry.in_use().id == first.id


def test_what_only_does_not_load_today_is_tried_again(add_pair: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers()
    pair = add_pair()
    promotion.promote(pair)
    promoted = answers()
    real = load.OPENERS["onnx"]

    def short_of_memory(bundle: object, *rest: object) -> object:
        if bundle.version == "2.0.0":  # type: ignore[attr-defined]
            raise EngineError("Not enough memory.")
        return real(bundle, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setitem(load.OPENERS, "onnx", short_of_memory)
        found = answers()
    assert found[:2] == before[:2]
    assert "Not enough memory" in found[2][0]
    assert answers() == promoted


def test_a_damaged_program_says_so_itself(bundled: Path) -> None:
    (bundled / "segment-1.0.0" / "model.onnx").unlink()
    with pytest.raises(BundleError, match="incomplete"):
        load.load_models("onnx", "cpu", "float32")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pair": "../../etc", "digest": "", "before": []}', '{"pair": "x"}'])
def test_a_pointer_that_makes_no_sense_means_the_programs_own(add_pair: Add, text: str) -> None:
    before = answers()
    add_pair()
    registry.pointer_file().write_text(text)
    assert answers()[:2] == before[:2]
    assert registry.in_use().id == "bundled"


def test_pairs_never_replace_each_other(add_pair: Add) -> None:
    assert [add_pair().id, add_pair().id] == ["segment-2.0.0", "segment-2.0.0.2"]
    assert not list(paths.user_models().glob(".*"))


def test_what_a_kill_left_is_swept_when_it_is_old(add_pair: Add) -> None:
    old, young = (paths.user_models() / f".segment-1.{n}.partial" for n in (1, 2))
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    add_pair()
    assert not old.exists()
    assert young.exists()


def test_what_cannot_be_kept_leaves_nothing(add_pair: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(registry, "_write", full)
    with pytest.raises(BundleError, match="could not be kept"):
        add_pair()
    assert list(paths.user_models().iterdir()) == []


def test_a_switch_that_cannot_be_written_leaves_what_is_in_use(add_pair: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers()
    pair = add_pair()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(registry, "_write", full)
    with pytest.raises(BundleError, match="models in use stay"):
        promotion.promote(pair)
    assert answers() == before


def test_found_by_the_name_of_the_pair_or_of_what_is_new_in_it(add_pair: Add) -> None:
    pair = add_pair()
    assert registry.find_pair("segment-2.0.0").id == pair.id
    assert registry.find_pair("classify-1.0.0").id == "bundled"
    both = add_pair("3.0.0", trained=("classify", "segment"))
    assert registry.find_pair("classify-3.0.0").id == both.id == "both-3.0.0"
    with pytest.raises(BundleError, match='no model "moon"'):
        registry.find_pair("moon")


def test_only_what_is_not_in_use_is_deleted(add_pair: Add) -> None:
    first, second = add_pair(), add_pair("3.0.0")
    promotion.promote(first)
    with pytest.raises(BundleError, match="in use"):
        registry.remove(first)
    with pytest.raises(BundleError, match="came with the program"):
        registry.remove(registry.bundled_pair())
    registry.remove(second)
    assert [pair.id for pair in registry.user_pairs()] == [first.id]
    assert not second.folder.exists()


CHILD = """
import os, signal, sys
from pathlib import Path
from brainviewer import audit, paths
from brainviewer.inference import promotion, registry
paths.bundled_models = lambda: Path(sys.argv[1])
point, act = sys.argv[2], sys.argv[3]
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
def before(owner, name):
    setattr(owner, name, die)
def after(owner, name):
    real = getattr(owner, name)
    def done(*a, **k):
        real(*a, **k)
        die()
    setattr(owner, name, done)
if point == "while trying out": before(promotion, "try_out")
if point == "while writing aside": before(registry.json, "dump")
if point == "before the rename": after(registry.os, "fsync")
if point == "after the rename": after(registry, "point")
if point == "before the log": before(audit, "record")
if point == "after the log": after(audit, "record")
if act == "promote": promotion.promote(registry.find_pair("segment-2.0.0"))
else: promotion.rollback("segment")
"""
POINTS = ("while trying out", "while writing aside", "before the rename", "after the rename", "before the log", "after the log")


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_killed_at_any_point_of_a_promotion_the_models_in_use_are_whole(add_pair: Add, bundled: Path, home: Path) -> None:
    own = answers()
    pair = add_pair()
    promotion.promote(pair)
    new = answers()
    promotion.rollback("segment")
    for act, old, fresh in (("promote", own, new), ("roll back", new, own)):
        for point in POINTS:
            run = [sys.executable, "-c", CHILD, str(bundled), point, act]
            done = subprocess.run(run, env=os.environ | {"BRAINVIEWER_HOME": str(home)}, capture_output=True, text=True, timeout=120, check=False)
            assert done.returncode == -9, (point, done.stderr)
            switched = point in ("after the rename", "before the log", "after the log")
            assert answers() == (fresh if switched else old), point
            registry.in_use().verify()
            if switched:
                registry.point(registry.Pointer() if act == "promote" else registry.Pointer().switched(pair.id, pair.digest))
        if act == "promote":
            promotion.promote(pair)
