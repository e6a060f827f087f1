"""Where operators go: which share a hop, in which lane they stand, and what lies between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

from flowload.abc.operators import Block, Fold, Map, Route, Setting
from flowload.abc.powers import Paced
from flowload.graph import End, Origin, Placed, Plan
from flowload.graph.inspect.lane_cut import CutLanes
from flowload.graph.inspect.lanes import Join, LanePlan, full_size
from flowload.observe.counting.metrics import Meter
from flowload.runtime.lanes.call_limit import CallLimit
from flowload.runtime.lanes.last_cut import LastCut
from flowload.runtime.lanes.rounds import Rounds
from flowload.runtime.tasks.call import Member
from flowload.runtime.tasks.chains.map_chain import is_async
from flowload.runtime.tasks.notices import Notices
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.threads.monitor import Monitor

from .channel import Channel

__all__ = ["Placement"]

IO_WORKERS = 4  #: calls at once of a stage that waits for disks, where the user says nothing

Joined: TypeAlias = Callable[[Sequence[Block]], Sequence[Block]]  #: see `Stage.joined`


class Placement:
    """Segments and channels of a run, as they come to be: node by node, in the order of the flow.

    Args:
        plan: of the run.
        run: what is the same for all stages of it.
        lanes: that are here, if there are any.
        monitor: of the run.
    """

    def __init__(self, plan: Plan, run: Setting, lanes: LanePlan | None, monitor: Monitor) -> None:
        self.drawn = plan
        self.run = run
        self.lanes = lanes
        self.monitor = monitor
        self.segments: list[Segment] = []
        self.channels: list[Channel] = []
        self.nodes: dict[str, list[Member]] = {}  #: members by node, in the order of the flow
        #: The same, those of all lanes that do the same together: of the first operator, of the second ...
        self.columns: dict[str, list[list[Member]]] = {}
        self._ends: dict[tuple[str, int | None], Segment] = {}  # by node and lane: of its last member
        self._joined: dict[Origin, Segment] = {}  # by port: where its lanes came together
        self._limits: dict[str, CallLimit] = {}  # by member: of the calls of all lanes

    def lanes_of(self, placed: Placed) -> Sequence[int | None]:
        """The lanes that have operators of a node for themselves; or (None) it has one for all."""
        return (None,) if self.lanes is None or placed.name not in self.lanes.own else self.lanes.here

    def place(
        self, placed: Placed, opened: Mapping[int | None, Sequence[Member]], joined: Callable[[], Joined]
    ) -> None:
        """Put the operators of a node, by lane.

        Args:
            placed: the node.
            opened: its operators.
            joined: gives what makes of a round what goes on, where lanes come together within.
        """
        self.nodes[placed.name], self.columns[placed.name] = [], []
        if None in opened:
            self._place(placed, list(enumerate(opened[None])))
        else:
            self._place_lanes(placed, opened, joined)

    def cut_last(self, end: End) -> None:
        """Hold the last batch of an output back."""
        origin = Origin(end.node, end.port)
        writer, port = self._writer(origin, None)
        last = writer.members[-1]
        name = f"{end.node}.last"
        member = replace(
            last, name=name, operator=LastCut(), meter=Meter(), notices=Notices(), takes=(), lane=None
        )
        segment = self._segment([member])
        channel = Channel(last.name, name, self.monitor)
        writer.outputs[port] = channel
        segment.inputs.append(channel)
        self.channels.append(channel)
        self._count(self.drawn[end.node], len(self.columns[end.node]), member)
        self._joined[origin] = segment

    def segment_of(self, node: str) -> Segment:
        """The segment in which a node ends, in the first of its lanes."""
        return next(segment for (name, _), segment in self._ends.items() if name == node)

    def _place_lanes(
        self, placed: Placed, opened: Mapping[int | None, Sequence[Member]], joined: Callable[[], Joined]
    ) -> None:
        """A node that each lane has for itself, but for what all share behind the point where they join."""
        assert self.lanes is not None  # noqa: S101 - asked before
        within = self.lanes.within(placed.name)
        shared: list[tuple[int, Member]] = []
        for lane, operators in opened.items():
            members = list(enumerate(operators))
            if within is not None:  # the last operator of the first lane is that of all
                *members, last = members
                shared = shared or [last]
            self._place(placed, members, lane)
        if within is not None:
            (_, member), *_ = shared
            member.lane = None
            self._place(placed, shared, before=self._come_together(placed, within, joined()))
        for join in self.lanes.joins:
            if join.within is None and join.port.node == placed.name:
                self._joined[join.port] = self._come_together(placed, join, list)

    def _come_together(self, placed: Placed, join: Join, joined: Joined) -> Segment:
        """The segment that takes the blocks of all lanes in turn."""
        assert self.lanes is not None  # noqa: S101 - there is a join
        node, port = join.port
        rounds = Rounds(full_size(self.drawn, node), joined)
        first = self._ends[node, self.lanes.here[0]].members[-1]
        member = replace(
            first,
            name=f"{node}.lanes",
            operator=cast("Any", rounds),  # of none of the shapes: it has a task of its own
            meter=Meter(),
            notices=Notices(),
            takes=(),
            lane=None,
        )
        segment = self._segment([member])
        for lane in self.lanes.here:
            inside = first.name if join.within is not None else ""
            segment.inputs.append(self.channel(node, port, target=member.name, lane=lane, source=inside))
        self._count(placed, len(self.columns[placed.name]), member)
        return segment

    def _place(
        self,
        placed: Placed,
        members: list[tuple[int, Member]],
        lane: int | None = None,
        before: Segment | None = None,
    ) -> None:
        """Put operators of a node, by their numbers, behind what they read."""
        tail = self._tail(placed, lane) if before is None else before
        given = {k for k, _ in members}
        for k, member in members:
            self._count(
                placed, k if lane is not None or before is None else len(self.columns[placed.name]), member
            )
            if tail is not None and _share_a_hop(tail.members[-1], member):
                tail.members.append(member)
                continue
            segment = self._segment([member])
            if before is not None or k - 1 in given:
                assert tail is not None  # noqa: S101 - there is one before
                self._join(tail, segment, tail.members[-1].name, member.name)
            else:
                for origin in () if self._taken(placed) else placed.inputs:
                    segment.inputs.append(self.channel(*origin, target=placed.name, lane=lane))
            tail = segment
        assert tail is not None  # noqa: S101 - a stage opens at least one operator
        self._ends[placed.name, lane] = tail

    def _count(self, placed: Placed, column: int, member: Member) -> None:
        """Note a member under its node."""
        columns = self.columns[placed.name]
        if column == len(columns):
            columns.append([])
        columns[column].append(member)
        self.nodes[placed.name].append(member)

    def _segment(self, members: list[Member]) -> Segment:
        first = members[0]
        calls = self._workers(first)
        here = 1 if self.lanes is None or first.lane is None else len(self.lanes.here)
        segment = Segment(
            members=members,
            workers=max(1, -(-calls // here)),
            limit=self._limits.setdefault(first.name, CallLimit(calls)),
            lane=first.lane,
            ahead=here == 1,
            deals=self.lanes is not None
            and first.node in self.lanes.shards
            and isinstance(first.operator, Route),
            priority=len(self.segments),
            first_epoch=self.run.first_epoch,
            align=self.run.align,
        )
        self.segments.append(segment)
        return segment

    def _tail(self, placed: Placed, lane: int | None) -> Segment | None:
        """The segment that the node's first operator might join."""
        if len(placed.inputs) != 1 or placed.inputs[0].port != "out" or self._taken(placed):
            return None
        return self._writer(placed.inputs[0], lane)[0]

    def _taken(self, placed: Placed) -> bool:
        """Whether what comes to a node is made in other processes."""
        return isinstance(self.lanes, CutLanes) and not self.lanes.makes and placed.name == self.lanes.node

    def _writer(self, origin: Origin, lane: int | None) -> tuple[Segment, str]:
        """What writes to a port of a lane, and which of its own ports that is."""
        if lane is None and origin in self._joined:
            return self._joined[origin], "out"
        if (origin.node, None) not in self._ends:
            return self._ends[origin.node, lane], origin.port
        begins = self.lanes is not None and lane is not None and origin.node in self.lanes.shards
        return self._ends[origin.node, None], str(lane) if begins else origin.port

    def channel(
        self, node: str, port: str, *, target: str, blocks: int = 2, lane: int | None = None, source: str = ""
    ) -> Channel:
        """A queue from a port of a node, in a lane, to whoever is called `target`."""
        writer, own = self._writer(Origin(node, port), lane)
        named = node if port == "out" else f"{node}.{port}"
        channel = Channel(source or named, target, self.monitor, blocks=self._room(writer, blocks))
        writer.outputs[own] = channel
        self.channels.append(channel)
        return channel

    def _join(self, tail: Segment, segment: Segment, source: str, target: str) -> None:
        channel = Channel(source, target, self.monitor, blocks=self._room(segment, 2))
        tail.outputs["out"] = channel
        segment.inputs.append(channel)
        self.channels.append(channel)

    def _room(self, segment: Segment, blocks: int) -> int:
        """Blocks that a queue of a lane has room for: other lanes have some, too."""
        return blocks if segment.ahead else 1

    def _workers(self, member: Member) -> int:
        if not isinstance(member.operator, Map):
            return 1
        default = max(IO_WORKERS, self.run.cpus) if member.stage.executor == "io" else self.run.cpus
        return member.stage.workers or default


def _share_a_hop(before: Member, behind: Member) -> bool:
    """Neighbours of one shape that ask for the same executor and as many workers; not what is paced."""
    if isinstance(behind.operator, Paced):
        return False
    if isinstance(before.operator, Fold) and isinstance(behind.operator, Fold):
        return before.stage.executor == behind.stage.executor
    if isinstance(before.operator, Map) and isinstance(behind.operator, Map):
        same = before.stage.workers == behind.stage.workers and before.stage.executor == behind.stage.executor
        return same and is_async(before) == is_async(behind)
    return False
