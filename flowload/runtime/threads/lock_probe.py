"""Who holds Python's lock, and who waits for it: looked at some twenty times a second, on Linux.

The system says of every thread whether it runs, and in which call it sleeps (`/proc/self/task/*/syscall`). A
thread that waits for the lock sleeps in a futex that lies inside the interpreter's own state, `_PyRuntime`;
one that waits for a disk, a library or a lock of the user's does not. Nothing in the threads themselves is
changed or slowed down, and they are seen while this one has no lock: seen by one that holds it, the only
thread that runs Python would seem to wait for it.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from functools import cache
from time import clock_gettime, perf_counter
from typing import NamedTuple

import numpy as np

from flowload.abc.needs import Need
from flowload.kernels.glance import glance

from .executor import Executor
from .lock_times import CONSUMER, LockTimes, Seen, Who

__all__ = ["Line", "LockProbe", "addresses", "open_line", "read_line", "threads_of"]

FUTEX = {"x86_64": b"202", "aarch64": b"98"}  #: the number of the system call
STATE_BYTES = 1 << 20  #: `_PyRuntime` has 100 to 700 KB
PAUSE = 250  #: us: those who were woken sleep again, or run, after 20 to 100
WIDTH = 64  #: bytes of a line that are looked at: the call and its first argument
THREAD_CLOCK = 6  #: of Linux: the lowest bits of the clock of a thread's CPU time; the others are its number
LATE = 0.5  #: of the interpreter's switch interval: only who computes in Python keeps others for so long
OTHERS = 16  #: threads outside the run that are looked at, at most
MOST = 64  #: files that stay open from look to look


def threads_of(executors: Iterable[Executor], at: Mapping[int, str]) -> list[tuple[Who, int]]:
    """What the threads of a run, and those of others that run Python, are at; without the caller's own.

    Args:
        executors: of the run.
        at: the node whose code each thread runs, by its identity.
    """
    own = {threading.get_native_id()}
    found: list[tuple[Who, int]] = []
    for executor in executors:
        for thread, job in zip(executor.threads, tuple(executor.at_work), strict=False):
            native = thread.native_id
            if native is not None:
                own.add(native)
                if job is not None:
                    found.append(((job.priority, at.get(thread.ident or 0, "")), native))
    others = [thread.native_id for thread in threading.enumerate()]
    return (
        found + [(CONSUMER, native) for native in others if native is not None and native not in own][:OTHERS]
    )


class Addresses(NamedTuple):
    """What is asked for, as numbers."""

    usleep: int
    pread: int
    state: int  #: where the interpreter's state begins
    futex: bytes  #: number of the system call


@cache
def addresses() -> Addresses | None:
    """None where nothing can be seen: another system, a closed one, an interpreter without the lock."""
    futex = FUTEX.get(os.uname().machine)
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    if sys.platform != "linux" or futex is None or not locked or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    try:
        library = ctypes.CDLL(None)
        state = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
        usleep, pread = (ctypes.cast(library[name], ctypes.c_void_p).value for name in ("usleep", "pread"))
        with open_line(os.getpid()) as line:
            if not line.readable():
                return None
    except (OSError, ValueError, AttributeError):
        return None
    return Addresses(usleep or 0, pread or 0, state, futex)


class Line:
    """The file that says what a thread does, and the one that says how long it waited for a CPU."""

    def __init__(self, native: int) -> None:
        self.fd = os.open(f"/proc/self/task/{native}/syscall", os.O_RDONLY)
        self.schedule: int | None = None
        with suppress(OSError):  # a kernel that does not count it
            self.schedule = os.open(f"/proc/self/task/{native}/schedstat", os.O_RDONLY)
        self.before = (0, 0)  # of a thread that has ended since its files were opened
        self.before = self.times()

    def times(self) -> tuple[int, int]:
        """Nanoseconds that the thread had a CPU, and waited for one; zeros where nobody counts them."""
        if self.schedule is None:
            return 0, 0
        try:
            words = os.pread(self.schedule, WIDTH, 0).split()
        except OSError:  # it has ended
            return self.before
        return (int(words[0]), int(words[1])) if len(words) > 1 else self.before

    def gained(self) -> tuple[int, int]:
        """The same since it was asked for last."""
        had, self.before = self.before, self.times()
        return self.before[0] - had[0], self.before[1] - had[1]

    def close(self) -> None:
        """Close the thread's two files."""
        os.close(self.fd)
        if self.schedule is not None:
            os.close(self.schedule)

    def readable(self) -> bool:
        """Whether this process may read it: some containers forbid it."""
        try:
            return bool(os.pread(self.fd, WIDTH, 0))
        except OSError:
            return False

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_line(native: int) -> Line:
    """The line of a thread by its number in the system. Raises OSError."""
    return Line(native)


class LockProbe:
    """Looks at threads; `close` it. Does nothing where `addresses` knows nothing."""

    def __init__(self) -> None:
        self.where = addresses()
        self.times = LockTimes()
        self.lines: dict[int, Line] = {}
        self.before: float | None = None
        self.ran = self.delayed = 0  #: ns that threads which were seen had a CPU, and waited for one
        self.outside_cpu = 0.0  #: seconds of threads outside the run, since each was first seen
        self.clocks: dict[int, float] = {}  #: what the CPU clocks of these said last

    @staticmethod
    def need() -> Need:
        """The kernel that looks, to be compiled before the first look."""
        return glance, (0, 0, 0, np.empty(0, np.int64), np.empty((0, WIDTH), np.uint8), np.empty(0, np.int64))

    def look(self, threads: Iterable[tuple[Who, int]], most: float) -> None:
        """Look once.

        Args:
            threads: what each does, and its number in the system.
            most: seconds that one look stands for at most, however long ago the last was.
        """
        if self.where is None:
            return
        found = [(who, native) for who, native in threads if self.line_of(native) is not None]
        self.outside_cpu += sum(self.computed(native) for who, native in found if who == CONSUMER)
        for _, native in found:
            ran, delayed = self.lines[native].gained()
            self.ran, self.delayed = self.ran + ran, self.delayed + delayed
        now = perf_counter()
        seconds = 0.0 if self.before is None else min(most, now - self.before)
        self.before = now
        if not found:
            return
        fds = np.array([self.lines[native].fd for _, native in found], np.int64)
        text, sizes = np.zeros((len(fds), WIDTH), np.uint8), np.zeros(len(fds), np.int64)
        began = perf_counter()
        glance(self.where.usleep, self.where.pread, PAUSE, fds, text, sizes)
        late = perf_counter() - began - PAUSE * 1e-6 > LATE * sys.getswitchinterval()
        seen = []
        for (who, native), row, size in zip(found, text, sizes.tolist(), strict=True):
            if size > 0:
                seen.append(read_line(who, bytes(row[:size]), self.where))
            else:  # it has ended; its number may be another's by the next look
                self.lines.pop(native).close()
        self.times.add(seen, seconds, late=late)
        self.forget({native for _, native in found})

    @property
    def stretch(self) -> float:
        """Seconds that a thread takes for one of CPU: it waits for others where there are too few CPUs.

        Who has Python's lock keeps it meanwhile.
        """
        return 1 + self.delayed / self.ran if self.ran else 1.0

    def computed(self, native: int) -> float:
        """Seconds of CPU of a thread since it was last asked for; 0 at first, and when it has ended."""
        try:
            now = clock_gettime((~native << 3) | THREAD_CLOCK)
        except OSError:
            self.clocks.pop(native, None)
            return 0.0
        last = self.clocks.get(native, now)
        self.clocks[native] = now
        return max(0.0, now - last)

    def forget(self, now: Set[int]) -> None:
        """Close the files of threads that were not seen now, where there are many: runs go on for days."""
        if len(self.lines) > MOST:
            for native in self.lines.keys() - now:
                self.lines.pop(native).close()
                self.clocks.pop(native, None)

    def line_of(self, native: int) -> Line | None:
        """The line of a thread; None: it has ended."""
        if native not in self.lines:
            with suppress(OSError):
                self.lines[native] = open_line(native)
        return self.lines.get(native)

    def close(self) -> None:
        """Close the files of all threads that were looked at."""
        while self.lines:
            self.lines.popitem()[1].close()


def read_line(who: Who, line: bytes, where: Addresses) -> Seen:
    """What a line of the system says of a thread."""
    words = line.split()
    if not words or words[0] == b"running":
        return Seen(who, waits=False, runs=bool(words))
    futex = words[0] == where.futex and len(words) > 1
    waits = futex and where.state <= int(words[1], 16) < where.state + STATE_BYTES
    return Seen(who, waits=waits, runs=False)
