"""The analysis of a scan, with engines whose answer can be told from their input."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from brainviewer.errors import Cancelled, RefusalError
from brainviewer.imaging.prediction import Prediction
from brainviewer.imaging.volume import Volume
from brainviewer.inference.analyse import analyse, outward, second_pass, side_by_side
from brainviewer.inference.kept import Kept
from brainviewer.inference.load import Models

SLICES = 12
TUMOUR = range(4, 8)


def volume_of(voxels: np.ndarray, **more: object) -> Volume:
    names = tuple(f"s{z}" for z in range(len(voxels)))
    return Volume(voxels, None, ("pre", "flair", "post"), Path("scan"), "scan", "tiff", names, names, **more)


@pytest.fixture
def volume() -> Volume:
    """Dim discs with dark noise; slices 4 to 7 hold a bright square in FLAIR, 9 a speck that is too small."""
    rng = np.random.default_rng(0)
    voxels = rng.integers(0, 5, (SLICES, 256, 256, 3)).astype(np.uint8)
    voxels[:, 60:200, 60:200] = 60
    voxels[TUMOUR.start : TUMOUR.stop, 100:140, 90:130, 1] = 250
    voxels[9, 70:73, 70:73, 1] = 250
    return volume_of(voxels)


def bundle(task: str, **details: object) -> SimpleNamespace:
    facts = {"task": task, "name": task, "version": "1.0.0", "size": 256, "threshold": 0.5, "learned_from": "made squares"}
    return SimpleNamespace(**facts, details=details, sha256=lambda *_: "0")


@pytest.fixture
def models(fake_engine: Callable) -> Models:
    decision = {"gate": 0.5, "weights": [0, 0, 0, 0, 20], "bias": -10, "threshold": 0.5, "alone": [1, 0]}
    segment = bundle("segment", clean_up={"least_voxels": 60, "least_share": 0.05})
    loaded = Models(fake_engine("classify"), fake_engine("segment"), bundle("classify", decision=decision), segment)
    return loaded


@pytest.fixture(autouse=True)
def _fake_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Models, "identities", property(lambda self: (("fake", "1.0.0", "classify", "0"),)))


def same(a: Prediction, b: Prediction) -> bool:
    masks = (a.mask is None and b.mask is None) or np.array_equal(a.mask.probability, b.mask.probability)
    facts = [(p.z, p.p_tumour, p.tumour, p.provisional, p.only_seen_by) for p in (a, b)]
    return facts[0] == facts[1] and masks


@pytest.mark.parametrize(
    ("facts", "foreign"),
    [
        ({}, ""),
        ({"Modality": "MR", "Body part": "BRAIN"}, ""),
        ({"Modality": "MR", "Body part": "Kopf"}, ""),
        ({"Modality": "MR", "Body part": "ABDOMEN"}, "ABDOMEN"),
        ({"Modality": "MR", "Body part": "L-Spine"}, "L-Spine"),
        ({"Modality": "CT", "Body part": "HEAD"}, "CT"),
    ],
)
def test_what_the_tags_say_of_another_part_of_the_body_is_believed(volume: Volume, models: Models, facts: dict, foreign: str) -> None:
    result = analyse(replace(volume, facts=facts), models)
    assert result.fit == (0 if foreign else None)
    assert any(f'Its tags say "{foreign}"' in note for note in result.notes) == bool(foreign)
    assert result.slices_with_tumour == len(TUMOUR), "it is analysed all the same"


def test_finds_the_squares_and_drops_the_speck(volume: Volume, models: Models) -> None:
    result = analyse(volume, models)
    assert [p.z for p in result.predictions if p.tumour] == list(TUMOUR)
    assert result.slices_with_tumour == len(TUMOUR)
    mask = result.mask(0.5, volume.shape)
    assert mask.sum() == len(TUMOUR) * 40 * 40
    assert mask[5, 120, 100]
    assert not mask[9].any()
    assert not any(p.provisional for p in result.predictions)
    assert result.predictions[0].mask is None, "the segmenter has no say where the classifier and its neighbours find nothing"


def test_where_the_two_models_disagree(volume: Volume, models: Models) -> None:
    result = analyse(volume, models)
    assert {p.z: p.only_seen_by for p in result.predictions if p.only_seen_by} == {9: "classifier"}, "its speck is too small for the segmenter"
    models.classifier.blind = True  # type: ignore[attr-defined]
    passed_over = analyse(volume, models)
    assert not any(p.only_seen_by for p in passed_over.predictions), "the segmenter has not been asked yet"
    filled = second_pass(volume, models, SimpleNamespace(step=lambda *_: None), passed_over)
    assert {p.z: p.only_seen_by for p in filled if p.only_seen_by} == dict.fromkeys(TUMOUR, "segmenter")


def test_the_order_changes_nothing_but_the_order(volume: Volume, models: Models) -> None:
    seen: list[int] = []
    straight = analyse(volume, models)
    other = analyse(volume, models, order=outward(7, SLICES), on_slice=lambda p: seen.append(p.z))
    assert seen[:3] == [7, 8, 6]
    assert sorted(seen) == list(range(SLICES))
    assert all(same(a, b) for a, b in zip(straight.predictions, other.predictions, strict=True))


def test_all_slices_and_the_second_pass_leave_decisions_and_masks_alone(volume: Volume, models: Models) -> None:
    gated = analyse(volume, models)
    everything = analyse(volume, models, all_slices=True)
    filled = {p.z: p for p in second_pass(volume, models, SimpleNamespace(step=lambda *_: None), gated)}
    assert all(p.mask is not None for p in everything.predictions)
    assert np.array_equal(gated.mask(0.5, volume.shape), everything.mask(0.5, volume.shape))
    assert sorted(filled) == [p.z for p in gated.predictions if p.mask is None]
    for z, after in filled.items():
        assert same(after, everything.predictions[z])


def test_provisional_predictions_come_one_a_slice(volume: Volume, models: Models) -> None:
    seen: list[Prediction] = []
    analyse(volume, models, on_slice=seen.append)
    assert all(p.provisional for p in seen)
    assert [p.z for p in seen if p.tumour] == [*TUMOUR, 9]


def test_cancel_stops_between_two_slices(volume: Volume, models: Models) -> None:
    def step(done: int, total: int, note: str = "") -> None:
        if done == 3:
            raise Cancelled

    seen: list[int] = []
    with pytest.raises(Cancelled):
        analyse(volume, models, SimpleNamespace(step=step), on_slice=lambda p: seen.append(p.z))
    assert seen == [0, 1, 2]


def test_what_must_not_be_analysed_is_refused(volume: Volume, models: Models) -> None:
    with pytest.raises(RefusalError, match="a mosaic"):
        analyse(volume_of(volume.voxels, refusal="This is a mosaic."), models)


def test_a_single_slice(volume: Volume, models: Models) -> None:
    result = analyse(volume_of(np.ascontiguousarray(volume.voxels[5:6])), models)
    assert [p.tumour for p in result.predictions] == [True]


def test_each_network_gets_one_picture_at_a_time(volume: Volume, models: Models) -> None:
    """An answer must not depend on what stands beside it in a batch."""
    analyse(volume, models)
    assert set(models.classifier.batches) == {1}
    assert set(models.segmenter.batches) == {1}


def test_a_slice_that_equals_another_needs_no_network(volume: Volume, models: Models) -> None:
    voxels = np.array(volume.voxels)
    voxels[0] = voxels[11] = 0
    voxels[6] = voxels[5]
    fresh = [analyse(volume_of(voxels[z : z + 1].copy()), models).predictions for z in (5, 6)]
    assert len(models.classifier.batches) == 2
    assert same(fresh[0][0], fresh[1][0])
    models.classifier.batches.clear(), models.segmenter.batches.clear()
    result = analyse(volume_of(voxels), models, all_slices=True)
    assert len(models.classifier.batches) == len(models.segmenter.batches) == SLICES - 2
    assert np.array_equal(result.predictions[5].mask.probability, result.predictions[6].mask.probability)
    assert result.predictions[0].p_tumour == pytest.approx(result.predictions[11].p_tumour)


@pytest.mark.parametrize("lanes", [1, 3])
def test_lanes_change_nothing(volume: Volume, models: Models, lanes: int) -> None:
    alone = analyse(volume, models)
    models.classifier.lanes = models.segmenter.lanes = lanes
    seen: list[int] = []
    beside = analyse(volume, models, order=outward(7, SLICES), on_slice=lambda p: seen.append(p.z))
    assert seen == outward(7, SLICES)
    assert all(same(a, b) for a, b in zip(alone.predictions, beside.predictions, strict=True))


def test_side_by_side_hears_of_faults_and_of_the_end() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 5:
            raise ValueError("five")
        return item

    looked = side_by_side(work, range(100), 2)
    assert [next(looked) for _ in range(3)] == [0, 1, 2]
    looked.close()
    assert max(begun) < 7, "nothing is begun long before it is wanted"
    with pytest.raises(ValueError, match="five"):
        list(side_by_side(work, range(100), 2))
    assert max(begun) < 10


# --- answers kept between runs


@pytest.fixture
def kept(home: Path) -> Iterator[Kept]:
    store = Kept()
    yield store
    store.close()


def test_kept_answers_need_no_network_and_change_nothing(volume: Volume, models: Models, kept: Kept) -> None:
    fresh = analyse(volume, models)
    first = analyse(volume, replace(models, kept=kept))
    asked = len(models.classifier.batches), len(models.segmenter.batches)
    second = analyse(volume, replace(models, kept=kept), order=outward(5, SLICES))
    assert (len(models.classifier.batches), len(models.segmenter.batches)) == asked
    assert fresh.fit == first.fit == second.fit
    for a, b, c in zip(fresh.predictions, first.predictions, second.predictions, strict=True):
        assert same(a, b)
        assert same(a, c)


@pytest.mark.parametrize("change", ["weights", "engine", "range", "slice"])
def test_what_depends_on_something_else_is_asked_again(
    volume: Volume, models: Models, kept: Kept, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyse(volume, replace(models, kept=kept))
    asked = len(models.classifier.batches)
    if change == "weights":
        models.classify_bundle.sha256 = lambda *_: "another"
    elif change == "engine":
        models.classifier.identity = "another runtime"
    else:
        voxels = np.array(volume.voxels)
        voxels[0 if change == "slice" else slice(None), 100, 100, 0] = 255
        voxels[:, 60:200, 60:62, 0] = 255 if change == "range" else voxels[:, 60:200, 60:62, 0]
        volume = volume_of(voxels)
    analyse(volume, replace(models, kept=kept))
    again = len(models.classifier.batches) - asked
    assert again == (1 if change == "slice" else SLICES)


def test_decisions_are_made_anew_from_kept_answers(volume: Volume, models: Models, kept: Kept) -> None:
    before = analyse(volume, replace(models, kept=kept))
    models.classify_bundle.details["decision"] = models.classify_bundle.details["decision"] | {"threshold": 1.0}
    after = analyse(volume, replace(models, kept=kept))
    assert before.slices_with_tumour > 0
    assert after.slices_with_tumour == 0
    assert after.decision_threshold == 1.0


def test_outward() -> None:
    assert outward(2, 6) == [2, 3, 1, 4, 0, 5]
    assert outward(0, 1) == [0]
