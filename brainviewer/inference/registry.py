"""Which models there are, and which are in use.

Models live, are promoted and are taken back in pairs, a classifier and a segmenter, because they are calibrated together. The program brings
one pair; retraining and importing add others to the user's folder:

    models/<pair>/pair.json            what it is, how it was judged, the hash of each bundle.json
    models/<pair>/<task>-<version>/    the two bundles
    models/in-use.json                 the pair in use and those before it; without it the program's own pair is in use

A pair is put there whole or not at all, and its bundles are never changed afterwards. Switching means replacing `in-use.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from .. import paths
from ..errors import BundleError
from .bundle import REINSTALL, TASKS, ModelBundle, choose_bundle, hash_file

BUNDLED = "bundled"
BOTH = "both"
POINTER = "in-use.json"
PAIR = "pair.json"
SCHEMA = 1
MOST_HISTORY = 50
LEFT_OVER_S = 3600.0


@dataclass(frozen=True, eq=False, slots=True)
class Pair:
    """A classifier and a segmenter that are calibrated together.

    Attributes:
        id: "bundled", or "classify-", "segment-" or "both-" with a version: which of the two is new.
        folder: where both bundles lie.
        trained: the tasks of the networks that are new.
        origin: "bundled", "run" or "import".
        made: day, ISO 8601, or "".
        verdict: of the comparison with the models in use (`verdict`, `against`, `sentence` ...), {} where it was never compared.
    """

    id: str
    folder: Path
    trained: tuple[str, ...]
    origin: str
    made: str
    verdict: dict

    def bundle(self, task: str) -> ModelBundle:
        """One of the two.

        Raises:
            BundleError: if it is missing or cannot be used.
        """
        return choose_bundle(self.folder, task)

    def bundles(self) -> list[ModelBundle]:
        return [self.bundle(task) for task in TASKS]

    @property
    def digest(self) -> str:
        """Names both bundles with everything in them, since each bundle.json holds the hashes of its files.

        Raises:
            BundleError: if one is missing.
        """
        return digest_of([bundle.folder for bundle in self.bundles()])

    @property
    def new_bundle_ids(self) -> list[str]:
        return [bundle.id for bundle in self.bundles() if bundle.task in self.trained]

    def verify(self) -> None:
        """Checks every file of both.

        Raises:
            BundleError: naming the first that is missing or differs.
        """
        stated = {} if self.origin == BUNDLED else _pair_document(self.folder)["documents"]
        for bundle in self.bundles():
            if self.origin != BUNDLED and stated.get(bundle.folder.name) != hash_file(bundle.folder / "bundle.json"):
                raise BundleError(f'The model "{bundle.id}" of "{self.id}" is damaged: its bundle.json has changed.', REINSTALL)
            bundle.verify()


def digest_of(folders: Sequence[Path]) -> str:
    hashes = sorted(f"{folder.name} {hash_file(folder / 'bundle.json')}" for folder in folders)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def bundled_pair() -> Pair:
    """The pair that came with the program."""
    return Pair(BUNDLED, paths.bundled_models(), TASKS, BUNDLED, "", {})


def user_pairs() -> list[Pair]:
    """Retrained and imported pairs, oldest first; what is no pair is passed over."""
    folder = paths.user_models()
    if not folder.is_dir():
        return []
    found = []
    for path in folder.iterdir():
        if path.name.startswith(".") or not (path / PAIR).is_file():
            continue
        try:
            found.append(read_pair(path))
        except BundleError:
            continue
    return sorted(found, key=lambda pair: (pair.made, pair.id))


def pairs() -> list[Pair]:
    return [bundled_pair(), *user_pairs()]


def read_pair(folder: Path) -> Pair:
    """A pair from its folder; its bundles are read when they are used.

    Raises:
        BundleError: if `pair.json` is missing or makes no sense.
    """
    document = _pair_document(folder)
    return Pair(folder.name, folder, tuple(document["trained"]), str(document["origin"]), str(document["made"]), dict(document["verdict"]))


def _pair_document(folder: Path) -> dict:
    file = folder / PAIR
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA or not set(document["trained"]) <= set(TASKS):
            raise ValueError("of another version")
        return {"schema": SCHEMA, "trained": [], "origin": "", "made": "", "verdict": {}, "documents": {}} | document
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f'"{file}" is not a description of a pair of models ({error}).', "Import the models again.") from None


def find_pair(name: str) -> Pair:
    """A pair by its id, or by the id of a bundle that is new in it.

    Raises:
        BundleError: if there is none; lists those that there are.
    """
    known = pairs()
    for pair in known:
        if pair.id == name:
            return pair
    for pair in reversed(known):
        if name in _ids(pair):
            return pair
    raise BundleError(f'There is no model "{name}".', f"There are: {', '.join(pair.id for pair in known)}.")


def _ids(pair: Pair) -> list[str]:
    try:
        return pair.new_bundle_ids
    except BundleError:
        return []


# --- adding ----------------------------------------------------------------------------------------------------------------------------------


def free_version(day: date | None = None) -> str:
    """A version that no pair has yet: the day, with a number from the second of a day on."""
    stem = (day or date.today()).strftime("%Y.%m.%d")
    taken = {pair.id.rpartition("-")[2] for pair in user_pairs()}
    version, number = stem, 1
    while version in taken:
        number += 1
        version = f"{stem}.{number}"
    return version


def pair_id(trained: Sequence[str], version: str) -> str:
    return f"{trained[0] if len(trained) == 1 else BOTH}-{version}"


def install(staging: Path, name: str, trained: Sequence[str], origin: str, verdict: dict, extra: Sequence[Path] = ()) -> Pair:
    """Copies two bundles from a folder into the user's models, whole or not at all. Nothing is switched.

    Args:
        name: the pair's id; the first free one of "<name>", "<name>.2" ... is taken.
        extra: further files to keep beside them, e.g. the report.

    Raises:
        BundleError: if the folder does not hold two whole bundles, or they cannot be written.
    """
    sources = [choose_bundle(staging, task) for task in TASKS]
    for bundle in sources:
        bundle.verify()
    models = paths.user_models()
    target, number = models / name, 1
    while os.path.lexists(target):
        number += 1
        target = models / f"{name}.{number}"
    aside = models / f".{target.name}.{os.getpid()}.partial"
    document = {
        "schema": SCHEMA,
        "trained": list(trained),
        "origin": origin,
        "made": date.today().isoformat(),
        "verdict": verdict,
        "documents": {bundle.folder.name: hash_file(bundle.folder / "bundle.json") for bundle in sources},
    }
    sweep()
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for bundle in sources:
            shutil.copytree(bundle.folder, aside / bundle.folder.name, copy_function=_copy)
        for file in extra:
            shutil.copy2(file, aside / file.name)
        _write(aside / PAIR, document)
        aside.replace(target)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise BundleError(
            f'The models could not be kept in "{models}" ({error.strerror}).', "Free some space, or check who may write there."
        ) from None
    return read_pair(target)


def sweep() -> None:
    """Removes what a kill left unfinished among the user's models, once it is too old to be somebody's work."""
    for path in paths.user_models().glob(".*"):
        with suppress(OSError):
            if path.is_dir() and time.time() - path.stat().st_mtime > LEFT_OVER_S:
                shutil.rmtree(path)


def _copy(source: str, target: str) -> str:
    """A second name for the same bytes where the file system can: weights are never changed in place."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def set_verdict(pair: Pair, verdict: dict) -> Pair:
    """Notes how a pair was judged."""
    _write(pair.folder / PAIR, _pair_document(pair.folder) | {"verdict": verdict})
    return read_pair(pair.folder)


def remove(pair: Pair) -> None:
    """Deletes a pair that is neither the program's own nor in use.

    Raises:
        BundleError: if it is one of those, or cannot be deleted.
    """
    if pair.origin == BUNDLED:
        raise BundleError("The models that came with the program cannot be deleted.")
    if pointer().pair == pair.id:
        raise BundleError(f'"{pair.id}" is in use and cannot be deleted.', "Take it back first.")
    try:
        aside = pair.folder.with_name(f".{pair.id}.{os.getpid()}.deleted")
        pair.folder.replace(aside)
        shutil.rmtree(aside)
    except OSError as error:
        raise BundleError(f'"{pair.folder}" could not be deleted ({error.strerror}).', "Check who may write there.") from None


# --- in use ----------------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pointer:
    """What `in-use.json` says.

    Attributes:
        pair: id of the pair in use.
        digest: that the pair must have, or "" for the program's own.
        before: (id, digest) of the pairs in use before, the last one last.
    """

    pair: str = BUNDLED
    digest: str = ""
    before: tuple[tuple[str, str], ...] = ()

    def switched(self, pair: str, digest: str) -> Pointer:
        """The same with another pair in use."""
        return Pointer(pair, digest, (*self.before, (self.pair, self.digest))[-MOST_HISTORY:])

    def back_to(self, position: int) -> Pointer:
        """The same with an earlier pair in use, what came after it forgotten."""
        return Pointer(*self.before[position], self.before[:position])


def pointer_file() -> Path:
    return paths.user_models() / POINTER


def pointer() -> Pointer:
    """What is in use; the program's own pair where nothing else is said, or what is said cannot be read."""
    try:
        document = json.loads(pointer_file().read_text(encoding="utf-8"))
        return Pointer(str(document["pair"]), str(document["digest"]), tuple((str(name), str(digest)) for name, digest in document["before"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Pointer()


def point(to: Pointer) -> None:
    """Switches, in one step.

    Raises:
        BundleError: if it cannot be written; what was in use stays.
    """
    try:
        paths.user_models().mkdir(parents=True, exist_ok=True)
        _write(pointer_file(), {"schema": SCHEMA, "pair": to.pair, "digest": to.digest, "before": [list(entry) for entry in to.before]})
    except OSError as error:
        raise BundleError(
            f'"{pointer_file()}" could not be written ({error.strerror}); the models in use stay.', "Free some space, or check who may write there."
        ) from None


def resolve(name: str, digest: str) -> Pair:
    """The pair that a pointer names.

    Raises:
        BundleError: if it is gone, unreadable, or not the one that was promoted.
    """
    if name == BUNDLED:
        return bundled_pair()
    folder = paths.user_models() / name
    if Path(name).name != name or not (folder / PAIR).is_file():
        raise BundleError(f'The models "{name}" are not there any more.', REINSTALL)
    pair = read_pair(folder)
    if pair.digest != digest:
        raise BundleError(f'The models "{name}" are not those that were promoted: their descriptions have changed.', REINSTALL)
    return pair


def candidates() -> list[tuple[str, str]]:
    """(id, digest) of what may be used, the pair in use first, then those before it, the program's own last; each once."""
    now = pointer()
    return list(dict.fromkeys([(now.pair, now.digest), *reversed(now.before), (BUNDLED, "")]))


def in_use() -> Pair:
    """The pair that will be used: the one promoted last if it can be read, else the one before it, and so on."""
    for name, digest in candidates():
        try:
            return resolve(name, digest)
        except BundleError:
            continue
    return bundled_pair()


def fall_back(failed: Sequence[str], to: str) -> bool:
    """Makes the switch that a start had to make for good: what failed is forgotten, an earlier pair is in use. False where it cannot be written."""
    now = pointer()
    if now.pair not in failed:
        return False  # someone else has switched meanwhile
    kept = tuple(entry for entry in now.before if entry[0] not in failed)
    position = next((n for n in reversed(range(len(kept))) if kept[n][0] == to), None)
    earlier = Pointer() if position is None else replace(now, before=kept).back_to(position)
    try:
        point(earlier)
    except BundleError:
        return False
    return True


def _write(path: Path, document: dict) -> None:
    """Aside, synced, renamed: the file is whole or the old one."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with aside.open("w", encoding="utf-8") as file:
            json.dump(document, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        with suppress(OSError):  # the first error is the one to tell
            aside.unlink(missing_ok=True)
        raise
