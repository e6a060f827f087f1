"""Formats by name: modules of `flowload.formats` that expose `FORMAT`, imported when asked for."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from typing import Any

from flowload.abc.chunk_formats import ChunkFormat
from flowload.errors import GraphError, MissingExtra

__all__ = ["find_format", "known_formats", "own_formats"]

PACKAGE = "flowload.formats"  #: by name: stages and formats are strangers


def find_format(name: str) -> ChunkFormat:
    """The format of a name. Raises GraphError with the known names, and MissingExtra."""
    found = load_format(name) if name.isidentifier() else None
    if found is None:
        known = ", ".join(map(repr, known_formats()))
        raise GraphError(f"no format is named {name!r}; there are {known}; or pass a ChunkFormat object")
    return found


def own_formats(stages: Iterable[object]) -> list[ChunkFormat]:
    """The formats that declarations were given, in their order."""
    given: Iterator[Any] = (getattr(stage, "format", None) for stage in stages)
    return [form for form in given if hasattr(form, "layouts")]


def load_format(name: str) -> ChunkFormat | None:
    """What a module exposes; None without module or format."""
    where = f"{PACKAGE}.{name}"
    try:
        module = importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name != where:
            raise
        return None
    found: ChunkFormat | None = getattr(module, "FORMAT", None)
    return found


def known_formats() -> list[str]:
    """Names that `find_format` takes, those whose extra is not installed included."""
    folders = importlib.import_module(PACKAGE).__path__
    return [item.name for item in pkgutil.iter_modules(folders) if is_format(item.name)]


def is_format(name: str) -> bool:
    """Whether a module of that name exposes a format."""
    try:
        return load_format(name) is not None
    except MissingExtra:
        return True
