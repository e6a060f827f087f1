"""When folds gave blocks of their own accord: the one thing in a stream that depends on the clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

__all__ = ["IdleLog"]


class IdleLog:
    """Counts the messages that a chain of folds was fed, and notes between which of them it was left idle.

    From a state it says the same again: behind so many messages be idle so many times, and at no other time
    before what is known ends. Changed inside the run's lock, or by the chain's call, which the task awaits.
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
        """As JSON values; also what is to be done again: a run may be left before it has come so far."""
        idled = [list(each) for each in self.idled]
        for fed, times in self._script:
            if idled and idled[-1][0] == fed:
                idled[-1][1] += times
            else:
                idled.append([fed, times])
        return {"fed": max(self.fed, self._known), "idled": idled}

    def replay(self, saved: Mapping[str, Any]) -> None:
        """Before the first message: do as `state` says."""
        self._script = deque([int(fed), int(times)] for fed, times in saved["idled"])
        self._known = int(saved["fed"])

    def place(self, ahead: int = 0) -> Mapping[str, int]:
        """Where it is: a few numbers, whatever its length.

        Args:
            ahead: messages that were fed, of which the chain has not come to.
        """
        last = self.idled[-1][1] if self.idled else 0
        return {"fed": self.fed - ahead, "places": len(self.idled), "last": last}

    def restore(self, place: Mapping[str, int]) -> None:
        """The folds were restored to where this log, of which `replay` told, had come to this place."""
        script, places = list(self._script), int(place["places"])
        self.fed = int(place["fed"])
        self.idled = script[:places]
        left = script[places:]
        if self.idled:
            fed, times = self.idled[-1]
            self.idled[-1] = [fed, int(place["last"])]
            left = [[fed, times - int(place["last"])], *left]
        self._script = deque([fed, times] for fed, times in left if times > 0)
