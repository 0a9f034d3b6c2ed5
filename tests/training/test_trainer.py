"""A run trains, stops, resumes as if nothing had been, and never reads half a checkpoint."""

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("keras")

from brainviewer.errors import TrainingError
from brainviewer.training import batches, checkpoint, data, starting, trainer
from brainviewer.training.run import Phase, Run, TrainConfig

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_patients: Callable[..., Path]) -> Path:
    return make_patients(tmp_path_factory.mktemp("data"), 6, 6, range(2, 5))


def config(folder: Path, **changes: object) -> TrainConfig:
    settings = {"task": "segment", "data": str(folder), "phases": (Phase(32, 3),), "batch": 4, "validation": 0.34}
    return TrainConfig(**(settings | changes))


def weights(run: Run) -> list[np.ndarray]:
    newest = checkpoint.Checkpoint(run.checkpoints).files()[-1]
    with np.load(newest) as stored:
        return [stored[name] for name in sorted(stored.files) if name.startswith("model")]


@pytest.fixture
def exact() -> Iterator[None]:
    """The same numbers from the same work, whatever the threads do."""
    config = pytest.importorskip("tensorflow.python.framework.config")
    config.enable_op_determinism()
    yield
    config.disable_op_determinism()


@pytest.mark.usefixtures("exact")
def test_a_stopped_run_goes_on_as_if_nothing_had_been(folder: Path, tmp_path: Path) -> None:
    straight = Run(tmp_path / "straight")
    straight.create(config(folder))
    trainer.train(straight)

    broken = Run(tmp_path / "broken")
    broken.create(config(folder))
    trainer.train(broken, lambda logs: broken.stop_file.touch())
    assert [e.kind for e in broken.events()][-1] == "stopped"
    assert len(checkpoint.Checkpoint(broken.checkpoints).files()) == 1
    assert not broken.stop_file.exists()  # a wish that was carried out is gone
    # What a kill in mid-write leaves behind must not be mistaken for a checkpoint.
    (broken.checkpoints / "epoch-0002.partial").write_bytes(b"half")
    (broken.checkpoints / "epoch-0009.npz").write_bytes(b"PK\x03\x04 cut short")
    trainer.train(broken)

    kinds = [e.kind for e in broken.events()]
    assert kinds[-1] == "finished"
    assert "resumed" in kinds
    assert [e.epoch for e in broken.events() if e.kind == "epoch"] == [0, 1, 2]
    for a, b in zip(weights(straight), weights(broken), strict=True):
        assert np.array_equal(a, b)
    assert broken.checkpoints.joinpath("best.npz").exists()
    assert not broken.lock_file.exists()


def test_the_classifier_trains(folder: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.create(config(folder, task="classify", phases=(Phase(32, 1),), learning_rate=1e-4))
    seen = []
    trainer.train(run, seen.append)
    assert {"val_accuracy", "val_auc", "mask_loss", "probability_loss"} <= set(seen[0])


@pytest.mark.usefixtures("tiny")
def test_an_epoch_whose_line_a_kill_swallowed_is_told_when_the_run_goes_on(folder: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.create(config(folder, phases=(Phase(32, 2),)))
    real = run.log

    def killed(kind: str, *rest: object, **logs: object) -> None:
        if kind == "epoch":
            raise KeyboardInterrupt
        real(kind, *rest, **logs)  # type: ignore[arg-type]

    run.log = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        trainer.train(run)
    run.log = real  # type: ignore[method-assign]
    trainer.train(run)
    assert [e.epoch for e in run.events() if e.kind == "epoch"] == [0, 1]
    strips = [e for e in run.events() if e.kind == "strip"]
    assert [e.epoch for e in strips] == [1]
    for name in strips[0].logs["files"]:
        assert cv2.imread(str(run.strip / name)).shape == (32, 96, 3)


@pytest.mark.usefixtures("tiny")
def test_a_batch_that_does_not_fit_into_memory_is_halved_and_says_so(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    run = Run(tmp_path / "run")
    run.create(config(folder, phases=(Phase(32, 1),), batch=8))
    real = batches.Batches.__getitem__
    errors = iter([tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"), MemoryError()])

    def short(self: batches.Batches, number: int) -> tuple:
        if self.config.batch > 2:
            raise next(errors)
        return real(self, number)

    monkeypatch.setattr(batches.Batches, "__getitem__", short)
    trainer.train(run)
    said = [e.logs for e in run.events() if e.kind == "batch"]
    assert [logs["batch"] for logs in said] == [4, 2]
    assert "instead of 8 slices" in said[0]["text"]
    assert run.complete()
    assert trainer.remembered_batch(run, run.config()) == 2
    with pytest.raises(TrainingError, match="single slice"):
        trainer.halved(run, config(folder, batch=1), "Memory ran out")


@pytest.mark.usefixtures("tiny")
def test_a_run_that_the_system_ended_for_its_memory_goes_on_with_less(folder: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.create(config(folder, batch=8))
    run.log("step", 0, 3, memory_mb=trainer.memory.machine_mb() // 2)
    assert trainer.remembered_batch(run, run.config()) == 8
    run.log("step", 0, 4, memory_mb=round(trainer.memory.machine_mb() * 0.9))
    assert trainer.remembered_batch(run, run.config()) == 4
    assert trainer.remembered_batch(run, run.config()) == 4


@pytest.mark.usefixtures("tiny")
def test_keeping_the_best_needs_an_epoch(folder: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.create(config(folder, phases=(Phase(32, 3),)))
    run.ask_to_stop(keep=True)
    trainer.train(run)
    assert [e.logs["reason"] for e in run.events() if e.kind == "stopped"] == ["asked"]
    assert not run.complete()
    trainer.train(run, lambda logs: run.ask_to_stop(keep=True))
    assert [e.logs["reason"] for e in run.events() if e.kind == "stopped"] == ["asked", "keep"]
    assert run.complete()


@pytest.mark.usefixtures("tiny")
def test_weights_go_on_from_one_size_to_the_next(folder: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.create(config(folder, phases=(Phase(32, 1), Phase(64, 1)), learning_rate=1e-9, warmup=0.0))
    seen, first = [], []

    def remember(logs: dict) -> None:
        seen.append(logs)
        first.append(weights(run))

    trainer.train(run, remember)
    assert [logs["size"] for logs in seen] == [32, 64]
    kernels = [(a, b) for a, b in zip(*first, strict=True) if a.ndim == 4]
    assert all(np.allclose(a, b, atol=1e-6) for a, b in kernels)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("stopped", [False, True])
def test_the_schedule_stands_where_its_epoch_is(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool) -> None:
    lengths = {32: 2, 64: 3}  # a tumour can be too small for the smaller size, and an epoch be shorter there

    monkeypatch.setattr(batches.Batches, "__len__", lambda self: lengths[self.slices.images.shape[1]])
    run = Run(tmp_path / "run")
    run.create(config(folder, phases=(Phase(32, 2), Phase(64, 2)), batch=2))
    if stopped:
        trainer.train(run, lambda logs: run.stop_file.touch() if logs["size"] == 64 else None)
    trainer.train(run)
    with np.load(checkpoint.Checkpoint(run.checkpoints).files()[-1]) as stored:
        assert int(stored["optimizer0000"]) == 4 * lengths[64]


@pytest.mark.usefixtures("tiny")
def test_the_split_stays_whatever_comes_into_the_folder(tmp_path: Path, make_patients: Callable[..., Path]) -> None:
    folder = make_patients(tmp_path / "data", 8, 4, range(2, 4))
    run = Run(tmp_path / "run")
    run.create(config(folder, phases=(Phase(32, 2),)))
    trainer.train(run, lambda logs: run.stop_file.touch())
    before = (run.folder / "split.json").read_text()
    late = folder / "TCGA_A_0000_19980101"  # before all others
    shutil.copytree(folder / "TCGA_A_0000_19990101", late)
    trainer.train(run)
    assert run.complete()
    assert (run.folder / "split.json").read_text() == before
    assert any("take no part in it: TCGA_A_0000_19980101" in e.logs["text"] for e in run.events() if e.kind == "note")

    other = Run(tmp_path / "other")
    other.create(config(folder, phases=(Phase(32, 2),)))
    trainer.train(other, lambda logs: other.stop_file.touch())
    shutil.rmtree(late)
    with pytest.raises(TrainingError, match="not there any more, or cannot be read: TCGA_A_0000_19980101"):
        trainer.train(other)


@pytest.mark.usefixtures("tiny")
def test_a_split_by_slice_is_the_same_at_every_size(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path / "run")
    run.create(config(folder, phases=(Phase(32, 1), Phase(64, 1)), split="slice_leaky"))
    drawn, seen = [], []
    real, init = data.split_slices_leaky, batches.Batches.__init__

    def draw(*arguments: object) -> tuple:
        drawn.append(real(*arguments))
        return drawn[-1]

    def begin(self: batches.Batches, slices: data.Slices, positions: np.ndarray, *rest: object) -> None:
        seen.append(positions.tolist())
        init(self, slices, positions, *rest)

    monkeypatch.setattr(data, "split_slices_leaky", draw)
    monkeypatch.setattr(batches.Batches, "__init__", begin)
    trainer.train(run)
    assert len(drawn) == 1
    assert all(positions == drawn[0][0].tolist() for positions in seen)


def test_a_checkpoint_that_cannot_be_read_now_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = checkpoint.Checkpoint(tmp_path)
    checkpoint.save_arrays(tmp_path / "epoch-0001.npz", {"model0000": np.zeros(3)}, {"epoch": 1})

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(checkpoint.np, "load", fails)
    with pytest.raises(TrainingError, match="cannot be read"):
        state.read()
    monkeypatch.undo()
    assert state.read() == {"epoch": 1}


def test_early_stopping_waits_for_its_patience_within_a_size() -> None:
    def over(scores: list[float], sizes: list[int], patience: int = 2) -> bool:
        return trainer.no_better([{"score": score} for score in scores], sizes, patience)

    sizes = [32] * 3 + [64] * 5
    assert not over([0.9, 0.1, 0.1], sizes), "the last size has not begun"
    assert not over([0.9, 0.1, 0.1, 0.2, 0.1], sizes), "one epoch without a better one"
    assert over([0.9, 0.1, 0.1, 0.2, 0.1, 0.1], sizes)
    assert not over([0.9, 0.1, 0.1, 0.2, 0.1, 0.3], sizes)
    assert not over([0.9, 0.1, 0.1, 0.2, 0.1, 0.1, 0.1, 0.1], sizes), "it has come to its end anyway"


@pytest.mark.usefixtures("tiny")
def test_the_best_epoch_of_the_last_size_is_kept(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.9, 0.3, 0.5, 0.4])
    monkeypatch.setattr(trainer, "validate", lambda *_: {"score": next(scores)})
    run = Run(tmp_path / "run")
    run.create(config(folder, phases=(Phase(32, 1), Phase(48, 3)), patience=9))
    kept = []
    trainer.train(run, lambda logs: kept.append((run.checkpoints / "best.npz").read_bytes()))
    assert kept[0] != kept[1] != kept[2], "another size begins anew, however well the one before did"
    assert kept[3] == kept[2], "a worse epoch replaces nothing"
    with np.load(run.checkpoints / "best.npz") as stored:
        assert json.loads(str(stored["state"]))["logs"]["score"] == 0.5


@pytest.mark.usefixtures("tiny")
def test_a_refit_learns_from_all_patients_to_its_last_epoch(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.9, 0.3, 0.2, 0.1])
    learned: list[set] = []

    class Watched(batches.Batches):
        def __init__(self, slices: data.Slices, positions: np.ndarray, *rest: object) -> None:
            super().__init__(slices, positions, *rest)
            learned.append(set(slices.cases[positions].tolist()))

    monkeypatch.setattr(trainer, "validate", lambda *_: {"score": next(scores)})
    monkeypatch.setattr(trainer, "Batches", Watched)
    run = Run(tmp_path / "run")
    run.create(config(folder, phases=(Phase(32, 4),), patience=1, refit=True))
    trainer.train(run, lambda logs: run.stop_file.touch())
    trainer.train(run)  # goes on with the same patients
    assert run.complete()
    assert len([e for e in run.events() if e.kind == "epoch"]) == 4, "no score ends it early"
    assert all(cases == set(range(6)) for cases in learned)
    split = json.loads((run.folder / "split.json").read_text())
    assert set(split["validation"]) < set(split["train"])
    with np.load(run.checkpoints / "best.npz") as stored:
        assert json.loads(str(stored["state"]))["logs"]["score"] == 0.1
    assert any("learned from as well" in e.logs.get("text", "") for e in run.events())


def test_the_rate_warms_up_and_falls_to_nothing(folder: Path) -> None:
    settings = config(folder, learning_rate=0.01, warmup=0.1)
    model = trainer.build(settings, 32)
    trainer.compile_model(model, settings, 100)
    rates = [float(model.optimizer._learning_rate(step)) for step in range(101)]
    assert type(model.optimizer).__name__ == "AdamW"
    assert rates[10] == pytest.approx(0.01, rel=0.01) == max(rates)
    assert rates == sorted(rates[:11]) + sorted(rates[11:], reverse=True)
    assert rates[100] < 0.01 * 0.002


def test_a_checkpoint_of_another_network_is_refused(folder: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.create(config(folder, phases=(Phase(32, 2),)))
    checkpoint.save_arrays(run.checkpoints / "epoch-0001.npz", {"model0000": np.zeros(3)}, {"epoch": 1, "history": [{"score": 0.1}]})
    with pytest.raises(TrainingError, match="another network"):
        trainer.train(run)


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "epoch-0001.npz"
    checkpoint.save_arrays(target, {"a": np.ones(3)}, {"epoch": 1})

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.np, "savez", full)
    with pytest.raises(TrainingError, match="could not be written"):
        checkpoint.save_arrays(target, {"a": np.zeros(3)}, {"epoch": 2})
    assert not list(tmp_path.glob("*.partial"))
    with np.load(target) as stored:
        assert stored["a"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"start": "imagenet"}, "Only the classifier"), ({"start": "moon"}, "not known"), ({"split": "x"}, "split"), ({"loss": "x"}, "loss")],
)
def test_settings_that_make_no_sense(folder: Path, tmp_path: Path, changes: dict, words: str) -> None:
    run = Run(tmp_path / "run")
    run.create(config(folder, **changes))
    with pytest.raises(TrainingError, match=words):
        trainer.train(run)


@pytest.mark.parametrize(
    ("task", "training", "validation", "words"),
    [
        ("segment", [True, False], [], "holds no usable slice"),
        ("segment", [False, False], [True], "No slice to learn from shows a tumour"),
        ("classify", [True, True], [True], "nothing to tell apart"),
    ],
)
def test_what_cannot_teach_gets_a_sentence(folder: Path, task: str, training: list[bool], validation: list[bool], words: str) -> None:
    said: list[str] = []
    with pytest.raises(TrainingError, match=words):
        trainer.check_classes(config(folder, task=task), np.array(training), np.array(validation, bool), said.append)
    assert not said
    trainer.check_classes(config(folder), np.array([True, True]), np.array([False]), said.append)
    assert "nothing of slices without one" in said[0]


def test_negatives_are_drawn_anew_each_epoch(folder: Path) -> None:
    from brainviewer.training import data

    slices = data.load(data.index(folder), 32)
    everything = np.arange(len(slices.labels))
    settings = config(folder, negatives=0.5)
    orders = [batches.Batches(slices, everything, settings, epoch).order for epoch in (0, 0, 1)]
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    assert slices.labels[orders[0]].sum() == slices.labels.sum()
    assert len(orders[0]) == round(1.5 * slices.labels.sum())


def test_a_run_starts_from_a_run_or_a_bundle_of_its_own_task(folder: Path, tmp_path: Path) -> None:
    first = Run(tmp_path / "first")
    first.create(config(folder, phases=(Phase(32, 1),)))
    trainer.train(first)
    with np.load(first.checkpoints / "best.npz") as stored:
        best = {name: stored[name] for name in stored.files if name != "state"}
    settings = config(folder, start=str(first.folder))
    model = trainer.build(settings, 32)
    starting.start(model, settings, first)
    for variable in model.weights:
        assert np.array_equal(np.asarray(variable), best[variable.path])
    with pytest.raises(TrainingError, match="another task"):
        starting.starting_weights(config(folder, task="classify", start=str(first.folder)))


def test_imagenet_weights_come_from_the_given_file_or_say_why_not(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path / "run")
    given = tmp_path / "resnet50.weights.h5"
    settings = config(folder, task="classify", start="imagenet", imagenet=str(given))
    run.create(settings)
    with pytest.raises(TrainingError, match=r"resnet50\.weights\.h5. do not exist"):
        starting.imagenet_file(settings, run)
    given.write_bytes(b"weights")
    assert starting.imagenet_file(settings, run) == given
    assert [event.logs["text"] for event in run.events()] == [f"ImageNet weights from {given}"]

    def offline(**_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(starting.keras.applications, "ResNet50", offline)
    with pytest.raises(TrainingError, match=r"could not be downloaded \(no network\)"):
        starting.imagenet_file(replace(settings, imagenet=""), run)


def test_time_left_follows_from_the_steps_after_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path / "run")
    run.create(config(tmp_path))
    clock = iter([100.0, 103.0, 106.0, 106.5])  # when the first step, of any length, ended; and the next ones
    monkeypatch.setattr(trainer.time, "monotonic", lambda: next(clock))
    callback = trainer.RunCallback(run, 0, 10, later=20.0)
    for batch in range(4):
        callback.on_train_batch_end(batch)
    monkeypatch.undo()
    assert [(event.step, event.logs["left_s"]) for event in run.events() if event.kind == "step"] == [(2, 3 * 28), (3, 3 * 27)]
