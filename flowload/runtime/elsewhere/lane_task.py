"""The task of a lane that is made elsewhere: sends on what has come of it."""

from __future__ import annotations

from flowload.abc.operators import Mark
from flowload.runtime.channel import Channel, NumberedBlock
from flowload.runtime.tasks.segment import Segment
from flowload.runtime.tasks.task import Task
from flowload.runtime.threads.monitor import Monitor

from .lane import Arrived, RemoteLane

__all__ = ["RemoteLaneTask"]


class RemoteLaneTask(Task):
    """Waits for nothing that is in this process: it counts as at work until the next block comes."""

    def __init__(self, segment: Segment, lane: RemoteLane, monitor: Monitor) -> None:
        super().__init__(segment, monitor)
        self._lane = lane
        lane.notify = self.schedule

    def step(self) -> Channel | None:
        """Send what there is; see `Task.step`."""
        lane = self._lane
        while True:
            if lane.error is not None:
                raise lane.error
            passes = lane.inbox[0].passes if lane.inbox else lane.last_passes
            if passes is None:
                return None
            while lane.passes < passes:
                if (blocked := self.send(Mark.EPOCH)) is not None:
                    return blocked
                lane.passes += 1
            if not lane.inbox:
                self.end()
                return None
            if (blocked := self._send_block(lane.inbox[0])) is not None:
                return blocked
            lane.inbox.popleft()

    def stop(self) -> None:
        """Drop what waits to be sent."""
        super().stop()
        self._lane.inbox.clear()

    def _send_block(self, arrived: Arrived) -> Channel | None:
        item = NumberedBlock.of(arrived.number, arrived.block)
        if (blocked := self.send(item)) is not None:
            return blocked
        meter = self.segment.members[0].meter
        meter.in_ += item.samples
        meter.taken += item.samples
        meter.blocks_in += 1
        meter.gave(item.samples, item.nbytes)
        if self._lane.gone_on is not None:
            self._lane.gone_on(arrived.nbytes)
        return None
