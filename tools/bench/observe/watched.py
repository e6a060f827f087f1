"""What an open page costs: the CPU time of looking at a run and of answering the page, twice a second."""

from __future__ import annotations

import urllib.request
from statistics import median
from time import process_time

import numpy as np

import flowload as fl

__all__ = ["measure_watching"]

RATE = 2.0  #: looks a second, while a page is open
IDLE = 0.5  #: while none is
LOOKS = 60  #: of one round
STAGES = (8, 30)


def measure_watching(rounds: int, cpus: int) -> dict[int, float]:
    """Look at runs of several sizes as an open page does; printed. The share of the CPUs by stages.

    The runs stand still meanwhile, for nobody reads them: all CPU time of the process is that of looking, and
    of the page's own requests, which a browser would make elsewhere.
    """
    print(f"CPU time of a look at a run and of the page's answer, median of {rounds} rounds:")
    shares = {}
    for stages in STAGES:
        with chain(stages).iterate(cpus=cpus, epochs=None) as batches, fl.watch(batches) as page:
            for _ in range(10):
                next(batches)
            page.look()
            last = 1
            costs = []
            for _ in range(rounds):
                began = process_time()
                for _ in range(LOOKS):
                    page.look()
                    with urllib.request.urlopen(f"{page.url}state?since={last}", timeout=20) as answer:
                        answer.read()
                    last += 1
                costs.append((process_time() - began) / LOOKS)
        cost = median(costs)
        shares[stages] = cost * RATE / cpus
        told = f"{shares[stages]:.2%} of {cpus} CPUs at 2 Hz; {cost * IDLE / cpus:.2%} while no page is open"
        print(f"  {stages:>3} stages  {cost * 1e3:6.2f} ms  {told}")
    return shares


def chain(stages: int) -> fl.Graph:
    """So many stages in a row."""
    graph = fl.source(lambda: ({"x": np.zeros(64, np.float32)} for _ in range(1_000_000)))
    for number in range(stages - 2):
        graph = graph >> fl.map(same, workers=1 + number % 2)
    return graph >> fl.batch(64)


def same(batch: fl.Batch) -> fl.Batch:
    """What it is given."""
    return batch
