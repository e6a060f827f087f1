"""Stores by their URLs: what is in them, through which library."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowload.errors import ClosedRun, DataError, MissingExtra
from flowload.files.objects.bring import bring
from flowload.files.objects.place import Place
from flowload.files.objects.request import Found, Store
from flowload.files.objects.store import is_url, opened, store_of
from flowload.files.objects.through_fsspec import Fsspec
from flowload.files.objects.through_obstore import Obstore
from flowload.files.objects.trouble import Budget, again
from tests.files.objects.server import S3


@pytest.fixture
def memory() -> Iterator[str]:
    """A URL of fsspec's own, which obstore does not know, with two objects below it."""
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    files.pipe({"/flowload/run/a.tar": b"first", "/flowload/run/deep/b.tar": b"second"})
    yield "memory://flowload/run"
    files.rm("/flowload", recursive=True)


def keys(found: list[Found]) -> list[str]:
    return sorted(one.key for one in found)


def never(seconds: float) -> None:
    assert not seconds, "nothing is tried again"


class Taken:
    """Keeps an answer."""

    found: Found

    def __init__(self) -> None:
        self.data = b""

    def begin(self, found: Found) -> None:
        self.found = found

    def piece(self, data: bytes) -> None:
        self.data += data


def got(store: Store, key: str, begin: int = 0, end: int | None = None) -> Taken:
    taken = Taken()
    store.get(key, begin, end, taken, never)
    return taken


def test_what_obstore_does_not_know_goes_through_fsspec(memory: str, tmp_path: Path) -> None:
    store = store_of(memory)
    assert isinstance(store, Fsspec)
    assert keys(store.listing(never, deep=False)) == ["a.tar"]
    assert keys(store.listing(never, deep=True)) == ["a.tar", "deep/b.tar"]
    found = store.head("a.tar", never)
    assert found.size == 5
    assert found.tag
    assert [found] == store.listing(never, deep=False)
    assert got(store, "a.tar").found == found
    assert got(store, "a.tar", 1, 3).data == b"ir"
    with pytest.raises(FileNotFoundError):
        store.head("deep", never)
    path = Place(str(tmp_path), f"{memory}/a.tar", found.version).path
    assert bring(path, lambda seconds: None)
    assert Path(path).read_bytes() == b"first"


def test_a_listing_has_pages_and_may_be_shallow(s3: S3) -> None:
    s3.buckets["games"] = {f"run/{number}/x": b"x" for number in range(3)} | {"run/y": b"y", "other/z": b"z"}
    s3.page = 2
    store = store_of("s3://games/run")
    assert isinstance(store, Obstore)
    assert keys(store.listing(never, deep=True)) == ["0/x", "1/x", "2/x", "y"]
    assert keys(store.listing(never, deep=False)) == ["y"]
    (one,) = [found for found in store.listing(never, deep=True) if found.key == "y"]
    assert store.head("y", never).version == got(store, "y").found.version == one.version


def test_a_server_that_does_not_list_has_objects_by_name(s3: S3, tmp_path: Path) -> None:
    s3.buckets["games"] = {"run/x": b"some bytes"}
    url = f"http://127.0.0.1:{s3.port}/games/run"
    found = store_of(url).head("x", never)
    path = Place(str(tmp_path), f"{url}/x", found.version).path
    assert bring(path, lambda seconds: None)
    assert Path(path).read_bytes() == b"some bytes"

    with pytest.raises(DataError, match=f"{url}: cannot be listed; found 501"):
        again(lambda: store_of(url).listing(never, deep=True), url, never, Budget())


def test_a_store_is_opened_once_for_what_the_environment_says(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store_of("s3://games/run")
    assert store_of("s3://games/run") is first
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    assert store_of("s3://games/run") is not first


@pytest.mark.parametrize(("url", "name"), [("s3://bucket/nowhere", "obstore"), ("weird://x/y", "fsspec")])
def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch, url: str, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    opened.cache_clear()
    with pytest.raises(
        MissingExtra, match=rf'{url}: cannot be read: .*; try pip install "flowload\[remote\]"'
    ):
        store_of(url)


def test_what_is_written_is_there(s3: S3, memory: str) -> None:
    for store in (store_of("s3://games/run"), store_of(memory)):
        store.put("new", b"some bytes", never)
        assert got(store, "new").data == b"some bytes"


def test_who_stops_waiting_gives_a_stalled_request_up_at_once(s3: S3) -> None:
    s3.buckets["games"] = {"x": b"x"}
    stalled, done = threading.Event(), threading.Event()

    def stall(key: str) -> None:
        stalled.set()
        assert done.wait(60)

    def leave(seconds: float) -> None:
        if stalled.is_set():
            raise ClosedRun("left")

    s3.gate = stall
    with pytest.raises(ClosedRun):
        store_of("s3://games").get("x", 0, None, Taken(), leave)
    stalled.clear()
    with pytest.raises(ClosedRun):
        store_of("s3://games").head("x", leave)
    done.set()


def test_a_thread_whose_event_loop_runs_may_ask_too(s3: S3) -> None:
    s3.buckets["games"] = {"x": b"some bytes"}

    async def ask() -> bytes:
        return got(store_of("s3://games"), "x").data

    async def ask_for_nothing() -> None:
        store_of("s3://games").head("y", never)

    assert asyncio.run(ask()) == b"some bytes"
    with pytest.raises(FileNotFoundError):
        asyncio.run(ask_for_nothing())


def test_what_is_a_url() -> None:
    assert all(map(is_url, ["s3://bucket/x", "https://host/x", "gs://b"]))
    assert not any(map(is_url, ["/data/x", "file:///data/x", "a://b".replace("a", "/a"), "x", "C:\\x"]))
