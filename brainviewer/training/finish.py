"""After the last epoch: weights become bundles, bundles are calibrated together on validation patients, and judged.

Two bundles that work together lie in one folder, as the viewer wants them; a run of one task brings the other from the models in use, and a run
with another one behind it trains both.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from .. import audit
from ..errors import BundleError, TrainingError
from ..formats import open_volume
from ..formats.series import listed
from ..formats.writing import write_file
from ..imaging.volume import Volume
from ..inference import registry
from ..inference.analyse import decision_of
from ..inference.bundle import TASKS, ModelBundle, Weights, choose_bundle, find_bundles, hash_file, read_bundle
from ..inference.keras_engine import load_network
from ..inference.load import load_models
from ..inference.registry import Pair
from . import calibrate, data, figures, known
from .bundling import write_bundle, write_document, write_engines
from .checkpoint import Checkpoint
from .compare import compare
from .evaluate import Judged, judge, summarise
from .robustness import robustness_in
from .run import Run, write_atomic
from .trainer import excluded

CALIBRATION_SLICES = 120
CHECK_SLICES = 12
LEAST_TO_CALIBRATE = 5
"""Validation patients; with fewer, chance would calibrate."""
LEARNING = "learning.png"
"""The curve of the training, in a bundle's folder."""
PARTS = ("held_out", "guard")
KNOWN_EVERY, KNOWN_EVERY_VALIDATED = 12, 4
"""Every n-th slice of a training and of a validation scan is looked at for the fit score; its neighbours would say the same."""


def make_bundle(run: Run, folder: Path) -> Path:
    """Writes `<task>-<version>` with all weights into a folder; returns it."""
    config = run.config()
    split = json.loads((run.folder / "split.json").read_text())
    slices = taught(Path(config.data), split["train"], config.phases[-1].size)
    chosen, check = for_quantiser(slices.labels, config.seed)
    with np.load(run.checkpoints / Checkpoint.BEST, allow_pickle=False) as stored:
        best = json.loads(str(stored["state"]))
    target = folder / f"{config.task}-{config.version}"
    drawn = {"seed": config.seed} if not config.validation_patients else {}
    about = {
        "split": split | {"by": config.split, "test": sorted(excluded(config))} | drawn,
        "trained_on": {
            "data": config.about or Path(config.data).name,
            "patients": len(split["train"]),
            "slices": len(slices.labels),
            "slices_with_tumour": int(slices.labels.sum()),
        },
    }
    write_bundle(run, target, slices.images[chosen], slices.images[check], {"validation_while_training": best["logs"]}, about)
    if newest := Checkpoint(run.checkpoints).read():
        write_file(target / LEARNING, figures.learning(newest["history"], config.refit))
    return target


def rewrite_bundle(bundle: ModelBundle, data_folder: Path, folder: Path) -> Path:
    """The same network in a folder, its ONNX files written anew from the Keras weights: when the way of writing them has improved.

    Args:
        data_folder: holds the scans that it learned from, on which 8-bit weights are calibrated.

    Raises:
        BundleError: if the bundle is damaged.
        TrainingError: if its scans are not there, or the engines do not agree.
    """
    target = folder / bundle.id
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    roles = bundle.weights["keras"]["float32"]
    kept = [roles["architecture"], roles["weights"], *(Weights(**entry) for entry in bundle.details.get("files", {}).values())]
    architecture, weights, *_ = (Path(shutil.copy(bundle.path(entry), target)) for entry in kept)
    if (bundle.folder / LEARNING).is_file():
        shutil.copy(bundle.folder / LEARNING, target)
    slices = taught(data_folder, bundle.details["split"]["train"], bundle.size)
    chosen, check = for_quantiser(slices.labels, bundle.details["config"]["seed"])
    model = load_network(architecture, weights)
    written = write_engines(model, bundle.task, target, slices.images[chosen], slices.images[check])
    write_document(target, bundle.details | written)
    return target


def taught(data_folder: Path, patients: Sequence[str], size: int) -> data.Slices:
    """The slices that a network learned from, at its input's size.

    Raises:
        TrainingError: if none of them is there.
    """
    return data.load([case for case in data.index(data_folder) if case.patient in patients], size)


def for_quantiser(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of slices (labels (N,) bool) to calibrate 8-bit weights on, as many with tumour as without, since the quantiser must see the
    values of both; and some of them, on which the engines must agree."""
    rng = np.random.default_rng(seed)
    sides = (np.flatnonzero(labels), np.flatnonzero(~labels))
    chosen = np.concatenate([rng.choice(side, min(len(side), CALIBRATION_SLICES // 2), replace=False) for side in sides])
    return chosen, chosen[:: max(1, len(chosen) // CHECK_SLICES)]


def finish_run(run: Run, say: Callable[[str], None] = lambda text: None, progress: Callable[[int, int, str], None] = lambda *_: None) -> Pair:
    """The pair of a finished run: the network, or both, that it trained, calibrated with the other one in use, judged against the models in use.

    Leaves both bundles in `bundle/`, `report.json` and its pictures in the run's folder, and the pair among the user's models. Nothing is put
    into use.

    Args:
        progress: is told how far the judging is; may raise `Cancelled`.
    """
    if kept := kept_already(run):
        return tell_verdict(run, kept)
    config = run.config()
    data_folder = Path(config.data)
    current = registry.in_use()
    trained = [stage.config().task for stage in run.stages]
    version = registry.free_version()
    staging = run.folder / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    for task in TASKS:
        if task not in trained:
            other = current.bundle(task)
            shutil.copytree(other.folder, staging / other.folder.name)
    for stage in run.stages:
        say(f"Writing the model to {stage.config().task}")
        made = make_bundle(stage, staging)
        write_document(made, read_bundle(made).details | {"version": version})
        made.rename(staging / f"{stage.config().task}-{version}")
    split = split_of(run)
    if len(split["validation"]) >= LEAST_TO_CALIBRATE:
        calibrate_pair(staging, data_folder, split, say)
    else:
        run.log("note", config.epochs, text=f"With fewer than {LEAST_TO_CALIBRATE} validation patients the calibration in use stays.")
        keep_calibration(staging, current, trained)
        if "classify" in trained:
            measure_known(staging, data_folder, split, say)  # of the new network's own features; those in use know another's
    for task in trained:
        bundle = choose_bundle(staging, task)
        write_document(bundle.folder, bundle.details | {"split": anonymous(data_folder, bundle.details["split"])})
    fresh = new_to(current, data_folder, split["validation"])
    if len(fresh) < len(split["validation"]):
        run.log("note", config.epochs, text=f"{len(split['validation']) - len(fresh)} of the validation patients taught the models in use: left out.")
    say("Judging the candidate against the models in use")
    found = compare(staging, current.folder, data_folder, fresh, progress, say)
    for task in trained:
        write_details(staging, task, metrics={name: without_patients(found.document[name]["candidate"]) for name in PARTS if name in found.document})
    against = {"against": current.id, "against_digest": current.digest}
    for name, png in found.pictures.items():
        write_atomic(run.folder / name, png)
    write_atomic(run.report_file, json.dumps(found.document | against, indent=1).encode())
    shutil.rmtree(run.bundle, ignore_errors=True)
    run.bundle.mkdir(parents=True)
    for bundle_folder in find_bundles(staging):
        bundle_folder.rename(run.bundle / bundle_folder.name)
    shutil.rmtree(staging)
    extra = [run.report_file, *(run.folder / name for name in found.pictures)]
    judged = {"verdict": found.verdict, "sentence": found.sentence} | against
    pair = registry.install(run.bundle, registry.pair_id(trained, version), trained, "run", judged, extra)
    return tell_verdict(run, pair)


def kept_already(run: Run) -> Pair | None:
    """The pair of a run that was killed after everything but its last line."""
    bundles = find_bundles(run.bundle)
    digest = registry.digest_of(bundles) if len(bundles) == len(TASKS) else ""
    for pair in registry.user_pairs():
        with suppress(BundleError):
            if pair.digest == digest and pair.origin == "run":
                return pair
    return None


def tell_verdict(run: Run, pair: Pair) -> Pair:
    """The last line of a run, and the act in the audit log."""
    report = json.loads(run.report_file.read_text(encoding="utf-8"))
    part = report.get("held_out", report["guard"])["candidate"]["pipeline"]
    run.log(
        "evaluated",
        run.config().epochs,
        verdict=report["verdict"],
        sentence=report["sentence"],
        pair=pair.id,
        dice=part["dice_patient_mean"],
        accuracy=part["accuracy"],
    )
    audit.record("train", report["verdict"], models=pair.id, against=report["against"])
    return pair


def judge_again(pair: Pair, data_folder: Path | None, progress: Callable[[int, int, str], None] = lambda *_: None) -> Pair:
    """Judges a kept pair against the models in use now: one that was imported, or compared with others than are in use now.

    Args:
        data_folder: labelled scans; those that neither pair has learned from count as held out. None: only the guard set.

    Raises:
        BundleError: if the pair is the program's own, in use, or damaged.
        TrainingError: if the folder holds no labelled scan.
    """
    current = registry.in_use()
    if pair.origin == registry.BUNDLED or pair.id == current.id:
        raise BundleError(f'"{pair.id}" cannot be compared: it is {"in use" if pair.id == current.id else "what came with the program"}.')
    pair.verify()
    fresh: list[str] = []
    if data_folder is not None:
        fresh = new_to(current, data_folder, new_to(pair, data_folder, [case.patient for case in data.index(data_folder)]))
    found = compare(pair.folder, current.folder, data_folder, fresh, progress)
    against = {"against": current.id, "against_digest": current.digest}
    for name, png in found.pictures.items():
        write_atomic(pair.folder / name, png)
    write_atomic(pair.folder / "report.json", json.dumps(found.document | against, indent=1).encode())
    judged = registry.set_verdict(pair, {"verdict": found.verdict, "sentence": found.sentence} | against)
    audit.record("compare", found.verdict, models=pair.id, against=current.id)
    return judged


def split_of(run: Run) -> dict:
    """Training and validation patients of a run; of two in a row, what either was trained on, and what neither was."""
    splits = [json.loads((stage.folder / "split.json").read_text()) for stage in run.stages]
    training = sorted({name for split in splits for name in split["train"]})
    return {"train": training, "validation": sorted({name for split in splits for name in split["validation"]} - set(training))}


def keep_calibration(staging: Path, current: Pair, trained: Sequence[str]) -> None:
    """Gives new bundles the decision and the clean-up of those in use."""
    if "classify" in trained and (decision := current.bundle("classify").details.get("decision")):
        write_details(staging, "classify", decision=decision)
    if "segment" in trained and (clean_up := current.bundle("segment").details.get("clean_up")):
        write_details(staging, "segment", clean_up=clean_up)


def anonymous(data_folder: Path, split: dict) -> dict:
    """A split that tells later whether a scan was learned from, without a name in it: a hash of one file of each patient."""
    known = digests(data_folder)
    sides = {side: sorted(known[name] for name in split[side] if name in known) for side in ("train", "validation")}
    return split | sides | {"test": len(split.get("test", ())), "named_by": "content"}


def digests(data_folder: Path) -> dict[str, str]:
    """Of each labelled patient the hash of the middle file."""
    return {case.patient: hash_file(case.series.files[len(case.series.files) // 2])[:16] for case in data.index(data_folder)}


def new_to(pair: Pair, data_folder: Path, patients: Sequence[str]) -> list[str]:
    """Those patients that neither network of a pair was trained on."""
    taught: set[str] = set()
    for bundle in pair.bundles():
        taught |= {str(name) for name in bundle.details.get("split", {}).get("train", ())}
    known = digests(data_folder)
    return [name for name in patients if name not in taught and known.get(name) not in taught]


def without_patients(summary: dict) -> dict:
    """A summary without the names of patients."""
    return {
        key: {k: v for k, v in part.items() if not k.startswith("per_patient")} if isinstance(part, dict) else part for key, part in summary.items()
    }


def calibrate_pair(models_folder: Path, data_folder: Path, split: dict, say: Callable[[str], None] = lambda text: None) -> None:
    """Calibrates the two newest bundles of a folder together, on the validation patients of a split, and writes the result into both."""
    say("Looking at the validation patients")
    classify = choose_bundle(models_folder, "classify")
    volumes = volumes_of(data_folder, split["validation"])
    models = load_models("onnx", "cpu", "float32", models_folder)
    seen = calibrate.look(volumes, models)
    models.close()
    threshold = models.segment_bundle.threshold
    gate = calibrate.choose_gate(seen, threshold)
    rule, dice = calibrate.choose_clean_up(seen, gate, threshold)
    decision = calibrate.fit_decision(seen, gate, rule, threshold)
    say(f"Validation Dice {dice:.4f}, gate {gate}, {rule}")
    write_details(models_folder, "segment", clean_up={"least_voxels": rule.least_voxels, "least_share": rule.least_share})
    if decision is None:
        say("The validation slices show one class only: the decision stays as it was.")
    else:
        write_details(models_folder, "classify", decision=decision.to_json())
    if "fit" not in classify.details:
        measure_known(models_folder, data_folder, split, say)


def measure_known(models_folder: Path, data_folder: Path, split: dict, say: Callable[[str], None] = lambda text: None) -> None:
    """Writes into the newest classifier what its fit score needs, from its training patients and validated on others."""
    say("Measuring what the classifier knows")
    bundle = choose_bundle(models_folder, "classify")
    models = load_models("onnx", "cpu", "float32", models_folder)
    try:
        training = known.look(volumes_of(data_folder, split["train"]), models.classifier, bundle.size, KNOWN_EVERY, seed=0)
        validation = known.look(volumes_of(data_folder, split["validation"]), models.classifier, bundle.size, KNOWN_EVERY_VALIDATED)
    finally:
        models.close()
    arrays, edge = known.measure(training, validation)
    np.savez_compressed(bundle.folder / "fit.npz", **arrays)  # type: ignore[arg-type]
    write_details(
        models_folder,
        "classify",
        fit={"known": edge, "foreign": 2 * edge, "words": known_words(bundle)},
        files={"fit": {"file": "fit.npz", "sha256": hash_file(bundle.folder / "fit.npz")}},
    )


def known_words(bundle: ModelBundle) -> str:
    """What the models know, in words that follow "This scan does not resemble"."""
    if words := bundle.details.get("fit", {}).get("words"):
        return words
    said = bundle.details["config"].get("known") or f"the scans of {bundle.details['trained_on']['data']}"
    return f"{said} that the models were trained on"


def volumes_of(folder: Path, patients: Sequence[str]) -> list[Volume]:
    """The labelled volumes of some patients, in the order of their names.

    Raises:
        TrainingError: if one of them is not there.
    """
    cases = {case.patient: case for case in data.index(folder)}
    if absent := sorted(set(patients) - set(cases)):
        raise TrainingError(f"Not in the data any more: {listed(absent)}.", "Put the scans back and resume the run.")
    return [open_volume(cases[patient].series) for patient in sorted(set(patients))]


def write_details(models_folder: Path, task: str, **details: object) -> None:
    """Changes entries of the newest bundle's `bundle.json`."""
    bundle = choose_bundle(models_folder, task)
    write_document(bundle.folder, bundle.details | details)


def score_pair(models_folder: Path, data_folder: Path, patients: Sequence[str], precision: str) -> tuple[dict, list[Judged]]:
    """Judges the two newest bundles on some patients."""
    models = load_models("onnx", "cpu", precision, models_folder)
    judged = judge(data_folder, models, patients)
    models.close()
    return summarise(judged, decision_of(models).threshold), judged


def robustness_of(models_folder: Path, data_folder: Path, patients: Sequence[str]) -> dict:
    """How the answer stands other forms of the same scans."""
    models = load_models("onnx", "cpu", "float32", models_folder)
    try:
        return robustness_in(data_folder, models, patients)
    finally:
        models.close()


def install(staging: Path, models_folder: Path) -> list[Path]:
    """Moves finished bundles into a models folder, replacing those of the same name only."""
    models_folder.mkdir(parents=True, exist_ok=True)
    moved = []
    for folder in find_bundles(staging):
        target = models_folder / folder.name
        old = target.with_name(target.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        shutil.copytree(folder, target.with_name(target.name + ".partial"), dirs_exist_ok=True)
        target.with_name(target.name + ".partial").rename(target)
        shutil.rmtree(old, ignore_errors=True)
        moved.append(target)
    return moved
