"""How long each stage waited for Python's lock and held it, estimated from moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

__all__ = ["CONSUMER", "LockTimes", "Seen", "Who"]

Who: TypeAlias = tuple[int, str]  #: the priority of a segment and the node whose call a thread was at

CONSUMER: Who = (-1, "")  #: a thread outside the run
SURE = 0.03  #: of all looks: waits that are rarer may be for the probe itself


class Seen(NamedTuple):
    """What a thread did at one moment."""

    who: Who
    waits: bool  #: for Python's lock
    runs: bool  #: on a CPU, or would if it had one


class LockTimes:
    """How long each waited for Python's lock and held it, estimated from moments."""

    def __init__(self) -> None:
        self.looks: dict[Who, int] = {}  #: how often each was seen
        self.waits: dict[Who, int] = {}  #: of these, waiting for the lock
        self.sleeps: dict[Who, int] = {}  #: or for something else
        self.locked = 0.0  #: somebody held it
        self.sure: dict[Who, float] = {}  #: of `locked`, by whom, where only one can have
        self.maybe: dict[Who, float] = {}  #: of the rest, equal parts of those who can have

    def add(self, seen: Sequence[Seen], seconds: float, *, late: bool) -> None:
        """What was seen stands for so many seconds. `late`: the lock came back only after a while.

        Somebody waits, or it came late: then somebody holds the lock, and it is one of those who run.
        """
        for one in seen:
            self.looks[one.who] = self.looks.get(one.who, 0) + 1
            if not one.runs:
                book = self.waits if one.waits else self.sleeps
                book[one.who] = book.get(one.who, 0) + 1
        running = [one.who for one in seen if one.runs]
        if not running or not (late or any(one.waits for one in seen)):
            return
        self.locked += seconds
        holders = self.sure if len(running) == 1 else self.maybe
        for who in running:
            holders[who] = holders.get(who, 0.0) + seconds / len(running)

    def waited(self, who: Who, work: float, cpu: float) -> float:
        """Seconds of work in which it waited for the lock.

        What needed no CPU is what it waited for: the lock, as often as it was seen to, and other things.
        Taken from moments alone it would be too little: who has just been woken seems to run.
        """
        waits = self.waits.get(who, 0)
        if waits < SURE * self.looks.get(who, 0) or not waits:
            return 0.0
        return max(0.0, work - cpu) * waits / (waits + self.sleeps.get(who, 0))

    def held(self, most: Mapping[Who, float]) -> dict[Who, float]:
        """Seconds in which each held it.

        What is doubtful is shared as what is sure, and nobody held it for longer than it ran.

        Args:
            most: seconds that each had a CPU, or waited for one; who is not there has no limit.
        """
        weights = {who: self.sure.get(who, 0.0) + 0.1 * self.maybe.get(who, 0.0) for who in self.known()}
        found = dict.fromkeys(weights, 0.0)
        rest = self.locked
        while rest > 1e-9 and (together := sum(weights.values())) > 0:
            given, full = 0.0, []
            for who, weight in weights.items():
                part = rest * weight / together
                room = most.get(who, float("inf")) - found[who]
                found[who] += min(part, max(0.0, room))
                given += min(part, max(0.0, room))
                full += [who] if part >= room else []
            rest -= given
            if not full:
                break
            for who in full:
                del weights[who]
        return found

    def known(self) -> set[Who]:
        """Everybody who may have held it."""
        return self.sure.keys() | self.maybe.keys()
