"""One, two and four processes of this machine: what is reckoned for them, and what they reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .cluster import Cluster
from .costs import Costs
from .limits import limits

__all__ = ["Point", "check", "reckoned"]

ROOT = Path(__file__).parents[2]
FREE = 1e15  #: bytes a second of what does not limit a single machine


class Point(NamedTuple):
    """So many processes at once."""

    processes: int
    cpus: float  #: that they had, together: others may work on this machine, too
    reckoned: float  #: samples a second of all of them, with so many
    reached: float  #: samples a second of all of them


def check(
    costs: Costs,
    file: Path,
    options: Mapping[str, object],
    *,
    seconds: float,
    counts: Sequence[int] = (1, 2, 4),
) -> Iterator[Point]:
    """Run the pipeline in so many processes at once; each has all of the data, as samples are small."""
    words = [str(file), json.dumps(dict(options), default=str)]
    for count in counts:
        told = reached(words, count, seconds)
        cpus = sum(one["cpu"] / one["seconds"] for one in told)
        rate = sum(one["samples"] / one["seconds"] for one in told)
        yield Point(count, cpus, reckoned(costs, count, cpus), rate)


def reckoned(costs: Costs, processes: int, cpus: float) -> float:
    """Samples a second: they share these CPUs and nothing else."""
    here = Cluster(trainers=processes, cpus=cpus / processes, nic=FREE, store=FREE, transport=0.0)
    return processes * min(limits(costs, here, None).values())


def reached(arguments: Sequence[str], processes: int, seconds: float) -> list[dict[str, float]]:
    """What each of them has done. Raises RuntimeError where one fails."""
    command = [sys.executable, "-m", "tools.simulate.rank", str(seconds), *arguments]
    ranks = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    try:
        for rank in ranks:
            line = rank.stdout.readline() if rank.stdout else ""
            if line != "ready\n":
                raise RuntimeError(f"a process ended before its first batch: {line!r}")
        for rank in ranks:
            if rank.stdin is not None:
                rank.stdin.write("go\n")
                rank.stdin.flush()
        return [json.loads(rank.stdout.readline() if rank.stdout else "") for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
            rank.communicate()
