"""`fl.merge`: several streams take turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from flowload.abc.operators import Operator, Setting, State
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords

from .checks import agreed

__all__ = ["MergeStage", "TakeTurns", "merge"]


@dataclass(frozen=True, kw_only=True)
class MergeStage(Stage):
    """The declaration of `merge`."""

    word: ClassVar[str] = "merge"
    intact: ClassVar[bool] = True
    accepts: ClassVar[tuple[type, ...]] = (object,)
    keeps: ClassVar[bool] = True
    fan_in: ClassVar[bool] = True

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        """What came in, which must be the same at every input."""
        return {"out": agreed(self.word, incoming)}

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - nothing to fit
        """The operators of a run: one Turn."""
        return (TakeTurns(),)


class TakeTurns:
    """Turn operator: round and round over the inputs that have not ended."""

    def __init__(self) -> None:
        self.last = -1

    def choose(self, alive: Sequence[int]) -> int:
        """The number of the next input that has not ended."""
        return min((way for way in alive if way > self.last), default=min(alive))

    def took(self, which: int, samples: int) -> None:  # noqa: ARG002 - turns are by block
        """Note which input was read."""
        self.last = which

    def state(self) -> State:
        """The number of the input that was read last."""
        return {"last": self.last}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.last = int(state["last"])


@names_keywords
def merge() -> Graph:
    """Take one block of each input in turn: `[left, right] >> fl.merge()`.

    An input that has ended is left out. The order depends on the inputs alone, never on which is faster.

    Examples:
        >>> left, right = (fl.rows({"x": np.full(4, number)}) >> fl.batch(2) for number in (1, 2))
        >>> with ([left, right] >> fl.merge()).iterate() as batches:
        ...     print([batch["x"].tolist() for batch in batches])
        [[1, 1], [2, 2], [1, 1], [2, 2]]
    """
    return place(MergeStage())
