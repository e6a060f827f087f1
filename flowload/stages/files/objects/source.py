"""The source of objects in a store: listed once, brought to a local cache before they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from flowload.abc.operators import Call
from flowload.blocks import Files
from flowload.files.fingerprint import Fingerprint, of_objects
from flowload.files.objects.bring import asking
from flowload.files.objects.cache import Cache
from flowload.files.objects.place import Place
from flowload.stages.files.list_source import ListSource, in_blocks
from flowload.stages.files.walk import GoOn

from .ahead import ReadAhead
from .index import index_key
from .search import Listed, find_objects

__all__ = ["Brings", "ObjectSource", "all_of_them"]

Brings: TypeAlias = Callable[[int, str], bool]  #: whether a file of this number, at this path, is read here


def all_of_them(number: int, path: str) -> bool:  # noqa: ARG001 - whichever it is
    """Every file."""
    return True


class ObjectSource(ListSource):
    """Source operator: lists objects at its first pass, and gives their local paths in every pass.

    Where the cache cannot hold what is to come, it is told all the same: whoever opens it brings it then.

    Args:
        texts, suffixes: see `ListSource`; URLs.
        cache: the folder that objects are brought to.
        limit: bytes that it has at most; None: what it had, or 32 GiB.
        brings: which are read here; others are told, but not brought.
    """

    def __init__(
        self,
        texts: tuple[str, ...],
        suffixes: tuple[str, ...],
        *,
        cache: str,
        limit: int | None,
        brings: Brings = all_of_them,
    ) -> None:
        super().__init__(texts, suffixes)
        self.cache = Cache(str(Path(cache).expanduser().absolute()))
        self.limit = limit
        self.brings = brings
        self.objects: list[Listed] = []
        self.indexes: tuple[str, ...] = ()  #: paths of what says what is in each; or none
        self.ahead: ReadAhead | None = None

    def list(self, go_on: GoOn) -> list[str]:
        """The paths of the objects that are there now; see `ListSource`."""
        room = self.cache.bound(self.limit)
        self.objects = find_objects(self.texts, self.suffixes, asking(go_on))
        paths = [Place(self.cache.root, one.url, one.found.version).path for one in self.objects]
        self.check_names(paths)
        if any(one.index is not None for one in self.objects):
            self.indexes = tuple(self.index_of(one) for one in self.objects)
        self.ahead = ReadAhead(room)
        return paths

    def roots(self) -> Sequence[str]:
        """See `Rooted`: paths are below the cache."""
        return [self.cache.root]

    def index_of(self, one: Listed) -> str:
        """Where the index of an object lies in the cache; empty: it has none."""
        if one.index is None:
            return ""
        return Place(self.cache.root, index_key(one.url), one.index.version).path

    def fingerprint(self) -> Fingerprint | None:
        """Names below the folders that were searched, sizes and ETags."""
        if self.printed is None and self.paths is not None:
            found = [one.found for one in self.objects]
            self.printed = of_objects(
                [one.name for one in self.objects],
                [one.size for one in found],
                [one.version.digest for one in found],
            )
        return self.printed

    def epoch(self, number: int, call: Call) -> Iterator[Files]:
        """Every object once, in natural order of the names. Raises NoDataError and DataError."""
        paths = self.listed(call.go_on)
        place = self.cursor.begin(number)
        assert self.ahead is not None, "listed"  # noqa: S101 - the line before
        own = [at for at, path in enumerate(paths) if self.brings(at, path)]
        first = [(self.indexes[at] if self.indexes else "") or paths[at] for at in own]
        behind = [paths[at] for at in own if self.indexes and self.indexes[at]]
        coming = {at: to_come for to_come, at in enumerate(own)}
        # Chunks are known with the indexes: then objects are told that are not here yet, and come meanwhile.
        self.ahead.begin([*first, *behind], sum(1 for at in own if at < place))
        for block in in_blocks(paths, number, place):
            for _ in block.paths:
                if place in coming:
                    self.ahead.arrive(coming[place], call.go_on)
                place += 1
            self.cursor.given += len(block)
            yield replace(block, indexes=self.indexes[place - len(block) : place])

    def gauges(self) -> dict[str, float]:
        """How far it is, and what it brought; see `flowload.observe.stats`."""
        return {**super().gauges(), **(self.ahead or ReadAhead(0)).gauges()}

    def stop(self, *, failed: bool) -> None:  # noqa: ARG002 - one way out for all
        """See `Stopping`: objects on their way are given up."""
        if self.ahead is not None:
            self.ahead.stop()

    def close(self) -> None:
        """Give up what is on its way; no thread stays."""
        if self.ahead is not None:
            self.ahead.close()
