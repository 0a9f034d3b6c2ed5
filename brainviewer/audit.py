"""What administration did to this installation, act by act: one JSON object a line in `audit.jsonl`, only ever appended.

Each line tells when, what and with which result. Models, versions, figures and the written reason of an override go in; patients, file names
and folders never do.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from . import paths
from .errors import WriteError


@dataclass(frozen=True, slots=True)
class Act:
    """One line of the log.

    Attributes:
        when: UTC, ISO 8601 to the second.
        what: the act in one or two words, e.g. "promote".
        result: how it ended, in words.
        about: further figures and words.
    """

    when: str
    what: str
    result: str
    about: dict = field(default_factory=dict)


def audit_file() -> Path:
    return paths.user_data() / "audit.jsonl"


def record(what: str, result: str, /, **about: object) -> Act:
    """Appends one act and waits until it is on the disk.

    Raises:
        WriteError: if it cannot be written; what was there before is untouched.
    """
    act = Act(_now().strftime("%Y-%m-%dT%H:%M:%SZ"), what, result, dict(about))
    line = {"when": act.when, "what": what, "result": result} | ({"about": act.about} if about else {})
    file = audit_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab+") as stream:
            # A line that a power cut left unfinished must not swallow the next one.
            stream.write((b"" if _ends_well(stream) else b"\n") + json.dumps(line, ensure_ascii=False).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise WriteError(f'"{what}" could not be noted in "{file}" ({error.strerror}).', "Free some space, or check who may write there.") from None
    return act


def _now() -> datetime:
    return datetime.now(UTC)


def _ends_well(stream: BinaryIO) -> bool:
    """Whether a file opened for appending is empty or ends with a line's end."""
    size = stream.seek(0, os.SEEK_END)
    if not size:
        return True
    stream.seek(-1, os.SEEK_END)
    return stream.read(1) == b"\n"


def read() -> Iterator[Act]:
    """All whole acts, oldest first; what a power cut left unfinished is passed over."""
    try:
        text = audit_file().read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        try:
            stored = json.loads(line)
            yield Act(str(stored["when"]), str(stored["what"]), str(stored["result"]), dict(stored.get("about", {})))
        except (ValueError, KeyError, TypeError):
            continue
