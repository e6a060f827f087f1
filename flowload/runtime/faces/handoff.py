"""Where blocks change hands between a run and a reader in another thread."""

from __future__ import annotations

from collections import deque
from queue import Empty, SimpleQueue

from flowload.abc.operators import Block
from flowload.runtime.capture import shortened
from flowload.runtime.channel import Channel, Item
from flowload.runtime.threads.eventloop import Signal

__all__ = ["Door", "Pier"]


class Door:
    """The end of an output, as the reader finds it: open no more, perhaps because of an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


SMALL, MOST = 4 << 20, 16  #: bytes that may lie ready, where that is more than one block; and blocks


class Pier:
    """The reader's end of one output: one block lies ready here, or several small ones.

    Whoever made a block lays it down.
    """

    def __init__(self) -> None:
        self.ready: SimpleQueue[Block | Door] = SimpleQueue()
        self.rest: deque[Block] = deque()  #: of a bundle that the reader has taken: it need not wait for them
        self.reader = 0  #: the thread that reads; see `alone`
        self.readers: set[int] = set()
        self.ended = False  #: no more blocks come: what lies here last is a door
        self.door: Door | None = None  #: how the output ended, as far as is known
        self.hungry = False  #: the reader takes the next block at once: what it takes needs no place
        self.waits = False  #: a block waits until the reader has taken some of what lies here
        self.places = 1  #: blocks that may lie here, such as the last one
        self.laid = 0  #: blocks that were laid down here
        self.asked = -1  #: how many there were when the reader found none, and waited
        self.channel: Channel | None = None
        self.drained: Signal | None = None

    def attach(self, channel: Channel) -> Signal:
        """Take blocks from a channel from now on; set when it is at its end. In the loop."""
        with channel.still.moves:
            self.channel = channel
            self.drained = Signal()
            channel.reader = lambda: channel.still.moves.due(self.move)
            channel.hungry = self.in_vain
            self.move()
        return self.drained

    def move(self) -> None:
        """Lay down the next block, if there is one and the place is free; inside `with moves:`."""
        while self.channel is not None and self.drained is not None:
            if self.channel.at_end:
                self.channel = None
                self.drained.set()
            elif not len(self.channel) or not self.free():
                return
            elif isinstance(word := self.channel.take_now(), Item) and word.block is not None:
                self.places = max(1, min(MOST, SMALL // max(word.nbytes, 1)))
                self.lay(word.block)

    def lay(self, block: Block) -> None:
        """Lay down a block; by one thread at a time."""
        self.laid += 1
        self.ready.put(block)

    def ask(self) -> None:
        """The reader waits, if nothing lies here; inside `with moves:`."""
        if self.ready.empty():
            self.asked = self.laid

    def in_vain(self) -> bool:
        """The reader waits, and nothing came since; it may have taken what did, and not have said so."""
        return self.asked == self.laid

    def free(self) -> bool:
        """There is a place for the next block; else the reader will ring when it has taken half of them."""
        self.waits = self.ready.qsize() >= self.places + self.hungry
        if self.waits and self.low():  # they were taken in between, perhaps without ringing
            self.waits = False
        return not self.waits

    def low(self) -> bool:
        """At most half of the places are taken."""
        return self.ready.qsize() <= self.places // 2

    def close(self, error: BaseException | None) -> None:
        """No more blocks come, perhaps because of an error, which is raised where the run is read."""
        self.ended = True
        if error is not None:
            shortened(error)
        self.shut(error)

    def shut(self, error: BaseException | None) -> None:
        """Put up a door behind what lies here; in the loop's thread.

        A run tells of its end more than once: where an output ends, where the loop is left, where that fails.
        An error is never followed by an ordinary end: whoever asked again would be told of an empty output.
        """
        if self.door is None or self.door.error is None:
            self.door = Door(error)
        self.ready.put(self.door)

    def at_hand(self) -> Block | None:
        """The next part of a bundle that the reader has begun."""
        if not self.rest:  # asked for every block: cheaper than an error
            return None
        try:
            return self.rest.popleft()
        except IndexError:  # another reader was faster
            return None

    def read_by(self, thread: int) -> None:
        """Another thread than before asks for a block."""
        self.reader = thread
        self.readers.add(thread)

    def alone(self) -> bool:
        """One thread has read everything: what it has counted is all; of several, one may still count."""
        return len(self.readers) == 1

    def clear(self) -> None:
        """Let go of what nobody will take, but not of a door: a reader in another thread may wait for it."""
        self.rest.clear()
        try:
            while not isinstance(word := self.ready.get_nowait(), Door):
                pass
        except Empty:
            return
        self.ready.put(word)
