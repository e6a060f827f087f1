"""Base of the tasks of Maps and Folds: state machines that any thread may step, under the run lock."""

from __future__ import annotations

from time import perf_counter

from flowload.runtime.capture import FAILURES, Capture
from flowload.runtime.channel import Channel, Message, ReaderGone
from flowload.runtime.threads.eventloop import Signal
from flowload.runtime.threads.monitor import Monitor

from .segment import Segment

__all__ = ["Task"]


class Task:
    """A segment at work. `step` (of subclasses) does what can be done now; every change around it repeats it.

    A task of the event loop owns it: `run` returns when the stream has ended, and raises what failed.
    Everything else is called while holding the run lock, by whichever thread brought the change: mostly one
    of an executor that has just finished a call.
    """

    def __init__(self, segment: Segment, monitor: Monitor) -> None:
        self.segment = segment
        self.run_lock = monitor.run_lock
        self.over = False
        self._scheduled = False
        self._capture = Capture(self._failed, FAILURES)
        self._error: BaseException | None = None
        self._ended = Signal()
        self._waits_for: Channel | None = None
        self._starved = False
        self.held_back = False  #: it waits for room in memory, not in a channel: counts as blocked
        self._since = perf_counter()
        for channel in segment.inputs:
            channel.notify_reader = self.schedule
        for channel in segment.outputs.values():
            channel.notify_writer = self.schedule

    async def run(self) -> None:
        """Wait in the event loop until the stream has ended. Raises what failed."""
        with self.run_lock:
            self.schedule()
        try:
            await self._ended
        finally:
            with self.run_lock:
                self.stop()
        if self._error is not None:
            raise self._error

    def schedule(self) -> None:
        """Have `step` called before the run lock is released; several calls until then count as one."""
        if not self._scheduled and not self.over:
            self._scheduled = True
            self.run_lock.defer(self._run_step)

    def step(self) -> Channel | None:
        """One step; returns the channel that blocks it, or None while a call of its own runs."""
        raise NotImplementedError

    def send(self, message: Message) -> Channel | None:
        """Write a message; returns the channel if it has no room. Raises ReaderGone; TypeError in a sink."""
        channel = self.segment.outputs.get("out")
        if channel is None:
            self.segment.check_sink(message)
            return None
        return None if channel.try_put(message) else channel

    def no_room(self) -> Channel | None:
        """The output, if a block would have to wait there, and this task is to make none ahead.

        Of 24 lanes that each had one block more ready, a run took a third more memory, and was no faster:
        while a lane makes its next block, those of the others are taken.
        """
        out = None if self.segment.ahead else self.segment.outputs.get("out")
        return out if out is not None and out.lacks_room() else None

    def end(self) -> None:
        """End the outputs and stop."""
        self.segment.end()
        self.stop()

    def stop(self) -> None:
        """Stop scheduling `step`, and let `run` return; idempotent."""
        self._park(None)
        self.over = True
        self._ended.set()

    def _run_step(self) -> None:
        self._scheduled = False
        if self.over:
            return
        with self._capture:
            try:
                waits_for = self.step()
            except ReaderGone:
                self.segment.leave()
                self.stop()
            else:
                if not self.over:
                    self._park(waits_for)

    def _failed(self, error: BaseException) -> None:
        self._error = error
        self.stop()

    def _park(self, channel: Channel | None) -> None:
        """Count as parked, and time it: starved before an input, blocked before an output."""
        starved = channel in self.segment.inputs and not self.held_back
        if channel is self._waits_for and starved == self._starved:
            return  # nothing has become of it, or what has took no time
        if self._waits_for is not None:
            self._unpark(self._waits_for)
        self._waits_for, self._starved = channel, starved
        if channel is not None:
            self._since = perf_counter()
            if starved:
                self.segment.takes_since = self._since
                channel.starves(now=True)
            else:
                self.segment.puts_since = self._since
            channel.monitor.count(1)

    def _unpark(self, channel: Channel) -> None:
        now = perf_counter()
        if self._starved:
            self.segment.starved += now - self._since
            channel.starves(now=False)
        else:
            self.segment.blocked += now - self._since
        if self.segment.waited is not None and now - self._since > Segment.long_wait:
            self.segment.waited("no input" if self._starved else "no room", self._since, now)
        self.segment.takes_since = self.segment.puts_since = None
        channel.monitor.count(-1)
