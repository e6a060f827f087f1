"""What a chain of folds saves, and when: as a cut passes, and between two of them by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from flowload.runtime.message import Cut, Message, batches_of
from flowload.runtime.state.saver import Saver

__all__ = ["ChainState", "UnderWay", "Way"]


class Way(NamedTuple):
    """Why a fold is called."""

    word: str  #: "push", "mark", "pass" (emptied at the end of one), "flush" or "idle"
    blocks: int = 0  #: that come in with it
    mark: str = ""
    empties: bool = False


class UnderWay(NamedTuple):
    """A call of a fold that has not given everything."""

    fold: int
    way: Way
    number: int
    samples: int

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> UnderWay:
        """The call under way that `ChainState.value` has saved."""
        return cls(saved["fold"], Way(**saved["way"]), saved["number"], saved["samples"])


class ChainState:
    """Saves a chain's part.

    Where many blocks come of one (a pass that is drained for hours, a file of a million chunks), no cut of
    the sources passes for as long. So a chain makes finer cuts by itself: its part then says how many
    messages it has taken since the last one, which those before it make again and the channel drops, and
    which call is under way.
    """

    def __init__(
        self, saver: Saver | None = None, sent: int = 0, since: int = 0, *, counts_batches: bool = False
    ) -> None:
        self.saver = saver
        self.counts_batches = counts_batches
        self.made = sent  #: messages that came out, those of an earlier run included
        self.since = since  #: messages taken since the last cut
        self.now: UnderWay | None = None  #: the call that is not part of another

    def count(self, message: Message) -> None:
        """Count a message that the chain gives; cuts are none of the stream."""
        if not isinstance(message, Cut):
            self.made += batches_of(message) if self.counts_batches else 1

    def passed(self, cut: Cut, saved: Callable[[], dict[str, Any]]) -> Iterator[Cut]:
        """Save the chain's part for a cut that comes through; gives the cut, if it was saved."""
        self.since = cut.ahead
        if self.saver is not None and self.saver.save(
            cut.label, {"out": self.made}, self.value(saved, self.since)
        ):
            yield Cut(cut.label)

    def due(self) -> bool:
        """Whether it may be time for a cut of its own."""
        return self.saver is not None and self.saver.finer_is_due

    def finer(self, saved: Callable[[], dict[str, Any]]) -> Iterator[Cut]:
        """A cut of its own, if it is time for one."""
        saver = self.saver
        if saver is None or (label := saver.finer()) is None:
            return
        if saver.save(label, {"out": self.made}, self.value(saved, self.since), (saver.label,)):
            yield Cut(label)

    def value(self, saved: Callable[[], dict[str, Any]], surplus: int) -> dict[str, Any]:
        """The chain's part of a state: what its folds saved, and which call is under way."""
        now = None if self.now is None else {**self.now._asdict(), "way": self.now.way._asdict()}
        return {**saved(), "surplus": [surplus], "now": now}
