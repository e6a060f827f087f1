"""The parts of a run's state, and which of them belong together."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, ClassVar

from flowload.runtime.message import Label

__all__ = ["ENDED", "FIRST", "Part", "Place", "Snapshots"]

log = logging.getLogger("flowload")

FIRST: Label = (0,)  #: where the run began
ENDED: Label = (-1,)  #: the stream is over: such a part fits every later cut
MOST = 3  #: cuts that may be under way: a slow reader is not told of more
EAGER = 64  #: the same while a cut is asked for: as many as blocks may be under way
SHARE = 300  #: the time between two cuts is so many times what the last one took


@dataclass(frozen=True)
class Part:
    """What one segment saved when a cut passed.

    `inputs`: the cut at which each input stood. `label`: the one at which what it wrote stands; a finer one
    where the segment made a cut of its own. `sent`: messages that it had written, by port.
    """

    inputs: tuple[Label, ...]
    label: Label
    sent: Mapping[str, int]
    value: Mapping[str, Any] | None  #: None: as it was opened

    @property
    def number(self) -> int:
        """Of the sources' cut."""
        return self.label[0]


@dataclass(frozen=True)
class Place:
    """A segment among those that save parts: which others it reads, and which outputs begin behind it."""

    name: str
    inputs: tuple[tuple[int, str], ...]  #: the segment and the port that each input reads
    outputs: Mapping[str, str]  #: the run's outputs behind it, by its port
    joins: bool  #: it has several inputs, or one behind it has: a finer cut would not get through


class Snapshots:
    """Keeps the parts of a run until newer ones belong together; from any thread.

    A cut is whole when every segment has saved a part at it, and each stood where those before it stood. One
    that is whole can be used when the readers have got all that was written before it.

    Args:
        places: in the order of the flow.
        first: the parts with which the run began.
        given: for each output the number of messages before the one that its reader has got last.
    """

    every: ClassVar[float] = 1.0  #: seconds between two cuts at least; 0: as often as can be

    def __init__(
        self, places: Sequence[Place], first: Sequence[Part], given: Callable[[], Mapping[str, int]]
    ) -> None:
        self.places = places
        self.parts: list[list[Part]] = [[part] for part in first]
        self.given = given
        self.seconds = [0.0] * len(places)  # that the latest part of each took
        self.lock = threading.RLock()
        self.number = 0  # of the latest cut
        self.sources = {k: 0 for k, place in enumerate(places) if not place.inputs}  # the latest of each
        self.asked = perf_counter()
        self.finer = 0
        self.lacks: str | None = None  #: why there are no cuts: what cannot be saved
        self.told = False  # that
        self.taken = 0  #: parts that were saved
        self.spent = 0.0  #: seconds that all of them took
        self.longest = 0.0  #: seconds that one of them took at most
        self.interval = self.every  #: seconds between two cuts: longer where they take long
        self.eager = False  #: somebody has asked for a cut, and has not got it
        self.before = 0, 0  # `number` and `finer` when it was asked for

    @property
    def most(self) -> int:
        """Cuts that may be under way."""
        return sys.maxsize if self.every == 0 else EAGER if self.eager else MOST

    @property
    def wait(self) -> float:
        """Seconds between two cuts, at least."""
        return 0.0 if self.eager else self.interval

    def ask(self) -> None:
        """Have cuts made at every block, until a state is taken that stands at one of them.

        One would not do: a state is of a cut that the reader has come to, and how many blocks it is away from
        the sources nobody knows. Now it is never further than a block from the newest that it has come to.
        """
        with self.lock:
            self.eager, self.before = True, (self.number, self.finer)

    def took(self, found: Sequence[Part]) -> None:
        """A state is made of these parts: whether it is what somebody has asked for."""
        with self.lock:
            heads = [part.label for place, part in zip(self.places, found, strict=True) if place.outputs]
            if self.eager and all(label == ENDED or self.is_new(label) for label in heads):
                self.eager = False

    def is_new(self, label: Label) -> bool:
        """Whether a cut was made since one was asked for."""
        number, finer = self.before
        return label[0] > number or max(label[1:], default=0) > finer

    def due(self, k: int) -> Label | None:
        """The cut that a source is to make now."""
        if not self.may_be_due(k):
            return None
        with self.lock:
            if self.lacks is not None:
                return None
            if self.sources[k] == self.number and not self.open_one():
                return None
            self.sources[k] = self.number
            return (self.number,)

    def may_be_due(self, k: int) -> bool:
        """Whether a source may have to make a cut now; without the lock, for it is asked for every block."""
        return self.sources[k] != self.number or perf_counter() - self.asked >= self.wait

    def last(self, k: int) -> Label | None:
        """The cut that a source makes at its end: behind it nothing comes."""
        with self.lock:
            if self.lacks is not None:
                return None
            if self.sources.pop(k, 0) == self.number:
                self.number += 1
            return (self.number,)

    def open_one(self) -> bool:
        """Begin another cut, if it is time, and all sources have made the one before."""
        if perf_counter() - self.asked < self.wait or min(self.sources.values()) < self.number:
            return False
        if self.number - self.best() >= self.most:
            return False
        self.number += 1
        self.asked = perf_counter()
        return True

    def finer_cut(self, k: int, label: Label, since: float) -> Label | None:
        """A cut of a segment's own within one, where none has come since a moment."""
        if self.lacks is not None or self.places[k].joins or perf_counter() - since < self.wait:
            return None
        with self.lock:
            self.best()
            if len(self.parts[k]) > self.most:
                return None
            self.finer += 1
            return (*label, self.finer)

    def report(self, k: int, part: Part, seconds: float = 0.0) -> None:
        """A segment has saved a part, in so many seconds."""
        with self.lock:
            self.parts[k].append(part)
            self.seconds[k] = seconds
            self.interval = 0.0 if self.every == 0 else max(self.every, SHARE * sum(self.seconds))
            self.taken += 1
            self.spent += seconds
            self.longest = max(self.longest, seconds)

    def end(self, k: int, part: Part) -> None:
        """A segment's stream is over."""
        with self.lock:
            self.sources.pop(k, None)
            self.parts[k].append(part)

    def lack(self, why: str) -> None:
        """There will be no cuts: something cannot be saved. Told when a state is asked for, once."""
        with self.lock:
            if self.lacks is None:
                self.lacks = why

    def tell(self) -> None:
        """A state is asked for: say what it lacks."""
        if self.lacks is not None and not self.told:
            self.told = True
            log.warning("a state of this run makes its stream again from the beginning: %s", self.lacks)

    def best(self) -> int:
        """The number of the newest cut that can be used; forgets what is older."""
        found = self.find(self.given())
        for parts, used in zip(self.parts, found, strict=True):
            parts[:] = [part for part in parts if part.label == ENDED or part.label >= used.label]
        return max(part.number for part in found)

    def find(self, given: Mapping[str, int]) -> list[Part]:
        """The newest parts that belong together, one for each segment."""
        with self.lock:
            numbers = {part.number for parts in self.parts for part in parts if part.label != ENDED}
            for number in sorted(numbers, reverse=True):
                found: list[Part] = []
                if self.extend(found, number, given):
                    return found
        raise AssertionError("the parts with which a run begins belong together")

    def extend(self, found: list[Part], number: int, given: Mapping[str, int]) -> bool:
        """Find parts for the segments behind those of `found`; False: there are none."""
        if len(found) == len(self.places):
            return True
        for part in self.fitting(found, number, given):
            found.append(part)
            if self.extend(found, number, given):
                return True
            found.pop()
        return False

    def fitting(self, found: Sequence[Part], number: int, given: Mapping[str, int]) -> Iterator[Part]:
        """Parts of the next segment that fit those before it, the newest first."""
        place = self.places[len(found)]
        before = tuple(found[k].label for k, _ in place.inputs)
        for part in sorted(self.parts[len(found)], key=lambda part: part.label, reverse=True):
            fits = part.inputs == before if before else part.number in (number, ENDED[0])
            if fits and all(part.sent.get(port, 0) <= given[name] for port, name in place.outputs.items()):
                yield part
