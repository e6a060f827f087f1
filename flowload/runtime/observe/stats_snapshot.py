"""Statistics of a run at one moment, put together when somebody asks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from time import perf_counter

from flowload.abc.operators import Turn
from flowload.abc.powers import Gauged
from flowload.observe.stats import EdgeStats, LaneStats, RunStats, StageStats, TaskStats
from flowload.printable import printable
from flowload.runtime.channel import Channel
from flowload.runtime.run import Run
from flowload.runtime.tasks.call import Member
from flowload.runtime.tasks.map_chain import is_async
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.threads.executor import Lane
from flowload.runtime.threads.timing import Tally

__all__ = ["snapshot"]


def snapshot(run: Run) -> RunStats:
    """The run now; may be called from any thread."""
    assembly = run.assembly
    buffers = run.pool.stats()
    cpu_time, storage_bytes = run.machine.taken()
    tasks = tuple(_task(run, segment) for segment in assembly.segments)
    return RunStats(
        stages={name: _stage(run, name, tasks) for name in assembly.nodes},
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
        buffers_recycled=buffers.served - buffers.made,
        lanes=tuple(map(_lane, tuple(run.lanes.values()))),
        tasks=tasks,
        cpus=assembly.cpus,
        cpu_time=cpu_time,
        storage_bytes=storage_bytes,
        outputs=len(assembly.outputs),
        chunk_wait=run.waits.stats(),
        epochs=assembly.epochs,
        first_epoch=assembly.first_epoch,
        unclosed=run.unclosed,
    )


def _task(run: Run, segment: Segment) -> TaskStats:
    lane, tally = _lane_of(run, segment)
    starved, blocked = segment.waits(perf_counter())
    work: dict[str, float] = {}
    for member in segment.members:
        work[member.node] = work.get(member.node, 0.0) + member.meter.busy
    add_under_way(work, _under_way(run, segment))
    on_cpu = 0.0 if lane == "loop" else 1.0 if tally is None else tally.cpu_share
    return TaskStats(
        name=segment.name,
        work=work,
        workers=segment.workers,
        running=_running(run, segment),
        lane=lane,
        cpu=sum(work.values()) * on_cpu,
        waited=0.0 if tally is None else tally.waited,
        starved=starved,
        blocked=blocked,
    )


def _under_way(run: Run, segment: Segment) -> float:
    """Seconds of the calls that are not over: a long one must not count as work of when it ends."""
    if run.ended:
        return 0.0
    now = perf_counter()
    jobs = [job for lane in tuple(run.lanes.values()) for job in tuple(lane.at_work) if job is not None]
    return sum(
        max(0.0, now - job.shift.began) for job in jobs if job.rank == segment.rank and job.shift.began
    )


def add_under_way(work: dict[str, float], seconds: float) -> None:
    """Share seconds among stages as they shared what is over."""
    together = sum(work.values())
    for stage, past in work.items():
        work[stage] = past + seconds * (past / together if together else 1 / len(work))


def _lane_of(run: Run, segment: Segment) -> tuple[str, Tally | None]:
    first = segment.members[0]
    if is_async(first) or isinstance(first.operator, Turn):
        return "loop", None  # its CPU time is the loop's
    for lane in tuple(run.lanes.values()):
        if (tally := lane.tallies.get(segment.rank)) is not None:
            return lane.name, tally
    return first.stage.lane, None


def _running(run: Run, segment: Segment) -> int:
    """Calls that run now: those that threads are at, or that the loop has under way."""
    jobs = [job for lane in tuple(run.lanes.values()) for job in lane.at_work if job is not None]
    here = sum(job.rank == segment.rank for job in jobs)
    return here or (segment.running if is_async(segment.members[0]) else 0)


def _stage(run: Run, name: str, tasks: Sequence[TaskStats]) -> StageStats:
    members = run.assembly.nodes[name]
    meters = [member.meter for member in members]
    first, last = meters[0], meters[-1]
    dropped: Counter[str] = Counter()
    for meter in meters:
        dropped.update(dict(meter.dropped))  # copied in one step: a thread may be counting
    # Operators inside one stage may count in different units (chunks, then frames): the books of each
    # balance by themselves, so those before the last only add what they dropped or hold.
    inside = sum(meter.dropped.total() + meter.held for meter in meters[:-1])
    calls = sum(meter.calls for meter in meters)
    busy = sum(meter.busy for meter in meters)
    slowest = max(meters, key=lambda meter: meter.busy).durations
    own = [task for task in tasks if name in task.work]
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
        starved=own[0].starved,
        blocked=own[-1].blocked,
        workers=own[-1].workers,
        running=sum(task.running for task in own),
        service=busy / calls if calls else 0.0,
        bytes_in=_bytes_in(run, members[0]),
        calls=calls,
        p50=slowest.quantile(0.5),
        p95=slowest.quantile(0.95),
        longest=slowest.most,
        cpu=min(busy, sum(task.cpu * share_of(task, name) for task in own)),
        waited=sum(task.waited for task in own),
        lane=own[-1].lane,
        gauges=_gauges(members),
        missing=sum(meter.missing for meter in meters),
    )


def _gauges(members: Sequence[Member]) -> dict[str, float]:
    gauges: dict[str, float] = {}
    for member in members:
        if isinstance(member.operator, Gauged):
            with member:
                gauges |= {printable(name): value for name, value in member.operator.gauges().items()}
    return gauges


def share_of(task: TaskStats, stage: str) -> float:
    """The stage's part of what a task did."""
    together = sum(task.work.values())
    return task.work[stage] / together if together else 0.0


def _bytes_in(run: Run, member: Member) -> int:
    """What came in over a queue, or from the neighbour in the same hop; a source makes its own."""
    for segment in run.assembly.segments:
        place = next((k for k, other in enumerate(segment.members) if other is member), None)
        if place is not None and place > 0:
            return segment.members[place - 1].meter.bytes_out
        if place == 0:
            return sum(channel.passed.nbytes for channel in segment.inputs)
    return 0


def _edge(channel: Channel) -> EdgeStats:
    return EdgeStats(
        source=channel.source,
        target=channel.target,
        blocks=len(channel),
        nbytes=channel.nbytes,
        capacity=channel.capacity,
        mean=channel.mean_depth(),
        p95=channel.depth_quantile(0.95),
        passed=channel.passed.blocks,
        samples=channel.passed.samples,
        passed_bytes=channel.passed.nbytes,
    )


def _lane(lane: Lane) -> LaneStats:
    tallies = list(lane.tallies.values())
    running = sum(job is not None for job in lane.at_work)
    return LaneStats(
        name=lane.name,
        threads=lane.limit,
        running=running,
        queued=lane.waiting,
        done=sum(tally.done for tally in tallies),
        work=sum(tally.work for tally in tallies),
        waited=sum(tally.waited for tally in tallies),
    )


def _cpu_time(clock: int | None) -> float:
    return 0.0 if clock is None else time.clock_gettime(clock)
