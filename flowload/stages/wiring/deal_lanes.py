"""The beginning of lanes: one stream of references is dealt to all of them, once for all that are here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TypeAlias

from flowload.abc.operators import Call, Mark, State
from flowload.blocks import Chunks, Rows

__all__ = ["DealLanes", "Dealer", "Dealt", "ToLanes"]

References: TypeAlias = Chunks | Rows


@dataclass(frozen=True, slots=True)
class Dealt:
    """References by the lane that they were dealt to."""

    parts: Mapping[int, References]
    samples: int = field(init=False)
    nbytes: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", sum(map(len, self.parts.values())))
        object.__setattr__(self, "nbytes", sum(part.nbytes for part in self.parts.values()))

    def __len__(self) -> int:
        return self.samples


class Dealer:
    """What deals a stream to lanes: the rule, and what waits for other lanes.

    `deal` takes a block and gives what goes on to each lane here, perhaps several blocks; `rest` the same at
    the end. Both drop, by the call, what belongs to no lane here, or is cut.
    """

    @property
    def held(self) -> int:
        """References that wait for other lanes."""
        raise NotImplementedError

    def deal(self, block: References, call: Call) -> Mapping[int, Sequence[References]]:
        """What goes on with this block."""
        raise NotImplementedError

    def all(self, call: Call) -> Mapping[int, Sequence[References]]:  # noqa: ARG002 - some wait for more
        """What goes on though no more comes yet: a pass has ended."""
        return {}

    def rest(self, call: Call) -> Mapping[int, Sequence[References]]:
        """What goes on at the end of the stream."""
        raise NotImplementedError

    def state(self) -> State:
        """What the next blocks depend on."""
        raise NotImplementedError

    def restore(self, state: State) -> None:
        """Go on from what `state` returned."""
        raise NotImplementedError

    def close(self) -> None:
        """Close what `restore` opened."""


class DealLanes:
    """A fold: blocks of references in, what each lane gets of them out."""

    def __init__(self, dealer: Dealer) -> None:
        self.dealer = dealer

    @property
    def held(self) -> int:
        """References that wait for other lanes."""
        return self.dealer.held

    def push(self, block: References, call: Call) -> Iterator[Dealt]:
        """What goes on with this block."""
        return given(self.dealer.deal(block, call))

    def mark(self, mark: Mark, call: Call) -> Iterator[Dealt]:  # noqa: ARG002 - whichever it is
        """What goes on before a mark."""
        return given(self.dealer.all(call))

    def flush(self, call: Call) -> Iterator[Dealt]:
        """What goes on at the end."""
        return given(self.dealer.rest(call))

    def state(self) -> State:
        """See `Dealer`."""
        return self.dealer.state()

    def restore(self, state: State) -> None:
        """See `Dealer`."""
        self.dealer.restore(state)

    def close(self) -> None:
        """See `Dealer`."""
        self.dealer.close()


class ToLanes:
    """A route: sends every lane its part; the ports are the lanes' numbers."""

    def route(self, block: Dealt, call: Call) -> Mapping[str, References]:  # noqa: ARG002 - the shape of a route
        """The parts by port."""
        return {str(lane): part for lane, part in block.parts.items()}


def given(parts: Mapping[int, Sequence[References]]) -> Iterator[Dealt]:
    """The first part of every lane together, then the second ones."""
    for each in zip_longest(*parts.values()):
        found = {lane: part for lane, part in zip(parts, each, strict=True) if part is not None and len(part)}
        if found:
            yield Dealt(found)
