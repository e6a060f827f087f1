"""The parts of a run with lanes, and which of them belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from flowload.runtime.message import Label

from .snapshots import EAGER, ENDED, Part, Place, Snapshots

if TYPE_CHECKING:  # channels are built of what saves by modules of this room
    from flowload.runtime.channel import Channel

__all__ = ["LaneSnapshots"]

KEPT = 8  #: parts of a stage of a lane, beyond which it makes no finer cuts


class LaneSnapshots(Snapshots):
    """Snapshots of lanes, which know nothing of each other: what fits is looked for lane by lane.

    Args:
        places, first, given: see `Snapshots`.
        groups: numbers of the places that lanes share, then of those of each lane.
        ports: queues from what they share to a lane. While one drops what its lane has had in an earlier run,
            there are no cuts: the lane stands behind where they would be.
    """

    def __init__(
        self,
        places: Sequence[Place],
        first: Sequence[Part],
        given: Callable[[], Mapping[str, int]],
        groups: Sequence[Sequence[int]],
        ports: Sequence[Channel],
    ) -> None:
        super().__init__(places, first, given)
        self.groups = groups
        self.ports = ports
        self.looked = 0.0  # for what can be forgotten

    def due(self, k: int) -> Label | None:
        """See `Snapshots`."""
        return super().due(k) if self.may_be_due(k) and not self.catching_up else None

    def last(self, k: int) -> Label | None:
        """See `Snapshots`."""
        return None if self.catching_up else super().last(k)

    @property
    def catching_up(self) -> bool:
        """A lane stands behind what is made now."""
        return any(channel.surplus for channel in self.ports)

    def finer_cut(self, k: int, label: Label, since: float) -> Label | None:
        """See `Snapshots`; but lanes look for what can be forgotten only where much is kept.

        Each lane has cuts of its own, and to look takes 3 us a stage and lane.
        """
        now = perf_counter()
        if self.lacks is not None or self.places[k].joins or now - since < self.wait or self.catching_up:
            return None
        with self.lock:
            if len(self.parts[k]) > KEPT and (self.eager or now - self.looked >= self.every / 4):
                self.looked = now
                self.best()
            if len(self.parts[k]) > (EAGER if self.eager else KEPT):
                return None
            self.finer += 1
            return (*label, self.finer)

    def find(self, given: Mapping[str, int]) -> list[Part]:
        """The newest parts that belong together, one for each segment."""
        with self.lock:
            search = Search(self.places, self.parts, given)
            numbers = {part.number for parts in self.parts for part in parts if part.label != ENDED}
            shared, *lanes = self.groups
            for number in sorted(numbers, reverse=True):
                for found in search.fill({}, shared, number):
                    whole = dict(found)
                    for lane in lanes:
                        if (own := next(search.fill(found, lane, number), None)) is None:
                            break
                        whole |= own
                    else:
                        return [whole[k] for k in range(len(self.places))]
        raise AssertionError("the parts with which a run begins belong together")


class Search:
    """Looks for parts that fit each other; remembers where it looked in vain.

    Args:
        places, parts: see `Snapshots`.
        given: messages that each output's reader has had.
    """

    def __init__(
        self, places: Sequence[Place], parts: Sequence[Sequence[Part]], given: Mapping[str, int]
    ) -> None:
        self.places = places
        self.fitting: list[dict[object, list[Part]]] = [{} for _ in places]  # by what they stand behind
        self.vain: set[object] = set()
        for place, own, fitting in zip(places, parts, self.fitting, strict=True):
            for part in sorted(own, key=lambda part: part.label, reverse=True):
                if all(part.sent.get(port, 0) <= given[name] for port, name in place.outputs.items()):
                    fitting.setdefault(part.inputs if place.inputs else part.number, []).append(part)

    def fill(self, found: Mapping[int, Part], group: Sequence[int], number: int) -> Iterator[dict[int, Part]]:
        """All ways to add parts for a group of places, the newest first."""
        if not group:
            yield dict(found)
            return
        k, *rest = group
        read = sorted({before for each in group for before, _ in self.places[each].inputs if before in found})
        where = k, number, *(found[before].label for before in read)
        if where in self.vain:
            return
        vain = True
        for part in self.fits(k, found, number):
            for whole in self.fill({**found, k: part}, rest, number):
                vain = False
                yield whole
        if vain:
            self.vain.add(where)

    def fits(self, k: int, found: Mapping[int, Part], number: int) -> Sequence[Part]:
        """Parts of a place that fit those before it, the newest first."""
        before = tuple(found[place].label for place, _ in self.places[k].inputs)
        if before:
            return self.fitting[k].get(before, ())
        return [*self.fitting[k].get(number, ()), *self.fitting[k].get(ENDED[0], ())]
