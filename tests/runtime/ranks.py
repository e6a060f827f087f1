"""All ranks of a training in one process, a thread each, and how they agree there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flowload as fl
from flowload.adapters.agreeing.ranks import equalised
from flowload.adapters.engine import Adapters
from flowload.graph.engine import RunOrder
from flowload.graph.node import Share
from flowload.observe.stats import RunStats
from flowload.runtime.ranks import Joined, Ranks
from flowload.stages.wiring.equal_ranks import NOBODY, farewell

__all__ = ["Exchange", "Mouth", "TogetherRanks", "run_ranks"]


class Exchange:
    """Where ranks meet: an exchange is over when each has given its numbers."""

    def __init__(self, world: int) -> None:
        self.world = world
        self.changed = threading.Condition()
        self.given: list[dict[int, Sequence[int]]] = [{}]
        self.patience = 60.0

    def give(self, rank: int, number: int, numbers: Sequence[int]) -> None:
        with self.changed:
            while len(self.given) <= number + 1:
                self.given.append({})
            assert rank not in self.given[number], "a rank takes part once"
            self.given[number][rank] = numbers
            self.changed.notify_all()

    def complete(self, number: int) -> bool:
        return len(self.given[number]) == self.world

    def least(self, number: int) -> list[int]:
        return [min(column) for column in zip(*self.given[number].values(), strict=True)]


class Mouth:
    """One rank's `Agreement`."""

    def __init__(self, exchange: Exchange, rank: int) -> None:
        self.exchange = exchange
        self.rank = rank
        self.number = 0
        self.waits = False
        self.stopped = threading.Event()
        self.closed = 0

    def least(self, numbers: Sequence[int]) -> Sequence[int] | None:
        with self.exchange.changed:
            if self.stopped.is_set():
                return None
            number, self.number, self.waits = self.number, self.number + 1, True
            self.exchange.give(self.rank, number, numbers)
            met = self.exchange.changed.wait_for(
                lambda: self.stopped.is_set() or self.exchange.complete(number), self.exchange.patience
            )
            assert met, (
                f"rank {self.rank} waits for others in exchange {number}: {self.exchange.given[number]}"
            )
            self.waits = False
            return None if self.stopped.is_set() else self.exchange.least(number)

    def stop(self, numbers: Sequence[int]) -> None:
        with self.exchange.changed:
            if self.stopped.is_set():
                return
            self.stopped.set()
            self.exchange.changed.notify_all()
            told = self.exchange.given[: self.number]
            if not any(min(given[2:]) < NOBODY for each in told for given in each.values()):
                self.exchange.give(self.rank, self.number, numbers)  # whoever completes the one under way

    def close(self) -> None:
        self.closed += 1


class TogetherRanks(Ranks):
    """Ranks that meet in this process, by output."""

    def __init__(self, exchanges: dict[str, Exchange], world: int) -> None:
        super().__init__()
        self.exchanges = exchanges
        self.size = world
        self.mouths: list[Mouth] = []

    def world(self) -> int:
        return self.size

    def join(self, graph: fl.Graph, outputs: Sequence[str], share: Share) -> Joined | str:
        mouths = {name: Mouth(self.exchanges[name], share.rank) for name in outputs}
        self.mouths += mouths.values()

        def leave() -> None:
            for mouth in mouths.values():
                mouth.stop(farewell(share.rank, failed=True))

        return Joined(equalised(graph, dict(mouths), share.rank), leave)


def run_ranks(
    graph: Callable[[int], fl.Graph],
    world: int,
    read: Callable[[Any], Any] = list,
    **order: Any,
) -> list[tuple[Any, RunStats]]:
    """What each rank reads, and its statistics."""
    names = [end.name for end in graph(0).plan.ends]
    exchanges = {name: Exchange(world) for name in names}

    def one(rank: int) -> tuple[Any, RunStats]:
        engine = Adapters(TogetherRanks(exchanges, world))
        with engine.iterate(graph(rank), RunOrder(**order)) as run:
            return read(run), run.stats()

    with ThreadPoolExecutor(world) as threads:
        futures = [threads.submit(one, rank) for rank in range(world)]
        return [future.result() for future in futures]
