"""The one-page card of a bundle: what it is for, what it learned from, how good it is, where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..formats.writing import write_file
from ..inference.bundle import ModelBundle, choose_bundle
from ..inference.load import load_models
from .evaluate import Judged
from .finish import LEARNING
from .report import SHOWN, VIEWS, examples, pictures_of

CITATIONS = """\
- M. Buda, A. Saha, M. A. Mazurowski: Association of genomic subtypes of lower-grade gliomas with shape features automatically extracted by a
  deep learning algorithm. Computers in Biology and Medicine 109, 2019. Data set: mateuszbuda/lgg-mri-segmentation, CC BY-NC-SA 4.0.
- N. Pedano et al.: The Cancer Genome Atlas Low Grade Glioma Collection (TCGA-LGG). The Cancer Imaging Archive, 2016.
  doi:10.7937/K9/TCIA.2016.L4LTD3TK
- K. Clark et al.: The Cancer Imaging Archive (TCIA): maintaining and operating a public information repository. Journal of Digital Imaging 26, 2013.
"""
PURPOSE = {
    "classify": "Says of one axial slice how probable it is that it shows a tumour (ResNet50 with a small dense head).",
    "segment": "Says of each pixel of one axial slice how probable it is that it belongs to a tumour (ResUNet, 1.21 M parameters).",
}


def write_cards(models_folder: Path, data_folder: Path, tested: Sequence[Judged]) -> None:
    """Writes `card.md` and its three figures (best, median and worst test patient) into the newest bundle of each task."""
    chosen = examples(tested)
    models = load_models("onnx", "cpu", "float32", models_folder)
    try:
        figures = pictures_of(chosen, data_folder, models)
    finally:
        models.close()
    for task in PURPOSE:
        bundle = choose_bundle(models_folder, task)
        for name, data in figures.items():
            write_file(bundle.folder / f"{name}.png", data)
        write_file(bundle.folder / "card.md", card(bundle, chosen).encode())


def unvalidated(split: dict) -> str:
    """Which institutions taught, but judged nothing; their code is the second part of the data set's names."""
    sites = [{name.split("_")[1] for name in split[side]} for side in ("train", "validation")]
    absent = sorted(sites[0] - sites[1])
    return f"; of the institutions {' and '.join(absent)} no patient is among those that chose" if absent else ""


def learned_from(details: dict) -> str:
    """Whom the network learned from, who chose, and who tests: of a bundle's `details`."""
    split, learned = details["split"], details["trained_on"]
    held_out, before = len(split["validation"]), details.get("calibrated_as")
    if before:
        chosen = f"""{held_out} of them had chosen epochs and calibration as patients that version {before} had not learned from;
only then, with nothing left to choose, were they learned from too"""
    else:
        chosen = f"{held_out} further patients chose the best epoch and the calibration"
    return f"""{learned["data"]}: {learned["patients"]} patients, {learned["slices"]} slices,
{learned["slices_with_tumour"]} with tumour; {chosen};
{len(split["test"])} test patients were seen by neither. The split is by patient, drawn at random (seed 1){unvalidated(split)}."""


def card(bundle: ModelBundle, shown: dict[str, tuple[str, float]]) -> str:
    """The text of `card.md`."""
    details = bundle.details
    test = details["metrics"]["test"]
    pipeline, intervals = test["pipeline"], test["intervals"]
    alone = test["classifier" if bundle.task == "classify" else "segmenter"]

    def row(words: str, key: str, value: float | None) -> str:
        low, high = intervals.get(key, (None, None))
        return f"| {words} | {value} | {'' if low is None else f'{low} to {high}'} |"

    rows = [
        row("patient Dice, mean (pipeline)", "pipeline.dice_patient_mean", pipeline["dice_patient_mean"]),
        row("patient Dice, median (pipeline)", "pipeline.dice_patient_median", pipeline["dice_patient_median"]),
        row("slice decision, accuracy (pipeline)", "pipeline.accuracy", pipeline["accuracy"]),
        row("slice decision, AUC (pipeline)", "pipeline.auc", pipeline["auc"]),
        row("calibration error of the slice probability", "pipeline.calibration_error", pipeline["calibration_error"]),
    ]
    if bundle.task == "classify":
        rows += [row(f"this network alone, {name}", f"classifier.{name}", alone[name]) for name in ("accuracy", "auc")]
    else:
        rows += [row("this network alone, patient Dice, mean", "segmenter.dice_patient_mean", alone["dice_patient_mean"])]
    forms = details["metrics"]["robustness"]["test"]
    units = min(forms[name]["dice_between"] for name in ("half", "four_times", "twelve_bits"))
    small = details["metrics"]["test_int8"]["pipeline"]
    lines = "\n".join(rows)
    curve = f"\n![Loss and validation score by epoch]({LEARNING})\n" if (bundle.folder / LEARNING).is_file() else ""
    pictures = "\n\n".join(
        f"**{name.capitalize()}** ({patient}, Dice {dice:.3f})\n\n![{name}]({name}.png)" for name, (patient, dice) in shown.items()
    )
    return f"""# {bundle.name} {bundle.version}

{PURPOSE[bundle.task]} Research use only. Not for diagnosis.

## Learned from

{learned_from(details)}
Axial FLAIR with pre- and post-contrast T1, 256 x 256.
{curve}
## How good it is, on the {test["patients"]} test patients ({test["slices"]} slices)

| measure | value | 95 % interval (bootstrap over patients) |
| --- | --- | --- |
{lines}

With FLAIR alone the pipeline loses {forms["flair_only"]["dice_lost"]} of its Dice. With intensities times 0.5 or 4, or stored as 12 bits,
its masks keep a Dice of {units} with those of the scan as it was.

`brainviewer evaluate DATA --patients resources/test_patients.txt --precision float32 --robustness` gives these numbers again.

With int8 weights (what `--precision auto` takes where the processor is fast with them):
patient Dice {small["dice_patient_mean"]}, accuracy {small["accuracy"]}, AUC {small["auc"]}.

{SHOWN}: {VIEWS}.

{pictures}

## Limits

Lower-grade gliomas of adults, before treatment. It was never shown: other tumours, metastases, children, operated brains, strokes, multiple
sclerosis, scans without FLAIR, sagittal or coronal slices, CT. On those its answer means nothing, and a high number does not make it true.
Small or faint tumours are missed most often; the reference masks outline the FLAIR abnormality, not the tumour's core.

## Licence and sources

{details["licence"]}, non-commercial, as the data it learned from:

{CITATIONS}
"""
