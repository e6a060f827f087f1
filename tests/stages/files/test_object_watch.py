"""A store that grows: what is there, then what comes, each object once, in order, whatever happens to it."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.abc.growing import Arriving, Retelling
from flowload.abc.operators import Mark, Source
from flowload.abc.powers import Closing, Stopping
from flowload.blocks import Files
from flowload.errors import DataError, GraphError, NoDataError
from flowload.files.objects.place import Place
from flowload.files.objects.trouble import Budget
from flowload.sample import sample_path
from flowload.stages.files.objects import search as object_search
from flowload.stages.files.objects.watch import ObjectWatch
from flowload.stages.files.watch_source import WatchSource
from tests.files.objects.server import S3
from tests.stages.fakes import FakeCall
from tests.states import through_json

FILES = sorted(sample_path("chess").glob("*.tar"))


class Script:
    """What happens while the source waits; the clock goes on by as long as it waited."""

    def __init__(self, s3: S3, cache: Path, *texts: str) -> None:
        self.s3 = s3
        self.cache = cache
        self.texts = texts or ("s3://games/run/*.tar",)
        self.steps: list[Any] = []
        self.waits: list[float] = []
        self.now = 0.0

    def watching(self) -> ObjectWatch:
        return ObjectWatch(
            self.texts,
            (".tar",),
            cache=str(self.cache),
            limit=1 << 20,
            rescan=10.0,
            pauses=lambda: self,
            clock=lambda: self.now,
        )

    def put(self, **objects: bytes) -> None:
        for name, data in objects.items():
            self.s3.buckets["games"][f"run/{name}.tar"] = data

    async def wait(self, seconds: float) -> set[str]:
        self.waits.append(seconds)
        self.now += seconds
        self.steps.pop(0)()
        return set()

    def close(self) -> None:
        """Nothing to do."""


async def told(watching: WatchSource) -> list[str]:
    """Names up to the next mark."""
    found: list[str] = []
    async for word in watching.epoch(0, FakeCall()):
        if isinstance(word, Mark):
            break
        assert isinstance(word, Files)
        for path in word.paths:
            assert os.path.exists(path), "it is there when it is told"  # noqa: ASYNC240, PTH110 - of a test
            found.append(Place.of(path).url.removeprefix("s3://games/run/"))
    return found


@pytest.fixture
def script(s3: S3, tmp_path: Path) -> Script:
    return Script(s3, tmp_path)


@pytest.mark.anyio
async def test_each_object_is_told_once_in_natural_order(script: Script) -> None:
    script.put(x10=b"ten", x2=b"two")
    watching = script.watching()
    assert isinstance(watching, Source)
    assert all(isinstance(watching, power) for power in (Closing, Stopping, Retelling, Arriving))
    assert await told(watching) == ["x2.tar", "x10.tar"]
    script.steps = [lambda: None, lambda: script.put(x11=b"eleven", x3=b"three")]
    assert await told(watching) == ["x3.tar", "x11.tar"]
    assert script.waits == [10.0, 10.0]
    assert watching.gauges()["objects_brought"] == 4
    assert watching.gauges()["sources"] == 4
    watching.close()


@pytest.mark.anyio
async def test_another_look_begins_behind_what_was_told(script: Script) -> None:
    script.put(x1=b"1")
    watching = script.watching()
    assert await told(watching) == ["x1.tar"]
    script.put(x2=b"2")
    other = watching.ahead()
    word = await anext(aiter(other))
    assert isinstance(word, Files)
    assert [Path(path).name for path in word.paths] == ["x2.tar"]
    await other.aclose()  # type: ignore[attr-defined]  # a generator
    watching.close()


@pytest.mark.anyio
async def test_an_empty_bucket_may_be_filled_and_none_is_an_error(s3: S3, tmp_path: Path) -> None:
    script = Script(s3, tmp_path)
    watching = script.watching()
    assert await told(watching) == []
    script.steps = [lambda: script.put(x=b"first")]
    assert await told(watching) == ["x.tar"]
    watching.close()
    watching = Script(s3, tmp_path, "s3://none/*.tar").watching()
    with pytest.raises(NoDataError, match="no such bucket"):
        await told(watching)
    watching.close()


@pytest.mark.anyio
async def test_a_store_that_cannot_be_listed_for_a_while_is_asked_again(
    script: Script, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_search, "Budget", lambda: Budget(seconds=0))
    script.put(x1=b"1")
    watching = script.watching()
    assert await told(watching) == ["x1.tar"]

    def trouble() -> None:
        script.put(x2=b"2")
        script.s3.list_troubles = ["503"]

    script.steps = [trouble, lambda: None]
    assert await told(watching) == ["x2.tar"]
    assert "cannot be reached; found 503" in caplog.text
    script.s3.list_troubles = ["403"]
    script.steps = [lambda: None]
    with pytest.raises(DataError, match="permission denied"):
        await told(watching)
    watching.close()


@pytest.mark.anyio
async def test_an_object_that_is_written_again_is_named_once_and_told_once(
    script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    script.put(x1=b"1")
    watching = script.watching()
    assert await told(watching) == ["x1.tar"]
    script.steps = [
        lambda: script.put(x1=b"other"),
        lambda: None,
        lambda: script.put(x2=b"2"),
    ]
    assert await told(watching) == ["x2.tar"]
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(lines) == 1
    assert "s3://games/run/x1.tar: written again after it was found (5 bytes, version" in lines[0]
    watching.close()


@pytest.mark.anyio
async def test_who_goes_on_is_told_the_same_in_the_same_order(script: Script, tmp_path: Path) -> None:
    script.put(x5=b"5")
    watching = script.watching()
    first = await told(watching)
    script.steps = [lambda: script.put(x1=b"1", x3=b"3")]
    first += await told(watching)
    assert first == ["x5.tar", "x1.tar", "x3.tar"]
    state, log = through_json(watching.state()), through_json(watching.told())
    watching.close()
    script.put(x0=b"0")

    def going_on(given: int, accept: bool = False) -> ObjectWatch:
        other = Script(script.s3, tmp_path / "other").watching()
        other.retell(log, accept=accept)
        other.restore({"given": given})
        return other

    again = going_on(state["given"])
    assert await told(again) == ["x0.tar"]
    again.close()
    assert "run/x5.tar" not in script.s3.gets()[3:], "what was given is not brought"
    again = going_on(2)  # behind the first mark
    assert await told(again) == ["x1.tar", "x3.tar"]
    again.close()
    script.put(x3=b"4")
    again = going_on(2)
    with pytest.raises(DataError, match=r"s3://games/run/x3.tar: .*not what it was; found 1 bytes, version"):
        await told(again)
    again.close()
    del script.s3.buckets["games"]["run/x3.tar"]
    again = going_on(2)
    with pytest.raises(DataError, match=r"s3://games/run/x3.tar: .*not what it was; found no file"):
        await told(again)
    again.close()
    again = going_on(2, accept=True)
    assert await told(again) == ["x1.tar"]
    again.close()


@pytest.mark.anyio
@pytest.mark.parametrize("stored_first", [True, False])
async def test_a_folder_and_a_store_go_on_from_each_other(
    script: Script, tmp_path: Path, stored_first: bool
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for number in (2, 10):
        script.put(**{f"x{number}": b"some"})
        (folder / f"x{number}.tar").write_bytes(b"some")
    local = WatchSource((f"{folder}/*.tar",), (".tar",), settle=0.0, rescan=10.0)
    before: WatchSource = script.watching() if stored_first else local
    behind: WatchSource = local if stored_first else script.watching()
    word = await anext(before)
    assert isinstance(word, Files)
    log = through_json(before.told())
    behind.retell(log)
    behind.restore({"given": 1})
    script.put(x11=b"more")
    (folder / "x11.tar").write_bytes(b"more")
    names: list[str] = []
    async for word in behind.epoch(0, FakeCall()):
        if isinstance(word, Files):
            names += [Path(path).name for path in word.paths]
        if "x11.tar" in names:
            break
    assert names == ["x10.tar", "x11.tar"]
    before.close()
    behind.close()


def digest(batch: dict[str, Any]) -> str:
    found = hashlib.blake2b(digest_size=8)
    for key in sorted(batch):
        found.update(np.ascontiguousarray(batch[key]).tobytes())
    return found.hexdigest()


@pytest.mark.slow
def test_a_run_follows_a_store_and_goes_on(s3: S3, tmp_path: Path) -> None:
    """What comes later is told later; the state of the run goes on behind it."""
    data = [file.read_bytes() for file in FILES]
    s3.buckets["games"] = {"run/1.tar": data[0]}

    def graph(cache: str) -> fl.Graph:
        files = fl.discover("s3://games/run/*.tar", watch=True, rescan=0.05, cache=tmp_path / cache)
        return files >> fl.read("lc0") >> fl.unpack() >> fl.batch(64)

    with graph("a").iterate(seed=1) as batches:
        found = [digest(next(batches)) for _ in range(3)]
        state = through_json(batches.state_dict())
        s3.buckets["games"]["run/2.tar"] = data[1]
        found += [digest(next(batches)) for _ in range(12)]
    with graph("b").iterate(seed=1, state=state) as batches:
        assert [digest(next(batches)) for _ in range(12)] == found[3:]


def test_drawings_that_cannot_be_run() -> None:
    with pytest.raises(GraphError, match="settle is for folders"):
        fl.discover("s3://games/*", watch=True, settle=1.0)
    with pytest.raises(GraphError, match="rescan is 0"):
        fl.discover("s3://games/*", watch=True, rescan=0)
