"""Run a graph for a while and look closely: what limits it, and, with every stage alone, what could be."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NamedTuple

from flowload.errors import ClosedRun, GraphError
from flowload.graph import Graph, Placed
from flowload.observe.stats import RunStats
from flowload.observe.whatif import Replay, Trial
from flowload.runtime.capture import Capture
from flowload.runtime.faces.blocking import Batches
from flowload.runtime.order import Order

from .recorded_inputs import Cache
from .replay import replay

__all__ = ["Profile", "profile"]

BLOCKS, BYTES = 64, 256 << 20  #: kept of the inputs of a stage, and of all stages together
REPLAY = 0.5  #: seconds of a replay, at most
WARM = 60.0  #: seconds that the first batch may take beyond the seconds asked for
LOOK = 0.02  #: seconds between two looks at how many samples came
PATIENCE = 2.0  #: seconds that a reader may take to come back
FED = 0.5  #: of their time, in which workers must have worked
WAITING = 8  #: workers to try where calls mostly wait: these cost no CPU

Told = Callable[[str], object]


class Profile(NamedTuple):
    """Statistics of a profiled run, and the trials of its stages."""

    now: RunStats
    before: RunStats | None  #: from when on it counts; None: from the start, as it was so short
    trials: tuple[Trial, ...]  #: of every stage, in the order of the flow; empty unless they were asked for


def profile(
    graph: Graph,
    *,
    seconds: float = 10.0,
    samples: int | None = None,
    seed: int = 0,
    cpus: int | None = None,
    alone: bool = True,
    tell: Told = lambda _: None,
) -> Profile:
    """Run a graph over its data again and again, read as fast as it can give; then, alone, each stage.

    Pass what comes to `flowload.observe.verdict.judge` and `flowload.observe.whatif.what_if`. Raises what the
    run raises.

    Args:
        graph: a whole drawing.
        seconds: how long it runs from its first batch on; alone, the stages take about as long together.
        samples: stop the run after so many.
        seed: of the run.
        cpus: see `graph.iterate`.
        alone: run every Map and Fold alone, with the blocks that it was given in the run.
        tell: called with what is done next.
    """
    if not seconds > 0 or (samples is not None and samples < 1):
        raise GraphError(f"seconds is {seconds!r}, samples {samples!r}; wanted numbers above 0")
    order = Order(graph=graph, seed=seed, epochs=None, state=None, cpus=cpus)
    names = [placed.name for placed in graph.plan.nodes if can_be_alone(placed)] if alone else []
    caches = {name: Cache(BLOCKS, BYTES // max(1, len(names))) for name in names}
    tell(f"the whole, for {seconds:g} s")
    with Batches(order) as batches:
        # Stages are run alone while this run stands still: what its blocks refer to stays open.
        before, now = Reading(batches, order.outputs, samples).through(seconds, caches)
        trials = tuple(trials_of(graph, now, caches, seconds, tell)) if alone else ()
    return Profile(now, before, trials)


def can_be_alone(placed: Placed) -> bool:
    """One way in, one way out."""
    return len(placed.inputs) == 1 and placed.outputs == ("out",)


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

    def through(self, seconds: float, caches: dict[str, Cache]) -> tuple[RunStats | None, RunStats]:
        """Let it warm up, keep inputs, then measure: the snapshots around that. Raises what it raises."""
        with ThreadPoolExecutor(len(self.outputs), "flowload-reader") as executors:
            readers = [executors.submit(self.read, self.batches[name]) for name in self.outputs]
            left = Left(len(readers), self.began, self.stopped)
            for reader in readers:
                reader.add_done_callback(left.gone)
            try:
                self.batches.tap({name: cache.show for name, cache in caches.items()})
                self.began.wait(seconds + WARM)
                until = perf_counter() + seconds
                self.stopped.wait(seconds / 2 if caches else 0.0)
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


def trials_of(
    graph: Graph, now: RunStats, caches: dict[str, Cache], seconds: float, tell: Told
) -> Iterator[Trial]:
    """Every stage alone, as far as that can be."""
    plans = {name: counts(now, name) for name, cache in caches.items() if cache.kept}
    points = sum(len(plan) + 1 for plan in plans.values()) or 1
    each = min(REPLAY, seconds / points)
    for placed in graph.plan.nodes:
        trial = Trial(placed.name, placed.node.where, placed.stage.workers, had(now, placed.name), ())
        if placed.name not in plans:
            yield trial._replace(
                note="as it ran: it was given nothing" if placed.name in caches else "as it ran"
            )
            continue
        tell(f"{placed.name}: alone")
        kept = caches[placed.name].kept
        errors: list[Exception] = []
        with Capture(errors.append):
            replays = tuple(replays_of(placed, kept, plans[placed.name], each, now.cpus))
            trial = trial._replace(
                replays=replays, note="" if replays else "as it ran: too slow to be run alone"
            )
        if errors:
            trial = trial._replace(note=f"as it ran: alone, it raised {errors[0]!r}")
        yield trial


def replays_of(
    placed: Placed, blocks: Sequence[Any], workers: Sequence[int], seconds: float, cpus: int
) -> Iterator[Replay]:
    """The stage alone, with the workers that it had first; a Fold has one whatever is asked for.

    The first time is not counted: memory and caches are cold. It ends where more workers than
    it had were not fed: what they could do was not seen.
    """
    replay(placed, blocks, workers=workers[0], seconds=seconds / 2, cpus=cpus)
    for many in workers:
        seen = replay(placed, blocks, workers=many, seconds=seconds, cpus=cpus)
        if seen is None or (seen.used < FED and many > workers[0]):
            return
        yield seen
        if not seen.parallel:
            return


def counts(now: RunStats, name: str) -> list[int]:
    """Workers to try: those that it had, then 1 to n, all of them where n is small."""
    stage, own = now.stages[name], had(now, name)
    waits = stage.busy > 0 and stage.cpu < stage.busy / 2
    most = max(now.cpus, own, max(WAITING, 2 * own) if waits else 1)
    tried = [k for k in range(1, most + 1) if most <= WAITING or k in (1, most) or not k & (k - 1)]
    return [own, *(k for k in tried if k != own)]


def had(now: RunStats, name: str) -> int:
    """The workers that a stage had."""
    return max((task.workers for task in now.tasks if name in task.work), default=1)
