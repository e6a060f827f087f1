"""What Maps and Folds have in common at work: they are moved by whoever brings news, in any thread."""

from __future__ import annotations

from time import perf_counter

from flowload.runtime.capture import FAILURES, Kept
from flowload.runtime.channel import Channel, ReaderGone, Word
from flowload.runtime.threads.eventloop import Signal
from flowload.runtime.threads.monitor import Stillness

from .segment import Segment

__all__ = ["Mover"]


class Mover:
    """Subclasses say in `move` what there is to do now; it is called again after every change around them.

    A task of the loop owns it: `run` returns when the stream has ended, and raises what failed. Everything
    else happens inside `with moves:`.
    """

    def __init__(self, segment: Segment, still: Stillness) -> None:
        self.segment = segment
        self.moves = still.moves
        self.over = False
        self._told = False
        self._kept = Kept(self._failed, FAILURES)
        self._error: BaseException | None = None
        self._ended = Signal()
        self._parked: Stillness | None = None
        self._starved = False
        self.held_back = False  #: it waits for room that no channel has to give
        self._since = perf_counter()
        for channel in segment.inputs:
            channel.reader = self.tell
        for channel in segment.outputs.values():
            channel.writer = self.tell

    async def run(self) -> None:
        """Be moved until the stream ends. Raises what failed."""
        with self.moves:
            self.tell()
        try:
            await self._ended
        finally:
            with self.moves:
                self.stop()
        if self._error is not None:
            raise self._error

    def tell(self) -> None:
        """Something around it has changed."""
        if not self._told and not self.over:
            self._told = True
            self.moves.due(self._go)

    def move(self) -> Channel | None:
        """Do what can be done; the channel that it waits for now; None: a call of its own is under way."""
        raise NotImplementedError

    def send(self, word: Word) -> Channel | None:
        """Write a word; the channel itself if that has no room. Raises ReaderGone; TypeError in a sink."""
        channel = self.segment.outputs.get("out")
        if channel is None:
            self.segment.check_sink(word)
            return None
        return None if channel.try_put(word) else channel

    def end(self) -> None:
        """The stream has ended."""
        self.segment.end()
        self.stop()

    def stop(self) -> None:
        """It is moved no more."""
        self._park(None)
        self.over = True
        self._ended.set()

    def _go(self) -> None:
        self._told = False
        if self.over:
            return
        with self._kept:
            try:
                waits_for = self.move()
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
        still = None if channel is None else channel.still
        if self._parked is not None:
            now = perf_counter()
            if self._starved:
                self.segment.starved += now - self._since
            else:
                self.segment.blocked += now - self._since
            if self.segment.waited is not None and now - self._since > Segment.long_wait:
                self.segment.waited("no input" if self._starved else "no room", self._since, now)
            self.segment.takes_since = self.segment.puts_since = None
            self._parked.count(-1)
        self._parked = still
        if still is not None:
            self._since = perf_counter()
            self._starved = channel in self.segment.inputs and not self.held_back
            if self._starved:
                self.segment.takes_since = self._since
            else:
                self.segment.puts_since = self._since
            still.count(1)
