"""One bare thread: memory of its own, and a loop over chunks that calls kernels on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import Unpacked, Uses
from flowload.abc.operators import Bytes
from flowload.blocks import ORIGIN
from flowload.formats.lc0.records import SIZES
from flowload.kernels.chunks.exchange import exchange
from flowload.kernels.philox import integers, stream
from flowload.runtime.memory.pool import BufferPool
from flowload.stages.batches.arrays.buffer_layout import batch_bytes, split_lease
from flowload.stages.chunks.unpack import UnpackStage
from tools.bench.measuring.settings import Settings, Work

from .corpus import FORMAT, LIMIT, Corpus

__all__ = ["Bare"]

ROTATION = 3  #: batches in turn: what a training loop has in hand, what waits, what is written


class Bare:
    """Inflates into scratch that stays in the cache, packs from there, exchanges, encodes.

    Args:
        corpus: the games.
        fds: their files.
        settings: sizes.
        work: rate and layout.
        number: of the thread.
    """

    def __init__(
        self, corpus: Corpus, fds: Sequence[int], settings: Settings, work: Work, number: int
    ) -> None:
        self.corpus, self.size = corpus, settings.batch
        self.fds = np.array(fds, np.int32)
        self.sources = np.array([source.key for source in corpus.chunks.sources], np.uint64)
        sampling = UnpackStage(rate=work.rate).sampling
        self.rule = sampling.num, sampling.den, sampling.count
        self.layout = FORMAT.layouts[work.layout]
        self.order = np.random.default_rng(0).permutation(len(corpus.chunks)).tolist()
        self.key = stream((number, 0), 0)
        # The memory that a run's own pool gives: aligned, in huge pages.
        self.pool = BufferPool()
        self.most = corpus.largest // min(SIZES.values()) + 1  # records of a chunk
        self.scratch = self.pool.lease(corpus.largest + int(corpus.chunks.table["size"].max()))
        self.rows = self.table(settings.batch + self.most)
        self.slots = self.table(settings.reservoir // settings.cpus)
        self.origin = np.empty(self.most, ORIGIN)
        self.counts = np.empty((1, 3), np.int64)
        self.draws = np.empty(self.most, np.int64)
        self.batches = [self.lease_batch() for _ in range(ROTATION)]
        self.waiting = 0  # rows that are no batch yet
        self.exchanged = 0
        self.made = 0
        self.marks: list[tuple[float, int]] = []  #: when a batch was done, and frames so far
        self.stopped = False
        self.fill()

    def table(self, rows: int) -> Bytes:
        """Memory for packed rows."""
        return self.pool.lease(rows * FORMAT.row_bytes).reshape(rows, FORMAT.row_bytes)

    def lease_batch(self) -> dict[str, NDArray[Any]]:
        """Memory for a batch."""
        fields = self.layout.fields()
        return split_lease(self.pool.lease(batch_bytes(fields, self.size)), fields, self.size)

    def fill(self) -> None:
        """Put records into the reservoir."""
        held = 0
        for place in itertools.cycle(self.order):
            rows = self.unpack(place, 0, 0)
            room = min(len(rows), len(self.slots) - held)
            self.slots[held : held + room] = rows[:room]
            held += room
            if held == len(self.slots):
                return

    def run(self, tickets: Iterator[int]) -> None:
        """Work on the chunks that tickets name until stopped."""
        for ticket in tickets:
            use, turn = divmod(ticket, len(self.order))
            self.take(self.order[turn], use)
            while self.waiting >= self.size:
                self.encode()
            if self.stopped:
                return

    def take(self, place: int, use: int) -> None:
        """Bring the records of one chunk use to what waits for a batch, by way of the reservoir."""
        rows = self.unpack(place, use, self.waiting)
        self.waiting += len(rows)
        draws = self.draws[: len(rows)]
        integers(draws, len(self.slots), 0, self.key, self.exchanged)
        self.exchanged += len(rows)
        exchange(self.slots, rows, draws)

    def unpack(self, place: int, use: int, begin: int) -> Bytes:
        """The records of one chunk use, packed, in rows from `begin` on."""
        chunk = self.corpus.chunks.table[place : place + 1].copy()
        chunk["use"] = use
        out = Unpacked(self.rows[begin : begin + self.most], self.origin, self.counts)
        if not FORMAT.unpack(Uses(chunk, self.fds, self.sources, 0, self.rule, LIMIT), self.scratch, out):
            raise ValueError("a chunk is not as its index says: these games are not for this benchmark")
        return self.rows[begin : begin + int(self.counts[0, 1])]

    def encode(self) -> None:
        """Make a batch of the rows that came last, which are still in the cache."""
        begin = self.waiting - self.size
        self.layout.encode(self.rows[begin : self.waiting], self.batches[self.made % ROTATION], 0)
        self.waiting = begin
        self.made += 1
        self.marks.append((perf_counter(), self.made * self.size))
