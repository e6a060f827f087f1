"""Boards of any game as records for `fl.rows`: a bit a square in 64-bit words, given as one-hot floats."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import NamedArrays
from flowload.abc.record_powers import Ordered
from flowload.abc.records import Fields, Numbers, Order
from flowload.errors import DataError, GraphError, NoDataError
from flowload.files.arrays import map_array
from flowload.files.guard import Guard
from flowload.kernels.games.onehot import gather_boards
from flowload.kernels.rows.take import take
from flowload.kernels.streaming import is_large

__all__ = ["Boards"]

File: TypeAlias = str | os.PathLike[str]

ORDERS = ("most", "least")
KEY = "boards"  #: of a batch


@dataclass(frozen=True)
class Boards:
    """Rows of 64-bit words in a `.npy` file, each word a board; and what goes with each row, in other files.

    Batches: `boards [B, K, 64] float32`, and the other arrays as they are. Files are memory-mapped.

    Args:
        path: (N, K) uint64.
        first: which bit of a word is element 0 of its board: the "most" significant one, or the "least".
        beside: `.npy` files of N rows by their key in a batch, such as `{"outputs": "labels.npy"}`.

    Examples:
        >>> from flowload.formats.games import Boards
        >>> np.save("boards.npy", np.array([[1], [3]], np.uint64))
        >>> with (fl.rows(Boards("boards.npy", first="least")) >> fl.batch(2)).iterate() as batches:
        ...     print(next(batches)["boards"][1, 0, :4])
        [1. 1. 0. 0.]
    """

    path: File
    first: Literal["most", "least"] = "most"
    beside: Mapping[str, File] = field(default_factory=lambda: MappingProxyType({}))

    name: ClassVar[str] = "boards"
    drops: ClassVar[bool] = False
    layouts: ClassVar[Sequence[str]] = ("onehot",)

    def __post_init__(self) -> None:
        if self.first not in ORDERS:
            raise GraphError(f"boards: first is {self.first!r}; wanted 'most' or 'least'")
        if KEY in self.beside:
            raise GraphError(f"boards: beside names an array {KEY!r}, which is what the boards become")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.first, dict(self.beside))

    def fields(self, layout: str) -> Fields:  # noqa: ARG002 - there is one
        """None: known only when the file is open."""
        return {}

    def open(self) -> BoardsTable:
        """Map the files. Raises DataError where shapes or dtypes do not fit, NoDataError for no rows."""
        path = Path(self.path)
        guard = Guard()
        boards = map_array(path, guard)
        if boards.ndim != 2 or boards.dtype != np.uint64 or not boards.shape[1]:
            found = f"{boards.dtype}{list(boards.shape)}"
            raise DataError("array of another kind", where=str(path), found=found, wanted="uint64[N, K]")
        if not len(boards):
            raise NoDataError("no boards", where=str(path), found="0 rows", wanted="at least one")
        beside = {key: map_array(Path(file), guard) for key, file in self.beside.items()}
        for key, array in beside.items():
            if array.shape[:1] != boards.shape[:1]:
                found, wanted = f"{array.dtype}{list(array.shape)}", f"{len(boards)} rows, as {path} has"
                raise DataError("other rows", where=str(self.beside[key]), found=found, wanted=wanted)
        return BoardsTable(str(path), boards, beside, guard, least_first=self.first == "least")


class BoardsTable(Ordered):
    """See `Boards`."""

    layouts: Sequence[str] = Boards.layouts

    def __init__(
        self,
        where: str,
        boards: NDArray[np.uint64],
        beside: NamedArrays,
        guard: Guard,
        *,
        least_first: bool,
    ) -> None:
        self.where = where
        self.boards = boards
        self.beside = dict(beside)
        self.guard = guard
        self.least_first = least_first

    def __len__(self) -> int:
        return len(self.boards)

    def fields(self, layout: str, rows: Numbers) -> Fields:  # noqa: ARG002 - the same for all
        """`boards [B, K, 64] float32`, and what is beside."""
        boards = (self.boards.shape[1], 64), np.dtype(np.float32)
        return {KEY: boards, **{key: (array.shape[1:], array.dtype) for key, array in self.beside.items()}}

    def write_order(self, rows: Numbers, order: Order, out: NamedArrays) -> None:
        """Write the rows."""
        boards = out[KEY].reshape(len(rows), -1)
        gather_boards(self.boards, rows, order, boards, self.least_first, is_large(boards.nbytes))
        for key, array in self.beside.items():
            take(array, rows, out[key])

    def describe(self, row: int) -> str:
        """Where a row lies, for messages: file and row."""
        return f"{self.where}, row {row}"

    def close(self) -> None:
        """Let go of the files."""
        self.boards = np.empty((0, 1), np.uint64)
        self.beside.clear()
        self.guard.close()
