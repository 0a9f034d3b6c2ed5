"""The audit log only grows, and a cut line costs nothing but itself."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from brainviewer import audit
from brainviewer.errors import WriteError


def test_acts_are_appended_and_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_now", lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    first = audit.record("promote", "refused", model="segment-1")
    before = audit.audit_file().read_bytes()
    second = audit.record("promote", "done", reason="größer")
    assert audit.audit_file().read_bytes().startswith(before)
    assert list(audit.read()) == [first, second]
    assert first == audit.Act("2026-01-02T03:04:05Z", "promote", "refused", {"model": "segment-1"})
    assert json.loads(before)["when"] == "2026-01-02T03:04:05Z"


def test_a_line_cut_short_does_not_swallow_the_next() -> None:
    audit.record("one", "done")
    with audit.audit_file().open("ab") as file:
        file.write(b'{"when": "2026-')
    audit.record("two", "done")
    assert [act.what for act in audit.read()] == ["one", "two"]


def test_nothing_written_yet() -> None:
    assert list(audit.read()) == []


def test_a_folder_that_cannot_be_written(home: Path) -> None:
    audit.audit_file().mkdir()
    with pytest.raises(WriteError, match="could not be noted"):
        audit.record("one", "done")
