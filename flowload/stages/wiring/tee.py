"""`fl.tee`: every output gets everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from flowload.abc.operators import Block, Call, Operator, Setting
from flowload.blocks import Batch, Chunks, Frames
from flowload.errors import GraphError
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords
from flowload.graph.names import check_name

__all__ = ["TeeStage", "ToAll", "tee"]


@dataclass(frozen=True, kw_only=True)
class TeeStage(Stage):
    """The declaration of `tee`."""

    word: ClassVar[str] = "tee"
    intact: ClassVar[bool] = True
    accepts: ClassVar[tuple[type, ...]] = (object,)
    keeps: ClassVar[bool] = True

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.names) < 2:
            raise GraphError(f"tee: {len(self.names)} outputs; wanted two or more")
        for name in self.names:
            check_name(name, "an output")
        if len(set(self.names)) < len(self.names):
            raise GraphError(f"tee: two outputs have one name: {', '.join(self.names)}")

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        """Each output has the type of the input."""
        return dict.fromkeys(self.names, incoming[0])

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - nothing to fit
        """The operators of a run: one Route."""
        return (ToAll(self.names),)


class ToAll:
    """Gives one block, read-only, to every output; its samples count once for each."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def route(self, block: Block, call: Call) -> Mapping[str, Block]:
        """The block, read-only, for every output."""
        call.opened(len(block) * len(self.names))
        return dict.fromkeys(self.names, shared(block))


def shared(block: Block) -> Block:
    """A block that nobody can overwrite for the others; the user's own values are passed on as they are."""
    if isinstance(block, Frames):
        return block.share()
    if isinstance(block, Chunks):
        return replace(block, table=read_only(block.table))
    if isinstance(block, Batch):
        return replace(  # what it is besides, it stays: tensors on a card know what to wait for
            block,
            arrays={key: read_only(array) for key, array in block.arrays.items()},
            whole={key: read_only(array) for key, array in block.whole.items()},
        )
    return block


def read_only(array: Any) -> Any:
    """A view of an array that cannot be written to; other values (tensors) as they are."""
    if not isinstance(array, np.ndarray):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


@names_keywords
def tee(*names: str | int) -> Graph:
    """Give every block to several outputs, read-only: `tee("train", "log")`, or `tee(2)` for "0" and "1".

    The samples are counted once for each output.

    Examples:
        >>> both = fl.rows({"x": np.arange(4)}) >> fl.batch(4) >> fl.tee("train", "log")
        >>> with both.iterate() as run:
        ...     print(next(run["train"])["x"], next(run["log"])["x"])
        [0 1 2 3] [0 1 2 3]
    """
    first = names[0] if len(names) == 1 else None
    if isinstance(first, int):
        names = tuple(map(str, range(first)))
    return place(TeeStage(names=tuple(map(str, names))))
