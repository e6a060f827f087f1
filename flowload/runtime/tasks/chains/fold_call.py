"""One call of a fold: what it gives, block by block, timed, counted and settled."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from enum import Enum
from inspect import getattr_static
from time import perf_counter, thread_time
from types import GeneratorType
from typing import cast

from flowload.abc.operators import Block, Fold
from flowload.abc.powers import Holding
from flowload.errors import DataError
from flowload.runtime.channel import NumberedBlock
from flowload.runtime.tasks.call import Member, RunCall

__all__ = ["clean", "holding", "run_call"]


class End(Enum):
    """No block: what a fold gave is over."""

    END = "end"


def run_call(
    member: Member,
    holds: Holding | None,
    call: RunCall,
    make: Callable[[], Iterable[Block]],
    *,
    blocks: int,
    empties: bool,
) -> Generator[NumberedBlock, None, None]:
    """One call of a fold: time it, weigh and count what it gives, settle it when it has given everything."""
    source: Iterator[Block] | None = None
    try:
        while True:
            began, cpu = perf_counter(), 0.0 if call.cpu is None else thread_time()
            made: NumberedBlock | None = None
            try:
                with member:
                    source = iter(make()) if source is None else source
                    if (block := next(source, End.END)) is not End.END:
                        made = NumberedBlock.of(0, given(block))
            except DataError as error:
                call.reject_all(error)
            except Exception as error:
                call.failed(error)
                raise
            if call.cpu is not None:
                call.cpu += thread_time() - cpu
            call.seconds += perf_counter() - began
            if made is None:
                break
            member.meter.gave(made.samples, made.nbytes)
            yield made
    except GeneratorExit:  # the run is over in the midst of a call: its own `finally` runs now
        if isinstance(source, GeneratorType):
            with member:
                source.close()
        raise
    settle(member, holds, call, blocks=blocks, empties=empties)


def settle(member: Member, holds: Holding | None, call: RunCall, *, blocks: int, empties: bool) -> None:
    """Count what a fold holds behind a call, and what the call dropped."""
    if holds is not None:
        with member:
            member.meter.held = holds.held
        member.settle(call, blocks=blocks)
    else:  # it does not say: what is nowhere else is held, and nothing when it was emptied
        member.settle(call, blocks=blocks)
        member.meter.held = 0
        member.meter.held = 0 if empties else max(0, member.meter.under_way)


def holding(fold: Fold) -> Holding | None:
    """A fold, if it says what it holds; not by `isinstance`, which would ask its property: user code."""
    return cast("Holding", fold) if getattr_static(fold, "held", None) is not None else None


def clean(call: RunCall) -> bool:
    """Whether a call has told of nothing that it would tell of again."""
    return not call.drops and not call.rejects and call.found is None


def given(block: Block | None) -> Block:
    """A block that a fold gave. Raises TypeError for None: taken for the end, the rest would be lost."""
    if block is None:
        raise TypeError("gave None among its blocks; wanted blocks, and no more of them where there are none")
    return block
