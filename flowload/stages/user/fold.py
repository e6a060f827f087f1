"""`fl.fold`: a class of the user's that takes blocks in order and keeps some back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from flowload.abc.operators import Fold, OnError, Operator, Setting
from flowload.blocks import Batch
from flowload.errors import GraphError
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords

from .map import check_callable

__all__ = ["FoldStage", "fold"]


@dataclass(frozen=True, kw_only=True)
class FoldStage(Stage):
    """The declaration of `fold`."""

    word: ClassVar[str] = "fold"
    accepts: ClassVar[tuple[type, ...]] = (object,)

    make: Callable[[], Fold]
    takes: type = Batch
    carries: type | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_callable(self.word, self.make)
        for name, kind in (("takes", self.takes), ("gives", self.carries)):
            if kind is not None and not isinstance(kind, type):
                raise GraphError(f"fold: {name} is {kind!r}; wanted a class such as flowload.Batch")

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        """What it takes, unless the user says otherwise. Raises GraphError for what it does not take."""
        came = incoming[0]
        if not issubclass(came, self.takes) and not issubclass(self.takes, came):
            name = came.__name__
            raise GraphError(f"fold takes {self.takes.__name__} and {name} comes; say takes={name} for those")
        return {"out": self.carries or self.takes}

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - nothing to fit
        """A fold of its own for each run. Raises GraphError: see `runtime.check_operators`."""
        return [self.make()]


@names_keywords
def fold(
    make: Callable[[], Fold],
    *,
    takes: type = Batch,
    gives: type | None = None,
    on_error: OnError = "raise",
    max_errors: int | float | None = None,
) -> Graph:
    """Blocks in order through an object that may keep samples back: two methods are enough.

    ```python
    class Pairs:                                   # two batches become one
        def __init__(self):
            self.first = None

        def push(self, block, call):
            if self.first is None:
                self.first = block
                return []
            made, self.first = fl.Batch({"x": np.concatenate([self.first["x"], block["x"]])}), None
            return [made]

        def flush(self, call):                     # the stream is over: what is still held
            return [] if self.first is None else [self.first]

    graph = fl.rows({"x": np.arange(10)}) >> fl.batch(2) >> fl.fold(Pairs)
    ```

    `push` is called by one thread at a time, with one block after the other; threads, backpressure, errors
    and the ledger are the run's business. What the object can do beside, such as being written down for a
    resume, is optional: `flowload.abc.powers` has the list. `flowload.testing.check_stage` is its exam.

    Args:
        make: called once a run; gives an object with `push(block, call)` and `flush(call)`.
        takes: the class of blocks that `push` takes.
        gives: the class of blocks that come out; None: the same.
        on_error: what a `DataError` in `push` does: "raise" ends the run, "skip" counts the block as dropped.
        max_errors: under "skip": how many samples (int) or which share (float) may be skipped.

    Examples:
        >>> class Halves:
        ...     def push(self, block, call):
        ...         half = len(block) // 2
        ...         return [block.select(np.arange(half)), block.select(np.arange(half, len(block)))]
        ...     def flush(self, call):
        ...         return []
        >>> with (fl.rows({"x": np.arange(6)}) >> fl.batch(6) >> fl.fold(Halves)).iterate() as batches:
        ...     print([batch["x"].tolist() for batch in batches])
        [[0, 1, 2], [3, 4, 5]]
    """
    return place(FoldStage(make=make, takes=takes, carries=gives, on_error=on_error, max_errors=max_errors))
