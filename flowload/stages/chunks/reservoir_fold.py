"""The fold of a reservoir: records that wait, each exchanged for one that comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import ChunkFormat
from flowload.abc.operators import Bytes, Call, State
from flowload.blocks import ORIGIN, Frames, SourceFile
from flowload.errors import DataError
from flowload.kernels.chunks.exchange import exchange
from flowload.kernels.philox import integers, permutation, stream
from flowload.kernels.rows.gather import gather, widen
from flowload.stages.registry import find_format

from .copies import Copies
from .record_table import RecordTable
from .source_table import FindFormat, SourceTable, as_columns

__all__ = ["DRAIN", "Exchange", "as_numbers"]

DRAIN = 8 << 20  #: bytes of a block at the end: those of unpack's, which thereby serve again
CHOICES, ORDER = 0, 1  #: streams of random numbers


class Exchange:
    """A fold: fills, exchanges, drains.

    A record that comes in takes the place of a uniformly random one of the `size` that wait, which
    goes on in its stead, in the incoming block's own memory. The choice for record t depends on t
    alone, not on the blocks in which records come. At the end the rest goes out in random order.
    A record waits a geometric time, `size` exchanges on average, and neighbours come out `size` apart on
    average.

    Args:
        size: records that wait, at most.
        drain: bytes of a block at the end, at most.
        least: bytes that are leased for such a block at least.
        payload: a state holds the records, not where they came from.
        unsaved: why there is no state by reference; None: there is.
        find: the format of a name, for `restore`.
    """

    def __init__(
        self,
        size: int,
        *,
        drain: int = DRAIN,
        least: int = 0,
        payload: bool = False,
        unsaved: str | None = None,
        find: FindFormat = find_format,
    ) -> None:
        self.size = size
        self.drain = drain
        self.least = least
        self.payload = payload
        self.unsaved = unsaved
        self.find = find
        self.order: NDArray[np.int64] | None = None  # the slots that are still to be given, at the end
        self.count = 0  # rows that wait: slots 0 .. count - 1
        self.exchanged = 0  # records since the reservoir was full
        self.format: ChunkFormat | None = None
        self.named: str | None = None  # the format of a restored state
        self.lacks = False  # its records are named, and not here yet
        self.sources = SourceTable()
        self.slots = RecordTable(size)
        self.copies = Copies(size)  # of origins, for states

    @property
    def held(self) -> int:
        """Records that wait."""
        return self.count

    def push(self, block: Frames, call: Call) -> Iterator[Frames]:
        """As many records as came in, once the reservoir is full."""
        if not len(block):
            return
        self.check(block)
        origin = block.origin.copy()
        origin["source"] = self.sources.adopt(block.sources, origin["source"])
        fill = min(len(block), self.size - self.count)
        self.slots.reserve(self.count + fill, block.data.shape[1], self.count)
        if fill:
            self.fill(block.data[:fill], origin[:fill])
        if self.unsaved is None:
            self.copies.warm(self.count)
        if fill < len(block):
            yield self.swap(block, block.data[fill:], origin[fill:], call)

    def check(self, block: Frames) -> None:
        """Records of one format only: they go out in one block."""
        if self.format is None:
            self.format = block.format
        elif block.format.name != self.format.name:
            where = block.sources[0].path if block.sources else "?"
            wanted = f"{self.format.name}, as before"
            raise DataError(
                "another format in one reservoir", where=where, found=block.format.name, wanted=wanted
            )

    def fill(self, rows: Bytes, origin: NDArray[np.void]) -> None:
        """Copy records into free slots."""
        end = self.count + len(rows)
        widen(self.slots.rows[self.count : end], rows)
        self.slots.origin[self.count : end] = origin
        self.count = end

    def swap(self, block: Frames, rows: Bytes, origin: NDArray[np.void], call: Call) -> Frames:
        """Exchange every record with a random slot."""
        rows = self.own(rows, call)
        which = np.empty(len(rows), np.int64)
        integers(which, self.size, 0, stream(call.key(), CHOICES), self.exchanged)
        self.exchanged += len(rows)
        exchange(self.slots.rows, rows, which)
        exchange(as_numbers(self.slots.origin), as_numbers(origin), which)
        sources, origin["source"] = self.sources.release(origin["source"])
        return Frames(block.format, sources, rows, origin)

    def own(self, rows: Bytes, call: Call) -> Bytes:
        """The records in memory that may be overwritten, in rows as long as the slots'."""
        stride = self.slots.stride
        if rows.flags.writeable and rows.flags.c_contiguous and rows.shape[1] == stride:
            return rows
        copy = call.lease(len(rows) * stride).reshape(len(rows), stride)
        widen(copy, rows)
        return copy

    def flush(self, call: Call) -> Iterator[Frames]:
        """What waits, in a uniformly random order."""
        self.order = np.empty(self.count, np.int64)
        permutation(self.order, stream(call.key(), ORDER), self.count)
        yield from self.resume(call)

    def resume(self, call: Call) -> Iterator[Frames]:
        """The rest of what waits at the end; nothing where it has not come to that."""
        if self.order is None:
            return
        rows = max(1, self.drain // max(1, self.slots.stride))
        while len(self.order):
            part, self.order = self.order[:rows], self.order[rows:]
            yield self.take(part, call)
        self.slots.close()
        self.exchanged, self.order = 0, None

    def take(self, which: NDArray[np.int64], call: Call) -> Frames:
        """Copies of some rows, which wait no longer."""
        if self.format is None:
            raise AssertionError("rows wait, so a block has come")
        stride = self.slots.stride
        nbytes = len(which) * stride
        rows = call.lease(max(nbytes, self.least))[:nbytes].reshape(len(which), stride)
        gather(rows, self.slots.rows, which)
        origin = self.slots.origin[which]
        sources, origin["source"] = self.sources.release(origin["source"])
        self.count -= len(which)
        return Frames(self.format, sources, rows, origin)

    def close(self) -> None:
        """Unmap the memory."""
        self.slots.close()
        self.copies.clear()

    def gauges(self) -> dict[str, float]:
        """See `flowload.observe.stats`."""
        return {"reservoir_fill": self.count / self.size}

    def state(self) -> State:
        """Where the records that wait came from, slot by slot; at the end in the order of going out."""
        slots: Any = slice(0, self.count) if self.order is None else self.order
        state = {
            "exchanged": self.exchanged,
            "gives": self.order is not None,
            "format": self.named if self.format is None else self.format.name,
            "stride": self.slots.stride,
            "sources": self.sources.state(),
            # By numbers: numpy copies a million rows of three fields in 5 ms, as numbers in 0.7.
            "origin": self.copies.of(as_numbers(self.slots.origin)[slots]).view(ORIGIN).reshape(-1),
        }
        return {**state, "rows": self.slots.rows[slots].copy()} if self.payload else state

    def restore(self, state: State) -> None:
        """Become the reservoir that gave this state, but for records that it names: see `refill`."""
        origin = as_columns(state["origin"], ORIGIN)
        self.sources, self.slots = SourceTable(), RecordTable(self.size)
        origin["source"] = self.sources.restore(state["sources"], origin["source"])
        self.count, self.exchanged = len(origin), state["exchanged"]
        self.format, self.named, self.lacks = None, state["format"], "rows" not in state
        self.order = np.arange(self.count) if state["gives"] else None
        if self.count:
            self.slots.reserve(self.count, state["stride"], 0)
            self.slots.origin[: self.count] = origin
        if "rows" in state and self.count:
            self.slots.rows[: self.count] = state["rows"]
            self.format = None if self.named is None else self.find(self.named)

    def references(self) -> tuple[str | None, tuple[SourceFile, ...], NDArray[np.void]]:
        """Where the records that wait came from, slot by slot; none where a state holds the records."""
        origin = self.slots.origin[: self.count if self.lacks else 0].copy()
        sources, origin["source"] = self.sources.release(origin["source"], keep=True)
        return self.named, sources, origin

    def refill(self, payload: Frames, at: NDArray[np.int64]) -> None:
        """Take records: those at these places of what `references` names."""
        self.check(payload)
        self.slots.reserve(self.count, payload.data.shape[1], self.count)
        data = payload.data
        self.slots.rows[at, : data.shape[1]] = data
        if data.shape[1] < self.slots.stride:
            self.slots.rows[at, data.shape[1] :] = 0


def as_numbers(origin: NDArray[np.void]) -> NDArray[np.int32]:
    """Origins as rows of three numbers."""
    return origin.view(np.int32).reshape(len(origin), ORIGIN.itemsize // 4)
