"""Stages and graphs without a run: what they give, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from flowload.abc.operators import Block, Mark, OnError, Operator, Setting, Source
from flowload.errors import GraphError
from flowload.graph import Graph

from .plain import Made, Numbered, Plain
from .seat import Seat, in_a_row, seats_of

__all__ = ["drive", "run_plain"]


class AnyPort(dict[str, "Seat | str"]):
    """Readers of a last seat whose ports are not known before it writes to them."""

    def __missing__(self, port: str) -> str:
        return port


def drive(
    operators: Sequence[Operator],
    words: Iterable[Block | Mark] = (),
    *,
    seed: int = 0,
    name: str = "stage",
    epochs: int = 1,
    on_error: OnError = "raise",
    flush: bool = True,
) -> list[Block]:
    """What the operators of one stage make of blocks and marks, in one thread and without a run.

    The ledger is checked at the end: LedgerError.

    Args:
        operators: what `stage.open(setting)` gave.
        words: what comes in; nothing for a source.
        seed, name: key the random numbers, as the run's seed and the name of the node would.
        epochs: passes of a source.
        on_error: the error policy.
        flush: end the stream; without it, folds keep what they hold.

    Examples:
        >>> from flowload.testing import drive
        >>> class Every:
        ...     def push(self, block, call):
        ...         call.drop(len(block) // 2, "thinned")
        ...         return [block.select(np.arange(0, len(block), 2))]
        ...     def flush(self, call):
        ...         return []
        >>> drive([Every()], [fl.Batch({"x": np.arange(4)})])[0]["x"].tolist()
        [0, 2]
    """
    seats = in_a_row(operators, name, seed=seed, on_error=on_error)
    seats[-1].readers = AnyPort(out="out")
    with Plain(seats) as plain:
        made = [block for _, block in everything(plain, words, epochs=epochs, flush=flush)]
        plain.check()
    return made


def run_plain(graph: Graph, *, seed: int = 0, epochs: int = 1, output: str | None = None) -> list[Block]:
    """The blocks that a run of this graph gives, made without a run: its slow, obvious twin.

    Raises GraphError where streams join (`merge`, `mix`), and LedgerError where samples are lost.

    Args:
        graph: a whole drawing, from its source to its outputs.
        seed, epochs: as for `graph.iterate`.
        output: whose blocks; None: those of the only output.

    Examples:
        >>> from flowload.testing import run_plain
        >>> graph = fl.rows({"x": np.arange(5)}) >> fl.shuffle() >> fl.batch(5)
        >>> with graph.iterate(seed=3) as batches:
        ...     print((next(batches)["x"] == run_plain(graph, seed=3)[0]["x"]).all())
        True
    """
    graph.check()
    names = [end.name for end in graph.plan.ends]
    if output is None and len(names) > 1:
        raise GraphError(f"this graph has several outputs; which one: {', '.join(names)}?")
    wanted = names[0] if output is None else output
    if wanted not in names:
        raise GraphError(f"this graph has no output {wanted!r}; it has {', '.join(names)}")
    with Plain(seats_of(graph.plan, Setting(seed=seed, epochs=epochs, cpus=1))) as plain:
        made = [block for name, block in everything(plain, (), epochs=epochs) if name == wanted]
        plain.check()
    return made


def everything(
    plain: Plain, words: Iterable[Block | Mark], *, epochs: int, flush: bool = True
) -> Iterator[Made]:
    """All that comes out, from the first word to the flush."""
    stream = plain.words(epochs) if isinstance(plain.seats[0].operator, Source) else numbered(words)
    for word in stream:
        yield from plain.feed(word)
    if flush:
        yield from plain.flush()


def numbered(words: Iterable[Block | Mark]) -> Iterator[Numbered | Mark]:
    """Blocks with their numbers in the stream."""
    number = 0
    for word in words:
        if isinstance(word, Mark):
            yield word
        else:
            yield Numbered(number, word)
            number += 1
