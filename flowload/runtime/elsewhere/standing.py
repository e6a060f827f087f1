"""The state of a run whose lanes are made elsewhere: that of any run with lanes, put together of workers'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from flowload.abc.operators import State
from flowload.graph.inspect.lanes import LanePlan
from flowload.runtime.lanes.rounds import Count
from flowload.runtime.memory.pool import BufferPool
from flowload.runtime.state.lane_tail import lane_tails
from flowload.runtime.state.meters import recount

from .into import Into
from .lane import RemoteLane
from .lanes import RemoteLanes

if TYPE_CHECKING:  # it is built of segments, which save by modules of another room
    from flowload.runtime.compile import CompiledGraph
    from flowload.runtime.tasks.segment import Segment

__all__ = ["RemoteStanding"]


class RemoteStanding:
    """Where a run stands of which this process has what is behind the lanes.

    Args:
        compiled: that.
        lanes: the plan of it.
        remote: who makes the lanes.
        pool: of the run.
        saved: the state that it goes on from.
        since: batches of all ranks that were delivered there, by output.
    """

    why: str | None = None

    def __init__(
        self,
        compiled: CompiledGraph,
        lanes: LanePlan,
        remote: RemoteLanes,
        pool: BufferPool,
        saved: State | None,
        since: Mapping[str, int],
    ) -> None:
        self.compiled = compiled
        self.lanes = lanes
        self.remote = remote
        self.pool = pool
        self.saved = saved
        self.since = since
        ((self.output, _),) = compiled.outputs.items()
        self.writers: dict[int, Segment] = {
            segment.lane: segment
            for segment in compiled.segments
            if segment.lane is not None and isinstance(segment.members[0].operator, RemoteLane)
        }
        self.operators: dict[int, Any] = {
            lane: each.members[0].operator for lane, each in self.writers.items()
        }
        tails = lane_tails(compiled)
        self.tail = None if isinstance(tails, str) else tails[self.output]
        if self.tail is not None:
            self.tail.begin()
        self.first = 0 if self.tail is None else lanes.rounds(self.output, since[self.output])
        self.goes_on = self.first > 0

    async def open(self) -> None:
        """Start the workers, and stand where they begin; without holding up the event loop.

        Who leaves meanwhile closes `remote`, which ends it.
        """
        run_lock = self.compiled.outputs[self.output].monitor.run_lock
        into = Into(self.output, self.operators, run_lock, self.pool, self.rounds, self.last_rounds)
        counts = await anyio.to_thread.run_sync(
            self.remote.open, into, self.saved, self.first, abandon_on_cancel=True
        )
        if self.tail is not None and self.goes_on:
            for segment, row in zip(self.writers.values(), counts, strict=True):
                begin_lane(segment, row)
            self.tail.go_on(self.first, counts, [()] * len(counts), self.lanes.times(self.output)[1])

    def rounds(self) -> int:
        """That the reader has had whole, for sure."""
        boundaries = self.compiled.outputs[self.output].boundaries
        if self.tail is None or boundaries is None:
            return 0
        return max(self.first, boundaries.stands[0].parts // self.lanes.times(self.output)[1])

    def last_rounds(self) -> range:
        """How many it may have had in the end: one more where it has just had the last of it; or all.

        Where the stream has ended, a reader may have still to take what lies ready.
        """
        first, made = self.rounds(), 0 if self.tail is None else self.tail.operator.number
        ended = all(lane.last_passes is not None for lane in self.operators.values())
        return range(first, (made if ended else min(first + 1, made)) + 1)

    def cut(self) -> None:
        """See `Standing.cut`; of those lanes."""
        self.remote.cut_all()

    def value(self, delivered: Mapping[str, int]) -> dict[str, Any]:
        """See `LaneStanding.value`."""
        if self.tail is None:
            return {"shared": {}, "lanes": {}}
        count = self.lanes.of_all(self.output, delivered[self.output], self.since[self.output])
        return self.remote.state(self.lanes.rounds(self.output, count))


def begin_lane(segment: Segment, counts: NDArray[np.int64]) -> None:
    """Let a lane begin where it had given so much."""
    samples, blocks, nbytes = (int(counts[k]) for k in (Count.SAMPLES, Count.BLOCKS, Count.NBYTES))
    recount(segment.members, [(samples, samples, samples, 0, blocks, blocks, nbytes, 0, 0, None)])
    channel = segment.outputs["out"]
    channel.sent = int(counts[Count.TAKEN])
    channel.passed.samples = samples
