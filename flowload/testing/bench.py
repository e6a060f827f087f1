"""What is examined: a stage or a drawing, opened as often as the exam wants, on blocks of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from flowload.abc.operators import Block, Fold, Map, Mark, Operator, Route, Setting, Source, Turn
from flowload.blocks import Frames
from flowload.graph import Graph, Stage, place

from .content import copied, difference
from .drive import numbered
from .plain import Made, Plain, Watch, Word
from .seat import Seat, seats_of

__all__ = ["Bench", "check_account", "check_books", "compare", "fail", "set_up"]

SHAPES = (Source, Map, Fold, Route, Turn)


def fail(what: str) -> NoReturn:
    """The exam is not passed."""
    raise AssertionError(what)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One exam's subject and material.

    `words` are never given away: every run gets copies, because a reader may overwrite what it owns.
    """

    graph: Graph
    words: tuple[Block | Mark, ...]
    seed: int
    epochs: int
    cpus: int

    def open(self) -> list[Seat]:
        """Operators of a new run, each checked to be of one shape."""
        seats = seats_of(self.graph.plan, Setting(seed=self.seed, epochs=self.epochs, cpus=self.cpus))
        for k, seat in enumerate(seats):
            check_shape(seat.name, seat.operator, first=k == 0)
        if isinstance(seats[0].operator, Source) and self.words:
            fail(f"{seats[0].name}: a source takes no blocks")
        return seats

    def share(self) -> Bench:
        """The same with Frames that several readers share."""
        words = tuple(word.share() if isinstance(word, Frames) else word for word in self.words)
        return replace(self, words=words)

    def stream(self, plain: Plain) -> Iterator[Word]:
        """What goes in: from the source, or copies of the blocks."""
        if isinstance(plain.seats[0].operator, Source):
            return plain.words(self.epochs)
        return numbered(copied(word) for word in self.words)

    def run(
        self,
        *,
        fill: int,
        watch: Watch | None = None,
        after: Callable[[Plain], None] | None = None,
        then: Callable[[list[Made]], None] | None = None,
    ) -> list[Made]:
        """All that comes out; `after` is called behind every word, `then` before anything is closed."""
        kept = KeptOutputs()
        with Plain(self.open(), fill=fill, watch=watch) as plain:
            for word in self.stream(plain):
                kept.take(plain.feed(word))
                if after is not None:
                    after(plain)
            kept.take(plain.flush())
            check_books(plain)
            if then is not None:
                kept.check()
                then(kept.made)
        kept.check()
        return kept.made


class KeptOutputs:
    """Blocks that came out, and what they held when they did: a consumer may keep them for ever."""

    def __init__(self) -> None:
        self.made: list[Made] = []
        self.live: list[Block] = []

    def take(self, blocks: Iterable[Made]) -> None:
        """Append what an operator gave to what is compared later."""
        for output, block in blocks:
            check_block(output, block)
            self.made.append(Made(output, copied(block)))
            self.live.append(block)

    def check(self) -> None:
        """Nothing that was given away was changed afterwards."""
        for k, (block, made) in enumerate(zip(self.live, self.made, strict=True)):
            if changed := difference(made.block, block):
                fail(f"block {k} of output {made.output!r} was changed after it was given: {changed}")


def set_up(
    stage: Stage | Graph, blocks: Iterable[Block | Mark], *, seed: int, epochs: int, cpus: int
) -> Bench:
    """The bench for a stage by itself, or for a drawing whose streams never join.

    Blocks without a mark are taken for one pass, which `Mark.EPOCH` closes.
    """
    graph = place(stage) if isinstance(stage, Stage) else stage
    words = tuple(copied(word) for word in blocks)
    if words and not any(isinstance(word, Mark) for word in words):
        words = (*words, Mark.EPOCH)
    return Bench(graph=graph, words=words, seed=seed, epochs=epochs, cpus=cpus)


def check_block(output: str, block: object) -> None:
    """What comes out is a block, and holds something."""
    kind = type(block).__name__
    if not isinstance(block, Block):
        fail(f"output {output!r} gave a {kind}; wanted a block: something with a length and nbytes")
    if not len(block):
        fail(f"output {output!r} gave an empty {kind}; wanted nothing at all instead")


def check_shape(name: str, operator: Operator, *, first: bool) -> None:
    """An operator has one shape; a source is the first."""
    shapes = [shape.__name__ for shape in SHAPES if isinstance(operator, shape)]
    if len(shapes) != 1:
        fail(
            f"{name}: {type(operator).__name__} is {' and '.join(shapes) or 'none of the shapes'}; wanted one"
        )
    if isinstance(operator, Source) and not first:
        fail(f"{name}: a source stands behind another operator")


def check_books(plain: Plain) -> None:
    """At the end nothing is held, and every sample is accounted for."""
    for seat in plain.seats:
        if seat.held:
            fail(f"{seat.name}: holds {seat.held} samples after the flush")
        check_account(seat, "at the end")


def check_account(seat: Seat, when: str) -> None:
    """in = out + dropped + held."""
    if missing := seat.unaccounted():
        fail(f"{seat.name}: {missing:+,} samples missing {when}: {seat.account}, held {seat.held}")


def compare(wanted: Sequence[Made], found: Sequence[Made], when: str) -> None:
    """The same blocks in the same order at the same outputs."""
    for k, (one, two) in enumerate(zip(wanted, found, strict=False)):
        if changed := difference(as_plain(one), as_plain(two), f"block {k}"):
            fail(f"{when}: {changed}")
    if len(wanted) != len(found):
        fail(f"{when}: {len(found)} blocks, but {len(wanted)} in the first run")


def as_plain(made: Made) -> Any:
    """A block by its output's name."""
    return {made.output: made.block}
