"""Threads: those that something left behind, and turns for those that want to run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["give_way", "none_left"]

PATIENCE = 20.0  #: seconds for a thread that is on its way out


@contextmanager
def none_left() -> Iterator[None]:
    """Threads that begin inside are gone behind it, or are as good as gone.

    Threads are told apart, not counted: one of an earlier test's event loop may end in between. Those of trio
    are its own: it keeps them for ten seconds, for the next call.
    """
    before = set(threading.enumerate())
    yield
    left = {each for each in threading.enumerate() if not each.name.startswith("Trio thread ")} - before
    for thread in left:
        thread.join(PATIENCE)
    assert not [thread.name for thread in left if thread.is_alive()]


def give_way(turns: int = 1) -> None:
    """Let other threads have the interpreter and the CPU, so many times; who wants neither costs no time."""
    for _ in range(turns):
        time.sleep(0)
