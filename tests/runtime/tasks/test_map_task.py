"""Maps in a run: several calls at once, in order, and nothing kept alive that is done with."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import anyio
import pytest

from flowload.abc.operators import Call
from tests.runtime.quiet import quiet
from tests.runtime.reading import Face
from tests.runtime.stages import Does, DoesAsync, Ints, Yields, flat, ints, numbers, origin, plus, step
from tests.threads import give_way


class Crowd:
    """How many calls run at once, at most."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = 0
        self.most = 0

    def __enter__(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.now -= 1


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_no_more_calls_run_at_once_than_there_are_workers(face: Face, workers: int) -> None:
    crowd = Crowd()

    def works(block: Ints, call: Call) -> Ints:
        with crowd:
            give_way(20)  # lets others in, were they let
        return block

    assert flat(face.read(numbers(60) >> step(lambda: Does(works), workers=workers), cpus=4)) == list(
        range(60)
    )
    assert crowd.most <= workers


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_no_more_calls_wait_in_the_loop_than_there_are_workers(face: Face, workers: int) -> None:
    crowd = Crowd()

    async def waits(block: Ints, call: Call) -> Ints:
        with crowd:
            for _ in range(call.number % 3):
                await anyio.lowlevel.checkpoint()
        return block

    graph = numbers(60) >> step(lambda: DoesAsync(waits), workers=workers)
    assert flat(face.read(graph)) == list(range(60))
    assert crowd.most <= workers


def test_eight_workers_are_eight_calls_at_once(face: Face) -> None:
    """A barrier that opens only for eight: with fewer the run would stand still."""
    barrier = threading.Barrier(8, timeout=20)

    def meets(block: Ints, call: Call) -> Ints:
        barrier.wait()
        return block

    assert flat(face.read(numbers(32) >> step(lambda: Does(meets), workers=8), cpus=1)) == list(range(32))


def test_eight_workers_are_eight_calls_in_the_loop(face: Face) -> None:
    waiting: list[int] = []

    async def meets(block: Ints, call: Call) -> Ints:
        waiting.append(call.number)
        while len(waiting) < 8 * (call.number // 8 + 1):
            await anyio.lowlevel.checkpoint()
        return block

    assert flat(face.read(numbers(32) >> step(lambda: DoesAsync(meets), workers=8))) == list(range(32))


def test_the_order_of_the_input_is_kept_when_later_calls_end_first(face: Face) -> None:
    ended = [threading.Event() for _ in range(10)]

    def backwards(block: Ints, call: Call) -> Ints:
        if call.number % 2 == 0:
            ended[call.number + 1].wait()
        ended[call.number].set()
        return block

    graph = numbers(10) >> step(lambda: Does(backwards), workers=2)
    assert flat(face.read(graph)) == list(range(10))


@pytest.mark.anyio
async def test_what_is_done_with_is_not_kept_alive(anyio_backend: str) -> None:
    """While a reader lets the run wait, it holds what is under way, and no block that went through."""
    alive: weakref.WeakSet[Ints] = weakref.WeakSet()

    class Watched(Ints):
        """Blocks have slots for references."""

        __hash__ = object.__hash__

    def make(values: Any) -> Ints:
        block = Watched(values)
        alive.add(block)
        return block

    source = Yields(lambda _: (make(ints([n] * 5).values) for n in range(200)))
    graph = origin(source) >> step(lambda: Does(lambda block, _: make(block.values)), workers=2) >> plus(0)
    async with graph.stream(cpus=2) as batches:
        counts = []
        for _ in range(20):
            await anext(batches)
            await quiet(batches)
            gc.collect()
            counts.append(len(alive))
    assert max(counts[10:]) <= max(counts[:10]) < 30  # a hop of the source is eight
