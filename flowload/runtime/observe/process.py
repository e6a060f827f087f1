"""CPU time of the process, bytes it read from storage, and what it asked of networks, since a moment."""

from __future__ import annotations

import threading
import time
from mmap import PAGESIZE
from pathlib import Path
from time import process_time

from flowload.files.objects.traffic import TRAFFIC, Taken
from flowload.observe.stats import NetworkStats

__all__ = ["ProcessStats", "clock_seconds", "resident", "thread_clock"]

IO = Path("/proc/self/io")
MEMORY = Path("/proc/self/statm")


class ProcessStats:
    """Counts from when it is made until it is stopped; asked only by snapshots."""

    def __init__(self, io: Path = IO) -> None:
        self._io = io
        self._began = process_time(), read_bytes(io)
        self._ended: tuple[float, int] | None = None
        self._before = TRAFFIC.taken()
        self._after: Taken | None = None

    def stop(self) -> None:
        """Count no further."""
        self._ended = process_time(), read_bytes(self._io)
        self._after = TRAFFIC.taken()

    def taken(self) -> tuple[float, int]:
        """Seconds of CPU of all threads, and bytes read from storage (0 where the system does not say)."""
        cpu, read = self._ended or (process_time(), read_bytes(self._io))
        return cpu - self._began[0], read - self._began[1]

    def network(self) -> NetworkStats:
        """What was asked of object stores."""
        return NetworkStats(*(self._after or TRAFFIC.taken()).since(self._before))


def read_bytes(io: Path) -> int:
    """Bytes that this process caused to be fetched from storage; those in the page cache are not."""
    try:
        lines = io.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("read_bytes:")), 0)


def resident(path: Path = MEMORY) -> int:
    """Bytes of memory that this process has now; 0 where the system does not say."""
    try:
        pages = path.read_text().split()
    except OSError:
        return 0
    return int(pages[1]) * PAGESIZE if len(pages) > 1 else 0


def thread_clock() -> int | None:
    """The clock of the calling thread's CPU time, which any thread may read; None: the system has none."""
    if hasattr(time, "pthread_getcpuclockid"):
        return time.pthread_getcpuclockid(threading.get_ident())
    return None


def clock_seconds(clock: int | None) -> float:
    """CPU seconds by a `thread_clock`; 0 without one."""
    return 0.0 if clock is None else time.clock_gettime(clock)
