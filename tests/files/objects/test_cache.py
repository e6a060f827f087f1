"""A folder with a bound that is kept, whoever is at it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flowload.errors import DataError
from flowload.files.objects import cache as module
from flowload.files.objects.cache import DEFAULT, PART, Cache, locked

URL = "s3://bucket/x"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    cache = Cache(str(tmp_path))
    assert cache.bound(100) == 100
    return cache


def never(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} s")


@contextmanager
def under_way(cache: Cache, name: str, size: int) -> Iterator[str]:
    part = str(cache.objects / "s3" / f".{name}{PART}")
    with locked(part, never) as fd:
        assert cache.reserve(fd, size, URL) is None
        yield part


def put(cache: Cache, name: str, size: int, used: int) -> Path:
    """An object of so many bytes, which was used at a time."""
    with under_way(cache, name, size) as part:
        os.utime(part, ns=(used, 0))
        return Path(part).rename(cache.objects / "s3" / name)


def total(cache: Cache) -> int:
    with cache.books() as books:
        assert books.total == sum(size for _, size, _ in cache.held())
        return books.total


def names(cache: Cache) -> set[str]:
    return {Path(path).name for _, _, path in cache.held()}


def test_what_was_not_used_for_longest_makes_room(cache: Cache) -> None:
    for name, used in [("a", 3), ("b", 1), ("c", 2)]:
        put(cache, name, 30, used)
    assert (names(cache), total(cache)) == ({"a", "b", "c"}, 90)
    put(cache, "d", 50, 4)
    assert (names(cache), total(cache)) == ({"a", "d"}, 80)


def test_what_is_open_or_on_its_way_stays(cache: Cache) -> None:
    first = put(cache, "a", 60, 1)
    with first.open() as file, under_way(cache, "b", 0) as part, locked(f"{part}2", never) as fd:
        fcntl.flock(file, fcntl.LOCK_SH)
        full = cache.reserve(fd, 50, URL)
        assert full is not None
        assert not full.coming
        assert "60 of 100 bytes, all of them in use now" in str(full.error)
    with under_way(cache, "c", 40), under_way(cache, "d", 50):
        assert names(cache) >= {".c.part", ".d.part"}
        assert "a" not in names(cache)
        with locked(str(cache.objects / ".e.part"), never) as fd:
            full = cache.reserve(fd, 50, URL)
            assert full is not None
            assert full.coming
        assert total(cache) == 90


def test_who_gets_the_lock_of_what_has_gone_makes_another(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, real = cache.objects / ".a.part", module.try_lock

    def lose(fd: int) -> bool:
        monkeypatch.setattr(module, "try_lock", real)
        part.unlink()
        return real(fd)

    monkeypatch.setattr(module, "try_lock", lose)
    with locked(str(part), never) as fd:
        assert os.path.samestat(os.fstat(fd), part.stat())


def test_what_a_killed_process_left_behind_makes_room(cache: Cache) -> None:
    with under_way(cache, "a", 80):
        pass  # as if killed: neither renamed nor given up
    assert total(cache) == 80
    put(cache, "b", 90, 1)
    assert (names(cache), total(cache)) == ({"b"}, 90)


def test_folders_go_with_the_last_object_in_them(cache: Cache) -> None:
    inner = put(cache, "a", 60, 1)
    (cache.objects / "s3" / "deep").mkdir()
    inner.rename(cache.objects / "s3" / "deep" / "a")
    with locked(str(cache.objects / "gs" / ".b.part"), never) as fd:
        assert cache.reserve(fd, 60, URL) is None
    assert not (cache.objects / "s3").exists()


def test_an_object_that_never_fits_is_an_error(cache: Cache) -> None:
    put(cache, "a", 60, 1)
    with pytest.raises(
        DataError, match="not enough cache space; found a bound of 100 bytes; wanted room for 101"
    ):
        put(cache, "b", 101, 1)
    assert "a" in names(cache)
    assert total(cache) == 60


def test_a_full_disk_is_named_and_nothing_is_taken(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, begin: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match="not enough cache space; found No space left on device"):
        put(cache, "a", 10, 1)
    assert total(cache) == 0


def test_a_file_system_that_takes_room_later_will_do(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(fd: int, begin: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Not supported")

    monkeypatch.setattr(os, "posix_fallocate", cannot)
    assert put(cache, "a", 10, 1).stat().st_size == 10
    assert total(cache) == 10


def test_a_bound_is_everybodys_and_stays(cache: Cache) -> None:
    put(cache, "a", 60, 1)
    put(cache, "b", 30, 2)
    assert Cache(cache.root).bound(None) == 100
    assert Cache(cache.root).bound(50) == 50
    assert names(cache) == {"b"}
    assert cache.bound(None) == 50


@pytest.mark.parametrize("text", [b"", b"nonsense", b"[1]"])
def test_books_that_were_lost_are_made_anew(cache: Cache, text: bytes) -> None:
    put(cache, "a", 60, 1)
    (cache.objects / module.BOOKS).write_bytes(text)
    assert cache.bound(None) == DEFAULT
    assert total(cache) == 60


def test_who_removes_files_by_hand_does_no_harm(cache: Cache) -> None:
    put(cache, "a", 60, 1).unlink()
    put(cache, "b", 90, 1)
    assert total(cache) == 90


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file"):
        Cache(str(tmp_path / "file")).bound(1)


def test_many_small_objects_make_room_several_at_once(cache: Cache) -> None:
    for number in range(100):
        put(cache, str(number), 1, number)
    put(cache, "new", 1, 1000)
    assert total(cache) == 100 - 100 // 16
