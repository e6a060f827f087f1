"""A store of objects, of whatever kind: what is below a URL, and the bytes of an object."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple, Protocol, TypeVar

from flowload.errors import MissingExtra

from .place import Version, digest_of
from .traffic import TRAFFIC

__all__ = ["LOOK", "Found", "Store", "Take", "Wait", "is_url", "store_of"]

T = TypeVar("T")
#: Waits for so many seconds; raises where nobody waits any more.
Wait = Callable[[float], None]

EXTRA = 'pip install "flowload[remote]"'
#: What obstore knows; any other scheme is fsspec's.
KNOWN = frozenset({"s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "http", "https"})
#: Names of environment variables that the libraries look at begin with these.
ENVIRONMENT = ("AWS_", "GOOGLE_", "AZURE_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
PIECE = 1 << 20  #: bytes of an answer that are waited for at least
LOOK = 0.05  #: seconds between questions whether anybody waits for an answer


class Found(NamedTuple):
    """An object that a store has."""

    key: str  #: its path below the store's URL
    tag: str  #: its ETag; where a store has none, its version, or when it was written
    size: int  #: bytes

    @property
    def version(self) -> Version:
        """What tells it from what it was."""
        return Version(digest_of(self.tag), self.size)


class Take(Protocol):
    """What is done with an answer."""

    def begin(self, found: Found) -> None:
        """Told what it is of, before any of its bytes."""

    def piece(self, data: bytes) -> None:
        """Given its bytes, one piece after the other."""


class Store(Protocol):
    """What is below one URL. Everything raises what its library raises; see `trouble`.

    `wait` is asked with 0 seconds all the time; what it raises gives the request up at once.
    """

    def listing(self, wait: Wait, *, deep: bool) -> list[Found]:
        """What is below it; not `deep`: not what is in folders of it."""

    def head(self, key: str, wait: Wait) -> Found:
        """One object. Raises FileNotFoundError."""

    def get(self, key: str, begin: int, end: int | None, take: Take, wait: Wait) -> None:
        """Give the bytes of an object from `begin` to `end`, or to its last. Raises FileNotFoundError."""

    def put(self, key: str, data: bytes, wait: Wait) -> None:
        """Write an object, as a whole or not at all."""


def is_url(text: str) -> bool:
    """Whether a text names a store, such as `s3://bucket/x.tar`."""
    scheme, mark, _ = text.partition("://")
    return bool(mark) and scheme.isalnum() and scheme != "file"


def store_of(url: str) -> Store:
    """The store below a URL, with credentials from the environment. Raises MissingExtra."""
    mine = tuple(sorted(item for item in os.environ.items() if item[0].upper().startswith(ENVIRONMENT)))
    return opened(url, mine)


@lru_cache(maxsize=64)
def opened(url: str, environment: tuple[tuple[str, str], ...]) -> Store:  # noqa: ARG001 - what it is opened in
    """One store is one pool of connections: opened once, while the environment stays what it is."""
    scheme = url.partition("://")[0]
    name, kind = ("obstore", Obstore) if scheme in KNOWN else ("fsspec", Fsspec)
    try:
        library = import_module(name)
        return kind(library, url)
    except ImportError as error:
        raise MissingExtra(f"{url}: cannot be read: {error}; try {EXTRA}") from error


class Obstore:
    """Through obstore, whose own retries are off: ours go on where an answer broke off."""

    def __init__(self, library: Any, url: str) -> None:
        self.library = library
        plain = {"client_options": {"allow_http": True}} if url.startswith("http://") else {}
        self.store = import_module("obstore.store").from_url(url, retry_config={"max_retries": 0}, **plain)

    def listing(self, wait: Wait, *, deep: bool) -> list[Found]:
        """See `Store`."""
        return waited(self.deeply() if deep else self.shallowly(), wait)

    async def deeply(self) -> list[Found]:
        """With what is in folders, page by page."""
        found: list[Found] = []
        pages = self.library.list(self.store, chunk_size=1000)
        while True:
            try:
                with TRAFFIC.request():
                    page = await ended(anext(pages))
            except EndOfPages:
                return found
            found += map(met, page)

    async def shallowly(self) -> list[Found]:
        """Without it."""
        with TRAFFIC.request():
            return [
                met(meta) for meta in (await self.library.list_with_delimiter_async(self.store))["objects"]
            ]

    def head(self, key: str, wait: Wait) -> Found:
        """See `Store`."""

        async def head() -> Found:
            with TRAFFIC.request():
                return met(await self.library.head_async(self.store, key))

        return waited(head(), wait)

    def get(self, key: str, begin: int, end: int | None, take: Take, wait: Wait) -> None:
        """See `Store`."""
        options: dict[str, Any] = {}
        if end is not None:
            options["range"] = (begin, end)
        elif begin:
            options["range"] = {"offset": begin}
        waited(self.got(key, options, take), wait)

    async def got(self, key: str, options: dict[str, Any], take: Take) -> None:
        """One request for an object."""
        with TRAFFIC.request():
            answer = await self.library.get_async(self.store, key, options=options)
            take.begin(met(answer.meta))
            async for data in answer.stream(min_chunk_size=PIECE):
                TRAFFIC.came(len(data))
                take.piece(bytes(data))

    def put(self, key: str, data: bytes, wait: Wait) -> None:
        """See `Store`."""

        async def put() -> None:
            with TRAFFIC.request():
                await self.library.put_async(self.store, key, data)

        waited(put(), wait)


class EndOfPages(Exception):  # noqa: N818 - it is none
    """A listing has no more pages: a future cannot raise StopAsyncIteration."""


async def ended(page: Any) -> Any:
    """The next page. Raises EndOfPages."""
    try:
        return await page
    except StopAsyncIteration:
        raise EndOfPages from None


def waited(work: Coroutine[Any, Any, T], wait: Wait) -> T:
    """What a request gives, in an event loop of its own, which a request takes 0.3 ms to have.

    A call of the library that waits cannot be told to stop; a task of it can, and its connection is closed.
    """

    async def watched() -> T:
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait([task], timeout=LOOK))[0]:
                wait(0)
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with asyncio.Runner() as runner:
            return runner.run(watched())
    return elsewhere(watched)


def elsewhere(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The same for a thread whose own loop runs, such as a notebook's: it has to wait for another thread."""
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with asyncio.Runner() as runner:
                done.append(runner.run(work()))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            failed.append(error)

    thread = threading.Thread(target=run, name="flowload-request")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def met(meta: Any) -> Found:
    """What obstore says of an object."""
    tag = meta["e_tag"] or meta.get("version") or meta["last_modified"].isoformat()
    return Found(str(meta["path"]), str(tag), int(meta["size"]))


class Fsspec:
    """Through fsspec: every other scheme, by the package that knows it, such as `sshfs`."""

    def __init__(self, library: Any, url: str) -> None:
        self.library = library
        self.files, path = library.core.url_to_fs(url)
        self.root = path.rstrip("/")

    def listing(self, wait: Wait, *, deep: bool) -> list[Found]:
        """See `Store`."""
        wait(0)
        self.files.invalidate_cache()
        with TRAFFIC.request():
            entries = self.files.find(self.root, detail=True, maxdepth=None if deep else 1)
        return [self.met(info) for info in entries.values()]

    def head(self, key: str, wait: Wait) -> Found:
        """See `Store`."""
        wait(0)
        self.files.invalidate_cache()
        with TRAFFIC.request():
            info = self.files.info(f"{self.root}/{key}")
        if info["type"] != "file":
            raise FileNotFoundError(key)
        return self.met(info)

    def get(self, key: str, begin: int, end: int | None, take: Take, wait: Wait) -> None:
        """See `Store`."""
        take.begin(self.head(key, wait))
        with TRAFFIC.request(), self.files.open(f"{self.root}/{key}", "rb") as file:
            file.seek(begin)
            while data := file.read(PIECE if end is None else min(PIECE, end - begin)):
                begin += len(data)
                TRAFFIC.came(len(data))
                take.piece(data)
                wait(0)

    def put(self, key: str, data: bytes, wait: Wait) -> None:
        """See `Store`."""
        wait(0)
        with TRAFFIC.request():
            self.files.pipe_file(f"{self.root}/{key}", data)

    def met(self, info: Any) -> Found:
        """What fsspec says of an object: every package in its own words."""
        words = (info.get(word) for word in ("ETag", "etag", "mtime", "LastModified", "modified", "created"))
        tag = next((tag_of(word) for word in words if word), "")
        name = self.files._strip_protocol(info["name"])  # noqa: SLF001 - how fsspec's own code compares names
        return Found(name.removeprefix(self.root).lstrip("/"), tag, int(info["size"]))


def tag_of(word: object) -> str:
    """What tells a version, as text; a time may be a number in one answer and a date in another."""
    if isinstance(word, datetime):
        word = word.timestamp()
    return f"{word:.6f}" if isinstance(word, float) else str(word)
