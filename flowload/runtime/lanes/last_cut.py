"""The end of a run that went on in the midst of a step: ranks that have one batch more leave it."""

from __future__ import annotations

from collections.abc import Iterable

from flowload.abc.operators import Block, Call, State
from flowload.blocks import Bundle

__all__ = ["LastCut"]


class LastCut:
    """A fold that holds one batch back, and drops the last.

    A state counts the batches of all ranks. Where another number of ranks does not divide that count, some
    have one more to come than others, and would wait for them in a collective operation for ever. What is cut
    here is not lost: the state at the end does not count it, and one rank that goes on from there gives it.
    """

    def __init__(self) -> None:
        self.last: Block | None = None

    @property
    def held(self) -> int:
        """Samples of the batch that is held back."""
        return 0 if self.last is None else len(self.last)

    def push(self, block: Block, call: Call) -> Iterable[Block]:  # noqa: ARG002 - the shape of a fold
        """The batch before, and all of these but the last."""
        parts = [*([] if self.last is None else [self.last]), *getattr(block, "bundled", (block,))]
        self.last = parts.pop()
        if len(parts) < 2:
            return parts
        return [Bundle(tuple(parts), sum(part.nbytes for part in parts), sum(map(len, parts)))]

    def flush(self, call: Call) -> Iterable[Block]:
        """The last one is dropped."""
        call.drop(self.held, "cut to equal ranks")
        self.last = None
        return ()

    def state(self) -> State:
        """A batch is nothing that a state has: the run before makes it anew."""
        return {}

    def restore(self, state: State) -> None:
        """Nothing to put back: see `state`."""
