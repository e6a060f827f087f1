"""How packed positions lie on disk: the `.npy` files of each layout, and what says that they are whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from flowload.abc.operators import Bytes, NamedArrays
from flowload.abc.records import WRITTEN
from flowload.errors import GraphError
from flowload.kernels.games.positions import BITS, FEATURES, gather_bits

__all__ = ["GAMES", "LAYOUTS", "Column", "Layout", "Packing", "check_packing_layout", "fingerprint"]

VERSION = 1  #: of all this; another one is packed anew

Column: TypeAlias = tuple[np.dtype[Any], tuple[int, ...]]  #: dtype, and shape of one sample
GAMES: Column = np.dtype(np.uint64), (2,)  #: of each game: its first row, and a hash of its moves


@dataclass(frozen=True)
class Layout:
    """Arrays of packed positions by the ending of their files' names, and how they are made."""

    columns: Mapping[str, Column]
    make: Callable[[Bytes], NamedArrays]  #: of rows (n, 32)


def as_bits(rows: Bytes) -> NamedArrays:
    """32 bytes a sample: three boards of 64 bits, most significant first; turn; outcome; six zeros."""
    return {"bits": rows}


def as_bytes(rows: Bytes) -> NamedArrays:
    """A byte a feature, and one for the outcome."""
    inputs = np.empty((len(rows), FEATURES), np.uint8)
    inputs[:, : FEATURES - 1] = np.unpackbits(rows[:, :24], axis=1)
    inputs[:, FEATURES - 1] = rows[:, 24]
    return {"inputs": inputs, "outputs": rows[:, 25].copy()}


def as_floats(rows: Bytes) -> NamedArrays:
    """What a batch has: torch takes it as it is."""
    inputs, outputs = np.empty((len(rows), FEATURES), np.float32), np.empty(len(rows), np.int64)
    gather_bits(rows, np.arange(len(rows)), WRITTEN, inputs, outputs, False)
    return {"inputs": inputs, "outputs": outputs}


BYTE, FLOAT, LONG = np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.int64)

LAYOUTS: Mapping[str, Layout] = {
    "bits": Layout({"bits": (BYTE, (BITS,))}, as_bits),
    "uint8": Layout({"inputs": (BYTE, (FEATURES,)), "outputs": (BYTE, ())}, as_bytes),
    "float32": Layout({"inputs": (FLOAT, (FEATURES,)), "outputs": (LONG, ())}, as_floats),
}


def check_packing_layout(name: str) -> Layout:
    """The layout of that name. Raises GraphError that lists the known ones."""
    if name not in LAYOUTS:
        known = ", ".join(map(repr, LAYOUTS))
        raise GraphError(f"games: there is no packed layout {name!r}; there are {known}")
    return LAYOUTS[name]


@dataclass(frozen=True)
class Packing:
    """Where packed positions are: `prefix_bits.npy`, or `prefix_inputs.npy` and `prefix_outputs.npy`."""

    folder: Path
    prefix: str

    def __post_init__(self) -> None:
        if Path(self.prefix).name != self.prefix:  # an empty one is fine: `folder/_inputs.npy`
            raise GraphError(f"games: prefix is {self.prefix!r}; wanted the beginning of a file name")

    def file(self, column: str) -> Path:
        """The file of an array: "bits", "inputs", "outputs", "games"."""
        return self.folder / f"{self.prefix}_{column}.npy"

    @property
    def manifest(self) -> Path:
        """Written last: what was packed, of which files."""
        return self.folder / f"{self.prefix}.json"

    @property
    def journal(self) -> Path:
        """Which parts are done, while it is packed."""
        return self.folder / f"{self.prefix}.journal"

    @property
    def lock(self) -> Path:
        """Held by whoever packs."""
        return self.folder / f"{self.prefix}.lock"

    def read_manifest(self) -> Mapping[str, Any]:
        """What was packed; empty where nothing was, or nothing that can be read."""
        try:
            content = json.loads(self.manifest.read_bytes())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def is_fresh(self, layout: str, sources: Sequence[str]) -> bool:
        """Whether exactly these files, as they are now, lie here in this layout."""
        columns = [*LAYOUTS[layout].columns, "games"]
        return self.read_manifest().get("of") == fingerprint(layout, sources) and all(
            self.file(column).is_file() for column in columns
        )


def fingerprint(layout: str, sources: Sequence[str]) -> dict[str, Any]:
    """What a packing depends on, as JSON values: names, sizes and times, but not where the files lie."""
    found = [(Path(path).name, Path(path).stat()) for path in sources]
    return {
        "version": VERSION,
        "layout": layout,
        "sources": [[name, status.st_size, status.st_mtime_ns] for name, status in found],
    }
