"""From the plan of a graph to segments and channels: which operators share a hop, and what lies between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property, lru_cache, partial

import numpy as np

from flowload.abc.needs import Need
from flowload.abc.operators import Block, Fold, Map, Operator, Setting, Source
from flowload.abc.powers import Paced, Stopping
from flowload.chance import stage_key
from flowload.graph import Placed, Plan
from flowload.runtime.memory.pool import BufferPool
from flowload.runtime.tasks.call import Member
from flowload.runtime.tasks.epochs import EpochBoundaries
from flowload.runtime.tasks.map_chain import is_async
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.threads.monitor import Monitor

from .capture import Noted
from .channel import Channel
from .check_operators import check_opened

__all__ = ["CompiledGraph"]

IO_WORKERS = 4  #: calls at once of a stage that waits for disks, where the user says nothing


class CompiledGraph:
    """The opened operators of one run, as segments joined by channels.

    Args:
        plan: what to open.
        pool: memory for leases.
        monitor: of the run.
        run: what is the same for all stages of it.
    """

    def __init__(
        self,
        plan: Plan,
        pool: BufferPool,
        monitor: Monitor,
        run: Setting,
    ) -> None:
        self.plan = plan
        self.seed = run.seed
        self.epochs = run.epochs
        self.first_epoch = run.first_epoch
        self.align = run.align
        self.cpus = run.cpus
        self.card = run.card
        self.segments: list[Segment] = []
        self.channels: list[Channel] = []
        self.outputs: dict[str, Channel] = {}
        self.nodes: dict[str, list[Member]] = {}  #: members by node, in the order of the flow
        self.stop = np.zeros(1, np.uint8)  #: set when the run is left: see `Call.stop`
        self.needs: list[Need] = []  #: see `Stage.needs`
        self._pool = pool
        self._monitor = monitor
        self._ends: dict[str, Segment] = {}  # by node: the segment of its last member
        with ExitStack() as stack:
            stack.callback(self.close)  # what was opened before a stage that cannot be
            self._build(plan)
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
        """The segment in which a node ends."""
        return self._ends[node]

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

    def _build(self, plan: Plan) -> None:
        for placed in plan.nodes:
            self._place(placed, self._open(placed))
        for end in plan.ends:
            target = f"output {end.name!r}"
            self.outputs[end.name] = self._channel(end.node, end.port, target=target, blocks=1)
            self.outputs[end.name].boundaries = EpochBoundaries(self.first_epoch, self.epochs, self.held)
            # The reader is no task of the run: a task that waits for it is in no deadlock. So an output has a
            # monitor of its own, which counts and is never asked.
            self.outputs[end.name].monitor = Monitor(self._monitor.run_lock)

    def _open(self, placed: Placed) -> list[Member]:
        setting = placed.setting(
            seed=self.seed,
            epochs=self.epochs,
            cpus=self.cpus,
            first_epoch=self.first_epoch,
            align=self.align,
            card=self.card,
        )
        with Noted(placed.name, placed.node.where):
            opened = placed.stage.open(setting)
            self.needs += placed.stage.needs(setting)
        operators = check_opened(placed, opened)
        single = len(operators) == 1
        return [
            Member(
                name=placed.name if single else f"{placed.name}.{k}",
                node=placed.name,
                where=placed.node.where,
                stage=placed.stage,
                operator=operator,
                keys=stage_key(self.seed, placed.name, k),
                keys_at=self._keys_at(placed, k, operator),
                lease=partial(self._pool.lease, owner=placed.name),
                stop=self.stop,
                takes=() if k else unsure(placed),
            )
            for k, operator in enumerate(operators)
        ]

    def _keys_at(self, placed: Placed, k: int, operator: Operator) -> Callable[[int], tuple[int, int]] | None:
        """The keys of an operator's passes. None: it is told their numbers, and draws by them."""
        if placed.stage.keyed_by_pass or isinstance(operator, Source):
            return None
        return lru_cache(maxsize=4)(partial(stage_key, self.seed, placed.name, k))

    def _place(self, placed: Placed, members: list[Member]) -> None:
        self.nodes[placed.name] = members
        tail = self._tail(placed)
        for k, member in enumerate(members):
            if tail is not None and _share_a_hop(tail.members[-1], member):
                tail.members.append(member)
            else:
                segment = Segment(
                    members=[member],
                    workers=self._workers(member),
                    priority=len(self.segments),
                    first_epoch=self.first_epoch,
                    align=self.align,
                )
                self.segments.append(segment)
                if k > 0 and tail is not None:
                    self._join(tail, segment, f"{members[k - 1].name}", member.name)
                else:
                    for origin in placed.inputs:
                        segment.inputs.append(self._channel(origin.node, origin.port, target=placed.name))
                tail = segment
        assert tail is not None  # noqa: S101 - a stage opens at least one operator
        self._ends[placed.name] = tail

    def _tail(self, placed: Placed) -> Segment | None:
        """The segment that the node's first operator might join."""
        if len(placed.inputs) != 1 or placed.inputs[0].port != "out":
            return None
        return self._ends[placed.inputs[0].node]

    def _channel(self, node: str, port: str, *, target: str, blocks: int = 2) -> Channel:
        source = node if port == "out" else f"{node}.{port}"
        channel = Channel(source, target, self._monitor, blocks=blocks)
        self._ends[node].outputs[port] = channel
        self.channels.append(channel)
        return channel

    def _join(self, tail: Segment, segment: Segment, source: str, target: str) -> None:
        channel = Channel(source, target, self._monitor)
        tail.outputs["out"] = channel
        segment.inputs.append(channel)
        self.channels.append(channel)

    def _workers(self, member: Member) -> int:
        if not isinstance(member.operator, Map):
            return 1
        default = max(IO_WORKERS, self.cpus) if member.stage.executor == "io" else self.cpus
        return member.stage.workers or default


def unsure(placed: Placed) -> tuple[type, ...]:
    """What a node takes, where the drawing does not say what comes in, or says what a user has told it."""
    takes = placed.stage.accepts
    known = all(issubclass(kind, takes) for kind in placed.incoming)
    told = any(hasattr(stage, "carries") for stage in placed.upstream)
    return () if (known and not told) or object in takes or Block in takes else takes


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
