"""The exam of exact resume: saved and restored at every cut, nothing is lost, doubled or reordered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Block, Fold, Mark, Operator, Source
from flowload.abc.powers import Resumable, Stateful
from flowload.blocks import Frames
from flowload.graph import Graph, Stage
from flowload.runtime.state.columns import from_values
from flowload.runtime.state.refill import pieces

from .bench import Bench, check_books, compare, fail, set_up
from .call import Account
from .journal import Journal
from .plain import Made, Plain, Word
from .resume_runs import can_run, check_runs
from .resume_worlds import check_worlds
from .seat import Seat
from .stage import state_as_json

__all__ = ["check_resume"]


def check_resume(
    stage: Stage | Graph,
    blocks: Iterable[Block | Mark] = (),
    *,
    seed: int = 0,
    epochs: int = 2,
    cpus: int = 2,
    runs: int | None = 4,
) -> int:
    """Save a stage, or a drawing, behind every block and mark, and go on from there.

    The states of its sources and folds go through JSON into operators that were opened afresh; folds that
    are `Resumable` get their payload from the blocks that had gone in, by the references that they name.
    What comes out before the cut and after must be what an uninterrupted run gives, bit for bit.

    Where a source or a fold has no `state()`, a run goes on by making its stream again: then that is tried,
    and there is no cut.

    A drawing that begins with its sources is also run: left behind a batch, and gone on with from its state,
    as JSON and from a file, with other numbers of CPUs, twice in a row; with several passes also where these
    are kept apart (`align=True`). One with lanes goes on with other numbers of ranks, from the state of all
    of them and of one. A drawing whose streams join, or that has lanes, is examined in these ways alone.

    Args:
        stage: its declaration, or the graph that its word returns.
        blocks: what comes in, marks among them; without marks one pass. Nothing for a source.
        seed: of the run.
        epochs: passes of a source.
        cpus: what the stage is told.
        runs: behind so many batches, evenly spread, a run is left, behind half as many with
            `align=True`; None: behind every one.

    Returns:
        how many cuts were tried, of operators where the streams never join.

    Raises AssertionError that tells what differs, and behind which cut.

    Examples:
        >>> from flowload.testing import check_resume
        >>> batches = [fl.Batch({"x": np.arange(3)}), fl.Batch({"x": np.arange(5)})]
        >>> check_resume(fl.batch(4), batches) > 0
        True
    """
    bench = set_up(stage, blocks, seed=seed, epochs=epochs, cpus=cpus)
    joins = any(len(placed.inputs) > 1 or has_lanes(placed.stage) for placed in bench.graph.plan.nodes)
    cuts = 0 if joins else check_operators(bench)
    if bench.words or not can_run(bench.graph):
        return cuts
    how: Any = {"seed": seed, "epochs": epochs, "even": "allow", "on_change": "accept"}
    left = 0
    for align in (False, True) if epochs > 1 else (False,):
        left += check_runs(bench.graph, cuts=halved(runs) if align else runs, align=align, **how)
        check_worlds(bench.graph, align=align, **how)
    return left if joins else cuts


def halved(runs: int | None) -> int | None:
    """Half as many; None: all of them."""
    return None if runs is None else max(1, runs // 2)


def has_lanes(stage: Stage) -> bool:
    """Whether streams part at it, to join again."""
    share = stage.share()
    return share is not None and share.lanes is not None


def check_operators(bench: Bench) -> int:
    """The exam without a run; how many cuts were tried."""
    journal = Journal()
    whole = bench.run(fill=0x00)
    if any(is_forgetful(seat.operator) for seat in bench.open()):
        compare(whole, bench.run(fill=0xFF), "made again, as a resume does without state(), it differs")
        return 0
    cuts = make_cuts(bench, journal)
    for cut in cuts:
        again = cut.made + go_on(bench, cut, journal)
        compare(whole, again, f"{cut.when} and restored, it gave something else")
    return len(cuts)


@dataclass(frozen=True, kw_only=True)
class Saved:
    """One operator at a cut."""

    state: str | None  #: JSON; maps and routes have none
    held: int
    taken: int
    given: Counter[str]
    account: Account


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A run that was saved: its operators' states, and what it had taken and given by then."""

    words: int  #: that had gone in
    passes: int  #: of the source that were complete
    made: list[Made]  #: what had come out
    seats: Mapping[str, Saved]

    @property
    def when(self) -> str:
        """For messages."""
        return f"saved behind word {self.words}" if self.words else "saved before the first word"


def is_forgetful(operator: Operator) -> bool:
    """Whether an operator depends on what it saw, and cannot be written down."""
    forgets = not isinstance(operator, Stateful) or bool(getattr(operator, "unsaved", None))
    return isinstance(operator, Fold | Source) and forgets


def make_cuts(bench: Bench, journal: Journal) -> list[Cut]:
    """A cut before the first word, and one behind each."""
    made: list[Made] = []
    passes = 0
    with Plain(bench.open(), watch=journal) as plain:
        cuts = [Cut(words=0, passes=0, made=[], seats=save(plain))]
        for number, word in enumerate(bench.stream(plain), start=1):
            made += plain.feed(word)
            passes += word is Mark.EPOCH
            cuts.append(Cut(words=number, passes=passes, made=list(made), seats=save(plain)))
    return cuts


def save(plain: Plain) -> dict[str, Saved]:
    """What every operator says of itself now."""
    return {
        seat.name: Saved(
            state=state_as_json(seat) if isinstance(seat.operator, Stateful) else None,
            held=seat.held,
            taken=seat.taken,
            given=Counter(seat.given),
            account=deepcopy(seat.account),
        )
        for seat in plain.seats
    }


def go_on(bench: Bench, cut: Cut, journal: Journal) -> list[Made]:
    """What comes out behind the cut, from operators that were opened afresh."""
    made: list[Made] = []
    with Plain(bench.open(), fill=0xFF) as plain:
        for seat in plain.seats:
            load(seat, cut.seats[seat.name], journal)
        for word in rest(bench, plain, cut):
            made += plain.feed(word)
        made += plain.flush()
        check_books(plain)
    return made


def rest(bench: Bench, plain: Plain, cut: Cut) -> Iterator[Word]:
    """What goes in behind the cut."""
    if isinstance(plain.seats[0].operator, Source):
        return plain.words(bench.epochs, start=cut.passes)
    return islice(bench.stream(plain), cut.words, None)


def load(seat: Seat, saved: Saved, journal: Journal) -> None:
    """Make a fresh operator the saved one."""
    seat.taken, seat.given, seat.account = saved.taken, Counter(saved.given), deepcopy(saved.account)
    operator = seat.operator
    if saved.state is None or not isinstance(operator, Stateful):
        return
    operator.restore(from_values(json.loads(saved.state)))
    if isinstance(operator, Resumable):
        _, sources, origin = operator.references()
        for places in pieces(origin) if len(origin) else ():
            operator.refill(payload(seat, journal, sources, origin[places]), places)
    if seat.held != saved.held:
        fail(f"{seat.name}: holds {seat.held} samples after restore; it held {saved.held}")


def payload(seat: Seat, journal: Journal, sources: tuple[Any, ...], origin: NDArray[np.void]) -> Frames:
    """The records that references name, found among the blocks that had gone in."""
    frames = [entry.before for entry in journal.calls_of(seat.name) if isinstance(entry.before, Frames)]
    found = {
        place: row
        for block in frames
        for place, row in zip(places(block.sources, block.origin), block.data, strict=True)
    }
    wanted = list(places(sources, origin))
    if missing := [place for place in wanted if place not in found]:
        fail(f"{seat.name}: refers to a record that never went in: source, chunk, record {missing[0]}")
    stride = max(len(found[place]) for place in wanted)
    data = np.zeros((len(wanted), stride), np.uint8)
    for row, place in zip(data, wanted, strict=True):
        row[: len(found[place])] = found[place]
    return Frames(frames[0].format, sources, data, origin)


def places(sources: Sequence[Any], origin: NDArray[np.void]) -> Iterator[tuple[Any, int, int]]:
    """Each reference as source, chunk and record."""
    for source, chunk, record in origin.tolist():
        yield sources[source], chunk, record
