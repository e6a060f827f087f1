"""Back-pressure by memory: a fold such as the copy to a card gets a block only when there is room for it.

Room comes back when the reader drops what it was given. A reader that keeps everything and waits for more
would wait for ever: so when it waits and nothing is on its way to it, the fold is told (`Paced.relieve`) to
stop counting what is in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from flowload.abc.powers import Paced
from flowload.runtime.channel import Channel, NumberedBlock
from flowload.runtime.faces.wakeup import Wakeup
from flowload.runtime.threads.monitor import RunLock

from .segment import Segment

__all__ = ["Pacing", "segments_behind"]


class Pacing:
    """Holds a fold back; all but `__init__` is called holding the run lock. Made in the event loop.

    Args:
        fold: the first of its segment.
        segment: it.
        outputs: of the run, where readers may wait.
        behind: the segments between.
        run_lock: the run's.
        tell: has the fold's task look again.
    """

    def __init__(
        self,
        fold: Paced,
        segment: Segment,
        outputs: Iterable[Channel],
        behind: Sequence[Segment],
        run_lock: RunLock,
        schedule: Callable[[], None],
    ) -> None:
        self.fold = fold
        self.segment = segment
        self.outputs = tuple(outputs)
        self.behind = behind
        self.run_lock = run_lock
        self.schedule = schedule
        self.held = False  #: a block waits that there is no room for
        # By the loop: whoever gives something back may hold any lock, for garbage is collected anywhere.
        self.wakeup = Wakeup(self.look_again)
        fold.watch(self.wakeup.call)

    def holds_back(self) -> bool:
        """Whether the next block has to wait."""
        message = self.segment.inputs[0].next_message
        block = message.block if isinstance(message, NumberedBlock) else None
        self.held = block is not None and not self.fold.room(block)
        return self.held

    def look_again(self) -> None:
        """Have the task try again: memory was given back. In the event loop."""
        with self.run_lock:
            self.schedule()

    def relieve(self) -> None:
        """Let the block through if the reader waits and nothing is on its way to it."""
        if self.held and any(output.wanted() for output in self.outputs) and not self.on_its_way():
            if self.holds_back():  # else something was given back, and the loop has not said so yet
                self.fold.relieve()
            self.held = False
            self.schedule()

    def on_its_way(self) -> bool:
        """Whether anything is between this fold and the readers."""
        return any(segment.running or any(map(len, segment.inputs)) for segment in self.behind) or any(
            len(channel) for channel in self.outputs if channel.wanted()
        )


def segments_behind(segment: Segment, segments: Sequence[Segment]) -> list[Segment]:
    """All segments that something of this one may come to."""
    found: list[Segment] = []
    for each in (todo := [segment]):
        for other in segments:
            reached = any(channel in other.inputs for channel in each.outputs.values())
            if reached and other not in found:
                found.append(other)
                todo.append(other)
    return found
