"""Objects of a store as the files of a run: the same stream as from a folder."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.errors import DataError, GraphError, NoDataError
from flowload.files.objects.cache import Cache, default_cache
from flowload.sample import sample_path
from flowload.stages.files.objects import ahead as object_ahead
from flowload.stages.files.objects.search import find_objects
from flowload.stages.files.objects.source import ObjectSource
from tests.files.objects.server import S3
from tests.stages.fakes import FakeCall
from tests.states import through_json

FILES = sorted(sample_path("chess").glob("*.tar"))
MUCH = 1 << 30


@pytest.fixture
def s3(s3: S3) -> S3:
    s3.buckets["games"] = {f"run/{file.name}": file.read_bytes() for file in FILES}
    return s3


def rest(graph: fl.Graph) -> fl.Graph:
    return (
        graph
        >> fl.read("lc0")
        >> fl.shuffle_pool(9)
        >> fl.unpack(rate=0.3)
        >> fl.reservoir(60)
        >> fl.batch(64)
    )


def local() -> fl.Graph:
    return rest(fl.discover(sample_path("chess")))


def stored(cache: Path, cache_bytes: int = MUCH) -> fl.Graph:
    return rest(fl.discover("s3://games/run/*.tar", cache=cache, cache_bytes=cache_bytes))


def digests(graph: fl.Graph, **options: Any) -> list[str]:
    with graph.iterate(seed=3, epochs=2, **options) as batches:
        return [digest(batch) for batch in batches]


def digest(batch: dict[str, Any]) -> str:
    found = hashlib.blake2b(digest_size=8)
    for key in sorted(batch):
        found.update(np.ascontiguousarray(batch[key]).tobytes())
    return found.hexdigest()


def held(cache: Path) -> list[str]:
    return sorted(Path(path).name for _, _, path in Cache(str(cache)).held())


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("flowload-objects")]


@pytest.mark.slow
def test_the_stream_is_that_of_a_folder(s3: S3, tmp_path: Path) -> None:
    wanted = digests(local())
    for cpus in (1, 2):
        assert digests(stored(tmp_path / str(cpus)), cpus=cpus) == wanted
    assert sorted(s3.gets()) == sorted(2 * [f"run/{file.name}" for file in FILES])
    assert digests(stored(tmp_path / "1")) == wanted
    assert len(s3.gets()) == 2 * len(FILES), "what is in the cache is not asked for again"
    assert held(tmp_path / "1") == [file.name for file in FILES]
    assert not threads()


@pytest.mark.slow
def test_troubles_on_the_way_change_nothing(s3: S3, tmp_path: Path) -> None:
    s3.list_troubles = ["503", "reset"]
    s3.troubles = ["reset", "503", "cut", "ok", "cut"]
    assert digests(stored(tmp_path)) == digests(local())
    assert not s3.troubles
    assert not s3.list_troubles


@pytest.mark.slow
def test_a_cache_with_room_for_one_object_is_enough(
    s3: S3, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def plain(graph: fl.Graph) -> fl.Graph:
        return graph >> fl.read("lc0") >> fl.unpack() >> fl.batch(64)

    bound = max(file.stat().st_size for file in FILES) + 100
    graph = plain(fl.discover("s3://games/run/", cache=tmp_path, cache_bytes=bound))
    assert digests(graph) == digests(plain(fl.discover(sample_path("chess"))))
    assert len(s3.gets()) > len(FILES)
    assert "brought again; cache_bytes is less than what is read from" in caplog.text
    assert len(held(tmp_path)) == 1


@pytest.mark.slow
def test_states_interchange(s3: S3, tmp_path: Path) -> None:
    makers: list[Callable[[], fl.Graph]] = [local, lambda: stored(tmp_path)]
    wanted = digests(local())
    for before in makers:
        with before().iterate(seed=3, epochs=2) as batches:
            begun = [digest(next(batches)) for _ in range(7)]
            state = through_json(batches.state_dict())
        for behind in makers:
            assert begun + digests(behind(), state=state) == wanted


@pytest.mark.slow
def test_a_state_knows_the_etags(s3: S3, tmp_path: Path) -> None:
    with stored(tmp_path).iterate(seed=3, epochs=2) as batches:
        next(batches)
        state = through_json(batches.state_dict())
    name = f"run/{FILES[0].name}"
    s3.buckets["games"][name] = s3.buckets["games"][name][:-1] + b"x"
    with pytest.raises(DataError, match=f"{FILES[0].name} has other bytes than then"):
        digests(stored(tmp_path), state=state)


def test_what_came_over_the_network_is_a_statistic_of_the_run(s3: S3, tmp_path: Path) -> None:
    s3.troubles = ["503"]
    with (fl.discover("s3://games/run/*.tar", cache=tmp_path) >> fl.read("lc0")).iterate() as run:
        list(run)
        network = run.stats().network
    objects = len(FILES)
    assert (network.requests, network.failures) == (1 + objects + 1, 1)
    assert network.bytes == sum(file.stat().st_size for file in FILES)
    assert 0 < network.busy <= network.seconds
    assert network.waiting > 0
    with (fl.discover("s3://games/run/*.tar", cache=tmp_path) >> fl.read("lc0")).iterate() as run:
        list(run)
        assert run.stats().network[:3] == (1, 0, 0), "of this run alone: it has listed"
    assert run.stats().as_json()["network"]["requests"] == 1


def test_what_is_missing_or_forbidden_is_named(s3: S3, tmp_path: Path) -> None:
    def first(url: str) -> None:
        with (fl.discover(url, cache=tmp_path) >> fl.read("lc0")).iterate() as run:
            next(run)

    with pytest.raises(NoDataError, match=r"s3://none/x/\*: no such bucket; found 404"):
        first("s3://none/x/*")
    with pytest.raises(
        NoDataError, match=r"s3://games/run/x.tar: no objects; .* names ending in .tar or .gz"
    ):
        first("s3://games/run/x.tar")
    s3.list_troubles = ["403"]
    with pytest.raises(
        DataError, match="s3://games/run/: permission denied; found 403 Forbidden: AccessDenied"
    ):
        first("s3://games/run/")
    s3.always[""] = "403"
    with pytest.raises(DataError, match=f"s3://games/run/{FILES[0].name}: permission denied"):
        first("s3://games/run/")
    assert held(tmp_path) == []
    assert not threads()


def test_an_object_that_cannot_be_had_may_be_skipped(s3: S3, tmp_path: Path) -> None:
    def change(key: str) -> None:
        if key == f"run/{FILES[0].name}":
            s3.buckets["games"][key] = b"other"

    s3.gate = change
    graph = fl.discover("s3://games/run/", cache=tmp_path) >> fl.read("lc0", on_error="skip")
    with graph.iterate() as run:
        assert sum(map(len, run)) == 12
        assert run.stats().stages["read"].dropped == {"object changed": 1}


def test_who_leaves_early_leaves_no_thread_and_nothing_half_written(s3: S3, tmp_path: Path) -> None:
    data = FILES[0].read_bytes()
    s3.buckets["games"] = {f"run/{number}.tar": data for number in range(40)}
    with (fl.discover("s3://games/run/", cache=tmp_path) >> fl.read("lc0")).iterate() as run:
        next(run)
        assert threads()
    assert not threads()
    assert all(name.endswith(".tar") and not name.startswith(".") for name in held(tmp_path))


def test_who_leaves_while_a_server_is_silent_does_not_wait_for_it(s3: S3, tmp_path: Path) -> None:
    asked, answer = threading.Event(), threading.Event()

    def silent(key: str) -> None:
        asked.set()
        answer.wait(600)

    s3.gate = silent
    with (fl.discover("s3://games/run/*.tar", cache=tmp_path) >> fl.read("lc0")).iterate():
        assert asked.wait(60)
    assert not threads()
    assert held(tmp_path) == []
    answer.set()


def test_what_fails_ahead_is_tried_as_long_as_ever_by_who_needs_it(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_ahead, "SECONDS", 0.0)
    s3.troubles = ["503"] * 3
    with (fl.discover(f"s3://games/run/{FILES[0].name}", cache=tmp_path) >> fl.read("lc0")).iterate() as run:
        assert sum(map(len, run)) == 12
        assert run.stats().stages["discover"].gauges["objects_brought"] == 0
    assert len(s3.gets()) == 4


def test_no_more_is_brought_ahead_than_a_share_of_the_cache(s3: S3, tmp_path: Path) -> None:
    s3.buckets["games"] = {f"run/{number}.tar": b"x" * 1000 for number in range(10)}
    source = ObjectSource(("s3://games/run",), (), cache=str(tmp_path), limit=8000)
    next(source.epoch(0, FakeCall()))
    assert source.ahead is not None
    ahead = source.ahead
    with ahead.changed:
        assert ahead.changed.wait_for(lambda: len(ahead.ahead) == 2 and not ahead.coming, 60)
    assert sorted(set(s3.gets())) == ["run/0.tar", "run/1.tar"]
    source.close()


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["s3://games"], ["top.tar"]),
        (["s3://games/a"], ["a/x2.tar", "a/x10.tar"]),
        (["s3://games/a/"], ["a/x2.tar", "a/x10.tar"]),
        (["s3://games/a/x2.tar"], ["a/x2.tar"]),
        (["s3://games/a/x2.txt"], ["a/x2.txt"]),
        (["s3://games/a/*.txt"], ["a/x2.txt"]),
        (["s3://games/*/x*.tar"], ["b/x1.tar", "a/x2.tar", "a/x10.tar"]),
        (["s3://games/**"], ["top.tar", "b/x1.tar", "a/x2.tar", "a/x2.txt", "a/deep/x3.tar", "a/x10.tar"]),
        (["s3://games/**/x[23].tar", "s3://games/a/x2.tar"], ["a/x2.tar", "a/deep/x3.tar"]),
    ],
)
def test_patterns_folders_and_objects_in_natural_order(s3: S3, texts: list[str], found: list[str]) -> None:
    keys = [
        "top.tar",
        "a/x10.tar",
        "a/x2.tar",
        "a/x2.txt",
        "a/deep/x3.tar",
        "b/x1.tar",
        "a/.x.tar",
        "a/y.tar.part",
    ]
    s3.buckets["games"] = {key: key.encode() for key in keys}
    suffixes = (".tar",)
    listed = find_objects(texts, suffixes, lambda seconds: None)
    assert [one.url.removeprefix("s3://games/") for one in listed] == found
    assert all(one.found.size == len(one.url.removeprefix("s3://games/")) for one in listed)


def test_drawings_that_cannot_be_run(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="'/data' is of this machine, 's3://games' is in a store"):
        fl.discover(["s3://games", "/data"])
    with pytest.raises(GraphError, match="cache and cache_bytes are for URLs"):
        fl.discover("/data", cache=tmp_path)
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(GraphError, match="cache_bytes is"):
            fl.discover("s3://games/*", cache_bytes=wrong)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="bad name; found a query"):
        find_objects(["https://host/x.tar?sign=1"], (), lambda seconds: None)


def test_a_file_url_is_a_path() -> None:
    graph = fl.discover(f"file://{sample_path('chess')}/*.tar") >> fl.read("lc0")
    with graph.iterate() as run:
        assert sum(map(len, run)) == 24


def test_where_objects_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert default_cache() == "/caches/flowload"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert default_cache() == "/home/me/.cache/flowload"
