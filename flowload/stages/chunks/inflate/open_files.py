"""Descriptors of source files that are read again and again."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from flowload.blocks import SourceFile
from flowload.errors import DataError
from flowload.files.identity import Identity, changed, identify
from flowload.files.objects.bring import PATIENCE, identity_at, nothing, open_object
from flowload.files.objects.cache import NO_ROOM
from flowload.files.objects.place import is_place
from flowload.files.objects.traffic import TRAFFIC
from flowload.files.regular import open_regular, translated

__all__ = ["OpenFiles", "Reader"]

log = logging.getLogger("flowload")


@dataclass(slots=True)
class Opened:
    """An open file descriptor, and how many readers use it now."""

    fd: int
    stamp: bytes  #: packed identity of the file when it was opened
    version: bytes  #: the same as those who index it find it: see `identity_at`
    readers: int = 0
    object: str = ""  #: its path, where it is an object in a cache


class OpenFiles:
    """Keeps the files that were read last open, for positional reads from several threads.

    Objects in a cache are closed by their last reader: what is open cannot make room for others.

    A descriptor is closed when it is the longest unused of more than `limit`, or at `close`; never
    while it has a reader, so more may be open for a moment when many are read at once.
    """

    def __init__(self, limit: int = 64) -> None:
        self.limit = limit
        self.lock = threading.Lock()
        self.files: OrderedDict[str, Opened] = OrderedDict()  # longest unused first
        self.closed = False
        self.again = 0  #: objects that made room before they were read

    def __len__(self) -> int:
        return len(self.files)

    def reading(self, go_on: Callable[[], None] = nothing) -> Reader:
        """A file opened for the duration of one call. `go_on` is asked while an object is brought."""
        return Reader(self, go_on)

    def enter(self, path: str, go_on: Callable[[], None] = nothing, patience: float = PATIENCE) -> Opened:
        """Find or open a file, which has a reader more; see `open_object`. Raises DataError."""
        file = self.find(path)
        if file is not None:
            return file
        # Opening may take long on a network: not under the lock. Who comes second throws his away.
        cached = is_place(path)
        if cached:
            self.notice(path)
        fd = (
            open_object(path, go_on, patience)
            if cached
            else open_regular(path, "a readable file", missing=None)
        )
        found = identify(fd)
        file = Opened(fd, found.pack(), identity_at(path, found).pack(), object=path if cached else "")
        log.debug("unpack: %s: opened", path)
        with self.lock:
            if path in self.files:
                os.close(fd)
            else:
                self.files[path] = file
            return self.found(path)

    def notice(self, path: str) -> None:
        """Count an object that has to be brought again, which a larger cache would have kept."""
        if TRAFFIC.knows(path) and not Path(path).exists():
            with self.lock:
                self.again += 1
                first = self.again == 1
            if first:
                log.warning("unpack: %s: brought again; cache_bytes is less than what is read from", path)

    def find(self, path: str) -> Opened | None:
        """An open file, with its count of readers raised by one."""
        with self.lock:
            return self.found(path) if path in self.files else None

    def found(self, path: str) -> Opened:
        """An open file, with a reader more, as the last used one; called with the lock."""
        self.files.move_to_end(path)
        file = self.files[path]
        file.readers += 1
        return file

    def leave(self, files: list[Opened]) -> None:
        """A reader less for each."""
        with self.lock:
            for file in files:
                file.readers -= 1
                if file.object and not file.readers:
                    os.close(self.files.pop(file.object).fd)
            self.trim()

    def trim(self) -> None:
        """Close what is too much, longest unused first; called with the lock."""
        keep = 0 if self.closed else self.limit
        excess = len(self.files) - keep
        if excess <= 0:
            return
        for path in [path for path, file in self.files.items() if not file.readers][:excess]:
            os.close(self.files.pop(path).fd)

    def close(self) -> None:
        """Close every file that nobody reads; the others are closed by their last reader."""
        with self.lock:
            self.closed = True
            self.trim()


class Reader:
    """A context in which the files that it was asked for stay open.

    It ends with a DataError where one of them was written to meanwhile: nothing that was read in it is to be
    used. What became of its name (deleted, replaced) does not matter to a file that is open.
    """

    def __init__(self, files: OpenFiles, go_on: Callable[[], None] = nothing) -> None:
        self.files = files
        self.go_on = go_on
        self.opened: dict[str, Opened] = {}

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        try:
            if error is None or isinstance(error, DataError):
                self.check(error)
        finally:
            self.files.leave(list(self.opened.values()))

    def check(self, error: DataError | None) -> None:
        """Raise DataError for a file that is not what it was when it was opened, whatever else was found."""
        for path, file in self.opened.items():
            with translated(path):
                found = identify(file.fd)
            if found.pack() != file.stamp:
                raise changed(path, found, Identity.unpack(file.stamp)) from error

    def fd(self, source: SourceFile, *, keep: bool = False) -> int:
        """The descriptor of a file. Raises DataError, also where it is not the one that was indexed.

        It may close others to make room for an object in a cache, unless they are to be kept.
        """
        file = self.opened.get(source.path)
        if file is None:
            try:
                file = self.enter(source.path)
            except DataError as error:
                if error.reason != NO_ROOM or not self.opened or keep:
                    raise
                self.let_go()
                file = self.enter(source.path)
            self.opened[source.path] = file
        if source.stamp and source.stamp != file.version:
            raise changed(source.path, Identity.unpack(file.version), Identity.unpack(source.stamp))
        return file.fd

    def enter(self, path: str) -> Opened:
        """Open a file, with a reader more. Raises DataError.

        Whoever has objects open does not wait for others to make room for one more: they may wait for him.
        """
        patience = 0.0 if any(file.object for file in self.opened.values()) else PATIENCE
        return self.files.enter(path, self.go_on, patience)

    def let_go(self) -> None:
        """Give back what is open, so that an object has room. Raises DataError, see `check`."""
        self.check(None)
        given, self.opened = self.opened, {}
        self.files.leave(list(given.values()))

    def try_fd(self, source: SourceFile) -> int:
        """The descriptor of a file; -1 where it cannot be opened."""
        try:
            return self.fd(source, keep=True)
        except DataError:
            return -1
