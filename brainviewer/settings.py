"""What the program remembers of a user's wishes between two starts: one frozen value, one JSON file."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from . import paths
from .errors import WriteError

log = logging.getLogger(__name__)

MOST_RECENTS = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is remembered. Paths are absolute; a file or folder may be gone by now.

    Attributes:
        analyse_on_open: a scan is analysed as soon as it is opened.
        keep_results: answers of the models are kept for scans that are opened again.
        recents: what was opened last, newest first.
        last_folder: where the last file dialog was, or None.
        theme: "dark" or "light".
        opacity: of the overlay, 0..1.
        colour: of the overlay, 3 x 0..255.
        threshold: pixel probability chosen by the user, 0..1, or None: the models' own.
        outline: the overlay's border only.
        hatch: the overlay in stripes.
        show: "flair", "pre", "post" or "composite".
        smooth: enlarged pixels are blended.
        inverted: what is black is white.
        windows: (kind of sequence, width, shift) that the user chose: the width as a factor of the automatic one, the shift of the level in
            widths of it, since MRI has no units.
        slices_per_s: speed of the film of slices.
        window_geometry: Qt's own description of the window's place and size, base64, or "".
        window_state: the same of its panels.
    """

    analyse_on_open: bool = True
    keep_results: bool = True
    recents: tuple[Path, ...] = ()
    last_folder: Path | None = None
    theme: str = "dark"
    opacity: float = 0.45
    colour: tuple[int, int, int] = (213, 94, 0)
    threshold: float | None = None
    outline: bool = False
    hatch: bool = False
    show: str = "flair"
    smooth: bool = True
    inverted: bool = False
    windows: tuple[tuple[str, float, float], ...] = ()
    slices_per_s: int = 10
    window_geometry: str = ""
    window_state: str = ""

    def with_recent(self, path: Path) -> Settings:
        """The same with `path` as the newest of the recents and its folder as the last one."""
        path = path.absolute()
        others = tuple(p for p in self.recents if p != path)
        return replace(self, recents=(path, *others)[:MOST_RECENTS], last_folder=path if path.is_dir() else path.parent)


def settings_file() -> Path:
    return paths.user_data() / "settings.json"


def load() -> Settings:
    """The stored settings. What is missing, unknown or out of range has its default; see `read`."""
    return read()[0]


def read() -> tuple[Settings, str]:
    """The stored settings, and a sentence where the file could not be used, or "".

    A file that is no JSON object is kept aside as `settings.broken.json`, and everything has its default.
    """
    file = settings_file()
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004 - the same to the reader as text that is no JSON
    except FileNotFoundError:
        return Settings(), ""
    except OSError as error:
        return _default(f'The settings "{file}" could not be read ({error.strerror}); the usual ones are used.')
    except ValueError:
        aside = file.with_name("settings.broken.json")
        try:
            file.replace(aside)
        except OSError as why:
            return _default(f'The settings "{file}" are damaged and could not be put aside ({why.strerror}); the usual ones are used.')
        return _default(f'The settings were damaged; they were put aside as "{aside}", and the usual ones are used.')
    known: dict[str, Any] = {}
    for field in fields(Settings):
        if field.name in stored:
            try:
                known[field.name] = _PARSE[field.name](stored[field.name])
            except (TypeError, ValueError):
                log.warning("The setting %s has a value that makes no sense; its default is used.", field.name)
    return Settings(**known), ""


def _default(sentence: str) -> tuple[Settings, str]:
    log.warning("%s", sentence)
    return Settings(), sentence


def save(settings: Settings) -> None:
    """Writes the settings whole or not at all.

    Raises:
        WriteError: where the file cannot be written; what was stored before stays.
    """
    file = settings_file()
    aside = file.with_name(f"settings.{os.getpid()}.partial")
    text = json.dumps(asdict(settings), indent=2, default=os.fspath)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("w", encoding="utf-8") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(file)
    except OSError as error:
        try:
            aside.unlink(missing_ok=True)
        except OSError as why:
            log.warning("The unfinished file %s could not be removed (%s).", aside, why.strerror)
        raise WriteError(
            f'The settings could not be saved to "{file}" ({error.strerror}).', "Free some space, or check who may write there."
        ) from None


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _one_of(*allowed: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in allowed:
            raise ValueError
        return str(value)

    return parse


def _fraction(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError
    return float(value)


def _colour(value: object) -> tuple[int, int, int]:
    if not isinstance(value, list) or len(value) != 3 or not all(type(v) is int and 0 <= v <= 255 for v in value):
        raise ValueError
    return value[0], value[1], value[2]


def _paths(value: object) -> tuple[Path, ...]:
    return tuple(Path(_text(v)) for v in _list(value))[:MOST_RECENTS]


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _window(value: object) -> tuple[str, float, float]:
    kind, width, shift = _list(value)
    if not all(type(v) in (int, float) and -1e3 < v < 1e3 for v in (width, shift)) or not width > 0:  # type: ignore[operator]
        raise ValueError
    return _text(kind), float(width), float(shift)  # type: ignore[arg-type]


def _speed(value: object) -> int:
    if type(value) is not int or not 1 <= value <= 60:
        raise ValueError
    return value


_PARSE: dict[str, Callable[[object], object]] = {
    "analyse_on_open": _flag,
    "keep_results": _flag,
    "recents": _paths,
    "last_folder": lambda value: None if value is None else Path(_text(value)),
    "theme": _one_of("dark", "light"),
    "opacity": _fraction,
    "colour": _colour,
    "threshold": lambda value: None if value is None else _fraction(value),
    "outline": _flag,
    "hatch": _flag,
    "show": _one_of("flair", "pre", "post", "composite"),
    "smooth": _flag,
    "inverted": _flag,
    "windows": lambda value: tuple(_window(row) for row in _list(value)),
    "slices_per_s": _speed,
    "window_geometry": _text,
    "window_state": _text,
}
