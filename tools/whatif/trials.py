"""Every stage of a graph alone, on blocks that it was given in a run of the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flowload.graph import Graph, Placed
from flowload.observe.stats import RunStats
from flowload.runtime.capture import Capture
from flowload.runtime.profile import Profile, profile

from .model import Replay, Trial
from .recorded_inputs import Cache
from .replay import replay

__all__ = ["look_closely", "replays_of"]

BLOCKS, BYTES = 64, 256 << 20  #: kept of the inputs of a stage, and of all stages together
REPLAY = 0.5  #: seconds of a replay, at most
FED = 0.5  #: of their time, in which workers must have worked
WAITING = 8  #: workers to try where calls mostly wait: these cost no CPU

Told = Callable[[str], object]


def look_closely(
    graph: Graph, *, seconds: float, seed: int = 0, cpus: int | None = None, tell: Told = lambda _: None
) -> tuple[Profile, tuple[Trial, ...]]:
    """A profile of the whole, and trials of its stages in the order of the flow, which take about as long.

    Args:
        graph: a whole drawing.
        seconds: how long the whole runs.
        seed: of the run.
        cpus: see `graph.iterate`.
        tell: called with what is done next.
    """
    names = [placed.name for placed in graph.plan.nodes if can_be_alone(placed)]
    caches = {name: Cache(BLOCKS, BYTES // max(1, len(names))) for name in names}
    trials: list[Trial] = []

    def still(seen: Profile) -> None:
        trials.extend(trials_of(graph, seen.now, caches, seconds, tell))

    tell(f"the whole, for {seconds:g} s")
    taps = {name: cache.show for name, cache in caches.items()}
    seen = profile(graph, seconds=seconds, seed=seed, cpus=cpus, taps=taps, still=still)
    return seen, tuple(trials)


def can_be_alone(placed: Placed) -> bool:
    """One way in, one way out."""
    return len(placed.inputs) == 1 and placed.outputs == ("out",)


def trials_of(
    graph: Graph, now: RunStats, caches: dict[str, Cache], seconds: float, tell: Told
) -> Iterator[Trial]:
    """Every stage alone, as far as that can be."""
    plans = {name: counts(now, name) for name, cache in caches.items() if cache.kept}
    points = sum(len(plan) + 1 for plan in plans.values()) or 1
    each = min(REPLAY, seconds / points)
    for placed in graph.plan.nodes:
        trial = Trial(placed.name, placed.node.where, placed.stage.workers, had(now, placed.name), ())
        if placed.name not in plans:
            yield trial._replace(
                note="as it ran: it was given nothing" if placed.name in caches else "as it ran"
            )
            continue
        tell(f"{placed.name}: alone")
        kept = caches[placed.name].kept
        errors: list[Exception] = []
        with Capture(errors.append):
            replays = tuple(replays_of(placed, kept, plans[placed.name], each, now.cpus))
            trial = trial._replace(
                replays=replays, note="" if replays else "as it ran: too slow to be run alone"
            )
        if errors:
            trial = trial._replace(note=f"as it ran: alone, it raised {errors[0]!r}")
        yield trial


def replays_of(
    placed: Placed, blocks: Sequence[Any], workers: Sequence[int], seconds: float, cpus: int
) -> Iterator[Replay]:
    """The stage alone, with the workers that it had first; a Fold has one whatever is asked for.

    The first time is not counted: memory and caches are cold. It ends where more workers than
    it had were not fed: what they could do was not seen.
    """
    replay(placed, blocks, workers=workers[0], seconds=seconds / 2, cpus=cpus)
    for many in workers:
        seen = replay(placed, blocks, workers=many, seconds=seconds, cpus=cpus)
        if seen is None or (seen.used < FED and many > workers[0]):
            return
        yield seen
        if not seen.parallel:
            return


def counts(now: RunStats, name: str) -> list[int]:
    """Workers to try: those that it had, then 1 to n, all of them where n is small."""
    stage, own = now.stages[name], had(now, name)
    waits = stage.busy > 0 and stage.cpu < stage.busy / 2
    most = max(now.cpus, own, max(WAITING, 2 * own) if waits else 1)
    tried = [k for k in range(1, most + 1) if most <= WAITING or k in (1, most) or not k & (k - 1)]
    return [own, *(k for k in tried if k != own)]


def had(now: RunStats, name: str) -> int:
    """The workers that a stage had."""
    return max((task.workers for task in now.tasks if name in task.work), default=1)
