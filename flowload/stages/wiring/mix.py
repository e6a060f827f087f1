"""`fl.mix`: several streams by weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from flowload.abc.operators import Operator, Setting, State
from flowload.errors import GraphError
from flowload.graph import Graph, Stage, place
from flowload.graph.keywords import names_keywords

from .checks import agreed, check_weights

__all__ = ["ByDeficit", "MixStage", "mix"]


@dataclass(frozen=True, kw_only=True)
class MixStage(Stage):
    """The declaration of `mix`."""

    word: ClassVar[str] = "mix"
    intact: ClassVar[bool] = True
    accepts: ClassVar[tuple[type, ...]] = (object,)
    keeps: ClassVar[bool] = True
    fan_in: ClassVar[bool] = True

    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_weights(self.word, self.weights)

    def gives(self, incoming: Sequence[type]) -> Mapping[str, type]:
        """What came in, which must be the same at every input; as many inputs as weights."""
        # A lone unknown input is one that is not joined yet.
        if len(incoming) != len(self.weights) and list(incoming) != [object]:
            raise GraphError(f"mix: {len(self.weights)} weights for {len(incoming)} inputs")
        return {"out": agreed(self.word, incoming)}

    def open(self, setting: Setting) -> Sequence[Operator]:  # noqa: ARG002 - nothing to fit
        """The operators of a run: one Turn."""
        return (ByDeficit(self.weights),)


class ByDeficit:
    """The input that is furthest behind its share of the samples is next; of equals, the first.

    Furthest behind is who has given the least for its weight. What an input missed while it had nothing
    (it waited at the end of its pass for longer ones) is excused: it does not make up for it in a burst.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        self.weights = weights
        self.given = [0] * len(weights)  #: samples
        self.excused = [0.0] * len(weights)  #: samples that count as given
        self.present = set(range(len(weights)))  #: inputs that the last choice was between

    def choose(self, alive: Sequence[int]) -> int:
        """The number of the input with the largest deficit."""
        floor = min((self.level(way) for way in alive if way in self.present), default=0.0)
        for way in alive:
            if way not in self.present:
                self.excused[way] += max(0.0, (floor - self.level(way)) * self.weights[way])
        self.present = set(alive)
        return min(alive, key=lambda way: (self.level(way), way))

    def level(self, way: int) -> float:
        """What an input has given for its weight."""
        return (self.given[way] + self.excused[way]) / self.weights[way]

    def took(self, which: int, samples: int) -> None:
        """Count what an input gave."""
        self.given[which] += samples

    def state(self) -> State:
        """What each input gave, and who was there."""
        return {"given": list(self.given), "excused": list(self.excused), "present": sorted(self.present)}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        self.given, self.excused = list(state["given"]), list(state["excused"])
        self.present = set(state["present"])


@names_keywords
def mix(*weights: float) -> Graph:
    """Join streams in proportion: `[own, other] >> fl.mix(9, 1)` gives nine samples of own for each of other.

    The order depends on the inputs' blocks alone, never on which is faster. When an input ends, the others
    go on in their proportion.

    Args:
        weights: one positive number for each input.

    Examples:
        >>> own, other = (fl.rows({"x": np.full(9, number)}) >> fl.batch(1) for number in (1, 2))
        >>> with ([own, other] >> fl.mix(3, 1)).iterate() as batches:
        ...     print(sum(next(batches)["x"][0] == 1 for _ in range(8)), "of 8 are own")
        6 of 8 are own
    """
    return place(MixStage(weights=weights))
