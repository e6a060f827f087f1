"""No process ends while a library's thread still needs Python's lock."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from flowload.files.objects import settling
from flowload.files.objects.settling import Settling, asked, settled
from flowload.files.objects.store import store_of
from flowload.files.objects.through_obstore import Obstore
from tests.files.objects.server import S3

LONG = 60  #: seconds; what takes so long has failed


def give(future: asyncio.Future[str]) -> None:
    """Set a result, unless nobody wants it."""
    if not future.done():
        future.set_result("x")


class Late:
    """The thread of a library in Rust, which does a step when it is told to."""

    def __init__(self, future: asyncio.Future[str]) -> None:
        self.future = future
        self.steps: list[Callable[[], object]] = []
        self.go = threading.Semaphore(0)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        for step in (self.look, self.answer):
            self.go.acquire()
            if step():
                return

    def look(self) -> bool:
        return self.future.cancelled()

    def answer(self) -> None:
        self.future.get_loop().call_soon_threadsafe(give, self.future)

    def done(self) -> None:
        self.go.release(2)
        self.thread.join()


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is open before, and the end waits for nothing that a test leaves open."""
    monkeypatch.setattr(settling, "open_there", set())
    monkeypatch.setattr(settling, "PATIENCE", 0.0)


def test_an_answer_is_open_until_it_has_been_given() -> None:
    async def main() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        library = Late(future)
        answer = asked(future)
        assert not settled()
        library.done()
        assert settled()
        assert await answer == "x"

    with asyncio.Runner(loop_factory=Settling) as runner:
        runner.run(main())


def test_one_that_is_given_before_it_is_known_is_not_open() -> None:
    async def main() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        Late(future).done()
        assert await asked(future) == "x"
        assert settled()

    with asyncio.Runner(loop_factory=Settling) as runner:
        runner.run(main())


def test_one_that_nobody_wants_is_open_until_the_library_has_seen_that() -> None:
    async def main() -> Late:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        asked(future)
        future.cancel()
        assert future.cancelled(), "this thread knows it; the library's does not"
        return Late(future)

    with asyncio.Runner(loop_factory=Settling) as runner:
        library = runner.run(main())
    assert not settled()
    library.done()
    assert settled()


def test_an_answer_for_a_loop_that_has_closed_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> asyncio.Future[str]:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        asked(future)
        return future

    with asyncio.Runner(loop_factory=Settling) as runner:
        future = runner.run(main())
    assert not settled()
    with pytest.raises(RuntimeError, match="closed"):
        future.get_loop().call_soon_threadsafe(give, future)
    assert settled()


def test_futures_of_the_loop_s_own_are_not_waited_for() -> None:
    async def main() -> None:
        await asyncio.sleep(0)
        await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0.001))])
        assert settled()

    with asyncio.Runner(loop_factory=Settling) as runner:
        runner.run(main())


def test_every_request_of_the_library_is_known_and_settled(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the real library does is what is taken for granted here."""
    s3.buckets["games"] = {"run/x": b"x" * 3_000_000}
    seen: list[Any] = []
    known = settling.asked

    def watched(answer: Any) -> Any:
        seen.append(answer)
        return known(answer)

    monkeypatch.setattr("flowload.files.objects.through_obstore.asked", watched)
    monkeypatch.setattr(settling, "PATIENCE", LONG)
    store = store_of("s3://games")
    assert isinstance(store, Obstore)
    took: list[int] = []

    class Take:
        def begin(self, found: object) -> None:
            """Nothing to look at."""

        def piece(self, data: bytes) -> None:
            took.append(len(data))

    def at_once(seconds: float) -> None:
        """A wait that does not."""

    store.get("run/x", 0, None, Take(), at_once)
    assert sum(took) == 3_000_000
    store.head("run/x", at_once)
    store.listing(at_once, deep=True)
    store.listing(at_once, deep=False)
    store.put("run/y", b"y", at_once)
    assert settled()
    assert len(seen) >= 1 + len(took) + 1 + 2 + 1 + 1
    assert all(isinstance(answer, settling.Answer) and answer.settled for answer in seen)


def test_a_request_that_is_broken_off_is_settled(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "PATIENCE", LONG)
    answer = threading.Event()
    came = threading.Event()

    def gate(_key: str) -> None:
        came.set()
        answer.wait(LONG)

    s3.buckets["games"] = {"run/x": b"x"}
    s3.gate = gate

    def stop(seconds: float) -> None:
        if came.is_set():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store_of("s3://games").head("run/x", stop)
    assert settled()
    answer.set()
