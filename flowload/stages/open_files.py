"""Descriptors of source files that are read again and again."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["OpenFiles"]


@dataclass(slots=True)
class Opened:
    """One descriptor, and how many calls read from it now."""

    fd: int
    readers: int = 0


class OpenFiles:
    """Keeps the files that were read last open, for positional reads from several threads.

    A descriptor is closed when it is the longest unused of more than `limit`, or at `close`; never
    while a reader is in it, so more may be open for a moment when more readers than `limit` read.
    """

    def __init__(self, limit: int = 64) -> None:
        self.limit = limit
        self.lock = threading.Lock()
        self.files: OrderedDict[str, Opened] = OrderedDict()  # longest unused first
        self.closed = False

    def __len__(self) -> int:
        return len(self.files)

    @contextmanager
    def reading(self, path: str) -> Iterator[int]:
        """The descriptor of a file while it is read. Raises OSError."""
        file = self.enter(path)
        try:
            yield file.fd
        finally:
            with self.lock:
                file.readers -= 1
                self.trim()

    def enter(self, path: str) -> Opened:
        """Find or open a file, and be one of its readers."""
        file = self.find(path)
        if file is not None:
            return file
        # Opening may take long on a network: not under the lock. Who comes second throws his away.
        fd = os.open(path, os.O_RDONLY)
        with self.lock:
            if path in self.files:
                os.close(fd)
            else:
                self.files[path] = Opened(fd)
            return self.found(path)

    def find(self, path: str) -> Opened | None:
        """A file that is open."""
        with self.lock:
            return self.found(path) if path in self.files else None

    def found(self, path: str) -> Opened:
        """Be a reader of an open file, the last used one; called with the lock."""
        self.files.move_to_end(path)
        file = self.files[path]
        file.readers += 1
        return file

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
