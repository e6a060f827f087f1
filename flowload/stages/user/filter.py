"""`fl.filter`: a function of the user's says which samples stay."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import Block, Call, OnError, Operator, Setting
from flowload.errors import DataError, GraphError
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords

from .blocks_of_values import USER, Blaming, seen_by_user
from .map import check_callable, is_async

__all__ = ["FilterStage", "Filtered", "FilteredAsync", "filter"]


@runtime_checkable
class Selectable(Protocol):
    """A block of which some rows can be taken."""

    def select(self, which: NDArray[Any]) -> Block:
        """The rows of a mask."""


@dataclass(frozen=True, kw_only=True)
class FilterStage(Stage):
    """The declaration of `filter`."""

    word: ClassVar[str] = "filter"
    intact: ClassVar[bool] = True
    accepts: ClassVar[tuple[type, ...]] = (object,)

    fn: Callable[[Any], Any]
    reason: str = "filtered"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_callable(self.word, self.fn)
        if not self.reason:
            raise GraphError("filter: reason is empty; wanted a word for the ledger")

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        """One output, with the type of its input."""
        return {"out": incoming[0]}

    def uneven(self, setting: Setting) -> str | None:  # noqa: ARG002 - wherever it stands
        """Why ranks may end unevenly: the function leaves samples out."""
        return "it leaves out different numbers of samples on different ranks"

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - nothing to fit
        """The operators of a run: one Map, async if the function is."""
        kind = FilteredAsync if is_async(self.fn) else Filtered
        return (kind(self.fn, self.reason, self.on_error),)


class Filtered:
    """Map operator: keeps the samples for which a plain function says True."""

    def __init__(self, fn: Callable[[Any], Any], reason: str, on_error: OnError) -> None:
        self.fn = fn
        self.reason = reason
        self.on_error = on_error

    def apply(self, block: Block, call: Call) -> Block | None:
        """The samples for which the function says True; None: no sample."""
        with Blaming(block, call, self.on_error):
            return keep(block, self.fn(seen_by_user(block)), call, self.reason)
        return None


class FilteredAsync:
    """Map operator: the same with a coroutine function."""

    def __init__(self, fn: Callable[[Any], Awaitable[Any]], reason: str, on_error: OnError) -> None:
        self.fn = fn
        self.reason = reason
        self.on_error = on_error

    async def apply(self, block: Block, call: Call) -> Block | None:
        """The samples for which the function says True; None: no sample."""
        with Blaming(block, call, self.on_error):
            return keep(block, await self.fn(seen_by_user(block)), call, self.reason)
        return None


def keep(block: Block, answer: Any, call: Call, reason: str) -> Block | None:
    """The part of a block that an answer names; the rest is counted as dropped."""
    mask = as_mask(block, answer, call)
    kept = int(mask.sum())
    part = block if kept in (0, len(block)) else rows(block, mask)
    call.drop(len(block) - kept, reason)
    return part if kept else None


def rows(block: Block, mask: NDArray[np.bool_]) -> Block:
    """The rows of a block that a mask names."""
    if not isinstance(block, Selectable):
        raise TypeError(f"{type(block).__name__} has no select(mask): keep it whole or drop it whole")
    return block.select(mask)


def as_mask(block: Block, answer: Any, call: Call) -> NDArray[np.bool_]:
    """A yes or no for each sample. Raises DataError for anything else."""
    mask = np.asarray(answer.cpu() if getattr(answer, "is_cuda", False) else answer)
    if mask.dtype == np.bool_ and mask.shape in ((), (len(block),)):
        return mask if mask.shape else np.full(len(block), mask)  # torch takes no read-only view
    raise DataError(
        "not a mask",
        where=f"{USER}: block {call.number}",
        found=f"{type(answer).__name__} of {mask.dtype} with shape {mask.shape}",
        wanted=f"True, False, or a bool array of shape ({len(block)},)",
    )


@names_keywords
def filter(  # noqa: A001 - the word that users know; this module does not use the builtin
    fn: Callable[[Any], Any],
    *,
    workers: int | None = None,
    on_error: OnError = "raise",
    max_errors: int | float | None = None,
    reason: str = "filtered",
) -> Graph:
    """Keep the samples for which a function, or a coroutine function, says True.

    Args:
        fn: gets what `map`'s function gets; returns True or False for the whole block, or a bool array
            with one entry a sample.
        workers: calls at once; None: as many as there are CPUs.
        on_error: "skip" counts blocks whose call raised, instead of ending the run.
        max_errors: how many samples (int) or which share (float) may be skipped.
        reason: what the ledger calls what was dropped.

    Examples:
        >>> even = fl.filter(lambda batch: batch["x"] % 2 == 0)
        >>> graph = fl.rows({"x": np.arange(10)}) >> fl.batch(5) >> even
        >>> with graph.iterate() as batches:
        ...     print([batch["x"].tolist() for batch in batches])
        ...     print(batches.stats().stages["filter"].dropped)
        [[0, 2, 4], [6, 8]]
        {'filtered': 5}
    """
    return place(FilterStage(fn=fn, reason=reason, workers=workers, on_error=on_error, max_errors=max_errors))
