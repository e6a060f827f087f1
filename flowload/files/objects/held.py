"""Objects that a table reads at random: brought to a cache, held there, and found under their names.

A folder of links stands for a folder of the store; what is held makes no room for others until it is let go.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatchcase
from functools import partial
from glob import has_magic
from pathlib import Path
from typing import TypeVar

from flowload.errors import ClosedRun, DataError, NoDataError
from flowload.files.visible import visible

from .bring import asking, nothing, open_object
from .cache import NO_ROOM, Cache, default_cache
from .place import Place, Version
from .request import Found, Wait
from .store import store_of
from .trouble import Budget, again

__all__ = ["Held", "asked"]

T = TypeVar("T")

AT_ONCE = 8  #: objects on their way
LINK = Version("0" * 16, 0)  #: in the paths of links: they are those of a cache, so that messages have URLs

#: Asked while objects come, by whoever opens them in this context; may raise.
GO_ON: ContextVar[Callable[[], None]] = ContextVar("GO_ON", default=nothing)


@contextmanager
def asked(go_on: Callable[[], None]) -> Iterator[None]:
    """Inside, what is opened asks whether anybody waits for it."""
    token = GO_ON.set(go_on)
    try:
        yield
    finally:
        GO_ON.reset(token)


class Held:
    """Objects in a cache, until it is closed.

    Args:
        cache: its folder; None: the user's own.
        limit: bytes that it has at most; None: what it had.
        beside: beginnings of names go with an object: see `Storable`.
    """

    def __init__(self, cache: str | None, limit: int | None, beside: Callable[[str], str | None]) -> None:
        root = default_cache() if cache is None else cache
        self.cache = Cache(str(Path(root).expanduser().absolute()))
        self.room = self.cache.bound(limit)
        self.beside = beside
        self.links = tempfile.TemporaryDirectory(prefix="flowload-objects-")
        self.fds: list[int] = []
        self.urls: set[str] = set()  #: of those that are held
        self.nbytes = 0
        self.left = threading.Event()
        self.go_on = GO_ON.get()

    def path(self, url: str) -> str:
        """Where an object, a folder, a pattern or the beginning of names lies now. Raises DataError."""
        folder, _, name = url.rstrip("/").rpartition("/")
        if has_magic(name):
            return self.some(folder, lambda other: fnmatchcase(other, name), name, url)
        if not url.endswith("/") and self.is_object(folder, name):
            prefix = self.beside(name)
            if prefix is None:
                return self.some(folder, lambda other: other == name, name, url)
            return self.some(folder, lambda other: other.startswith(prefix), name, url)
        try:
            return self.some(url.rstrip("/"), lambda other: True, "", url)  # noqa: ARG005 - all
        except NoDataError:
            return self.some(folder, lambda other: other.startswith(name), name, url)

    def is_object(self, folder: str, name: str) -> bool:
        """Whether a URL is that of an object. Raises DataError for what cannot be asked."""
        try:
            self.tried(lambda wait: store_of(folder).head(name, wait), f"{folder}/{name}")
        except NoDataError:
            return False
        return True

    def some(self, folder: str, fits: Callable[[str], bool], name: str, url: str) -> str:
        """Hold the objects of a folder whose names fit; the path of a name in it. Raises DataError."""
        listed = self.listed(folder, name, url)
        found = [one for one in listed if fits(one.key) and (visible(one.key) or one.key == name)]
        if not found:
            raise NoDataError("no objects", where=url, found=f"{len(listed)} others in {folder}")
        new = [(f"{folder}/{one.key}", one) for one in found if f"{folder}/{one.key}" not in self.urls]
        self.urls.update(url for url, _ in new)
        self.hold(new)
        return str(Path(self.link(f"{folder}/x")).parent / name)

    def listed(self, folder: str, name: str, url: str) -> list[Found]:
        """The objects of a folder; where a server does not list, the one that is named."""
        try:
            found = self.tried(lambda wait: store_of(folder).listing(wait, deep=False), url)
        except DataError as error:
            if error.reason != "cannot be listed" or not name:
                raise
            found = [self.tried(lambda wait: store_of(folder).head(name, wait), url)._replace(key=name)]
        return [one for one in found if "/" not in one.key]

    def hold(self, objects: Sequence[tuple[str, Found]]) -> None:
        """Bring objects, several at once, and keep them open. Raises DataError."""
        self.nbytes += sum(found.size for _, found in objects)
        if self.nbytes > self.room:
            wanted = f"room for {self.nbytes:,} bytes at once: raise cache_bytes, or name another cache"
            where = f"{objects[0][0]} in {self.cache.root}"
            raise DataError(NO_ROOM, where=where, found=f"a bound of {self.room:,} bytes", wanted=wanted)
        with ThreadPoolExecutor(AT_ONCE, "flowload-objects") as threads:
            try:
                coming = [threads.submit(self.hold_one, url, found) for url, found in objects]
                for one in coming:
                    while not one.done():
                        asking(self.go_on)(0.01)
                    one.result()
            except BaseException:
                self.left.set()
                raise

    def hold_one(self, url: str, found: Found) -> None:
        """Bring one, keep it open, and link its name to it."""
        path = Place(self.cache.root, url, found.version).path
        self.fds.append(open_object(path, self.still))
        link = Path(self.link(url))
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)

    def still(self) -> None:
        """Raise ClosedRun where nobody waits any more."""
        if self.left.is_set():
            raise ClosedRun("nobody waits for the objects any more")

    def link(self, url: str) -> str:
        """The path of an object's link."""
        return Place(self.links.name, url, LINK).path

    def tried(self, work: Callable[[Wait], T], url: str) -> T:
        """What a request gives, tried again as long as that may help. Raises DataError."""
        wait = asking(self.go_on)
        return again(partial(work, wait), url, wait, Budget())

    def close(self) -> None:
        """Let go of them."""
        fds, self.fds = self.fds, []
        for fd in fds:
            os.close(fd)
        self.links.cleanup()
