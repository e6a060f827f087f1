"""Stores by their URLs: what is in them, through which library."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowload.errors import DataError, MissingExtra
from flowload.files.objects.bring import bring
from flowload.files.objects.place import Place
from flowload.files.objects.store import Found, Fsspec, Obstore, is_url, opened, store_of
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


def keys(pages: Iterator[list[Found]]) -> list[str]:
    return sorted(found.key for page in pages for found in page)


def test_what_obstore_does_not_know_goes_through_fsspec(memory: str, tmp_path: Path) -> None:
    store = store_of(memory)
    assert isinstance(store, Fsspec)
    assert keys(store.list(deep=False)) == ["a.tar"]
    assert keys(store.list(deep=True)) == ["a.tar", "deep/b.tar"]
    found = store.head("a.tar")
    assert found.size == 5
    assert found.tag
    assert [found] == [one for page in store.list(deep=False) for one in page]
    assert store.get("a.tar", 0, None).found == found
    assert b"".join(store.get("a.tar", 1, 3).pieces) == b"ir"
    with pytest.raises(FileNotFoundError):
        store.head("deep")
    path = Place(str(tmp_path), f"{memory}/a.tar", found.version).path
    assert bring(path, lambda seconds: None)
    assert Path(path).read_bytes() == b"first"


def test_a_listing_has_pages_and_may_be_shallow(s3: S3) -> None:
    s3.buckets["games"] = {f"run/{number}/x": b"x" for number in range(3)} | {"run/y": b"y", "other/z": b"z"}
    s3.page = 2
    store = store_of("s3://games/run")
    assert isinstance(store, Obstore)
    assert keys(store.list(deep=True)) == ["0/x", "1/x", "2/x", "y"]
    assert keys(store.list(deep=False)) == ["y"]
    (one,) = [found for page in store.list(deep=True) for found in page if found.key == "y"]
    assert store.head("y").version == store.get("y", 0, None).found.version == one.version


def test_a_server_that_does_not_list_has_objects_by_name(s3: S3, tmp_path: Path) -> None:
    s3.buckets["games"] = {"run/x": b"some bytes"}
    url = f"http://127.0.0.1:{s3.port}/games/run"
    found = store_of(url).head("x")
    path = Place(str(tmp_path), f"{url}/x", found.version).path
    assert bring(path, lambda seconds: None)
    assert Path(path).read_bytes() == b"some bytes"

    def never(seconds: float) -> None:
        assert not seconds, "what is not known today is not known later"

    with pytest.raises(DataError, match=f"{url}: cannot be listed; found 501"):
        again(lambda: list(store_of(url).list(deep=True)), url, never, Budget())


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


def test_what_is_a_url() -> None:
    assert all(map(is_url, ["s3://bucket/x", "https://host/x", "gs://b"]))
    assert not any(map(is_url, ["/data/x", "file:///data/x", "a://b".replace("a", "/a"), "x", "C:\\x"]))
