"""A run that has ended says so once, and then refuses: silence would be taken for an empty epoch."""

from __future__ import annotations

import gc
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path
from typing import Any

import anyio
import pytest

import flowload as fl
from flowload.errors import ClosedRun, FlowloadError
from flowload.runtime.faces.ended import Ended
from tests.runtime.stages import fan_out, flat, numbers
from tests.threads import none_left

SPENT = r"this run has ended: 'out' has given all .* first_epoch=e\) for pass e, .*epochs=n\)"


def test_a_second_loop_raises() -> None:
    batches = numbers(3).iterate()
    assert flat(batches) == [0, 1, 2]
    for _ in range(2):
        with pytest.raises(ClosedRun, match=SPENT):
            iter(batches)
        with pytest.raises(ClosedRun, match=SPENT):
            list(batches)
        with pytest.raises(ClosedRun, match=SPENT):
            next(batches)
    batches.close()
    with pytest.raises(ClosedRun, match=SPENT):
        iter(batches)


def test_the_first_end_is_an_ordinary_one() -> None:
    with numbers(2).iterate() as batches:
        next(batches), next(batches)
        assert next(batches, "end") == "end"
        with pytest.raises(ClosedRun, match=SPENT):
            next(batches, "end")


def test_a_stream_of_nothing_ends_once_too() -> None:
    with numbers(0).iterate() as batches:
        assert list(batches) == []
        with pytest.raises(ClosedRun, match=SPENT):
            list(batches)


def test_a_loop_that_was_left_goes_on() -> None:
    with numbers(4).iterate() as batches:
        for batch in batches:
            if int(batch.values[0]) == 1:
                break
        assert flat(batches) == [2, 3]


def test_what_asks_once_is_not_disturbed() -> None:
    with numbers(3).iterate() as batches:
        assert [a for a, _ in zip(batches, range(9), strict=False)] != []
    with numbers(3).iterate() as batches:
        assert len(list(zip_longest(range(5), batches))) == 5
    with numbers(3).iterate() as batches:
        assert [int(batch.values[0]) for batch in iter(iter(batches))] == [0, 1, 2]


def test_a_failure_is_raised_again_and_is_no_end() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    with fl.source(broken).iterate() as batches:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                list(batches)
        # The loop has been left, and has said so to whoever still waits.
        vars(batches)["_loop_thread"].thread.join()
        for _ in range(4):
            with pytest.raises(ZeroDivisionError):
                list(batches)


def test_every_output_ends_by_itself() -> None:
    graph = numbers(6) >> fan_out("even", "odd")
    with graph.iterate() as run:
        evens, odds = run["even"], run["odd"]
        with ThreadPoolExecutor(2) as threads:
            assert list(threads.map(flat, (evens, odds))) == [[0, 2, 4], [1, 3, 5]]
        for output in ("even", "odd"):
            with pytest.raises(ClosedRun, match=f"this run has ended: '{output}' has given all"):
                iter(run[output])
    with pytest.raises(ClosedRun, match="'even'"):
        iter(evens)


def test_each_thread_that_reads_an_output_is_told_once() -> None:
    with numbers(3).iterate() as batches:
        assert flat(batches) == [0, 1, 2]
        told: list[Any] = []

        def ask() -> None:
            told.append(next(batches, "end"))
            try:
                next(batches)
            except ClosedRun:
                told.append("closed")

        other = threading.Thread(target=ask)
        other.start()
        other.join()
        assert told == ["end", "closed"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_asynchronous_face(backend: str) -> None:
    async def main() -> None:
        async with numbers(3).stream() as batches:
            assert [int(batch.values[0]) async for batch in batches] == [0, 1, 2]
            with pytest.raises(ClosedRun, match=SPENT):
                aiter(batches)
            with pytest.raises(ClosedRun, match=SPENT):
                await anext(batches)
            told: list[str] = []

            async def ask() -> None:
                with pytest.raises(StopAsyncIteration):
                    await anext(batches)
                told.append("end")

            async with anyio.create_task_group() as group:
                group.start_soon(ask)
            assert told == ["end"]
        async with (numbers(2) >> fan_out("a", "b")).stream() as run:

            async def read(name: str) -> None:
                output: AsyncIterator[Any] = run[name]
                assert len([batch async for batch in output]) == 1
                with pytest.raises(ClosedRun, match=f"'{name}' has given all"):
                    aiter(run[name])
                with pytest.raises(ClosedRun, match=f"'{name}' has given all"):
                    await anext(output)

            async with anyio.create_task_group() as group:
                group.start_soon(read, "a")
                group.start_soon(read, "b")

    anyio.run(main, backend=backend)


def test_a_pipeline_file_is_no_exception(tmp_path: Path) -> None:
    file = tmp_path / "small.py"
    file.write_text(
        "import flowload as fl\n\n@fl.pipeline\n"
        "def small(n: int = 10):\n    return fl.rows(n) >> fl.batch(4)\n"
    )
    batches = fl.load(file, n=8).iterate()
    assert len(list(batches)) == 2
    with pytest.raises(FlowloadError, match=SPENT):
        list(batches)


def test_a_run_that_has_ended_is_garbage_like_any_other() -> None:
    batches = numbers(3).iterate()
    list(batches)
    with pytest.raises(ClosedRun):
        list(batches)
    del batches
    gc.collect()
    none_left()


def test_readers_are_told_apart() -> None:
    ended = Ended()
    ended.check("a")
    ended.once("a", 1)
    ended.once("a", 2)
    ended.once("b", 1)
    with pytest.raises(ClosedRun):
        ended.once("a", 1)
    with pytest.raises(ClosedRun):
        ended.check("b")
