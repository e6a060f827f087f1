"""The source of a store that grows: listed again and again; objects are in a cache before they are told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import anyio

from flowload.abc.operators import Block, Mark
from flowload.blocks import Files
from flowload.errors import DataError
from flowload.files.objects.bring import asking
from flowload.files.objects.cache import Cache
from flowload.files.objects.place import Place, Version
from flowload.files.objects.trouble import UNREACHED
from flowload.stages.files.events import FileEvents
from flowload.stages.files.glob import Natural, natural
from flowload.stages.files.places import Places
from flowload.stages.files.walk import GoOn
from flowload.stages.files.watch_source import WatchSource, in_thread
from flowload.stages.files.writers import FileState, WriterState

from .ahead import ReadAhead
from .index import index_key
from .search import find_any, url_below
from .source import Brings, all_of_them

__all__ = ["ObjectPlaces", "ObjectWatch"]

log = logging.getLogger("flowload")

GONE = Version("0" * 16, 0)  #: of an object that is not there


class ObjectPlaces:
    """What is below URLs; see `Places`. Paths are those in a cache, of the versions that were found first.

    An object that is written again is said once, and stays what it was: to bring it is an error then.

    Args:
        texts: URLs.
        suffixes: see `Search`.
        root: of the cache.
    """

    recursive = True

    def __init__(self, texts: Sequence[str], suffixes: tuple[str, ...], root: str) -> None:
        self.texts = texts
        self.suffixes = suffixes
        self.root = root
        self.roots: list[str] = list(texts)
        self.known: dict[str, Version] = {}  #: of all that was found, by URL
        self.indexes: dict[str, Version] = {}  #: of what said what was in them then, by URL
        self.names: dict[str, tuple[int, str]] = {}
        self.urls: dict[tuple[int, str], str] = {}
        self.there: set[str] = set()  #: when they were listed last
        self.changed: dict[str, Version] = {}  #: what was told of those that were written again

    def check(self, go_on: GoOn) -> None:
        """Raise DataError for what cannot be listed; an empty bucket may be filled."""
        self.list(go_on)

    def find_any(self, go_on: GoOn) -> list[str]:
        """Every object; those that are known where the store cannot be reached now, which is told."""
        try:
            self.list(go_on)
        except DataError as error:
            if error.reason != UNREACHED:
                raise
            log.warning("discover: %s; listed again later", error)
        return [self.path(url) for url in sorted(self.there, key=natural)]

    def list(self, go_on: GoOn) -> None:
        """List the objects that there are now; one that was written again is logged, and not read again."""
        found = find_any(self.texts, self.suffixes, asking(go_on))
        self.there = {one.url for _, one in found}
        for number, one in found:
            if one.url not in self.known and one.index is not None:
                self.indexes[one.url] = one.index.version
            known = self.known.setdefault(one.url, one.found.version)
            self.names.setdefault(one.url, (number, one.name))
            self.urls.setdefault((number, one.name), one.url)
            if one.found.version not in (known, self.changed.get(one.url)):
                self.changed[one.url] = one.found.version
                log.warning(
                    "discover: %s: written again after it was found (%d bytes, version %s; then %d, %s);"
                    " what was read of it is not renewed",
                    one.url,
                    *(one.found.size, one.found.version.digest),
                    *(known.size, known.digest),
                )

    def path(self, url: str) -> str:
        """Where an object lies in the cache."""
        return Place(self.root, url, self.known.get(url, GONE)).path

    def index_of(self, path: str) -> str:
        """Where the index of an object lies in the cache; empty: it had none when it was found."""
        url = Place.of(path).url
        version = self.indexes.get(url)
        return "" if version is None else Place(self.root, index_key(url), version).path

    def wants(self, path: str) -> bool:  # noqa: ARG002 - a store tells no events
        """False: a store tells no events, so nobody asks."""
        return False

    def unclear(self, path: str) -> bool:  # noqa: ARG002 - see `wants`
        """False: a store tells no events, so nobody asks."""
        return False

    def place_of(self, path: str) -> tuple[int, str]:
        """See `Places`."""
        url = Place.of(path).url
        return self.names.get(url, (-1, url))

    def path_of(self, number: int, name: str) -> str:
        """See `Places`; of an object that is not there, one that leads nowhere. Raises IndexError."""
        if number < 0:
            return self.path(name if "://" in name else f"{self.texts[0]}/{name}")
        return self.path(self.urls.get((number, name)) or url_below(self.texts[number], name))

    def tag(self, path: str) -> str:
        """The digest of its ETag."""
        version = Place.of(path).version
        return "" if version == GONE else version.digest

    def look(self, path: str) -> FileState | None:
        """What can be said of an object: it is whole, or it is not there."""
        place = Place.of(path)
        if place.url not in self.there:
            return None
        return FileState(WriterState.COMPLETE, place.version.size, 0)


class Pauses:
    """A store tells no events: waits until it is listed again."""

    async def wait(self, seconds: float) -> set[str]:
        """See `FileEvents`."""
        await anyio.sleep(seconds)
        return set()

    def close(self) -> None:
        """Nothing is listened to."""


class ObjectWatch(WatchSource):
    """See `WatchSource`.

    Args:
        texts, suffixes: see there; URLs.
        cache: the folder that objects are brought to.
        limit: bytes that it has at most; None: what it had, or 32 GiB.
        rescan: seconds after which the store is listed again.
        brings: which are read here; others are told, but not brought.
        pauses, clock: replaced in tests.
    """

    def __init__(
        self,
        texts: tuple[str, ...],
        suffixes: tuple[str, ...],
        *,
        cache: str,
        limit: int | None,
        rescan: float,
        brings: Brings = all_of_them,
        pauses: Callable[[], FileEvents] = Pauses,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cache = Cache(str(Path(cache).expanduser().absolute()))
        self.limit = limit
        self.brings = brings
        self.pauses = pauses
        self.objects = ObjectPlaces(texts, suffixes, self.cache.root)
        super().__init__(
            texts,
            suffixes,
            settle=0.0,
            rescan=rescan,
            listen=lambda roots, recursive: pauses(),  # noqa: ARG005 - it listens to nothing
            probe=self.objects.look,
            clock=clock,
        )
        self.bringing: ReadAhead | None = None
        self.place = 0  #: how many of `order` were given, left out, or sent for
        self.sending: list[str] = []  #: indexes and objects to be brought, in order
        self.coming: dict[str, int] = {}  #: where in `sending` lies what must be here before one is told

    def places(self) -> Places:
        """The store."""
        return self.objects

    def begin(self) -> FileEvents:
        """List before anything is told. Raises NoDataError and DataError."""
        self.bringing = ReadAhead(self.cache.bound(self.limit))
        events = super().begin()
        self.place = len(self.order) - sum(len(word) for word in self.telling if isinstance(word, Files))
        return events

    async def __anext__(self) -> Block | Mark:
        word = await super().__anext__()
        if not isinstance(word, Files):
            return word
        await in_thread(self.arrive, word)
        indexes = tuple(map(self.objects.index_of, word.paths))
        return replace(word, indexes=indexes) if any(indexes) else word

    def arrive(self, block: Files) -> None:
        """Bring the objects of a block, or their indexes, and what follows as far as there is room."""
        assert self.bringing is not None, "begun"  # noqa: S101 - its words come behind that
        self.send_for_new()
        self.bringing.begin(self.sending, self.bringing.next)
        for path in block.paths:
            if (place := self.coming.pop(path, None)) is not None:
                self.bringing.arrive(place, self.go_on)

    def send_for_new(self) -> None:
        """What is told from now on: first what tells chunks, then the objects of indexes."""
        numbered = list(enumerate(self.order))[self.place :]
        own = [path for number, path in numbered if self.brings(number, path)]
        self.place = len(self.order)
        behind = []
        for path in own:
            index = self.objects.index_of(path)
            self.coming[path] = len(self.sending)
            self.sending.append(index or path)
            if index:
                behind.append(path)
        self.sending += behind

    def roots(self) -> Sequence[str]:
        """See `Rooted`: paths are below the cache."""
        return [self.cache.root]

    def key(self, path: str) -> Natural:
        """The natural order of names, as of files."""
        return natural(Place.of(path).url)

    def another(self) -> WatchSource:
        """See `WatchSource`."""
        return ObjectWatch(
            self.texts,
            self.suffixes,
            cache=self.cache.root,
            limit=None,
            rescan=self.rescan,
            pauses=self.pauses,
            clock=self.clock,
        )

    def gauges(self) -> dict[str, float]:
        """See `flowload.observe.stats`."""
        return {**super().gauges(), **(self.bringing or ReadAhead(0)).gauges()}

    def stop(self, *, failed: bool) -> None:  # noqa: ARG002 - one way out for all
        """See `Stopping`: objects on their way are given up."""
        if self.bringing is not None:
            self.bringing.stop()

    def close(self) -> None:
        """Give up what is on its way; no thread stays."""
        super().close()
        if self.bringing is not None:
            self.bringing.close()
