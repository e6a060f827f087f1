"""When folds gave blocks of their own accord: the one thing in a stream that depends on the clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

__all__ = ["IdleLog"]


class IdleLog:
    """Counts the messages that a chain of folds was fed, and notes between which of them it was left idle.

    From a state it says the same again: behind so many messages be idle so many times, and at no other time
    before what is known ends. Held inside the run's lock.
    """

    def __init__(self) -> None:
        self.fed = 0  #: messages
        self.idled: list[list[int]] = []  #: messages fed before, times that it gave something
        self._script: deque[list[int]] = deque()
        self._known = 0  # messages up to which the script goes

    def most(self, wanted: int) -> int:
        """How many messages may be fed now, of those wanted: not beyond the next idle time."""
        return min(wanted, self._script[0][0] - self.fed) if self._script else wanted

    @property
    def due(self) -> bool:
        """Whether to be idle now, whatever waits."""
        return bool(self._script) and self._script[0][0] <= self.fed

    @property
    def free(self) -> bool:
        """Whether to be idle when nothing waits: what is known is over."""
        return not self._script and self.fed >= self._known

    def feed(self, messages: int) -> None:
        """So many messages were fed."""
        self.fed += messages

    def gave(self) -> None:
        """An idle time has given something."""
        if self.idled and self.idled[-1][0] == self.fed:
            self.idled[-1][1] += 1
        else:
            self.idled.append([self.fed, 1])

    def begun(self) -> None:
        """The idle time that was due begins."""
        if self.due:
            self._script[0][1] -= 1
            if self._script[0][1] <= 0:
                self._script.popleft()

    def state(self) -> Mapping[str, Any]:
        """As JSON values."""
        return {"fed": self.fed, "idled": [list(each) for each in self.idled]}

    def replay(self, saved: Mapping[str, Any]) -> None:
        """Before the first message: do as `state` says."""
        self._script = deque([int(fed), int(times)] for fed, times in saved["idled"])
        self._known = int(saved["fed"])

    def restore(self, saved: Mapping[str, Any]) -> None:
        """The folds were restored to where this log had this state: what is done is not done again."""
        self.fed = int(saved["fed"])
        self.idled = [[int(fed), int(times)] for fed, times in saved["idled"]]
        done = {fed: times for fed, times in self.idled}  # noqa: C416 - of lists
        left = ([fed, times - done.get(fed, 0)] for fed, times in self._script)
        self._script = deque([fed, times] for fed, times in left if fed >= self.fed and times > 0)
