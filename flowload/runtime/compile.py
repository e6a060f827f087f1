"""From the plan of a graph to segments and channels: which operators share a hop, and what lies between."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np

from flowload.abc.needs import Need
from flowload.abc.operators import Block, Operator, Setting, Source
from flowload.abc.powers import Paced, Stopping
from flowload.chance import stage_key
from flowload.graph import Origin, Placed, Plan
from flowload.graph.inspect.lane_cut import CutLanes
from flowload.graph.inspect.lanes import LanePlan, find_lanes
from flowload.runtime.elsewhere.lane import RemoteLane
from flowload.runtime.memory.pool import BufferPool
from flowload.runtime.tasks.call import Member
from flowload.runtime.tasks.epochs import EpochBoundaries
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.threads.monitor import Monitor

from .capture import Noted
from .channel import Channel
from .check_operators import check_opened
from .placement import Placement

__all__ = ["CompiledGraph"]


class CompiledGraph:
    """The opened operators of one run, as segments joined by channels.

    Args:
        plan: what to open.
        pool: memory for leases.
        monitor: of the run.
        run: what is the same for all stages of it.
        cut: outputs whose last batch is one more than other ranks have; see `LastCut`.
        lanes: of the plan, where they are not those that it says.
    """

    def __init__(
        self,
        plan: Plan,
        pool: BufferPool,
        monitor: Monitor,
        run: Setting,
        cut: Collection[str] = (),
        lanes: LanePlan | None = None,
    ) -> None:
        self.plan = plan
        self.run = run
        self.outputs: dict[str, Channel] = {}
        self.lanes = find_lanes(plan) if lanes is None else lanes
        self.placed = Placement(plan, run, self.lanes, monitor)
        self.segments = self.placed.segments
        self.channels = self.placed.channels
        self.nodes = self.placed.nodes
        self.columns = self.placed.columns
        self.stop = np.zeros(1, np.uint8)  #: set when the run is left: see `Call.stop`
        self.at: dict[int, str] = {}  #: the node whose code each thread runs: see `Member.at`
        self.needs: list[Need] = []  #: see `Stage.needs`
        self._pool = pool
        self._monitor = monitor
        with ExitStack() as stack:
            stack.callback(self.close)  # what was opened before a stage that cannot be
            self._build(plan, cut)
            stack.pop_all()

    @property
    def members(self) -> Iterator[Member]:
        """Every operator, in the order of the flow."""
        return (member for members in self.nodes.values() for member in members)

    def gave(self, channel: Channel) -> int:
        """Samples written to a channel, by the account of the operator that wrote them."""
        return next(
            segment.gave(port)
            for segment in self.segments
            for port, each in segment.outputs.items()
            if each is channel
        )

    @cached_property
    def paced(self) -> bool:
        """Whether a fold may be held back until a reader waits: see `Pacing`."""
        return any(isinstance(member.operator, Paced) for member in self.members)

    @property
    def waiting(self) -> list[Stopping]:
        """Operators whose calls may wait for something outside the run."""
        operators = (member.operator for member in self.members)
        return [operator for operator in operators if isinstance(operator, Stopping)]

    def held(self) -> int:
        """Samples that operators keep back now."""
        return sum(member.meter.held for member in self.members)

    def segment_of(self, node: str) -> Segment:
        """The segment in which a node ends, in the first of its lanes."""
        return self.placed.segment_of(node)

    def close(self) -> None:
        """Close what operators have open, each, whatever the others raise; raises one of their errors."""
        with ExitStack() as stack:
            for segment in reversed(self.segments):
                stack.callback(segment.close)

    def release(self) -> None:
        """Let go of the blocks that wait inside; what an output holds stays for its reader."""
        outputs = list(self.outputs.values())
        for channel in self.channels:
            if channel not in outputs:
                channel.fail()

    def _build(self, plan: Plan, cut: Collection[str]) -> None:
        for placed in plan.nodes:
            if isinstance(self.lanes, CutLanes) and not self.lanes.has(placed):
                continue
            shared: dict[str, Any] = {}
            opened = {lane: self._opened(placed, shared, lane) for lane in self.placed.lanes_of(placed)}
            self.placed.place(placed, opened, partial(placed.stage.joined, self._setting(placed)))
        for end in plan.ends:
            target = f"output {end.name!r}"
            if end.name in cut:
                self.placed.cut_last(end)
            makes = isinstance(self.lanes, CutLanes) and self.lanes.makes
            origin = self.lanes.joins[0].port if self.lanes and makes else Origin(end.node, end.port)
            output = self.outputs[end.name] = self.placed.channel(*origin, target=target, blocks=1)
            output.boundaries = EpochBoundaries(self.run.first_epoch, self.run.epochs, self.held)
            # The reader is no task of the run: a task that waits for it is in no deadlock. So an output has a
            # monitor of its own, which counts and is never asked.
            output.monitor = Monitor(self._monitor.run_lock)

    def _opened(self, placed: Placed, shared: dict[str, Any], lane: int | None) -> list[Member]:
        """The operators of a node that this process has of it."""
        if not isinstance(self.lanes, CutLanes) or placed.name != self.lanes.node:
            return self._open(placed, shared, lane)
        if self.lanes.makes:
            members = self._open(placed, shared, lane)
            if self.lanes.inside:
                members.pop().close()  # nothing has used it
            return members
        last = self._open(placed, shared, lane) if self.lanes.inside else []
        while len(last) > 1:
            last.pop(0).close()
        operator: Any = RemoteLane(0 if lane is None else lane)  # of none of the shapes, as `Rounds`
        lease = partial(self._pool.lease, owner=placed.name)
        taken = Member(
            name=f"{placed.name}.taken",
            node=placed.name,
            where=placed.node.where,
            stage=placed.stage,
            operator=operator,
            keys=(0, 0),
            keys_at=None,
            lease=lease,
            lane=lane,
        )
        return [taken, *last]

    def _setting(self, placed: Placed, lane: int | None = None) -> Setting:
        setting = placed.setting(self.run)
        return setting if self.lanes is None else self.lanes.setting(placed, setting, lane)

    def _open(self, placed: Placed, shared: dict[str, Any], lane: int | None = None) -> list[Member]:
        setting = replace(self._setting(placed, lane), shared=shared)
        with Noted(placed.name, placed.node.where):
            opened = placed.stage.open(setting)
            if self.lanes is None or lane in (None, self.lanes.here[0]):
                self.needs += placed.stage.needs(setting)  # those of other lanes are the same
        operators = check_opened(placed, opened)
        single = len(operators) == 1
        return [
            Member(
                name=placed.name if single else f"{placed.name}.{k}",
                node=placed.name,
                where=placed.node.where,
                stage=placed.stage,
                operator=operator,
                keys=stage_key(self.run.seed, placed.name, k),
                keys_at=self._keys_at(placed, k, operator),
                lease=partial(self._pool.lease, owner=placed.name),
                stop=self.stop,
                at=self.at,
                takes=() if k else unsure(placed),
                lane=lane,
            )
            for k, operator in enumerate(operators)
        ]

    def _keys_at(self, placed: Placed, k: int, operator: Operator) -> Callable[[int], tuple[int, int]] | None:
        """The keys of an operator's passes. None: it is told their numbers, and draws by them."""
        if placed.stage.keyed_by_pass or isinstance(operator, Source):
            return None
        return lru_cache(maxsize=4)(partial(stage_key, self.run.seed, placed.name, k))


def unsure(placed: Placed) -> tuple[type, ...]:
    """What a node takes, where the drawing does not say what comes in, or says what a user has told it."""
    takes = placed.stage.accepts
    known = all(issubclass(kind, takes) for kind in placed.incoming)
    told = any(hasattr(stage, "carries") for stage in placed.upstream)
    return () if (known and not told) or object in takes or Block in takes else takes
