"""Counting epochs (passes over the data): in a task, and for the reader of an output."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from flowload.abc.operators import Mark
from flowload.runtime.message import Message, NumberedBlock

__all__ = ["EpochBoundaries", "Epochs", "Stand"]

log = logging.getLogger("flowload")

IN_VAIN = 2  #: passes in a row that gave nothing, after which it is told


class Epochs:
    """The pass whose number keys what is drawn: the run's first, or, where passes are kept apart, each.

    Args:
        first: number of the run's first pass.
        align: passes are kept apart.
    """

    __slots__ = ("align", "number")

    def __init__(self, first: int, *, align: bool) -> None:
        self.number = first
        self.align = align

    def passed(self, message: Message) -> bool:
        """Count a message; True where a pass ends that has nothing in common with the next."""
        if message is Mark.EPOCH and self.align:
            self.number += 1
            return True
        return False


class Stand(NamedTuple):
    """How far an output had come before one of its blocks."""

    parts: int = 0  #: written before it
    samples: int = 0  #: in them
    passes: int = 0  #: that had ended
    newest: int = 0  #: of these, how many ended behind the last part
    trail: tuple[Any, ...] = (0,)  #: see `NumberedBlock.trail`


class EpochBoundaries:
    """Where epochs end in what an output gives: which epoch the reader's latest batch belongs to.

    Written while holding the run lock, read by the reader's thread.

    Args:
        first: number of the first pass.
        epochs: passes; what is flushed behind the last one's end belongs to it.
        held: how many samples stages keep back now.
    """

    def __init__(self, first: int, epochs: int | None, held: Callable[[], int] = int) -> None:
        self.last = None if epochs is None else first + epochs - 1
        self.epoch = first  #: of the last part that was handed out
        self.draining = False  #: the reader has what was flushed behind the end of the last pass
        self.parts = 0  # written so far
        self._held = held
        self._endless = epochs is None
        self._before = 0, 0  # parts, and samples held back, when the pass before ended
        self._in_vain = 0  # passes in a row that gave nothing
        self.ends: deque[list[int]] = (
            deque()
        )  #: parts before the end of a pass, and how many passes end there
        self.stands: deque[Stand] = deque([Stand()])  #: before each block that the reader may have begun
        self._first = first
        self._origin: tuple[Any, ...] = ()  # number of the message that the latest block was made of
        self._samples = 0  # written so far
        self._passes = 0  # that have ended
        self._newest = 0  # of them, those behind the last part

    def go_on(self, stand: Stand) -> None:
        """Begin where an earlier run stood."""
        self.stands = deque([stand])
        self._origin = stand.trail[:1]
        self.parts, self._samples, self._passes, self._newest = stand[:4]
        self.epoch = self._first + stand.passes - stand.newest
        self.ends = deque([[stand.parts, stand.newest]] if stand.newest else [])

    def stand(self, delivered: int) -> Stand:
        """How far it was before the last block of which so many parts have reached the reader."""
        stands = self.stands
        while len(stands) > 1 and stands[1].parts <= delivered:
            stands.popleft()
        return stands[0]

    def note(self, message: Message) -> None:
        """Note that a message was written."""
        if message is Mark.EPOCH:
            if self._endless:
                self._look()
            self._passes += 1
            self._newest += 1
            if self.ends and self.ends[-1][0] == self.parts:  # not taken: no part behind it was handed out
                self.ends[-1][1] += 1
            else:
                self.ends.append([self.parts, 1])
        elif isinstance(message, NumberedBlock) and message.block is not None:
            if message.trail[:1] != self._origin:  # of several blocks of one, all are made again
                self._origin = message.trail[:1]
                self.stands.append(
                    Stand(self.parts, self._samples, self._passes, self._newest, message.trail)
                )
            self.parts += len(getattr(message.block, "bundled", (None,)))
            self._samples += message.samples
            self._newest = 0

    def _look(self) -> None:
        """Tell once of a run that goes on for ever and gives nothing, because all of each pass is dropped.

        A finite one tells at its end. A reservoir that is being filled gives nothing either, but holds more.
        """
        now = self.parts, self._held()
        self._in_vain = self._in_vain + 1 if now == self._before else 0
        self._before = now
        if self._in_vain == IN_VAIN:
            log.warning("whole passes give nothing, and nothing waits: all of it is dropped; see the ledger")

    def reached(self, part: int) -> None:
        """The reader has got so many parts; by one thread at a time."""
        while self.ends and self.ends[0][0] < part:
            self.epoch += self.ends.popleft()[1]
        if self.last is not None and self.epoch > self.last:
            self.epoch = self.last
            self.draining = True
