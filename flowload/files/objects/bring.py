"""Opening a file that may be an object of a cache: one that is not there is brought, by one who asks."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flowload.errors import DataError
from flowload.files.drafts import write_all
from flowload.files.identity import Identity, identify, identity_of
from flowload.files.regular import refused

from .cache import NO_ROOM, PART, TURN, Cache, Full, locked
from .place import Place, digest_of, is_place
from .request import LOOK, Found, Wait
from .store import store_of
from .traffic import TRAFFIC
from .trouble import Budget, again

__all__ = ["PATIENCE", "asking", "bring", "identity_at", "nothing", "open_object", "opening", "was_opened"]

log = logging.getLogger("flowload")

LARGE = 256 << 20  #: bytes; a larger object comes in several requests
RANGE = 64 << 20  #: bytes of each of those: well below what is asked of a connection
#: Times of writing that a file in a cache has: whether anybody has opened it; its version is its path's.
BROUGHT, OPENED = 0, 1_000_000_000
PATIENCE = 60.0  #: seconds to wait for room while all that could go is open, which is for calls alone
TIMES = 100  #: that an object may go again between being brought and being opened


def nothing() -> None:
    """The `go_on` of who cannot be told to stop."""


def asking(go_on: Callable[[], None]) -> Wait:
    """A wait that asks all the time whether to go on; see `Call.go_on`."""

    def wait(seconds: float) -> None:
        go_on()
        while seconds > 0:
            time.sleep(min(seconds, LOOK))
            go_on()
            seconds -= LOOK

    return wait


def open_object(path: str, go_on: Callable[[], None] = nothing, patience: float = PATIENCE) -> int:
    """The descriptor of an object in a cache, which stays there until it is closed. Raises DataError.

    Args:
        path: see `Place`.
        go_on: asked while it is brought; may raise.
        patience: seconds to wait for room while all that could go is open.
    """
    for _ in range(TIMES):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            with TRAFFIC.awaited():
                bring(path, asking(go_on), patience=patience)
            continue
        except OSError as error:
            raise refused(error, path) from error
        fcntl.flock(fd, fcntl.LOCK_SH)  # who removes it has its lock for as long as that takes
        info = os.fstat(fd)
        if info.st_nlink:
            os.utime(fd, ns=(time.time_ns(), OPENED))
            return fd
        os.close(fd)
    place = Place.of(path)
    wanted = "a larger cache_bytes, or fewer processes"
    raise DataError(NO_ROOM, where=place.url, found="made room for others", wanted=wanted)


@contextmanager
def opening(path: str, go_on: Callable[[], None] = nothing) -> Iterator[Identity]:
    """Inside, a file is there to be opened by its path: its identity. Raises OSError and DataError.

    A file that is no object of a cache is asked for its identity alone.
    """
    if not is_place(path):
        yield identity_of(os.stat(path))  # noqa: PTH116 - a Path interns its parts, for good
        return
    fd = open_object(path, go_on)
    try:
        yield identity_at(path, identify(fd))
    finally:
        os.close(fd)


def identity_at(path: str, found: Identity) -> Identity:
    """The identity of a file as other processes and later passes will find it.

    Of an object that is its version: brought again it is another file, with the same bytes.
    """
    if not is_place(path):
        return found
    return Identity(0, int(Place.of(path).version.digest, 16), found.size, 0)


def was_opened(path: str) -> bool:
    """Whether an object that was brought has been opened since, or has gone."""
    try:
        return os.stat(path).st_mtime_ns == OPENED  # noqa: PTH116 - asked of many
    except OSError:
        return True


def bring(path: str, wait: Wait, *, budget: Budget | None = None, patience: float = PATIENCE) -> bool:
    """See that an object is in its cache; whether it had to be brought. One process at a time brings it.

    Raises DataError for what the store says, another version than the path's, and no room.
    """
    place = Place.of(path)
    end = time.monotonic() + patience
    try:
        while True:
            done = bring_now(place, path, wait, budget or Budget())
            if isinstance(done, bool):
                return done
            if done.coming:
                end = time.monotonic() + patience
            if time.monotonic() > end:
                raise done.error
            wait(TURN)  # without the lock: who waits for that one may have open what could make room
    except OSError as error:
        raise refused(error, f"{place.url} in {place.root}", "a folder to keep objects in") from error


def bring_now(place: Place, path: str, wait: Wait, budget: Budget) -> bool | Full:
    """The same where there is room; else what is in the way. Raises OSError, too."""
    folder, _, name = path.rpartition(os.sep)
    part = f"{folder}{os.sep}.{name}{PART}"
    cache, size = Cache(place.root), place.version.size
    with locked(part, wait) as fd:
        if Path(path).exists():
            Path(part).unlink()
            return False
        taken = os.fstat(fd).st_size == size != 0  # by somebody who was killed
        full = None if taken else reserve(cache, fd, part, place)
        if full is not None:
            return full
        fetch(place, fd, part, wait, budget)
        os.utime(fd, ns=(time.time_ns(), BROUGHT))
        with cache.books():  # who counted meanwhile would find neither name, and room that is none
            Path(part).rename(path)
    TRAFFIC.brought(path)
    log.debug("%s: brought, %d bytes", place.url, size)
    return True


def reserve(cache: Cache, fd: int, part: str, place: Place) -> Full | None:
    """Take room for an object; where there is none, nothing stays of it. Raises DataError."""
    full: Full | None = None
    try:
        full = cache.reserve(fd, place.version.size, place.url)
    except BaseException:
        Path(part).unlink()
        raise
    if full is not None:
        Path(part).unlink()
    return full


def fetch(place: Place, fd: int, part: str, wait: Wait, budget: Budget) -> None:
    """Write all bytes of an object to a file that has its room, or leave nothing of it. Raises DataError."""
    try:
        download = Download(place, fd)
        while not download.whole:
            again(lambda: download.more(wait, budget), place.url, wait, budget)
    except BaseException:
        Cache(place.root).give_up(part, place.version.size)
        raise


class Download:
    """The bytes of one object as they come; what broke off goes on where it was."""

    def __init__(self, place: Place, fd: int) -> None:
        self.place = place
        self.fd = fd
        base, _, self.key = place.url.rpartition("/")
        self.base = base
        self.at = 0  #: bytes that are there
        self.stop = 0  #: bytes that will be there with this request
        self.whole = False
        self.wait: Wait = time.sleep
        self.budget = Budget()

    def more(self, wait: Wait, budget: Budget) -> None:
        """One request. Raises what its library raises, ConnectionError for a short answer, and DataError."""
        size = self.place.version.size
        end = min(self.at + RANGE, size) if size > LARGE else None
        self.stop = size if end is None else end
        self.wait, self.budget = wait, budget
        store_of(self.base).get(self.key, self.at, end, self, wait)
        if self.at < self.stop:
            raise ConnectionError(f"truncated: {self.at:,} bytes came, of {self.stop:,}")
        self.whole = self.at == size

    def piece(self, data: bytes) -> None:
        """See `Take`. Raises ConnectionError for more than was asked for."""
        self.wait(0)
        if self.at + len(data) > self.stop:
            raise ConnectionError(f"{self.at + len(data):,} bytes came, of {self.stop:,}")
        write_all(self.fd, data, self.at)
        self.at += len(data)
        self.budget.progressed()

    def begin(self, found: Found) -> None:
        """See `Take`. Raises DataError where the store has another version by now."""
        wanted = self.place.version
        if found.version != wanted:
            raise DataError(
                "object changed",
                where=self.place.url,
                found=f"{found.size:,} bytes, version {found.tag.strip(chr(34))} ({digest_of(found.tag)})",
                wanted=f"{wanted.size:,} bytes, version {wanted.digest}, as when it was listed",
            )
