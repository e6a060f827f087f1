"""Packed positions that a run has opened: one kernel call a batch, from memory map to leased buffer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.abc.needs import Need
from flowload.abc.operators import NamedArrays
from flowload.abc.record_powers import Ordered
from flowload.abc.records import WRITTEN, Fields, Numbers, Order
from flowload.errors import DataError, GraphError
from flowload.files.guard import Guard
from flowload.kernels.games.positions import BITS, FEATURES, gather_bits, gather_rows, owners
from flowload.kernels.streaming import is_large

__all__ = ["FIELDS", "Columns", "GamesTable", "table_needs"]

FIELDS: Fields = {
    "inputs": ((FEATURES,), np.dtype(np.float32)),
    "outputs": ((), np.dtype(np.int64)),
}


class Columns(NamedTuple):
    """The memory-mapped arrays of a packing."""

    where: str  #: for messages
    inputs: NDArray[Any]  #: (N, 32) uint8 with the outcome inside, or (N, 193) uint8 or float32
    outputs: NDArray[Any] | None  #: (N,) uint8 or int64; None: inside
    games: NDArray[np.uint64] | None  #: (g, 2), in memory: first row and hash; None: nobody kept them
    guard: Guard  #: of the files: the arrays are read inside `with guard:`


def table_needs() -> Iterator[Need]:
    """The kernels that a table calls whose rows have their outcome inside."""
    packed, inputs = np.empty((2, BITS), np.uint8), np.empty((2, FEATURES), np.float32)
    packed.flags.writeable = False  # a file's, mapped
    numbers = np.empty(2, np.int64)
    yield gather_bits, (packed, numbers, WRITTEN, inputs, numbers, False)
    yield owners, (np.empty((2, 2), np.uint64), numbers, np.empty(2, np.uint64))


class GamesTable(Ordered):
    """See `flowload.formats.games.packed.PackedGames`."""

    layouts: Sequence[str] = ("onehot",)
    groups: Sequence[str] = ("game",)

    def __init__(self, columns: Columns) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns.inputs)

    @property
    def guard(self) -> Guard:
        """Of the packing's files."""
        return self.columns.guard

    def fields(self, layout: str, rows: Numbers) -> Fields:  # noqa: ARG002 - the same for all
        """`inputs [B, 193] float32`, `outputs [B] int64`."""
        return FIELDS

    def write_order(self, rows: Numbers, order: Order, out: NamedArrays) -> None:
        """Write the rows. Raises DataError for one whose outcome is none."""
        inputs, outputs = out["inputs"], out["outputs"]
        packed, labels = self.columns.inputs, self.columns.outputs
        streamed = is_large(inputs.nbytes)
        if labels is None:
            bad = gather_bits(packed, rows, order, inputs, outputs, streamed)
        else:
            bad = gather_rows(packed, labels, rows, order, inputs, outputs, streamed)
        if bad >= 0:
            row = int(rows[bad])
            found, wanted = self.fault(row)
            raise DataError("bad position", where=self.describe(row), found=found, wanted=wanted)

    def fault(self, row: int) -> tuple[str, str]:
        """What is wrong with a row, and what is wanted, for messages."""
        inputs, labels = self.columns.inputs[row], self.columns.outputs
        wanted = "an outcome 0, 1 or 2"
        if labels is None:
            return f"turn and outcome {bytes(inputs[24:]).hex(' ')}", wanted
        other = np.flatnonzero((inputs != 0) & (inputs != 1))
        if len(other):
            return f"feature {other[0]} = {inputs[other[0]]}", "features of 0 and 1"
        return f"outcome {labels[row]}", wanted

    def group(self, by: str, rows: Numbers) -> NDArray[np.uint64]:
        """A hash of the moves of each row's game: games that are the same have the same."""
        games = self.columns.games
        if games is None:
            raise GraphError(
                f"split: nobody kept which {by} a row of {self.columns.where} is of; "
                "split by rows, or pack the games again with `flowload pack games`"
            )
        keys = np.empty(len(rows), np.uint64)
        owners(games, rows, keys)
        return keys

    def describe(self, row: int) -> str:
        """Where a row lies, for messages: file and row."""
        return f"{self.columns.where}, row {row}"

    def close(self) -> None:
        """Let go of the files."""
        self.guard.close()
        none = np.empty((0, FEATURES), np.uint8)
        self.columns = Columns(self.columns.where, none, np.empty(0, np.uint8), None, self.guard)
