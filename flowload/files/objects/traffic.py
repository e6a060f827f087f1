"""What this process asked of networks, and how long that took; asked by whoever shows a run's statistics."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import NamedTuple

__all__ = ["TRAFFIC", "Taken", "Traffic"]


MOST = 1 << 17  #: objects that are remembered: 8 MB


class Taken(NamedTuple):
    """Counts since the process began."""

    requests: int = 0  #: those under way included
    failures: int = 0  #: of them, those that gave no whole answer
    nbytes: int = 0  #: of answers
    seconds: float = 0.0  #: of all requests together
    busy: float = 0.0  #: seconds in which at least one was under way
    waiting: float = 0.0  #: seconds in which a stage waited for what it needs next

    def since(self, before: Taken) -> Taken:
        """What came on top of an earlier count."""
        return Taken(
            self.requests - before.requests,
            self.failures - before.failures,
            self.nbytes - before.nbytes,
            self.seconds - before.seconds,
            self.busy - before.busy,
            self.waiting - before.waiting,
        )


class Stretches:
    """Seconds in which somebody was at it, whoever, and how many."""

    def __init__(self) -> None:
        self.at_it = 0
        self.began = 0.0
        self.over = 0.0

    def enter(self, now: float) -> None:
        """A request, or a wait for one, begins."""
        if not self.at_it:
            self.began = now
        self.at_it += 1

    def leave(self, now: float) -> None:
        """One of them is over."""
        self.at_it -= 1
        if not self.at_it:
            self.over += now - self.began

    def seconds(self, now: float) -> float:
        """Seconds in which at least one was under way, up to now."""
        return self.over + (now - self.began if self.at_it else 0.0)


class Traffic:
    """Requests of all threads. A request costs 2 µs to count, and takes a millisecond at least."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests = 0
        self.failures = 0
        self.nbytes = 0
        self.over = 0.0  #: seconds of requests that are over
        self.begins = 0.0  #: sum of the moments at which those under way began
        self.objects: set[int] = set()  #: hashes of paths that were brought to caches, the first ones
        self.busy = Stretches()
        self.waiting = Stretches()

    @contextmanager
    def request(self) -> Iterator[None]:
        """While one request is under way; whatever it raises is a failure of it."""
        began = perf_counter()
        with self.lock:
            self.requests += 1
            self.begins += began
            self.busy.enter(began)
        try:
            yield
        except BaseException:
            with self.lock:
                self.failures += 1
            raise
        finally:
            ended = perf_counter()
            with self.lock:
                self.busy.leave(ended)
                self.begins = self.begins - began if self.busy.at_it else 0.0  # and not what rounding leaves
                self.over += ended - began

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """While a stage waits for bytes that it needs next, and not for what is brought ahead of that."""
        with self.lock:
            self.waiting.enter(perf_counter())
        try:
            yield
        finally:
            with self.lock:
                self.waiting.leave(perf_counter())

    def brought(self, path: str) -> None:
        """An object is in a cache."""
        with self.lock:
            if len(self.objects) < MOST:
                self.objects.add(hash(path))

    def knows(self, path: str) -> bool:
        """Whether an object was brought before."""
        return hash(path) in self.objects

    def came(self, nbytes: int) -> None:
        """Bytes of an answer."""
        with self.lock:
            self.nbytes += nbytes

    def taken(self) -> Taken:
        """The counts now; requests under way as long as they have taken."""
        with self.lock:
            now = perf_counter()
            under_way = self.busy.at_it * now - self.begins
            return Taken(
                self.requests,
                self.failures,
                self.nbytes,
                self.over + under_way,
                self.busy.seconds(now),
                self.waiting.seconds(now),
            )


TRAFFIC = Traffic()
