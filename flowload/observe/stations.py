"""What a run's samples need, and who gives it: the stations of operational analysis.

A station has servers (workers, threads, CPUs) and a demand: the seconds of a server that one delivered
sample takes, over all visits. However the rest is arranged, no more than servers / demand samples pass in
a second (the utilisation law; Denning and Buzen, "Operational Analysis of Queueing Network Models", 1978).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from .stats import RunStats, TaskStats

__all__ = ["CONSUMER", "LOCK", "LOOP", "Kind", "Station", "since", "stations_of", "tasks_before"]

Kind: TypeAlias = Literal["stage", "lock", "executor", "cpu", "loop", "consumer"]

CONSUMER, LOOP, LOCK = "the consumer", "the event loop", "Python's lock"  #: who takes time beside the stages


class Station(NamedTuple):
    """A shared resource with limited time: workers of a stage, threads, CPUs, event loop, consumer."""

    kind: Kind
    name: str
    servers: int
    shares: Mapping[str, float]  #: seconds of a server for one delivered sample, by who takes them
    waits: float = 0.0  #: part of its time (0 to 1) in which its servers did not use a CPU

    @property
    def demand(self) -> float:
        """Seconds of a server for one delivered sample."""
        return sum(self.shares.values())

    @property
    def bound(self) -> float:
        """Samples/s that it allows at most."""
        return self.servers / self.demand if self.demand > 0 else float("inf")

    @property
    def heaviest(self) -> str:
        """Who takes most of its time."""
        return max(self.shares, key=lambda who: self.shares[who])

    def with_faster(self, who: str, times: float) -> Station:
        """This station if the work of `who` took so many times less time."""
        return self._replace(
            shares={name: share / times if name == who else share for name, share in self.shares.items()}
        )


def stations_of(now: RunStats, before: RunStats | None = None) -> list[Station]:
    """Everybody who worked between two snapshots; empty while nothing was delivered."""
    delivered = now.delivered - (before.delivered if before else 0)
    if delivered <= 0:
        return []
    tasks = [since(task, past) for task, past in zip(now.tasks, tasks_before(now, before), strict=True)]
    each = 1 / delivered
    found = [task_station(task, each) for task in tasks]
    found += executor_stations(now, tasks, each)
    loop = now.loop_time - (before.loop_time if before else 0.0)
    found.append(Station("loop", LOOP, 1, {LOOP: loop * each}))
    found.append(
        Station("consumer", CONSUMER, now.outputs, {CONSUMER: held_by_consumers(now, before) * each})
    )
    found.append(lock_station(now, before, tasks, each))
    found.append(cpu_station(now, before, tasks, each))
    return [station for station in found if station.demand > 0]


def tasks_before(now: RunStats, before: RunStats | None) -> Sequence[TaskStats | None]:
    """The earlier account of every task; None: from the start."""
    return [None] * len(now.tasks) if before is None else before.tasks


def since(task: TaskStats, before: TaskStats | None) -> TaskStats:
    """A task's statistics since an earlier snapshot."""
    if before is None:
        return task
    return task._replace(
        work=gained(task.work, before.work),
        cpu=max(0.0, task.cpu - before.cpu),
        lock=max(0.0, task.lock - before.lock),
        lock_held=max(0.0, task.lock_held - before.lock_held),
        cpu_of=gained(task.cpu_by_stage(), before.cpu_by_stage()),
        lock_of=gained(task.lock_by_stage(), before.lock_by_stage()),
        lock_held_of=gained(task.lock_held_by_stage(), before.lock_held_by_stage()),
    )


def gained(now: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    """By how much each grew; what is estimated may have shrunk, and has not grown then."""
    return {name: max(0.0, value - before.get(name, 0.0)) for name, value in now.items()}


def without_lock(task: TaskStats) -> dict[str, float]:
    """Its seconds of work by stage, but for those in which it waited for Python's lock."""
    waited = task.lock_by_stage()
    return {stage: max(0.0, seconds - waited.get(stage, 0.0)) for stage, seconds in task.work.items()}


def task_station(task: TaskStats, each: float) -> Station:
    """The workers of a task."""
    work = without_lock(task)
    together = sum(work.values())
    waits = max(0.0, 1 - task.cpu / together) if together > 0 else 0.0
    shares = {stage: seconds * each for stage, seconds in work.items()}
    return Station("stage", task.name, task.workers, shares, waits)


def executor_stations(now: RunStats, tasks: Sequence[TaskStats], each: float) -> Iterator[Station]:
    """Threads that several tasks share."""
    for executor in now.executors:
        own = [task for task in tasks if task.executor == executor.name]
        work: dict[str, float] = {}
        for task in own:
            for stage, seconds in without_lock(task).items():
                work[stage] = work.get(stage, 0.0) + seconds
        together = sum(work.values())
        waits = max(0.0, 1 - sum(task.cpu for task in own) / together) if together > 0 else 0.0
        shares = {stage: seconds * each for stage, seconds in work.items()}
        # As many threads as CPUs that compute most of the time: it is the CPUs that there are too few of.
        computes = executor.threads >= now.cpus and waits < 0.5
        kind: Kind = "cpu" if computes else "executor"
        yield Station(kind, cpus(now) if computes else executor.name, executor.threads, shares, waits)


def lock_station(now: RunStats, before: RunStats | None, tasks: Sequence[TaskStats], each: float) -> Station:
    """Python's lock: one server for all threads; of no demand where the system does not tell who holds it."""
    shares: dict[str, float] = {}
    for task in tasks:
        for stage, seconds in task.lock_held_by_stage().items():
            shares[stage] = shares.get(stage, 0.0) + seconds * each
    outside = now.consumers_lock - (before.consumers_lock if before else 0.0)
    return Station("lock", LOCK, 1, {**shares, CONSUMER: max(0.0, outside) * each})


def held_by_consumers(now: RunStats, before: RunStats | None) -> float:
    """Seconds in which consumers did not wait for a batch: they did something else, such as train."""
    passed = now.elapsed - (before.elapsed if before else 0.0)
    waited = now.consumer_wait - (before.consumer_wait if before else 0.0)
    return max(0.0, passed * now.outputs - waited)


def cpus(stats: RunStats) -> str:
    """Name of the station of all CPUs: "1 CPU", "2 CPUs"."""
    return f"{stats.cpus} CPUs" if stats.cpus > 1 else "1 CPU"


def cpu_station(now: RunStats, before: RunStats | None, tasks: Sequence[TaskStats], each: float) -> Station:
    """The CPUs of this run; what neither stages nor the loop used was the consumer's, or the machine's."""
    used = now.cpu_time - (before.cpu_time if before else 0.0)
    shares: dict[str, float] = {}
    for task in tasks:
        for stage, seconds in task.cpu_by_stage().items():
            shares[stage] = shares.get(stage, 0.0) + seconds * each
    shares[LOOP] = (now.loop_time - (before.loop_time if before else 0.0)) * each
    rest = used * each - sum(shares.values())
    return Station(
        "cpu",
        cpus(now),
        now.cpus,
        {**shares, CONSUMER: max(0.0, rest)},
    )
