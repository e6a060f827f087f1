"""Descriptors of open files: those that something left behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.suite.warm import KEPT
from tests.threads import give_way

__all__ = ["descriptors", "none_left_open"]

TURNS = 100_000  #: of other threads, before a descriptor counts as left
LINUX = Path("/proc/self/fd")
FOLDER = LINUX if LINUX.is_dir() else Path("/dev/fd")


@contextmanager
def none_left_open() -> Iterator[None]:
    """No more descriptors are open behind it than before, or will be when other threads have had their turns.

    A thread that looks at the process, or that a library keeps, may have one for a moment.
    """
    before = descriptors()
    yield
    after = descriptors()
    for _ in range(TURNS):
        if len(after) <= len(before):
            return
        give_way()
        after = descriptors()
    new = [f"{number}: {where}" for number, where in after.items() if before.get(number) != where]
    raise AssertionError(f"{len(after)} descriptors are open, {len(before)} were: {', '.join(new)}")


def descriptors() -> Mapping[int, str]:
    """Those of this process, with what they lead to where the system tells.

    Without that which this looks by, and those of the tests' own processes, which begin with whichever
    test is the first to need one.
    """
    found = {}
    for path in list(FOLDER.iterdir()):
        with suppress(OSError):  # it is closed by now
            path.stat(follow_symlinks=False)
            if int(path.name) in KEPT:
                continue
            found[int(path.name)] = str(path.readlink()) if FOLDER is LINUX else ""
    return found
