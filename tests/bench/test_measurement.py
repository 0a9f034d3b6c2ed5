"""Rows, the table, and what happens to a group that fails."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from brainviewer.bench import runner
from brainviewer.bench.measurement import Measurement, document, measured, not_measured, table
from brainviewer.cli import main
from brainviewer.errors import BrainviewerError


def test_a_ratio_and_its_target() -> None:
    row = measured("whole scan", 2.0, "s", rival="Keras", rival_value=10.0, ratio_at_most=0.25)
    assert (row.ratio, row.target, row.met) == (0.2, "at most 0.25 x", True)
    assert measured("start", 1.2, "s", at_most=1.0).met is False
    both = measured("start", 0.9, "s", rival="TensorFlow", rival_value=1.8, at_most=1.0, ratio_at_most=0.4)
    assert (both.target, both.met) == ("at most 1 s and 0.4 x", False)
    assert measured("growth", 3.0, "%").met is None


def test_the_table_lines_up_and_says_what_was_not_measured() -> None:
    lines = table([measured("start", 1234.0, "ms", at_most=1000), not_measured("gpu", "none here")]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "1,234 ms" in lines[2]
    assert "| no " in lines[2]
    assert "none here" in lines[3]


def test_the_document_is_plain() -> None:
    said = document([not_measured("gpu", "none here")], "2 cores", "1.2.3")
    assert said["rows"] == [
        {"name": "gpu", "value": None, "unit": "", "rival": "", "rival_value": None, "ratio": None, "target": "", "met": None, "note": "none here"}
    ]
    assert (said["machine"], said["brainviewer"]) == ("2 cores", "1.2.3")


def group() -> Iterator[Measurement]:
    yield measured("a figure", 1.0, "s")


def failing() -> Iterator[Measurement]:
    yield measured("the first", 1.0, "s")
    raise BrainviewerError("The second cannot be measured.")


@pytest.fixture
def _groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "GROUPS", {"good": group, "bad": failing})


@pytest.mark.usefixtures("_groups")
def test_a_group_that_fails_is_a_row() -> None:
    told: list[str] = []
    rows = list(runner.run(told=told.append))
    assert told == ["good", "bad"]
    assert [(row.name, row.value) for row in rows] == [("a figure", 1.0), ("the first", 1.0), ("bad", None)]
    assert rows[-1].note == "The second cannot be measured."


@pytest.mark.usefixtures("_groups")
def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--json", "--only", "good"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)["rows"]] == ["a figure"]
    assert main(["bench", "--only", "good"]) == 0
    assert "a figure" in capsys.readouterr().out
    assert main(["bench", "--only", "nothing"]) == 2
    assert "good, bad" in capsys.readouterr().err


def test_a_part_runs_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BrainviewerError, match="nothing called"):
        runner.apart("no-such-part")
