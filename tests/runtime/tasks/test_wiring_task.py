"""Fan-out and fan-in in a run: parts, marks, numbers, turns and ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from flowload.abc.operators import Block, Call, Mark, Setting
from flowload.graph import Graph, place
from flowload.runtime.channel import Channel, NumberedBlock
from flowload.runtime.compile import CompiledGraph
from flowload.runtime.memory.pool import BufferPool
from flowload.runtime.tasks.wiring_task import TurnTask, run_turn
from flowload.runtime.threads.monitor import Monitor, RunLock
from tests.runtime.reading import Face, Taker
from tests.runtime.stages import (
    Cycle,
    Does,
    Folds,
    Ints,
    Junction,
    Yields,
    fan_out,
    flat,
    in_turn,
    ints,
    numbers,
    origin,
    plus,
    step,
)


class Tells(Folds):
    """Shows marks as blocks."""

    def mark(self, mark: Mark, call: Call) -> list[Block]:
        call.opened(1)
        return [ints([-1 if mark is Mark.EPOCH else -2])]


class Numbers(Folds):
    """Notes the numbers of its calls."""

    def __init__(self, log: list[int]) -> None:
        super().__init__()
        self.log = log

    def push(self, block: Ints, call: Call) -> list[Block]:
        self.log.append(call.number)
        return [block]


def words(*made: Any) -> Graph:
    return origin(Yields(lambda _: [word if isinstance(word, Mark) else ints(word) for word in made]))


def test_parts_are_counted_and_numbered_by_port(face: Face) -> None:
    log: list[int] = []
    split = words([0, 2], [1], [4, 3]) >> fan_out("even", "odd")
    taker = Taker()
    face.use(split.drop("odd") >> plus(0) >> step(lambda: Numbers(log)), taker)
    assert [batch.values.tolist() for batch in taker.got] == [[0, 2], [4]]
    assert log == [0, 1]
    stats = taker.run.stats().stages
    assert (stats["step"].in_, stats["step"].out) == (5, 5)
    assert stats["drop"].dropped == {"unused": 2}


def test_marks_go_to_every_output(face: Face) -> None:
    split = numbers(2, 2) >> fan_out("even", "odd")
    graph = [split["even"] >> step(Tells), split["odd"] >> step(Tells)] >> in_turn() >> step(Tells)
    assert flat(face.read(graph, epochs=2)) == [0, 1, -1, -1, -1, 0, 1, -1, -1, -1]


def test_an_input_at_the_end_of_its_pass_waits_for_the_others(face: Face) -> None:
    short, long = words([1]), words([2], [3], [4])
    graph = [short, long] >> in_turn() >> step(Tells)
    assert flat(face.read(graph, epochs=2)) == [1, 2, 3, 4, -1, 1, 2, 3, 4, -1]


def test_all_have_caught_up_when_the_last_has(face: Face) -> None:
    one, two = words([1], Mark.CAUGHT_UP, [2], [3]), words([4], [5], Mark.CAUGHT_UP, [6])
    got = flat(face.read([one, two] >> in_turn() >> step(Tells)))
    assert got == [1, 4, 2, 5, 3, -2, 6, -1]


def test_what_comes_later_is_told_again_when_it_has_come(face: Face) -> None:
    one = words([1], Mark.CAUGHT_UP, [2], [3], Mark.CAUGHT_UP)
    two = words([4], Mark.CAUGHT_UP, [5], [6], Mark.CAUGHT_UP)
    got = flat(face.read([one, two] >> in_turn() >> step(Tells)))
    assert got == [1, 4, 2, -2, 5, 3, 6, -2, -2, -1]


def test_one_that_has_not_caught_up_yet_is_waited_for(face: Face) -> None:
    one, two = words([1], Mark.CAUGHT_UP, [2], [3], [4]), words([5], [6], [7], Mark.CAUGHT_UP, [8])
    got = flat(face.read([one, two] >> in_turn() >> step(Tells)))
    assert got == [1, 5, 2, 6, 3, 7, 4, -2, 8, -1]


def test_one_whose_pass_is_over_keeps_nobody_from_having_caught_up(face: Face) -> None:
    """A watched folder beside a list, which never says that it has caught up; before it, and behind."""
    watched, listed = [[1], Mark.CAUGHT_UP, [2]], [[3], [4], [5]]
    for first, second in ((watched, listed), (listed, watched)):
        got = flat(face.read([words(*first), words(*second)] >> in_turn() >> step(Tells)))
        assert got.count(-2) == 1
        assert got.index(-2) > max(got.index(1), got.index(5))
        assert sorted(got) == [-2, -1, 1, 2, 3, 4, 5]


@pytest.mark.anyio
async def test_all_have_caught_up_while_one_that_is_watched_goes_on(anyio_backend: str) -> None:
    """The list has ended its pass, and nothing more comes from the folder: the pool must know."""
    told = anyio.Event()

    class Listens(Tells):
        def mark(self, mark: Mark, call: Call) -> list[Block]:
            call.opened(1)
            return [ints([-2])]

    class Watches(Yields):
        async def epoch(self, number: int, call: Call) -> Any:
            yield ints([1])
            yield Mark.CAUGHT_UP
            yield ints([4])
            await told.wait()

    graph = [words([2], [3]), origin(Watches(lambda _: ()), growing=True)] >> in_turn() >> step(Listens)
    async with graph.stream() as batches:
        got = [int((await anext(batches)).values[0]) for _ in range(5)]
    assert got == [2, 1, 3, 4, -2]


def test_what_came_through_is_counted(face: Face) -> None:
    taker = Taker()
    face.use([numbers(5, 2), numbers(4, 3)] >> in_turn(), taker)
    stage = taker.run.stats().stages["junction"]
    assert (stage.in_, stage.out, stage.blocks_in, stage.blocks_out) == (9, 9, 5, 5)


def test_blocks_are_numbered_behind_a_turn(face: Face) -> None:
    """By their place in the joined stream, over all passes: what is random behind depends on that alone."""
    log: list[int] = []

    def notes(block: Ints, call: Call) -> Ints:
        log.append(call.number)
        return block

    joined = [numbers(3), numbers(2)] >> in_turn() >> step(lambda: Does(notes), workers=1)
    face.read(joined, epochs=2)
    assert log == list(range(10))


class Weighs(Cycle):
    """Notes what it is asked and told."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Any] = []

    def choose(self, alive: Sequence[int]) -> int:
        self.log.append(list(alive))
        return super().choose(alive)

    def took(self, which: int, samples: int) -> None:
        self.log.append((which, samples))
        super().took(which, samples)


def test_a_turn_is_asked_about_those_that_have_not_ended(face: Face) -> None:
    turn = Weighs()
    face.read([numbers(3, 2), numbers(5, 5)] >> place(Junction(make=lambda: [turn])))
    assert turn.log == [[0, 1], (0, 2), [0, 1], (1, 5), [0, 1], (0, 1), [0, 1], [0], [0, 1], [0]]


@pytest.mark.anyio
async def test_a_turn_asks_for_room_only_while_it_waits_for_an_input(anyio_backend: str) -> None:
    monitor = Monitor(RunLock())
    graph = [numbers(1), numbers(1)] >> in_turn()
    compiled = CompiledGraph(graph.plan, BufferPool(), monitor, Setting(seed=0, epochs=1, cpus=1))
    segment = compiled.segment_of("junction")
    task, (first, second) = TurnTask(segment), segment.inputs
    async with anyio.create_task_group() as group:
        group.start_soon(run_turn, task)
        group.start_soon(write, second)
        await anyio.wait_all_tasks_blocked()
        task.break_deadlock()  # the first is waited for, and the second is full
        grown = [channel.capacity for channel in (first, second)]
        group.start_soon(write, first)
        await anyio.wait_all_tasks_blocked()
        assert first.writer_waits
        assert second.writer_waits
        task.break_deadlock()  # it is the reader of the output that is waited for
        assert [channel.capacity for channel in (first, second)] == grown == [2, 3]
        group.cancel_scope.cancel()


async def write(line: Channel) -> None:
    for number in range(9):
        await line.put(NumberedBlock.of(number, ints([number])))


@pytest.mark.parametrize("ports", [1, 2, 5])
def test_every_sample_comes_through_any_number_of_ports(face: Face, ports: int) -> None:
    names = [f"p{k}" for k in range(ports)]
    split = numbers(100, 7) >> fan_out(*names)
    branches = [split[name] >> plus(0) for name in names]
    graph = branches >> in_turn() if ports > 1 else branches[0]
    assert sorted(flat(face.read(graph))) == list(range(100))
