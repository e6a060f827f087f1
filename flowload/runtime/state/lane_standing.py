"""Where a run with lanes stands: each lane for itself, so that another rank may go on with it.

Rounds are one block of each lane, so what a lane has given says all about where it is in them. A state has,
of each lane, the parts of its stages at a cut, how many messages these had read of what all lanes share, and
how many had been taken of them before the round that the reader is in. What lanes share (sources, references,
where they are dealt) stands elsewhere on every rank: the rank that saved it goes on with it, others make it
again from its beginning, which are references, and lanes let go of those that they have had.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flowload.abc.at_round import AtRound
from flowload.errors import GraphError
from flowload.graph.inspect.lane_cut import CutLanes
from flowload.graph.inspect.lanes import LanePlan
from flowload.runtime.lanes.last_cut import LastCut
from flowload.runtime.lanes.rounds import Count

from .lane_snapshots import LaneSnapshots
from .lane_tail import LaneTail, lane_tails
from .missing_lanes import MissingLanes
from .saver import Saver
from .snapshots import FIRST, Part
from .standing import Standing, made_again, write

if TYPE_CHECKING:  # it is built of segments, which save by modules of this room
    from flowload.runtime.channel import Channel
    from flowload.runtime.compile import CompiledGraph
    from flowload.runtime.tasks.segment import Segment

__all__ = ["LaneStanding", "standing_of"]

log = logging.getLogger("flowload")


def standing_of(
    compiled: CompiledGraph, saved: Mapping[str, Any] | None, since: Mapping[str, int]
) -> Standing | None:
    """That of a graph; None: it is made again, for it has other stages than maps behind lanes.

    Args:
        compiled: the graph, opened.
        saved: what `value` gave in the run that this one goes on from.
        since: batches of all ranks that were delivered there, by output.
    """
    if compiled.lanes is None:
        return Standing(compiled, saved)
    tails = lane_tails(compiled)
    if not isinstance(tails, str):
        return LaneStanding(compiled, compiled.lanes, tails, saved, since)
    if any(since.values()):
        log.warning("the stream is made again from its beginning: %s", tails)
    return None


class LaneStanding(Standing):
    """The state of one run with lanes.

    Args:
        compiled, saved, since: see `standing_of`.
        lanes: of the graph.
        lane_tails: what is behind the lanes, by output.
    """

    def __init__(
        self,
        compiled: CompiledGraph,
        lanes: LanePlan,
        lane_tails: Mapping[str, LaneTail],
        saved: Mapping[str, Any] | None,
        since: Mapping[str, int],
    ) -> None:
        self.compiled = compiled
        self.lanes = lanes
        self.lane_tails = lane_tails
        self.since = since
        behind = {id(segment) for tail in lane_tails.values() for segment in (tail.rounds, *tail.segments)}
        self.segments = [segment for segment in compiled.segments if id(segment) not in behind]
        self.writers = {
            id(channel): (k, port)
            for k, segment in enumerate(self.segments)
            for port, channel in segment.outputs.items()
        }
        self.ports = [
            channel for segment in self.segments for channel in self.shared_inputs(segment).values()
        ]
        self.first = {name: lanes.rounds(name, since[name]) for name in lane_tails}
        self.missing = MissingLanes(lanes, saved, self.first, align=compiled.run.align)
        self.goes_on = saved is not None and (not self.missing or self.missing.countable)
        self.why = self.missing.why
        if not (isinstance(lanes, CutLanes) and lanes.makes):  # who takes them from here has a state of all
            self.missing.tell()
        parts = [Part((FIRST,) * len(segment.inputs), FIRST, {}, None) for segment in self.segments]
        for tail in lane_tails.values():
            tail.begin()
        if self.goes_on and saved is not None:
            parts = self.stand(parts, saved)
        for name, tail in lane_tails.items():
            tail.operator.needed = partial(self.needed, name)
        groups = [
            [k for k, segment in enumerate(self.segments) if segment.lane == lane]
            for lane in (None, *lanes.here)
        ]
        self.snapshots = LaneSnapshots(self.places(), parts, self.given, groups, self.ports)
        for k, segment in enumerate(self.segments):
            segment.saver = Saver(self.snapshots, k, segment.members)

    def heads(self) -> dict[tuple[int, str], str]:
        """What each lane gives for the outputs, by the segment that writes it and its port."""
        return {
            (id(self.segments[writer]), port): key_of(name, lane)
            for name, tail in self.lane_tails.items()
            for lane, channel in zip(self.lanes.here, tail.rounds.inputs, strict=True)
            for writer, port in (self.writer(channel),)
        }

    def shared_inputs(self, segment: Segment) -> dict[int, Channel]:
        """What a segment of a lane reads of segments that all lanes share, by number of the input."""
        if segment.lane is None:
            return {}
        return {
            k: channel
            for k, channel in enumerate(segment.inputs)
            if self.segments[self.writer(channel)[0]].lane is None
        }

    # ---- which round

    def needed(self, name: str) -> int:
        """The first round of an output whose beginning a state may still be asked for."""
        parts: int = self.boundaries(name).stands[0].parts
        first = self.first[name] if self.goes_on else 0
        return max(first, parts // self.lanes.times(name)[1] - 1)

    def needed_counts(self, name: str) -> NDArray[np.int64]:
        """What the lanes of an output had given before that round; in any thread."""
        number = self.needed(name)
        while (found := self.lane_tails[name].operator.stand(number)) is None:
            # Between the two calls the reader took more, and the stand was forgotten; or that is not so.
            before, number = number, self.needed(name)
            assert number > before  # noqa: S101 - what is needed is known
        return found

    def given(self) -> dict[str, int]:
        """Of each lane, its batches and marks before a round that the reader has come to for sure."""
        return self.taken({name: self.needed_counts(name) for name in self.lane_tails})

    def taken(self, counts: Mapping[str, NDArray[np.int64]]) -> dict[str, int]:
        """Of each lane, its batches and marks among what the lanes of the outputs had given."""
        return {
            key_of(name, lane): int(row[Count.TAKEN])
            for name, rows in counts.items()
            for lane, row in zip(self.lanes.here, rows, strict=True)
        }

    # ---- writing

    def value(self, delivered: Mapping[str, int]) -> dict[str, Any]:
        """Where the run stands for a reader that has got so many batches of each output; with arrays."""
        written: dict[str, Any] = {"shared": {}, "lanes": {}}
        self.snapshots.tell()
        if (why := self.unsaved()) is not None:
            return {**written, "lacks": why}
        rounds = {name: self.round(name, delivered) for name in self.lane_tails}
        found = {name: self.lane_tails[name].operator.stand(number) for name, number in rounds.items()}
        counts = {name: rows for name, rows in found.items() if rows is not None}
        if len(counts) < len(rounds):
            return written  # all is made again, and has not come so far
        if self.compiled.run.align and not (self.goes_on and len(self.missing.ends) < len(rounds)):
            written["ends"] = {name: self.ends(name, number, counts[name]) for name, number in rounds.items()}
        if self.snapshots.lacks is not None:
            return {**written, "lacks": self.snapshots.lacks, "counted": True}
        parts = self.snapshots.find(self.taken(counts))
        self.snapshots.took(parts)
        written["shared"][self.rank] = self.written(parts, None)
        for i, lane in enumerate(self.lanes.here):
            if self.goes_on and lane in self.missing and rounds.items() & self.first.items():
                continue  # it has still to come that far
            own = self.written(parts, lane)
            own["reads"] = self.reads(parts, lane)
            own["rounds"] = {
                name: {"number": number, "counts": counts[name][i].tolist()}
                for name, number in rounds.items()
            }
            written["lanes"][str(lane)] = own
        return written

    def again(self, delivered: Mapping[str, int]) -> int | None:
        """See `Standing.again`; None where all is made again, and has not come so far."""
        rounds = {name: self.round(name, delivered) for name in self.lane_tails}
        found = {name: self.lane_tails[name].operator.stand(number) for name, number in rounds.items()}
        counts = {name: rows for name, rows in found.items() if rows is not None}
        if len(counts) < len(found):
            return None
        return made_again(self.snapshots, self.taken(counts)) + any(delivered.values())

    def round(self, name: str, delivered: Mapping[str, int]) -> int:
        """The round of an output that its reader is in, who has got so many batches."""
        return self.lanes.rounds(name, self.lanes.of_all(name, delivered[name], self.since[name]))

    def ends(self, name: str, number: int, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rounds of an output before the end of each pass that was over in a round."""
        if self.goes_on and number == self.first[name]:
            return np.array(self.missing.ends[name], np.int64)
        return np.array(self.lane_tails[name].operator.ends[: counts[0, Count.PASSES]], np.int64)

    @property
    def rank(self) -> str:
        """The key of what only this rank can go on with."""
        return f"{self.lanes.rank} of {self.lanes.world}"

    def unsaved(self) -> str | None:
        """Why the stages behind the lanes cannot begin in the midst."""
        for tail in self.lane_tails.values():
            for segment in tail.segments:
                for member in segment.members:
                    at_the_end = isinstance(member.operator, LastCut | AtRound)  # behind all that was given
                    if member.meter.dropped and not at_the_end:
                        return f"{member.name!r} has dropped samples behind the lanes"
        return None

    def written(self, parts: list[Part], lane: int | None) -> dict[str, Any]:
        """The parts of a lane, or of what they share."""
        written: dict[str, Any] = {"tasks": {}, "members": {}}
        for segment, part in zip(self.segments, parts, strict=True):
            if segment.lane == lane and part.value is not None:
                write(written, segment, {"sent": dict(part.sent), **part.value})
        return written

    def reads(self, parts: list[Part], lane: int) -> dict[str, int]:
        """How many messages the segments of a lane had read of what they share."""
        found = {}
        for segment, part in zip(self.segments, parts, strict=True):
            if segment.lane != lane:
                continue
            ahead = (part.value or {}).get("surplus", ())
            for k, channel in self.shared_inputs(segment).items():
                before, port = self.writer(channel)
                found[f"{segment.members[0].name} {k}"] = parts[before].sent.get(port, 0) + (
                    ahead[k] if ahead else 0
                )
        return found

    # ---- going on

    def stand(self, parts: list[Part], saved: Mapping[str, Any]) -> list[Part]:
        """Let tasks and channels begin where other runs stood; the parts with which this one begins."""
        groups: dict[int | None, Mapping[str, Any]] = {
            lane: saved["lanes"][str(lane)] for lane in self.lanes.here if lane not in self.missing
        }
        if self.rank in saved["shared"] and not self.missing:
            groups[None] = saved["shared"][self.rank]
        begun = list(parts)
        for k, (segment, part) in enumerate(zip(self.segments, parts, strict=True)):
            if (group := groups.get(segment.lane)) is not None:
                begun[k] = self.begin(segment, part, group)
        for k, segment in enumerate(self.segments):
            if (group := groups.get(segment.lane)) is not None:
                begun[k] = self.catch_up(segment, begun[k], group)
        for name, tail in self.lane_tails.items():
            rows = [
                groups[lane]["rounds"][name]["counts"] if lane in groups else [0] * len(Count)
                for lane in self.lanes.here
            ]
            again = self.missing.behind(name)
            behind = [again if lane in self.missing else () for lane in self.lanes.here]
            size, ends = self.lanes.times(name)[1], self.missing.ends.get(name, ())
            tail.go_on(self.first[name], np.array(rows, np.int64), behind, size, ends)
        return begun

    def catch_up(self, segment: Segment, part: Part, group: Mapping[str, Any]) -> Part:
        """Tell channels which messages their reader has had that are made again; the part that says so."""
        ahead = list((segment.saved or {}).get("surplus", [0] * len(segment.inputs)))
        for k in self.shared_inputs(segment):
            channel = segment.inputs[k]
            ahead[k] = group["reads"][f"{segment.members[0].name} {k}"] - channel.sent
            if ahead[k] < 0:
                raise GraphError(f"the state is of two runs: {segment.name!r} has read less than there was")
        for channel, surplus in zip(segment.inputs, ahead, strict=True):
            channel.surplus = surplus
        if segment.saved is None:
            return part
        segment.saved = {**segment.saved, "surplus": ahead}
        return Part(part.inputs, part.label, part.sent, segment.saved)


def key_of(output: str, lane: int) -> str:
    """The name of what a lane gives for an output."""
    return f"{lane} of {output}"
