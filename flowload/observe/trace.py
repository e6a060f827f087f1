"""A trace: who did what when, in the format that Perfetto and chrome://tracing open.

The format is "Trace Event Format" (Google, 2016), JSON with complete events ("X") and names of tracks ("M").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import count
from threading import Lock
from typing import Any, NamedTuple, Protocol, TypeAlias

__all__ = ["Add", "Line", "Slice", "Trace", "Track"]


class Track(NamedTuple):
    """A row in the picture of a trace; rows of one group are shown together."""

    group: str
    name: str


class Slice(NamedTuple):
    """A span of time in a trace (s, `perf_counter`)."""

    track: Track
    name: str
    began: float
    ended: float
    blocks: tuple[int, ...]  #: numbers of the blocks that it was about
    waited: float  #: seconds before, for a thread


class Line(NamedTuple):
    """What the slices of one kind have in common."""

    track: Track
    name: str
    parts: tuple[tuple[Track, str], ...] = ()  #: tracks and names of what is shown in it, one behind another


#: Its number, its line's, began, ended, waited, the first block, how many, and the seconds of its parts.
Kept: TypeAlias = tuple[float, ...]


class Add(Protocol):
    """Keeps a slice of one line; any thread may call."""

    def __call__(
        self,
        began: float,
        ended: float,
        waited: float = 0.0,
        first: int = 0,
        count: int = 0,
        took: Sequence[float] = (),
    ) -> None:
        """About `count` blocks from number `first` on; `took`: seconds of each of the line's parts."""


class Trace:
    """The last so many slices of a run; any thread may add.

    Args:
        most: slices that are kept, parts aside: about 300 bytes each. When there are more, the oldest go.
    """

    def __init__(self, most: int = 100_000) -> None:
        self.most = most
        self._numbers = count()  # a step of it is one instruction: several threads add
        self._lines: list[Line] = []
        self._making = Lock()  # of lines: several threads ask
        # Flat tuples of numbers: the garbage collector looks at those once, and then never again.
        self._slices: deque[Kept] = deque(maxlen=most)

    @property
    def slices(self) -> list[Slice]:
        """What is kept, in the order in which it was added; parts behind their whole."""
        return [each for kept in list(self._slices) for each in self._slices_of(kept)]

    @property
    def let_go(self) -> int:
        """How many were there, and are no more."""
        kept = list(self._slices)
        return int(max(number for number, *_ in kept)) + 1 - len(kept) if kept else 0

    def detached(self) -> tuple[list[Line], list[Kept]]:
        """What is kept, for a trace in another process."""
        with self._making:
            return list(self._lines), list(self._slices)

    def take(self, detached: tuple[list[Line], list[Kept]]) -> None:
        """Keep what a trace in another process of this machine had: their clock is the same."""
        lines, slices = detached
        with self._making:
            first = len(self._lines)
            self._lines += lines
        for _, number, *rest in slices:
            self._slices.append((next(self._numbers), first + number, *rest))

    def adder(self, line: Line) -> Add:
        """What keeps slices of a line."""
        with self._making:
            self._lines.append(line)
            number = len(self._lines) - 1
        append, numbers = self._slices.append, self._numbers

        def add(
            began: float,
            ended: float,
            waited: float = 0.0,
            first: int = 0,
            count: int = 0,
            took: Sequence[float] = (),
        ) -> None:
            append((next(numbers), number, began, ended, waited, first, count, *took))

        return add

    def _slices_of(self, kept: Kept) -> Iterator[Slice]:
        """A slice, then its parts."""
        _, number, began, ended, waited, first, count, *took = kept
        line, blocks = self._lines[int(number)], tuple(range(int(first), int(first + count)))
        yield Slice(line.track, line.name, began, ended, blocks, waited)
        for (track, name), seconds in zip(line.parts, took, strict=False):
            if seconds > 0:
                end = min(began + seconds, ended)
                yield Slice(track, name, began, end, blocks, 0.0)
                began = end

    def as_json(self) -> dict[str, Any]:
        """The whole file, times in microseconds since the oldest slice."""
        slices = sorted(self.slices, key=lambda each: (each.began, -each.ended))
        start = slices[0].began if slices else 0.0
        return {
            "displayTimeUnit": "ms",
            "traceEvents": list(events(slices, start)),
            "otherData": {"slices": len(slices), "older slices that were let go": self.let_go},
        }


def events(slices: list[Slice], start: float) -> Iterator[dict[str, Any]]:
    """Names of groups and tracks, then the slices."""
    groups: dict[str, int] = {}
    tracks: dict[Track, int] = {}
    for each in slices:
        pid = groups.setdefault(each.track.group, len(groups) + 1)
        if each.track not in tracks:
            tracks[each.track] = len(tracks) + 1
            yield named("process_name", pid, 0, each.track.group)
            yield named("thread_name", pid, tracks[each.track], each.track.name)
        yield {
            "ph": "X",
            "cat": each.track.group,
            "name": each.name,
            "pid": pid,
            "tid": tracks[each.track],
            "ts": microseconds(each.began - start),
            "dur": microseconds(each.ended - each.began),
            "args": args_of(each),
        }


def microseconds(seconds: float) -> float:
    """Seconds as microseconds, rounded to a nanosecond."""
    return round(seconds * 1e6, 3)


def args_of(each: Slice) -> dict[str, object]:
    """What is shown beneath a slice."""
    blocks = {"blocks": ", ".join(map(str, each.blocks))} if each.blocks else {}
    return {**blocks, **({"waited_us": microseconds(each.waited)} if each.waited else {})}


def named(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    """The event that names a group or a track."""
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "ts": 0, "args": {"name": name}}
