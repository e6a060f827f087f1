"""The synchronous face: in any thread, with or without an event loop around."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

import anyio
import pytest

from flowload.abc.operators import Call
from flowload.errors import ClosedRun, GraphError
from flowload.graph import Graph, outputs
from flowload.runtime.faces import blocking as bridge
from flowload.runtime.faces.asynchronous import AsyncBatches
from flowload.runtime.faces.loop_thread import LoopThread
from tests.runtime.reading import run_threads
from tests.runtime.stages import (
    Does,
    DoesAsync,
    Ints,
    Yields,
    fan_out,
    flat,
    ints,
    numbers,
    origin,
    plus,
    step,
)


def endless() -> Graph:
    return origin(Yields(lambda _: (ints([n]) for n in itertools.count())))


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


def waiting() -> Graph:
    """Gives one block and then nothing for ever."""

    async def waits(block: Ints, call: Call) -> Ints:
        if block.values[0] > 0:
            await anyio.sleep_forever()
        return block

    return endless() >> step(lambda: DoesAsync(waits))


def in_thread(work: Callable[[], Any]) -> Any:
    """What work gives, or raises, in a thread of its own."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work).result()


class Interrupted(SimpleQueue[Any]):
    """Where Ctrl-C comes while somebody waits."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        raise KeyboardInterrupt


def read(graph: Graph) -> list[int]:
    with graph.iterate() as batches:
        return flat(batches)


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


def test_an_output_keeps_its_run() -> None:
    output = (numbers(9) >> fan_out("a")).iterate()["a"]
    assert flat(output) == list(range(9))


def test_a_reader_in_another_thread_is_told_when_the_run_is_left() -> None:
    with waiting().iterate() as run:
        next(iter(run))
        results: list[Any] = []
        thread = threading.Thread(target=lambda: results.append(flat(run)))
        thread.start()
    thread.join()
    assert results == [[]]


def test_an_interrupted_reader_ends_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a `with`: the traceback of the interruption holds the run, so nobody else would."""

    run = waiting().iterate()
    next(iter(run))
    handoff = run._loop_thread.handoffs["out"]  # type: ignore[attr-defined]  # of this engine's runs
    monkeypatch.setattr(handoff, "queue", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        next(iter(run))
    assert run_threads() == []
    with pytest.raises(ClosedRun):
        next(iter(run))


def test_a_reader_interrupted_while_its_run_opens_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(loop_thread: LoopThread) -> None:
        monkeypatch.setattr(loop_thread, "_ready", Interrupted())
        begin(loop_thread)

    begin = LoopThread.start
    monkeypatch.setattr(LoopThread, "start", start)
    run = endless().iterate()
    with pytest.raises(KeyboardInterrupt):
        run.__enter__()
    assert run_threads() == []


def test_a_run_that_is_left_before_its_thread_has_begun_ends() -> None:
    order = endless().iterate()._order  # type: ignore[attr-defined]  # of this engine's runs
    loop_thread = LoopThread(order)
    loop_thread.leave()
    loop_thread.start()
    loop_thread.stop()
    assert run_threads() == []


def test_what_lay_ready_is_let_go_when_the_run_is_left() -> None:
    def leases(block: Ints, call: Call) -> Ints:
        memory = call.lease(8).view("<i8")
        memory[:] = block.values
        return Ints(memory)

    with (endless() >> step(lambda: Does(leases))).iterate() as run:
        kept = [next(iter(run)) for _ in range(3)]
        handoff = run._loop_thread.handoffs["out"]  # type: ignore[attr-defined]  # of this engine's runs
        while handoff.queue.empty():
            os.sched_yield()
        assert run.stats().buffers_leased > 3
    gc.collect()
    assert run.stats().buffers_leased == 3
    assert flat(kept) == [0, 1, 2]
    kept.clear()
    assert run.stats().buffers_leased == 0


def test_opening_fails_before_anything_runs() -> None:
    def make() -> Any:
        raise GraphError("this stage does not open")

    graph = numbers(3) >> step(make, name="never")
    with pytest.raises(GraphError, match="does not open") as caught:
        graph.iterate().__enter__()
    assert caught.value.__notes__ == [f"in stage 'never', declared at {graph.plan['never'].node.where}"]
    assert run_threads() == []


class Heard(logging.Handler):
    """Keeps messages, and says when one came."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self.came = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        self.came.set()


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler = Heard()
    logging.getLogger("flowload").addHandler(handler)
    yield handler
    logging.getLogger("flowload").removeHandler(handler)


def test_an_output_that_is_not_read_is_named_once(monkeypatch: pytest.MonkeyPatch, heard: Heard) -> None:
    monkeypatch.setattr(bridge, "PATIENCE", 0.01)
    split = endless() >> fan_out("even", "odd")

    def read() -> None:
        with suppress(ClosedRun):  # the run may be left between two blocks
            flat(run["even"])

    with outputs(even=split["even"], odd=split["odd"]).iterate() as run:
        reader = threading.Thread(target=read)
        reader.start()
        heard.came.wait()
        next(run["odd"])
    reader.join()
    assert len(heard.messages) == 1
    assert heard.messages[0].startswith("'even' has waited for 0.01 s while nobody reads 'odd'")


def test_an_output_that_has_ended_is_not_called_unread(monkeypatch: pytest.MonkeyPatch, heard: Heard) -> None:
    monkeypatch.setattr(bridge, "PATIENCE", 0.01)
    waits = threading.Semaphore(0)
    empties: list[str] = []

    def slow(block: Ints, call: Call) -> Ints:
        waits.acquire()
        return block

    class Counts(SimpleQueue[Any]):
        """Lets the slow branch go on after some waits in vain."""

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            try:
                return super().get(block, timeout)
            except Empty:
                empties.append("odd")
                if len(empties) == 3:
                    waits.release(99)
                raise

    split = numbers(2, 2) >> fan_out("even", "odd")
    graph = outputs(even=split["even"], odd=split["odd"] >> step(lambda: Does(slow)))
    with graph.iterate() as run:
        run._loop_thread.handoffs["odd"].queue = Counts()  # type: ignore[attr-defined]  # of this engine's runs
        assert flat(run["even"]) == [0]
        assert flat(run["odd"]) == [1]
    assert len(empties) >= 3
    assert heard.messages == []
