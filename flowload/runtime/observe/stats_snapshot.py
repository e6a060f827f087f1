"""Statistics of a run at one moment, put together when somebody asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from time import perf_counter

from flowload.abc.operators import Turn
from flowload.abc.powers import Gauged
from flowload.observe.stats import EdgeStats, ExecutorStats, LeaseStats, RunStats, StageStats, TaskStats
from flowload.printable import printable
from flowload.runtime.channel import Channel
from flowload.runtime.lanes.rounds import Rounds
from flowload.runtime.lanes.statistics import edges_as_one, gauge_as_one, tasks_as_one
from flowload.runtime.observe.outcome import outcome_of, warnings_of
from flowload.runtime.observe.process import resident
from flowload.runtime.run import Run
from flowload.runtime.tasks.call import Member
from flowload.runtime.tasks.chains.map_chain import is_async
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.threads.executor import Executor
from flowload.runtime.threads.lock_times import CONSUMER, Who
from flowload.runtime.threads.timing import TimingTotals

__all__ = ["snapshot"]


def snapshot(run: Run) -> RunStats:
    """The run now; may be called from any thread."""
    compiled = run.compiled
    buffers = run.pool.stats()
    cpu_time, storage_bytes = run.process.taken()
    tasks, outside = _with_lock(run, [_task(run, segment) for segment in compiled.segments])
    edges = tuple(_edge(channel) for channel in compiled.channels)
    if compiled.lanes is not None:
        tasks, edges = tasks_as_one(compiled.segments, tasks), edges_as_one(edges)
    owners = run.pool.owners()
    return RunStats(
        stages={name: _stage(run, name, tasks, owners) for name in compiled.nodes},
        edges=edges,
        elapsed=(run.ended or perf_counter()) - run.began,
        delivered=run.delivered.samples,
        blocks_delivered=run.delivered.blocks,
        consumer_wait=run.delivered.waited,
        loop_time=0.0 if run.loop is None else run.loop.seconds(),
        buffers_leased=buffers.leased,
        buffers_made=buffers.made,
        buffer_bytes=buffers.leased_bytes + buffers.free_bytes,
        seed=compiled.run.seed,
        finished=run.finished,
        buffers_recycled=buffers.served - buffers.made,
        executors=tuple(map(_executor, tuple(run.executors.values()))),
        tasks=tasks,
        cpus=compiled.run.cpus,
        cpu_time=cpu_time,
        storage_bytes=storage_bytes,
        outputs=len(compiled.outputs),
        chunk_wait=run.delivered.waits.stats(),
        epoch_waits=run.delivered.waits.by_epoch(),
        epochs=compiled.run.epochs,
        first_epoch=compiled.run.first_epoch,
        unclosed=run.unclosed,
        consumers=dict(run.delivered.by_output),
        memory_rss=resident(),
        warnings=warnings_of(run),
        warned=sum(len(member.notices.told) for member in compiled.members),
        outcome=outcome_of(run),
        new_chunks=run.growth.new_chunks(),
        consumers_lock=outside,
        network=run.process.network(),
    )


def _task(run: Run, segment: Segment) -> TaskStats:
    executor, totals = _executor_of(run, segment)
    starved, blocked = segment.waits(perf_counter())
    on_cpu = 0.0 if executor == "loop" else 1.0 if totals is None else totals.cpu_share
    work: dict[str, float] = {}
    shares: dict[str, float] = {}
    for member in segment.members:
        meter = member.meter
        work[member.node] = work.get(member.node, 0.0) + meter.busy
        shares[member.node] = shares.get(member.node, 0.0) + meter.busy * meter.cpu.share(on_cpu)
    shares = {node: cpu / work[node] if work[node] else on_cpu for node, cpu in shares.items()}
    add_under_way(work, _under_way(run, segment))
    together = sum(work.values())
    cpu_of = scaled({node: work[node] * share for node, share in shares.items()}, together * on_cpu, work)
    times = run.lock.times
    lock_of = {node: times.waited((segment.priority, node), work[node], cpu_of[node]) for node in work}
    return TaskStats(
        name=segment.name,
        work=work,
        workers=segment.workers,
        running=_running(run, segment),
        executor=executor,
        cpu=together * on_cpu,
        waited=0.0 if totals is None else totals.waited,
        starved=starved,
        blocked=blocked,
        lock=sum(lock_of.values()),
        cpu_of=cpu_of,
        lock_of=lock_of,
    )


def _with_lock(run: Run, tasks: Sequence[TaskStats]) -> tuple[tuple[TaskStats, ...], float]:
    """Tasks with the seconds in which they held Python's lock; and those of threads outside the run."""
    pairs = [(segment.priority, task) for segment, task in zip(run.compiled.segments, tasks, strict=True)]
    # With a CPU, or about to have one: who is put off while others compute has the lock all the same.
    most: dict[Who, float] = {CONSUMER: run.lock.outside_cpu * run.lock.stretch}
    for priority, task in pairs:
        most |= {(priority, node): cpu * run.lock.stretch for node, cpu in task.cpu_of.items()}
    held = run.lock.times.held(most)
    found = []
    for priority, task in pairs:
        own = {node: held.get((priority, node), 0.0) for node in task.work}
        found.append(task._replace(lock_held=sum(own.values()), lock_held_of=own))
    return tuple(found), held.get(CONSUMER, 0.0)


def scaled(parts: Mapping[str, float], together: float, most: Mapping[str, float]) -> dict[str, float]:
    """Estimates of parts of what is known as a whole, made to fit it, and each no more than its most."""
    found = sum(parts.values())
    times = together / found if found else 0.0
    return {name: min(most[name], part * times) for name, part in parts.items()}


def _under_way(run: Run, segment: Segment) -> float:
    """Seconds of the calls that are not over: a long one must not count as work of when it ends."""
    if run.ended:
        return 0.0
    now = perf_counter()
    jobs = [
        job
        for executor in tuple(run.executors.values())
        for job in tuple(executor.at_work)
        if job is not None
    ]
    return sum(
        max(0.0, now - job.timing.began)
        for job in jobs
        if job.priority == segment.priority and job.timing.began
    )


def add_under_way(work: dict[str, float], seconds: float) -> None:
    """Share seconds among stages as they shared what is over."""
    together = sum(work.values())
    for stage, past in work.items():
        work[stage] = past + seconds * (past / together if together else 1 / len(work))


def _executor_of(run: Run, segment: Segment) -> tuple[str, TimingTotals | None]:
    first = segment.members[0]
    if is_async(first) or isinstance(first.operator, Turn | Rounds):
        return "loop", None  # its CPU time is the loop's
    for executor in tuple(run.executors.values()):
        if (totals := executor.timings.get(segment.priority)) is not None:
            return executor.name, totals
    return first.stage.executor, None


def _running(run: Run, segment: Segment) -> int:
    """Calls that run now: those that threads are at, or that the loop has under way."""
    jobs = [job for executor in tuple(run.executors.values()) for job in executor.at_work if job is not None]
    here = sum(job.priority == segment.priority for job in jobs)
    return here or (segment.running if is_async(segment.members[0]) else 0)


def _stage(run: Run, name: str, tasks: Sequence[TaskStats], owners: Mapping[str, LeaseStats]) -> StageStats:
    members = run.compiled.nodes[name]
    meters = [member.meter for member in members]
    columns = [[member.meter for member in column] for column in run.compiled.columns[name]]
    first, last = columns[0], columns[-1]
    dropped: Counter[str] = Counter()
    for meter in meters:
        dropped.update(dict(meter.dropped))  # copied in one step: a thread may be counting
    # Operators inside one stage may count in different units (chunks, then frames): the accounts of each
    # balance by themselves, so those before the last only add what they dropped or hold.
    inside = sum(meter.dropped.total() + meter.held for column in columns[:-1] for meter in column)
    out = sum(meter.out for meter in last)
    calls = sum(meter.calls for meter in meters)
    busy = sum(meter.busy for meter in meters)
    slowest = max(meters, key=lambda meter: meter.busy).durations
    own = [task for task in tasks if name in task.work]
    return StageStats(
        name=name,
        in_=sum(meter.in_ for meter in last) + inside,
        out=out,
        dropped=dict(dropped),
        held=sum(meter.held for meter in meters),
        blocks_in=sum(meter.blocks_in for meter in first),
        blocks_out=sum(meter.blocks_out for meter in last),
        bytes_out=sum(meter.bytes_out for meter in last),
        rate=sum(meter.rate.recent(meter.out) for meter in last),
        rate_overall=sum(meter.rate.overall(meter.out) for meter in last),
        busy=busy,
        starved=own[0].starved,
        blocked=own[-1].blocked,
        workers=own[-1].workers,
        running=sum(task.running for task in own),
        service=busy / calls if calls else 0.0,
        bytes_in=sum(_bytes_in(run, member) for member in run.compiled.columns[name][0]),
        calls=calls,
        p50=slowest.quantile(0.5),
        p95=slowest.quantile(0.95),
        longest=slowest.most,
        cpu=min(busy, sum(task.cpu_by_stage()[name] for task in own)),
        waited=sum(task.waited for task in own),
        executor=own[-1].executor,
        gauges=_gauges(members),
        missing=sum(meter.missing for meter in meters),
        leases=owners.get(name),
        lock=min(busy, sum(task.lock_by_stage()[name] for task in own)),
    )


def _gauges(members: Sequence[Member]) -> dict[str, float]:
    told: dict[str, list[float]] = {}
    for member in members:
        if isinstance(member.operator, Gauged):
            with member:
                for name, value in member.operator.gauges().items():
                    told.setdefault(printable(name), []).append(value)
    return {name: gauge_as_one(name, values) for name, values in told.items()}


def _bytes_in(run: Run, member: Member) -> int:
    """What came in over a queue, or from the neighbour in the same hop; a source makes its own."""
    for segment in run.compiled.segments:
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


def _executor(executor: Executor) -> ExecutorStats:
    timings = list(executor.timings.values())
    running = sum(job is not None for job in executor.at_work)
    return ExecutorStats(
        name=executor.name,
        threads=executor.limit,
        running=running,
        queued=executor.waiting,
        done=sum(totals.done for totals in timings),
        work=sum(totals.work for totals in timings),
        waited=sum(totals.waited for totals in timings),
    )
