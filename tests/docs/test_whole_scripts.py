"""The page of scripts then and now: its counts are those of its blocks, and less has to be said now."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import flowload as fl
import flowload.dropin

from .pages import ROOT, blocks_of

PAGE = ROOT / "docs/coming-from/whole-scripts.md"
ROW = re.compile(r"^\| \[[^]]*\]\(#(?P<section>[a-z-]+)\) \| (?P<then>\d+) \| (?P<now>\d+) \|", re.MULTILINE)
CASES = {"physnet": "user_s001_physnet", "latent": "user_s003_train", "nnue": "user_s000_nnue"}


def statements(code: str) -> list[ast.stmt]:
    return [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.stmt)]


def scripts() -> list[tuple[str, str, str]]:
    """Name, code then, and code now: the block behind it."""
    python = [block for block in blocks_of(PAGE) if block.language == "python"]
    return [
        (block.title.removesuffix("_then.py"), block.code, python[k + 1].code)
        for k, block in enumerate(python)
        if block.title
    ]


def test_the_counts_are_those_of_the_code() -> None:
    told = [(int(row["then"]), int(row["now"])) for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))]
    assert told == [(len(statements(then)), len(statements(now))) for _, then, now in scripts()]
    assert len(told) == len(CASES)
    assert all(now < then for then, now in told)


def test_each_word_of_the_table_is_there() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## Line by line")[2]
    words = set(re.findall(r"fl\.([a-z_]+|[A-Z]\w+)", table))
    assert words <= set(fl.__all__)
    assert {"windows", "read_range", "rows", "batch", "split"} <= words
    kept = re.findall(r"^\| `([A-Za-z_]+)\(.*`flowload.dropin` \|$", table, re.MULTILINE)
    assert len(kept) >= 7
    assert set(kept) - {"len"} <= set(flowload.dropin.__all__)


@pytest.mark.parametrize("name", CASES)
def test_what_was_then_is_what_users_ran(name: str) -> None:
    case = ROOT.parent / "shared/cases" / f"{CASES[name]}.py"
    if not case.is_file():
        pytest.skip("the users' scripts are not here")
    ran = {ast.unparse(node) for node in statements(Path(case).read_text(encoding="utf-8"))}
    then = next(code for own, code, _ in scripts() if own == name)
    simple = (ast.Assign, ast.AugAssign, ast.Expr)
    said = [node for node in statements(then) if isinstance(node, simple) and ast.unparse(node) != "..."]
    assert said
    assert [ast.unparse(node) for node in said if ast.unparse(node) not in ran] == []
