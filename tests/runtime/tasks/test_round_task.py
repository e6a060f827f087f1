"""Where lanes come together: rounds, marks, and lanes that end in any order."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

import flowload as fl
from flowload.abc.operators import Mark
from flowload.runtime.channel import Channel, Message, NumberedBlock
from flowload.runtime.lanes.rounds import AGAIN, CUT, Rounds
from flowload.runtime.tasks.call import Member
from flowload.runtime.tasks.round_task import RoundTask
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.threads.monitor import Monitor, RunLock

pytestmark = pytest.mark.anyio

E = Mark.EPOCH


def item(number: int, samples: int = 2) -> NumberedBlock:
    return NumberedBlock.of(number, fl.Batch({"x": np.full(samples, number)}))


async def come_together(
    *lanes: list[Message | None], size: int | None = 2, align: bool = False, saved: Any = None
) -> tuple[Any, Any]:
    """What goes on, and the account; None: the lane has ended. Lanes that have not are waited for."""
    monitor = Monitor(RunLock())
    stage = (fl.rows(4) >> fl.batch(2)).plan.nodes[-1].stage
    member = Member(
        name="batch.lanes",
        node="batch",
        where="here",
        stage=stage,
        operator=cast("Any", Rounds(size)),
        keys=(0, 0),
        lease=cast("Any", None),
    )
    segment = Segment(members=[member], align=align, saved=saved)
    segment.inputs = [Channel("a", "b", monitor, blocks=9) for _ in lanes]
    segment.outputs["out"] = Channel("b", "c", monitor, blocks=99)
    for channel, messages in zip(segment.inputs, lanes, strict=True):
        for message in messages:
            if message is None:
                channel.end()
            else:
                assert channel.try_put(message)
    task = RoundTask(segment, cast("Any", member.operator), monitor)
    task.step()
    out = segment.outputs["out"]
    made = []
    while (message := out.take_now()) is not None:
        made.append(message if isinstance(message, Mark) else message.block["x"].tolist())  # type: ignore[union-attr, index]
    if out.at_end:
        made.append(None)
    return made, member.meter


async def test_a_round_is_a_block_of_each_lane_in_their_order() -> None:
    made, meter = await come_together([item(1), item(3)], [item(2)])
    assert made == [[1, 1], [2, 2]]
    assert (meter.in_, meter.out, meter.under_way) == (4, 4, 0)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_what_one_lane_has_more_is_cut_whichever_comes_first(order: tuple[int, int]) -> None:
    lanes: Any = [[item(1), item(3), None], [item(2), None]]
    made, meter = await come_together(*(lanes[lane] for lane in order))
    assert made == [*([[1, 1], [2, 2]] if order == (0, 1) else [[2, 2], [1, 1]]), None]
    assert dict(meter.dropped) == {CUT: 2}
    assert (meter.in_, meter.out, meter.under_way) == (6, 4, 0)


async def test_smaller_ends_are_given_where_they_are_alike() -> None:
    assert (await come_together([item(1, 1), None], [item(2, 1), None]))[0] == [[1], [2], None]
    made, meter = await come_together([item(1, 1), None], [item(2, 2), None])
    assert made == [None]
    assert dict(meter.dropped) == {CUT: 3}
    assert (await come_together([item(1, 1), None], [item(2), None], size=None))[0] == [[1], [2, 2], None]


async def test_a_mark_goes_on_when_all_lanes_have_passed_it() -> None:
    lanes: Any = [item(1), E, item(3), E, None], [item(2), item(4), E, E, None]
    assert (await come_together(*lanes))[0] == [[1, 1], [2, 2], [3, 3], [4, 4], E, E, None]


async def test_passes_that_are_kept_apart_are_cut_each_by_itself() -> None:
    lanes: Any = [item(1), E, item(3), E, None], [item(2), item(4), E, item(6), item(8), E, None]
    made, meter = await come_together(*lanes, align=True)
    assert made == [[1, 1], [2, 2], E, [3, 3], [6, 6], E, None]
    assert dict(meter.dropped) == {CUT: 4}


async def test_a_lane_that_is_behind_closes_no_pass_for_the_others() -> None:
    """It was in a round of each of two passes; the other lane is at the end of the second."""
    counts = np.zeros((2, 8), np.int64)
    counts[0, :2] = 3, 1
    saved = {"round": 2, "number": 4, "ends": [1], "behind": [(), (1, 1)], "counts_of_lanes": counts}
    made, meter = await come_together(
        [E, item(1), E, None],
        [item(2), item(3), E, item(4), item(5), E, item(6), item(7), E, None],
        align=True,
        saved=saved,
    )
    assert made == [E, E, [1, 1], [6, 6], E, None]
    assert dict(meter.dropped) == {AGAIN: 4, CUT: 6}


async def test_blocks_of_a_round_wait_in_the_queues_of_their_lanes() -> None:
    """What lay elsewhere would be another round: lanes would make the next one meanwhile."""
    monitor = Monitor(RunLock())
    segment = rounds_of(monitor, blocks=1)
    for number, channel in enumerate(segment.inputs):
        assert channel.try_put(item(number))
    rounds = cast("Any", segment.members[0].operator)
    with monitor.run_lock:
        RoundTask(segment, rounds, monitor).schedule()
    out = segment.outputs["out"]
    assert rounds.number == 1
    for left in (2, 1, 0):
        assert [len(channel) for channel in segment.inputs] == [0] * (3 - left) + [1] * left
        with monitor.run_lock:
            assert isinstance(out.take_now(), NumberedBlock)
    assert not len(out)


def rounds_of(monitor: Monitor, blocks: int) -> Segment:
    """Where three lanes come together, before a queue of so many blocks."""
    stage = (fl.rows(4) >> fl.batch(2)).plan.nodes[-1].stage
    operator, lease = cast("Any", Rounds(2)), cast("Any", None)
    member = Member(
        name="l", node="batch", where="here", stage=stage, operator=operator, keys=(0, 0), lease=lease
    )
    segment = Segment(members=[member])
    segment.inputs = [Channel("a", "b", monitor, blocks=1) for _ in range(3)]
    segment.outputs["out"] = Channel("b", "c", monitor, blocks=blocks)
    return segment
