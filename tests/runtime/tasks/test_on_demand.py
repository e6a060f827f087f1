"""Tasks of one of several lanes make nothing ahead: no block for which there is no room, or no reader."""

from __future__ import annotations

from typing import Any, cast

import pytest

from flowload.runtime.channel import Channel, NumberedBlock
from flowload.runtime.tasks.call import Member
from flowload.runtime.tasks.fold_task import FoldTask
from flowload.runtime.tasks.map_task import MapTask
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.threads.executor import Job
from flowload.runtime.threads.monitor import Monitor, RunLock
from tests.runtime.stages import Does, Folds, ints, numbers

pytestmark = pytest.mark.anyio


class AtOnce:
    """An executor that does every job where it is submitted."""

    def __init__(self, run_lock: RunLock) -> None:
        self.run_lock = run_lock

    def submit(self, job: Job, *, priority: int = 0) -> Job:
        job.do()
        with self.run_lock:
            job.finish()
        return job


class Line:
    """A map, a fold, and what lies before, between and behind them; a queue holds a block."""

    def __init__(self, *, ahead: bool) -> None:
        self.monitor = Monitor(RunLock())
        self.calls: list[str] = []
        doing = Does(lambda block, call: self.called("map", block))
        folding = Folds(lambda block, call: [self.called("fold", block)])
        mapping, folded = self.segment("map", doing, ahead=ahead), self.segment("fold", folding, ahead=ahead)
        self.first, self.between, self.out = (Channel("a", "b", self.monitor, blocks=1) for _ in range(3))
        mapping.inputs, mapping.outputs["out"] = [self.first], self.between
        folded.inputs, folded.outputs["out"] = [self.between], self.out
        at_once = AtOnce(self.monitor.run_lock)
        self.tasks = [
            MapTask(mapping, self.monitor, at_once.submit),
            FoldTask(folded, self.monitor, cast("Any", at_once)),
        ]
        with self.monitor.run_lock:
            for task in self.tasks:
                task.schedule()

    def segment(self, name: str, operator: Any, *, ahead: bool) -> Segment:
        stage = numbers(1).plan.nodes[-1].stage
        how: dict[str, Any] = {"node": name, "where": "", "keys": (0, 0), "lease": None}
        member = Member(name=name, stage=stage, operator=operator, **how)
        return Segment(members=[member], ahead=ahead, lane=0)

    def called(self, word: str, block: Any) -> Any:
        self.calls.append(word)
        return block

    def put(self, number: int) -> bool:
        """Whether there is room for one more block before the map."""
        with self.monitor.run_lock:
            return self.first.try_put(NumberedBlock.of(number, ints([number])))

    def take(self) -> NumberedBlock:
        with self.monitor.run_lock:
            message = self.out.take_now()
        assert isinstance(message, NumberedBlock)
        return message


async def test_a_lane_has_one_block_ready_and_makes_the_next_when_it_is_taken() -> None:
    line = Line(ahead=False)
    assert [line.put(number) for number in range(3)] == [True, True, False]
    assert line.calls == ["map", "fold"]
    assert (len(line.first), len(line.between), len(line.out)) == (1, 0, 1)
    assert line.take().number == 0
    assert line.calls == ["map", "fold"] * 2
    assert (len(line.first), len(line.between), len(line.out)) == (0, 0, 1)


async def test_others_fill_all_queues() -> None:
    line = Line(ahead=True)
    put = 0
    while line.put(put):
        put += 1
    assert line.calls.count("fold") > 1
    assert line.calls.count("map") > line.calls.count("fold")
    assert (len(line.first), len(line.between), len(line.out)) == (1, 1, 1)


@pytest.mark.parametrize("ahead", [False, True])
async def test_nothing_is_left_behind_at_the_end(ahead: bool) -> None:
    line = Line(ahead=ahead)
    found: list[int] = []
    number = 0
    while len(found) < 20:
        while number < 20 and line.put(number):
            number += 1
        if number == 20:
            line.first.end()
        found.append(line.take().number)
    assert found == list(range(20))
    assert line.out.at_end
    assert [task.over for task in line.tasks] == [True, True]


async def test_a_map_does_not_wait_for_a_fold_that_is_over() -> None:
    """It was restored in its flush: what is made again before it is dropped, and has to be made."""
    line = Line(ahead=False)
    line.between.surplus = 3
    with line.monitor.run_lock:
        line.tasks[1].stop()
    assert [line.put(number) for number in range(3)] == [True] * 3
    assert line.calls == ["map"] * 3
    assert line.between.surplus == 0
