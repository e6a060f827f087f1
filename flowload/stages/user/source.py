"""`fl.source`: data that the user's own code makes."""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Sized,
)
from contextlib import ExitStack, aclosing, closing, nullcontext
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from typing import Any, ClassVar, TypeAlias

from flowload.abc.amount import Amount
from flowload.abc.operators import Block, Call, Operator, Setting, State
from flowload.abc.stage import whole
from flowload.blocks import Batch, Item
from flowload.errors import GraphError, NoLength
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.stages.cursor import Cursor

from .elements import Blocks, Elements, Samples
from .samples import SAMPLES

__all__ = ["Given", "GivenAsync", "SourceStage", "source"]

Factory: TypeAlias = Callable[..., Iterable[Any] | AsyncIterable[Any]] | Iterable[Any] | AsyncIterable[Any]


@dataclass(frozen=True, kw_only=True)
class SourceStage(Stage):
    """The declaration of `source`."""

    word: ClassVar[str] = "source"

    factory: Any
    carries: type = object
    samples: bool | int | None = None

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
        if not isinstance(self.samples, bool | None) and not (whole(self.samples) and self.samples >= 1):
            raise GraphError(
                f"source: samples is {self.samples!r}; wanted True or False, or how many of them make a block"
            )
        if self.samples and self.carries not in (object, Batch):
            raise GraphError(f"source: samples become batches, and gives is {self.carries.__name__}")

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:  # noqa: ARG002 - nothing comes in
        """What the user says; without a word, anything."""
        return {"out": Batch if self.samples else self.carries}

    def open(self, setting: Setting) -> Sequence[Operator]:
        """The operators of a run: one Source, async if the user's code is."""
        kind = GivenAsync if is_async(self.factory) else Given
        return (kind(self.factory, self.elements(setting)),)

    def amount(self, incoming: Sequence[Amount], setting: Setting, opened: ExitStack) -> Mapping[str, Amount]:  # noqa: ARG002
        """Of samples in a list as many as it has; raises NoLength for anything else."""
        if not self.samples or not isinstance(self.factory, Sized):
            raise NoLength("source: the function decides how many samples it gives when it runs")
        return {"out": Amount(samples=len(self.factory) * (setting.epochs or 1))}

    def elements(self, setting: Setting) -> Elements:
        """What becomes of each element."""
        if self.samples:
            return Samples(SAMPLES if self.samples is True else self.samples)
        if self.carries is Item:
            return Elements()
        cut = any(stage.word == "batch" for stage in setting.downstream)
        return Blocks(doubtful=self.samples is None and cut)


class Given:
    """Source operator: iterates anew over the user's data in every pass."""

    def __init__(self, factory: Any, elements: Elements | None = None) -> None:
        self.factory = factory
        self.elements = Blocks(doubtful=False) if elements is None else elements
        self.cursor = Cursor()
        self.last: object = None

    def epoch(self, number: int, call: Call) -> Iterator[Block]:
        """The blocks of one pass, from where the cursor stands."""
        stream: Any = self.begin(number)
        given = self.cursor.begin(number)
        self.elements.begin(given)
        # A generator, or an open file, ends with its pass, not when it is forgotten.
        with closing(stream) if hasattr(stream, "close") else nullcontext():
            for value in islice(stream, given, None):
                block = self.elements.take(value, call)
                self.cursor.given = self.elements.taken
                if block is not None:
                    yield block
            if (block := self.elements.rest()) is not None:
                self.cursor.given = self.elements.taken
                yield block

    def begin(self, number: int = 0) -> Iterator[Any]:
        """A fresh iterator. Raises GraphError when the user's function gives none."""
        made = self.factory if isinstance(self.factory, Iterable) else called(self.factory, number)
        if not isinstance(made, Iterable):
            hint = "; make it an `async def` with yield" if isinstance(made, AsyncIterable) else ""
            raise GraphError(f"source: the function returned {made!r}, which is no iterable{hint}")
        if isinstance(made, Iterator) and made is self.last:
            raise GraphError("source: the function returned the same iterator again, which is spent")
        self.last = made
        return iter(made)

    def state(self) -> State:
        """Elements given in this pass."""
        return self.cursor.state()

    def restore(self, state: State) -> None:
        """Skip what was given: made again by the user's code, and thrown away."""
        self.cursor.restore(state)


class GivenAsync:
    """Source operator: the same over an asynchronous iterable."""

    def __init__(self, factory: Any, elements: Elements | None = None) -> None:
        self.factory = factory
        self.elements = Blocks(doubtful=False) if elements is None else elements
        self.cursor = Cursor()

    async def epoch(self, number: int, call: Call) -> AsyncIterator[Block]:
        """The blocks of one pass, from where the cursor stands."""
        skip = self.cursor.begin(number)
        self.elements.begin(skip)
        stream = self.factory if isinstance(self.factory, AsyncIterable) else called(self.factory, number)
        values = aiter(stream)
        async with aclosing(values) if hasattr(values, "aclose") else nullcontext():
            async for value in values:
                if skip:
                    skip -= 1
                    continue
                block = self.elements.take(value, call)
                self.cursor.given = self.elements.taken
                if block is not None:
                    yield block
            if (block := self.elements.rest()) is not None:
                self.cursor.given = self.elements.taken
                yield block

    def state(self) -> State:
        """Elements given in this pass."""
        return self.cursor.state()

    def restore(self, state: State) -> None:
        """Skip what was given: made again by the user's code, and thrown away."""
        self.cursor.restore(state)


def called(factory: Callable[..., Any], number: int) -> Any:
    """What a user's function returns for a pass: it is told the pass's number where it asks for `epoch`."""
    try:
        asked = "epoch" in inspect.signature(factory).parameters
    except (TypeError, ValueError):  # some builtins have no signature
        asked = False
    return factory(epoch=number) if asked else factory()


def is_async(factory: object) -> bool:
    """Whether a factory is, or makes, an asynchronous iterable."""
    return isinstance(factory, AsyncIterable) or inspect.isasyncgenfunction(factory)


@names_keywords
def source(factory: Factory, *, samples: bool | int | None = None, gives: type = object) -> Graph:
    """Begin a graph with data that your own code makes.

    ```python
    fl.source(lambda: ({"x": image, "y": label} for image, label in data), samples=True) >> fl.batch(64)
    ```

    Args:
        factory: a function that returns a fresh iterable in every pass; an `async def` with yield; or a list
            (or anything else that can be iterated again and again). A function with a parameter `epoch` is
            told the number of the pass. A pass ends where its generator returns; an iterator of a class
            of yours ends with `StopIteration`, as Python has it, also where that came from within by mistake:
            in a generator, that is an error.
        samples: what an element is. True: one sample: a dict, a tuple, an array or a number; samples are
            copied to blocks of 256, or of so many as a number says, fewer where they are large; all must have
            the same keys, shapes and dtypes. A tuple's values have the keys "0", "1" and so on, a lone value
            has "x". False: a dict of arrays with one row a sample in each, a block, or any other value (one
            sample). None: as False, with a warning where the elements look as if they were samples.
        gives: the class of the blocks, such as `flowload.blocks.Batch`, where wiring is to be checked early;
            `flowload.blocks.Item`: each element goes on as it is, whatever it is.

    Examples:
        >>> data = [(np.zeros((2, 2)), label) for label in range(5)]
        >>> samples = fl.source(lambda: ({"x": image, "y": label} for image, label in data), samples=True)
        >>> with (samples >> fl.batch(4)).iterate() as batches:
        ...     print([batch["y"].tolist() for batch in batches])
        [[0, 1, 2, 3], [4]]
    """
    return place(SourceStage(factory=factory, samples=samples, carries=gives))
