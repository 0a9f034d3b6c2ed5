"""The passcode of administration: what is stored of it, how wrong tries are slowed down, and what a site may settle for everyone.

It keeps out the curious, not somebody who can change files on the disk. What is stored is the scrypt hash with a salt of its own. Wrong tries
are counted in the same file before the try is judged, so that neither a restart nor a kill gives another one for nothing.

A file `administration.json` in the system-wide configuration folder (`paths.site_configuration()`) settles things for all users:

    {"administration": "disabled"}                the door stays shut
    {"passcode": {...}}                           this passcode holds; copy the "passcode" of a user's `passcode.json`
    {"reset": "any text that was not used yet"}   the users' own passcodes are forgotten once; the next use sets a new one

A file there that cannot be read keeps the door shut.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from . import paths
from .errors import AccessError

IDLE_S = 600.0
"""After so long without a key or a click the door shuts again."""
LEAST_LENGTH = 6
COST = {"n": 2**15, "r": 8, "p": 1}
"""Of scrypt: 32 MB and about a tenth of a second a try."""
MOST_MEMORY = 256 * 2**20
FREE_TRIES = 2
LONGEST_WAIT_S = 3600.0


class Passcode:
    """The passcode of this user's installation. One window at a time asks; every answer is on the disk before it is given.

    Args:
        file: where it is stored; the user's own by default.
        site: the system-wide file.
        clock: seconds since the epoch.
    """

    def __init__(self, file: Path | None = None, site: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._file = file or paths.user_data() / "passcode.json"
        self._site = site or paths.site_configuration() / "administration.json"
        self._clock = clock

    def is_set(self) -> bool:
        """Whether there is a passcode; the first use sets one.

        Raises:
            AccessError: if the site keeps the door shut, or a file cannot be read.
        """
        stored, site = self._read()
        return bool(site.get("passcode") or stored.get("passcode"))

    def is_preset(self) -> bool:
        """Whether the site has set the passcode, so that it cannot be changed here."""
        return bool(self._read()[1].get("passcode"))

    def set(self, text: str) -> None:
        """Sets the passcode at first use.

        Raises:
            AccessError: if there is one already, it is too short, or it cannot be stored.
        """
        if self.is_set():
            raise AccessError("There is a passcode already.", "Open the door with it, then change it.")
        self._store(text)

    def change(self, old: str, new: str) -> bool:
        """Replaces the passcode; False where the old one is wrong, which counts as a wrong try.

        Raises:
            AccessError: if it is preset by the site or cannot be stored.
        """
        if self.is_preset():
            raise AccessError("The passcode is set for all users of this computer.", f'Whoever looks after it changes it in "{self._site}".')
        if not self.check(old):
            return False
        self._store(new)
        return True

    def wait_s(self) -> float:
        """Seconds until the next try is taken; 0 where it is taken now."""
        return self._wait(self._read()[0])

    def check(self, text: str) -> bool:
        """Whether this is the passcode. Each wrong one makes the wait for the next try longer, up to an hour, across restarts.

        Raises:
            AccessError: if no try is taken yet, there is no passcode, or the try cannot be noted down.
        """
        stored, site = self._read()
        wanted = site.get("passcode") or stored.get("passcode")
        if not wanted:
            raise AccessError("There is no passcode yet.", "The first use sets one.")
        wait = self._wait(stored)
        if wait > 0:
            raise AccessError(f"After {stored['wrong']} wrong tries the next one is taken in {_in_words(wait)}.")
        wrong = int(stored.get("wrong", 0)) + 1
        self._write(stored | {"wrong": wrong, "until": self._clock() + delay_s(wrong)})  # before the answer: a kill must not give a free try
        if not hmac.compare_digest(_hash(text, wanted), bytes.fromhex(wanted["hash"])):
            return False
        self._write({key: value for key, value in stored.items() if key not in ("wrong", "until")})
        return True

    def _wait(self, stored: dict) -> float:
        left = float(stored.get("until", 0)) - self._clock()
        return max(0.0, min(left, delay_s(int(stored.get("wrong", 0)))))  # a clock that was set back must not shut the door for years

    def _store(self, text: str) -> None:
        if len(text) < LEAST_LENGTH:
            raise AccessError(f"The passcode is too short: it needs at least {LEAST_LENGTH} characters.")
        fresh = {"salt": secrets.token_bytes(16).hex(), **COST}
        stored = {key: value for key, value in self._read()[0].items() if key == "reset"}
        self._write(stored | {"passcode": fresh | {"hash": _hash(text, fresh).hex()}})

    def _read(self) -> tuple[dict, dict]:
        """What the user's and the site's file hold, the site's wish to forget the user's passcode carried out."""
        site = _load(self._site)
        if site.get("administration", "enabled") != "enabled":
            raise AccessError("Administration is switched off on this computer.", f'It is settled in "{self._site}".')
        stored = _load(self._file)
        if site.get("reset") and stored.get("reset") != site["reset"]:
            stored = {"reset": site["reset"]}
        for file, document in ((self._site, site), (self._file, stored)):
            if "passcode" in document and not _usable(document["passcode"]):
                raise _damaged(file, "its passcode is not one")
        if not (
            isinstance(stored.get("wrong", 0), int) and isinstance(stored.get("until", 0), int | float) and math.isfinite(stored.get("until", 0))
        ):
            raise _damaged(self._file, "its count of tries is not one")
        return stored, site

    def _write(self, document: dict) -> None:
        aside = self._file.with_name(f"{self._file.name}.{os.getpid()}.partial")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("w", encoding="utf-8") as stream:
                json.dump(document, stream, indent=1)
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(self._file)
        except OSError as error:
            with suppress(OSError):  # the first error is the one to tell
                aside.unlink(missing_ok=True)
            raise AccessError(
                f'The door stays shut: "{self._file}" cannot be written ({error.strerror}).', "Free some space, or check who may write there."
            ) from None


def delay_s(wrong: int) -> float:
    """Seconds to wait after so many wrong tries in a row: none for the first ones, then twice as long each time, at most an hour."""
    return 0.0 if wrong <= FREE_TRIES else min(LONGEST_WAIT_S, 2.0 ** min(wrong - FREE_TRIES, 20))


def _hash(text: str, how: dict) -> bytes:
    return hashlib.scrypt(text.encode(), salt=bytes.fromhex(how["salt"]), n=how["n"], r=how["r"], p=how["p"], maxmem=MOST_MEMORY, dklen=32)


def _usable(passcode: object) -> bool:
    """Whether a stored hash is one, and its costs are neither too high to compute nor too low to protect."""
    if not isinstance(passcode, dict) or not all(isinstance(passcode.get(name), int) for name in COST):
        return False
    n, r, p = (passcode[name] for name in COST)
    if n < COST["n"] or n & (n - 1) or r < 8 or not 1 <= p <= 16 or 128 * n * r > MOST_MEMORY // 2:
        return False
    try:
        return len(bytes.fromhex(passcode["salt"])) >= 16 and len(bytes.fromhex(passcode["hash"])) == 32
    except (KeyError, TypeError, ValueError):
        return False


def _load(file: Path) -> dict:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _damaged(file, error.strerror or "it cannot be read") from None
    except ValueError:
        raise _damaged(file, "it is no JSON") from None
    if not isinstance(document, dict):
        raise _damaged(file, "it is no JSON object")
    return document


def _damaged(file: Path, why: str) -> AccessError:
    return AccessError(f'The door stays shut: "{file}" cannot be used ({why}).', "Mend the file, or remove it.")


def _in_words(seconds: float) -> str:
    whole = math.ceil(seconds)
    if whole < 90:
        return f"{whole} second{'' if whole == 1 else 's'}"
    return f"{math.ceil(whole / 60)} minutes"
