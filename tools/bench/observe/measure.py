"""What watching costs, and whether the verdict is right: slow-downs planted in every stage in turn."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import NamedTuple

import numpy as np

import flowload as fl
from flowload.cli.view.verdict import brief
from flowload.graph import Placed
from flowload.observe.counting.durations import Durations
from flowload.observe.stats import RunStats
from flowload.observe.trace import Trace
from flowload.observe.verdict import Verdict, judge
from flowload.runtime.threads.timing import JobTiming, TimingTotals
from tools.bench.chess.graphs import draw
from tools.bench.measuring.settings import Settings, Work
from tools.bench.measuring.window import watch

from .hops import drawn
from .planted import Calls, How, planted

__all__ = ["measure_cost", "measure_verdicts"]

FILES, SPLIT, GAMES = 8, 8, 8  #: files to take games from, small files of each, games in these
TIMES = 10.0  #: the slowed stage takes so many times the whole pipeline's time for a sample: it alone limits
#: What is done for statistics alone, at every call and block.
WATCHING = (
    (Durations, "note"),
    (JobTiming, "begin"),
    (JobTiming, "end"),
    (TimingTotals, "queue"),
    (TimingTotals, "enter"),
)


def measure_cost(blocks: int, rounds: int, cpus: int) -> dict[str, float]:
    """CPU time of a block with and without statistics, and with a trace, in turn; printed.

    Returns what each takes of the CPUs at 1,000 blocks/s.
    """
    graph = drawn(blocks)["source, map, batch, map"]
    costs: dict[str, list[float]] = {"nothing": [], "statistics": [], "statistics and a trace": []}
    for number in range(rounds):
        for how in list(costs) if number % 2 else reversed(list(costs)):  # none always comes first
            with blind() if how == "nothing" else nullcontext():
                costs[how].append(cpu_of_a_block(graph, cpus, trace="trace" in how))
    print(f"CPU time of a block through 4 stages, median of {rounds} rounds in turn:")
    shares = {}
    for how, each in costs.items():
        more = [one - other for one, other in zip(each, costs["nothing"], strict=True)]
        low, middle, high = (each * 1000 / cpus for each in np.quantile(more, (0.25, 0.5, 0.75)).tolist())
        shares[how] = middle
        told = f"{middle:+.2%} of {cpus} CPUs at 1,000 blocks/s (quartiles {low:+.2%}, {high:+.2%})"
        print(f"  {how:<24}{median(each) * 1e6:7.1f} us  {'' if how == 'nothing' else told}")
    return shares


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


def cpu_of_a_block(graph: fl.Graph, cpus: int, *, trace: bool) -> float:
    """Seconds of CPU of this process for one block, but for the first, which starts the run."""
    with graph.iterate(cpus=cpus) as batches:
        next(batches)
        if trace:
            batches.record(Trace())
        began = process_time()
        count = sum(1 for _ in batches)
        return (process_time() - began) / count


class Trial(NamedTuple):
    """A stage, and what was said of it when it was slowed down, turn by turn."""

    stage: str
    verdicts: tuple[Verdict | None, ...]
    measured: float  #: samples/s with the stage twice as fast, to those before, over all turns

    @property
    def named(self) -> bool:
        """Every verdict names the stage."""
        return all(verdict is not None and verdict.limit.who == self.stage for verdict in self.verdicts)

    @property
    def predicted(self) -> float:
        """The gain that was predicted, median."""
        return median(verdict.gain if verdict else float("nan") for verdict in self.verdicts)


def measure_verdicts(settings: Settings, how: How, tell: Callable[[str], None]) -> list[Trial]:
    """Slow down every stage of the chess pipeline in turn; printed."""
    with TemporaryDirectory() as folder:
        # In files as large as training runs', a stage that is slow with files would be seen after minutes.
        split_games(settings.data, Path(folder))
        return measure_on(replace(settings, data=f"{folder}/*.tar"), how, tell)


def split_games(data: str, folder: Path) -> None:
    """Write the first games of some files to small files of their own."""
    small = 0
    found = Path(data)
    for path in sorted(found.parent.glob(found.name))[:FILES]:
        with tarfile.open(path) as source:
            games = [member for member in islice(source, GAMES * SPLIT) if member.isfile()]
            for start in range(0, len(games), GAMES):
                with tarfile.open(folder / f"games-{small:04}.tar", "w") as target:
                    for member in games[start : start + GAMES]:
                        target.addfile(member, source.extractfile(member))
                small += 1


def measure_on(settings: Settings, how: How, tell: Callable[[str], None]) -> list[Trial]:
    """Slow down every stage of the chess pipeline on these data."""
    graph = draw(settings, Work(), device="cpu")
    before, after = run(graph, settings).moments
    base = judge(after, before)
    assert base is not None, "nothing was delivered"  # noqa: S101 - there is nothing to compare with then
    print(f"as it is: {base.rate:,.0f} samples/s; {brief(base)}")
    print(f"{'slowed stage':<14}{'named':>7}{'predicted':>11}{'measured':>10}{'error':>8}  verdict")
    trials = []
    for placed in graph.plan.nodes:
        if settings.only and placed.name not in settings.only:
            continue
        tell(f"slowing down {placed.name}")
        trial = attempt(graph, placed, settings, how)
        trials.append(trial)
        print(told(trial))
    return trials


class Seen(NamedTuple):
    """A run when it was warm, and later."""

    moments: tuple[RunStats, RunStats]
    calls: int  #: in between, of the operator in which time is planted

    @property
    def elapsed(self) -> float:
        """Seconds in between."""
        return self.moments[1].elapsed - self.moments[0].elapsed

    @property
    def delivered(self) -> int:
        """Samples in between."""
        return self.moments[1].delivered - self.moments[0].delivered

    def busy(self, stage: str) -> float:
        """Seconds of a stage in between."""
        return self.moments[1].stages[stage].busy - self.moments[0].stages[stage].busy


def attempt(graph: fl.Graph, placed: Placed, settings: Settings, how: How) -> Trial:
    """Slow one stage down, take the verdict; make the stage twice as fast, and measure; in turn."""
    name = placed.name
    with planted(placed.stage, 0.0, how) as calls:
        usual = run(graph, settings, calls)
    # Of the operator's calls, not of the stage's: some stages have an operator more, which is not slowed.
    own = usual.busy(name) / max(1, usual.calls)
    extra = TIMES * usual.elapsed / max(1, usual.calls)
    verdicts, slow, fast = [], [], []
    for _ in range(settings.rounds):
        with planted(placed.stage, extra, how):
            slow.append(run(graph, settings))
        with planted(placed.stage, max(0.0, (extra - own) / 2), how):
            fast.append(run(graph, settings))
        before, after = slow[-1].moments
        verdicts.append(judge(after, before))
    return Trial(name, tuple(verdicts), rate_of(fast) / rate_of(slow))


def run(graph: fl.Graph, settings: Settings, calls: Calls | None = None) -> Seen:
    """The run when it was warm, and later."""
    stats: list[RunStats] = []
    counts: list[int] = []
    with graph.iterate(epochs=None, cpus=settings.cpus) as batches:

        def probe() -> dict[str, float]:
            stats.append(batches.stats())
            counts.append(calls.count if calls else 0)
            return {}

        watch(iter(batches), settings.window, probe)
    return Seen((stats[0], stats[1]), counts[1] - counts[0])


def rate_of(windows: Sequence[Seen]) -> float:
    """Samples/s in all windows together: a slow stage gives in bursts, of which one window holds few."""
    return sum(window.delivered for window in windows) / sum(window.elapsed for window in windows)


def told(trial: Trial) -> str:
    """One line."""
    named = "yes" if trial.named else "NO"
    error = trial.predicted / trial.measured - 1
    return (
        f"{trial.stage:<14}{named:>7}{trial.predicted:>10.2f}x{trial.measured:>9.2f}x{error:>+8.0%}  "
        f"{brief(trial.verdicts[-1])}"
    )
