"""`fl.read`: files become references to the chunks in them."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowload.abc.adapted_format import full_format
from flowload.abc.chunk_formats import ChunkFormat, Listed, ListingFormat
from flowload.abc.operators import Call, OnError, Operator, Setting
from flowload.abc.simple import RecordFormat
from flowload.blocks import CHUNK, Chunks, Files, SourceFile
from flowload.errors import DataError, GraphError
from flowload.files.identity import Identity, changed
from flowload.files.objects.bring import identity_at, nothing, opening
from flowload.files.objects.place import Place
from flowload.files.regular import translated
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.stages.files.objects.index import ObjectIndex
from flowload.stages.files.seen import Seen
from flowload.stages.registry import find_format

__all__ = ["Index", "Memo", "ReadStage", "read"]

log = logging.getLogger("flowload")

MEMO = 8 << 20  #: bytes of indexes that are kept for the next pass at most

NEEDED = ("name", "suffixes", "layouts", "index", "inflate", "describe")  #: what makes a ChunkFormat

Table: TypeAlias = NDArray[np.void]


@dataclass(frozen=True, kw_only=True)
class ReadStage(Stage):
    """The declaration of `read`."""

    word: ClassVar[str] = "read"
    accepts: ClassVar[tuple[type, ...]] = (Files,)
    makes: ClassVar[type] = Chunks

    format: ChunkFormat

    def __post_init__(self) -> None:
        super().__post_init__()
        missing = [name for name in NEEDED if not hasattr(self.format, name)]
        if missing:
            raise GraphError(f"read: {self.format!r} is not a ChunkFormat: it has no {', '.join(missing)}")

    def open(self, setting: Setting) -> Sequence[Operator]:
        """The operators of a run: one Map, which indexes files."""
        growing = any(stage.growing for stage in setting.upstream)
        return (Index(self.format, Memo(self.memory(setting)), None if growing else Seen()),)

    def memory(self, setting: Setting) -> int:
        """Bytes of the indexes that are kept; a single pass keeps none."""
        growing = any(stage.growing for stage in setting.upstream)
        return 0 if growing or setting.epochs == 1 else MEMO

    def parameters(self) -> Mapping[str, object]:
        """The format by its name."""
        return {**super().parameters(), "format": self.format.name}


class Memo:
    """Indexes of files that did not change since; safe for several threads.

    What does not fit is not kept: passes go round in one order, and throwing out the oldest would throw out
    each index just before it is wanted.
    """

    def __init__(self, capacity: int) -> None:
        self.free = capacity  #: bytes
        self.lock = threading.Lock()
        self.kept: dict[str, tuple[Identity, Listed]] = {}

    def get(self, path: str, stamp: Identity) -> Listed | None:
        """The index of a file, if it is still of this identity; else None."""
        with self.lock:
            known, index = self.kept.get(path, (None, None))
        return index if known == stamp else None

    def put(self, path: str, stamp: Identity, index: Listed) -> None:
        """Keep an index if it fits, in place of an older one of the same file."""
        with self.lock:
            _, old = self.kept.pop(path, (None, None))
            self.free += 0 if old is None else old.table.nbytes
            if index.table.nbytes <= self.free:
                self.free -= index.table.nbytes
                self.kept[path] = stamp, index


class Index:
    """Opens files of a format and lists their chunks, headers only; pure but for what it remembers.

    Args:
        format: of the files.
        memo: keeps indexes for the next pass.
        seen: knows what files were in earlier passes; None: none comes twice.
    """

    def __init__(
        self,
        format: ChunkFormat,  # noqa: A002 - the house's word for it
        memo: Memo,
        seen: Seen | None = None,
    ) -> None:
        self.format = format
        self.memo = memo
        self.seen = seen
        self.indexed = 0  #: files
        self.by_index = 0  #: files of which an index was read instead
        self.chunk_counts: dict[str, int] = {}  #: by file, of a growing source
        self.told: set[str] = set()  #: reasons for which members were left out, or are doubtful
        self.counting = threading.Lock()

    def gauges(self) -> dict[str, float]:
        """Files that were indexed, and those that had been before."""
        known = {"files_by_index": float(self.by_index)} if self.by_index else {}
        return {"files_indexed": self.indexed, **known}

    def apply(self, files: Files, call: Call) -> Chunks | None:
        """The chunks of some files; a file that cannot be indexed is rejected, and counts as one chunk."""
        sources: list[SourceFile] = []
        tables: list[Table] = []
        left_out: Counter[str] = Counter()
        known = {} if self.seen is None else self.seen.before(files.paths)
        for path, indexed in zip(files.paths, files.indexes or repeat(""), strict=False):
            try:
                stamp, listed = self.index(path, known.get(path), call.go_on, indexed)
            except DataError as error:
                call.reject(error)
                continue
            tables.append(listed.table)
            if self.seen is None:
                self.chunk_counts[path] = len(listed.table)
            left_out.update(listed.left_out)
            sources.append(SourceFile(path, stamp=stamp.pack()))
        if self.seen is not None:
            self.seen.enter(files.paths, sources)
        call.opened(sum(map(len, tables)) + left_out.total())
        for reason, count in left_out.items():
            call.drop(count, reason)
        if not tables:
            return None
        whole = np.concatenate(tables)
        whole["source"] = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
        whole["use"] = files.epoch
        return Chunks(self.format, tuple(sources), whole)

    def count_chunks(self, path: str) -> int:
        """See `Counting`."""
        if path not in self.chunk_counts:
            try:
                self.chunk_counts[path] = len(self.index(path)[1].table)
            except DataError:  # whoever reads it says so
                return 0
        return self.chunk_counts[path]

    def index(
        self,
        path: str,
        before: Identity | None = None,
        go_on: Callable[[], None] = nothing,
        indexed: str = "",
    ) -> tuple[Identity, Listed]:
        """The identity of one file and what it holds; it must be what it was in an earlier pass.

        Args:
            path: of the file.
            before: what it was.
            go_on: asked while an object is brought; may raise.
            indexed: path of an index of an object; empty: there is none. One that does not fit is told, and
                the object itself is read.

        Raises DataError, also for what the operating system refuses.
        """
        if indexed and (known := self.from_index(path, indexed, go_on)) is not None:
            return known
        with translated(path, missing=None), opening(path, go_on) as stamp:
            if before is not None and stamp != before:
                raise changed(path, stamp, before)
            listed = self.memo.get(path, stamp)
            if listed is None:
                listed = self.list_chunks(path)
                self.memo.put(path, stamp, listed)
                log.debug("read: %s: indexed, %d chunks", path, len(listed.table))
                with self.counting:
                    self.indexed += 1
        return stamp, listed

    def from_index(
        self, path: str, indexed: str, go_on: Callable[[], None]
    ) -> tuple[Identity, Listed] | None:
        """The same of an object that has an index, without a look at it; None: the index is of no use."""
        version = Place.of(path).version
        stamp = identity_at(path, Identity(0, 0, version.size, 0))
        listed = self.memo.get(path, stamp)
        if listed is not None:
            return stamp, listed
        try:
            with opening(indexed, go_on):
                data = Path(indexed).read_bytes()
            listed = ObjectIndex.unpack(data, indexed).check(self.format.name, version, indexed).listed
        except (DataError, OSError) as error:
            log.warning("read: %s; the object is read instead: `flowload index` makes another", error)
            return None
        self.tell(listed, path)
        self.memo.put(path, stamp, listed)
        log.debug("read: %s: %d chunks, by its index", path, len(listed.table))
        with self.counting:
            self.by_index += 1
        return stamp, listed

    def list_chunks(self, path: str) -> Listed:
        """What a file holds. Raises OSError and DataError."""
        form = self.format
        found = form.listed(path) if isinstance(form, ListingFormat) else Listed(form.index(path), {})
        self.tell(found, path)
        return found

    def tell(self, found: Listed, path: str) -> None:
        """Say what is left out, or doubtful, for the first time. Raises DataError for what is no index."""
        self.checked(found.table, path)
        for reason, count in found.left_out.items():
            if self.is_new(reason):
                more = "; more of the kind, here or in other files, is counted in the ledger"
                log.warning("read: %s: left out %d members: %s%s", path, count, reason, more)
        for reason, count in found.doubtful.items():
            if self.is_new(reason):
                log.warning("read: %s: read %d members all the same: %s", path, count, reason)

    def is_new(self, reason: str) -> bool:
        """Whether this is told for the first time."""
        with self.counting:
            new = reason not in self.told
            self.told.add(reason)
        return new

    def check_files(self) -> None:
        """Raise DataError where a file is another one than when it was indexed."""
        if self.seen is not None:
            self.seen.check()

    def checked(self, table: NDArray[Any], path: str) -> None:
        """Refuse an index that has not the agreed form, or no chunk."""
        if table.dtype != CHUNK:
            raise GraphError(f"read: format {self.format.name!r} indexes as {table.dtype}; wanted CHUNK")
        if len(table) == 0:
            raise DataError("no chunks", where=path, found="an empty source", wanted="at least one chunk")


@names_keywords
def read(
    format: str | ChunkFormat | RecordFormat,  # noqa: A002 - the house's word for it
    *,
    workers: int | None = None,
    on_error: OnError = "raise",
    max_errors: int | float | None = None,
) -> Graph:
    """Open and index files, several at once: references to their chunks. No chunk is read yet.

    Args:
        format: a name, such as "lc0", or an object of your own: a `flowload.abc.RecordFormat` (an index and
            an inflate) or, in the full form, a `flowload.abc.ChunkFormat`.
        workers: files at once; None: as many as there are CPUs.
        on_error: "skip" counts files that cannot be indexed, instead of ending the run.
        max_errors: how many files (int), or which share of the files (float), may be skipped.

    Examples:
        >>> with (fl.discover(sample_path("chess")) >> fl.read("lc0")).iterate() as run:
        ...     chunks = next(run)
        >>> len(chunks) > 1, chunks.sources[0].path.endswith(".tar")
        (True, True)
    """
    form = find_format(format) if isinstance(format, str) else full_format(format)
    return place(ReadStage(format=form, workers=workers, on_error=on_error, max_errors=max_errors))
