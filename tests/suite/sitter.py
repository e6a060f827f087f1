"""A process that outlives the suite by a moment: `sitter.py MARK PID` ends what process PID leaves behind.

pytest starts it, and every process that a test starts inherits MARK in its environment, however deep it
lies. When PID ends - well, by an error, or by SIGKILL, of which nothing in that process can tell - whatever
still bears the mark is killed. So a run of the suite that is killed leaves no child to burn a CPU for hours.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress

import psutil

__all__ = ["VARIABLE", "kill_marked", "marked"]

VARIABLE = "FLOWLOAD_TEST_RUNS"  #: marks of the runs that a process belongs to, with ":" between them
ROUNDS = 20  #: what is killed may have started another process just before


def marked(mark: str) -> Iterator[psutil.Process]:
    """Processes of this user that bear a mark. Who has ended and waits to be reaped does not count."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if mark in process.environ().get(VARIABLE, "").split(":"):
                yield process


def kill_marked(mark: str) -> None:
    """Kill them, and those that they have started meanwhile."""
    for _ in range(ROUNDS):
        left = list(marked(mark))
        if not left:
            break
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=1)


def main(mark: str, pid: str) -> None:
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(pid)).wait()
    kill_marked(mark)


if __name__ == "__main__":
    main(*sys.argv[1:])
