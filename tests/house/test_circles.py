"""No two files import each other, by whatever way round: at the top, in a function, or for types alone."""

from __future__ import annotations

import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest


def circle_in(package: str) -> list[str]:
    """Files of a package that import one another in a ring; nothing if there is no such ring."""
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        ring: list[str] = error.args[1]
        return ring[::-1]
    return []


def test_files_import_each_other_in_no_circle() -> None:
    assert circle_in("flowload") == []


AT_THE_TOP = "from .{other} import name"
IN_A_FUNCTION = "def late():\n    from .{other} import name"
FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .{other} import name"


@pytest.mark.parametrize("back", [AT_THE_TOP, IN_A_FUNCTION, FOR_TYPES], ids=["top", "function", "types"])
def test_a_circle_is_found(back: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"ring_{tmp_path.name}"
    package = tmp_path / name
    package.mkdir()
    ring = {"__init__": "", "one": AT_THE_TOP.format(other="two"), "two": AT_THE_TOP.format(other="three")}
    for module, code in {**ring, "three": "name = 1"}.items():
        (package / f"{module}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    assert circle_in(name) == []
    (package / "three.py").write_text(back.format(other="one"))
    found = circle_in(name)
    assert found[0] == found[-1]
    assert set(found) == {f"{name}.{module}" for module in ("one", "two", "three")}
    assert name not in sys.modules


#: Imports each module as if nobody had asked for another one before, and tells which could not be.
#: Adapters, which import other people's frameworks for seconds, are left out: nothing of ours imports them.
EACH_FIRST = """
import importlib, pkgutil, sys
import flowload

there = set(sys.modules)

def forget():
    for name in [name for name in sys.modules if name.startswith("flowload.") and name not in there]:
        del sys.modules[name]
        package, _, own = name.rpartition(".")
        vars(sys.modules.get(package, sys)).pop(own, None)

found = [each.name for each in pkgutil.walk_packages(flowload.__path__, "flowload.")]
for name in found:
    forget()
    if name not in there and not name.startswith("flowload.adapters.") and not name.endswith("__main__"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(name, error)
"""


@pytest.mark.hammer  # eight seconds of CPU for what the test of circles nearly says
def test_every_module_can_be_the_first_that_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", EACH_FIRST], capture_output=True, text=True, check=True)
    assert done.stdout == ""
