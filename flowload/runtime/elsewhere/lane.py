"""What stands in a run for a lane that is made elsewhere: what has come of it, and has not gone on yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from flowload.abc.operators import Block

__all__ = ["Arrived", "RemoteLane"]


class Arrived(NamedTuple):
    """A block of a lane."""

    number: int  #: from 0, as its lane counts
    passes: int  #: of the data that had ended before it
    block: Block
    nbytes: int  #: that it took on its way


class RemoteLane:
    """Takes the place of a lane's operators. Used while holding the run lock.

    Args:
        lane: its number.
    """

    def __init__(self, lane: int) -> None:
        self.lane = lane
        self.inbox: deque[Arrived] = deque()
        self.count = 0  #: blocks that have come, those of an earlier run included
        self.passes = 0  #: that ended before what has gone on
        self.last_passes: int | None = None  #: of all of it: no more comes
        self.error: BaseException | None = None  #: nothing more can come
        self.notify: Callable[[], None] | None = None  #: something has come
        self.gone_on: Callable[[int], None] | None = None  #: told of the bytes of what has gone on

    def arrive(self, item: Arrived) -> None:
        """A block has come: the next one."""
        self.inbox.append(item)
        self.count += 1
        self._tell()

    def end(self, passes: int) -> None:
        """No more comes behind so many passes."""
        self.last_passes = passes
        self._tell()

    def fail(self, error: BaseException) -> None:
        """No more can come."""
        self.error = error
        self._tell()

    def _tell(self) -> None:
        if self.notify is not None:
            self.notify()
