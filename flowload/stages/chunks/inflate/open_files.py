"""Descriptors of source files that are read again and again."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from types import TracebackType

from flowload.blocks import SourceFile
from flowload.errors import DataError
from flowload.files.identity import Identity, changed, identify
from flowload.files.regular import open_regular, translated

__all__ = ["OpenFiles", "Reader"]

log = logging.getLogger("flowload")


@dataclass(slots=True)
class Opened:
    """An open file descriptor, and how many readers use it now."""

    fd: int
    stamp: bytes  #: packed identity of the file when it was opened
    readers: int = 0


class OpenFiles:
    """Keeps the files that were read last open, for positional reads from several threads.

    A descriptor is closed when it is the longest unused of more than `limit`, or at `close`; never
    while it has a reader, so more may be open for a moment when many are read at once.
    """

    def __init__(self, limit: int = 64) -> None:
        self.limit = limit
        self.lock = threading.Lock()
        self.files: OrderedDict[str, Opened] = OrderedDict()  # longest unused first
        self.closed = False

    def __len__(self) -> int:
        return len(self.files)

    def reading(self) -> Reader:
        """A file opened for the duration of one call."""
        return Reader(self)

    def enter(self, path: str) -> Opened:
        """Find or open a file, which has a reader more. Raises DataError."""
        file = self.find(path)
        if file is not None:
            return file
        # Opening may take long on a network: not under the lock. Who comes second throws his away.
        fd = open_regular(path, "a readable file", missing=None)
        file = Opened(fd, identify(fd).pack())
        log.debug("unpack: %s: opened", path)
        with self.lock:
            if path in self.files:
                os.close(fd)
            else:
                self.files[path] = file
            return self.found(path)

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

    def __init__(self, files: OpenFiles) -> None:
        self.files = files
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

    def fd(self, source: SourceFile) -> int:
        """The descriptor of a file. Raises DataError, also where it is not the one that was indexed."""
        file = self.opened.get(source.path)
        if file is None:
            file = self.opened[source.path] = self.files.enter(source.path)
        if source.stamp and source.stamp != file.stamp:
            raise changed(source.path, Identity.unpack(file.stamp), Identity.unpack(source.stamp))
        return file.fd

    def try_fd(self, source: SourceFile) -> int:
        """The descriptor of a file; -1 where it cannot be opened."""
        try:
            return self.fd(source)
        except DataError:
            return -1
