"""The rooms of the package, as the contract in pyproject.toml orders them and their docstrings say."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import NamedTuple

__all__ = ["Room", "layers_of"]


class Room(NamedTuple):
    """A package or module right below `flowload`."""

    name: str
    says: str  #: the first sentence of its docstring
    inner: tuple[str, ...]  #: packages in it


def layers_of(root: Path) -> list[list[Room]]:
    """The rooms by layer, topmost first. Raises ValueError for a room without words."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[room_of(root / "flowload", name.strip()) for name in layer.split("|")] for layer in layers]


def room_of(package: Path, name: str) -> Room:
    """One room."""
    folder = package / name
    file = folder / "__init__.py" if folder.is_dir() else package / f"{name}.py"
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    if not said:
        raise ValueError(f"{file}: no docstring says what lives there")
    inner = sorted(path.parent.name for path in folder.glob("*/__init__.py"))
    return Room(name, said.split("\n\n")[0].replace("\n", " "), tuple(inner))
