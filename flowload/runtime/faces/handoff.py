"""Where blocks change hands between a run and a reader in another thread."""

from __future__ import annotations

from collections import deque
from queue import Empty, SimpleQueue

from flowload.abc.operators import Block
from flowload.runtime.capture import shortened
from flowload.runtime.channel import Channel, NumberedBlock
from flowload.runtime.threads.eventloop import Signal

__all__ = ["Handoff", "OutputEnd"]


class OutputEnd:
    """The end of an output, as the reader finds it: open no more, perhaps because of an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


SMALL, MOST = 4 << 20, 16  #: bytes that may lie ready, where that is more than one block; and blocks


class Handoff:
    """The reader's end of one output: one block lies ready here, or several small ones.

    Whoever made a block lays it down.
    """

    def __init__(self) -> None:
        self.queue: SimpleQueue[Block | OutputEnd] = SimpleQueue()
        self.parts: deque[Block] = (
            deque()
        )  #: of a bundle that the reader has taken: it need not wait for them
        self.reader_thread = 0  #: the thread that reads; see `alone`
        self.reader_threads: set[int] = set()
        self.ended = False  #: no more blocks come: what lies here last is a door
        self.end: OutputEnd | None = None  #: how the output ended, as far as is known
        self.reader_blocked = False  #: the reader takes the next block at once: what it takes needs no place
        self.held_back = False  #: a block waits until the reader has taken some of what lies here
        self.capacity = 1  #: blocks that may lie here, such as the last one
        self.puts = 0  #: blocks that were laid down here
        self.puts_when_waiting = -1  #: how many there were when the reader found none, and waited
        self.channel: Channel | None = None
        self.drained: Signal | None = None

    def attach(self, channel: Channel) -> Signal:
        """Take blocks from a channel from now on; set when it is at its end. In the loop."""
        with channel.monitor.run_lock:
            self.channel = channel
            self.drained = Signal()
            channel.notify_reader = lambda: channel.monitor.run_lock.defer(self.fill)
            channel.reader_waits = self.reader_waits
            self.fill()
        return self.drained

    def fill(self) -> None:
        """Lay down the next block, if there is one and the place is free; inside `with run_lock:`."""
        while self.channel is not None and self.drained is not None:
            if self.channel.at_end:
                self.channel = None
                self.drained.set()
            elif not len(self.channel) or not self.has_room():
                return
            elif isinstance(message := self.channel.take_now(), NumberedBlock) and message.block is not None:
                self.capacity = max(1, min(MOST, SMALL // max(message.nbytes, 1)))
                self.put(message.block)

    def put(self, block: Block) -> None:
        """Lay down a block; by one thread at a time."""
        self.puts += 1
        self.queue.put(block)

    def note_waiting(self) -> None:
        """The reader waits, if nothing lies here; inside `with run_lock:`."""
        if self.queue.empty():
            self.puts_when_waiting = self.puts

    def reader_waits(self) -> bool:
        """The reader waits, and nothing came since; it may have taken what did, and not have said so."""
        return self.puts_when_waiting == self.puts

    def has_room(self) -> bool:
        """There is a place for the next block; else the reader will ring when it has taken half of them."""
        self.held_back = self.queue.qsize() >= self.capacity + self.reader_blocked
        if self.held_back and self.half_empty():  # they were taken in between, perhaps without ringing
            self.held_back = False
        return not self.held_back

    def half_empty(self) -> bool:
        """At most half of the places are taken."""
        return self.queue.qsize() <= self.capacity // 2

    def close(self, error: BaseException | None) -> None:
        """No more blocks come, perhaps because of an error, which is raised where the run is read."""
        self.ended = True
        if error is not None:
            shortened(error)
        self.end_with(error)

    def end_with(self, error: BaseException | None) -> None:
        """Put up a door behind what lies here; in the loop's thread.

        A run tells of its end more than once: where an output ends, where the loop is left, where that fails.
        An error is never followed by an ordinary end: whoever asked again would be told of an empty output.
        """
        if self.end is None or self.end.error is None:
            self.end = OutputEnd(error)
        self.queue.put(self.end)

    def next_part(self) -> Block | None:
        """The next part of a bundle that the reader has begun."""
        if not self.parts:  # asked for every block: cheaper than an error
            return None
        try:
            return self.parts.popleft()
        except IndexError:  # another reader was faster
            return None

    def note_reader(self, thread: int) -> None:
        """Another thread than before asks for a block."""
        self.reader_thread = thread
        self.reader_threads.add(thread)

    def one_reader(self) -> bool:
        """One thread has read everything: what it has counted is all; of several, one may still count."""
        return len(self.reader_threads) == 1

    def clear(self) -> None:
        """Let go of what nobody will take, but not of a door: a reader in another thread may wait for it."""
        self.parts.clear()
        try:
            while not isinstance(message := self.queue.get_nowait(), OutputEnd):
                pass
        except Empty:
            return
        self.queue.put(message)
