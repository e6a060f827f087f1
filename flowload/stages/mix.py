"""`fl.mix`: several streams by weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from flowload.errors import GraphError
from flowload.graph import Graph, Stage, place
from flowload.protocols import Operator, Setting, State

from .checks import agreed, check_weights

__all__ = ["ByDeficit", "MixStage", "mix"]


@dataclass(frozen=True, kw_only=True)
class MixStage(Stage):
    """The declaration of `mix`."""

    word: ClassVar[str] = "mix"
    accepts: ClassVar[tuple[type, ...]] = (object,)
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
        """One turn."""
        return (ByDeficit(self.weights),)


class ByDeficit:
    """The input that is furthest behind its share of the samples is next; of equals, the first.

    Furthest behind is who has given the least for its weight; so proportions hold to within a block, and
    among those left when an input ends.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        self.weights = weights
        self.given = [0] * len(weights)

    def choose(self, alive: Sequence[int]) -> int:
        """The input with the largest deficit."""
        return min(alive, key=lambda way: (self.given[way] / self.weights[way], way))

    def took(self, which: int, samples: int) -> None:
        """Count what an input gave."""
        self.given[which] += samples

    def state(self) -> State:
        """Samples that each input gave."""
        return {"given": list(self.given)}

    def restore(self, state: State) -> None:
        """The opposite of `state`."""
        self.given = list(state["given"])


def mix(*weights: float) -> Graph:
    """Join streams in proportion: `[own, other] >> fl.mix(9, 1)` gives nine samples of own for each of other.

    The order depends on the inputs' blocks alone, never on which is faster. When an input ends, the others
    go on in their proportion.

    Args:
        weights: one positive number for each input.
    """
    return place(MixStage(weights=weights))
