"""Statistics of a run at one moment, put together when somebody asks."""

from __future__ import annotations

import time
from collections import Counter
from time import perf_counter
from typing import TYPE_CHECKING

from flowload.observe.stats import EdgeStats, RunStats, StageStats
from flowload.runtime.assembly import Assembly
from flowload.runtime.channel import Channel

if TYPE_CHECKING:
    from flowload.runtime.run import Run

__all__ = ["snapshot"]


def snapshot(run: Run) -> RunStats:
    """The run now; may be called from any thread."""
    assembly = run.assembly
    buffers = run.pool.stats()
    return RunStats(
        stages={name: _stage(assembly, name) for name in assembly.nodes},
        edges=tuple(_edge(channel) for channel in assembly.channels),
        elapsed=(run.ended or perf_counter()) - run.began,
        delivered=run.delivered,
        blocks_delivered=run.blocks_delivered,
        consumer_wait=run.consumer_wait,
        loop_time=run.loop_time or _cpu_time(run.loop_clock) - run.loop_began,
        buffers_leased=buffers.leased,
        buffers_made=buffers.made,
        buffer_bytes=buffers.leased_bytes + buffers.free_bytes,
        seed=assembly.seed,
        finished=run.finished,
    )


def _stage(assembly: Assembly, name: str) -> StageStats:
    members = assembly.nodes[name]
    meters = [member.meter for member in members]
    first, last = meters[0], meters[-1]
    segment = assembly.segment_of(name)
    dropped: Counter[str] = Counter()
    for meter in meters:
        dropped.update(dict(meter.dropped))  # copied in one step: a thread may be counting
    # Operators inside one stage may count in different units (chunks, then frames): the books of each
    # balance by themselves, so those before the last only add what they dropped or hold.
    inside = sum(meter.dropped.total() + meter.held for meter in meters[:-1])
    calls = sum(meter.calls for meter in meters)
    busy = sum(meter.busy for meter in meters)
    return StageStats(
        name=name,
        in_=last.in_ + inside,
        out=last.out,
        dropped=dict(dropped),
        held=sum(meter.held for meter in meters),
        blocks_in=first.blocks_in,
        blocks_out=last.blocks_out,
        bytes_out=last.bytes_out,
        rate=last.rate.recent(last.out),
        rate_overall=last.rate.overall(last.out),
        busy=busy,
        starved=segment.starved,
        blocked=segment.blocked,
        workers=segment.workers,
        running=segment.running,
        service=busy / calls if calls else 0.0,
    )


def _edge(channel: Channel) -> EdgeStats:
    return EdgeStats(
        source=channel.source,
        target=channel.target,
        blocks=len(channel),
        nbytes=channel.nbytes,
        capacity=channel.capacity,
        mean=channel.mean_depth(),
    )


def _cpu_time(clock: int | None) -> float:
    return 0.0 if clock is None else time.clock_gettime(clock)
