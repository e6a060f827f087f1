"""How long things took: a histogram whose bins are as wide as they are far from zero."""

from __future__ import annotations

from math import frexp

__all__ = ["Durations"]

PARTS = 8  #: bins of an octave: a quantile is right within 1/16 of itself
LEAST, OCTAVES = -30, 50  #: from half a nanosecond to 2**19 s (six days)
FIRST = -(LEAST + 1) * PARTS  #: bin of one second


class Durations:
    """Seconds, counted in bins of an eighth of an octave; one writer, any number of readers.

    The least cost that a quantile can have: an index and a sum each time, and 400 counters in all.
    """

    __slots__ = ("_bins", "most", "total")

    def __init__(self) -> None:
        self._bins = [0] * (PARTS * OCTAVES)
        self.total = 0.0
        self.most = 0.0

    def note(self, seconds: float) -> None:
        """Count a duration."""
        part, octave = frexp(seconds)  # seconds = part * 2**octave, 0.5 <= part < 1
        place = int((octave + part + part) * PARTS + FIRST) if seconds > 1e-9 else 0
        try:
            self._bins[place] += 1
        except IndexError:
            self._bins[-1] += 1
        self.total += seconds
        if seconds > self.most:  # max() would cost twice as much
            self.most = seconds

    @property
    def count(self) -> int:
        """Number of durations noted."""
        return sum(list(self._bins))  # copied in one step: somebody may be counting

    def quantile(self, share: float) -> float:
        """The duration that this share of all did not exceed, in seconds; 0.0 where there are none."""
        bins = list(self._bins)
        wanted = share * sum(bins)
        seen = 0
        for place, count in enumerate(bins):
            seen += count
            if count and seen >= wanted:
                return min(middle(place), self.most)
        return 0.0


def middle(place: int) -> float:
    """The middle of a bin, in seconds."""
    octave, part = divmod(place + 0.5, PARTS)
    return float((1 + part / PARTS) * 2.0 ** (octave + LEAST - 1))
