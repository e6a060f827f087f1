"""How long a run takes to go on, wherever it was left, and what its states weigh and cost."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

import flowload as fl
from flowload.runtime.state.snapshots import Snapshots

__all__ = ["Going", "measure_resume", "shown"]

BATCH = 1024
ROUNDS = 3  #: of each time; the best counts
NEVER = 1e9  #: seconds


class Going(NamedTuple):
    """One place at which a run was left."""

    frames: int  #: of the reservoir
    rate: float  #: share of a chunk that one use gives
    place: int  #: batches before
    again: float  #: seconds to the first batch of the run that goes on
    held: int  #: frames in the state
    bytes_per_frame: float  #: of the file
    longest: float  #: seconds that saving a part held up a stage at most
    cost: float  #: share of one thread's time that saving took
    exact: bool  #: the first batch was the one that would have come


def chess(data: str, frames: int, rate: float) -> fl.Graph:
    """Positions through a pool and a reservoir."""
    chunks = fl.discover(data) >> fl.read("lc0") >> fl.shuffle_pool(5000)
    return chunks >> fl.unpack(rate=rate) >> fl.reservoir(frames) >> fl.batch(BATCH, layout="bits")


def measure_resume(
    data: str, frames: Sequence[int], places: Sequence[int], rate: float, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Leave runs over looped data at some places, and go on; and the throughput with states and without."""
    found = [going for size in frames for going in going_on(chess(data, size, rate), size, rate, places)]
    for going in found:
        tell(shown(going))
    graph = chess(data, min(frames), rate)
    pairs = [[throughput(graph, each) for each in (1.0, NEVER)] for _ in range(ROUNDS)]  # in turn
    with_states, without = map(max, zip(*pairs, strict=True))
    tell(f"throughput with states every second: {with_states / without:.3f} of that without any")
    return {"places": [going._asdict() for going in found], "throughput": with_states / without}


def shown(going: Going) -> str:
    """One line."""
    return (
        f"reservoir {going.frames:>9,}, rate {going.rate:g}, left behind batch {going.place:>6,}: first batch"
        f" after {going.again:6.2f} s, {'exact' if going.exact else 'ANOTHER'}; {going.held:,} frames, state"
        f" {going.bytes_per_frame:.1f} bytes a frame; longest {going.longest * 1e3:.1f} ms, cost"
        f" {going.cost:.2%} of a thread"
    )


def going_on(graph: fl.Graph, frames: int, rate: float, places: Sequence[int]) -> list[Going]:
    """Read on, save at each place, and go on from there."""
    found = []
    with tempfile.TemporaryDirectory(prefix="flowload-bench-") as folder:
        path = Path(folder, "run.state")
        with graph.iterate(seed=0, epochs=None) as run:
            began, done = perf_counter(), 0
            for place in sorted(places):
                for _ in range(place - done):
                    next(run)
                fl.save_state(path, run)
                cost, spent = run.state_cost(), perf_counter() - began
                wanted, done = next(run), place + 1
                again, exact = min(resumed(graph, path, wanted) for _ in range(ROUNDS))
                held = cost.stages["reservoir"].records if "reservoir" in cost.stages else 0
                size = path.stat().st_size / max(held, 1)
                found.append(
                    Going(
                        frames, rate, place, again, held, size, cost.longest, cost.seconds / spent, not exact
                    )
                )
    return found


def resumed(graph: fl.Graph, path: Path, wanted: dict[str, Any]) -> tuple[float, bool]:
    """Seconds to the first batch; and whether it is another than the one that is wanted."""
    began = perf_counter()
    with graph.iterate(seed=0, epochs=None, state=fl.load_state(path)) as run:
        got = next(run)
        took = perf_counter() - began
    return took, any(np.asarray(got[key]).tobytes() != np.asarray(wanted[key]).tobytes() for key in wanted)


def throughput(graph: fl.Graph, every: float, seconds: float = 2.0) -> float:
    """Batches a second, once the reservoir is full, with states as often."""
    before, Snapshots.every = Snapshots.every, every
    try:
        with graph.iterate(seed=0, epochs=None) as run:
            next(run)
            began, batches = perf_counter(), 0
            while perf_counter() - began < seconds:
                next(run)
                batches += 1
            return batches / (perf_counter() - began)
    finally:
        Snapshots.every = before
