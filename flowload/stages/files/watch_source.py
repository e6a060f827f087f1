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
from flowload.errors import ClosedRun, DataError

from .events import FileEvents, FolderEvents
from .glob import Natural, Search, natural
from .list_source import in_blocks
from .places import Places
from .ready import Probe, ReadyFiles
from .told_log import Entry, ToldFile, ToldLog, entries_of
from .walk import GoOn, anything
from .writers import LookAtFiles

__all__ = ["WatchSource", "in_thread"]

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
        self.search: Places = Search(())
        self.next_search = 0.0
        self.number = 0  # of the pass
        self.notices: FileEvents | None = None
        self.go_on: GoOn = anything
        self.telling: deque[Files | Mark] = deque()
        self.newest: float | None = None  #: when the last file came, by the clock
        self.log = ToldLog()
        self.order: list[str] = []  #: paths of all that was told
        self.found_first: int | None = None  #: of them, those that were there when the run began
        self.given = 0  #: entries of the log that were given
        self.again: list[Entry] = []  #: what an earlier run told
        self.earlier: State | None = None  #: the same, as it was saved
        self.told_more = anyio.Event()  #: for who waits for more
        self.accept = False  #: what is not there any more of that is left out

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
        self.given += 1
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
        for block in in_blocks(ready, self.number):
            self.tell(block)
        if ready:
            self.newest = self.clock()
        if first or ready:
            self.tell(Mark.CAUGHT_UP)
        if first:
            self.found_first = len(self.order)
        self.told_more.set()

    def tell(self, word: Files | Mark) -> None:
        """Queue a word, and note it."""
        if isinstance(word, Files):
            self.order += word.paths
            self.log.add([self.noted(path) for path in word.paths])
        else:
            self.log.add(None)
        self.telling.append(word)

    def noted(self, path: str) -> ToldFile:
        """A file for the log."""
        size, _ = self.arrivals.told[path] or (-1, 0)
        return ToldFile(size, *self.search.place_of(path), self.search.tag(path))

    def places(self) -> Places:
        """Where to look."""
        return Search.of(self.texts, self.suffixes, absolute=True)

    def begin(self) -> FileEvents:
        """Listen before the first search, so that nothing falls between the two. Raises NoDataError."""
        self.search = self.places()
        self.search.check(self.go_on)
        self.next_search = self.clock()
        self.tell_again()
        return self.listen(self.search.roots, self.search.recursive)

    def tell_again(self) -> None:
        """Queue what an earlier run told, behind what was given of it. Raises DataError for what has gone."""
        for number, entry in enumerate(self.again):
            if entry is None:
                self.tell(Mark.CAUGHT_UP)
            else:
                found = [self.found(file, needed=number >= self.given) for file in entry]
                self.tell(Files(tuple(path for path in found if path is not None), self.number))
            if number < self.given:
                self.telling.popleft()
        self.again = []

    def found(self, file: ToldFile, *, needed: bool) -> str | None:
        """The path of a file that was told before; None: it is left out. Raises DataError, see `retell`.

        One that need not be told again may have gone; but what folds hold of it by reference is not to be
        read of another file of that name.
        """
        try:
            path = self.search.path_of(file.place, file.name)
        except IndexError:
            path = file.name
        look = self.probe(path)
        if (look is not None or needed) and not self.accept and file.size >= 0:
            tag = self.search.tag(path)
            other = file.tag != tag and bool(file.tag) and bool(tag)
            if look is None or look.size != file.size or other:
                version = (f", version {tag}", f", version {file.tag}") if other else ("", "")
                way = "on_change='accept' goes on without what has gone"
                raise DataError(
                    "a file that was told before is not what it was",
                    where=path,
                    found="no file" if look is None else f"{look.size:,} bytes{version[0]}",
                    wanted=f"{file.size:,} bytes{version[1]}; {way}",
                )
        self.arrivals.told[path] = (file.size, 0) if look is None else (look.size, look.mtime_ns)
        return None if needed and look is None else path

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

    def changed(self, told: State, state: State) -> tuple[Sequence[str], Sequence[str]]:
        """See `Comparing`."""
        search, again, before = self.places(), list[str](), list[str]()
        for number, entry in enumerate(entries_of(told)):
            for file in entry or ():
                path = search.path_of(file.place, file.name)
                look = self.probe(path)
                if look is None or (file.size >= 0 and look.size != file.size):
                    (before if number < int(state["given"]) else again).append(path)
        return again, before

    def told(self, beyond: Sequence[str] = ()) -> State:
        """See `Retelling`."""
        if self.again and self.earlier is not None:
            return self.earlier  # it has not begun
        # Of these no size is known: one that goes before it is told is nobody's business.
        return self.log.state([ToldFile(-1, *self.search.place_of(path)) for path in beyond])

    def retell(self, told: State, *, accept: bool = False) -> None:
        """See `Retelling`."""
        self.again, self.accept, self.earlier = list(entries_of(told)), accept, told

    def roots(self) -> Sequence[str]:
        """See `Rooted`. Raises DataError."""
        return [place.root for place in Search.of(self.texts, self.suffixes, absolute=True).places]

    def arrived(self) -> Sequence[str]:
        """See `Arriving`."""
        return self.order

    def news(self) -> anyio.Event:
        """See `Arriving`."""
        if self.told_more.is_set():
            self.told_more = anyio.Event()
        return self.told_more

    def key(self, path: str) -> Natural:
        """The natural order of names."""
        return natural(path)

    def ahead(self) -> AsyncIterator[Block | Mark]:
        """See `Arriving`: another look at the same folders, from what was told on."""
        other = self.another()
        other.arrivals.told = dict(self.arrivals.told)
        return other.watched()

    def another(self) -> WatchSource:
        """One of the same files, which has told none."""
        return WatchSource(
            self.texts,
            self.suffixes,
            settle=self.arrivals.settle,
            rescan=self.rescan,
            listen=self.listen,
            probe=self.probe,
            clock=self.clock,
        )

    async def watched(self) -> AsyncIterator[Block | Mark]:
        """Everything as it comes, until nobody wants more."""
        try:
            while True:
                yield await anext(self)
        finally:
            self.close()

    def state(self) -> State:
        """How many words were given of those that `told` tells."""
        return {"given": self.given}

    def restore(self, state: State) -> None:
        """Go on behind these; see `retell`."""
        self.given = int(state["given"])


async def in_thread(work: Callable[..., T], *args: object) -> T:
    """Do work in a thread, which is waited for; where the run is left meanwhile, it is cancelled."""
    try:
        return await anyio.to_thread.run_sync(work, *args)
    except ClosedRun:  # the thread has heard of it first
        await anyio.sleep_forever()
        raise
