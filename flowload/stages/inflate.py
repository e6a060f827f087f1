"""Chunks by reference become records in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from flowload.blocks import ORIGIN, Chunks, Frames
from flowload.chunk_formats import ChunkFormat, PackingFormat
from flowload.errors import DataError
from flowload.protocols import Bytes, Call

from .open_files import OpenFiles, Reader
from .read import refused
from .recut import claimed_bytes
from .rows import Rows
from .sampling import Sampling

__all__ = ["SCRATCH", "SLACK", "STEP", "Inflate"]

SCRATCH = 2 << 20  #: bytes that most chunks fit into
STEP = 1 << 19  #: samples of a block are leased in multiples of so many bytes
SLACK = 64  #: bytes that an inflater may want beyond the end, to see that it is the end


class Inflate:
    """A map; a bad chunk is rejected alone, the others of its block go on.

    A chunk is inflated into scratch memory that stays in the cache, and what is taken of it is packed, or
    copied, from there. Where every record is taken and the format does not pack, chunks are inflated one
    behind the other into the memory that goes on: no copy.

    Args:
        sampling: which records a use gives.
        seed: of the run.
        limit: a chunk's largest decompressed size in bytes.
        room: what is leased at least for a block of everything, in bytes.
    """

    def __init__(self, sampling: Sampling, *, seed: int, limit: int, room: int = 0) -> None:
        self.sampling = sampling
        self.seed = seed
        self.limit = limit
        self.room = room
        self.files = OpenFiles()
        self.packers: dict[str, tuple[ChunkFormat, PackingFormat | None]] = {}  # by name of the format
        self.spare: list[Bytes] = []  # scratch that no call works in; who pops it has it alone

    def apply(self, block: Chunks, call: Call) -> Frames | None:
        """The records of a block of chunk uses; None when nothing is left of it."""
        work = self.begin(block, call)
        with self.files.reading() as reader:
            for i in range(len(block)):
                try:
                    self.unpack(work, i, reader)
                except DataError as error:
                    call.reject(error)
        if work.scratch is not None:
            self.spare.append(work.scratch)
        call.opened(work.opened)
        call.drop(work.unsampled, "not sampled")
        call.drop(work.cut, "cut to equal ranks")
        return work.frames() if work.rows.count else None

    def begin(self, block: Chunks, call: Call) -> Work:
        """Lease memory for a block, by what its chunks claim to hold."""
        claims = claimed_bytes(block.table, self.limit)
        packer = self.packer_of(block.format)
        if self.sampling.everything and packer is None:
            # Leases of one size are each other's: the memory that comes next was just in use.
            return Work(block, Rows(call, max(int(claims.sum()) + SLACK, self.room)), None)
        row = None if packer is None else packer.row_bytes
        expected = self.sampling.most_bytes(block.table, claims, row)
        scratch = self.scratch(int(claims.max()) + SLACK, call)
        return Work(block, Rows(call, -(-int(expected.sum()) // STEP) * STEP, packer), scratch)

    def packer_of(self, form: ChunkFormat) -> PackingFormat | None:
        """The format, if it packs; asked once, for to ask a protocol takes longer than to look at a block."""
        known = self.packers.get(form.name)
        if known is None or known[0] is not form:
            known = self.packers[form.name] = form, form if isinstance(form, PackingFormat) else None
        return known[1]

    def scratch(self, nbytes: int, call: Call) -> Bytes:
        """Memory to inflate into: where it can, what was used last, because that is still in the cache."""
        try:
            memory = self.spare.pop()
        except IndexError:
            return call.lease(max(nbytes, SCRATCH))
        return memory if len(memory) >= nbytes else call.lease(nbytes)

    def unpack(self, work: Work, i: int, reader: Reader) -> None:
        """Inflate and sample one chunk. Raises DataError that names file and member."""
        chunk, source = work.block.table[i], work.block.sources[work.sources[i]]
        records = self.inflate(work, i, source.path, reader)
        which, cut = self.sampling.choose(len(records), chunk, source, self.seed)
        taken = len(records) if which is None else len(which)
        work.rows.take(records, which)
        work.chosen.append((i, taken, which))
        work.opened += len(records)
        work.cut += cut
        work.unsampled += len(records) - taken - cut

    def inflate(self, work: Work, i: int, path: str, reader: Reader) -> Bytes:
        """The records of one chunk: (n, stride)."""
        chunk, form = work.block.table[i], work.block.format
        out = work.rows.rest if work.scratch is None else work.scratch
        where = f"{path}: chunk {work.indices[i]}"
        try:
            data, stride = form.inflate(reader.fd(path), chunk, out, limit=self.limit, where=where)
        except DataError as error:
            raise name_member(error, form, chunk, path, where) from error
        except OSError as error:
            raise refused(error, where) from error
        return data.reshape(-1, stride)

    def close(self) -> None:
        """Close the files, let go of the memory."""
        self.files.close()
        self.spare.clear()


@dataclass(slots=True)
class Work:
    """One call under way."""

    block: Chunks
    rows: Rows
    scratch: Bytes | None  #: None: chunks are inflated straight into `rows`
    # Columns as lists: numpy's scalars would cost more than all the rest of what is done for a chunk.
    sources: list[int] = field(init=False)
    indices: list[int] = field(init=False)
    #: chunk of the block, how many records, which (None: all)
    chosen: list[tuple[int, int, NDArray[np.int64] | None]] = field(default_factory=list)
    opened: int = 0
    unsampled: int = 0
    cut: int = 0

    def __post_init__(self) -> None:
        self.sources = self.block.table["source"].tolist()
        self.indices = self.block.table["index"].tolist()

    def frames(self) -> Frames:
        """The records so far."""
        counts = [taken for _, taken, _ in self.chosen]
        origin = np.empty(self.rows.count, ORIGIN)
        origin["source"] = np.array([self.sources[i] for i, _, _ in self.chosen]).repeat(counts)
        origin["chunk"] = np.array([self.indices[i] for i, _, _ in self.chosen]).repeat(counts)
        # Where every record of a chunk was taken, they count on from its first.
        first = [end - taken for end, taken in zip(accumulate(counts), counts, strict=True)]
        record = np.arange(self.rows.count) - np.array(first).repeat(counts)
        for (_, taken, which), begin in zip(self.chosen, first, strict=True):
            if which is not None:
                record[begin : begin + taken] = which
        origin["record"] = record
        return Frames(self.block.format, self.block.sources, self.rows.data, origin)


def name_member(error: DataError, form: ChunkFormat, chunk: np.void, path: str, where: str) -> DataError:
    """The same error by the chunk's name in its file; looked up only now, because it may need the file."""
    try:
        member = form.describe(path, chunk)
    except (DataError, OSError):
        return error
    named = error.where.replace(where, f"{path}: {member}", 1)
    return DataError(error.reason, where=named, found=error.found, wanted=error.wanted)
