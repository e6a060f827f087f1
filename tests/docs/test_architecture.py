"""The drawing of the rooms is that of the rooms as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

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
