"""The door's passcode: what is stored, how tries are slowed, what a site settles."""

import json
from pathlib import Path

import pytest

from brainviewer import passcode
from brainviewer.errors import AccessError
from brainviewer.passcode import Passcode, delay_s


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(passcode.COST, "n", 2**4)


@pytest.fixture
def door(tmp_path: Path, clock: Clock) -> Passcode:
    return Passcode(tmp_path / "user" / "passcode.json", tmp_path / "site.json", clock)


def stored(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "user" / "passcode.json").read_text())


def test_first_use_sets_it_and_only_a_salted_hash_is_stored(door: Passcode, tmp_path: Path) -> None:
    assert not door.is_set()
    with pytest.raises(AccessError, match="no passcode yet"):
        door.check("anything")
    with pytest.raises(AccessError, match="too short"):
        door.set("short")
    door.set("open sesame")
    assert door.is_set()
    assert door.check("open sesame")
    assert "sesame" not in (tmp_path / "user" / "passcode.json").read_text()
    with pytest.raises(AccessError, match="already"):
        door.set("another one")
    other = Passcode(tmp_path / "other.json", tmp_path / "site.json")
    other.set("open sesame")
    assert json.loads((tmp_path / "other.json").read_text())["passcode"]["hash"] != stored(tmp_path)["passcode"]["hash"]


def test_wrong_tries_wait_longer_and_longer_across_restarts(door: Passcode, tmp_path: Path, clock: Clock) -> None:
    door.set("open sesame")
    waits = []
    for _ in range(20):
        clock.now += door.wait_s()
        door = Passcode(tmp_path / "user" / "passcode.json", tmp_path / "site.json", clock)  # a restart
        assert not door.check("wrong one")
        waits.append(door.wait_s())
    assert waits[:6] == [0, 0, 2, 4, 8, 16]
    assert waits == sorted(waits)
    assert waits[-1] == passcode.LONGEST_WAIT_S
    with pytest.raises(AccessError, match="20 wrong tries the next one is taken in 60 minutes"):
        door.check("open sesame")
    clock.now += passcode.LONGEST_WAIT_S
    assert door.check("open sesame")
    assert not door.check("wrong one")
    assert door.wait_s() == 0


def test_a_kill_while_a_try_is_judged_does_not_give_another(door: Passcode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    door.set("open sesame")

    def killed(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(passcode, "_hash", killed)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            door.check("a guess")
    assert stored(tmp_path)["wrong"] == 3
    assert door.wait_s() == delay_s(3)


def test_a_clock_that_was_set_back_shuts_nobody_out_for_years(door: Passcode, clock: Clock) -> None:
    door.set("open sesame")
    for _ in range(3):
        door.check("wrong one")
    clock.now -= 1e8
    assert door.wait_s() == delay_s(3)


def test_changing(door: Passcode) -> None:
    door.set("open sesame")
    assert not door.change("wrong one", "new passcode")
    assert door.change("open sesame", "new passcode")
    assert door.check("new passcode")
    assert not door.check("open sesame")


def test_a_site_presets_resets_and_disables(door: Passcode, tmp_path: Path) -> None:
    site = tmp_path / "site.json"
    door.set("the site's own")
    preset = stored(tmp_path)["passcode"]
    (tmp_path / "user" / "passcode.json").unlink()
    door.set("open sesame")

    site.write_text(json.dumps({"passcode": preset}))
    assert door.is_preset()
    assert door.check("the site's own")
    assert not door.check("open sesame")
    with pytest.raises(AccessError, match="all users"):
        door.change("the site's own", "another one")

    site.write_text(json.dumps({"reset": "2026-01"}))
    assert not door.is_set()
    door.set("after the reset")
    assert door.is_set()  # the same wish is not carried out twice
    assert door.check("after the reset")

    site.write_text(json.dumps({"administration": "disabled"}))
    for act in (door.is_set, door.wait_s, lambda: door.check("after the reset"), lambda: door.set("x" * 9)):
        with pytest.raises(AccessError, match="switched off"):
            act()


@pytest.mark.parametrize("text", ["{", "[]", '{"passcode": "clear"}', '{"passcode": {"n": 2, "r": 8, "p": 1, "salt": "00", "hash": "00"}}'])
@pytest.mark.parametrize("name", ["user/passcode.json", "site.json"])
def test_a_damaged_file_keeps_the_door_shut(door: Passcode, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / name).write_text(text)
    with pytest.raises(AccessError, match="stays shut"):
        door.is_set()


def test_what_cannot_be_stored_opens_nothing(door: Passcode, tmp_path: Path) -> None:
    (tmp_path / "user").write_text("a file in the folder's place")
    with pytest.raises(AccessError, match=r"cannot be (written|used)"):
        door.set("open sesame")


def test_the_costs_of_a_real_one() -> None:
    assert passcode.COST["n"] * passcode.COST["r"] * 128 <= 64 * 2**20
    assert len(passcode._hash("x", {"salt": "00" * 16, **passcode.COST})) == 32
