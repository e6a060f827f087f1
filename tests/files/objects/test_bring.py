"""Objects that are brought, whatever the network does."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flowload.errors import DataError, NoDataError
from flowload.files.identity import Identity, identify
from flowload.files.objects import bring as module
from flowload.files.objects.bring import bring, identity_at, open_object, opening, was_opened
from flowload.files.objects.cache import Cache
from flowload.files.objects.place import Place, Version, digest_of
from flowload.files.objects.request import Found, Take, Wait
from flowload.files.objects.trouble import Budget
from tests.files.objects.server import S3, tag_of
from tests.suite.warm import Started, start_warm

DATA = bytes(range(256)) * 4000


def path_of(s3: S3, root: Path, key: str = "run/x.tar", data: bytes = DATA) -> str:
    """Put an object into the store; where it will lie in a cache."""
    s3.buckets["games"][key] = data
    return Place(str(root), f"s3://games/{key}", Version(digest_of(tag_of(data)), len(data))).path


def at_once(seconds: float) -> None:
    """A wait that does not."""


def held(root: Path) -> list[str]:
    return sorted(Path(path).name for _, _, path in Cache(str(root)).held())


def test_an_object_is_brought_once_in_one_request(s3: S3, tmp_path: Path) -> None:
    path = path_of(s3, tmp_path)
    assert was_opened(path), "what is not there is not waited for"
    assert bring(path, at_once)
    assert not was_opened(path)
    assert not bring(path, at_once)
    fd = open_object(path)
    assert os.pread(fd, len(DATA) + 1, 0) == DATA
    os.close(fd)
    assert was_opened(path)
    assert s3.gets() == ["run/x.tar"]
    assert held(tmp_path) == ["x.tar"]


def test_an_object_gets_its_name_while_nobody_counts(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = path_of(s3, tmp_path)
    rename = Path.rename
    counted: list[bool] = []

    def watched(part: Path, to: str) -> Path:
        with (Cache(str(tmp_path)).objects / ".books").open("rb") as books:
            try:
                fcntl.flock(books, fcntl.LOCK_EX | fcntl.LOCK_NB)
                counted.append(True)
            except BlockingIOError:
                counted.append(False)
        return rename(part, to)

    monkeypatch.setattr(Path, "rename", watched)
    assert bring(path, at_once)
    assert counted == [False]


def test_an_empty_object_is_one(s3: S3, tmp_path: Path) -> None:
    path = path_of(s3, tmp_path, data=b"")
    assert bring(path, at_once)
    assert Path(path).read_bytes() == b""


@pytest.mark.parametrize("trouble", [["503"], ["reset"], ["cut"], ["503", "reset", "cut", "cut", "reset"]])
def test_what_passes_is_survived(s3: S3, tmp_path: Path, trouble: list[str]) -> None:
    path = path_of(s3, tmp_path)
    s3.troubles = list(trouble)
    assert bring(path, at_once)
    assert Path(path).read_bytes() == DATA
    assert not s3.troubles
    assert len(s3.gets()) == len(trouble) + 1


def test_what_broke_off_goes_on_where_it_was(s3: S3, tmp_path: Path) -> None:
    path = path_of(s3, tmp_path, data=DATA * 8)
    s3.troubles = ["cut"]
    assert bring(path, at_once)
    (_, _, first), (_, _, second) = s3.asked
    assert first == ""
    assert int(second.removeprefix("bytes=").partition("-")[0]) > 1 << 20
    assert Path(path).read_bytes() == DATA * 8


def test_a_large_object_comes_in_ranges(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", 1 << 19)
    monkeypatch.setattr(module, "RANGE", 1 << 18)
    path = path_of(s3, tmp_path)
    assert bring(path, at_once)
    assert Path(path).read_bytes() == DATA
    assert [wanted for _, _, wanted in s3.asked] == [
        f"bytes={begin}-{min(begin + (1 << 18), len(DATA)) - 1}" for begin in range(0, len(DATA), 1 << 18)
    ]


@pytest.mark.parametrize(
    ("trouble", "reason"), [("503", "cannot be reached; found 503"), ("403", "permission denied; found 403")]
)
def test_what_stays_is_named_and_nothing_of_it_is_left(
    s3: S3, tmp_path: Path, trouble: str, reason: str
) -> None:
    path = path_of(s3, tmp_path)
    s3.troubles = [trouble] * 3
    with pytest.raises(DataError, match=f"s3://games/run/x.tar: {reason}"):
        bring(path, at_once, budget=Budget(seconds=0))
    assert len(s3.troubles) == 2
    assert held(tmp_path) == []
    with Cache(str(tmp_path)).books() as books:
        assert books.total == 0


def test_a_server_that_never_sends_enough_is_named(s3: S3, tmp_path: Path) -> None:
    path = path_of(s3, tmp_path, data=b"x")
    s3.troubles = ["cut"] * 5
    with pytest.raises(DataError, match=r"s3://games/run/x.tar: cannot be reached"):
        bring(path, at_once, budget=Budget(seconds=0))
    assert held(tmp_path) == []


def test_another_etag_is_named(s3: S3, tmp_path: Path) -> None:
    path = path_of(s3, tmp_path)
    path_of(s3, tmp_path, data=DATA[::-1])
    with pytest.raises(
        DataError, match=r"s3://games/run/x.tar: object changed; found 1,024,000 bytes, version .*listed"
    ):
        bring(path, at_once)
    assert held(tmp_path) == []


def test_an_object_that_changes_between_two_requests_is_no_mixture(s3: S3, tmp_path: Path) -> None:
    path = path_of(s3, tmp_path, data=DATA * 8)

    def change(key: str) -> None:
        if len(s3.gets()) == 2:
            s3.buckets["games"][key] = DATA * 7 + DATA[::-1]

    s3.gate, s3.troubles = change, ["cut"]
    with pytest.raises(DataError, match="object changed"):
        bring(path, at_once)
    assert held(tmp_path) == []


def test_what_has_gone_is_named(s3: S3, tmp_path: Path) -> None:
    path = path_of(s3, tmp_path)
    s3.buckets["games"].clear()
    with pytest.raises(NoDataError, match=r"s3://games/run/x.tar: no such object"):
        bring(path, at_once)
    del s3.buckets["games"]
    with pytest.raises(NoDataError, match=r"s3://games/run/x.tar: no such"):
        bring(path, at_once)


def test_brought_again_it_is_the_same_to_who_asks(s3: S3, tmp_path: Path) -> None:
    path = path_of(s3, tmp_path)
    with opening(path) as first:
        pass
    Path(path).unlink()
    with opening(path) as second, Path(path).open("rb") as file:
        assert second == first == identity_at(path, identify(file.fileno()))
    assert s3.gets() == ["run/x.tar"] * 2
    assert identity_at("/x", identify(0)) == identify(0)


def test_its_identity_is_that_of_its_version(s3: S3, tmp_path: Path) -> None:
    def identity(root: Path, data: bytes) -> Identity:
        with opening(path_of(s3, root, data=data)) as found:
            return found

    first, second = identity(tmp_path / "a", DATA), identity(tmp_path / "b", DATA)
    assert first == second
    assert identity(tmp_path / "c", DATA[::-1]) != first


def test_what_goes_while_it_is_opened_is_brought_again(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = path_of(s3, tmp_path)
    assert bring(path, at_once)
    real = fcntl.flock

    def lose(fd: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        Path(path).unlink()

    monkeypatch.setattr(fcntl, "flock", lose)
    fd = open_object(path)
    assert os.fstat(fd).st_nlink == 1
    os.close(fd)


@pytest.mark.parametrize("pieces", [[b"sho"], [b"much ", b"too long"], []])
def test_an_answer_of_another_length_is_no_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]
) -> None:
    class Store:
        def get(self, key: str, begin: int, end: int | None, take: Take, wait: Wait) -> None:
            take.begin(Found(key, "tag", 10))
            for data in pieces if begin == 0 else []:
                take.piece(data)

    monkeypatch.setattr(module, "store_of", lambda url: Store())
    path = Place(str(tmp_path), "s3://games/x", Version(digest_of("tag"), 10)).path
    with pytest.raises(DataError, match=r"s3://games/x: cannot be reached; found .* bytes came, of 10"):
        bring(path, at_once, budget=Budget(seconds=0))
    assert held(tmp_path) == []


def test_what_is_open_stays_and_its_room_with_it(s3: S3, tmp_path: Path) -> None:
    first, second = (path_of(s3, tmp_path, key) for key in ("a", "b"))
    Cache(str(tmp_path)).bound(len(DATA) + 10)
    with (
        opening(first),
        pytest.raises(DataError, match="not enough cache space; found 1,024,000 of 1,024,010 bytes"),
    ):
        bring(second, at_once, patience=0)
    assert held(tmp_path) == ["a"]
    assert bring(second, at_once, patience=0)
    assert held(tmp_path) == ["b"]


def test_who_waits_for_room_gets_it(s3: S3, tmp_path: Path) -> None:
    first, second = (path_of(s3, tmp_path, key) for key in ("a", "b"))
    Cache(str(tmp_path)).bound(len(DATA) + 10)
    fd = open_object(first)
    closing = iter([fd])

    def wait(seconds: float) -> None:
        if seconds:
            os.close(next(closing))

    assert bring(second, wait, patience=1000)
    assert held(tmp_path) == ["b"]


def test_threads_that_want_one_object_bring_it_once(s3: S3, tmp_path: Path) -> None:
    path = path_of(s3, tmp_path)
    begin = threading.Barrier(4)

    def work() -> bytes:
        begin.wait()
        fd = open_object(path)
        try:
            return os.pread(fd, len(DATA) + 1, 0)
        finally:
            os.close(fd)

    with ThreadPoolExecutor(4) as threads:
        assert all(found.result() == DATA for found in [threads.submit(work) for _ in range(4)])
    assert s3.gets() == ["run/x.tar"]


def test_who_is_stopped_leaves_nothing(s3: S3, tmp_path: Path) -> None:
    path = path_of(s3, tmp_path, data=DATA * 8)
    times = iter(range(3))

    def stop(seconds: float) -> None:
        if next(times) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(path, stop)
    assert held(tmp_path) == []


@pytest.mark.slow
def test_what_a_killed_process_began_is_brought_whole(s3: S3, tmp_path: Path) -> None:
    path = path_of(s3, tmp_path)
    code = "import sys, time; from flowload.files.objects.bring import bring; bring(sys.argv[1], time.sleep)"
    known = threading.Event()
    child: list[Started] = []

    def kill(key: str) -> None:
        if len(s3.gets()) == 1:
            assert known.wait(60)
            child[0].send_signal(signal.SIGKILL)
            child[0].wait(60)

    s3.gate = kill
    with start_warm("-c", code, path) as started:
        child.append(started)
        known.set()
        assert started.wait(60) == -signal.SIGKILL
    assert held(tmp_path) == [".x.tar.part"]
    assert bring(path, at_once)
    assert Path(path).read_bytes() == DATA
    assert held(tmp_path) == ["x.tar"]
    with Cache(str(tmp_path)).books() as books:
        assert books.total == len(DATA)


WORK = """
import hashlib, os, random, sys
from flowload.files.objects.bring import open_object
from flowload.files.objects.cache import Cache
from flowload.files.objects.place import Place
paths = sys.argv[2:]
cache = Cache(Place.of(paths[0]).root)
order = random.Random(int(sys.argv[1]))
for _ in range(60):
    path = order.choice(paths)
    fd = open_object(path)
    with cache.books() as books:
        there = sum(size for _, size, _ in cache.held())
        assert there <= books.total <= books.limit, (there, books)
    data = os.pread(fd, 1 << 20, 0)
    os.close(fd)
    assert hashlib.md5(data).hexdigest() == os.path.basename(path), path
"""


@pytest.mark.slow
def test_two_processes_at_one_cache_keep_its_bound(s3: S3, tmp_path: Path) -> None:
    paths = []
    for number in range(8):
        data = bytes([number]) * (20_000 + number)
        paths.append(path_of(s3, tmp_path, f"run/{tag_of(data)[1:-1]}", data))
    Cache(str(tmp_path)).bound(70_000)
    s3.troubles = ["ok", "503", "cut", "ok", "reset", "ok", "cut"]
    with start_warm("-c", WORK, "0", *paths) as one, start_warm("-c", WORK, "1", *paths) as other:
        said = [each.communicate(timeout=100)[1] for each in (one, other)]
        assert [one.returncode, other.returncode] == [0, 0], said
    assert len(s3.gets()) > 8, "something had to make room"
    assert all(not name.endswith(".part") for name in held(tmp_path))
