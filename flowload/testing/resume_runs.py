"""The exam of exact resume in whole runs: at every batch, through JSON and a file, with other workers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from flowload.abc.operators import State
from flowload.graph import Graph
from flowload.runtime.state.file import load_state, save_state
from flowload.runtime.state.snapshots import Snapshots

from .bench import fail
from .content import copied, difference

__all__ = ["as_often_as_can_be", "can_run", "check_runs", "through_json"]

Read: TypeAlias = tuple[str, Any]  #: an output, and what it gave


def can_run(graph: Graph) -> bool:
    """Whether a drawing runs by itself, and its stream depends on nothing but data, parameters and seed."""
    plan = graph.plan
    return not any(placed.open or placed.stage.growing for placed in plan.nodes) and bool(plan.ends)


def check_runs(
    graph: Graph, *, seed: int = 0, cuts: int | None = None, cpus: tuple[int, ...] = (1, 2, 3), **how: Any
) -> int:
    """Leave a run behind a batch, and go on from its state in another; and from that one's state in a third.

    States are written as JSON or to a file, in turn, and read in runs with other numbers of CPUs. Parts are
    saved as often as can be, or when they are asked for: `Batches.cut`. What comes must be what an
    uninterrupted run gives, bit for bit, its ledger included.

    Args:
        graph: what runs by itself.
        seed: of the runs.
        cuts: so many batches behind which a run is left, evenly spread; None: every one.
        cpus: of the runs, in turn.
        how: what else `iterate` takes.

    Returns:
        behind how many batches a run was left.
    """
    whole = read(graph, seed=seed, **how)
    places = range(len(whole) + 1) if cuts is None else spread(len(whole), cuts)
    for number, place in enumerate(places):
        saved = through_json if number % 2 else through_file
        with when_asked() if number % 3 == 1 else as_often_as_can_be():
            check_place(graph, whole, place, saved, cpus[number % len(cpus) :] + cpus, {"seed": seed, **how})
    return len(places)


def check_place(
    graph: Graph,
    whole: list[Read],
    place: int,
    saved: Callable[[State], State],
    cpus: tuple[int, ...],
    how: Mapping[str, Any],
) -> None:
    """Leave a run behind one batch, and another in the midst of the rest."""
    got, state = part(graph, place, None, cpus[0], how)
    half = (len(whole) - place + 1) // 2
    more, second = part(graph, half, saved(state), cpus[1], how)
    rest = read(graph, state=saved(second), cpus=cpus[2], **how)
    for name in {name for name, _ in whole}:
        wanted, found = ([each for key, each in those if key == name] for those in (whole, got + more + rest))
        if changed := difference(wanted, found, f"output {name!r}"):
            fail(f"left behind batch {place}, and again behind {half} more: {changed}")


def part(
    graph: Graph, count: int, state: State | None, cpus: int, how: Mapping[str, Any]
) -> tuple[list[Read], State]:
    """So many batches, and the state behind them."""
    with graph.iterate(state=state, cpus=cpus, **how) as run:
        run.cut()
        stream = in_turn(graph, run)
        return [next(stream) for _ in range(count)], run.state_dict()


def read(graph: Graph, **how: Any) -> list[Read]:
    """All that a run gives."""
    with graph.iterate(**how) as run:
        return list(in_turn(graph, run))


def in_turn(graph: Graph, run: Any) -> Iterator[Read]:
    """Copies of the batches of all outputs, one of each in turn until they end."""
    left = {end.name: iter(run[end.name]) for end in graph.plan.ends}
    while left:
        for name in list(left):
            try:
                batch = next(left[name])
            except StopIteration:
                del left[name]
            else:
                yield name, copied(batch)


def spread(count: int, cuts: int) -> range:
    """Places from 0 to `count`, evenly spread."""
    return range(0, count + 1, max(1, count // cuts))


def through_json(state: State) -> State:
    """A state that was text."""
    again: State = json.loads(json.dumps(state, allow_nan=False))
    return again


def through_file(state: State) -> State:
    """A state that was in a file."""
    with tempfile.TemporaryDirectory(prefix="flowload-exam-") as folder:
        found = load_state(save_state(Path(folder, "run.state"), state))
    return found if found is not None else fail("a state was written, and there is none")


def as_often_as_can_be() -> AbstractContextManager[None]:
    """Runs that begin in here save their parts whenever they can."""
    return every(0.0)


def when_asked() -> AbstractContextManager[None]:
    """Runs that begin in here save their parts when somebody asks for it."""
    return every(3600.0)


@contextmanager
def every(seconds: float) -> Iterator[None]:
    """Runs that begin in here save their parts as often."""
    before = Snapshots.every
    Snapshots.every = seconds
    try:
        yield
    finally:
        Snapshots.every = before
