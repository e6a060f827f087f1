"""Run a graph for a while, read as fast as it gives, and look closely: what limits it.

Called by `flowload profile`, and by `tools/whatif`, which tries stages alone meanwhile; no run needs it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from time import perf_counter
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from flowload.abc.operators import Block
from flowload.errors import ClosedRun, GraphError
from flowload.graph import Graph
from flowload.observe.stats import RunStats

from .faces.blocking import Batches
from .order import Order

__all__ = ["Profile", "Taps", "profile"]

WARM = 60.0  #: seconds that the first batch may take beyond the seconds asked for
LOOK = 0.02  #: seconds between two looks at how many samples came
PATIENCE = 2.0  #: seconds that a reader may take to come back

Taps: TypeAlias = Mapping[str, Callable[[Block], object]]  #: by stage: what is shown every block that goes in


class Profile(NamedTuple):
    """Statistics of a profiled run."""

    now: RunStats
    before: RunStats | None  #: from when on it counts; None: from the start, as it was so short


def profile(
    graph: Graph,
    *,
    seconds: float = 10.0,
    samples: int | None = None,
    seed: int = 0,
    cpus: int | None = None,
    taps: Taps = MappingProxyType({}),
    still: Callable[[Profile], object] = lambda _: None,
) -> Profile:
    """Run a graph over its data again and again, read as fast as it can give.

    Pass what comes to `flowload.observe.verdict.judge`. Raises what the run raises.

    Args:
        graph: a whole drawing.
        seconds: how long it runs from its first batch on.
        samples: stop the run after so many.
        seed: of the run.
        cpus: see `graph.iterate`.
        taps: shown what goes into stages; what is measured begins after half of the time then.
        still: called when all is measured and the run stands still: what its blocks refer to is open.
    """
    if not seconds > 0 or (samples is not None and samples < 1):
        raise GraphError(f"seconds is {seconds!r}, samples {samples!r}; wanted numbers above 0")
    order = Order(graph=graph, seed=seed, epochs=None, state=None, cpus=cpus)
    with Batches(order) as batches:
        before, now = Reading(batches, order.outputs, samples).through(seconds, taps)
        seen = Profile(now, before)
        still(seen)
    return seen


@dataclass
class Reading:
    """Reads all outputs of a run as fast as they come, until it is told to stop."""

    batches: Batches
    outputs: Sequence[str]
    samples: int | None
    first: RunStats | None = None  #: when the first batch came
    began: threading.Event = field(default_factory=threading.Event)  #: it has come, or never will
    stopped: threading.Event = field(default_factory=threading.Event)
    look: float = 0.0  #: when samples are counted next

    def through(self, seconds: float, taps: Taps) -> tuple[RunStats | None, RunStats]:
        """Let it warm up, show inputs, then measure: the snapshots around that. Raises what it raises."""
        with ThreadPoolExecutor(len(self.outputs), "flowload-reader") as executors:
            readers = [executors.submit(self.read, self.batches[name]) for name in self.outputs]
            left = Left(len(readers), self.began, self.stopped)
            for reader in readers:
                reader.add_done_callback(left.gone)
            try:
                self.batches.tap(taps)
                self.began.wait(seconds + WARM)
                until = perf_counter() + seconds
                self.stopped.wait(seconds / 2 if taps else 0.0)
                kept = self.batches.stats()
                self.stopped.wait(max(0.0, until - perf_counter()))
            finally:
                now = self.batches.stats()
                self.stopped.set()
                if wait(readers, PATIENCE).not_done:
                    self.batches.close()  # a reader waits for a batch that is long in coming
        for reader in readers:
            reader.result()
        return self.start_of(kept, now), now

    def start_of(self, kept: RunStats, now: RunStats) -> RunStats | None:
        """The latest snapshot behind which enough came to be measured."""
        enough = kept.delivered > 0 and now.delivered > 1.3 * kept.delivered
        return kept if enough else self.first

    def read(self, batches: Iterator[Any]) -> None:
        """Take batches until it is enough."""
        try:
            for _ in batches:
                if self.first is None:
                    self.first = self.batches.stats()
                    self.began.set()
                if self.stopped.is_set() or (self.samples and self.enough(self.samples)):
                    return
        except ClosedRun:
            if not self.stopped.is_set():  # of a run in the user's own code
                raise

    def enough(self, samples: int) -> bool:
        """Whether so many samples came; looked at a few times a second."""
        if (now := perf_counter()) < self.look:
            return False
        self.look = now + LOOK
        if self.batches.stats().delivered >= samples:
            self.stopped.set()
        return self.stopped.is_set()


class Left:
    """Sets events when the last reader has gone, or one has failed."""

    def __init__(self, readers: int, *events: threading.Event) -> None:
        self._readers = readers
        self._events = events
        self._lock = threading.Lock()

    def gone(self, reader: Future[None]) -> None:
        """A reader has gone."""
        with self._lock:
            self._readers -= 1
            if not self._readers or reader.exception() is not None:
                for event in self._events:
                    event.set()
