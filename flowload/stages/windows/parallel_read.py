"""Windows cut into pieces that several threads read at once, and put together again.

CutWindows   a fold: references to the pieces of each window; they share a target
ReadPieces   a map: the first piece to come leases the window's buffer; each is read to its place in it
JoinPieces   a fold: gives the window when its last piece has come
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call, Device, Mark, State
from flowload.abc.windows import Windowed
from flowload.blocks import Batch, Rows
from flowload.errors import GraphError
from flowload.stages.batches.arrays.buffer_layout import batch_bytes, split_lease
from flowload.stages.batches.arrays.gather import guard_of
from flowload.stages.device.places import InPlaces, Place
from flowload.stages.rows.reopened_tables import ReopenedTables
from flowload.stages.rows.selection import RowRange

from .loaded import LoadedTable, keeping

__all__ = ["CutWindows", "JoinPieces", "Piece", "ReadInPlaces", "ReadPieces", "Target"]


AT_ONCE = nullcontext()  #: pieces take no turns


class Target:
    """One window: what it consists of, and the memory that its pieces are read to."""

    def __init__(self, block: Rows, row: int) -> None:
        table = windowed(block.table)
        self.origin = Rows(table, RowRange(row, row + 1), block.records)
        self.table = table
        self.row = row
        self.recording, self.start, self.rows = table.window(row)
        self.pieces = table.pieces(row)
        self.fields = table.arrays()
        # As much for a shorter window: then all leases are alike, and no buffer is made beside the ring.
        self.nbytes = batch_bytes(self.fields, table.most)
        self.lock = threading.Lock()
        self.out: dict[str, NDArray[Any]] = {}
        self.beside: dict[str, Any] = {}  #: arrays that have no row for each of the window
        self.place: Place | None = None  #: of its memory in the ring

    def read(self, number: int, device: Device | None, call: Call) -> None:
        """Read a piece to its place. Raises DataError."""
        if isinstance(self.table, LoadedTable):
            self.load(self.table, device, call)
            return
        with self.lock:
            if not self.out:
                call.keep(self.place)
                self.out = split_lease(call.lease(self.nbytes, device), self.fields, self.rows)
        with guard_of(self.table):
            self.table.read(self.row, self.pieces[number], self.out, call)

    def load(self, table: LoadedTable, device: Device | None, call: Call) -> None:
        """Have the user's function load it, and copy it to page-locked memory where it goes to a card."""
        own, beside = table.load(self.row)
        if device is not None:
            call.keep(self.place)
            own = page_locked(own, call, device)
        else:
            own = {key: keeping(array, self.place) for key, array in own.items()}
        self.out, self.beside = own, beside
        self.nbytes = sum(getattr(array, "nbytes", 0) for array in own.values())

    def batch(self) -> Batch:
        """The window as a batch, with its first row and, where there are several, its recording."""
        whole = {**self.beside, "start": np.array(self.start, np.int64)}
        if len(self.table.lengths) > 1:
            whole["recording"] = np.array(self.recording, np.int64)
        return Batch(self.out, whole)


def page_locked(arrays: dict[str, Any], call: Call, device: Device) -> dict[str, Any]:
    """Copies of arrays in one lease; what is no array stays what it is."""
    found = {key: array for key, array in arrays.items() if isinstance(array, np.ndarray)}
    found = {key: array for key, array in found.items() if not array.dtype.hasobject}
    fields = {key: (array.shape, array.dtype) for key, array in found.items()}
    made = split_lease(call.lease(batch_bytes(fields, 1), device), fields, 1)
    for key, array in found.items():
        made[key][0] = array
    return {key: made[key][0] if key in made else array for key, array in arrays.items()}


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of a window, by reference before it is read, and then in its place."""

    target: Target
    number: int

    def __len__(self) -> int:
        return 1

    @property
    def nbytes(self) -> int:
        """Its part of the window's buffer, where that is leased."""
        return self.target.nbytes // len(self.target.pieces) if self.target.out else 0


class CutWindows:
    """See the module. Its unit is the piece."""

    held = 0

    def push(self, block: Rows, call: Call) -> Iterator[Piece]:
        """The pieces of each window, made as they are taken."""
        call.opened(0)
        for row in block.picks.array().tolist():
            target = Target(block, row)
            call.opened(len(target.pieces))
            for number in range(len(target.pieces)):
                yield Piece(target, number)

    def flush(self, call: Call) -> Iterator[Piece]:  # noqa: ARG002 - the shape of a Fold
        """No blocks: this fold holds nothing."""
        return iter(())

    def state(self) -> State:
        """Empty: this fold holds nothing between blocks."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing to restore: this fold holds nothing between blocks."""


class ReadPieces:
    """See the module. Its gauges say how arrays were read, and how many chunks were not there.

    Args:
        device: what prepares the memory of windows.
        turn: held while a piece is read, where not all may be at once.
    """

    def __init__(self, device: Device | None, turn: AbstractContextManager[Any] = AT_ONCE) -> None:
        self.device = device
        self.turn = turn
        self.table: Windowed | None = None

    def apply(self, block: Piece, call: Call) -> Piece:
        """Read a piece. Raises DataError."""
        self.table = block.target.table
        with self.turn:
            block.target.read(block.number, self.device, call)
        return block

    def gauges(self) -> Mapping[str, float]:
        """`missing_chunks`; and `arrays_by_<way>`, the number of arrays that are read in that way."""
        if self.table is None:
            return {}
        routes = [way.replace(" + ", "_").replace(" ", "_") for way in self.table.routes.values()]
        ways = [f"arrays_by_{way}" for way in routes]
        return {"missing_chunks": float(self.table.missing), **{way: float(ways.count(way)) for way in ways}}


class ReadInPlaces(InPlaces):
    """The same in a ring of windows: the first piece of one takes a place, the others have it.

    The place is free again when the last view of the window has gone, wherever that is: in the reader's
    hands, in a queue, or in a batch that was sampled from it.

    Args:
        reading: what reads.
        places: windows of the ring, of which each consists of so many pieces.
    """

    def __init__(self, reading: ReadPieces, places: Callable[[int], int]) -> None:
        super().__init__(reading, 1)
        self.reading = reading
        self.of_pieces = cache(places)  # asked for every piece

    def room(self, block: Piece) -> bool:
        """See `Paced`."""
        self.places.most = self.of_pieces(len(block.target.pieces))
        return block.target.place is not None or super().room(block)

    def began(self, block: Piece) -> None:
        """See `Paced`."""
        if block.target.place is None:
            block.target.place = self.places.take()

    def apply(self, block: Piece, call: Call) -> Piece:
        """Read a piece. Raises DataError."""
        return self.reading.apply(block, call)


class JoinPieces:
    """See the module. Its unit is the row; a window that lost a piece is dropped, and counted.

    Args:
        reading: reads the pieces again that a saved state names.
        tables: those that a restored state may name.
    """

    def __init__(self, reading: ReadPieces, tables: ReopenedTables) -> None:
        self.reading = reading
        self.tables = tables
        self.target: Target | None = None
        self.came: list[int] = []  # pieces of it

    @property
    def held(self) -> int:
        """Rows of a window that is not complete yet."""
        return 0 if self.target is None else self.target.rows

    def push(self, block: Piece, call: Call) -> Iterator[Batch]:
        """The window that is complete with this piece."""
        call.opened(0)
        if self.target is not block.target and not self.goes_on(block, call):
            self.drop(call)
            self.target = block.target
            call.opened(block.target.rows)
        self.came.append(block.number)
        if len(self.came) == len(block.target.pieces):
            self.target, self.came = None, []
            if block.target.table.settle(block.target.row, call):
                yield block.target.batch()

    def goes_on(self, block: Piece, call: Call) -> bool:
        """Whether this is the rest of the window of a restored state; its first pieces are read again."""
        held = self.target
        if held is None or held.out or held.row != block.target.row or block.number <= max(self.came):
            return False
        self.target = block.target
        for number in self.came:
            block.target.read(number, self.reading.device, call)
        return True

    def drop(self, call: Call) -> None:
        """A window whose rest does not come."""
        if self.target is not None:
            call.drop(self.target.rows, "window with a bad chunk")
            self.target, self.came = None, []

    def mark(self, mark: Mark, call: Call) -> Iterator[Batch]:  # noqa: ARG002 - every one is a border
        """A window does not go on behind a mark."""
        self.drop(call)
        return iter(())

    def flush(self, call: Call) -> Iterator[Batch]:
        """Drop a window whose other pieces do not come any more. Gives no blocks."""
        self.drop(call)
        return iter(())

    def state(self) -> State:
        """The window that is not complete, and which of its pieces came."""
        if self.target is None:
            return {"records": 0, "row": None, "came": []}
        number = self.tables.number(self.target.origin)
        return {"records": number, "row": self.target.row, "came": list(self.came)}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.came = list(state["came"])
        row = state["row"]
        self.target = None
        if row is not None:
            self.target = Target(self.tables.block(state["records"], RowRange(row, row + 1), None), row)

    def close(self) -> None:
        """Let go of the table that a restored state opened."""
        self.tables.close()


def windowed(table: object) -> Windowed:
    """A table that has windows. Raises GraphError."""
    if not isinstance(table, Windowed):
        raise GraphError(f"read_windows: the rows of {type(table).__name__} begin no windows; use batch")
    return table
