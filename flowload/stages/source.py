"""`fl.source`: data that the user's own code makes."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing, nullcontext
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from typing import Any, ClassVar, TypeAlias

from flowload.errors import GraphError
from flowload.graph import Graph, Stage, place
from flowload.protocols import Block, Call, Operator, Setting, State

from .cursor import Cursor
from .values import as_block

__all__ = ["Given", "GivenAsync", "SourceStage", "source"]

Factory: TypeAlias = Callable[[], Iterable[Any] | AsyncIterable[Any]] | Iterable[Any] | AsyncIterable[Any]


@dataclass(frozen=True, kw_only=True)
class SourceStage(Stage):
    """The declaration of `source`."""

    word: ClassVar[str] = "source"

    factory: Any
    carries: type = object

    def __post_init__(self) -> None:
        super().__post_init__()
        factory = self.factory
        if isinstance(factory, Iterator | AsyncIterator):
            raise GraphError(
                f"source: {type(factory).__name__} can be read only once; give the function that makes it, "
                "so that every pass begins anew"
            )
        if isinstance(factory, str | bytes | PathLike | Mapping) or not (
            callable(factory) or isinstance(factory, Iterable | AsyncIterable)
        ):
            raise GraphError(
                f"source: {factory!r} is not a function that returns an iterable, nor a list; "
                "for files there is fl.discover"
            )
        if not isinstance(self.carries, type):
            raise GraphError(f"source: gives is {self.carries!r}; wanted a class such as blocks.Batch")

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:  # noqa: ARG002 - nothing comes in
        """What the user says; without a word, anything."""
        return {"out": self.carries}

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - nothing to fit
        """One source, waiting or not as the user's code does."""
        return (GivenAsync(self.factory) if is_async(self.factory) else Given(self.factory),)


class Given:
    """Iterates anew in every pass."""

    def __init__(self, factory: Any) -> None:
        self.factory = factory
        self.cursor = Cursor()
        self.last: object = None

    def epoch(self, number: int, call: Call) -> Iterator[Block]:  # noqa: ARG002 - no randomness of ours
        """One pass."""
        stream: Any = self.begin()
        # A generator, or an open file, ends with its pass, not when it is forgotten.
        with closing(stream) if hasattr(stream, "close") else nullcontext():
            for value in islice(stream, self.cursor.begin(number), None):
                self.cursor.given += 1
                if len(block := as_block(value)):
                    yield block

    def begin(self) -> Iterator[Any]:
        """A fresh iterator. Raises GraphError when the user's function gives none."""
        made = self.factory if isinstance(self.factory, Iterable) else self.factory()
        if not isinstance(made, Iterable):
            hint = "; make it an `async def` with yield" if isinstance(made, AsyncIterable) else ""
            raise GraphError(f"source: the function returned {made!r}, which is no iterable{hint}")
        if isinstance(made, Iterator) and made is self.last:
            raise GraphError("source: the function returned the same iterator again, which is spent")
        self.last = made
        return iter(made)

    def state(self) -> State:
        """Blocks given in this pass."""
        return self.cursor.state()

    def restore(self, state: State) -> None:
        """Skip what was given: made again by the user's code, and thrown away."""
        self.cursor.restore(state)


class GivenAsync:
    """Iterates anew in every pass, asynchronously."""

    def __init__(self, factory: Any) -> None:
        self.factory = factory
        self.cursor = Cursor()

    async def epoch(self, number: int, call: Call) -> AsyncIterator[Block]:  # noqa: ARG002 - as in Given
        """One pass."""
        skip = self.cursor.begin(number)
        stream = self.factory if isinstance(self.factory, AsyncIterable) else self.factory()
        values = aiter(stream)
        async with aclosing(values) if hasattr(values, "aclose") else nullcontext():
            async for value in values:
                if skip:
                    skip -= 1
                    continue
                self.cursor.given += 1
                if len(block := as_block(value)):
                    yield block

    def state(self) -> State:
        """Blocks given in this pass."""
        return self.cursor.state()

    def restore(self, state: State) -> None:
        """Skip what was given: made again by the user's code, and thrown away."""
        self.cursor.restore(state)


def is_async(factory: object) -> bool:
    """Whether a factory is, or makes, an asynchronous iterable."""
    return isinstance(factory, AsyncIterable) or inspect.isasyncgenfunction(factory)


def source(factory: Factory, *, gives: type = object) -> Graph:
    """Begin a graph with data that your own code makes.

    Args:
        factory: a function without arguments that returns a fresh iterable in every pass; an `async def`
            with yield; or a list (or anything else that can be iterated again and again). Each element is
            a dict of arrays (one row a sample), a block, or any value (one sample).
        gives: the class of the blocks, such as `flowload.blocks.Batch`, where wiring is to be checked early.
    """
    return place(SourceStage(factory=factory, carries=gives))
