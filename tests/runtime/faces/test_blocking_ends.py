from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

import anyio
import pytest

from flowload.abc.operators import Call
from flowload.errors import ClosedRun, GraphError
from flowload.graph import Graph, outputs
from flowload.runtime.faces import blocking as bridge
from flowload.runtime.faces.loop_thread import LoopThread
from tests.runtime.faces.endless import endless
from tests.runtime.reading import run_threads
from tests.runtime.stages import (
    Does,
    DoesAsync,
    Ints,
    fan_out,
    flat,
    numbers,
    step,
)


def waiting() -> Graph:
    """Gives one block and then nothing for ever."""

    async def waits(block: Ints, call: Call) -> Ints:
        if block.values[0] > 0:
            await anyio.sleep_forever()
        return block

    return endless() >> step(lambda: DoesAsync(waits))


class Interrupted(SimpleQueue[Any]):
    """Where Ctrl-C comes while somebody waits."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        raise KeyboardInterrupt


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
