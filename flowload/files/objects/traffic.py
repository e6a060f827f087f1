"""What this process asked of networks, and how long that took; asked by whoever shows a run's statistics."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import NamedTuple

__all__ = ["TRAFFIC", "Taken", "Traffic"]


class Taken(NamedTuple):
    """Counts since the process began."""

    requests: int = 0  #: those under way included
    failures: int = 0  #: of them, those that gave no whole answer
    nbytes: int = 0  #: of answers
    waiting: float = 0.0  #: seconds of all requests together
    busy: float = 0.0  #: seconds in which at least one was under way

    def since(self, before: Taken) -> Taken:
        """What came on top of an earlier count."""
        return Taken(
            self.requests - before.requests,
            self.failures - before.failures,
            self.nbytes - before.nbytes,
            self.waiting - before.waiting,
            self.busy - before.busy,
        )


class Traffic:
    """Requests of all threads. A request costs 2 µs to count, and takes a millisecond at least."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.requests = 0
        self.failures = 0
        self.nbytes = 0
        self.waiting = 0.0  #: of requests that are over
        self.busy = 0.0  #: of stretches that are over
        self.under_way = 0
        self.began = 0.0  #: sum of the moments at which those under way began
        self.since = 0.0  #: when the first of them did, without a pause after

    @contextmanager
    def request(self) -> Iterator[None]:
        """While one request is under way; whatever it raises is a failure of it."""
        began = perf_counter()
        with self.lock:
            self.requests += 1
            self.began += began
            if not self.under_way:
                self.since = began
            self.under_way += 1
        try:
            yield
        except BaseException:
            with self.lock:
                self.failures += 1
            raise
        finally:
            ended = perf_counter()
            with self.lock:
                self.under_way -= 1
                self.began -= began
                self.waiting += ended - began
                if not self.under_way:
                    self.busy += ended - self.since
                    self.began = 0.0  # what rounding left

    def came(self, nbytes: int) -> None:
        """Bytes of an answer."""
        with self.lock:
            self.nbytes += nbytes

    def taken(self) -> Taken:
        """The counts now; requests under way as long as they have taken."""
        with self.lock:
            now = perf_counter()
            open_waiting = self.under_way * now - self.began if self.under_way else 0.0
            open_busy = now - self.since if self.under_way else 0.0
            return Taken(
                self.requests, self.failures, self.nbytes, self.waiting + open_waiting, self.busy + open_busy
            )


TRAFFIC = Traffic()
