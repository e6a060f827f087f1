"""What watching costs, and whether the verdict is right: slow-downs planted in every stage in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median, quantiles
from time import process_time
from typing import NamedTuple

import flowload as fl
from flowload.cli.verdict import brief
from flowload.graph import Placed
from flowload.observe.durations import Durations
from flowload.observe.stats import RunStats
from flowload.observe.verdict import Verdict, judge
from flowload.runtime.channel import Passed
from flowload.runtime.shifts import Shift, Tally

from .graphs import draw
from .hops import drawn
from .planted import How, planted
from .settings import Settings, Work
from .window import watch

__all__ = ["measure_cost", "measure_verdicts"]

TIMES = 6.0  #: the slowed stage takes so many times the whole pipeline's time for a sample
#: What is done for statistics alone, at every call and block.
WATCHING = (
    (Durations, "note"),
    (Passed, "note"),
    (Shift, "begin"),
    (Shift, "end"),
    (Tally, "queue"),
    (Tally, "enter"),
)


def measure_cost(blocks: int, rounds: int, cpus: int) -> float:
    """CPU time of a block with and without statistics, in turn; the share of the CPUs at 1,000 blocks/s."""
    graph = drawn(blocks)["source, map, batch, map"]
    costs: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds):
        for watching in (number % 2 == 0, number % 2 == 1):  # neither always comes first
            with ExitStack() as stack:
                if not watching:
                    stack.enter_context(blind())
                costs[watching].append(cpu_of_a_block(graph, cpus))
    more = [one - other for one, other in zip(costs[True], costs[False], strict=True)]
    print(f"CPU time of a block through 4 stages, us, median of {rounds} rounds in turn:")
    print(f"  with statistics {median(costs[True]) * 1e6:.1f}, without {median(costs[False]) * 1e6:.1f}")
    low, middle, high = (f"{each * 1000 / cpus:.2%}" for each in quantiles(more, n=4))
    print(f"  at 1,000 blocks/s they take {middle} of {cpus} CPUs (quartiles {low}, {high})")
    return median(more) * 1000 / cpus


@contextmanager
def blind() -> Iterator[None]:
    """While inside, nothing is measured."""
    kept = [(kind, name, getattr(kind, name)) for kind, name in WATCHING]
    for kind, name in WATCHING:
        setattr(kind, name, lambda *_: None)
    try:
        yield
    finally:
        for kind, name, method in kept:
            setattr(kind, name, method)


def cpu_of_a_block(graph: fl.Graph, cpus: int) -> float:
    """Seconds of CPU of this process for one block, but for the first, which starts the run."""
    with graph.iterate(cpus=cpus) as batches:
        next(batches)
        began = process_time()
        count = sum(1 for _ in batches)
        return (process_time() - began) / count


class Trial(NamedTuple):
    """A stage, and what was said of it when it was slowed down."""

    stage: str
    rate: float  #: samples/s while slowed down
    faster: float  #: samples/s with the stage twice as fast
    verdict: Verdict | None

    @property
    def named(self) -> bool:
        """The verdict names the stage."""
        return self.verdict is not None and self.verdict.limit.who == self.stage

    @property
    def error(self) -> float:
        """Of the predicted gain, to the measured one."""
        return self.verdict.gain / (self.faster / self.rate) - 1 if self.verdict else float("nan")


def measure_verdicts(settings: Settings, how: How, tell: Callable[[str], None]) -> list[Trial]:
    """Slow down every stage of the chess pipeline in turn; printed."""
    graph = draw(settings, Work(), device="cpu")
    before, after = run(graph, settings)
    base = judge(after, before)
    assert base is not None, "nothing was delivered"  # noqa: S101 - there is nothing to compare with then
    print(f"as it is: {base.rate:,.0f} samples/s; {brief(base)}")
    print(f"{'slowed stage':<14}{'named':>7}{'predicted':>11}{'measured':>10}{'error':>8}  verdict")
    trials = []
    for placed in graph.plan.nodes:
        if settings.only and placed.name not in settings.only:
            continue
        tell(f"slowing down {placed.name}")
        trial = attempt(graph, placed, settings, how, (before, after))
        trials.append(trial)
        print(told(trial))
    return trials


def attempt(
    graph: fl.Graph, placed: Placed, settings: Settings, how: How, base: tuple[RunStats, RunStats]
) -> Trial:
    """Slow one stage down, take the verdict; make the stage twice as fast, and measure."""
    before, after = base
    name = placed.name
    samples = after.delivered - before.delivered
    calls = max(1, after.stages[name].calls - before.stages[name].calls)
    own = (after.stages[name].busy - before.stages[name].busy) / calls
    extra = TIMES * (after.elapsed - before.elapsed) / samples * samples / calls
    with planted(placed.stage, extra, how):
        moments = run(graph, settings)
    with planted(placed.stage, max(0.0, (extra - own) / 2), how):
        faster = rate_of(*run(graph, settings))
    return Trial(name, rate_of(*moments), faster, judge(moments[1], moments[0]))


def run(graph: fl.Graph, settings: Settings) -> tuple[RunStats, RunStats]:
    """The run when it was warm, and later."""
    seen: list[RunStats] = []
    with graph.iterate(epochs=None, cpus=settings.cpus) as batches:

        def probe() -> dict[str, float]:
            seen.append(batches.stats())
            return {}

        watch(iter(batches), settings.window, probe)
    return seen[0], seen[1]


def rate_of(before: RunStats, after: RunStats) -> float:
    """Samples/s between two moments."""
    return (after.delivered - before.delivered) / (after.elapsed - before.elapsed)


def told(trial: Trial) -> str:
    """One line."""
    if trial.verdict is None:
        return f"{trial.stage:<14}{'no':>7}{'':>29}  nothing was delivered"
    return (
        f"{trial.stage:<14}{'yes' if trial.named else 'NO':>7}{trial.verdict.gain:>10.2f}x"
        f"{trial.faster / trial.rate:>9.2f}x{trial.error:>+8.0%}  {brief(trial.verdict)}"
    )
