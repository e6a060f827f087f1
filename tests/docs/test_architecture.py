"""The drawing of the rooms is that of the rooms as they are."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import flowload as fl
from flowload.runtime.order import Order
from flowload.sample import sample_path
from tools.architecture.drawing import draw
from tools.architecture.rooms import layers_of

from .pages import ROOT


def test_the_drawing_is_up_to_date() -> None:
    drawn = (ROOT / "docs/architecture.svg").read_text(encoding="utf-8")
    assert drawn == draw(layers_of(ROOT)), "run `python tools/architecture`"


def test_every_room_is_in_it() -> None:
    names = {room.name for layer in layers_of(ROOT) for room in layer}
    package = ROOT / "flowload"
    there = {path.parent.name for path in package.glob("*/__init__.py")}
    there |= {path.stem for path in package.glob("*.py")} - {"__init__"}
    assert names == there


def test_a_room_without_words_is_refused(tmp_path: Path) -> None:
    (tmp_path / "flowload").mkdir()
    (tmp_path / "flowload/mute.py").write_text("x = 1\n")
    contract = '[[tool.importlinter.contracts]]\ntype = "layers"\nlayers = ["mute"]\n'
    (tmp_path / "pyproject.toml").write_text(contract)
    with pytest.raises(ValueError, match=r"mute\.py: no docstring"):
        layers_of(tmp_path)


PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
WORD = re.compile(r"`([^`\s]+)[^`]*`")


@pytest.mark.parametrize(
    "page", ["docs/architecture.md", "docs/extending.md", "docs/glossary.md", "CONTRIBUTING.md"]
)
def test_files_that_a_page_names_are_there(page: str) -> None:
    named = re.findall(
        r"\b(?:flowload|tests|tools)/[\w/]+(?:\.py)?", (ROOT / page).read_text(encoding="utf-8")
    )
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_walk_of_a_chunk_goes_where_a_run_goes() -> None:
    """Each operator of the page's graph lives in a file that the walk names, in the order of the flow."""
    chunks = (
        fl.discover(sample_path("chess")) >> fl.read("lc0") >> fl.shuffle_pool(1000) >> fl.unpack(rate=0.5)
    )
    graph = chunks >> fl.reservoir(500) >> fl.batch(256) >> fl.to_device("cpu")
    run = Order(graph=graph).open()
    try:
        modules = [type(member.operator).__module__ for member in run.compiled.members]
    finally:
        run.compiled.close()
        run.pool.close()
    places = [PAGE.find(f"{module.replace('.', '/')}.py") for module in modules]
    assert -1 not in places, modules[places.index(-1)]
    assert places == sorted(places)


@cache  # of a parent, once for all its rooms: three seconds less
def names_in(folder: Path) -> set[str]:
    """Files of a folder, and what they define, whatever it is in."""
    names = {path.stem for path in folder.iterdir()}
    for file in [*folder.glob("*.py"), *folder.glob("*/format.py")]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def lost(package: Path) -> list[str]:
    """Words in a room's docstring that are no file or name of the room, of its parent, or of users."""
    told = ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8"))) or ""
    known = names_in(package) | names_in(package.parent) | names_in(ROOT / "flowload/abc")
    known |= {path.stem for path in [*package.rglob("*"), *(ROOT / "flowload").glob("*")]}
    found = []
    for word in WORD.findall(told):
        name = word.strip("/").removeprefix("flowload.").removeprefix("fl.")
        parts = [part for part in re.split(r"[/.(=]", name) if part]
        public = hasattr(fl, parts[0]) or (ROOT / word).exists() or word.startswith("-")
        if not public and not {parts[0], parts[-1]} & known:
            found.append(word)
    return found


@pytest.mark.slow
def test_words_of_a_rooms_docstring_are_there() -> None:
    pages = sorted((ROOT / "flowload").rglob("__init__.py"))
    found = {page.parent.name: words for page in pages if (words := lost(page.parent))}
    assert found == {}


def test_a_word_that_went_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.py").write_text("def known(): ...", "utf-8")
    (tmp_path / "__init__.py").write_text('"""See `there`, `known` and `gone`."""', "utf-8")
    assert lost(tmp_path) == ["gone"]
