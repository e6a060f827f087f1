"""A trace: who did what when, in the format that Perfetto and chrome://tracing open.

The format is "Trace Event Format" (Google, 2016), JSON with complete events ("X") and names of tracks ("M").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["Slice", "Trace", "Track"]


class Track(NamedTuple):
    """A row of the picture: groups are shown together."""

    group: str
    name: str


class Slice(NamedTuple):
    """Something that took time; seconds of `perf_counter`."""

    track: Track
    name: str
    began: float
    ended: float
    args: Mapping[str, object]


class Trace:
    """The last so many slices of a run; any thread may add.

    Args:
        most: slices that are kept: about 300 bytes each. When there are more, the oldest go.
    """

    def __init__(self, most: int = 100_000) -> None:
        self.slices: deque[Slice] = deque(maxlen=most)
        self.added = 0

    def add(self, track: Track, name: str, began: float, ended: float, **args: object) -> None:
        """Keep a slice."""
        self.slices.append(Slice(track, name, began, ended, args))
        self.added += 1

    def as_json(self) -> dict[str, Any]:
        """The whole file, times in microseconds since the oldest slice."""
        slices = sorted(self.slices, key=lambda each: (each.began, -each.ended))
        start = slices[0].began if slices else 0.0
        return {
            "displayTimeUnit": "ms",
            "traceEvents": list(events(slices, start)),
            "otherData": {"slices": len(slices), "older slices that were let go": self.added - len(slices)},
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
            "ts": round((each.began - start) * 1e6, 3),
            "dur": round((each.ended - each.began) * 1e6, 3),
            "args": dict(each.args),
        }


def named(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    """The event that names a group or a track."""
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "ts": 0, "args": {"name": name}}
