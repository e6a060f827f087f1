"""One bare thread: memory of its own, and a loop over chunks that calls kernels on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.formats.lc0_records import SIZES
from flowload.kernels.exchange import exchange
from flowload.kernels.philox import integers, stream
from flowload.kernels.schedule import choose
from flowload.protocols import Bytes
from flowload.runtime.buffers import BufferPool
from flowload.stages.fields import batch_bytes, split_lease
from flowload.stages.sampling import Sampling
from flowload.stages.unpack import UnpackStage

from .corpus import FORMAT, LIMIT, Corpus
from .settings import Settings, Work

__all__ = ["Bare"]

ROTATION = 3  #: batches in turn: what a training loop has in hand, what waits, what is written
SEED = np.uint64(0)


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
        self.corpus, self.fds, self.size = corpus, fds, settings.batch
        self.sampling = UnpackStage(rate=work.rate).sampling
        self.layout = FORMAT.layouts[work.layout]
        self.order = np.random.default_rng(0).permutation(len(corpus.chunks)).tolist()
        self.sources = [source.key for source in corpus.chunks.sources]
        self.key = stream((number, 0), 0)
        # The memory that a run's own pool gives: aligned, in huge pages.
        self.pool = BufferPool()
        most = corpus.largest // min(SIZES.values()) + 1  # records of a chunk
        self.scratch = self.pool.lease(corpus.largest)
        self.rows = self.table(settings.batch + most)
        self.slots = self.table(settings.reservoir // settings.cpus)
        self.draws = np.empty(most, np.int64)
        self.all = np.arange(most)
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
            records = self.inflate(place)
            room = min(len(records), len(self.slots) - held)
            self.pack(records, self.all[:room], self.slots[held : held + room])
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
        records = self.inflate(place)
        which = self.choose(len(records), place, use)
        begin, self.waiting = self.waiting, self.waiting + len(which)
        rows = self.rows[begin : self.waiting]
        self.pack(records, which, rows)
        draws = self.draws[: len(which)]
        integers(draws, len(self.slots), 0, self.key, self.exchanged)
        self.exchanged += len(which)
        exchange(self.slots, rows, draws)

    def inflate(self, place: int) -> Bytes:
        """The records of one chunk, in scratch memory."""
        row = self.corpus.chunks.table[place]
        data, stride = FORMAT.inflate(self.fds[row["source"]], row, self.scratch, limit=LIMIT, where="")
        return data.reshape(-1, stride)

    def choose(self, records: int, place: int, use: int) -> NDArray[np.int64]:
        """Which records of a chunk a use of it takes."""
        if self.sampling.everything:
            return self.all[:records]
        row, rule = self.corpus.chunks.table[place], rule_of(self.sampling)
        source = np.uint64(self.sources[row["source"]])
        return choose(records, use, -1, SEED, source, int(row["index"]), rule)[0]

    def pack(self, records: Bytes, which: NDArray[np.int64], rows: Bytes) -> None:
        """Pack records to rows; the few that do not fit are none of the games measured."""
        if not FORMAT.pack(records, which, rows):
            raise ValueError("a record does not fit its packed row: these games are not for this benchmark")

    def encode(self) -> None:
        """Make a batch of the rows that came last, which are still in the cache."""
        begin = self.waiting - self.size
        self.layout.encode(self.rows[begin : self.waiting], self.batches[self.made % ROTATION], 0)
        self.waiting = begin
        self.made += 1
        self.marks.append((perf_counter(), self.made * self.size))


def rule_of(sampling: Sampling) -> tuple[int, int, int]:
    """What `choose` wants to know."""
    return sampling.num, sampling.den, sampling.count
