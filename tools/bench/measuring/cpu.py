"""CPU time of everybody who works: this process, and processes that a loader has started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from time import process_time

__all__ = ["cpu_seconds"]

PROC = Path("/proc")


def cpu_seconds() -> float:
    """Seconds of CPU so far: of this process, of children that have ended, and of those that live.

    Where there is no /proc, living children are not counted.
    """
    ended = os.times()
    return (
        process_time()
        + ended.children_user
        + ended.children_system
        + sum(map(of_process, living(os.getpid())))
    )


def living(process: int) -> Iterator[int]:
    """Children of a process, and theirs."""
    try:
        told = [
            path.read_text(encoding="ascii") for path in (PROC / str(process) / "task").glob("*/children")
        ]
    except OSError:  # it has just ended
        return
    for child in (int(word) for line in told for word in line.split()):
        yield child
        yield from living(child)


def of_process(process: int) -> float:
    """Seconds of CPU of a process, and of its children that have ended; 0 where it has just ended."""
    try:
        told = (PROC / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    # Its name stands in brackets, and may hold anything; utime, stime, cutime, cstime are fields 14 to 17.
    fields = told.rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
