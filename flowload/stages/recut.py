"""Blocks of chunks cut anew, so that each is about the same amount of work to inflate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from flowload.blocks import Chunks
from flowload.protocols import Call, Mark, State

from .find_format import find_format
from .references import FindFormat, chunks_from_state, chunks_to_state, compact, concatenate

__all__ = ["Recut", "claimed_bytes"]

GUESS = 8  #: inflated bytes a compressed byte where the file does not say


def claimed_bytes(table: NDArray[np.void], limit: int) -> NDArray[np.int64]:
    """Decompressed size of each chunk as far as its file can be believed: from 1 to `limit` bytes."""
    claimed, size = table["inflated"], table["size"]
    # No deflate stream expands more than 1032 times: a larger claim is a lie.
    most = np.where(table["gzip"], 1032 * size + 64, size)
    guess = np.where(table["gzip"], GUESS * size, size)
    believed = np.where(claimed < 0, guess, np.minimum(claimed, most))
    return np.clip(believed, 1, limit).astype(np.int64)


class Recut:
    """A fold that cuts where the running total of claimed bytes crosses a multiple of `target`.

    So borders depend on the chunks and their order alone, not on the blocks in which they came: many
    files of one chunk make good blocks too. An epoch's end is a border.

    Args:
        target: bytes that a block has on average.
        limit: a chunk's largest decompressed size.
        growing: the stream may pause for long: give what is held when nothing else comes.
        find: the format of a name, for `restore`.
    """

    def __init__(self, target: int, limit: int, *, growing: bool, find: FindFormat = find_format) -> None:
        self.target = target
        self.limit = limit
        self.growing = growing
        self.find = find
        self.total = 0  # bytes since the last border
        self.parts: list[Chunks] = []

    @property
    def held(self) -> int:
        """Chunks that wait for the rest of their block."""
        return sum(map(len, self.parts))

    def push(self, block: Chunks, call: Call) -> Iterator[Chunks]:  # noqa: ARG002 - the shape of a Fold
        """The blocks that are complete with this one."""
        cost = claimed_bytes(block.table, self.limit)
        total = self.total + np.cumsum(cost)
        ends = (np.flatnonzero(total // self.target != (total - cost) // self.target) + 1).tolist()
        first = 0
        for end in ends:
            self.parts.append(block.select(slice(first, end)))
            first = end
            yield from self.take()
        if first < len(block):
            self.parts.append(block.select(slice(first, None)))
        self.total = int(total[-1]) % self.target if len(block) else self.total

    def take(self) -> Iterator[Chunks]:
        """What is held, as one block."""
        parts, self.parts = self.parts, []
        if parts:
            yield compact(concatenate(parts))

    def close_block(self) -> Iterator[Chunks]:
        """A border here, wherever the running total is."""
        self.total = 0
        return self.take()

    def mark(self, mark: Mark, call: Call) -> Iterator[Chunks]:  # noqa: ARG002 - the shape of a Fold
        """A mark keeps its place among the blocks, so what came before it goes out before it."""
        return self.close_block()

    def flush(self, call: Call) -> Iterator[Chunks]:  # noqa: ARG002 - the shape of a Fold
        """The last block."""
        return self.close_block()

    def idle(self, call: Call) -> Chunks | None:  # noqa: ARG002 - the shape of a Fold
        """What is held, if the next chunk may take long; else None, so that borders never depend on time."""
        return next(self.close_block(), None) if self.growing else None

    def state(self) -> State:
        """The chunks that wait."""
        return {"total": self.total, "parts": [chunks_to_state(part) for part in self.parts]}

    def restore(self, state: State) -> None:
        """Become the fold that gave this state."""
        self.total = state["total"]
        self.parts = [chunks_from_state(part, self.find) for part in state["parts"]]
