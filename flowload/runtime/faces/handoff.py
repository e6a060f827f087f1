"""Queue between a run and the thread that reads one of its outputs; holds one block, or up to 16 in 4 MiB."""

from __future__ import annotations

from collections import deque
from queue import Empty, SimpleQueue

from flowload.abc.operators import Block
from flowload.runtime.channel import Channel, NumberedBlock
from flowload.runtime.threads.eventloop import Signal
from flowload.tracebacks import shortened

__all__ = ["Handoff", "OutputEnd"]


class OutputEnd:
    """Last entry of the queue: the output has ended, by itself or because of an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


#: Bytes, and blocks, that may lie ready where that is more than one block. With one block ahead, graphs of
#: small batches took more time for hand-offs than for their kernels.
SMALL, MOST = 4 << 20, 16


class Handoff:
    """The reader's end of one output: a thread-safe queue with room for one block, or several small ones.

    The thread that made a block puts it here (`fill`), without the event loop. `fill`, `note_waiting`,
    `reader_waits` and `has_room` are called while holding the run lock; the rest by the reader.
    """

    def __init__(self) -> None:
        self.queue: SimpleQueue[Block | OutputEnd] = SimpleQueue()
        self.parts: deque[Block] = deque()  #: rest of a bundle that the reader has begun
        self.reader_thread = 0  #: ident of the thread that read last; see `one_reader`
        self.reader_threads: set[int] = set()
        self.ended = False  #: no more blocks come: the last entry is an `OutputEnd`
        self.end: OutputEnd | None = None  #: how the output ended, as far as is known
        self.reader_blocked = False  #: in `queue.get`: the next block is taken at once and needs no room
        self.held_back = False  #: a block waits for room: the reader has to call `wakeup`
        self.capacity = 1  #: blocks that may lie here, of the size of the last one
        self.puts = 0  #: blocks put so far
        self.puts_when_waiting = -1  #: `puts` when the reader last found nothing
        self.channel: Channel | None = None
        self.drained: Signal | None = None

    def attach(self, channel: Channel) -> Signal:
        """Take blocks from a channel from now on; the signal is set at its end. In the event loop."""
        with channel.monitor.run_lock:
            self.channel = channel
            self.drained = Signal()
            channel.notify_reader = lambda: channel.monitor.run_lock.defer(self.fill)
            channel.reader_waits = self.reader_waits
            self.fill()
        return self.drained

    def fill(self) -> None:
        """Move blocks from the channel into the queue while there is room; holding the run lock."""
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
        """Put a block; by one thread at a time."""
        self.puts += 1
        self.queue.put(block)

    def note_waiting(self) -> None:
        """Note that the reader is about to wait, if nothing lies here; holding the run lock."""
        if self.queue.empty():
            self.puts_when_waiting = self.puts

    def reader_waits(self) -> bool:
        """Whether nothing came since the reader began to wait; pacing must then let a fold go on."""
        return self.puts_when_waiting == self.puts

    def has_room(self) -> bool:
        """Whether the next block may be put; if not, the reader calls the wakeup when half are taken."""
        self.held_back = self.queue.qsize() >= self.capacity + self.reader_blocked
        if self.held_back and self.half_empty():  # taken in between, before `held_back` could be seen
            self.held_back = False
        return not self.held_back

    def half_empty(self) -> bool:
        """At most half of the room is taken."""
        return self.queue.qsize() <= self.capacity // 2

    def close(self, error: BaseException | None) -> None:
        """End the output, perhaps with an error, which the reader raises."""
        self.ended = True
        if error is not None:
            shortened(error)
        self.end_with(error)

    def end_with(self, error: BaseException | None) -> None:
        """Put the end behind what lies here; in the event loop's thread.

        A run tells of its end more than once: where an output ends, where the loop is left, where that fails.
        An error is never followed by an ordinary end: whoever asked again would be told of an empty output.
        """
        if self.end is None or self.end.error is None:
            self.end = OutputEnd(error)
        self.queue.put(self.end)

    def next_part(self) -> Block | None:
        """The next part of a bundle that the reader has begun; None: there is none."""
        if not self.parts:  # asked for every block: a look costs less than an exception
            return None
        try:
            return self.parts.popleft()
        except IndexError:  # another reader was faster
            return None

    def note_reader(self, thread: int) -> None:
        """Note that a thread reads: called when it is another than before."""
        self.reader_thread = thread
        self.reader_threads.add(thread)

    def one_reader(self) -> bool:
        """Whether one thread has read everything: of several, one may not have counted its last block yet."""
        return len(self.reader_threads) == 1

    def clear(self) -> None:
        """Drop blocks that nobody will take, but not the end: a reader in another thread may wait for it."""
        self.parts.clear()
        try:
            while not isinstance(message := self.queue.get_nowait(), OutputEnd):
                pass
        except Empty:
            return
        self.queue.put(message)
