"""How many chunks have come since an anchor: for who trains a network every so many."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import anyio
import anyio.to_thread

from flowload.abc.growing import Arriving, Counting
from flowload.blocks import Files
from flowload.errors import GraphError
from flowload.runtime.capture import Capture
from flowload.runtime.tasks.call import Member

from .chunk_counts import ChunkCounts

__all__ = ["Arrivals"]


class Arrivals:
    """Counts what the growing sources of a run have told, and what lies beyond it.

    An anchor is the name of a file. Behind it are all that were told later; where the anchor itself was not
    told in this run, those that were there at first and are later by their names, and all that arrived.

    Args:
        members: operators of the run.
        known: of files that earlier runs have looked at.

    Raises GraphError where nothing grows.
    """

    def __init__(self, members: Iterable[Member], known: Sequence[ChunkCounts] = ()) -> None:
        operators = [member.operator for member in members]
        self.sources = [one for one in operators if isinstance(one, Arriving)]
        self.counters = [one for one in operators if isinstance(one, Counting)]
        self.known = known
        self.lock = threading.Lock()  # statistics are asked for while somebody waits
        self.beyond: list[list[str]] = [[] for _ in self.sources]  #: not told yet, by source
        self.tallies: dict[tuple[int, str | None], Tally] = {}
        if not self.sources:
            raise GraphError("nothing in this graph grows: new chunks come to fl.discover(..., watch=True)")

    def newest(self) -> str | None:
        """The file that came last; None: none has come."""
        known = (self.unread(n)[-1:] or source.arrived()[-1:] for n, source in enumerate(self.sources))
        return next((name_of(paths[0]) for paths in known if paths), None)

    def behind(self, since: str | None) -> Iterator[str]:
        """Paths behind an anchor that are not in its tally yet; None: of all."""
        for number in range(len(self.sources)):
            tally = self.tally(number, since)
            if tally is not None:
                yield from tally.left()
            names = [name_of(path) for path in self.unread(number)]
            yield from self.unread(number)[names.index(since) + 1 if since in names else 0 :]

    def beyond_of(self, source: object) -> Sequence[str]:
        """What has come to a source, and was not told yet, if it is one of these."""
        return next((self.unread(n) for n, each in enumerate(self.sources) if each is source), ())

    def unread(self, number: int) -> Sequence[str]:
        """What has come to a source, and was not told yet."""
        if self.beyond[number]:
            told = set(self.sources[number].arrived())
            self.beyond[number] = [path for path in self.beyond[number] if path not in told]
        return self.beyond[number]

    def tally(self, number: int, since: str | None) -> Tally | None:
        """The count of a source behind an anchor; None: it has not begun, or did not tell the anchor yet."""
        source = self.sources[number]
        if source.found_first is None or since in [name_of(path) for path in self.unread(number)]:
            return None
        key = number, since
        if key not in self.tallies:
            self.tallies[key] = Tally(source, source.found_first, since)
        return self.tallies[key]

    def count(self, since: str | None) -> int:
        """Chunks behind an anchor, as far as their files were looked at; from any thread."""
        with self.lock:
            tallies = [self.tally(number, since) for number in range(len(self.sources))]
            done = sum(tally.advance(self.chunks_of) for tally in tallies if tally is not None)
            return done + sum(self.chunks_of(path) or 0 for path in self.behind(since))

    def chunks_of(self, path: str) -> int | None:
        """Chunks of a file; None: nobody has looked. One, where no stage reads chunks of files."""
        if not self.counters:
            return 1
        found = (each.chunk_counts[path] for each in self.counters if path in each.chunk_counts)
        before = (count for each in self.known if (count := each.of(path)) is not None)
        return next(chain(found, before), None)

    async def wait(self, chunks: int, since: str | None) -> int:
        """Return how many there are, as soon as there are enough; looks at files that nobody has read."""
        failures: list[Exception] = []  # raised from the group they would come in a group of their own
        async with anyio.create_task_group() as group:
            news = Bell()

            async def during(watch: Callable[[], Awaitable[None]]) -> None:
                with Capture(failures.append):
                    await watch()
                group.cancel_scope.cancel()

            # What comes is seen here, not where the run reads it: that waits while nobody takes its batches.
            for number, source in enumerate(self.sources):
                group.start_soon(during, partial(self.follow, number, source, news))
                group.start_soon(during, partial(rings, source, news))
            while await self.look(since) < chunks:
                await news.wait()
            group.cancel_scope.cancel()
        if failures:
            raise failures[0]
        return self.count(since)

    async def follow(self, number: int, source: Arriving, news: Bell) -> None:
        """Note what comes to a source, until this is cancelled."""
        stream: Any = source.ahead()  # an async generator
        try:
            async for word in stream:
                if isinstance(word, Files):
                    known = {*source.arrived(), *self.beyond[number]}
                    self.beyond[number] += [path for path in word.paths if path not in known]
                    news.ring()
        finally:
            with anyio.CancelScope(shield=True):
                await stream.aclose()

    async def look(self, since: str | None) -> int:
        """Count, after a look at every file behind the anchor that nobody has looked at."""
        if self.counters:
            for path in [path for path in self.behind(since) if self.chunks_of(path) is None]:
                await anyio.to_thread.run_sync(self.counters[0].count_chunks, path)
        return self.count(since)


class Bell:
    """Wakes who waits, also where it rang before the wait began; in one event loop."""

    def __init__(self) -> None:
        self.rung = anyio.Event()

    def ring(self) -> None:
        """Wake it."""
        self.rung.set()

    async def wait(self) -> None:
        """Until it rings, or has since the last time."""
        await self.rung.wait()
        self.rung = anyio.Event()


async def rings(source: Arriving, news: Bell) -> None:
    """Ring whenever a source tells something, until this is cancelled."""
    while True:
        await source.news().wait()
        news.ring()


class Tally:
    """Counts files behind an anchor in the order in which they come, each once.

    Args:
        source: tells them.
        found_first: how many were there at first.
        since: the anchor.
    """

    def __init__(self, source: Arriving, found_first: int, since: str | None) -> None:
        paths = source.arrived()
        at = next((n for n in range(len(paths) - 1, -1, -1) if name_of(paths[n]) == since), None)
        self.source = source
        self.first: Sequence[str] = ()  # those that were there at first, and are later by their names
        self.place = 0 if since is None else found_first if at is None else at + 1  # of the next in the order
        self.total = 0
        if since is not None and at is None:
            after = source.key(since)
            self.first = [path for path in paths[:found_first] if source.key(name_of(path)) > after]

    def left(self) -> Iterator[str]:
        """Those that are not counted yet."""
        yield from self.first
        yield from self.source.arrived()[self.place :]

    def advance(self, chunks_of: Any) -> int:
        """Count on, up to the first file that nobody has looked at."""
        for path in self.left():
            found = chunks_of(path)
            if found is None:
                break
            self.total += found
            if self.first:
                self.first = self.first[1:]
            else:
                self.place += 1
        return self.total


def name_of(path: str) -> str:
    """What an anchor is called: the name of a file, without its folder."""
    return path.rpartition("/")[2]
