"""Settings survive a start, whatever state their file is in."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainviewer import settings
from brainviewer.errors import WriteError
from brainviewer.settings import Settings

paths_ = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map(lambda name: Path("/" + name))
fractions = st.floats(0, 1)
anything = st.builds(
    Settings,
    analyse_on_open=st.booleans(),
    keep_results=st.booleans(),
    recents=st.lists(paths_, max_size=settings.MOST_RECENTS).map(tuple),
    last_folder=st.none() | paths_,
    theme=st.sampled_from(["dark", "light"]),
    opacity=fractions,
    colour=st.tuples(*[st.integers(0, 255)] * 3),
    threshold=st.none() | fractions,
    outline=st.booleans(),
    hatch=st.booleans(),
    show=st.sampled_from(["flair", "pre", "post", "composite"]),
    smooth=st.booleans(),
    inverted=st.booleans(),
    windows=st.lists(st.tuples(st.text(), st.floats(1e-3, 900), st.floats(-900, 900)), max_size=5).map(tuple),
    slices_per_s=st.integers(1, 60),
    window_geometry=st.text(),
    window_state=st.text(),
)


@given(anything)
def test_what_is_saved_is_loaded(wanted: Settings) -> None:
    settings.save(wanted)
    assert settings.load() == wanted


def test_without_a_file_everything_has_its_default(home: Path) -> None:
    assert settings.load() == Settings()
    assert list(home.iterdir()) == []


def test_unknown_keys_are_ignored(home: Path) -> None:
    (home / "settings.json").write_text('{"theme": "light", "from_the_future": 1}')
    assert settings.load() == Settings(theme="light")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("analyse_on_open", "yes"),
        ("recents", "scan"),
        ("recents", [1]),
        ("last_folder", 3),
        ("theme", "pink"),
        ("theme", []),
        ("opacity", 2),
        ("opacity", True),
        ("opacity", float("nan")),
        ("colour", [1, 2]),
        ("colour", [1, 2, 256]),
        ("colour", "red"),
        ("threshold", "half"),
        ("show", "ct"),
        ("windows", {"FLAIR": 1}),
        ("windows", [["FLAIR", 1.0]]),
        ("windows", [["FLAIR", 0.0, 0.0]]),
        ("windows", [["FLAIR", float("nan"), 0.0]]),
        ("slices_per_s", 0),
        ("slices_per_s", 2.5),
        ("window_geometry", None),
    ],
)
def test_a_value_that_makes_no_sense_has_its_default_and_spoils_no_other(home: Path, key: str, value: Any) -> None:
    (home / "settings.json").write_text(json.dumps({key: value, "outline": True}))
    assert settings.load() == Settings(outline=True)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'{"theme": "light"'])
def test_a_damaged_file_is_kept_aside(home: Path, content: bytes) -> None:
    (home / "settings.json").write_bytes(content)
    loaded, sentence = settings.read()
    assert loaded == settings.load() == Settings()
    assert str(home / "settings.broken.json") in sentence
    assert (home / "settings.broken.json").read_bytes() == content
    assert not (home / "settings.json").exists()


def test_a_failed_save_keeps_the_old_file_and_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.save(Settings(theme="light"))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match=r"settings\.json.*No space left"):
        settings.save(Settings())
    monkeypatch.undo()
    assert [p.name for p in home.iterdir()] == ["settings.json"]
    assert json.loads((home / "settings.json").read_text())["theme"] == "light"


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("BRAINVIEWER_HOME", str(tmp_path / "taken"))
    assert settings.load() == Settings()
    with pytest.raises(WriteError, match="could not be saved"):
        settings.save(Settings())


def test_recents_are_newest_first_and_without_doubles(tmp_path: Path) -> None:
    state = Settings()
    for n in range(settings.MOST_RECENTS + 3):
        state = state.with_recent(tmp_path / str(n))
    state = state.with_recent(tmp_path / "5")
    assert len(state.recents) == settings.MOST_RECENTS
    assert state.recents[:2] == (tmp_path / "5", tmp_path / str(settings.MOST_RECENTS + 2))
    assert len(set(state.recents)) == len(state.recents)
    assert state.last_folder == tmp_path
    assert state.with_recent(tmp_path).last_folder == tmp_path
