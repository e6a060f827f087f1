"""Rooms: no folder is a warehouse, no file a long one, and each room says at its door what lives there."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST = 16  #: modules in a folder, besides the page that says what lives there
LONGEST = 300  #: lines of a file of the library
HOMES = ("flowload", "tools", "tests", "examples", "pipelines")


def crowded(root: Path) -> dict[str, int]:
    """Folders with too many modules."""
    modules = [file for home in HOMES for file in (root / home).rglob("*.py") if file.name != "__init__.py"]
    counts = Counter(file.parent.relative_to(root).as_posix() for file in modules)
    return {folder: count for folder, count in counts.items() if count > MOST}


def long(root: Path) -> dict[str, int]:
    """Files of the library with too many lines."""
    files = ((file, len(file.read_text("utf-8").splitlines())) for file in (root / "flowload").rglob("*.py"))
    return {file.relative_to(root).as_posix(): lines for file, lines in files if lines > LONGEST}


def silent(root: Path) -> list[str]:
    """Packages whose docstring says nothing, or that have none."""
    folders = {file.parent for file in (root / "flowload").rglob("*.py")}
    pages = [folder / "__init__.py" for folder in sorted(folders)]
    return [
        page.parent.relative_to(root).as_posix()
        for page in pages
        if not page.exists() or not ast.get_docstring(ast.parse(page.read_text("utf-8")))
    ]


def test_no_folder_has_more_modules_than_a_stranger_can_overlook() -> None:
    assert crowded(ROOT) == {}


def test_no_file_is_longer_than_a_stranger_reads_at_once() -> None:
    assert long(ROOT) == {}


def test_a_long_file_is_found(tmp_path: Path) -> None:
    file = tmp_path / "flowload" / "room" / "module.py"
    file.parent.mkdir(parents=True)
    file.write_text("\n" * LONGEST, "utf-8")
    assert long(tmp_path) == {}
    file.write_text("\n" * (LONGEST + 1), "utf-8")
    assert long(tmp_path) == {"flowload/room/module.py": LONGEST + 1}


def test_every_package_says_what_lives_there() -> None:
    assert silent(ROOT) == []


@pytest.mark.parametrize("page", [None, "", "import os\n"], ids=["no page", "an empty page", "no docstring"])
def test_a_silent_and_crowded_folder_is_found(page: str | None, tmp_path: Path) -> None:
    room = tmp_path / "flowload" / "room"
    room.mkdir(parents=True)
    for number in range(MOST):
        (room / f"module_{number}.py").touch()
    (room.parent / "__init__.py").write_text('"""All."""', "utf-8")
    if page is not None:
        (room / "__init__.py").write_text(page, "utf-8")
    assert silent(tmp_path) == ["flowload/room"]
    assert crowded(tmp_path) == {}
    (room / "one_more.py").touch()
    assert crowded(tmp_path) == {"flowload/room": MOST + 1}
