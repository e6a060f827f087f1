"""Memory of a simulated card, as torch's caching allocator gives it out; see `cards`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .cards import Point, Stream

__all__ = ["Allocator", "Block"]

MIB = 1 << 20
SPOILT = 0xEE


class Block:
    """Memory of a card: that of one tensor, rounded up as torch does."""

    def __init__(self, owner: Stream, size: int) -> None:
        self.owner = owner
        self.size = size
        self.bytes: NDArray[np.uint8] = np.full(size, SPOILT, np.uint8)


class Allocator:
    """The caching allocator of one card.

    Args:
        unsafe: told of calls that a capture may forbid.
        limit: bytes of the card; None: any number.
    """

    def __init__(self, unsafe: Callable[[str], None], limit: int | None) -> None:
        self.unsafe = unsafe
        self.limit = limit
        self.free: dict[tuple[Stream, int], list[Block]] = {}
        self.pending: list[tuple[Block, list[Point]]] = []
        self.reserved = self.allocated = 0  #: bytes; what is pending counts as allocated
        self.peak_reserved = self.peak_allocated = 0

    def take(self, nbytes: int, stream: Stream) -> Block:
        """Memory for a tensor. Raises OutOfMemoryError as torch does: when what is cached was let go."""
        size = -(-nbytes // 512) * 512 if nbytes < MIB else -(-nbytes // (2 * MIB)) * 2 * MIB
        self.poll()
        cached = self.free.get((stream, size))
        block = cached.pop() if cached else self.made(size, stream)
        self.allocated += size
        self.peak_allocated = max(self.peak_allocated, self.allocated)
        return block

    def made(self, size: int, stream: Stream) -> Block:
        """Memory that was not cached."""
        self.unsafe("cudaMalloc")
        if self.limit is not None and self.reserved + size > self.limit:
            for _, points in self.pending:
                for user, at in points:
                    user.run(at)
            self.let_go()
            if self.reserved + size > self.limit:
                raise torch.OutOfMemoryError("CUDA out of memory (simulated)")
        self.reserved += size
        self.peak_reserved = max(self.peak_reserved, self.reserved)
        return Block(stream, size)

    def let_go(self) -> None:
        """Give back to the card what is cached."""
        self.poll()
        self.reserved -= sum(block.size for blocks in self.free.values() for block in blocks)
        self.free.clear()

    def forget_peaks(self) -> None:
        """Measure them from here on."""
        self.peak_reserved, self.peak_allocated = self.reserved, self.allocated

    def give_back(self, block: Block, users: set[Stream]) -> None:
        """The last tensor on this memory has gone."""
        with block.owner.cards.lock:
            self.pending.append((block, [(user, user.queued) for user in users]))
            if not users:
                self.poll()

    def poll(self) -> None:
        """Take back what its users have done with."""
        waiting, self.pending = self.pending, []
        for block, points in waiting:
            if all(user.done >= at for user, at in points):
                self.allocated -= block.size
                self.free.setdefault((block.owner, block.size), []).append(block)
                block.owner.put(lambda block=block: block.bytes.fill(SPOILT))  # type: ignore[misc]
            else:
                self.pending.append((block, points))
