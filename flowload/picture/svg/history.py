"""What a drawing shows over time: moments of a span, thinned to as many points as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flowload.picture.scene.moment import Moment

from .marks import near

__all__ = ["Band", "History", "bands_of", "history_of", "ticks"]

POINTS = 240
APART = 46.0  #: points from one word of the axis to the next
STEPS = (5, 15, 30, 60, 180, 600, 1800, 3600)  #: seconds


class History(NamedTuple):
    """The moments of a span that are drawn."""

    start: float
    end: float
    picked: list[Moment]

    def x(self, at: float, left: float, width: float) -> float:
        """Where a moment is."""
        return left + (at - self.start) / (self.end - self.start) * width


class Band(NamedTuple):
    """A time in which the same limited."""

    first: int  #: of the picked moments
    last: int
    told: str
    hot: bool


def history_of(moments: Sequence[Moment], live: int, span: float) -> History:
    """The last `span` seconds up to a moment."""
    end = moments[live]["at"]
    start = end - min(span, max(15.0, end))  # a run that has just begun fills the axis all the same
    first = live
    while first > 0 and moments[first]["at"] > start:
        first -= 1
    step = max(1, (live - first + POINTS - 1) // POINTS)
    picked = [moments[k] for k in range(first + (live - first) % step, live + 1, step)]
    return History(start, end, picked)


def bands_of(picked: Sequence[Moment]) -> list[Band]:
    """Who limited when."""
    found: list[Band] = []
    for k, moment in enumerate(picked):
        if found and found[-1].told == moment["band"]:
            found[-1] = found[-1]._replace(last=k)
        else:
            found.append(Band(k, k, moment["band"], moment["hot"]))
    return found


def ticks(start: float, end: float, width: float) -> list[int]:
    """Round moments of an axis, so many as there is room for."""
    most = near(width / APART, 1, 5)
    every = next((step for step in STEPS if (end - start) / step <= most), 7200)
    first = -(-int(max(0.0, start) + 0.999) // every) * every
    return list(range(first, int(end) + 1, every))
