"""A pair of models as one file (`.bvmodel`): a ZIP of both bundles and a list of every file with its size and SHA-256.

A file from elsewhere is not trusted: names, sizes, hashes and contents are checked before anything of it lies where models are used, and
nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path, PurePosixPath

from .. import audit, paths
from ..errors import BundleError, WriteError
from . import registry
from .bundle import TASKS, hash_file
from .contents import ENTRY, FILE, LARGEST_BYTES, LARGEST_TEXT, check_folder
from .registry import Pair

SUFFIX = ".bvmodel"
MANIFEST = "manifest.json"
FORMAT = "brainviewer models"
VERSION = 1
MOST_FILES = 64
NAME = re.compile(r"(classify|segment|both)-[0-9A-Za-z][0-9A-Za-z.+]{0,40}")
UNLISTED = "its list of files makes no sense"
CHUNK = 2**20
HINT = "Ask whoever made it for a file exported by this program."


def export_pair(pair: Pair, file: Path) -> Path:
    """Writes a pair into one file, whole or not at all.

    Raises:
        BundleError: if the pair is damaged.
        WriteError: if the file cannot be written.
    """
    pair.verify()
    members = sorted(path for bundle in pair.bundles() for path in bundle.folder.iterdir() if FILE.fullmatch(path.name))
    name = pair.id if pair.origin != registry.BUNDLED else f"{registry.BOTH}-{pair.bundle(TASKS[0]).version}"
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "id": name,
        "trained": list(pair.trained),
        "files": {f"{path.parent.name}/{path.name}": {"bytes": path.stat().st_size, "sha256": hash_file(path)} for path in members},
    }
    aside = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
            for path in members:
                archive.write(path, f"{path.parent.name}/{path.name}")
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        aside.replace(file)
    except OSError as error:
        with suppress(OSError):  # the first error is the one to tell
            aside.unlink(missing_ok=True)
        raise WriteError(f'"{file}" could not be written ({error.strerror}).', "Free some space, or choose another folder.") from None
    audit.record("export models", "done", models=pair.id)
    return file


def import_pair(file: Path) -> Pair:
    """Adds the pair in a file to the user's models. It is not put into use.

    Raises:
        BundleError: if it is not a file of models, holds anything else, is damaged, or is here already.
    """
    try:
        pair = _import(file)
    except BundleError as error:
        audit.record("import models", "refused", why=error.sentence.replace(str(file), file.name))
        raise
    audit.record("import models", "done", models=pair.id)
    return pair


def _import(file: Path) -> Pair:
    models = paths.user_models()
    try:
        models.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".import-", dir=models))
    except OSError as error:
        raise BundleError(f'"{models}" cannot be written ({error.strerror}).', "Free some space, or check who may write there.") from None
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _manifest(archive, file)
            _check_room(models, _bytes(manifest["files"]), file)
            for name, entry in manifest["files"].items():
                _extract(archive, name, entry, scratch, file)
        folders = sorted(scratch.iterdir())
        bundles = [check_folder(folder) for folder in folders]
        if sorted(bundle.task for bundle in bundles) != sorted(TASKS):
            raise _refused(file, "it does not hold one classifier and one segmenter")
        digest = registry.digest_of(folders)
        for known in registry.pairs():
            if _digest(known) == digest:
                raise BundleError(f'The models in "{file.name}" are here already, as "{known.id}".')
        return registry.install(scratch, manifest["id"], manifest["trained"], "import", {})
    except FileNotFoundError:
        raise BundleError(f'There is no file "{file}".') from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _refused(file, f"it is not a file of models, or damaged ({type(error).__name__})") from None
    except OSError as error:
        raise BundleError(
            f'"{file}" could not be imported ({error.strerror or error}).', "Free some space, or check who may read and write there."
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _digest(pair: Pair) -> str:
    try:
        return pair.digest
    except BundleError:
        return ""


def _refused(file: Path, why: str) -> BundleError:
    return BundleError(f'"{file.name}" is refused: {why}.', HINT)


def _manifest(archive: zipfile.ZipFile, file: Path) -> dict:
    """The list of what is inside, compared with what is inside."""
    members = archive.infolist()
    if len(members) > MOST_FILES:
        raise _refused(file, f"it holds {len(members)} files")
    names = [member.filename for member in members]
    if len({name.lower() for name in names}) < len(names):
        raise _refused(file, "a name occurs twice in it")
    if MANIFEST not in names:
        raise _refused(file, "it is no file of models of this program")
    for member in members:
        mode = member.external_attr >> 16
        if (
            member.flag_bits & 1
            or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            or (mode and mode & 0o170000 not in (0, 0o100000))
        ):
            raise _refused(file, f'"{member.filename[:60]}" in it is encrypted, linked or packed in an unknown way')
        if member.filename != MANIFEST and not _good_name(member.filename):
            raise _refused(file, f'the name "{member.filename[:60]}" in it is not one of a model')
    listed = archive.getinfo(MANIFEST)
    if listed.file_size > LARGEST_TEXT:
        raise _refused(file, "its list of files is too long")
    with archive.open(listed) as stream:
        document = json.loads(stream.read(LARGEST_TEXT))
    try:
        if document["format"] != FORMAT or document["version"] != VERSION:
            raise _refused(file, "it was made by another version of this program")
        stated = {str(name): {"bytes": int(entry["bytes"]), "sha256": str(entry["sha256"])} for name, entry in document["files"].items()}
        name, trained = str(document["id"]), [str(task) for task in document["trained"]]
    except (KeyError, TypeError, AttributeError):
        raise _refused(file, UNLISTED) from None
    if not NAME.fullmatch(name) or not trained or not set(trained) <= set(TASKS):
        raise _refused(file, UNLISTED)
    if set(stated) | {MANIFEST} != set(names):
        raise _refused(file, "its list of files is not what it holds")
    for name_, entry in stated.items():
        if entry["bytes"] != archive.getinfo(name_).file_size:
            raise _refused(file, f'"{name_}" in it is not as large as listed')
    if _bytes(stated) > LARGEST_BYTES:
        raise _refused(file, f"it would need more than {LARGEST_BYTES // 2**20:,} MB")
    return {"id": name, "trained": trained, "files": stated}


def _bytes(files: dict[str, dict]) -> int:
    return sum(int(entry["bytes"]) for entry in files.values())


def _good_name(name: str) -> bool:
    """Whether a name is `<task>-<version>/<file>`, without any way out of the folder it is unpacked in."""
    parts = PurePosixPath(name).parts
    return name == "/".join(parts) and len(parts) == 2 and bool(ENTRY.fullmatch(parts[0])) and bool(FILE.fullmatch(parts[1]))


def _check_room(folder: Path, needed: int, file: Path) -> None:
    if shutil.disk_usage(folder).free < 1.1 * needed:
        raise BundleError(f'There is not enough room for the models in "{file.name}": they need {needed / 1e6:,.0f} MB.', "Free some space.")


def _extract(archive: zipfile.ZipFile, name: str, entry: dict, scratch: Path, file: Path) -> None:
    """Unpacks one file, at most as many bytes as listed, and compares its hash."""
    target = scratch / name
    target.parent.mkdir(exist_ok=True)
    digest, left = hashlib.sha256(), entry["bytes"]
    with archive.open(name) as source, target.open("wb") as sink:
        while chunk := source.read(min(CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise _refused(file, f'"{name}" in it is larger than listed')
            digest.update(chunk)
            sink.write(chunk)
    if left or digest.hexdigest() != entry["sha256"]:
        raise _refused(file, f'"{name}" in it is damaged (SHA-256 differs)')
