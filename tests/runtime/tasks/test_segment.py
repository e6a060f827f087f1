"""A segment's ends, and where its time goes."""

from __future__ import annotations

import pytest

from flowload.abc.operators import Mark
from flowload.runtime.channel import Channel, EndOfStream, NumberedBlock, ReaderGone
from flowload.runtime.tasks import segment as segment_module
from flowload.runtime.tasks.call import Member
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.threads.monitor import Monitor, RunLock
from tests.runtime.stages import Does, Folds, Step, ints

pytestmark = pytest.mark.anyio


def member(name: str, operator: object) -> Member:
    return Member(
        name=name,
        node=name,
        where="here.py:1",
        stage=Step(make=list),
        operator=operator,  # type: ignore[arg-type]  # any operator
        keys=(1, 2),
        lease=lambda nbytes, device: ints([]).values.view("u1"),
    )


def segment(*ports: str) -> Segment:
    monitor = Monitor(RunLock())
    made = Segment(members=[member("a", Folds()), member("b", Folds())], inputs=[Channel("x", "a", monitor)])
    made.outputs = {port: Channel("b", port, monitor) for port in ports}
    return made


def test_its_name_says_who_shares_the_hop() -> None:
    assert segment().name == "a > b"
    assert not segment().is_map
    assert Segment(members=[member("m", Does(lambda block, _: block))]).is_map


async def test_words_go_to_a_port_and_marks_to_all(anyio_backend: str) -> None:
    one = segment("out", "aside")
    await one.put(NumberedBlock.of(0, ints([1])))
    await one.put_all(Mark.EPOCH)
    assert [len(channel) for channel in one.outputs.values()] == [2, 1]
    one.end()
    for channel in one.outputs.values():
        while not channel.at_end:
            await channel.take()
        with pytest.raises(EndOfStream):
            await channel.take()


async def test_a_sink_has_nowhere_to_write_to(anyio_backend: str) -> None:
    await segment().put(Mark.EPOCH)
    await segment().put(NumberedBlock.of(0, None))
    with pytest.raises(TypeError, match="gave a Ints, but gives\\(\\) names no output") as caught:
        await segment().put(NumberedBlock.of(0, ints([1])))
    assert "in stage" in caught.value.__notes__[0]


async def test_when_it_leaves_those_above_are_told(anyio_backend: str) -> None:
    one = segment("out")
    one.leave()
    with pytest.raises(ReaderGone):
        await one.inputs[0].put(Mark.EPOCH)


async def test_waiting_is_starved_or_blocked(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def tick() -> float:
        nonlocal now
        now += 1.0
        return now

    monkeypatch.setattr(segment_module, "perf_counter", tick)
    one = segment("out")
    await one.inputs[0].put(Mark.EPOCH)
    await one.take()
    await one.put(Mark.EPOCH)
    assert (one.starved, one.blocked) == (1.0, 1.0)
    one.inputs[0].end()
    with pytest.raises(EndOfStream):
        await one.take()
    assert one.starved == 2.0
