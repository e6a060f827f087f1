"""`fl.map`: a function of the user's on every block."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np

from flowload.abc.operators import Block, Call, OnError, Operator, Setting
from flowload.abc.stage import check_flags
from flowload.blocks import Batch
from flowload.errors import DataError, GraphError
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.processes.pickling import as_bytes
from flowload.processes.worker import WorkerPool

from .blocks_of_values import USER, Blaming, as_block, check_count, check_lengths, kept_whole, seen_by_user

__all__ = ["Applied", "AppliedAsync", "MapStage", "check_callable", "is_async", "map"]

Executor: TypeAlias = Literal["thread", "process"]


@dataclass(frozen=True, kw_only=True)
class MapStage(Stage):
    """The declaration of `map`."""

    word: ClassVar[str] = "map"
    accepts: ClassVar[tuple[type, ...]] = (object,)
    alike: ClassVar[bool] = True  # as if the function never returned None, which leaves a block out

    fn: Callable[..., Any]
    carries: type | None = None
    random: bool = False
    runs_in: Executor = "thread"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_callable(self.word, self.fn)
        if self.runs_in not in get_args(Executor):
            raise GraphError(f"map: executor is {self.runs_in!r}; wanted 'thread' or 'process'")
        if self.runs_in == "process" and is_async(self.fn):
            raise GraphError(
                "map: a coroutine function runs in the event loop; executor='process' is for plain ones"
            )
        if self.carries is not None and not isinstance(self.carries, type):
            raise GraphError(f"map: gives is {self.carries!r}; wanted a class such as blocks.Batch")
        check_flags("map", random=self.random)

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        """What came in, unless the user says otherwise."""
        return {"out": self.carries or incoming[0]}

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - nothing to fit
        """The operators of a run: one Map, async if the function is."""
        if self.runs_in == "process":
            return (AppliedElsewhere(self.fn, self.on_error, random=self.random),)
        kind = AppliedAsync if is_async(self.fn) else Applied
        return (kind(self.fn, self.on_error, random=self.random),)


class Applied:
    """Map operator: calls a plain function on each block; several calls may run at once."""

    def __init__(self, fn: Callable[..., Any], on_error: OnError, *, random: bool = False) -> None:
        self.fn = fn
        self.on_error = on_error
        self.random = random
        self.returned = Returned()

    def apply(self, block: Block, call: Call) -> Block | None:
        """The block that the function's value becomes; None: it was left out."""
        with Blaming(block, call, self.on_error):
            value = self.fn(seen_by_user(block), *chance(call, random=self.random))
            return settle(self.returned.noted(value), block, call)
        return None

    def complete(self) -> None:
        """See `Completing`. Raises DataError for a function that has never returned anything."""
        self.returned.check()


class AppliedElsewhere(Applied):
    """Map operator: calls the function in a process of its own; as many at once as there are calls."""

    def __init__(self, fn: Callable[..., Any], on_error: OnError, *, random: bool = False) -> None:
        super().__init__(fn, on_error, random=random)
        self.pool = WorkerPool(as_bytes(fn, "map"))

    def apply(self, block: Block, call: Call) -> Block | None:
        """The block that the function's value becomes; None: it was left out."""
        with Blaming(block, call, self.on_error):
            value = self.pool.call((seen_by_user(block), *chance(call, random=self.random)), call)
            return settle(self.returned.noted(value), block, call)
        return None

    def close(self) -> None:
        """See `Closing`."""
        self.pool.close()


class AppliedAsync:
    """Map operator: awaits a coroutine function, such as one that asks a server."""

    def __init__(self, fn: Callable[..., Awaitable[Any]], on_error: OnError, *, random: bool = False) -> None:
        self.fn = fn
        self.on_error = on_error
        self.random = random
        self.returned = Returned()

    async def apply(self, block: Block, call: Call) -> Block | None:
        """The block that the function's value becomes; None: it was left out."""
        with Blaming(block, call, self.on_error):
            value = await self.fn(seen_by_user(block), *chance(call, random=self.random))
            return settle(self.returned.noted(value), block, call)
        return None

    def complete(self) -> None:
        """See `Completing`. Raises DataError for a function that has never returned anything."""
        self.returned.check()


class Returned:
    """Notes whether a function has returned anything but None so far; from any thread."""

    def __init__(self) -> None:
        self.something = False
        self.nothing = False

    def noted(self, value: Any) -> Any:
        """The value that was returned."""
        if value is None:
            self.nothing = True
        else:
            self.something = True
        return value

    def check(self) -> None:
        """Raise DataError where every block was None: a forgotten `return`."""
        if self.nothing and not self.something:
            raise DataError(
                "None for every block",
                where=USER,
                found="no block that came out of the function",
                wanted="a return, also of what was changed in place; fl.filter leaves samples out",
            )


def chance(call: Call, *, random: bool) -> tuple[np.random.Generator, ...]:
    """What a function gets beside the block: a generator that depends on the block's number alone."""
    return (call.rng(),) if random else ()


def settle(value: Any, block: Block, call: Call) -> Block | None:
    """The block of a returned value; None is a block dropped, never a block lost."""
    if value is None:
        call.drop(len(block), "returned None")
        return None
    made = kept_whole(block, as_block(value, block.whole if isinstance(block, Batch) else ()))
    if isinstance(made, Batch):
        check_lengths(made, call)
    return made if check_count(block, made, call) else None


def check_callable(word: str, fn: object) -> None:
    """Raise GraphError unless a function was given."""
    if not callable(fn):
        raise GraphError(f"{word}: fn is {fn!r}; wanted a function of one block")


def is_async(fn: Callable[..., Any]) -> bool:
    """Whether a call gives a coroutine: a coroutine function, or an object whose `__call__` is one."""
    return inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(type(fn).__call__)


@names_keywords
def map(  # noqa: A001 - the word that users know; this module does not use the builtin
    fn: Callable[..., Any],
    *,
    random: bool = False,
    workers: int | None = None,
    executor: Executor = "thread",
    on_error: OnError = "raise",
    max_errors: int | float | None = None,
    gives: type | None = None,
) -> Graph:
    """Apply a function, or a coroutine function, to every block.

    Args:
        fn: gets what a consumer would get: the dict of arrays of a batch, the value that a source gave,
            else the block. It returns the same number of samples, as a dict of arrays, a block or a value;
            None drops the block, which is counted (None for every block is an error: a forgotten `return`).
            It must not keep state: several calls run at once. Arrays are leased: views of memory that is used
            again once nobody holds it, so keep no bare addresses. Arrays of a batch may be written to in
            place, but not those that batches share, such as constant pair indices, which are read-only.
        random: whether `fn` gets a `numpy.random.Generator`, too: `fn(batch, rng)`. What it draws depends on
            seed, stage and the block's place in the stream alone: the same for any number of workers.
        workers: calls at once; None: as many as there are CPUs.
        executor: "process" calls `fn` in processes of their own, one for each call at once, for Python that
            would hold the interpreter's lock. Blocks come and go through memory that both map, copied once
            each way. A function of a script, a closure or a lambda needs `pip install 'flowload[processes]'`.
            What `fn` changes outside of its arguments stays there. A process that dies is named, and ends the
            run; under "skip" its block is counted, and another process started.
        on_error: "skip" counts blocks whose call raised, instead of ending the run.
        max_errors: how many samples (int) or which share (float) may be skipped.
        gives: the class of the blocks that come out, where it is not that of those that go in.

    Examples:
        >>> def noisy(batch, rng):
        ...     return {"x": batch["x"] + rng.normal(size=len(batch["x"]))}
        >>> graph = fl.rows({"x": np.zeros(6)}) >> fl.batch(3) >> fl.map(noisy, random=True, workers=2)
        >>> def run():
        ...     with graph.iterate(seed=0) as batches:
        ...         return [batch["x"].tolist() for batch in batches]
        >>> run() == run()
        True
    """
    return place(
        MapStage(
            fn=fn,
            random=random,
            workers=workers,
            runs_in=executor,
            on_error=on_error,
            max_errors=max_errors,
            carries=gives,
        )
    )
