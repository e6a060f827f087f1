"""A stream cut into batches by reference: no row is copied, looked at or kept longer than its batch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call, State
from flowload.blocks import ORIGIN, Batch, Frames, Rows, SourceFile
from flowload.errors import DataError
from flowload.kernels.rows.gather import widen
from flowload.stages.chunks.source_table import (
    FindFormat,
    as_columns,
    sources_from_state,
    sources_to_state,
)
from flowload.stages.registry import find_format
from flowload.stages.rows.reopened_tables import ReopenedTables
from flowload.stages.rows.selection import joined, picks_from_state
from flowload.stages.user.blocks_of_values import check_lengths

from .arrays.collate import BatchParts, Part

__all__ = ["Cut", "Rebatch"]

log = logging.getLogger("flowload")


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How a stream is cut into batches.

    Args:
        size: rows of a batch.
        drop_last: drop what waits at the end, instead of making a smaller batch.
        find: the format of a name, for `restore`.
        together: how many batches of a block's rows go on as one block, where it holds so many.
        misfit: why rows cannot be in one batch with others, if they cannot: then they are rejected.
        by_reference: records that wait are what their origins name; else a state holds them.
        warns: log where no batch at all was made; one of several lanes does.
    """

    size: int
    drop_last: bool = False
    find: FindFormat = find_format
    together: Callable[[Part, int], int] | None = None
    misfit: Callable[[Part, Part], DataError | None] | None = None
    by_reference: bool = True
    warns: bool = True


class Rebatch:
    """A fold: every `size` rows become one block of pieces; the rest waits for more.

    What waits is named by reference in a snapshot where it is records, and kept as values where it is
    arrays, which have no reference; it is less than one batch.

    Args:
        cut: how.
        tables: those of rows that a restored state may name.
    """

    def __init__(self, cut: Cut, tables: ReopenedTables | None = None) -> None:
        self.cut = cut
        self.size = cut.size
        self.tables = ReopenedTables(()) if tables is None else tables
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
        together = self.cut.together
        most = 1 if together is None or length < 2 * self.size else together(block, self.size)
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
        misfit = self.cut.misfit
        known = self.waiting() if misfit is not None else ()
        error = misfit(block, known[0]) if misfit is not None and known else None
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
        if self.held and not self.cut.drop_last:
            yield self.take()
        elif self.held:
            if not self.made and self.cut.warns:
                text = "batch: no batch at all: %d samples are too few for size=%d, and drop_last=True"
                log.warning(text, self.held, self.size)
            call.drop(self.held, "partial batch")
            self.parts, self.held = [], 0

    def waiting(self) -> Sequence[Part]:
        """The parts that wait, as they came."""
        return self.parts

    def state(self) -> State:
        """What waits: rows and records by reference, arrays as they are."""
        parts = self.waiting()
        state: dict[str, Any] = {"made": self.made, "held": self.held}
        if parts and isinstance(parts[0], Batch):
            return {**state, "arrays": arrays_of(parts)}
        if self.late or (parts and isinstance(parts[0], Rows)):
            return {**state, "rows": self.rows_to_state()}
        frames = [part for part in parts if isinstance(part, Frames)]
        if not frames:
            return state
        sources, origin = origins_of(frames)
        state |= {"format": frames[0].format.name, "sources": sources_to_state(sources), "origin": origin}
        return state if self.cut.by_reference else {**state, "records": records_of(frames)}

    def restore(self, state: State) -> None:
        """Become the fold that gave this state; records come with `refill`."""
        self.made, self.held, self.parts, self.late = state["made"], state["held"], [], []
        if "arrays" in state:
            self.parts = [Batch(dict(state["arrays"]))]
        elif "rows" in state:
            self.late = list(state["rows"])
        elif "format" in state:
            data = state.get("records", np.empty((self.held, 0), np.uint8))  # or they are not here yet
            sources, origin = sources_from_state(state["sources"]), as_columns(state["origin"], ORIGIN)
            self.parts = [Frames(self.cut.find(state["format"]), sources, data, origin)]

    def rows_to_state(self) -> list[State]:
        """Row numbers that wait, by the number of their table."""
        if self.late:
            return list(self.late)
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

    def references(self) -> tuple[str | None, tuple[SourceFile, ...], NDArray[np.void]]:
        """Where the records that wait came from; none where arrays wait, or they are here."""
        frames = (
            [part for part in self.waiting() if isinstance(part, Frames)] if self.cut.by_reference else []
        )
        return (frames[0].format.name if frames else None, *origins_of(frames))

    def refill(self, payload: Frames, at: NDArray[np.int64]) -> None:
        """Take records: those at these places of what `references` names."""
        (part,) = self.parts
        assert isinstance(part, Frames)  # noqa: S101 - it has named records
        stride = payload.data.shape[1]
        data = part.data
        if data.shape[1] < stride:
            data = np.zeros((self.held, stride), np.uint8)
            widen(data, part.data)
        data[at, :stride] = payload.data
        self.parts = [Frames(part.format, part.sources, data, part.origin)]


def origins_of(frames: Sequence[Frames]) -> tuple[tuple[SourceFile, ...], NDArray[np.void]]:
    """Where records came from, of several blocks as of one."""
    sources: tuple[SourceFile, ...] = ()
    columns = [np.empty(0, ORIGIN)]
    for part in frames:
        origin = part.origin.copy()
        origin["source"] += len(sources)
        columns.append(origin)
        sources += part.sources
    return sources, np.concatenate(columns)


def records_of(frames: Sequence[Frames]) -> NDArray[np.uint8]:
    """Records of several blocks in one array, with zeros behind the shorter ones."""
    data = np.zeros((sum(map(len, frames)), max(part.data.shape[1] for part in frames)), np.uint8)
    first = 0
    for part in frames:
        widen(data[first : first + len(part)], part.data)
        first += len(part)
    return data


def whole_or_part(block: Part, first: int, end: int) -> Part:
    """Rows of a block; all of them are the block itself."""
    return block if end - first == len(block) else block.select(slice(first, end))


def arrays_of(parts: Sequence[Part]) -> dict[str, NDArray[Any]]:
    """Arrays of several batches, one behind the other: copies."""
    batches = [part for part in parts if isinstance(part, Batch)]
    given = [batch.deliver() for batch in batches]  # what comes from a device may have to be waited for
    return {key: np.concatenate([at_home(each[key]) for each in given]) for key in batches[0].arrays}


def at_home(array: Any) -> NDArray[Any]:
    """An array, also of a tensor that lies on a device."""
    return np.asarray(array.cpu() if hasattr(array, "cpu") else array)
