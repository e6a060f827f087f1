"""How many short calls of Maps share one job: the way to a thread and back costs as much as a call of 100 us.

With batches of 128 rows, graphs spent more time on these ways than in their kernels. How calls are grouped is
learned from how long they take, and changes no number in the stream.
"""

from __future__ import annotations

from flowload.runtime.channel import Channel

__all__ = ["CallBatching"]

#: Calls seen before their length is trusted: sooner, a run that nobody reads held twice as much memory.
KNOWN = 256
TRIP = 0.002  #: seconds of calls that may share a trip
MOST = 32  #: calls of a trip
SMALL = 4 << 20  #: bytes that the calls of a trip may make together
WEIGHT = 1 / 32  #: of the latest call in the running means


class CallBatching:
    """Running means of the seconds and bytes of a Map's calls, and how many calls to group by them."""

    def __init__(self) -> None:
        self.calls = 0
        self.mean = 0.0  #: seconds
        self.size = 0.0  #: mean bytes of what they make

    def note(self, seconds: float, nbytes: int) -> None:
        """Add a call to the means."""
        self.calls += 1
        weight = max(WEIGHT, 1 / self.calls)
        self.mean += (seconds - self.mean) * weight
        self.size += (nbytes - self.size) * weight

    @property
    def calls_per_trip(self) -> int:
        """Calls that fit into a trip."""
        if self.calls < KNOWN:
            return 1
        return max(1, min(MOST, int(TRIP / max(self.mean, 1e-9)), int(SMALL / max(self.size, 1.0))))

    def most(self, source: Channel, workers: int) -> int:
        """Calls for the next trip, whose first block was taken already: one worker's share of what waits.

        Grows the channel's capacity to `workers` trips, for good: else there would never be so many to group.
        """
        calls_per_trip = self.calls_per_trip
        if calls_per_trip == 1:
            return 1
        while source.capacity < workers * calls_per_trip:
            source.grow()
        return min(calls_per_trip, -(-(len(source) + 1) // workers))
