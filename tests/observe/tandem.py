"""A pipeline that never was: stages of known costs in a row, simulated event by event on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from flowload.observe.stats import ExecutorStats, RunStats, TaskStats

from .moments import moment

__all__ = ["Stage", "Tandem"]


@dataclass
class Stage:
    """A stage: seconds of a block, workers, and whether they compute (or wait)."""

    name: str
    cost: float
    workers: int = 1
    executor: str = "kernel"
    cpu: float = 1.0  #: part of the cost
    inbox: int = 0
    running: int = 0
    stuck: int = 0  #: blocks that are done and have no room behind
    work: float = 0.0

    @property
    def has_worker(self) -> bool:
        return self.running + self.stuck < self.workers


@dataclass
class Tandem:
    """The stages, a consumer of a cost of its own, executors of so many threads, queues of two blocks."""

    stages: Sequence[Stage]
    consumer: float
    threads: dict[str, int] = field(default_factory=lambda: {"kernel": 2, "io": 8})
    vary: Callable[[], float] = lambda: 1.0  #: times a cost, drawn for every call
    cpus: int = 2
    room: int = 2
    samples: int = 100
    now: float = 0.0
    delivered: int = 0
    consumed: float = 0.0

    def run(self, blocks: int) -> RunStats:
        """Until the consumer has had so many blocks."""
        taker = Stage("consumer", self.consumer, executor="")
        line = [*self.stages, taker]
        events: list[tuple[float, int, int]] = []
        count = 0
        while self.delivered < blocks:
            for place in reversed(range(len(line))):  # what is nearly done is done first
                while self.may_begin(line, place):
                    stage = line[place]
                    stage.inbox -= place > 0
                    stage.running += 1
                    seconds = stage.cost * self.vary()
                    stage.work += seconds
                    heappush(events, (self.now + seconds, count := count + 1, place))
            self.now, _, place = heappop(events)
            line[place].running -= 1
            line[place].stuck += 1
            self.delivered += place == len(line) - 1
            self.move(line)
        self.consumed = taker.work
        return self.stats()

    def may_begin(self, line: Sequence[Stage], place: int) -> bool:
        stage = line[place]
        threads = self.threads.get(stage.executor, 1)
        busy = sum(other.running for other in line if other.executor == stage.executor)
        return stage.has_worker and (place == 0 or stage.inbox > 0) and busy < threads

    def move(self, line: Sequence[Stage]) -> None:
        """Blocks that are done go on where there is room."""
        line[-1].stuck = 0
        for place in reversed(range(len(line) - 1)):
            moved = min(line[place].stuck, self.room - line[place + 1].inbox)
            line[place].stuck -= moved
            line[place + 1].inbox += moved

    def stats(self) -> RunStats:
        """What a run would say of itself."""
        tasks = tuple(
            TaskStats(
                s.name, {s.name: s.work}, s.workers, s.running, s.executor, s.work * s.cpu, 0.0, 0.0, 0.0
            )
            for s in self.stages
        )
        executors = tuple(
            ExecutorStats(name, threads, 0, 0, 0, 0.0, 0.0) for name, threads in self.threads.items()
        )
        return moment(
            elapsed=self.now,
            delivered=self.delivered * self.samples,
            blocks_delivered=self.delivered,
            consumer_wait=self.now - self.consumed,
            tasks=tasks,
            executors=executors,
            cpus=self.cpus,
            cpu_time=sum(task.cpu for task in tasks),
        )
