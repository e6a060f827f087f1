"""How many short calls share one trip to a thread: a trip costs as much as a call of 100 us."""

from __future__ import annotations

from .channel import Channel

__all__ = ["Bunching"]

KNOWN = 256  #: calls that are seen before their length is trusted
TRIP = 0.002  #: seconds that a trip may take for the sake of fewer trips
MOST = 32  #: calls of a trip
WEIGHT = 1 / 32  #: of a call in the mean


class Bunching:
    """Learns how long calls take."""

    def __init__(self) -> None:
        self.calls = 0
        self.mean = 0.0  #: seconds

    def note(self, seconds: float) -> None:
        """A call took so long."""
        self.calls += 1
        self.mean += (seconds - self.mean) * max(WEIGHT, 1 / self.calls)

    @property
    def bunch(self) -> int:
        """Calls that fit into a trip."""
        if self.calls < KNOWN:
            return 1
        return max(1, min(MOST, int(TRIP / max(self.mean, 1e-9))))

    def most(self, source: Channel, workers: int) -> int:
        """Calls for the next trip: a worker's share of what waits. The queue is made as long as they need."""
        bunch = self.bunch
        while bunch > 1 and source.capacity < workers * bunch:
            source.grow()
        return max(1, min(bunch, -(-len(source) // workers)))
