"""Stores that obstore knows: S3, GCS, Azure, HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, TypeVar

from .request import LOOK, PIECE, Ask, Found, Take, Wait
from .settling import Settling, asked
from .traffic import TRAFFIC

__all__ = ["Obstore"]

T = TypeVar("T")

TOGETHER = 16  #: requests of one call that are under way at once


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
        """List everything below, what lies in folders too, page by page."""
        found: list[Found] = []
        pages = self.library.list(self.store, chunk_size=1000)
        while True:
            try:
                with TRAFFIC.request():
                    page = await ended(asked(pages.__anext__()))
            except EndOfPieces:
                return found
            found += map(met, page)

    async def shallowly(self) -> list[Found]:
        """List one folder alone, without those in it."""
        with TRAFFIC.request():
            page = await asked(self.library.list_with_delimiter_async(self.store))
            return [met(meta) for meta in page["objects"]]

    def head(self, key: str, wait: Wait) -> Found:
        """See `Store`."""
        return waited(self.met(key), wait)

    async def met(self, key: str) -> Found:
        """One request for what an object is."""
        with TRAFFIC.request():
            return met(await asked(self.library.head_async(self.store, key)))

    def get(self, key: str, begin: int, end: int | None, take: Take, wait: Wait) -> None:
        """See `Store`."""
        waited(self.got(key, begin, end, take), wait)

    def get_all(self, asks: Sequence[Ask], wait: Wait) -> None:
        """See `Store`."""

        async def one(ask: Ask, room: asyncio.Semaphore) -> None:
            ask.found, ask.failed = None, None
            try:
                async with room:
                    if ask.stop == 0:
                        ask.begin(await self.met(ask.key))
                    else:
                        await self.got(ask.key, ask.start, ask.stop, ask)
            except Exception as error:  # noqa: BLE001 - whoever asked looks at it
                ask.failed = error

        async def together() -> None:
            room = asyncio.Semaphore(TOGETHER)
            await asyncio.gather(*(one(ask, room) for ask in asks))

        waited(together(), wait)

    async def got(self, key: str, begin: int, end: int | None, take: Take) -> None:
        """One request for an object."""
        options: dict[str, Any] = {}
        if begin < 0:
            options["range"] = {"suffix": -begin}
        elif end is not None:
            options["range"] = (begin, end)
        elif begin:
            options["range"] = {"offset": begin}
        with TRAFFIC.request():
            answer = await asked(self.library.get_async(self.store, key, options=options))
            take.begin(met(answer.meta))
            pieces = answer.stream(min_chunk_size=PIECE)
            with suppress(EndOfPieces):
                while True:
                    data = await ended(asked(pieces.__anext__()))
                    TRAFFIC.came(len(data))
                    take.piece(bytes(data))

    def put(self, key: str, data: bytes, wait: Wait) -> None:
        """See `Store`."""

        async def put() -> None:
            with TRAFFIC.request():
                await asked(self.library.put_async(self.store, key, data))

        waited(put(), wait)


class EndOfPieces(Exception):  # noqa: N818 - it is none
    """A listing has no more pages, an object no more bytes: a task cannot raise StopAsyncIteration."""


async def ended(piece: Awaitable[Any]) -> Any:
    """The next piece. Raises EndOfPieces."""
    try:
        return await piece
    except StopAsyncIteration:
        raise EndOfPieces from None


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
        with asyncio.Runner(loop_factory=Settling) as runner:
            return runner.run(watched())
    return elsewhere(watched)


def elsewhere(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The same for a thread whose own loop runs, such as a notebook's: it has to wait for another thread."""
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=Settling) as runner:
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
