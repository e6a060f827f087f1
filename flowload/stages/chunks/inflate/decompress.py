"""Chunks by reference become records in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowload.abc.chunk_formats import BulkFormat, CheckedFormat, ChunkFormat, PackingFormat, Unpacked, Uses
from flowload.abc.operators import Bytes, Call
from flowload.blocks import ORIGIN, Chunks, Frames, SourceFile
from flowload.errors import DataError
from flowload.files.regular import refused
from flowload.stages.chunks.source_table import FindFormat
from flowload.stages.registry import find_format

from .open_files import OpenFiles, Reader
from .recall import RecalledIndexes, Strict, places_of
from .rechunk import claimed_bytes
from .record_buffer import RecordBuffer
from .sampling import Sampling

__all__ = ["SCRATCH", "SLACK", "STEP", "Decompress"]

SCRATCH = 2 << 20  #: bytes that most chunks fit into
STEP = 1 << 19  #: samples of a block are leased in multiples of so many bytes
SLACK = 64  #: bytes that an inflater may want beyond the end, to see that it is the end


class Decompress:
    """A map; a bad chunk is rejected alone, the others of its block go on.

    A chunk is inflated into scratch memory that stays in the cache, and what is taken of it is packed, or
    copied, from there. Where every record is taken and the format does not pack, chunks are inflated one
    behind the other into the memory that goes on: no copy.

    A format that can unpacks all chunks of a block in one call. Where it stops, the next chunk is unpacked
    alone, which says what is wrong with it, or gets the memory that it needs.

    Args:
        sampling: which records a use gives.
        seed: of the run.
        limit: a chunk's largest decompressed size in bytes.
        room: what is leased at least for a block of everything, in bytes.
        step: samples of a block are leased in multiples of so many bytes.
        checked: values of records must keep the format's rules.
        find: the format of a name, for `recall`.
    """

    def __init__(
        self,
        sampling: Sampling,
        *,
        seed: int,
        limit: int,
        room: int = 0,
        step: int = STEP,
        checked: bool = True,
        find: FindFormat = find_format,
    ) -> None:
        self.find = find
        self.sampling = sampling
        self.seed = seed
        self.limit = limit
        self.room = room
        self.step = step
        self.checked = checked
        self.files = OpenFiles()
        self.packers: dict[str, Packer] = {}  # by name of the format
        self.spare: list[Bytes] = []  # scratch that no call works in; who pops it has it alone
        self.recalled = RecalledIndexes()

    def apply(self, block: Chunks, call: Call) -> Frames | None:
        """The records of a block of chunk uses; None when nothing is left of it."""
        work = self.begin(block, call)
        done = 0
        with self.files.reading(call.go_on) as reader:
            while done < len(block):
                if work.packer.bulk is not None:
                    done += self.unpack_many(work, done, work.packer.bulk, reader)
                if done < len(block):
                    try:
                        self.unpack(work, done, reader)
                    except DataError as error:
                        call.reject(error)
                    done += 1
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
        if self.sampling.everything and packer.one is None:
            # Leases of one size are each other's: the memory that comes next was just in use.
            return Work(block, packer, RecordBuffer(call, max(int(claims.sum()) + SLACK, self.room)), None)
        row = None if packer.one is None else packer.one.row_bytes
        expected = self.sampling.most_bytes(block.table, claims, row)
        in_the_file = 0 if packer.bulk is None else min(int(block.table["size"].max()), self.limit)
        scratch = self.scratch(int(claims.max()) + SLACK + in_the_file, call)
        rows = RecordBuffer(call, -(-int(expected.sum()) // self.step) * self.step, packer.one)
        return Work(block, packer, rows, scratch)

    def packer_of(self, form: ChunkFormat) -> Packer:
        """How a format packs and checks; asked once: asking a protocol takes longer than a block does."""
        known = self.packers.get(form.name)
        if known is None or known.format is not form:
            one = form if isinstance(form, PackingFormat) else None
            bulk = form if isinstance(form, BulkFormat) and form.in_bulk else None
            rules = form if self.checked and isinstance(form, CheckedFormat) else None
            known = self.packers[form.name] = Packer(form, one, bulk, rules)
        return known

    def scratch(self, nbytes: int, call: Call) -> Bytes:
        """Memory to inflate into: where it can, what was used last, because that is still in the cache."""
        try:
            memory = self.spare.pop()
        except IndexError:
            return call.lease(max(nbytes, SCRATCH))
        return memory if len(memory) >= nbytes else call.lease(nbytes)

    def unpack_many(self, work: Work, first: int, form: BulkFormat, reader: Reader) -> int:
        """Unpack chunks from one on, as far as it goes; how many."""
        block, rows = work.block, work.rows
        table = block.table[first:]
        fds = np.array([reader.try_fd(source) for source in block.sources], np.int32)
        keys = np.array([source.key for source in block.sources], np.uint64)
        rule = self.sampling.num, self.sampling.den, self.sampling.count
        free = rows.free(form.row_bytes)
        counts = np.empty((len(table), 3), np.int64)
        out = Unpacked(free, np.empty(len(free), ORIGIN), counts)
        assert work.scratch is not None, "a format that packs unpacks from scratch"  # noqa: S101 - see begin
        uses = Uses(table, fds, keys, self.seed, rule, self.limit, self.checked)
        done = form.unpack(uses, work.scratch, out)
        opened, taken, cut = counts[:done].sum(axis=0).tolist()
        rows.count += taken
        work.enter(out.origin[:taken], opened, cut)
        return done

    def unpack(self, work: Work, i: int, reader: Reader) -> None:
        """Inflate, check and sample one chunk. Raises DataError that names file and member."""
        chunk, source = work.block.table[i], work.block.sources[work.block.table["source"][i]]
        where = f"{source.path}: chunk {chunk['index']}"
        fd = reader.fd(source)
        with named(work.block.format, chunk, source.path, where):
            records = self.inflate(work, chunk, fd, where)
            which, cut = self.sampling.choose(len(records), chunk, source, self.seed)
            if work.packer.rules is not None:
                work.packer.rules.check(records, which, where)
        work.rows.take(records, which)
        origin = np.empty(len(records) if which is None else len(which), ORIGIN)
        origin["source"], origin["chunk"] = chunk["source"], chunk["index"]
        origin["record"] = np.arange(len(records)) if which is None else which
        work.enter(origin, len(records), cut)

    def inflate(self, work: Work, chunk: np.void, fd: int, where: str) -> Bytes:
        """The records of one chunk: (n, stride)."""
        out = work.rows.rest if work.scratch is None else work.scratch
        data, stride = work.block.format.inflate(fd, chunk, out, limit=self.limit, where=where)
        return data.reshape(-1, stride)

    def recall(
        self, form: str, sources: Sequence[SourceFile], origin: NDArray[np.void], call: Call
    ) -> Frames:
        """Records that were given before: all of each chunk are inflated. Raises DataError.

        What is bad in records that are not wanted is not looked for: it was not when they were given.
        """
        wanted, chunks = self.recalled.chunks(self.find(form), sources, origin)
        again = Decompress(Sampling(), seed=self.seed, limit=self.limit, checked=False)
        with ExitStack() as stack:
            stack.callback(again.close)
            frames = again.apply(chunks, Strict(call))
        missing = "the records that a state names are not in the file"
        if frames is None:
            raise DataError(missing, where=chunks.sources[0].path, found="none")
        rows = places_of(frames, wanted, origin["record"])
        if rows is None:
            raise DataError(missing, where=chunks.sources[0].path, found="chunks of fewer records")
        return Frames(chunks.format, tuple(sources), frames.data[rows], origin)

    def gauges(self) -> dict[str, float]:
        """Objects of a store that had to be brought again; see `flowload.observe.stats`."""
        return {"objects_brought_again": self.files.again} if self.files.again else {}

    def close(self) -> None:
        """Close the files, let go of the memory."""
        self.recalled.clear()
        self.files.close()
        self.spare.clear()


class Packer(NamedTuple):
    """The powers of a format that decompressing uses: packing, many chunks at once, rules of values."""

    format: ChunkFormat
    one: PackingFormat | None  #: one chunk after the other
    bulk: BulkFormat | None  #: many at once
    rules: CheckedFormat | None  #: what values must keep; None: nothing


@dataclass(slots=True)
class Work:
    """State of one call: its chunks, the rows that are inflated into, and counts."""

    block: Chunks
    packer: Packer
    rows: RecordBuffer
    scratch: Bytes | None  #: None: chunks are inflated straight into `rows`
    origins: list[NDArray[np.void]] = field(default_factory=list)  #: of the records so far
    opened: int = 0
    unsampled: int = 0
    cut: int = 0

    def enter(self, origin: NDArray[np.void], opened: int, cut: int) -> None:
        """Records of these origins were taken, of so many, and so many more were cut off."""
        self.origins.append(origin)
        self.opened += opened
        self.cut += cut
        self.unsampled += opened - len(origin) - cut

    def frames(self) -> Frames:
        """The records inflated so far, as a block."""
        origin = self.origins[0] if len(self.origins) == 1 else np.concatenate(self.origins)
        return Frames(self.block.format, self.block.sources, self.rows.data, origin)


@contextmanager
def named(form: ChunkFormat, chunk: np.void, path: str, where: str) -> Iterator[None]:
    """Errors in here say the chunk's name in its file; looked up only then, because it may need the file."""
    try:
        yield
    except DataError as error:
        raise name_member(error, form, chunk, path, where) from error
    except OSError as error:
        raise refused(error, where) from error


def name_member(error: DataError, form: ChunkFormat, chunk: np.void, path: str, where: str) -> DataError:
    """The error with the chunk's name in its file; looked up only now, because that may need the file."""
    try:
        member = form.describe(path, chunk)
    except (DataError, OSError):
        return error
    named = error.where.replace(where, f"{path}: {member}", 1)
    return DataError(error.reason, where=named, found=error.found, wanted=error.wanted)
