"""Steps of a training, one after the other: batches that vary, room that is bounded, ranks that wait.

A batch passes through the resources one after the other; each works on one batch of a trainer at a time, for
as long as its limit says, and a little more or less. Some may be made ahead of the step that takes them.
A step begins when all trainers have their batch, and takes as long as the device needs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .cluster import Cluster
from .costs import Costs
from .limits import limits, order_of_work

__all__ = ["Reached", "simulate"]

WARM = 0.2  #: of the steps: until buffers are as they stay


class Reached(NamedTuple):
    """What a training reaches."""

    rate: float  #: samples a second of all trainers
    device: float  #: seconds of a step on the devices; 0: they take whatever comes
    waited: float  #: of a step's time, in which the devices wait for data
    bound: str  #: the resource with the lowest limit
    ceiling: float  #: samples a second of all trainers, if batches did not vary and nobody waited for others
    pass_seconds: float  #: for all of the data


def simulate(
    costs: Costs, cluster: Cluster, cut: str | None = None, *, steps: int = 1000, seed: int = 0
) -> Reached:
    """What so many trainers reach, over so many steps."""
    found = limits(costs, cluster, cut)
    bound = min(found, key=lambda name: found[name])
    work = [costs.batch / found[name] for name in order_of_work(found)]
    device = costs.batch / cluster.demand if cluster.demand else 0.0
    began, waits = run(work, device, cluster, steps, np.random.default_rng(seed))
    first = int(WARM * steps)
    seconds = (began[-1] - began[first]) / (steps - 1 - first)
    rate = cluster.trainers * costs.batch / seconds
    samples = cluster.data / costs.stored if costs.stored else float("nan")
    return Reached(
        rate=rate,
        device=device,
        waited=float(waits[first:].mean() / seconds),
        bound=bound,
        ceiling=cluster.trainers * found[bound],
        pass_seconds=samples / rate,
    )


def run(
    work: list[float], device: float, cluster: Cluster, steps: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """When each step began, and how long the devices had waited for it."""
    ranks = cluster.trainers
    free = np.zeros((len(work), ranks))  # when each resource is done with its last batch, by trainer
    began, waits = np.zeros(steps), np.zeros(steps)
    idle = 0.0  # since when the devices have nothing to do
    for step in range(steps):
        # room for it is made when the step begins that takes the batch `ahead` before
        ready = np.full(ranks, began[step - cluster.ahead] if step >= cluster.ahead else 0.0)
        for place, seconds in enumerate(work):
            took = seconds * varied(rng, cluster.jitter, ranks)
            ready = np.maximum(ready, free[place]) + took
            free[place] = ready
        began[step] = max(idle, float(ready.max()))
        waits[step] = began[step] - idle
        idle = began[step] + device
    return began, waits


def varied(rng: np.random.Generator, jitter: float, count: int) -> NDArray[np.float64]:
    """Factors around 1, never below 0: gamma, whose standard deviation is the jitter."""
    if jitter <= 0:
        return np.ones(count)
    shape = jitter**-2
    return rng.gamma(shape, 1 / shape, count)
