"""What a run writes into a trace."""

from __future__ import annotations

from itertools import pairwise

import pytest

from flowload.observe.trace import Slice, Trace
from flowload.runtime.tasks.segment import Segment
from tests.observe.test_trace import check_schema
from tests.runtime.stages import fan_out, in_turn, numbers, plus, rebatch

pytestmark = pytest.mark.anyio


def tracks(trace: Trace, group: str) -> dict[str, list[Slice]]:
    found: dict[str, list[Slice]] = {}
    for each in sorted(trace.slices, key=lambda each: each.began):
        if each.track.group == group:
            found.setdefault(each.track.name, []).append(each)
    return found


async def test_every_call_of_every_stage_is_in_it_with_its_blocks(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Segment, "long_wait", -1.0)
    split = numbers(40, 2) >> plus(1, name="one") >> plus(1, name="two") >> fan_out("a", "b")
    graph = [split["a"], split["b"]] >> in_turn() >> rebatch(5, name="cut")
    trace = Trace()
    async with graph.stream(cpus=2) as batches:
        batches.record(trace)
        assert sum([len(batch) async for batch in batches]) == 40
        stats = batches.stats()
    threads, stages = tracks(trace, "threads"), tracks(trace, "stages")
    for name, slices in threads.items():
        assert name.startswith(("kernel-", "io-"))
        assert all(one.ended <= two.began for one, two in pairwise(slices)), "a thread does one job at a time"
    for name in ("one", "two", "cut"):
        mine = [each for track, each in stages.items() if track.startswith(f"{name} in ")]
        seconds = sum(each.ended - each.began for slices in mine for each in slices)
        assert seconds == pytest.approx(stats.stages[name].busy, rel=0.05, abs=1e-4)
    calls = [each.blocks for slices in threads.values() for each in slices if each.name == "one > two"]
    assert sorted(number for blocks in calls for number in blocks) == list(range(20))
    waits = tracks(trace, "waits")
    assert len(waits["consumers"]) == 8
    assert {each.name for slices in waits.values() for each in slices} >= {"no input", "no room"}
    assert check_schema(trace.as_json())


async def test_short_waits_are_none(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Segment, "long_wait", 3600.0)
    trace = Trace()
    async with (numbers(40, 2) >> plus(1)).stream(cpus=2) as batches:
        batches.record(trace)
        assert sum([len(batch) async for batch in batches]) == 40
    assert set(tracks(trace, "waits")) == set()
    assert tracks(trace, "stages")


def test_what_is_asked_for_before_a_run_begins_has_its_first_call() -> None:
    trace = Trace()
    batches = (numbers(30, 2) >> plus(1)).iterate(cpus=1)
    batches.record(trace)
    with batches:
        assert batches.recording is trace
        assert sum(len(batch) for batch in batches) == 30
        stats = batches.stats()
    slices = tracks(trace, "threads").values()
    names = [each.name for some in slices for each in some]
    assert {"origin", "step"} <= set(names)
    assert sum(name == "step" for name in names) <= stats.stages["step"].calls
    blocks = [n for some in slices for each in some if each.name == "step" for n in each.blocks]
    assert sorted(blocks) == list(range(15))


async def test_the_same_of_an_asynchronous_run(anyio_backend: str) -> None:
    trace = Trace()
    batches = (numbers(30, 2) >> plus(1)).stream(cpus=1)
    batches.record(trace)
    async with batches:
        assert batches.recording is trace
        assert sum([len(batch) async for batch in batches]) == 30
    slices = tracks(trace, "threads").values()
    blocks = [n for some in slices for each in some if each.name == "step" for n in each.blocks]
    assert sorted(blocks) == list(range(15))


def test_it_may_be_asked_for_and_stopped_through_the_bridge() -> None:
    trace = Trace()
    with (numbers(30, 2) >> plus(1)).iterate(cpus=1) as batches:
        batches.record(trace)
        assert sum(len(batch) for batch in batches) == 30
    assert tracks(trace, "stages")
    unwanted = Trace()
    batches = (numbers(30, 2) >> plus(1)).iterate(cpus=1)
    batches.record(unwanted)
    batches.record(None)
    with batches:
        assert sum(len(batch) for batch in batches) == 30
    assert not unwanted.slices


async def test_a_run_that_is_not_recorded_asks_nobody(anyio_backend: str) -> None:
    async with (numbers(4) >> plus(1)).stream() as batches:
        assert len([batch async for batch in batches]) == 4
        assert batches.run.recorder is None  # type: ignore[attr-defined]  # the run behind the face
