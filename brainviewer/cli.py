"""The command line: `brainviewer [PATH ...]` opens the window, a command does the same work without one.

Each command imports what it needs when it runs, so that `--version` and the window do not wait for frameworks.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from . import __version__
from .errors import BrainviewerError, Cancelled

if TYPE_CHECKING:
    from .training.run import Run, TrainConfig

RESEARCH = "Research use only. Not for diagnosis."
MISSING_LIBRARY = (
    "A system library is missing; on Debian and Ubuntu: sudo apt-get install libegl1 libgl1 libxkbcommon-x11-0 libxcb-cursor0. "
    "Commands need none of them: brainviewer --help lists them."
)
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code (0 done, 1 it cannot be done, 2 wrong usage, 130 interrupted)."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or (words[0] not in COMMANDS and not words[0].startswith("-")):
        return _guarded(lambda: open_window([Path(word) for word in words]))
    try:
        arguments = build_parser(words[0]).parse_args(words)
    except SystemExit as stop:  # argparse ends the program itself; a function returns
        return int(stop.code or 0)
    return _guarded(lambda: arguments.run(arguments))


def _guarded(work: Callable[[], int]) -> int:
    """One sentence on standard error instead of a trace."""
    try:
        return work()
    except BrainviewerError as error:
        print(f"brainviewer: {error.sentence}", file=sys.stderr)
        if error.hint:
            print(error.hint, file=sys.stderr)
        return FAILED
    except (KeyboardInterrupt, Cancelled):
        print("brainviewer: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return FAILED


def build_parser(wanted: str) -> argparse.ArgumentParser:
    """The parser of all commands; only the one that is wanted knows its arguments, since some import what they choose from."""
    parser = argparse.ArgumentParser(
        prog="brainviewer",
        usage="brainviewer [PATH ...] | brainviewer COMMAND ...",
        description="Shows whether, and where, a brain MRI shows a tumour. Without a command: the window, on PATH.",
        epilog=RESEARCH,
    )
    parser.add_argument("--version", action="version", version=f"brainviewer {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="brainviewer")
    for name, (about, arguments, run) in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about, epilog=RESEARCH)
        if name == wanted:
            arguments(command)
        command.set_defaults(run=run)
    return parser


# --- arguments --------------------------------------------------------------------------------------------------------------------------------


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="one JSON document on standard output and nothing else")


def _path_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", type=Path, metavar="PATH", help="a file or a folder, sub-folders included")
    _json(command)


def _engine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--engine", choices=("auto", "onnx", "tensorflow"), default="auto")
    command.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto")
    command.add_argument("--precision", choices=("auto", "float32", "int8"), default="auto")
    command.add_argument("--models", type=Path, metavar="DIR", help="folder of models to use instead of the program's own")


def _predict_arguments(command: argparse.ArgumentParser) -> None:
    from .imaging.render import SHOWS
    from .inference.predict import SAVES

    command.add_argument("path", type=Path, metavar="PATH", help="a file or a folder, sub-folders included")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    which = command.add_mutually_exclusive_group()
    which.add_argument("--series", metavar="KEY", help="only this series (see `brainviewer info`)")
    which.add_argument("--channels", type=_channels, metavar="pre=KEY,flair=KEY,post=KEY", help="compose three series on the grid of FLAIR")
    command.add_argument("--save", type=_saves, default=("overlay", "mask"), metavar="LIST", help=f"of {', '.join(SAVES)}; default overlay,mask")
    command.add_argument("--threshold", type=_share, metavar="T", help="pixel probability above which a pixel belongs to the mask")
    command.add_argument("--opacity", type=_share, metavar="A", help="of overlays, 0 to 1")
    command.add_argument("--colour", type=_colour, metavar="RRGGBB", help="of overlays")
    command.add_argument("--outline", action="store_true", help="draw the border of the mask only")
    command.add_argument("--show", choices=SHOWS, default="flair", help="the sequence under the overlay")
    command.add_argument(
        "--spacing",
        type=_spacing,
        metavar="DZ,DY,DX",
        help="mm from slice to slice, row to row and column to column (or DZ,D for square pixels) of scans whose files do not state it; "
        "what is computed from it is marked as assumed",
    )
    command.add_argument("--all-slices", action="store_true", help="the segmenter runs on every slice")
    command.add_argument("--no-cache", action="store_true", help="compute everything anew")
    command.add_argument("--overwrite", action="store_true", help="replace results that are there")
    _engine(command)
    _json(command)


def _saves(text: str) -> tuple[str, ...]:
    from .inference.predict import SAVES

    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in SAVES]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)} (known are {', '.join(SAVES)})")
    return names


def _channels(text: str) -> dict[str, str]:
    from .imaging.volume import CHANNEL_NAMES

    pairs = [tuple(part.strip() for part in piece.split("=", 1)) for piece in text.split(",") if piece.strip()]
    keys = {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and all(pair)}
    if len(keys) < len(pairs) or "flair" not in keys or set(keys) - set(CHANNEL_NAMES):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form pre=KEY,flair=KEY,post=KEY; pre and post may be left out")
    return keys


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _spacing(text: str) -> tuple[float, float, float]:
    from .formats.typed_spacing import parse

    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no spacing: {error}") from None


def _colour(text: str) -> tuple[int, int, int]:
    digits = text.removeprefix("#")
    try:
        if len(digits) != 6:
            raise ValueError
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a colour of six hexadecimal digits") from None
    return red, green, blue


def _convert_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", type=Path, metavar="PATH", help="a file or a folder, sub-folders included")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the .nii.gz files")
    command.add_argument("--series", metavar="KEY", help="only this series")
    command.add_argument("--overwrite", action="store_true", help="replace files that are there")
    _json(command)


def _explore_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("data", type=Path, metavar="DATA", help="labelled folder: <patient>/<slice>.tif with <slice>_mask.tif, or NIfTI pairs")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the findings, the page and the pictures")
    command.add_argument("--progress", action="store_true", help="progress on standard error, a JSON object a line")
    _json(command)


def _evaluate_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("data", type=Path, metavar="DATA", help="labelled folder: <patient>/<slice>.tif with <slice>_mask.tif, or NIfTI pairs")
    command.add_argument("--patients", type=Path, metavar="FILE", help="file with the patients to use, one a line")
    command.add_argument("--out", type=Path, metavar="DIR", help="folder for a page with figures (evaluation.html) and report.json")
    command.add_argument("--robustness", action="store_true", help="also the same scans with FLAIR alone, in other units and with 12 bits")
    _engine(command)
    _json(command)


def _train_arguments(command: argparse.ArgumentParser) -> None:
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", type=Path, dest="folder", metavar="DIR", help="folder of the run; an existing one is resumed")
    what.add_argument("--measure", action="store_true", help="only say how long the run of --config would take, from a measured step")
    command.add_argument("--config", type=Path, metavar="FILE", help="settings of a new run (JSON)")
    command.add_argument("--then", type=Path, metavar="FILE", help="settings of a run of the other network that follows; both make one pair")
    command.add_argument("--detach", action="store_true", help="in a process of its own that lives on; its number is printed")
    _json(command)


def _selftest_arguments(command: argparse.ArgumentParser) -> None:
    from .inference.selftest import NAMES

    command.add_argument("--only", type=_checks, default=NAMES, metavar="LIST", help=f"of {', '.join(NAMES)}")
    command.add_argument("--progress", action="store_true", help="each check as a JSON line on standard error as soon as it is done")
    _json(command)


def _checks(text: str) -> tuple[str, ...]:
    from .inference.selftest import NAMES

    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if unknown := [name for name in names if name not in NAMES]:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)} (known are {', '.join(NAMES)})")
    return names


def _bench_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--only", type=_groups, default=(), metavar="LIST", help="of the groups that the table is made of; a wrong name lists them")
    command.add_argument("--part", nargs="+", help=argparse.SUPPRESS)  # what one process of several measures
    _json(command)


def _groups(text: str) -> tuple[str, ...]:
    from .bench.runner import GROUPS

    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)} (known are {', '.join(GROUPS)})")
    return names


def _models_arguments(command: argparse.ArgumentParser) -> None:
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, about: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=about, description=about)
        _json(made)
        return made

    action("list", "the models, where they lie, and which are in use")
    action("verify", "compare every file with the hash that the model states")
    export = action("export", "write a pair of models into one file")
    export.add_argument("id", metavar="ID", help="of a model or a pair (see `brainviewer models list`)")
    export.add_argument("file", type=Path, metavar="FILE", help="to write; .bvmodel by custom")
    action("import", "add the models in a file; they are not put into use").add_argument("file", type=Path, metavar="FILE")
    compare = action("compare", "judge a pair against the models in use now, on the guard set and on labelled scans that neither has learned from")
    compare.add_argument("id", metavar="ID", help="of a model or a pair")
    compare.add_argument("data", type=Path, nargs="?", metavar="DATA", help="labelled folder; without it only the guard set counts")
    promote = action("promote", "put models into use; refused unless they are better than those in use")
    promote.add_argument("id", metavar="ID", help="of a model or a pair; both networks of the pair are put into use")
    promote.add_argument("--reason", default="", metavar="TEXT", help="why, although something speaks against it; noted in the audit log")
    rollback = action("rollback", "take back the last promotion that changed the model of a task")
    rollback.add_argument("task", choices=("classify", "segment"), metavar="TASK", help="classify or segment")


# --- commands ---------------------------------------------------------------------------------------------------------------------------------


def open_window(paths: list[Path]) -> int:
    """The window; where it cannot start, a dialog says so too, because a double click has no console."""
    try:
        from .ui.app import run

        return run(paths)
    except ImportError as error:
        raise _told(BrainviewerError(f"The window cannot be opened: {error}.", MISSING_LIBRARY)) from error
    except BrainviewerError as error:
        raise _told(error) from None
    except Exception as error:
        raise _told(BrainviewerError(f"{type(error).__name__}: {error}", "Please report this, with the log.")) from error


def _told(error: BrainviewerError) -> BrainviewerError:
    """The same error, after it has been written to the log and shown on the screen."""
    import logging

    from . import paths
    from .ui.log_file import start_log

    start_log()
    logging.getLogger("brainviewer").critical("The window could not start", exc_info=error.__cause__ or sys.exc_info()[1])
    try:
        from .ui.crash import show_crash
    except ImportError:  # Qt itself cannot be loaded: then standard error is all there is
        return error
    show_crash(error.sentence, error.hint, paths.log_file())
    return error


def info(arguments: argparse.Namespace) -> int:
    from .formats import describe, nothing_found, scan

    listing = scan(arguments.path, progress("Reading"))
    if arguments.json:
        write_json(describe(listing))
    else:
        for series in listing.series:
            z, y, x = series.shape
            print(f"{series.key}: {series.format}, {z} slices of {x} x {y}" + (", with reference masks" if series.reference else ""))
            for note in series.notes:
                print(f"    {note}")
        for row in listing.ignored:
            print(f"ignored {row.file}: {row.why}")
    if not listing.series:
        raise nothing_found(listing)
    return OK


def predict(arguments: argparse.Namespace) -> int:
    from .inference.predict import Options, predict_path

    options = Options(
        out=arguments.out,
        series=arguments.series,
        channels=arguments.channels,
        save=arguments.save,
        threshold=arguments.threshold,
        opacity=arguments.opacity,
        rgb=arguments.colour,
        outline=arguments.outline,
        show=arguments.show,
        engine=arguments.engine,
        device=arguments.device,
        precision=arguments.precision,
        all_slices=arguments.all_slices,
        models=arguments.models,
        overwrite=arguments.overwrite,
        keep=not arguments.no_cache,
        spacing=arguments.spacing,
    )
    document = predict_path(arguments.path, options, progress("Analysing"))
    if arguments.json:
        write_json(document)
    else:
        for result in document["results"]:
            found = result["scan"]["slices_with_tumour"]
            count = len(result["slices"])
            print(f"{result['key']}: " + (f"tumour found in {found} of {count} slices" if found else f"no tumour found in {count} of {count} slices"))
            for note in result["notes"]:
                print(f"    {note}")
        if document["results"]:
            print(f"Results are in {arguments.out}. {RESEARCH}")
    for row in document["failed"]:
        print(f"brainviewer: {row['key']}: {row['why']}", file=sys.stderr)
    return OK if document["results"] else FAILED


def convert(arguments: argparse.Namespace) -> int:
    from .inference.predict import convert_path

    document = convert_path(arguments.path, arguments.out, arguments.series, arguments.overwrite, progress("Converting"))
    if arguments.json:
        write_json(document)
    else:
        for file in document["files"]:
            print(file)
    for row in document["failed"]:
        print(f"brainviewer: {row['key']}: {row['why']}", file=sys.stderr)
    return OK if document["files"] else FAILED


def evaluate(arguments: argparse.Namespace) -> int:
    from .inference.load import load_models
    from .training.evaluate import evaluate as run
    from .training.explore import check_outside
    from .training.report import write_report
    from .training.robustness import robustness_in

    patients = read_patients(arguments.patients) if arguments.patients else None
    if arguments.out:
        check_outside(arguments.data, arguments.out)
    models = load_models(arguments.engine, arguments.device, arguments.precision, arguments.models)
    show = progress("Judging")
    try:
        document, judged = run(arguments.data, models, patients, show, lambda text: print(f"brainviewer: {text}", file=sys.stderr))
        if arguments.robustness:
            document["robustness"] = robustness_in(arguments.data, models, patients)
        if arguments.out:
            write_report(arguments.out, document, judged, arguments.data, models)
    finally:
        models.close()
    if arguments.json:
        write_json(document)
        return OK
    pipeline = document["pipeline"]
    print(f"{document['patients']} patients, {document['slices']} slices")
    print(f"slice decisions: accuracy {pipeline['accuracy']}, AUC {pipeline['auc']}, calibration error {pipeline['calibration_error']}")
    print(f"masks: patient Dice mean {pipeline['dice_patient_mean']}, median {pipeline['dice_patient_median']}")
    for change, found in document.get("robustness", {}).items():
        print(f"{change.replace('_', ' ')}: Dice lost {found['dice_lost']}, between both masks {found['dice_between']}")
    if arguments.out:
        print(f"{arguments.out / 'evaluation.html'} shows them. {RESEARCH}")
    return OK


def explore(arguments: argparse.Namespace) -> int:
    from .training.explore import explore as run

    document = run(arguments.data, arguments.out, progress_lines() if arguments.progress else progress("Checking"))
    if arguments.json:
        write_json(document)
        return OK
    tumour, rest = document["slices_with_tumour"], document["slices_without_tumour"]
    print(f"{document['patients']} patients, {document['slices']} slices: {tumour} with tumour, {rest} without")
    for finding in document["findings"]:
        print(f"{finding['kind']}: {finding['sentence']}")
    print(f"{len(document['findings']) or 'No'} findings. {arguments.out / 'explore.html'} shows them. {RESEARCH}")
    return OK


def read_patients(file: Path) -> list[str]:
    from .errors import ReadError

    try:
        return file.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(f'The list of patients "{file}" cannot be read ({error}).', "Give a text file with one patient a line.") from None


def measure(arguments: argparse.Namespace) -> int:
    from .errors import TrainingError

    if arguments.config is None:
        raise TrainingError("There is nothing to measure.", "Give the settings of the run with --config.")
    config = train_config(arguments.config)
    from .training.estimate import estimate

    found = estimate(config)
    if arguments.json:
        write_json(found.to_json())
    else:
        print(f"About {found.seconds / 60:.0f} min for {config.epochs} epochs on {found.device}: {found.steps} steps of {found.step_s:.2f} s each")
    return OK


def train(arguments: argparse.Namespace) -> int:
    from .training.run import Run

    if arguments.measure:
        return measure(arguments)
    run = Run(arguments.folder)
    if arguments.config:
        run.create(train_config(arguments.config))
    run.config()
    if arguments.then:
        run.chain(train_config(arguments.then))
    if arguments.detach:
        return detach(arguments, run)
    from .training.conduct import conduct

    if not conduct(run, lambda text: print(text, file=sys.stderr, flush=True)):
        return said(arguments, {"state": run.state()}, f"Stopped. `brainviewer train --run {arguments.folder}` goes on.")
    last = next(event for event in reversed(list(run.events())) if event.kind == "evaluated").logs
    text = f'The new models are in {run.bundle}, and here as "{last["pair"]}": {last["verdict"]}. {last["sentence"]}'
    return said(arguments, {"state": "done"} | last, text)


def train_config(file: Path) -> TrainConfig:
    from .errors import TrainingError
    from .training.run import TrainConfig

    try:
        return TrainConfig.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise TrainingError(f'The training settings "{file}" cannot be read ({error}).') from None


def detach(arguments: argparse.Namespace, run: Run) -> int:
    """Starts the run apart and waits until it works, or has failed."""
    from .errors import TrainingError
    from .training.run import start_detached

    process = start_detached(run)
    while not run.holder():
        if process.poll() is not None:
            last = run.output_file.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-2:]
            raise TrainingError(f"The training ended at once: {' '.join(last) or f'exit code {process.returncode}'}")
        time.sleep(0.05)
    return said(
        arguments, {"state": "running", "process": run.holder()}, f"Training in process {run.holder()}; {run.events_file} tells how far it is."
    )


def models(arguments: argparse.Namespace) -> int:
    return MODEL_ACTIONS[arguments.action](arguments)


def show_models(arguments: argparse.Namespace) -> int:
    from .errors import BundleError
    from .inference.doctor import bundles

    rows = bundles()
    if arguments.json:
        write_json({"models": rows})
    else:
        for row in rows:
            state = ("whole" if row["whole"] else row["why"]) if arguments.action == "verify" or not row["whole"] else row["name"]
            where = row["origin"] if row["pair"] == row["origin"] else f"{row['origin']}, {row['pair']}"
            print(f"{row['id']} ({where}){' in use' if row['in_use'] else ''}: {state}")
    if not rows:
        raise BundleError("No model was found.", "Install the program again.")
    return OK if arguments.action == "list" or all(row["whole"] for row in rows) else FAILED


def export_models(arguments: argparse.Namespace) -> int:
    from .inference.exchange import export_pair
    from .inference.registry import find_pair

    pair = find_pair(arguments.id)
    file = export_pair(pair, arguments.file)
    return said(arguments, {"pair": pair.id, "file": str(file), "bytes": file.stat().st_size}, f'"{pair.id}" is in {file}.')


def import_models(arguments: argparse.Namespace) -> int:
    from .inference.exchange import import_pair

    pair = import_pair(arguments.file)
    text = f'The models are here as "{pair.id}". They are not in use; `brainviewer models promote {pair.id}` puts them into use.'
    return said(arguments, {"pair": pair.id, "models": [bundle.id for bundle in pair.bundles()]}, text)


def promote_models(arguments: argparse.Namespace) -> int:
    from .inference.promotion import promote
    from .inference.registry import find_pair

    pair = find_pair(arguments.id)
    before = promote(pair, arguments.reason)
    return said(arguments, {"pair": pair.id, "instead_of": before.id}, f'"{pair.id}" is in use now, instead of "{before.id}".')


def compare_models(arguments: argparse.Namespace) -> int:
    from .inference.registry import find_pair
    from .training.finish import judge_again

    pair = judge_again(find_pair(arguments.id), arguments.data, progress("Judging"))
    return said(arguments, {"pair": pair.id} | pair.verdict, f'"{pair.id}" is {pair.verdict["verdict"]}. {pair.verdict["sentence"]}')


def roll_back_models(arguments: argparse.Namespace) -> int:
    from .inference.promotion import rollback

    pair = rollback(arguments.task)
    return said(arguments, {"pair": pair.id}, f'"{pair.id}" is in use again.')


def said(arguments: argparse.Namespace, document: dict, text: str) -> int:
    """The result of an act, as JSON or in words."""
    if arguments.json:
        write_json(document)
    else:
        print(text)
    return OK


MODEL_ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": show_models,
    "verify": show_models,
    "export": export_models,
    "import": import_models,
    "compare": compare_models,
    "promote": promote_models,
    "rollback": roll_back_models,
}


def doctor(arguments: argparse.Namespace) -> int:
    from .inference.doctor import examine

    document = examine()
    if arguments.json:
        write_json(document)
        return OK
    print(f"brainviewer {document['brainviewer']}, Python {document['python']}, {document['system']}, {document['cores']} cores")
    print(f"Edition: {document['edition']}")
    for row in document["engines"]:
        said = " ".join((f"{row['device']}, {row['precision']}.", row["gpu"], row["why_precision"])).strip() if row["works"] else row["why"]
        print(f"Engine {row['engine']}: {said}")
    for row in document["models"]:
        print(f"Model {row['id']} ({row['origin']}): {'whole' if row['whole'] else row['why']}")
    for name, version in document["packages"].items():
        print(f"{name}: {version or 'not installed'}")
    for name, folder in document["folders"].items():
        print(f"Folder ({name}): {folder}")
    return OK


def selftest(arguments: argparse.Namespace) -> int:
    from .inference.selftest import report
    from .inference.selftest import selftest as run

    checks = []
    with ended_tidily():
        for check in run(arguments.only):
            checks.append(check)
            if arguments.progress:
                print(json.dumps({"check": asdict(check)}), file=sys.stderr, flush=True)
            if not arguments.json:
                print(f"{'passed' if check.passed else 'FAILED'}  {check.name} ({check.seconds:.1f} s): {check.detail}", flush=True)
    document = report(checks)
    if arguments.json:
        write_json(document)
    else:
        failed = [check.name for check in checks if not check.passed]
        print(f"{len(failed)} of {len(checks)} checks did not pass: {', '.join(failed)}." if failed else f"All {len(checks)} checks passed.")
    return OK if document["passed"] else FAILED


@contextmanager
def ended_tidily() -> Iterator[None]:
    """Being asked to end (SIGTERM) is an interruption: what was started ends too, and what was written aside is removed."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def bench(arguments: argparse.Namespace) -> int:
    from .bench import runner
    from .bench.measurement import document, table

    if arguments.part:
        write_json(runner.answer(*arguments.part))
        return OK
    rows = list(runner.run(arguments.only, lambda name: print(f"measuring: {name}", file=sys.stderr)))
    if arguments.json:
        write_json(document(rows, runner.machine(), __version__))
    else:
        print(f"brainviewer {__version__} on {runner.machine()}")
        print(table(rows))
    return OK


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]] = {
    "info": ("What is found under PATH; nothing is analysed.", _path_json, info),
    "predict": ("Analyses the scans under PATH and writes overlays, masks and numbers.", _predict_arguments, predict),
    "convert": ("Writes each series under PATH as <key>.nii.gz with its geometry.", _convert_arguments, convert),
    "evaluate": ("Judges the models on a labelled folder.", _evaluate_arguments, evaluate),
    "explore": ("Checks a labelled folder and shows what it holds.", _explore_arguments, explore),
    "train": ("Starts, or resumes, one training run.", _train_arguments, train),
    "models": ("The models that are installed.", _models_arguments, models),
    "doctor": ("Versions, devices, engines and models of this installation.", _json, doctor),
    "selftest": ("Checks that this installation computes what it should.", _selftest_arguments, selftest),
    "bench": ("Measures this installation, each figure against a rival in the same run.", _bench_arguments, bench),
}


# --- output -----------------------------------------------------------------------------------------------------------------------------------


def write_json(document: object) -> None:
    """One document on standard output, with only numbers that JSON knows."""
    print(json.dumps(document, ensure_ascii=False, allow_nan=False))


def progress(verb: str) -> Callable[..., None]:
    """A progress line on standard error, on a terminal only, at most ten times a second."""
    if not sys.stderr.isatty():
        return lambda done, total, note="": None
    last = 0.0

    def show(done: int, total: int, note: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if done < total and now - last < 0.1:
            return
        last = now
        end = "\r\033[K" if done >= total else ""
        print(f"\r\033[K{verb} {note + ' ' if note else ''}{done} of {total}{end}", end="", file=sys.stderr, flush=True)

    return show


def progress_lines() -> Callable[..., None]:
    """Progress on standard error for a program that reads it: `{"done": n, "total": n, "note": text}` a line, at most ten times a second."""
    last = 0.0

    def show(done: int, total: int, note: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= 0.1:
            last = now
            print(json.dumps({"done": done, "total": total, "note": note}), file=sys.stderr, flush=True)

    return show
