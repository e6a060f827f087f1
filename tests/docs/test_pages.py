"""What the pages show is what happens: every block of code in them is executed."""

from __future__ import annotations

import contextlib
import doctest
import io
import json
import re
import sys
import tomllib
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .pages import ROOT, Block, all_pages, blocks_of
from .shell import do

#: what can be said of blocks that are not executed here
CHECKS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "python": lambda code: compile(code, "block", "exec", dont_inherit=True),
    "text": str,
    "toml": tomllib.loads,
    "yaml": str,
}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a clone to whoever reads pipelines, and may be written to."""
    for name in ("pipelines", "examples", "tools"):
        if (ROOT / name).exists():
            (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


#: Pages whose commands take ten seconds: what they show is also tried by cheaper tests, see tests/adapters.
HEAVY = ("docs/howto/ddp.md",)
MARKS = {True: pytest.mark.hammer, False: pytest.mark.slow}


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=name_of(page), marks=MARKS[name_of(page) in HEAVY]) for page in all_pages()],
)
def test_the_code_of_a_page_runs_from_top_to_bottom(
    page: Path, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("page")  # a module as others, so that its classes can be pickled
    monkeypatch.setitem(sys.modules, "page", module)
    names = vars(module)
    printed = ""
    for block in blocks_of(page):
        where = f"{name_of(page)}:{block.line}"
        if "heavy" in block.notes:
            continue
        if block.language == "text" and block.title == "output":
            assert not block.can_run or matches(block.code, printed), f"{where}: {printed!r}"
        elif block.language == "python" and not block.title:
            printed = execute(block, names)
        elif block.language == "sh":
            printed = "".join(done(command, clone) for command in block.commands())
        else:
            CHECKS[block.language](block.code)
            if block.title:
                (clone / block.title).write_text(block.code)


def heavy_blocks() -> list[Any]:
    """Blocks of commands that take seconds of CPU, and need nothing of their page."""
    blocks = [(page, block) for page in all_pages() for block in blocks_of(page) if "heavy" in block.notes]
    return [pytest.param(block, id=f"{name_of(page)}:{block.line}") for page, block in blocks]


@pytest.mark.hammer
@pytest.mark.parametrize("block", heavy_blocks())
def test_a_heavy_command_runs(block: Block, clone: Path) -> None:
    assert block.language == "sh"
    for command in block.commands():
        done(command, clone)


def execute(block: Block, names: dict[str, Any]) -> str:
    """What a block of Python prints."""
    code = compile(block.source, str(block.page), "exec", dont_inherit=True)
    if not block.can_run:
        return ""
    told = io.StringIO()
    wanted = block.notes.get("raises")
    with contextlib.redirect_stdout(told), warnings.catch_warnings():
        if "needs" in block.notes:
            warnings.simplefilter("default")  # what others warn about is theirs
        try:
            exec(code, names)
        except Exception as error:
            if type(error).__name__ != wanted:
                raise
        else:
            assert wanted is None, f"{block.page}:{block.line} raises no {wanted}"
    return told.getvalue()


def done(command: str, folder: Path) -> str:
    """What a command prints."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        printed = do(command, folder)
    return told.getvalue() + printed


def matches(wanted: str, found: str) -> bool:
    """Whether it was printed, where `...` stands for anything and the width of gaps does not count."""
    flat = [re.sub(r"\s+", " ", text).strip() for text in (wanted, found)]
    checker = doctest.OutputChecker()
    return checker.check_output(f"{flat[0]}\n", f"{flat[1]}\n", doctest.ELLIPSIS)


def test_links_lead_somewhere() -> None:
    broken = []
    for page in all_pages():
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        targets = re.findall(r"\]\((?!https?:|mailto:)([^)#]+)(?:#[^)]*)?\)", text)
        broken += [f"{name_of(page)}: {target}" for target in targets if not (page.parent / target).exists()]
    assert broken == []


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text()
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages if page not in menu} == set()


def test_files_that_pages_name_exist() -> None:
    named = re.compile(r"`((?:flowload|tests|tools|docs|pipelines|examples)/[\w./-]+)`")
    missing = [
        f"{name_of(page)}: {path}"
        for page in all_pages()
        for path in named.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
    ]
    assert missing == []
