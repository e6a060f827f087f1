"""Chunks by reference become records in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flowload.blocks import ORIGIN, Chunks, Frames
from flowload.errors import DataError
from flowload.protocols import Bytes, Call

from .open_files import OpenFiles
from .read import refused
from .recut import claimed_bytes
from .rows import Rows
from .sampling import Sampling

__all__ = ["Inflate"]

SLACK = 64  #: bytes that an inflater may want beyond the end, to see that it is the end


class Inflate:
    """A map; a bad chunk is rejected alone, the others of its block go on.

    Where every record is taken, chunks are inflated one behind the other into the memory that goes on:
    no copy. Where they are sampled, each is inflated into scratch memory that stays in the cache, and
    only the sample is copied.

    Args:
        sampling: which records a use gives.
        seed: of the run.
        limit: a chunk's largest decompressed size in bytes.
    """

    def __init__(self, sampling: Sampling, *, seed: int, limit: int) -> None:
        self.sampling = sampling
        self.seed = seed
        self.limit = limit
        self.files = OpenFiles()

    def apply(self, block: Chunks, call: Call) -> Frames | None:
        """The records of a block of chunk uses; None when nothing is left of it."""
        work = self.begin(block, call)
        for i in range(len(block)):
            try:
                self.unpack(work, i)
            except DataError as error:
                call.reject(error)
        call.opened(work.opened)
        call.drop(work.unsampled, "not sampled")
        call.drop(work.cut, "cut to equal ranks")
        return work.frames() if work.rows.count else None

    def begin(self, block: Chunks, call: Call) -> Work:
        """Lease memory for a block, by what its chunks claim to hold."""
        claims = claimed_bytes(block.table, self.limit)
        if self.sampling.everything:
            return Work(block, Rows(call, int(claims.sum()) + SLACK), None)
        records = np.maximum(block.table["records"], 1).astype(np.int64)
        expected = self.sampling.most(records) * (claims // records + 1)
        scratch = call.lease(int(claims.max()) + SLACK)
        return Work(block, Rows(call, int(np.minimum(expected, claims).sum())), scratch)

    def unpack(self, work: Work, i: int) -> None:
        """Inflate and sample one chunk. Raises DataError that names file and member."""
        block = work.block
        chunk = block.table[i]
        source = block.sources[chunk["source"]]
        records = self.inflate(
            block, chunk, source.path, work.rows.rest if work.scratch is None else work.scratch
        )
        which, cut = self.sampling.choose(len(records), chunk, source, self.seed)
        taken = len(records) if which is None else len(which)
        work.rows.take(records, which)
        work.chosen.append((i, np.arange(taken) if which is None else which))
        work.opened += len(records)
        work.cut += cut
        work.unsampled += len(records) - taken - cut

    def inflate(self, block: Chunks, chunk: np.void, path: str, out: Bytes) -> Bytes:
        """The records of one chunk: (n, stride)."""
        where = f"{path}: chunk {chunk['index']}"
        try:
            with self.files.reading(path) as fd:
                data, stride = block.format.inflate(fd, chunk, out, limit=self.limit, where=where)
        except DataError as error:
            raise name_member(error, block, chunk, path, where) from error
        except OSError as error:
            raise refused(error, where) from error
        return data.reshape(-1, stride)

    def close(self) -> None:
        """Close the files."""
        self.files.close()


@dataclass(slots=True)
class Work:
    """One call under way."""

    block: Chunks
    rows: Rows
    scratch: Bytes | None  #: None: chunks are inflated straight into `rows`
    chosen: list[tuple[int, NDArray[np.int64]]] = field(
        default_factory=list
    )  #: chunk of the block, positions
    opened: int = 0
    unsampled: int = 0
    cut: int = 0

    def frames(self) -> Frames:
        """The records so far."""
        rows = np.repeat([i for i, _ in self.chosen], [len(which) for _, which in self.chosen])
        origin = np.empty(len(rows), ORIGIN)
        origin["source"] = self.block.table["source"][rows]
        origin["chunk"] = self.block.table["index"][rows]
        origin["record"] = np.concatenate([which for _, which in self.chosen])
        return Frames(self.block.format, self.block.sources, self.rows.data, origin)


def name_member(error: DataError, block: Chunks, chunk: np.void, path: str, where: str) -> DataError:
    """The same error by the chunk's name in its file; looked up only now, because it may need the file."""
    try:
        member = block.format.describe(path, chunk)
    except (DataError, OSError):
        return error
    named = error.where.replace(where, f"{path}: {member}", 1)
    return DataError(error.reason, where=named, found=error.found, wanted=error.wanted)
