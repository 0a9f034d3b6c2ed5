"""`brainviewer models ...`, from list to rollback, as a script would call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from brainviewer.cli import main
from brainviewer.inference.registry import Pair

pytestmark = pytest.mark.engine


def test_from_list_to_rollback(add_pair: Callable[..., Pair], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> tuple[int, dict, str]:
        code = main(["models", *words])
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if "--json" in words and captured.out else {}, captured.out + captured.err

    pair = add_pair(verdict="worse")
    code, found, _ = run("list", "--json")
    assert code == 0
    rows = {(row["id"], row["pair"]): row for row in found["models"]}
    assert rows["segment-1.0.0", "bundled"]["in_use"]
    assert not rows["segment-2.0.0", pair.id]["in_use"]
    assert rows["segment-2.0.0", pair.id]["verdict"] == "worse"
    assert "segment-1.0.0 (bundled) in use" in run("list")[2]
    assert run("verify")[0] == 0

    file = tmp_path / "x.bvmodel"
    code, found, _ = run("export", "segment-2.0.0", str(file), "--json")
    assert (code, found["pair"], found["bytes"]) == (0, pair.id, file.stat().st_size)
    code, _, said = run("import", str(file))
    assert (code, "here already" in said) == (1, True)

    code, _, said = run("promote", "segment-2.0.0")
    assert (code, "not better" in said, "written reason" in said) == (1, True, True)
    code, found, _ = run("promote", "segment-2.0.0", "--reason", "our scanner is new", "--json")
    assert (code, found) == (0, {"pair": pair.id, "instead_of": "bundled"})
    code, found, _ = run("rollback", "segment", "--json")
    assert (code, found) == (0, {"pair": "bundled"})
    code, _, said = run("rollback", "segment")
    assert (code, "no earlier model" in said) == (1, True)
    assert run("promote", "moon")[0] == 1
    assert run("rollback", "moon")[0] == 2
    assert run("compare", "bundled")[0] == 1

    (pair.folder / "segment-2.0.0" / "weights.npz").unlink()
    code, found, _ = run("verify", "--json")
    assert code == 1
    assert [row["id"] for row in found["models"] if not row["whole"]] == ["segment-2.0.0"]
