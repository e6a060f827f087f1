"""The synchronous face: in any thread, with or without an event loop around."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from flowload.errors import ClosedRun, GraphError
from flowload.graph import outputs
from flowload.runtime.faces.asynchronous import AsyncBatches
from tests.runtime.faces.endless import endless, read
from tests.runtime.reading import run_threads
from tests.runtime.stages import (
    fan_out,
    flat,
    numbers,
    plus,
)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("named", [False, True])
def test_ctrl_c_between_two_batches_ends_the_run_while_its_traceback_lives(
    monkeypatch: pytest.MonkeyPatch, *, named: bool
) -> None:
    batches = endless().iterate()
    reader = batches["out"] if named else batches
    next(reader)
    monkeypatch.setattr(AsyncBatches, "hand_over", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        next(reader)
    assert run_threads() == []
    assert caught.traceback


def in_thread(work: Callable[[], Any]) -> Any:
    """What work gives, or raises, in a thread of its own."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work).result()


def test_in_the_main_thread_and_in_another() -> None:
    graph = numbers(20, 3) >> plus(1)
    assert read(graph) == in_thread(lambda: read(graph)) == list(range(1, 21))


def test_inside_a_running_loop() -> None:
    async def cell() -> list[int]:
        return read(numbers(20, 3))

    assert asyncio.run(cell()) == list(range(20))
    assert anyio.run(cell, backend="trio") == list(range(20))


def test_two_runs_of_one_graph_at_once() -> None:
    graph = numbers(20) >> plus(1)
    with graph.iterate() as one, graph.iterate() as two:
        for _ in range(5):
            assert flat([next(iter(one))]) == flat([next(iter(two))])
        assert flat(one) == flat(two) == list(range(6, 21))


def test_a_run_in_the_loop_of_another() -> None:
    graph = numbers(4) >> plus(1)
    assert [flat([b]) + flat(inner) for b in graph.iterate() for inner in [graph.iterate()]] == [
        [n, 1, 2, 3, 4] for n in (1, 2, 3, 4)
    ]
    gc.collect()


def test_named_outputs_in_one_thread() -> None:
    split = numbers(8, 4) >> fan_out("even", "odd")
    with outputs(even=split["even"], odd=split["odd"] >> plus(0)).iterate() as run:
        pairs = list(zip(run["even"], run["odd"], strict=True))
    assert flat(even for even, _ in pairs) == [0, 2, 4, 6]
    assert flat(odd for _, odd in pairs) == [1, 3, 5, 7]


def test_named_outputs_in_several_threads() -> None:
    got: dict[str, list[int]] = {}
    split = numbers(400, 4) >> fan_out("a", "b", "c")
    with split.iterate() as run:

        def read(name: str) -> None:
            got[name] = flat(run[name])

        threads = [threading.Thread(target=read, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert run.stats().delivered == 400
    assert got == {name: list(range(k, 400, 3)) for k, name in enumerate("abc")}


def test_threads_that_begin_a_run_together_begin_one() -> None:
    run = (numbers(400, 4) >> fan_out("a", "b")).iterate()
    start = threading.Barrier(2)

    def read(name: str) -> None:
        start.wait()
        got[name] = flat(run[name])

    got: dict[str, list[int]] = {}
    threads = [threading.Thread(target=read, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got["a"] + got["b"]) == list(range(400))


def test_several_threads_share_one_output() -> None:
    got: list[list[int]] = []
    with (numbers(600) >> plus(0)).iterate() as run:
        threads = [threading.Thread(target=lambda: got.append(flat(run))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert run.stats().blocks_delivered == 600
    assert sorted(itertools.chain(*got)) == list(range(600))
    assert all(part == sorted(part) for part in got)


def test_an_output_that_does_not_exist() -> None:
    with numbers(3).iterate() as run, pytest.raises(GraphError, match="no output 'train'; it has 'out'"):
        run["train"]


def test_several_outputs_are_read_by_name() -> None:
    run = (numbers(3) >> fan_out("a", "b")).iterate()
    with run, pytest.raises(GraphError, match=r"iterate over run\[name\], one of 'a', 'b'"):
        next(iter(run))


def test_a_run_is_used_once() -> None:
    run = numbers(9_999).iterate()
    with pytest.raises(ClosedRun, match="has not begun"):
        run.stats()
    with run:
        assert run.stats().delivered == 0
        next(iter(run))
        assert run.stats().delivered == 1
        with pytest.raises(ClosedRun, match="entered once"):
            run.__enter__()
    stats = run.stats()
    assert (stats.delivered, stats.finished) == (1, False)
    assert stats.elapsed == run.stats().elapsed
    assert all(stage.running == 0 for stage in stats.stages.values())
    for use in (lambda: next(iter(run)), lambda: list(run["out"]), run.__enter__):
        with pytest.raises(ClosedRun):
            use()


def test_nothing_starts_before_it_is_asked_for() -> None:
    run = endless().iterate()
    assert run_threads() == []
    del run


def test_a_dropped_iterator_stops_its_run() -> None:
    run = endless().iterate()
    next(iter(run))
    assert "flowload-loop" in run_threads()
    del run
    assert run_threads() == []


def test_an_iterator_that_is_garbage_in_a_cycle_stops_its_run() -> None:
    cycle: list[Any] = [endless().iterate()]
    cycle.append(cycle)
    next(cycle[0])
    del cycle
    gc.collect()
    assert run_threads() == []
