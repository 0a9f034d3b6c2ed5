"""The source as a whole: linter, formatter, type checker, import direction, and what lies at the top level."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {
    "brainviewer",
    "resources",
    "models",
    "tests",
    "pyproject.toml",
    "brainviewer.spec",
    "dev.py",
    "docs",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "LICENSE-MODELS-AND-SAMPLE.md",
    "requirements.lock",
}
MADE = {"build", "dist", "__pycache__"}


def clean(*command: str) -> None:
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def test_linter() -> None:
    clean("-m", "ruff", "check", "--output-format=concise", ".")


def test_formatter() -> None:
    clean("-m", "ruff", "format", "--check", ".")


def test_type_checker() -> None:
    clean("-m", "mypy")


def test_import_contracts() -> None:
    clean("-c", "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())")


def test_the_top_level_holds_nothing_else() -> None:
    names = {path.name for path in ROOT.iterdir() if not path.name.startswith(".") and not path.name.endswith(".egg-info")}
    assert names - ALLOWED - MADE == set()
