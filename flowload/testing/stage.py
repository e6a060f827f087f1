"""The exam for stage authors: does a stage keep what every stage promises?"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from flowload.abc.operators import Block, Map, Mark
from flowload.abc.powers import Stateful
from flowload.graph import Graph, Stage
from flowload.runtime.state.columns import to_values

from .bench import Bench, compare, fail, set_up
from .content import copied, difference, is_owned
from .journal import Entry, Journal
from .plain import Made, Plain
from .seat import Seat

__all__ = ["check_stage"]

THREADS = 4
ZEROS, ONES = 0x00, 0xFF  #: what leases hold before anybody wrote to them


def check_stage(
    stage: Stage | Graph,
    blocks: Iterable[Block | Mark] = (),
    *,
    seeds: Sequence[int] = (0, 1),
    epochs: int = 2,
    cpus: int = 2,
) -> list[Block]:
    """Examine a stage, or a drawing whose streams never join, on some blocks and without a run.

    What is examined: that every operator has one shape; that in = out + dropped + held after every
    block, and held is 0 after the flush; that outputs are blocks of the declared type, never empty, and
    never changed afterwards; that the same seed gives the same bytes, whatever leased memory held before;
    that inputs are not changed, unless they are Frames with writable data, and that read-only Frames do as
    well; that maps give the same in any order, twice, and in several threads at once; that `state()`, where
    there is one, is JSON and arrays of numbers, and has no effect. A fold that does not say what it holds is
    asked for everything at the end.

    Args:
        stage: its declaration, or the graph that its word returns.
        blocks: what comes in, marks among them; without marks one pass. Nothing for a source.
        seeds: each is tried.
        epochs: passes of a source.
        cpus: what the stage is told.

    Returns:
        what came out under the first seed.

    Raises AssertionError that tells what differs, and where.

    Examples:
        >>> from flowload.testing import check_stage
        >>> made = check_stage(fl.map(lambda batch: {"y": batch["x"] ** 2}), [fl.Batch({"x": np.arange(3)})])
        >>> made[0]["y"]
        array([0, 1, 4])
    """
    words = tuple(blocks)
    benches = [set_up(stage, words, seed=seed, epochs=epochs, cpus=cpus) for seed in seeds]
    results = [examine(bench) for bench in benches]
    return [block for _, block in results[0]]


def examine(bench: Bench) -> list[Made]:
    """All of the exam for one seed; what came out."""
    journal = Journal()

    def others(made: list[Made]) -> None:
        journal.check_inputs()
        check_types(bench, made)
        compare(made, bench.run(fill=ONES), f"a second run with seed {bench.seed} gave something else")
        compare(made, bench.run(fill=ZEROS, after=check_states), "asking for state() changed the output")
        if any(is_owned(word) for word in bench.words):
            shared = bench.share().run(fill=ZEROS, watch=Journal())
            compare(made, shared, "read-only Frames gave something else")
        check_maps(bench, journal)

    # Blocks refer to what their run has open, such as the table of a file: the rest before it is closed.
    return bench.run(fill=ZEROS, watch=journal, then=others)


def check_types(bench: Bench, made: Iterable[Made]) -> None:
    """What comes out is what the stage said when the graph was drawn."""
    plan = bench.graph.plan
    kinds = {}
    for end in plan.ends:
        placed = plan[end.node]
        kinds[end.name] = placed.carries[placed.outputs.index(end.port)]
    for output, block in made:
        kind = kinds[output]
        if kind is not Block and not isinstance(block, kind):
            fail(f"output {output!r} gave a {type(block).__name__}, and gives() says {kind.__name__}")


def check_states(plain: Plain) -> None:
    """Every state can be written down."""
    for seat in plain.seats:
        if isinstance(seat.operator, Stateful):
            state_as_json(seat)


def state_as_json(seat: Seat) -> str:
    """What a source or a fold says of itself, as text."""
    if not isinstance(seat.operator, Stateful):
        raise TypeError(f"{seat.name} has no state")
    state = seat.operator.state()
    try:
        return json.dumps(to_values(state), allow_nan=False)
    except (TypeError, ValueError) as error:
        told = f"{seat.name}: state() is not JSON and arrays of numbers: {error}; it is {state!r}"
        raise AssertionError(told) from error


def check_maps(bench: Bench, journal: Journal) -> None:
    """A map has no state: order, repetition and company change nothing."""
    with Plain(bench.open(), fill=ONES) as plain:
        for seat in plain.seats:
            if not isinstance(seat.operator, Map):
                continue
            calls = journal.calls_of(seat.name)
            for entry in reversed(calls):
                check_again(plain, seat, entry, "the last block first")
                check_again(plain, seat, entry, "the same block again")
            if not inspect.iscoroutinefunction(seat.operator.apply):
                check_together(plain, seat, calls)


def check_together(plain: Plain, seat: Seat, calls: Sequence[Entry]) -> None:
    """Several threads at once."""
    with ThreadPoolExecutor(THREADS) as threads:
        tasks = [
            threads.submit(check_again, plain, seat, entry, "several threads at once") for entry in calls
        ]
    for task in tasks:
        task.result()


def check_again(plain: Plain, seat: Seat, entry: Entry, how: str) -> None:
    """Another call with the same block gives the same."""
    again = plain.parts(seat, entry.number, copied(entry.before))
    if changed := difference(entry.made, dict(again), "it"):
        fail(f"{seat.name}: block {entry.number} became something else with {how}: {changed}")
