"""What lies between lanes and an output: where they come together, and maps behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowload.abc.at_round import AtRound
from flowload.abc.operators import Map
from flowload.runtime.lanes.last_cut import LastCut
from flowload.runtime.lanes.rounds import Count, Rounds, dropped
from flowload.runtime.tasks.epochs import Stand

from .meters import Counts, recount

if TYPE_CHECKING:  # it is built of segments, which save by modules of this room
    from flowload.runtime.channel import Channel
    from flowload.runtime.compile import CompiledGraph
    from flowload.runtime.tasks.call import Member
    from flowload.runtime.tasks.segment import Segment

__all__ = ["LaneTail", "lane_tails"]


@dataclass(frozen=True)
class LaneTail:
    """Where the lanes of an output come together, and the segments behind, in the order of the flow.

    What comes out depends on the round alone, so going on begins at the first block of one.
    """

    rounds: Segment
    segments: tuple[Segment, ...]
    channels: tuple[Channel, ...]  #: behind each of them

    @property
    def operator(self) -> Rounds:
        """The operator that takes a block of each lane in turn, and counts the rounds."""
        operator: object = self.rounds.members[0].operator
        assert isinstance(operator, Rounds)  # noqa: S101 - it was looked for
        return operator

    def begin(self) -> None:
        """Nothing of cuts goes further than the lanes; blocks say which they are made of."""
        self.operator.stands[0] = np.zeros((len(self.rounds.inputs), len(Count)), np.int64)
        self.channels[0].numbers_trail = True
        for channel in (*self.rounds.inputs, *self.channels):
            channel.ends_cuts = True
        for channel in self.rounds.inputs:
            channel.counts_batches = True

    def go_on(
        self,
        number: int,
        counts: NDArray[np.int64],
        behind: Sequence[Sequence[int]],
        size: int,
        ends: Sequence[int] = (),
    ) -> None:
        """Begin at a round.

        Args:
            number: of it.
            counts: what each lane had given before; nothing of those that are behind.
            behind: blocks that each lane has to make again first: see `CatchingUp`.
            size: batches of a round.
            ends: rounds before the end of each pass that was over, where passes are kept apart.
        """
        self.operator.stands.clear()
        self.operator.stands[number] = counts
        first, passes = number * size, int(counts[:, Count.PASSES].min())
        for channel, taken in zip(self.rounds.inputs, counts[:, Count.TAKEN].tolist(), strict=True):
            channel.surplus = taken - channel.sent
        epoch = self.rounds.first_epoch + (passes if self.rounds.align else 0)
        where = {"round": number, "number": first, "counts_of_lanes": counts}
        self.rounds.saved = {"epoch": epoch, "behind": list(behind), "ends": list(ends), **where}
        taken = int(counts[:, Count.SAMPLES].sum())
        why = dropped(counts)
        out, nbytes = taken - why.total(), int(counts[:, Count.NBYTES].sum())
        blocks = int(counts[:, Count.BLOCKS].sum())
        recount(self.rounds.members, [(taken, taken, out, 0, blocks, first, nbytes, 0, 0, dict(why))])
        same: Counts = (out, out, out, 0, first, first, nbytes, 0, 0, None)
        for segment in self.segments:
            for member in segment.members:
                if isinstance(member.operator, AtRound):
                    with member:
                        member.operator.stand_at(number)
            recount(segment.members, [same] * len(segment.members))
            segment.saved = {"epoch": epoch} if segment.is_map else None
        for channel in self.channels:
            channel.sent, channel.passed.samples = first, out
        boundaries = self.channels[-1].boundaries
        assert boundaries is not None  # noqa: S101 - every output has
        boundaries.go_on(Stand(first, out, passes, 0, (first,)))


def lane_tails(compiled: CompiledGraph) -> Mapping[str, LaneTail] | str:
    """The tail of each output; or why stages behind the lanes cannot begin at a round."""
    writers = {id(channel): segment for segment in compiled.segments for channel in segment.outputs.values()}
    tails: dict[str, LaneTail] = {}
    for name, channel in compiled.outputs.items():
        channels = [channel]
        segments: list[Segment] = []
        while not comes_together(segment := writers[id(channels[0])]):
            for member in segment.members:
                if (why := begins_anew(member, align=compiled.run.align)) is not None:
                    return why
            segments.insert(0, segment)
            channels.insert(0, segment.inputs[0])
        tails[name] = LaneTail(segment, tuple(segments), tuple(channels))
    return tails


def begins_anew(member: Member, *, align: bool) -> str | None:
    """Why an operator behind lanes cannot begin at a round; None: it can."""
    if isinstance(member.operator, Map | LastCut):
        return None
    if not isinstance(member.operator, AtRound):
        return (
            f"{member.name!r} is behind its lanes, and no map: of what it has seen a state with lanes says"
            " nothing. The way out: put it where each lane has its own, before the batches are of all lanes"
        )
    if align:  # it counts those of a pass, in which ranks may have had more rounds than their readers got
        return (
            "with align=True ranks agree pass by pass in which step each ends. The way out: put what leaves"
            " samples out before shard(), or leave align out"
        )
    return None


def comes_together(segment: Segment) -> bool:
    """Whether lanes end here."""
    operator: object = segment.members[0].operator
    return isinstance(operator, Rounds)
