"""What `meta.json` of a packed folder says of the folder's arrays; a folder without it has the standard ones.

`{"columns": {"dipole": {"per": "molecule", "shape": [3], "dtype": "float32", "unit": "e*angstrom", "kind":
"vector"}}, "without": ["F"]}`: columns beside the standard arrays, and which of `E` and `F` are not there.
All else in the file is for people.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from flowload.errors import DataError, GraphError
from flowload.files.guard import Guard
from flowload.files.identity import identify
from flowload.files.regular import opened, translated

from .column import Column, check_names

__all__ = ["MANIFEST", "STANDARD", "Manifest", "read_manifest"]

MANIFEST = "meta.json"
LARGEST = 64 << 20  #: bytes of a manifest: a claim of more is none

#: Arrays that a folder may lack, by the word of batches.
OPTIONAL = ("E", "F")

FIELDS = ("per", "shape", "dtype", "unit", "kind")


class Manifest(NamedTuple):
    """The arrays of a folder, as far as they are not the same in all."""

    columns: tuple[tuple[str, Column], ...] = ()  #: in their order
    without: frozenset[str] = frozenset()  #: of "E", "F"

    @property
    def periodic(self) -> bool:
        """Whether there are cells."""
        return any(name == "cell" for name, _ in self.columns)

    def as_json(self) -> dict[str, Any]:
        """For `meta.json`; what is as in all folders is not said."""
        columns = {name: column.as_json() for name, column in self.columns}
        said: dict[str, Any] = {"columns": columns} if columns else {}
        return said | ({"without": sorted(self.without)} if self.without else {})


STANDARD = Manifest()


def read_manifest(folder: Path, guard: Guard | None = None) -> Manifest:
    """What a folder's manifest says; `STANDARD` where there is none.

    Args:
        folder: it is there.
        guard: looks at the file again, as at the others.

    Raises DataError that names the file, the column, what was found and what was wanted.
    """
    path = folder / MANIFEST
    if not path.exists():
        return STANDARD
    with opened(path) as fd, translated(path):
        before = identify(fd)
        if before.size > LARGEST:
            found = f"{before.size:,} bytes"
            raise DataError("no manifest", where=str(path), found=found, wanted=f"at most {LARGEST:,}")
        with open(fd, "rb", closefd=False) as file:
            text = file.read(before.size)  # room is made for all that is asked for
    if guard is not None:
        guard.watch_copied(path, before)
    return parsed(text, str(path))


@lru_cache(maxsize=64)
def parsed(text: bytes, where: str) -> Manifest:
    """The manifest that a file holds. Raises DataError."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError("no JSON", where=where, found=str(error)[:200], wanted="a manifest") from None
    if not isinstance(said, dict):
        raise DataError("no manifest", where=where, found=type(said).__name__, wanted="an object")
    columns, without = said.get("columns", {}), said.get("without", [])
    if not isinstance(columns, dict):
        found = type(columns).__name__
        raise DataError("no manifest", where=f"{where}, columns", found=found, wanted="an object")
    if not isinstance(without, list) or any(name not in OPTIONAL for name in without):
        found, wanted = repr(without)[:200], f"a list of {' and '.join(OPTIONAL)}"
        raise DataError("no manifest", where=f"{where}, without", found=found, wanted=wanted)
    made = {name: column_of(known, f"{where}, column {name[:64]!r}") for name, known in columns.items()}
    try:
        check_names(made)
    except GraphError as error:
        raise DataError("no column", where=where, found=str(error), wanted="see Column") from None
    return Manifest(tuple(made.items()), frozenset(without))


def column_of(said: Any, where: str) -> Column:
    """One column as the manifest declares it. Raises DataError."""
    if not isinstance(said, dict) or {"per", "shape", "dtype"} - said.keys() or said.keys() - set(FIELDS):
        found = f"{sorted(said)}"[:200] if isinstance(said, dict) else type(said).__name__
        raise DataError("no column", where=where, found=found, wanted=f"an object of {', '.join(FIELDS)}")
    shape: Any = said["shape"]
    if not isinstance(shape, Sequence) or isinstance(shape, str):
        raise DataError("no column", where=where, found=f"shape {shape!r}"[:200], wanted="a list of sizes")
    try:
        return Column(**{**said, "shape": tuple(shape)})
    except (GraphError, TypeError) as error:
        raise DataError("no column", where=where, found=str(error)[:300], wanted="see Column") from None
