"""Back-pressure by memory: a fold or a map such as the copy to a card gets a block when there is room for it.

Room comes back when the reader drops what it was given. A reader that keeps everything and waits for more
would wait for ever: so when it waits and nothing is on its way to it, the operator is told (`Paced.relieve`)
to stop counting what is in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from flowload.abc.operators import Block
from flowload.abc.powers import Paced
from flowload.runtime.channel import Channel, NumberedBlock
from flowload.runtime.faces.wakeup import Wakeup
from flowload.runtime.threads.monitor import RunLock

from .segment import Segment

__all__ = ["Pacing", "segments_behind"]


class Pacing:
    """Holds an operator back; all but `__init__` and `ring` is called holding the run lock. Made in the loop.

    Args:
        operator: the first of its segment.
        segment: it.
        outputs: of the run, where readers may wait.
        behind: the segments between.
        run_lock: the run's.
        schedule: has the operator's task look again.
    """

    def __init__(
        self,
        operator: Paced,
        segment: Segment,
        outputs: Iterable[Channel],
        behind: Sequence[Segment],
        run_lock: RunLock,
        schedule: Callable[[], None],
    ) -> None:
        self.operator = operator
        self.segment = segment
        self.outputs = tuple(outputs)
        self.behind = behind
        self.run_lock = run_lock
        self.schedule = schedule
        self.held = False  #: a block waits that there is no room for
        self.rang = False  #: something was given back since that was asked
        self.sends = False  #: what was made waits for room behind: nobody lacks more of it
        # By the loop: whoever gives something back may hold any lock, for garbage is collected anywhere.
        self.wakeup = Wakeup(self.look_again)
        operator.watch(self.ring)

    def holds_back(self) -> bool:
        """Whether the next block has to wait."""
        message = self.segment.inputs[0].next_message
        block = message.block if isinstance(message, NumberedBlock) else None
        self.rang = False
        self.held = block is not None  # said before it is asked: what comes back behind the answer rings
        self.held = block is not None and not self.operator.room(block)
        return self.held

    def came_back(self) -> bool:
        """Whether a block that was held back may go on; asks the operator only where something came back."""
        return self.held and self.rang and not self.holds_back()

    def began(self, block: Block) -> None:
        """A block was taken."""
        self.operator.began(block)

    def ring(self) -> None:
        """Something was given back: in any thread, perhaps in a garbage collection."""
        if self.held:
            self.rang = True
            self.wakeup.call()

    def look_again(self) -> None:
        """Have the task try again: memory was given back. In the event loop."""
        with self.run_lock:
            self.schedule()

    def relieve(self) -> None:
        """Let the block through if the reader waits and nothing is on its way to it."""
        if not self.held or self.sends or self.segment.running:  # cheap: asked whenever the lock is released
            return
        if self.reader_waits() and not self.on_its_way():
            self.relieve_now()

    def relieve_where_all_stands_still(self) -> None:
        """The same where something is on its way, but waits for more: a merge for its other input, say.

        What lies in an output does not: its reader took the one before just now, and will be given it.
        """
        if self.held and not self.sends and self.reader_waits() and not self.lies_ready():
            self.relieve_now()

    def relieve_now(self) -> None:
        """Let the operator go on though nothing has come back, and schedule its task."""
        if self.holds_back():  # else something was given back, and the loop has not said so yet
            self.operator.relieve()
        self.held = False
        self.schedule()

    def reader_waits(self) -> bool:
        """Whether anybody waits for an output."""
        for output in self.outputs:  # noqa: SIM110 - `any` would cost as much as the answer, at every block
            if output.wanted():
                return True
        return False

    def on_its_way(self) -> bool:
        """Whether anything is between this operator and the readers, or in it."""
        segments = (self.segment, *self.behind)
        return (
            self.sends
            or any(segment.running for segment in segments)
            or any(len(channel) for segment in self.behind for channel in segment.inputs)
            or self.lies_ready()
        )

    def lies_ready(self) -> bool:
        """Whether a reader that waits will be given something that is made already."""
        return any(len(channel) for channel in self.outputs if channel.wanted())


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
