"""The source of a folder that grows: first what is there, then what arrives."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

import anyio
import anyio.to_thread

from flowload.abc.operators import Block, Call, Mark, State
from flowload.blocks import Files
from flowload.errors import ClosedRun

from .events import FileEvents, FolderEvents
from .glob import GoOn, Search, anything
from .list_source import in_blocks
from .ready import Probe, ReadyFiles
from .writers import LookAtFiles

__all__ = ["WatchSource"]

TICK = 0.25  #: seconds between looks at files that are still being written: closing a file is no event
SHARE = 50  #: a search again takes at most one part in so many of the time

T = TypeVar("T")
Listen = Callable[[Sequence[str], bool], FileEvents]


class WatchSource:
    """Tells every file once, when it is complete; never ends by itself.

    A file is complete when it was closed after writing or renamed to its name. `Mark.CAUGHT_UP` follows the
    first search and everything that is told later.

    Args:
        texts: patterns, folders and files.
        suffixes: endings of names that a folder search takes; empty: any.
        settle: seconds without a change after which a file is complete where the kernel does not tell.
        rescan: seconds after which the folders are searched again, for systems that miss events (network).
        listen, probe, clock: replaced in tests.
    """

    def __init__(
        self,
        texts: tuple[str, ...],
        suffixes: tuple[str, ...],
        *,
        settle: float,
        rescan: float,
        listen: Listen = FolderEvents,
        probe: Probe | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.texts = texts
        self.suffixes = suffixes
        self.rescan = rescan
        self.listen = listen
        self.probe = probe or LookAtFiles()
        self.clock = clock
        self.arrivals = ReadyFiles(settle)
        self.search = Search(())
        self.next_search = 0.0
        self.number = 0  # of the pass
        self.notices: FileEvents | None = None
        self.go_on: GoOn = anything
        self.telling: deque[Files | Mark] = deque()
        self.newest: float | None = None  #: when the last file came, by the clock

    def epoch(self, number: int, call: Call) -> AsyncIterator[Block | Mark]:
        """The stream itself: one endless pass."""
        self.number = number
        self.go_on = call.go_on
        return self

    def __aiter__(self) -> AsyncIterator[Block | Mark]:
        return self

    async def __anext__(self) -> Block | Mark:
        while not self.telling:
            await self.look()
        return self.telling.popleft()

    async def look(self) -> None:
        """Wait for something to happen (the first time: search), and queue what is complete."""
        first = self.notices is None
        if self.notices is None:
            self.notices = await in_thread(self.begin)
            happened = set[str]()
        else:
            happened = await self.notices.wait(self.patience())
        ready = await in_thread(self.decide, happened)
        self.telling.extend(in_blocks(ready, self.number))
        if ready:
            self.newest = self.clock()
        if first or ready:
            self.telling.append(Mark.CAUGHT_UP)

    def begin(self) -> FileEvents:
        """Listen before the first search, so that nothing falls between the two. Raises NoDataError."""
        self.search = Search.of(self.texts, self.suffixes, absolute=True)
        self.search.check(self.go_on)
        self.next_search = self.clock()
        return self.listen(self.search.roots, self.search.recursive)

    def patience(self) -> float:
        """Seconds to wait for events before files are looked at again."""
        return TICK if self.arrivals.waiting else max(0.0, self.next_search - self.clock())

    def decide(self, happened: set[str]) -> list[str]:
        """What is complete now, given the paths at which something happened."""
        now = self.clock()
        known = [path for path in happened if self.search.wants(path)]
        if now >= self.next_search or any(map(self.search.unclear, happened)):
            self.arrivals.feed(self.search.find_any(self.go_on))
            self.next_search = now + max(self.rescan, SHARE * (self.clock() - now))
        self.arrivals.feed(known)
        self.arrivals.changed(known, self.probe)
        return self.arrivals.ready(self.probe, self.clock())

    def close(self) -> None:
        """Stop listening to folders."""
        if self.notices is not None:
            self.notices.close()

    def gauges(self) -> dict[str, float]:
        """See `flowload.observe.stats`."""
        age = {} if self.newest is None else {"newest_source_age_seconds": self.clock() - self.newest}
        return {"sources": len(self.arrivals.told), **age}

    def state(self) -> State:
        """Paths of the files that were given."""
        queued = {path for word in self.telling if isinstance(word, Files) for path in word.paths}
        return {"given": [path for path in self.arrivals.told if path not in queued]}

    def restore(self, state: State) -> None:
        """Go on: files that `state` named are not given again."""
        self.arrivals.told = dict.fromkeys(state["given"])


async def in_thread(work: Callable[..., T], *args: object) -> T:
    """Do work in a thread, which is waited for; where the run is left meanwhile, it is cancelled."""
    try:
        return await anyio.to_thread.run_sync(work, *args)
    except ClosedRun:  # the thread has heard of it first
        await anyio.sleep_forever()
        raise
