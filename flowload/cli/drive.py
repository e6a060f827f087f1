"""Consume a run as a training loop would, until its stream ends or a bound stops it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, Literal, TypeAlias, cast

from flowload.cli.view.screen import Screen
from flowload.errors import ClosedRun
from flowload.graph import Graph
from flowload.graph.engine import RunOrder
from flowload.graph.faces import Batches
from flowload.observe.stall import Dump, StallWatch
from flowload.observe.stats import RunStats
from flowload.observe.trace import Trace

from .bell import Bell, on_demand, signals
from .saving import Saving

log = logging.getLogger("flowload")

__all__ = ["Bounds", "Drive", "Ended"]

#: "empty": the stream ended by itself, and had given nothing.
Ended: TypeAlias = Literal["finished", "empty", "batches", "seconds", "interrupted", "terminated", "failed"]


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """When a run stops at the latest, wherever its passes end; None: there is no bound."""

    batches: int | None = None  #: over all outputs together
    seconds: float | None = None


@dataclass
class Drive:
    """One run of one graph by the command line, with what shows, traces and serves it; and its outcome."""

    graph: Graph
    order: RunOrder
    screen: Screen
    bounds: Bounds = Bounds()
    ended: Ended = "failed"
    stats: RunStats | None = None
    title: str = "flowload"  #: what a view calls it
    bell: Bell = field(default_factory=Bell)
    trace: Trace | None = None  #: what is done is written there
    metrics_port: int | None = None  #: where metrics are served for Prometheus
    around: Callable[[Batches], AbstractContextManager[object]] = nullcontext  #: opened before the run
    stall: float | None = None  #: seconds without progress, after which who holds the run is told
    saving: Saving | None = None  #: states are saved
    report: Callable[[Dump], None] = lambda _: None  #: told on demand and of stalls
    warm: RunStats | None = None  #: when the first batch came: what was before is no measure of the rest
    error: BaseException | None = None
    batches: dict[str, int] = field(default_factory=dict)  #: by output
    leaving: threading.Event = field(default_factory=threading.Event)  #: the run is about to be stopped

    def run(self) -> Ended:
        """Until the end, however it comes; what failed is kept in `error`."""
        self.batches = {end.name: 0 for end in self.graph.plan.ends}
        batches = self.graph.bound_engine().iterate(self.graph, self.order)
        try:
            return self.whole(batches)
        except KeyboardInterrupt:
            if not self.bell.opening:
                raise
            with suppress(ClosedRun):  # it had not begun, such as while kernels were compiled
                self.stats = batches.stats()
            self.ended = cast("Ended", self.bell.wait(0.0) or "interrupted")
            return self.ended

    def whole(self, batches: Batches) -> Ended:
        """From opening to the end."""
        bell = self.bell
        bell.opening = True
        batches.record(self.trace)  # before it is entered: a short run does much before anybody could ask
        with signals(bell), ThreadPoolExecutor(len(self.batches), "flowload-reader") as threads:
            # The run is inside the lanes: leaving it first is what wakes readers that wait for a batch; and
            # inside `on_demand`: as soon as it has begun, somebody may ask.
            with (
                on_demand(partial(self.answer, batches)),
                self.around(batches),
                batches,
                self.serving(batches),
                StallWatch(batches, self.stall, self.report) if self.stall else nullcontext(),
            ):
                bell.opening = False
                readers = self.start(batches, bell, threads)
                word = self.watch(batches, bell)
                if self.saving is not None and word != "failed":
                    self.saving.save(batches)
                self.leaving.set()
            self.stats = batches.stats()
        self.error = next((error for r in readers if (error := r.exception()) is not None), None)
        self.ended = "failed" if self.error else self.ending(word, self.stats)
        return self.ended

    def ending(self, word: Ended, last: RunStats) -> Ended:
        """How it ended: the word that was heard, if the run says the same."""
        if word != "finished":
            return word
        if not last.finished:
            return "failed"  # the readers have an end that the run knows nothing of
        return "finished" if any(self.batches.values()) else "empty"

    def answer(self, batches: Batches) -> None:
        """Report who does what, unless nobody does anything yet."""
        with suppress(ClosedRun):
            self.report(batches.dump())

    @contextmanager
    def serving(self, batches: Batches) -> Iterator[None]:
        """Serve the metrics, if they are wanted."""
        with ExitStack() as stack:
            if self.metrics_port is not None:
                address = stack.enter_context(served(batches, self.metrics_port))
                log.info("metrics are at %s", address)
            yield

    def start(self, batches: Batches, bell: Bell, threads: ThreadPoolExecutor) -> Sequence[Future[None]]:
        """A reader for each output; the last one to finish rings."""
        count = Count(self.batches, self.bounds.batches, bell, partial(self.warmed_up, batches))
        alone = len(self.batches) == 1
        readers = [
            threads.submit(read, iter(batches) if alone else batches[name], name, count, self.leaving)
            for name in self.batches
        ]
        left = Left(len(readers), bell)
        for reader in readers:
            reader.add_done_callback(left.gone)
        return readers

    def warmed_up(self, batches: Batches) -> None:
        """The first batch has come."""
        self.warm = batches.stats()

    def watch(self, batches: Batches, bell: Bell) -> Ended:
        """Paint, and wait for a word or the time to be up."""
        seconds = self.bounds.seconds
        until = float("inf") if seconds is None else perf_counter() + seconds
        tick = perf_counter() + self.screen.tick
        while (word := bell.wait(min(tick, until) - perf_counter())) is None:
            now = perf_counter()
            if self.saving is not None:
                self.saving.now_and_then(batches)
            if now >= until:
                return "seconds"
            if now >= tick:
                self.screen.paint(batches.stats(), self.batches)
                tick = perf_counter() + self.screen.tick
        return cast("Ended", word)


def served(batches: Batches, port: int) -> AbstractContextManager[str]:
    """The metrics of a run, served."""
    from flowload.adapters.prometheus import serve_metrics  # noqa: PLC0415 - nothing of it unless it is wanted

    return serve_metrics(batches, port)


@dataclass
class Count:
    """Counts batches by output; rings the bell when there are enough."""

    batches: dict[str, int]
    limit: int | None
    bell: Bell
    first: Callable[[], None]  #: called at the first batch
    total: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def one(self, name: str) -> bool:
        """Count a batch; False when that was the last one wanted."""
        with self.lock:
            if self.total == self.limit:
                return False
            self.batches[name] += 1
            self.total += 1
            if self.total == 1:
                self.first()
            if self.total == self.limit:
                self.bell.ring("batches")
                return False
        return True


class Left:
    """Counts readers that have finished; rings the bell at the last one, or at the first failure."""

    def __init__(self, readers: int, bell: Bell) -> None:
        self._readers = readers
        self._bell = bell
        self._lock = threading.Lock()

    def gone(self, reader: Future[None]) -> None:
        """A reader has stopped."""
        if reader.exception() is not None:
            self._bell.ring("failed")
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                self._bell.ring("finished")


def read(batches: Iterator[Any], name: str, count: Count, leaving: threading.Event) -> None:
    """Take batches until there are no more, or enough."""
    end = object()
    try:
        # No batch is kept while the next is waited for: its buffer goes back at once.
        while next(batches, end) is not end:
            if not count.one(name):
                return
    except ClosedRun:
        if not leaving.is_set():  # of a run in the user's own code
            raise
