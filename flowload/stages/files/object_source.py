"""The source of objects in a store: listed once, brought to a local cache before they are told."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from flowload.abc.operators import Call
from flowload.blocks import Files
from flowload.errors import ClosedRun
from flowload.files.fingerprint import Fingerprint, of_objects
from flowload.files.objects.bring import asking, bring, was_opened
from flowload.files.objects.cache import Cache
from flowload.files.objects.place import Place

from .glob import GoOn
from .list_source import ListSource, in_blocks
from .object_search import Listed, find_objects

__all__ = ["ObjectSource", "default_cache"]

AT_ONCE = 8  #: objects on their way
LOOK = 0.05  #: seconds between questions whether anybody waits
AHEAD = 4  #: one part of the cache in so many may be there that nobody has opened yet


def default_cache() -> str:
    """The folder in which a user's programs keep what they can get again."""
    return str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "flowload"))


class ObjectSource(ListSource):
    """Source operator: lists objects at its first pass, and gives their local paths in every pass.

    Where the cache cannot hold what is to come, it is told all the same: whoever opens it brings it then.

    Args:
        texts, suffixes: see `ListSource`; URLs.
        cache: the folder that objects are brought to.
        limit: bytes that it has at most; None: what it had, or 32 GiB.
    """

    def __init__(
        self, texts: tuple[str, ...], suffixes: tuple[str, ...], *, cache: str, limit: int | None
    ) -> None:
        super().__init__(texts, suffixes)
        self.cache = Cache(str(Path(cache).expanduser().absolute()))
        self.limit = limit
        self.room = 0
        self.objects: list[Listed] = []
        self.threads: ThreadPoolExecutor | None = None
        self.next = 0  #: place of the first object that was not sent for
        self.left = threading.Event()  #: nobody waits for objects any more
        self.coming: dict[str, Future[bool]] = {}
        self.ahead: dict[str, int] = {}  #: bytes by path of what was sent for, and may not have been opened
        self.brought = 0
        self.nbytes = 0

    def list(self, go_on: GoOn) -> list[str]:
        """The paths of the objects that are there now; see `ListSource`."""
        self.room = self.cache.bound(self.limit)
        self.objects = find_objects(self.texts, self.suffixes, asking(go_on))
        paths = [Place(self.cache.root, one.url, one.found.version).path for one in self.objects]
        self.check_names(paths)
        return paths

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
        self.next = place = self.cursor.begin(number)
        for block in in_blocks(paths, number, place):
            for path in block.paths:
                self.send_for(paths, place)
                self.arrive(path, call)
                place += 1
            self.cursor.given += len(block)
            yield block

    def send_for(self, paths: Sequence[str], place: int) -> None:
        """Send for objects from a place on that were not, as far as there is room for what nobody opened."""
        if self.threads is None:
            self.threads = ThreadPoolExecutor(AT_ONCE, "flowload-objects")
        self.next = max(self.next, place)
        ahead = self.nobody_opened()
        while self.next < len(paths) and len(self.coming) < 2 * AT_ONCE:
            path, size = paths[self.next], self.objects[self.next].found.size
            if ahead + size > self.room // AHEAD:
                break
            ahead += size
            self.ahead[path] = size
            self.coming[path] = self.threads.submit(bring, path, self.pause)
            self.next += 1

    def nobody_opened(self) -> int:
        """Bytes that were sent for and that nobody has opened since."""
        for path in [path for path in self.ahead if path not in self.coming and was_opened(path)]:
            del self.ahead[path]
        return sum(self.ahead.values())

    def arrive(self, path: str, call: Call) -> None:
        """Wait until an object is there, if it was sent for. What went wrong is told to who opens it."""
        coming = self.coming.get(path)
        if coming is None:
            return
        while not wait([coming], LOOK).done:
            call.go_on()
        del self.coming[path]
        if coming.exception() is None and coming.result():
            self.brought += 1
            self.nbytes += Place.of(path).version.size

    def pause(self, seconds: float) -> None:
        """See `Wait`. Raises ClosedRun."""
        if self.left.wait(seconds) if seconds else self.left.is_set():
            raise ClosedRun("the run was left while an object was on its way")

    def gauges(self) -> dict[str, float]:
        """How far it is, and what it brought; see `flowload.observe.stats`."""
        return {
            **super().gauges(),
            "objects_brought": self.brought,
            "bytes_brought": self.nbytes,
            "objects_coming": len(self.coming),
        }

    def stop(self, *, failed: bool) -> None:  # noqa: ARG002 - one way out for all
        """See `Stopping`: objects on their way are given up."""
        self.left.set()

    def close(self) -> None:
        """Give up what is on its way; no thread stays."""
        self.left.set()
        if self.threads is not None:
            self.threads.shutdown(cancel_futures=True)
