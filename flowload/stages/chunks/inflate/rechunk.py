"""Blocks of chunks cut anew, so that each is about the same amount of work to inflate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Call, Mark, State
from flowload.blocks import Chunks
from flowload.stages.chunks.source_table import (
    FindFormat,
    chunks_from_state,
    chunks_to_state,
    compact,
    concatenate,
)
from flowload.stages.registry import find_format

__all__ = ["Cost", "Rechunk", "claimed_bytes"]

Cost: TypeAlias = Callable[[NDArray[np.void]], NDArray[np.int64]]

GUESS = 8  #: inflated bytes a compressed byte where the file does not say


def claimed_bytes(table: NDArray[np.void], limit: int) -> NDArray[np.int64]:
    """Decompressed size of each chunk as far as its file can be believed: from 1 to `limit` bytes."""
    claimed, size = table["inflated"], table["size"]
    # No deflate stream expands more than 1032 times: a larger claim is a lie.
    most = np.where(table["gzip"], 1032 * size + 64, size)
    guess = np.where(table["gzip"], GUESS * size, size)
    believed = np.where(claimed < 0, guess, np.minimum(claimed, most))
    return np.clip(believed, 1, limit).astype(np.int64)


class Rechunk:
    """A fold that closes a block before the chunk that would make it cost more than `target`.

    So borders depend on the chunks and their order alone, not on the blocks in which they came, and many
    files of one chunk make good blocks too. No block is larger than `target`, but a chunk that is so
    alone. An epoch's end is a border, and so is another format.

    Args:
        target: what a block may cost.
        cost: of the chunks of a table, from 1 each.
        growing: the stream may pause for long: give what is held when nothing else comes.
        find: the format of a name, for `restore`.
    """

    def __init__(self, target: int, cost: Cost, *, growing: bool, find: FindFormat = find_format) -> None:
        self.target = target
        self.cost = cost
        self.growing = growing
        self.find = find
        self.total = 0  # cost of the chunks that wait
        self.parts: list[Chunks] = []

    @property
    def held(self) -> int:
        """Chunks that wait for the rest of their block."""
        return sum(map(len, self.parts))

    def push(self, block: Chunks, call: Call) -> Iterator[Chunks]:  # noqa: ARG002 - the shape of a Fold
        """The blocks that are complete with this one."""
        if self.parts and self.parts[0].format.name != block.format.name:
            yield from self.take()
        ends = np.cumsum(self.cost(block.table))
        first = done = 0
        while first < len(block):
            fit = int(np.searchsorted(ends, done + self.target - self.total, side="right"))
            if fit == first and not self.parts:
                fit += 1  # larger than a block: alone
            if fit > first:
                self.parts.append(block.select(slice(first, fit)))
                self.total += int(ends[fit - 1]) - done
                first, done = fit, int(ends[fit - 1])
            if first < len(block):
                yield from self.take()

    def take(self) -> Iterator[Chunks]:
        """Everything that waits, as one block."""
        parts, self.parts, self.total = self.parts, [], 0
        if parts:
            yield compact(concatenate(parts))

    def mark(self, mark: Mark, call: Call) -> Iterator[Chunks]:  # noqa: ARG002 - the shape of a Fold
        """A mark keeps its place among the blocks, so what came before it goes out before it."""
        return self.take()

    def flush(self, call: Call) -> Iterator[Chunks]:  # noqa: ARG002 - the shape of a Fold
        """The last block, smaller than the others."""
        return self.take()

    def idle(self, call: Call) -> Chunks | None:  # noqa: ARG002 - the shape of a Fold
        """What is held, if the next chunk may take long; else None, so that borders never depend on time."""
        return next(self.take(), None) if self.growing else None

    def state(self) -> State:
        """The chunks that wait for a full block, as JSON values."""
        return {"total": self.total, "parts": [chunks_to_state(part) for part in self.parts]}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.total = state["total"]
        self.parts = [chunks_from_state(part, self.find) for part in state["parts"]]
