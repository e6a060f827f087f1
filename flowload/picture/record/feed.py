"""Looks at a run from time to time, and keeps what it saw: what pages, files and terminals are fed with."""

from __future__ import annotations

import json
import logging
import re
import sysconfig
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from flowload.errors import ClosedRun
from flowload.graph.inspect.describe import describe
from flowload.graph.inspect.memory import memory_of
from flowload.graph.plan import Plan
from flowload.observe.stall import Dump, Patience
from flowload.observe.stats import Outcome, RunStats
from flowload.observe.trace import Trace
from flowload.observe.verdict import Verdict, judge
from flowload.picture.scene.moment import Moment, moment_of
from flowload.picture.scene.rails import Rails, rails_of
from flowload.printable import printable, text_of

from .tape import Tape

__all__ = ["Feed", "Memory", "Seen", "stalled_outcome", "window"]

log = logging.getLogger("flowload")

WINDOW = 15.0  #: seconds that a verdict is on
STALLED = 10.0  #: seconds without progress
ENDS = ("failed", "over", "left")
LIBRARY = sysconfig.get_path("stdlib")


class Seen(Protocol):
    """A run, from `graph.iterate()` or `graph.stream()`."""

    @property
    def plan(self) -> Plan:
        """What is run."""

    def stats(self) -> RunStats:
        """It at this moment. Raises ClosedRun before it begins."""

    def dump(self) -> Dump:
        """What everybody in it does."""

    def record(self, trace: Trace | None) -> None:
        """Write what is done from now on; None: stop that."""

    @property
    def recording(self) -> Trace | None:
        """What is written now."""


class Memory:
    """What was lately seen of a run: statistics are totals, and a moment is of what they grew by."""

    def __init__(self, rails: Rails) -> None:
        self.rails = rails
        self.past: deque[RunStats] = deque(maxlen=64)

    def keep(self, now: RunStats) -> Moment:
        """The moment of these statistics."""
        past = self.past
        moment = moment_of(self.rails, now, past, verdict_on(now, past, whole=is_end(now)))
        past.append(now)
        return moment


def is_end(now: RunStats) -> bool:
    """Nothing comes any more."""
    return now.outcome is not None and now.outcome.kind in ENDS


class Feed:
    """One run's moments. It does not keep the run alive: whoever reads it does.

    Args:
        run: the run; it need not have begun.
        title: what it is called.
    """

    def __init__(self, run: Seen, title: str) -> None:
        self._run = weakref.ref(run)
        self.title = title
        self.tape: Tape[bytes] = Tape()
        self.memory: Memory | None = None  #: once it has begun
        self.ended = False
        self.patience = Patience(STALLED)
        self.told = False  #: that looking failed

    @property
    def run(self) -> Seen | None:
        """The run, while somebody has it."""
        return self._run()

    @property
    def rails(self) -> Rails | None:
        """The graph, once the run has begun."""
        return None if self.memory is None else self.memory.rails

    @property
    def past(self) -> Sequence[RunStats]:
        """What was seen lately, oldest first."""
        return () if self.memory is None else self.memory.past

    def look(self) -> Moment | None:
        """See how the run is now, and keep it; None: it has not begun, or is long over.

        What the run's own statistics raise, such as gauges of a user's stage, is logged once: whoever looks
        must not end with it.
        """
        try:
            return self.seen()
        except Exception as error:  # noqa: BLE001 - of anybody's code
            if not self.told:
                self.told = True
                log.warning("a run cannot be looked at: %s: %s", type(error).__name__, text_of(error))
            return None

    def seen(self) -> Moment | None:
        """The same, which may raise what anybody's code raises."""
        run = self._run()
        if self.ended:
            return None
        if run is None:
            return self.lost()
        try:
            now = run.stats()
        except ClosedRun:
            return None
        if self.memory is None:
            self.memory = Memory(drawn(run.plan, self.title))
        return self.keep(now._replace(outcome=self.outcome(run, now)))

    def outcome(self, run: Seen, now: RunStats) -> Outcome | None:
        """What the run says itself; and whether nothing moves any more, which only a watch can tell."""
        if now.outcome is not None and now.outcome.kind in ENDS:
            return now.outcome
        ready = any(edge.blocks for edge in now.edges if edge.target.startswith("output "))
        self.patience.is_over(now, now.elapsed)
        still = self.patience.still(now.elapsed)
        if ready or still < STALLED:  # a trainer that takes its time is no stall
            return now.outcome
        return stalled_outcome(run.dump(), still)

    def lost(self) -> Moment | None:
        """Whoever read the run has let go of it: it is over, as it was last seen."""
        self.ended = True
        if not self.past:
            return None
        return self.keep(self.past[-1]._replace(outcome=Outcome("left")))

    def keep(self, now: RunStats) -> Moment:
        """Make a moment of statistics, and keep it."""
        assert self.memory is not None  # noqa: S101 - made before the first
        moment = self.memory.keep(now)
        self.ended = is_end(now)
        self.tape.add(json.dumps(moment, separators=(",", ":"), ensure_ascii=False).encode())
        return moment


def drawn(plan: Plan, title: str) -> Rails:
    """A run's graph, placed."""
    memory = sum(memory_of(plan).values())
    return rails_of(describe(plan), title, memory)


def window(now: RunStats, past: Sequence[RunStats], seconds: float = WINDOW) -> RunStats | None:
    """The earliest moment with a batch that is at most so long ago: what was before is no measure."""
    lately = (each for each in past if each.elapsed >= now.elapsed - seconds and each.delivered)
    return next(lately, None)


def verdict_on(now: RunStats, past: Sequence[RunStats], *, whole: bool) -> Verdict | None:
    """The verdict on the last 15 s; of a run that is over, on all that is remembered."""
    return judge(now, window(now, past, float("inf") if whole else WINDOW))


def place_of(stack: Sequence[str]) -> str:
    """Function, file and line where a call is: the innermost that is not Python's own library."""
    own = [entry for entry in stack if f'File "{LIBRARY}' not in entry]
    entry = (own or stack)[-1]
    found = re.search(r'File "(.*)", line (\d+), in (.*)', entry)
    return f"in {found[3].strip()} ({found[1]}:{found[2]})" if found else " ".join(entry.split())


def stalled_outcome(dump: Dump, seconds: float) -> Outcome:
    """A dump in the words of an outcome."""
    lines = []
    for call in dump.calls:
        number = "" if call.block is None else f", block {call.block}"
        lines.append(f"{call.thread}: {call.stage}{number}, {call.seconds:.0f} s")
    if not dump.calls:
        return Outcome("stalled", "", seconds, printable(dump.headline), tuple(map(printable, dump.tasks)))
    first = dump.calls[0]
    block = "" if first.block is None else f", with block {first.block}"
    source = f" of {first.source}" if first.source else ""
    place = f", {place_of(first.stack)}" if first.stack else ""
    text = (
        f"In thread {first.thread}{block}{source}{place}. Nothing was lost; what waits stays in its queues."
    )
    return Outcome(
        "stalled",
        first.stage,
        max(seconds, first.seconds),
        printable(text),
        tuple(map(printable, [*lines, *dump.tasks])),
    )
