"""One measurement of anything that gives batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import Any, NamedTuple

from .settings import Window

__all__ = ["Seen", "watch"]


class Seen(NamedTuple):
    """What was delivered in a window, and what a probe said at its ends."""

    frames: int
    seconds: float
    before: Mapping[str, float]
    after: Mapping[str, float]

    def gain(self, key: str) -> float:
        """By how much a probed figure rose."""
        return self.after[key] - self.before[key]


def watch(
    batches: Iterator[Mapping[str, Any]], window: Window, probe: Callable[[], Mapping[str, float]] = dict
) -> Seen:
    """Take batches as a training loop would, in a plain `for`; from border to border of a batch.

    The first batch comes when everything is open and the shuffle buffer full: it is no part of the window.
    """
    next(batches)
    if window.warm > 0:
        take(batches, window.warm)
    before = probe()
    frames, seconds = take(batches, window.seconds)
    return Seen(frames, seconds, before, probe())


def take(batches: Iterator[Mapping[str, Any]], seconds: float) -> tuple[int, float]:
    """Frames taken in at least so many seconds, and how many seconds it were."""
    frames = 0
    began = now = perf_counter()
    for batch in batches:
        frames += len(next(iter(batch.values())))
        now = perf_counter()
        if now - began >= seconds:
            break
    return frames, now - began
