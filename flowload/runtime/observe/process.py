"""CPU time of the process, bytes it read from storage, and what it asked of networks, since a moment."""

from __future__ import annotations

import threading
import time
from mmap import PAGESIZE
from pathlib import Path
from time import process_time

from flowload.files.objects.traffic import TRAFFIC, Taken
from flowload.observe.stats import NetworkStats

__all__ = ["ProcessStats", "ThreadTime", "resident"]

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


class ThreadTime:
    """CPU seconds of the thread that makes it, from then until it stops them; any thread may ask."""

    def __init__(self) -> None:
        # The clock of a thread, which others may read: macOS has none.
        known = hasattr(time, "pthread_getcpuclockid")
        self._clock = time.pthread_getcpuclockid(threading.get_ident()) if known else None
        self._began = time.thread_time()
        self._total: float | None = None

    def stop(self) -> None:
        """Count no further; called in that thread."""
        self._total = time.thread_time() - self._began

    def seconds(self) -> float:
        """So far; 0 until it is stopped, where the system has no such clock."""
        if self._total is not None:
            return self._total
        return 0.0 if self._clock is None else time.clock_gettime(self._clock) - self._began


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
