"""Whoever checks types is told of misspelt words, and knows what the public words give."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

HERE = Path(__file__).parent
FACES = HERE / "typed_faces.py"


def told(out: str) -> list[tuple[int, str]]:
    """Line and code of each error that mypy found in the file."""
    found = re.findall(rf"^.*{FACES.name}:(\d+): error: .*\[([a-z-]+)\]$", out, re.MULTILINE)
    return [(int(line), code) for line, code in found]


def wanted(text: str) -> list[tuple[int, str]]:
    """Line and code of each error that there should be."""
    lines = enumerate(text.splitlines(), 1)
    return [(number, line.rpartition("# E: ")[2]) for number, line in lines if "  # E: " in line]


@pytest.mark.slow
def test_mistakes_are_refused_and_nothing_else_is() -> None:
    out, broken, status = api.run(["--config-file", str(HERE.parent / "pyproject.toml"), str(FACES)])
    assert broken == ""
    assert told(out) == wanted(FACES.read_text())
    assert len(told(out)) == out.count(" error: ") > 10  # of other files there is none
    assert status == 1
