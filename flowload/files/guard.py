"""What a table reads must stay as it was when it was opened: looked at after every read, and at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from time import perf_counter
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.errors import DataError

from .faults import Range, faults
from .identity import Identity, changed, identify, identity_of, stat_of
from .mapped import Mapped, map_fd, maps_of, watch_memory, watch_range
from .regular import opened, refused, translated

__all__ = ["Guard"]

CHEAP = 200e-6  #: seconds that a look may take every time; on a local disk a file takes 1.5 µs
QUICK = 1e-6  #: seconds that no look is expected to stay under
#: Seconds after which it is asked whether the handler of faults is still there, and whether paths still lead
#: to the files that are mapped. One that was replaced or deleted is read as it was, and named then.
VISIT = 0.05
SHARE = 50  #: a dearer look, as over a network, takes at most one part in so many of the time


class Guard:
    """The files of a table.

    In `with guard:` rows are read. What was read is thrown away, with a DataError that names the file, where
    one of the files was cut, written to, replaced or deleted by then: also in place of an error about the
    bytes that were found in it. What the operating system says is raised as DataError, too. A file that is
    read whole when it is opened is looked at by `check` alone.

    Examples:
        >>> guard = Guard()
        >>> with guard:
        ...     pass  # read rows
    """

    def __init__(self) -> None:
        self.read: dict[str, Identity] = {}  #: files that are read row by row
        self.mapped: dict[str, Identity] = {}  #: those of `maps`
        self.copied: dict[str, Identity] = {}  #: files that were read whole
        self.maps: list[tuple[str, Mapped, Identity]] = []
        self.ranges: list[tuple[str, Range]] = []  #: of maps that are somebody else's
        self.noted: dict[str, bytes] = {}  #: documents of a store that say how data are read, by URL
        self.behind: list[Callable[[], None]] = []  #: done when it is closed
        self.cost = 0.0  #: seconds of a look
        self.next_look = 0.0
        self.next_visit = 0.0

    # ---- opening

    def map(self, path: str | os.PathLike[str]) -> NDArray[np.uint8]:
        """The bytes of a file that has some, mapped. Raises DataError and NoDataError."""
        with opened(path) as fd:
            return np.frombuffer(self.map_fd(path, fd), np.uint8)

    def map_fd(self, path: str | os.PathLike[str], fd: int) -> Mapped:
        """Map a file that is open already, and watch it for changes."""
        name = os.fspath(path)
        with translated(name):
            memory, found = map_fd(fd)
        self.keep(self.mapped, name, found)
        self.maps.append((name, memory, found))
        return memory

    def watch(self, path: str | os.PathLike[str], found: Identity | None = None) -> None:
        """Look at a file after every read.

        Args:
            path: of the file.
            found: its identity when it was opened; None: what it is now.

        Raises DataError and NoDataError.
        """
        self.keep(self.read, os.fspath(path), found)

    def watch_copied(self, path: str | os.PathLike[str], found: Identity | None = None) -> None:
        """Look at a file after each pass and at the end; see `watch`."""
        self.keep(self.copied, os.fspath(path), found)

    def keep(self, files: dict[str, Identity], path: str, found: Identity | None) -> None:
        """Note what a file is; DataError where it was another before."""
        if found is None:
            with opened(path) as fd:
                found = identify(fd)
        known = files.setdefault(path, found)
        if known != found:
            raise changed(path, found, known)

    def watch_library(self, path: str | os.PathLike[str]) -> None:
        """Watch a file that a library has mapped: it must not be closed before this guard is."""
        self.watch(path)
        for begin, size in maps_of(self.read[os.fspath(path)]):
            found = watch_memory(begin, size)
            if found is not None:
                self.ranges.append((os.fspath(path), found))

    def watch_arrays(self, arrays: Iterable[tuple[str, NDArray[Any]]]) -> None:
        """Look at those of a user's arrays that are maps of files; the others are memory."""
        for key, array in arrays:
            base = file_map(array)
            found = None if base is None else watch_range(base)
            if base is not None and found is not None:
                self.ranges.append((str(getattr(base, "filename", None) or f"array {key!r}"), found))

    # ---- looking

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if error is None:
            self.look()
        elif isinstance(error, Exception):  # an interrupt goes on at once
            try:
                self.look(surely=True)
            except DataError as cause:
                raise cause from error
            if isinstance(error, OSError):
                raise refused(error, str(error.filename or next(iter(self.read), "rows"))) from error

    def look(self, *, surely: bool = False) -> None:
        """Raise DataError where what was read until now may not have been the file's.

        Args:
            surely: also where looks are dear, and the last one was just now.
        """
        self.look_at_maps()
        if not self.maps and not self.read:
            return
        began = perf_counter()
        if self.maps and (surely or began >= self.next_visit):
            self.next_visit = began + VISIT
            stay_handler()
            compare(self.mapped)
        if self.read and (surely or began >= self.next_look):
            compare(self.read)
            # One that took long because the thread was interrupted says nothing: what it costs rises slowly.
            self.cost = min(perf_counter() - began, 2 * self.cost + QUICK)
            if self.cost > CHEAP:
                self.next_look = began + SHARE * self.cost

    def look_at_maps(self) -> None:
        """Raise DataError where a mapped file was written to, or somebody read behind its end."""
        for path, memory, wanted in self.maps:
            info = os.fstat(memory.fd)  # half of what the path would cost
            if info.st_mtime_ns != wanted.modified or info.st_size != wanted.size:
                raise changed(path, identity_of(info), wanted)
        known = faults()
        if known is not None and known.any:
            self.look_at_flags()

    def look_at_flags(self) -> None:
        """Raise DataError where somebody read what was not there, or could not be read from the disk."""
        for path, memory, wanted in self.maps:
            if memory.cut:
                raise cut_off(path, wanted)
        for path, found in self.ranges:
            if found.hit:
                raise cut_off(path, self.read.get(path))

    def check(self) -> None:
        """Raise DataError unless every file is what it was, under the same path."""
        self.look_at_maps()
        for files in (self.read, self.mapped, self.copied):
            compare(files)

    def close(self) -> None:
        """Let go of the maps."""
        for _, found in self.ranges:
            found.release()
        self.ranges.clear()
        self.maps.clear()
        for files in (self.read, self.mapped, self.copied):
            files.clear()
        while self.behind:
            self.behind.pop()()

    def closing(self, work: Callable[[], None]) -> None:
        """Do this when the guard is closed: let go of what held its files, such as objects in a cache."""
        self.behind.append(work)


def stay_handler() -> None:
    """See `Faults.stay`."""
    known = faults()
    if known is not None:
        known.stay()


def compare(files: dict[str, Identity]) -> None:
    """Raise DataError for a file that is another one than before."""
    for path, wanted in list(files.items()):  # `close` may come from another thread
        try:  # not `with translated`, which takes as long as the call itself
            found = stat_of(path)
        except OSError as error:
            raise refused(error, path) from error
        if found != wanted:
            raise changed(path, found, wanted)


def cut_off(path: str, wanted: Identity | None) -> DataError:
    """The error for a map that had nothing behind it any more."""
    with translated(path):
        found = None if wanted is None else stat_of(path)
    if wanted is not None and found != wanted:
        return changed(path, found, wanted)
    said = "no bytes behind a part of its map"
    return DataError(
        "file changed", where=path, found=said, wanted="those that were there when it was mapped"
    )


def file_map(array: NDArray[Any]) -> NDArray[Any] | None:
    """The array at the bottom of a map of a file; None: it lies in memory, or in a map that we watch."""
    base: Any = array
    bottom: NDArray[Any] | None = None
    while isinstance(base, np.ndarray):
        bottom, base = base, base.base
    is_map = type(base).__module__ == "mmap" and type(base).__name__ == "mmap"
    return bottom if is_map else None
