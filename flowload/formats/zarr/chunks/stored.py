"""Chunks that are objects of a store, or ranges of shards there: asked for when needed, and kept nowhere.

Of a chunk that is not compressed only the rows that are wanted are asked for. What a call needs is asked for
at once, so that a request's way there and back is waited for once.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

import numpy as np

from flowload.errors import DataError
from flowload.files.objects.bring import asking, nothing
from flowload.files.objects.request import Ask, Store, Wait
from flowload.files.objects.store import store_of
from flowload.files.objects.traffic import TRAFFIC
from flowload.files.objects.trouble import Budget, again

from .files import MOST_SEEN, Extent
from .places import ABSENT, KEPT, Coords, Encode, Index, Opening, ShardLayout, Wanted

__all__ = ["StoredChunks"]

#: What is said of a range behind the end. A bare 416 may be of a port, or of a chunk's name.
BEHIND = re.compile(
    r"status(?: code)?[: (]*416\b|\b416[ ,]+(?:Range|Requested|message)|InvalidRange|range was invalid"
    r"|range started at",
    re.IGNORECASE,
)


class StoredChunks:
    """See `Chunks`, and the module. Several threads may ask at once.

    Args:
        url: of the array.
        encode: names a chunk's object, or a shard's.
        layout: of shards.
        location: for messages.
    """

    near = False

    def __init__(self, url: str, encode: Encode, layout: ShardLayout | None, location: str) -> None:
        self.url = url.rstrip("/")
        self.encode = encode
        self.layout = layout
        self.location = location
        self.lock = threading.Lock()
        self.seen: dict[str, int] = {}  #: hashes of versions
        self.indices: OrderedDict[str, Index | None] = OrderedDict()  #: of shards; None: there is none
        self.there: set[str] = set()  #: chunks that were found by who only looked

    def name(self, coords: Coords) -> str:
        """See `Chunks`."""
        return self.encode(coords) if self.layout is None else self.layout.name(coords, self.encode)

    def documents(self, names: Sequence[str]) -> dict[str, bytes]:
        """What is beside the chunks under some names, by URL, as far as it is there. Raises DataError."""
        asks = [Ask(name) for name in names]
        self.fetch(asks, nothing)
        return {f"{self.url}/{ask.key}": ask.data for ask in asks if ask.found is not None}

    def usable(self, document: str) -> bool:
        """Whether the store can be read in this way: asked of the array's metadata, once."""
        try:
            store_of(self.url).head(document, asking(nothing))
        except Exception:  # noqa: BLE001 - of any library; whoever else reads it says what is wrong
            return False
        return True

    def open_all(self, wanted: Sequence[Wanted], go_on: Callable[[], None]) -> list[Opening]:
        """See `OpenChunks`."""
        if self.layout is not None:
            return self.open_in_shards(self.layout, wanted, go_on)
        asks = [Ask(self.encode(each.coords), each.begin, each.end) for each in wanted]
        self.fetch(asks, go_on)
        return [partial(self.extent, ask, None, 0) for ask in asks]

    def open_in_shards(
        self, layout: ShardLayout, wanted: Sequence[Wanted], go_on: Callable[[], None]
    ) -> list[Opening]:
        """The same of chunks that are ranges: first the indices that are not known."""
        places = [layout.split(each.coords) for each in wanted]
        keys = [self.encode(shard) for shard, _ in places]
        indices = self.load(layout, keys, go_on)
        opened: list[Opening] = []
        asks: list[Ask] = []
        for each, key, (_, number) in zip(wanted, keys, places, strict=True):
            index = indices[key]
            if index is None or index[number, 0] == ABSENT:
                opened.append(lambda: None)
                continue
            first, size = int(index[number, 0]), int(index[number, 1])
            end = size if each.end is None else min(each.end, size)
            if each.begin >= end:  # of another size than it should have: whoever reads it says so
                opened.append(partial(Extent, -1, 0, size, data=b""))
                continue
            ask = Ask(key, first + each.begin, first + end)
            asks.append(ask)
            opened.append(partial(self.extent, ask, size, first))
        self.fetch(asks, go_on)
        return opened

    def load(
        self, layout: ShardLayout, keys: Sequence[str], go_on: Callable[[], None]
    ) -> dict[str, Index | None]:
        """The indices of shards; None: there is no such shard. Raises DataError."""
        with self.lock:
            known = {key: self.indices[key] for key in keys if key in self.indices}
            for key in known:
                self.indices.move_to_end(key)
        size = layout.index_bytes
        begin, end = (0, size) if layout.first else (-size, None)
        asks = [Ask(key, begin, end) for key in dict.fromkeys(keys) if key not in known]
        self.fetch(asks, go_on)
        for ask in asks:
            extent = self.extent(ask, None, 0)
            index: Index | None = None
            if extent is not None:
                data = np.frombuffer(ask.data, np.uint8)
                index = layout.parse(data, extent.size, f"{self.location}: shard {ask.key}")
            known[ask.key] = index
        with self.lock:
            self.indices.update((ask.key, known[ask.key]) for ask in asks if known[ask.key] is not None)
            while len(self.indices) > max(1, KEPT // max(1, size)):
                self.indices.popitem(last=False)
        return known

    def fetch(self, asks: Sequence[Ask], go_on: Callable[[], None]) -> None:
        """Make requests at once, and those that failed again, as long as that may help. Raises DataError."""
        if not asks:
            return
        store, wait = store_of(self.url), asking(go_on)
        with TRAFFIC.awaited():
            store.get_all(asks, wait)
            self.settle(store, asks, wait)

    def settle(self, store: Store, asks: Sequence[Ask], wait: Wait) -> None:
        """See that all came."""
        for ask in asks:
            tries = count()
            again(lambda: settle(store, ask, next(tries), wait), f"{self.url}/{ask.key}", wait, Budget())  # noqa: B023 - called at once

    def extent(self, ask: Ask, size: int | None, first: int) -> Extent | None:
        """The answer to a request; None: there is no such object. Raises DataError for another version.

        Args:
            ask: the request.
            size: bytes of the chunk; None: those of the object.
            first: byte of the object at which the chunk begins.
        """
        if ask.found is None:
            return None
        state = hash(ask.found.version)
        with self.lock:
            known = self.seen.get(ask.key, state)
            if len(self.seen) < MOST_SEEN:
                self.seen[ask.key] = known
        if known != state:
            found, wanted = f"{ask.found.size:,} bytes, written since", "what was read before"
            raise DataError("object changed", where=f"{self.url}/{ask.key}", found=found, wanted=wanted)
        whole = ask.found.size if size is None else size
        return Extent(-1, first - ask.start, whole, (state,), ask.data)

    def which(self, coords: Sequence[Coords]) -> Sequence[bool]:
        """See `Chunks`; what was found is not asked for again."""
        if self.layout is not None:
            places = [self.layout.split(each) for each in coords]
            keys = [self.encode(shard) for shard, _ in places]
            indices = self.load(self.layout, keys, nothing)
            found = [indices[key] for key in keys]
            return [
                index is not None and bool(index[number, 0] != ABSENT)
                for index, (_, number) in zip(found, places, strict=True)
            ]
        keys = [self.encode(each) for each in coords]
        with self.lock:
            asks = [Ask(key, 0, 0) for key in keys if key not in self.seen and key not in self.there]
        self.fetch(asks, nothing)
        with self.lock:
            self.there.update(ask.key for ask in asks if ask.found is not None)
            return [key in self.there or key in self.seen for key in keys]


def settle(store: Store, ask: Ask, tries: int, wait: Wait) -> None:
    """Raise what went wrong with a request; where it is tried again, make it again first."""
    if tries:
        store.get_all([ask], wait)
    if isinstance(ask.failed, FileNotFoundError):
        return
    if ask.failed is not None and BEHIND.search(str(ask.failed)):
        ask.begin(store.head(ask.key, wait))  # it is too short: whoever reads it says so
        return
    if ask.failed is not None:
        raise ask.failed
    if not ask.whole:
        raise ConnectionError(f"truncated: {len(ask.data):,} bytes came")
