"""The verdict: what limits a run, what it would gain if that were faster, and what limits it next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from .nearness import Nearness
from .stations import Kind, Station, stations_of
from .stats import RunStats

__all__ = ["Confidence", "Limit", "Verdict", "judge"]

Confidence: TypeAlias = Literal["high", "fair", "low"]

NEAR = 0.97  #: what is used nearly as much as the most used: the more special of the two is named
DISK_RATE = 1 << 18  #: bytes from storage in a second of waiting, from which on the disk is held for it
SHORT, FEW = 1.0, 10  #: seconds and batches under which numbers say little
ORDER: tuple[Kind, ...] = ("consumer", "stage", "lock", "cpu", "executor", "loop")  #: the more special first


class Limit(NamedTuple):
    """The station that limits a run, and by how much."""

    kind: Literal["stage", "lock", "disk", "network", "executor", "cpu", "loop", "consumer"]
    name: str  #: of the stage or stages, the executor, the CPUs
    who: str  #: the stage that takes most of it; of several, the one to make faster
    servers: int  #: workers, threads or CPUs
    used: float  #: part of its time (0 to 1) in which it worked
    demand: float  #: its seconds for one delivered sample
    part: float  #: of this demand, how much is `who`'s (0 to 1)
    bound: float  #: samples/s that it would allow


class Verdict(NamedTuple):
    """What limits a run, with the numbers behind it."""

    rate: float  #: samples/s delivered
    limit: Limit
    gain: float  #: the run's rate, in times of the present one, if `limit.who` were twice as fast
    then: Limit  #: what would limit it then
    confidence: Confidence
    why: str  #: the reason for that confidence
    stations: tuple[Station, ...]  #: everybody, the most used first
    short: bool = False  #: too little was looked at to tell


class Spent(NamedTuple):
    """What passed between two snapshots."""

    seconds: float
    storage: float  #: bytes that came from disks
    network: float  #: seconds in which stages waited for object stores


def judge(now: RunStats, before: RunStats | None = None) -> Verdict | None:
    """The verdict on the time between two snapshots, or since the start; None: nothing was delivered.

    Filling a pool or compiling kernels is not what limits a run for hours: give a `before` from behind that.
    """
    stations = stations_of(now, before)
    seconds = now.elapsed - (before.elapsed if before else 0.0)
    if not stations or seconds <= 0:
        return None
    rate = (now.delivered - (before.delivered if before else 0)) / seconds
    storage = now.storage_bytes - (before.storage_bytes if before else 0)
    network = now.network.waiting - (before.network.waiting if before else 0.0)
    spent = Spent(seconds, storage, network)
    first = tightest(stations)
    faster = [station.with_faster(first.heaviest, 2.0) for station in stations]
    second = tightest(faster)
    limit = limit_of(first, rate, spent)
    gain = Nearness(stations, rate).rate(faster) / rate
    batches = now.blocks_delivered - (before.blocks_delivered if before else 0)
    confidence, why = trust(limit.used, rate * gain / second.bound, seconds, batches)
    return Verdict(
        rate=rate,
        limit=limit,
        gain=max(1.0, gain),
        then=limit_of(second, rate * gain, spent),
        confidence=confidence,
        why=why,
        stations=tuple(sorted(stations, key=lambda station: station.bound)),
        short=seconds < SHORT or batches < FEW,
    )


def tightest(stations: Sequence[Station]) -> Station:
    """The station with the least bound; of those about as tight, the one that says most."""
    least = min(station.bound for station in stations)
    near = [station for station in stations if station.bound * NEAR <= least]
    return min(near, key=lambda station: (ORDER.index(station.kind), station.bound))


def limit_of(station: Station, rate: float, spent: Spent) -> Limit:
    """A station in words, used at this rate."""
    return Limit(
        kind=waits_for(station, rate, spent) or station.kind,
        name=station.name,
        who=station.heaviest,
        servers=station.servers,
        used=min(1.0, rate / station.bound),
        demand=station.demand,
        part=station.shares[station.heaviest] / station.demand,
        bound=station.bound,
    )


def waits_for(station: Station, rate: float, spent: Spent) -> Literal["disk", "network"] | None:
    """What its servers wait for, where they wait for more than they compute.

    The network, where stages waited for it most of that time; the disk, while storage gives as much as a slow
    one would.
    """
    if station.kind not in ("stage", "executor") or station.waits < 0.5:
        return None
    waited = station.waits * station.demand * rate * spent.seconds
    # Of several workers that wait beside each other the network is waited for once.
    if waited > 0 and spent.network > 0.5 * min(waited, spent.seconds * station.waits):
        return "network"
    return "disk" if waited > 0 and spent.storage / waited > DISK_RATE else None


def trust(used: float, next_used: float, seconds: float, batches: int) -> tuple[Confidence, str]:
    """The confidence of a verdict: "high", "medium" or "low", and why."""
    if seconds < SHORT or batches < FEW:
        return "low", f"only {batches} batches in {seconds:.1f} s were looked at"
    if used < 0.5:
        return "low", "nothing is near its limit: time goes into waiting for each other"
    if used < 0.8 or next_used > used * 1.1:
        return "fair", f"the limit is used for {used:.0%} of its time".replace("%", " %")
    return "high", f"the limit is used for {used:.0%} of its time".replace("%", " %")
