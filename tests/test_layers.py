"""The law about imports is in force: it passes as the project is, and breaks where it should."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources, to do wrong in."""
    shutil.copytree(
        ROOT / "flowload", tmp_path / "flowload", ignore=shutil.ignore_patterns("__pycache__", "sample")
    )
    (tmp_path / "flowload" / "sample").mkdir()
    (tmp_path / "flowload" / "sample" / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def test_everyone_imports_only_what_lies_below(tree: Path) -> None:
    done = lint(tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("graph/build.py", "import flowload.cli", "who may import whom BROKEN"),
        ("runtime/run.py", "import flowload.stages.batches.batch", "who may import whom BROKEN"),
        ("runtime/run.py", "def late():\n    import torch", "torch stays at the rim BROKEN"),
        ("stray.py", "", "stray"),
    ],
)
def test_who_imports_what_lies_above_is_caught(tree: Path, file: str, line: str, contract: str) -> None:
    with (tree / "flowload" / file).open("a") as source:
        source.write(f"\n{line}\n")
    done = lint(tree)
    assert done.returncode != 0
    assert contract in done.stdout
