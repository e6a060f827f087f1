"""How many calls of a stage run at once, where several lanes have a task of it each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

__all__ = ["CallLimit"]


class CallLimit:
    """So many calls at once, of all tasks that share this; used while holding the run lock.

    Args:
        calls: at once.
    """

    __slots__ = ("calls", "free", "waiting")

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.free = calls
        self.waiting: deque[Callable[[], None]] = deque()

    def take(self, again: Callable[[], None]) -> bool:
        """Take a place for a call; if there is none, `again` is called when there is one."""
        if self.free:
            self.free -= 1
            return True
        if again not in self.waiting:
            self.waiting.append(again)
        return False

    def give(self) -> None:
        """A call is over."""
        self.free += 1
        while self.waiting and self.free:
            self.waiting.popleft()()
