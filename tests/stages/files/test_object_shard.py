"""Ranks over a store that take whole tars: each brings its own, and nothing of the others."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowload as fl
from flowload.abc.operators import Mark
from flowload.blocks import Files
from flowload.errors import DataError, GraphError
from flowload.files.objects.place import Place
from flowload.graph import Graph
from flowload.sample import sample_path
from flowload.stages.files.objects.watch import ObjectWatch
from flowload.stages.wiring.deal_files import FilesByName
from tests.files.objects.server import S3
from tests.stages.fakes import FakeCall
from tests.states import through_json

FILES = sorted(sample_path("chess").glob("*.tar"))
NAMES = [f"x{number}.tar" for number in range(8)]
WORLD = 4


@pytest.fixture
def s3(s3: S3) -> S3:
    data = [file.read_bytes() for file in FILES]
    s3.buckets["games"] = {f"run/{name}": data[k % len(data)] for k, name in enumerate(NAMES)}
    return s3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The same on a disk."""
    made = tmp_path / "run"
    made.mkdir()
    for number, name in enumerate(NAMES):
        (made / name).write_bytes(FILES[number % len(FILES)].read_bytes())
    return made


def rest(files: Graph, shard: Graph) -> Graph:
    """All frames of a rank; `shard` stands before `read`, or behind it."""
    read = fl.read("lc0")
    takes_files = Files in shard.ends[0][1].node.stage.accepts
    drawn = files >> shard >> read if takes_files else files >> read >> shard
    return drawn >> fl.shuffle_pool(12) >> fl.unpack(rate=0.3) >> fl.batch(64)


def frames(graph: Graph, **options: Any) -> list[bytes]:
    """Of each frame its bytes."""
    with graph.iterate(seed=3, **options) as batches:
        return [row.tobytes() for batch in batches for row in batch["planes"]]


def test_each_of_four_ranks_brings_a_quarter_of_the_bytes(s3: S3, tmp_path: Path) -> None:
    """By chunks each brings all, and four ranks four times as much."""
    total = sum(map(len, s3.buckets["games"].values()))
    brought: dict[str, list[int]] = {"files": [], "chunks": []}
    samples: Counter[bytes] = Counter()
    for by, each in brought.items():
        for rank in range(WORLD):
            s3.asked.clear()
            files = fl.discover("s3://games/run/*.tar", cache=tmp_path / f"{by} {rank}")
            graph = rest(files, fl.shard(rank, WORLD, by=by, even=False))
            with graph.iterate(seed=3, epochs=2) as batches:
                seen = Counter(row.tobytes() for batch in batches for row in batch["planes"])
                stats = batches.stats()
            each.append(int(stats.stages["discover"].gauges["bytes_brought"]))
            got = s3.gets()
            if by == "files":
                samples += seen
                assert sorted(got) == [f"run/{NAMES[rank]}", f"run/{NAMES[rank + WORLD]}"], (
                    "once, in two passes"
                )
                assert stats.stages["shard"].dropped == {"other rank": 2 * 6}
            assert each[-1] == sum(len(s3.buckets["games"][key]) for key in got)
    assert sum(brought["files"]) == total
    assert max(brought["files"]) <= 1.1 * total / WORLD
    assert brought["chunks"] == [total] * WORLD
    whole = rest(fl.discover("s3://games/run/*.tar", cache=tmp_path / "one"), fl.shard(0, 1, by="files"))
    assert samples == Counter(frames(whole, epochs=2)), "all of them, each as often"


def test_a_rank_goes_on_by_its_state_in_a_store_and_a_folder(s3: S3, tmp_path: Path, folder: Path) -> None:
    shard = fl.shard(1, WORLD, by="files", even=False)
    local, stored = fl.discover(folder), fl.discover("s3://games/run/*.tar", cache=tmp_path / "cache")
    wanted = frames(rest(local, shard), epochs=3)
    with rest(stored, shard).iterate(seed=3, epochs=3) as batches:
        begun = [row.tobytes() for _ in range(9) for row in next(batches)["planes"]]
        state = through_json(batches.state_dict())
    assert begun == wanted[: len(begun)]
    assert frames(rest(local, shard), epochs=3, state=state) == wanted[len(begun) :]
    assert frames(rest(stored, shard), epochs=3, state=state) == wanted[len(begun) :]


def test_what_cannot_be_is_said(folder: Path) -> None:
    with pytest.raises(GraphError, match="by is 'rows'; wanted 'chunks' or 'files'"):
        fl.shard(by="rows")
    with pytest.raises(GraphError, match="shard"):
        fl.discover(folder) >> fl.read("lc0") >> fl.shard(by="files")
    few = rest(fl.discover([folder / name for name in NAMES[:3]]), fl.shard(0, 4, by="files", even=False))
    with pytest.raises(DataError, match=r"too few files.*3 files.*at least one for each of 4") as caught:
        frames(few)
    assert caught.value.reason == "too few files"
    with pytest.raises(GraphError, match="whole files"):
        fl.shard(by="files", lanes=4)
    with pytest.raises(GraphError, match=r"it gives ranks whole files.*even=\"allow\""):
        frames(rest(fl.discover(folder), fl.shard(0, 4, by="files")))


async def first_of(watching: ObjectWatch) -> list[Files]:
    """The blocks of what is there."""
    found = []
    async for word in watching.epoch(0, FakeCall()):
        if isinstance(word, Mark):
            break
        assert isinstance(word, Files)
        found.append(word)
    return found


@pytest.mark.anyio
async def test_ranks_of_a_store_that_grows_share_it_by_names_and_bring_their_own(
    s3: S3, tmp_path: Path
) -> None:
    seen: list[set[str]] = []
    for rank in range(2):
        s3.asked.clear()
        shard = fl.shard(rank, 2, by="files", even=False)
        graph = fl.discover("s3://games/run/*.tar", watch=True, cache=tmp_path / str(rank)) >> shard
        source, fold = (placed.stage.open(placed.setting())[0] for placed in graph.plan.nodes)
        assert isinstance(source, ObjectWatch)
        assert isinstance(fold, FilesByName)
        told = await first_of(source)
        source.close()
        own = [path for block in told for given in fold.push(block, FakeCall()) for path in given.paths]
        assert all(Path(path).exists() for path in own)  # noqa: ASYNC240 - of a test
        seen.append({Place.of(path).url.removeprefix("s3://games/") for path in own})
        assert set(s3.gets()) == seen[-1]
    assert seen[0] | seen[1] == set(s3.buckets["games"])
    assert not seen[0] & seen[1]
    assert all(seen)


@pytest.mark.anyio
async def test_a_store_that_grows_is_told_by_its_indexes_before_tars_are_here(s3: S3, tmp_path: Path) -> None:
    tell = threading.Event()
    s3.buckets["games"][f"run/.{NAMES[0]}.index"] = b"of the first"
    s3.buckets["games"][f"run/.{NAMES[5]}.index"] = b"of another"

    def gate(key: str) -> None:
        if key in (f"run/{NAMES[0]}", f"run/{NAMES[5]}"):
            tell.wait(60)

    s3.gate = gate
    source = ObjectWatch(
        ("s3://games/run/*.tar",), (".tar",), cache=str(tmp_path / "cache"), limit=1 << 30, rescan=10.0
    )
    blocks = await first_of(source)
    found = {
        Path(p).name: i for block in blocks for p, i in zip(block.paths, block.indexes or ("",), strict=True)
    }
    assert list(found) == NAMES
    for name, index in found.items():
        assert bool(index) == (name in (NAMES[0], NAMES[5]))
        if index:
            assert Path(index).read_bytes().startswith(b"of ")  # noqa: ASYNC240 - of a test
    paths = [path for block in blocks for path in block.paths]
    assert [Path(path).exists() for path in paths] == [name not in (NAMES[0], NAMES[5]) for name in NAMES]  # noqa: ASYNC240
    tell.set()
    source.close()
    assert np.unique([len(block) for block in blocks]).tolist() == [1]
