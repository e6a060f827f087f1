"""Where blocks change hands between a run and a reader in another thread."""

from __future__ import annotations

from queue import Empty, SimpleQueue

from flowload.protocols import Block
from flowload.runtime.channel import Channel, Item
from flowload.runtime.loop import Signal

__all__ = ["Door", "Pier"]


class Door:
    """The end of an output, as the reader finds it: open no more, perhaps because of an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Pier:
    """The reader's end of one output: at most one block lies here, laid down by whoever made it."""

    def __init__(self) -> None:
        self.ready: SimpleQueue[Block | Door] = SimpleQueue()
        self.ended = False  #: no more blocks come: what lies here last is a door
        self.waits = False  #: a block waits until the reader has taken what lies here
        self.channel: Channel | None = None
        self.drained: Signal | None = None

    def attach(self, channel: Channel) -> Signal:
        """Take blocks from a channel from now on; set when it is at its end. In the loop."""
        with channel.still.moves:
            self.channel = channel
            self.drained = Signal()
            channel.reader = lambda: channel.still.moves.due(self.move)
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
                self.ready.put(word.block)

    def free(self) -> bool:
        """Nothing lies here; else the reader will ring when it has taken that."""
        self.waits = not self.ready.empty()
        if self.waits and self.ready.empty():  # it was taken in between, perhaps without ringing
            self.waits = False
        return not self.waits

    def close(self, error: BaseException | None) -> None:
        """No more blocks come, perhaps because of an error, which is raised where the run is read."""
        self.ended = True
        self.ready.put(Door(error))

    def clear(self) -> None:
        """Let go of what nobody will take, but not of a door: a reader in another thread may wait for it."""
        try:
            word = self.ready.get_nowait()
        except Empty:
            return
        if isinstance(word, Door):
            self.ready.put(word)
