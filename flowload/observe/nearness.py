"""How near a run is to what its stations allow, and what it would reach as near to others.

The least bound is reached only where the other bounds are far away: where two are alike, servers wait for
each other. In between, bounds add up like resistances, each to a power p: rate**-p is the sum of bound**-p.
A run shows its own p: the nearer it is to its least bound, the larger. The last steps do not count: a run
begins and ends, and clocks are not exact.
"""

from __future__ import annotations

from collections.abc import Sequence

from .stations import Station

__all__ = ["Nearness"]

LEAST, MOST = 1.0, 256.0  #: of the power: the servers work one after the other; nobody waits for another
STEPS = 40
NEARLY = 0.95  #: of the bounds: as good as at them


class Nearness:
    """How near a run comes to what its stations allow, measured at so many samples/s."""

    def __init__(self, stations: Sequence[Station], rate: float) -> None:
        low, high = LEAST, MOST
        for _ in range(STEPS):
            self.power = (low + high) / 2
            if together(stations, self.power) < rate / NEARLY:
                low = self.power
            else:
                high = self.power
        self.missing = rate / together(stations, self.power)  # 1, unless no power explains the rate

    def rate(self, stations: Sequence[Station]) -> float:
        """Samples/s with other stations, as near to what they allow."""
        return self.missing * together(stations, self.power)


def together(stations: Sequence[Station], power: float) -> float:
    """Samples/s that stations allow together, the CPUs counted once."""
    bounds = [station.bound for station in stations if station.kind != "cpu"]
    bounds += [min((station.bound for station in stations if station.kind == "cpu"), default=float("inf"))]
    least = min(bounds)
    return float(least * sum((least / bound) ** power for bound in bounds) ** (-1 / power))
