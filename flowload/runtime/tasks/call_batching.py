"""How many short calls share one trip to a thread: a trip costs as much as a call of 100 us."""

from __future__ import annotations

from flowload.runtime.channel import Channel

__all__ = ["CallBatching"]

KNOWN = 256  #: calls that are seen before their length is trusted
TRIP = 0.002  #: seconds that a trip may take for the sake of fewer trips
MOST = 32  #: calls of a trip
SMALL = 4 << 20  #: bytes that the calls of a trip make, where that is more than one block
WEIGHT = 1 / 32  #: of a call in the mean


class CallBatching:
    """Learns how long calls take, and how much they make."""

    def __init__(self) -> None:
        self.calls = 0
        self.mean = 0.0  #: seconds
        self.size = 0.0  #: mean bytes of what they make

    def note(self, seconds: float, nbytes: int) -> None:
        """A call took so long, and made so much."""
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
        """Calls for the next trip, for whose first a block was taken: a worker's share of what waits.

        The queue is made as long as they need.
        """
        calls_per_trip = self.calls_per_trip
        if calls_per_trip == 1:
            return 1
        while source.capacity < workers * calls_per_trip:
            source.grow()
        return min(calls_per_trip, -(-(len(source) + 1) // workers))
