"""A folder that grows while it is read: every frame of every completed tar once, of no other any."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

import flowload as fl
from flowload.graph import Graph
from tests.acceptance.oracle import SIZE, Digest, digests, games, whole
from tests.runtime.reading import run_threads

HANG = 60  #: seconds


def watched(folder: Path) -> Graph:
    return (
        fl.discover(str(folder), watch=True)
        >> fl.read("lc0")
        >> fl.shuffle_pool(1000)
        >> fl.unpack()
        >> fl.reservoir(1)
        >> fl.batch(1)
    )


def take(batches: Iterator[Mapping[str, Any]], count: int) -> Counter[Digest]:
    """The next frames."""
    return Counter(digest for _ in range(count) for digest in digests(next(batches)))


def length(path: Path) -> int:
    """Frames of a tar."""
    return sum(len(data) // SIZE for _, data in games(path))


def test_every_completed_tar_once_however_it_came(folder: Path, parts: list[Path]) -> None:
    there, half, renamed, slow = parts
    shutil.copy(there, folder / "a.tar")
    writer = (folder / "b.tar").open("wb")  # half-written when the run begins
    writer.write(half.read_bytes()[:5000])
    writer.flush()
    with writer, watched(folder).iterate() as run:
        batches = iter(run)
        first = length(there) - 1  # the reservoir keeps one
        found = take(batches, first)
        assert found <= whole([there])

        shutil.copy(renamed, folder / "c.tar.part")
        (folder / "c.tar.part").rename(folder / "c.tar")
        found += take(batches, length(renamed))
        assert found <= whole([there, renamed])  # nothing of the one that is half written

        writer.write(half.read_bytes()[5000:])
        writer.close()
        found += take(batches, length(half))
        assert found <= whole([there, renamed, half])

        data = slow.read_bytes()
        with (folder / "d.tar").open("wb") as file:
            for start in range(0, len(data), 10_000):
                file.write(data[start:][:10_000])
                file.flush()
        found += take(batches, length(slow))
        stats = run.stats()
    wanted = whole(parts)
    assert found <= wanted
    assert (wanted - found).total() == 1
    assert stats.stages["discover"].out == 4
    assert not any(stage.dropped for stage in stats.stages.values())


def test_it_begins_with_an_empty_folder(folder: Path, parts: list[Path]) -> None:
    with watched(folder).iterate() as run:
        batches = iter(run)
        for path in parts[:2]:
            shutil.copy(path, folder / ".hidden")
            (folder / ".hidden").rename(folder / path.name)
        wanted = whole(parts[:2])
        assert take(batches, wanted.total() - 1) <= wanted


def test_a_bad_tar_that_arrives_is_skipped_and_counted(folder: Path, parts: list[Path]) -> None:
    def draw() -> Graph:
        head = fl.discover(str(folder), watch=True) >> fl.read("lc0", on_error="skip")
        return head >> fl.unpack() >> fl.batch(1)

    (folder / "0.tar").write_bytes(b"This is no tar.\n" * 100)
    with draw().iterate() as run:
        batches = iter(run)
        shutil.copy(parts[0], folder / ".hidden")
        (folder / ".hidden").rename(folder / "1.tar")
        assert take(batches, length(parts[0])) == whole(parts[:1])
        assert run.stats().stages["read"].dropped == {"not a tar": 1}


@pytest.mark.slow
def test_the_window_comes_again_and_again_without_end(folder: Path, parts: list[Path]) -> None:
    shutil.copy(parts[0], folder / "a.tar")
    wanted = whole(parts[:1])
    with watched(folder).iterate(epochs=None) as run:
        found = take(iter(run), 3 * wanted.total())
    assert set(found) == set(wanted)


def test_leaving_while_it_waits(folder: Path) -> None:
    with watched(folder).iterate():
        assert run_threads()
    assert run_threads() == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelling_while_it_waits(folder: Path, parts: list[Path], backend: str) -> None:
    shutil.copy(parts[0], folder / "a.tar")
    enough = length(parts[0]) - 1  # the next never comes

    async def main() -> int:
        seen = 0
        with anyio.fail_after(HANG):
            async with watched(folder).stream() as batches, anyio.create_task_group() as group:
                async for _ in batches:
                    seen += 1
                    if seen == enough:
                        break
                group.start_soon(partial(anext, batches))
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
        return seen

    assert anyio.run(main, backend=backend) == enough
    assert run_threads() == []
