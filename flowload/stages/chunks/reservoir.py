"""`reservoir`: decorrelate records by exchanging each with a random one of many that wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import ChunkFormat
from flowload.abc.needs import Need
from flowload.abc.operators import Bytes, Call, OnError, Operator, Setting, State
from flowload.abc.stage import whole
from flowload.blocks import ORIGIN, Frames, SourceFile
from flowload.errors import DataError, GraphError
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.kernels.chunks.exchange import exchange
from flowload.kernels.philox import integers, permutation, stream
from flowload.kernels.rows.gather import gather, widen
from flowload.stages.batches.row_size import row_size

from .pool_choices import drawing
from .record_table import RecordTable
from .source_table import SourceTable, counting, sources_from_state, sources_to_state

__all__ = ["Exchange", "ReservoirStage", "reservoir"]

DRAIN = 8 << 20  #: bytes of a block at the end: those of unpack's, which thereby serve again
CHOICES, ORDER = 0, 1  #: streams of random numbers


@dataclass(frozen=True, kw_only=True)
class ReservoirStage(Stage):
    """See `reservoir`."""

    word: ClassVar[str] = "reservoir"
    accepts: ClassVar[tuple[type, ...]] = (Frames,)
    keeps: ClassVar[bool] = True

    frames: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not whole(self.frames) or self.frames < 1:
            raise GraphError(f"reservoir: frames is {self.frames!r}; wanted a number from 1")

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:  # noqa: ARG002 - it gives frames always
        """Frames."""
        return {"out": Frames}

    def open(self, setting: Setting) -> Sequence[Operator]:
        """The operators of a run: the Fold that exchanges records with random slots."""
        return (Exchange(self.size(setting), drain=DRAIN // setting.lanes),)

    def size(self, setting: Setting) -> int:
        """Records that wait. Raises GraphError for lanes that would have none."""
        return setting.of_lane(self.frames, "reservoir: frames")

    def needs(self, setting: Setting) -> Iterator[Need]:  # noqa: ARG002 - the same in every setting
        """Those of the exchange."""
        rows, numbers = np.empty((2, 2), np.uint8), np.empty(2, np.int64)
        origin = as_numbers(np.empty(2, ORIGIN))
        yield drawing()
        yield permutation, (numbers, stream((0, 0)), 0)
        yield widen, (rows, rows)
        yield exchange, (rows, rows, numbers)
        yield exchange, (origin, origin, numbers)
        yield gather, (rows, rows, numbers)
        yield from counting()

    def memory(self, setting: Setting) -> int:
        """Its rows. Blocks on the way out are counted above: in their own memory, or when no more come."""
        return self.size(setting) * (row_size(setting) + ORIGIN.itemsize)


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
    """

    def __init__(self, size: int, *, drain: int = DRAIN) -> None:
        self.size = size
        self.drain = drain
        self.count = 0  # rows that wait: slots 0 .. count - 1
        self.exchanged = 0  # records since the reservoir was full
        self.format: ChunkFormat | None = None
        self.sources = SourceTable()
        self.slots = RecordTable(size)

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
        order = np.empty(self.count, np.int64)
        permutation(order, stream(call.key(), ORDER), self.count)
        rows = max(1, self.drain // max(1, self.slots.stride))
        for first in range(0, len(order), rows):
            yield self.take(order[first : first + rows], call)
        self.slots.close()
        self.exchanged = 0

    def take(self, which: NDArray[np.int64], call: Call) -> Frames:
        """Copies of some rows, which wait no longer."""
        if self.format is None:
            raise AssertionError("rows wait, so a block has come")
        stride = self.slots.stride
        rows = call.lease(len(which) * stride).reshape(len(which), stride)
        gather(rows, self.slots.rows, which)
        origin = self.slots.origin[which]
        sources, origin["source"] = self.sources.release(origin["source"])
        self.count -= len(which)
        return Frames(self.format, sources, rows, origin)

    def close(self) -> None:
        """Unmap the memory."""
        self.slots.close()

    def gauges(self) -> dict[str, float]:
        """See `flowload.observe.stats`."""
        return {"reservoir_fill": self.count / self.size}

    def state(self) -> State:
        """Where the records that wait came from, slot by slot."""
        sources, origin = self.references()
        columns = {name: origin[name].tolist() for name in ORIGIN.names or ()}
        return {"exchanged": self.exchanged, "sources": sources_to_state(sources), "origin": columns}

    def restore(self, state: State) -> None:
        """Become the reservoir that gave this state, but for the records themselves: see `refill`."""
        columns: Mapping[str, Any] = state["origin"]
        origin = np.empty(len(columns["source"]), ORIGIN)
        for name in ORIGIN.names or ():
            origin[name] = columns[name]
        self.sources, self.slots = SourceTable(), RecordTable(self.size)
        origin["source"] = self.sources.adopt(sources_from_state(state["sources"]), origin["source"])
        self.slots.origin = origin
        self.count, self.exchanged, self.format = len(origin), state["exchanged"], None

    def references(self) -> tuple[tuple[SourceFile, ...], NDArray[np.void]]:
        """Where the records that wait came from, slot by slot."""
        origin = self.slots.origin[: self.count].copy()
        sources, origin["source"] = self.sources.release(origin["source"], keep=True)
        return sources, origin

    def refill(self, payload: Frames) -> None:
        """Take the records that `references` names, in that order."""
        if len(payload) != self.count:
            raise ValueError(f"{len(payload)} records for a reservoir that holds {self.count}")
        self.check(payload)
        self.slots.reserve(self.count, payload.data.shape[1], 0)
        widen(self.slots.rows[: self.count], payload.data)


def as_numbers(origin: NDArray[np.void]) -> NDArray[np.int32]:
    """Origins as rows of three numbers."""
    return origin.view(np.int32).reshape(len(origin), ORIGIN.itemsize // 4)


@names_keywords
def reservoir(frames: int, *, on_error: OnError = "raise", max_errors: int | float | None = None) -> Graph:
    """Decorrelate records: each that comes in takes the place of a random one of `frames` that wait.

    Args:
        frames: records that wait. 1 keeps the order. The memory, about 2.1 KB a record of lc0 (packed), is
            taken as the reservoir fills; at the end of the stream it drains in random order. Behind
            `shard(lanes=...)` of the whole stream: each lane has its share of them.
        on_error: what records of another format than the first do: "raise" ends the run, "skip" counts
            them as dropped.
        max_errors: under "skip": how many records (int) or which share (float) may be skipped.

    Examples:
        >>> games = fl.discover(sample_path("chess")) >> fl.read("lc0") >> fl.unpack()
        >>> with (games >> fl.reservoir(1000) >> fl.batch(256)).iterate(seed=0) as batches:
        ...     print(next(batches)["planes"].shape)
        (256, 112, 8, 8)
    """
    return place(ReservoirStage(frames=frames, on_error=on_error, max_errors=max_errors))
