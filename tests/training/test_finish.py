"""A run of a user's, from its start to a judged pair of models: never worse ones in use, no name of a patient in what may leave the site."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("keras")

from brainviewer import audit
from brainviewer.errors import PromotionError, TrainingError
from brainviewer.inference import exchange, promotion, registry
from brainviewer.inference.contents import check_folder
from brainviewer.training import conduct, finish, guard
from brainviewer.training.run import Phase, Run, TrainConfig

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("tiny", "bundled", "small_guard")]


@pytest.fixture
def small_guard(tmp_path: Path, make_patients: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two small patients in place of the real guard set."""
    folder = make_patients(tmp_path / "guard", 2, 4, range(2, 4))

    @contextmanager
    def unpacked() -> Iterator[Path]:
        yield folder

    monkeypatch.setattr(guard, "unpacked", unpacked)
    monkeypatch.setattr(guard, "patients", lambda: sorted(path.name for path in folder.iterdir()))


@pytest.fixture
def config(tmp_path: Path, make_patients: Callable[..., Path]) -> TrainConfig:
    data = make_patients(tmp_path / "data", 6, 4, range(2, 4))
    return TrainConfig(task="segment", data=str(data), phases=(Phase(32, 1),), batch=4, validation=0.34)


def test_both_networks_in_one_run_make_one_judged_pair(config: TrainConfig, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.create(config)
    run.chain(replace(config, task="classify"))
    assert conduct.conduct(run)
    assert run.state() == "done"

    report = json.loads(run.report_file.read_text())
    assert report["against"] == "bundled"
    assert report["held_out"]["patients"] == 2
    assert report["guard"]["patients"] == 2
    assert {row["file"] for row in report["held_out"]["pictures"]} == {"held-out-0.png", "held-out-1.png"}
    assert all((run.folder / row["file"]).stat().st_size > 500 for row in report["held_out"]["pictures"])
    last = list(run.events())[-1]
    assert last.kind == "evaluated"
    assert last.logs["verdict"] == report["verdict"]

    pair = registry.find_pair(last.logs["pair"])
    assert pair.trained == ("segment", "classify")
    assert pair.verdict["verdict"] == report["verdict"]
    assert registry.in_use().id == "bundled"
    for bundle in pair.bundles():
        check_folder(bundle.folder)
        assert set(bundle.weights) == {"keras", "onnx"}
        assert set(bundle.weights["onnx"]) == {"float32", "int8"}
        assert bundle.details["parity"]["float32"] < 1e-3
        text = (bundle.folder / "bundle.json").read_text()
        assert "TCGA_" not in text  # no name of a patient in what may leave the site
        assert bundle.details["split"]["named_by"] == "content"
    assert [(act.what, act.result) for act in audit.read()] == [("train", report["verdict"])]

    # Exported, taken away and imported again, promoted with a reason where it must be, taken back.
    digest = pair.digest
    file = exchange.export_pair(pair, tmp_path / "models.bvmodel")
    registry.remove(pair)
    back = exchange.import_pair(file)
    assert back.digest == digest
    with pytest.raises(PromotionError, match="never compared"):
        promotion.promote(back)
    again = finish.judge_again(back, Path(config.data))
    assert json.loads((back.folder / "report.json").read_text())["held_out"]["patients"] == 2  # those it has not learned from
    assert again.verdict["against"] == "bundled"
    promotion.promote(again, "for the test")
    assert registry.in_use().id == back.id

    # What it has learned from is known again by its content, whatever it is called now.
    names = json.loads((run.folder / "split.json").read_text())
    renamed = Path(config.data).with_name("renamed")
    shutil.copytree(config.data, renamed)
    for number, folder in enumerate(sorted(renamed.iterdir())):
        folder.rename(renamed / f"p{number}")
    order = sorted(path.name for path in Path(config.data).iterdir())
    unseen = {f"p{order.index(name)}" for name in names["validation"]}
    assert set(finish.new_to(back, renamed, [f"p{n}" for n in range(6)])) == unseen


def test_with_few_validation_patients_the_calibration_in_use_stays(config: TrainConfig, tmp_path: Path, bundled: Path) -> None:
    decision = {"gate": 0.02, "weights": [1.0, 0.0, 0.0, 0.0, 0.0], "bias": 0.0, "threshold": 0.4, "alone": [1.0, 0.0]}
    file = bundled / "classify-1.0.0" / "bundle.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"decision": decision}))
    run = Run(tmp_path / "run")
    run.create(replace(config, task="classify"))
    assert conduct.conduct(run)
    pair = registry.user_pairs()[0]
    assert pair.trained == ("classify",)
    assert pair.bundle("classify").details["decision"] == decision
    assert (pair.bundle("classify").folder / "fit.npz").exists()
    assert pair.bundle("segment").id == "segment-1.0.0"
    assert any("calibration in use stays" in event.logs.get("text", "") for event in run.events())


def test_a_refit_keeps_the_calibration_in_use(config: TrainConfig, tmp_path: Path, bundled: Path) -> None:
    clean_up = {"least_voxels": 7.0, "least_share": 0.02}
    file = bundled / "segment-1.0.0" / "bundle.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"clean_up": clean_up}))
    run = Run(tmp_path / "run")
    run.create(replace(config, task="segment", validation=0.8, refit=True))
    assert conduct.conduct(run)
    pair = registry.user_pairs()[0]
    assert pair.bundle("segment").details["clean_up"] == clean_up
    report = json.loads(run.report_file.read_text())
    assert "held_out" not in report, "nobody is held out"
    assert "guard" in report


def test_a_split_by_slice_makes_no_models(config: TrainConfig, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.create(replace(config, split="slice_leaky"))
    with pytest.raises(TrainingError, match="no model that can be put into use"):
        conduct.conduct(run)
    assert not list(run.checkpoints.iterdir())
    assert registry.user_pairs() == []


def test_a_wish_to_stop_while_it_is_judged(config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path / "run")
    run.create(config)
    real = finish.compare
    monkeypatch.setattr(finish, "compare", lambda *a, **k: (run.ask_to_stop(), real(*a, **k))[1])
    assert not conduct.conduct(run)
    assert run.state() == "stopped"
    assert registry.user_pairs() == []
    monkeypatch.setattr(finish, "compare", real)
    assert conduct.conduct(run)
    assert run.state() == "done"
    assert [event.epoch for event in run.events() if event.kind == "epoch"] == [0]  # nothing was trained twice


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "no room left"),
        (PermissionError(13, "Permission denied", "/data/x.tif"), "x.tif"),
        (MemoryError(), "memory ran out"),
    ],
)
def test_what_goes_wrong_is_one_sentence_in_the_run(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    run = Run(tmp_path / "run")
    run.create(config)

    def fail(*_: object) -> None:
        raise error

    from brainviewer.training import trainer

    monkeypatch.setattr(trainer, "train", fail)
    with pytest.raises(TrainingError, match=words):
        conduct.conduct(run)
    last = list(run.events())[-1]
    assert last.kind == "failed"
    assert words in last.logs["sentence"]
    assert run.state() == "failed"
    assert run.holder() == 0
