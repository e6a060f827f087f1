"""Which pass a task is in, and which one a reader is in."""

from __future__ import annotations

from collections import deque

from flowload.protocols import Mark

from .channel import Item, Word

__all__ = ["Borders", "Epochs"]


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

    def passed(self, word: Word) -> bool:
        """A word goes by; True where a pass ends that has nothing in common with the next."""
        if word is Mark.EPOCH and self.align:
            self.number += 1
            return True
        return False


class Borders:
    """Where passes end among the parts that an output gives. Written inside `with moves:`, read elsewhere.

    Args:
        first: number of the first pass.
        epochs: passes; what is flushed behind the last one's end belongs to it.
    """

    def __init__(self, first: int, epochs: int | None) -> None:
        self.last = None if epochs is None else first + epochs - 1
        self.epoch = first  #: of the last part that was handed out
        self.parts = 0  # written so far
        self.ends: deque[list[int]] = (
            deque()
        )  #: parts before the end of a pass, and how many passes end there

    def note(self, word: Word) -> None:
        """A word was written."""
        if word is Mark.EPOCH:
            if self.ends and self.ends[-1][0] == self.parts:  # not taken: no part behind it was handed out
                self.ends[-1][1] += 1
            else:
                self.ends.append([self.parts, 1])
        elif isinstance(word, Item) and word.block is not None:
            self.parts += len(getattr(word.block, "bundled", (None,)))

    def reached(self, part: int) -> None:
        """The reader has got so many parts; by one thread at a time."""
        while self.ends and self.ends[0][0] < part:
            self.epoch += self.ends.popleft()[1]
        if self.last is not None and self.epoch > self.last:
            self.epoch = self.last
