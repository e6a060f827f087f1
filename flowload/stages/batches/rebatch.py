"""A stream cut into batches by reference: no row is copied, looked at or kept longer than its batch."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call, State
from flowload.blocks import ORIGIN, Batch, Frames, Rows, SourceFile
from flowload.errors import DataError
from flowload.stages.chunks.source_table import FindFormat, sources_from_state, sources_to_state
from flowload.stages.registry import find_format
from flowload.stages.rows.reopened_tables import ReopenedTables
from flowload.stages.rows.selection import joined, picks_from_state
from flowload.stages.user.blocks_of_values import check_lengths

from .collate import BatchParts, Part

__all__ = ["Rebatch"]

log = logging.getLogger("flowload")


class Rebatch:
    """A fold: every `size` rows become one block of pieces; the rest waits for more.

    What waits is named by reference in a snapshot where it is records, and kept as values where it is
    arrays, which have no reference; it is less than one batch.

    Args:
        size: rows of a batch.
        drop_last: drop what waits at the end, instead of making a smaller batch.
        find: the format of a name, for `restore`.
        tables: those of rows that a restored state may name.
        together: how many batches of a block's rows go on as one block, where it holds so many.
        misfit: why rows cannot be in one batch with others, if they cannot: then they are rejected.
    """

    def __init__(
        self,
        size: int,
        *,
        drop_last: bool,
        find: FindFormat = find_format,
        tables: ReopenedTables | None = None,
        together: Callable[[Part, int], int] | None = None,
        misfit: Callable[[Part, Part], DataError | None] | None = None,
    ) -> None:
        self.size = size
        self.drop_last = drop_last
        self.find = find
        self.tables = ReopenedTables(()) if tables is None else tables
        self.together = together
        self.misfit = misfit
        self.late: list[State] = []  # restored rows that wait for their table
        self.parts: list[Part] = []
        self.held = 0  #: rows that wait
        self.made = 0  # batches

    def push(self, block: Part, call: Call) -> Iterator[BatchParts]:
        """The batches that are complete with this block. Raises DataError for arrays of different lengths."""
        if isinstance(block, Batch):
            check_lengths(block, call)
        self.arrive(block)
        if not self.fits(block, call):
            return
        first, length = 0, len(block)
        most = 1 if self.together is None or length < 2 * self.size else self.together(block, self.size)
        while first < length:
            count = min(most, (length - first) // self.size)
            if count > 1 and not self.held:
                begin, first = first, first + count * self.size
                self.made += count
                yield BatchParts((whole_or_part(block, begin, first),), self.size)
                continue
            end = min(length, first + self.size - self.held)
            self.parts.append(whole_or_part(block, first, end))
            self.held += end - first
            first = end
            if self.held == self.size:
                yield self.take()

    def fits(self, block: Part, call: Call) -> bool:
        """Whether rows go with those that wait for the same batch; they are rejected if not."""
        known = self.waiting() if self.misfit is not None else ()
        error = self.misfit(block, known[0]) if self.misfit is not None and known else None
        if error is not None:
            call.reject(error, len(block))
        return error is None

    def take(self) -> BatchParts:
        """Everything that waits, as the parts of one batch or bundle."""
        parts, self.parts, self.held = self.parts, [], 0
        self.made += 1
        return BatchParts(tuple(parts))

    def flush(self, call: Call) -> Iterator[BatchParts]:
        """The last, smaller batch, unless it is to be dropped."""
        self.arrive(None)
        if self.held and not self.drop_last:
            yield self.take()
        elif self.held:
            if not self.made:
                text = "batch: no batch at all: %d samples are too few for size=%d, and drop_last=True"
                log.warning(text, self.held, self.size)
            call.drop(self.held, "partial batch")
            self.parts, self.held = [], 0

    def waiting(self) -> Sequence[Part]:
        """The parts that wait, as they came."""
        return self.parts

    def state(self) -> State:
        """What waits (rows, references or arrays), as JSON values."""
        parts = self.waiting()
        if parts and isinstance(parts[0], Batch):
            return {"made": self.made, "held": self.held, "arrays": arrays_to_state(parts)}
        if self.late or (parts and isinstance(parts[0], Rows)):
            return {"made": self.made, "held": self.held, "rows": self.rows_to_state()}
        sources, origin = self.references()
        columns = {name: origin[name].tolist() for name in ORIGIN.names or ()}
        return {
            "made": self.made,
            "held": self.held,
            "format": parts[0].format.name if parts and isinstance(parts[0], Frames) else None,
            "sources": sources_to_state(sources),
            "origin": columns,
        }

    def restore(self, state: State) -> None:
        """Become the fold that gave this state; records come with `refill`."""
        self.made, self.held, self.parts, self.late = state["made"], state["held"], [], []
        if "arrays" in state:
            self.parts = [arrays_from_state(state["arrays"])]
        elif "rows" in state:
            self.late = list(state["rows"])
        elif state["format"] is not None:
            columns: Mapping[str, Any] = state["origin"]
            origin = np.empty(self.held, ORIGIN)
            for name in ORIGIN.names or ():
                origin[name] = columns[name]
            data = np.empty((self.held, 0), np.uint8)  # the records are not here yet
            self.parts = [
                Frames(self.find(state["format"]), sources_from_state(state["sources"]), data, origin)
            ]

    def rows_to_state(self) -> list[State]:
        """Row numbers that wait, by the number of their table."""
        if self.late:
            return self.late
        rows = [part for part in self.waiting() if isinstance(part, Rows)]
        groups = ((number, list(group)) for number, group in groupby(rows, self.tables.number))
        return [
            {"table": number, "picks": joined([part.picks for part in group]).state()}
            for number, group in groups
        ]

    def arrive(self, block: Part | None) -> None:
        """Give restored rows their table: that of the next block, where it is theirs."""
        late, self.late = self.late, []
        for state in late:
            near = block if isinstance(block, Rows) else None
            self.parts.append(self.tables.block(int(state["table"]), picks_from_state(state["picks"]), near))

    def close(self) -> None:
        """Close the tables that `restore` opened."""
        self.tables.close()

    def references(self) -> tuple[tuple[SourceFile, ...], NDArray[np.void]]:
        """Where the records that wait came from; none where arrays wait."""
        sources: tuple[SourceFile, ...] = ()
        columns = [np.empty(0, ORIGIN)]
        for part in self.waiting():
            if isinstance(part, Frames):
                origin = part.origin.copy()
                origin["source"] += len(sources)
                columns.append(origin)
                sources += part.sources
        return sources, np.concatenate(columns)

    def refill(self, payload: Frames) -> None:
        """Take the records that `references` names, in that order."""
        if len(payload) != self.held:
            raise ValueError(f"{len(payload)} records for {self.held} that wait")
        self.parts = [payload]


def whole_or_part(block: Part, first: int, end: int) -> Part:
    """Rows of a block; all of them are the block itself."""
    return block if end - first == len(block) else block.select(slice(first, end))


def arrays_to_state(parts: Sequence[Part]) -> dict[str, Any]:
    """Arrays as JSON values: dtype, shape and their bytes in base 64."""
    batches = [part for part in parts if isinstance(part, Batch)]
    given = [batch.deliver() for batch in batches]  # what comes from a device may have to be waited for
    joined = {key: np.concatenate([at_home(each[key]) for each in given]) for key in batches[0].arrays}
    return {
        key: [array.dtype.str, list(array.shape), base64.b64encode(array.tobytes()).decode()]
        for key, array in joined.items()
    }


def at_home(array: Any) -> NDArray[Any]:
    """An array, also of a tensor that lies on a device."""
    return np.asarray(array.cpu() if hasattr(array, "cpu") else array)


def arrays_from_state(state: Mapping[str, Any]) -> Batch:
    """The arrays that gave this state."""
    return Batch(
        {
            key: np.frombuffer(base64.b64decode(data), dtype).reshape(shape)
            for key, (dtype, shape, data) in state.items()
        }
    )
