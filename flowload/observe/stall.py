"""A run that makes no progress: what holds it, and a watch that tells of it in time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol, Self

from flowload.errors import ClosedRun
from flowload.printable import printable

from .stats import RunStats

__all__ = ["Dump", "Held", "Patience", "StallWatch"]

log = logging.getLogger("flowload")


class Held(NamedTuple):
    """A call that runs now: stage, block, source, thread, seconds, stack."""

    stage: str
    block: int | None  #: number of its input block in its stream
    source: str  #: what that block was made of, as far as it says
    thread: str
    seconds: float  #: since the thread began with it
    stack: tuple[str, ...]  #: of Python, from the stage's own code on, outermost first


class Dump(NamedTuple):
    """What every call and task of a run does at one moment."""

    calls: tuple[Held, ...]  #: that run now, the longest first
    tasks: tuple[str, ...]  #: a line for each task

    @property
    def headline(self) -> str:
        """Who holds the run, in one line."""
        if self.calls:
            first = self.calls[0]
            block = "" if first.block is None else f" with block {first.block}"
            source = f" of {first.source}" if first.source else ""
            who = f"{first.stage!r} is busy{block}{source}"
            return printable(f"{who} for {first.seconds:.1f} s, in thread {first.thread}")
        return next((task for task in self.tasks if "nobody takes" in task), "no call runs: all wait")

    def lines(self) -> list[str]:
        """Everything, for people."""
        told = [self.headline]
        for call in self.calls:
            block = "" if call.block is None else f", block {call.block}"
            source = f" of {call.source}" if call.source else ""
            told.append(f"call in {call.stage!r}{block}{source}: {call.seconds:.1f} s in {call.thread}")
            told += [f"    {line}" for entry in call.stack for line in entry.rstrip().splitlines()]
        return [*map(printable, told), *map(printable, self.tasks)]


class Watched(Protocol):
    """A run that can be asked, from any thread."""

    def stats(self) -> RunStats: ...

    def dump(self) -> Dump: ...


class Patience:
    """Decides when a run has made no progress for too long; says so once each time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._last: tuple[int, ...] | None = None
        self._since = 0.0
        self._told = False

    def still(self, now: float) -> float:
        """Seconds without progress, by the last that was told."""
        return now - self._since

    def is_over(self, stats: RunStats, now: float) -> bool:
        """Nothing went on for that long; `now` in seconds, of any clock."""
        mark = (stats.delivered, *(stage.calls + stage.blocks_out for stage in stats.stages.values()))
        if mark != self._last or stats.finished:
            self._last, self._since, self._told = mark, now, False
        if self._told or now - self._since < self.seconds:
            return False
        self._told = True
        return True


class StallWatch:
    """While inside `with StallWatch(batches, seconds):`, a stall is told of, and who holds the run.

    Args:
        run: the run, from `graph.iterate()` or `graph.stream()`.
        seconds: without progress, after which it is told.
        tell: what is called with the dump, in a thread of the watch; without it, one line of the log.
    """

    def __init__(self, run: Watched, seconds: float, tell: Callable[[Dump], None] | None = None) -> None:
        self.patience = Patience(seconds)
        self._run = run
        self._tell = tell or log_stall
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="flowload-stall-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _watch(self) -> None:
        tick, now = min(1.0, self.patience.seconds / 4), 0.0
        while not self._left.wait(tick):
            now += tick
            try:
                if self.patience.is_over(self._run.stats(), now):
                    dump = self._run.dump()
                    if (stalled := getattr(self._run, "stalled", None)) is not None:
                        stalled(dump)
                    self._tell(dump)
            except ClosedRun:
                continue  # it has not begun yet


def log_stall(dump: Dump) -> None:
    """One line; with -v, a line for each that is known beside it."""
    log.warning("no progress: %s", dump.headline)
    for line in dump.lines()[1:]:
        log.info("no progress: %s", line)
