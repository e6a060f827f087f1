"""How long a run takes to go on, wherever it was left, and what its states weigh and cost."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

import flowload as fl
from flowload.runtime.state.refill import refill
from flowload.runtime.state.snapshots import Snapshots

__all__ = ["Going", "measure_resume", "shown"]

BATCH = 1024
ROUNDS = 3  #: of each time; the best counts
NEVER = 1e9  #: seconds
OFTEN = 10.0  #: seconds between two states, of which it is asked what they cost
#: Wanted: seconds to the first batch but for the refill, seconds of that for a million frames at rate 1,
#: bytes of the file a frame that waits, seconds that saving holds up a stage, share of a thread.
FIRST, REFILL, BYTES, STOP, SHARE = 1.0, 30.0, 16.0, 0.010, 0.005


class Going(NamedTuple):
    """One place at which a run was left."""

    frames: int  #: of the reservoir
    rate: float  #: share of a chunk that one use gives
    place: int  #: batches before
    again: float  #: seconds to the first batch of the run that goes on
    refill: float  #: of these, seconds in which the frames that wait were read again
    held: int  #: frames in the state
    size: int  #: bytes of the file
    longest: float  #: seconds that saving a part held up a stage at most
    cost: float  #: share of one thread's time that saving took
    often: float  #: the same with one every `OFTEN` seconds
    exact: bool  #: the first batch was the one that would have come


def chess(data: str, frames: int, rate: float) -> fl.Graph:
    """Positions through a pool and a reservoir."""
    chunks = fl.discover(data) >> fl.read("lc0") >> fl.shuffle_pool(5000)
    return chunks >> fl.unpack(rate=rate) >> fl.reservoir(frames) >> fl.batch(BATCH, layout="bits")


def measure_resume(
    data: str,
    frames: Sequence[int],
    places: Sequence[int],
    rate: float,
    tell: Callable[[str], None],
    *,
    quick: bool = False,
) -> dict[str, Any]:
    """Leave runs over looped data at some places, and go on; and the throughput with states and without."""
    found: list[Going] = []
    with cuts_every(0.02 if quick else Snapshots.every):  # else a short run is over before the first
        for size in frames:
            for going in going_on(chess(data, size, rate), size, rate, places):
                tell(shown(going))
                found.append(going)
    for line in verdicts(found):
        tell(line)
    ratio = expense(chess(data, min(frames), rate), 0.2 if quick else 1.0)
    tell(f"CPU time a batch with states every second: {ratio:.3f} of that without any")
    return {"places": [going._asdict() for going in found], "expense": ratio}


def shown(going: Going) -> str:
    """One line."""
    held = f"{going.size / going.held:.1f} bytes a frame" if going.held else f"{going.size:,} bytes"
    return (
        f"reservoir {going.frames:>9,}, rate {going.rate:g}, left behind batch {going.place:>6,}: first batch"
        f" after {going.again:6.2f} s, {going.refill:.2f} s of it refill,"
        f" {'exact' if going.exact else 'ANOTHER'}; {going.held:,} frames, state {held}; longest"
        f" {going.longest * 1e3:.1f} ms, cost {going.cost:.2%} of a thread"
    )


def verdicts(found: Sequence[Going]) -> Iterator[str]:
    """What is wanted, and what was found."""
    largest = max(going.frames for going in found)
    held = [going.size / going.held for going in found if going.held]
    yield verdict("first batch without the refill", max(g.again - g.refill for g in found), FIRST, "s")
    yield verdict(f"refill of {largest:,}", max(g.refill for g in found if g.frames == largest), REFILL, "s")
    if held:
        yield verdict("state, bytes a frame that waits", max(held), BYTES, "")
    yield verdict("longest stop of a stage", 1e3 * max(g.longest for g in found), 1e3 * STOP, "ms")
    yield verdict(f"states every {OFTEN:g} s, share of a thread", 1e2 * found[-1].often, 1e2 * SHARE, "%")
    for size in sorted({going.frames for going in found}):
        first, *_, last = [going for going in found if going.frames == size] * 2
        yield (
            f"reservoir {size:,}: behind batch {last.place:,} the first batch came after {last.again:.2f} s,"
            f" behind batch {first.place:,} after {first.again:.2f} s"
        )


def verdict(what: str, found: float, wanted: float, unit: str) -> str:
    """One line."""
    return (
        f"{what}: {found:.2f} {unit}".rstrip()
        + f"; wanted: at most {wanted:g} {unit}".rstrip()
        + ("" if found <= wanted else "  MISSED")
    )


def going_on(graph: fl.Graph, frames: int, rate: float, places: Sequence[int]) -> Iterator[Going]:
    """Read on, save at each place, and go on from there."""
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
                again, refill, exact = min(resumed(graph, path, wanted) for _ in range(ROUNDS))
                yield Going(
                    frames=frames,
                    rate=rate,
                    place=place,
                    again=again,
                    refill=refill,
                    held=cost.stages["reservoir"].records if "reservoir" in cost.stages else 0,
                    size=path.stat().st_size,
                    longest=cost.longest,
                    cost=cost.seconds / spent,
                    often=cost.cut / OFTEN,
                    exact=not exact,
                )


def resumed(graph: fl.Graph, path: Path, wanted: dict[str, Any]) -> tuple[float, float, bool]:
    """Seconds to the first batch; of these, to read again; whether it is another than the one wanted."""
    with timed() as refilled:
        began = perf_counter()
        with graph.iterate(seed=0, epochs=None, state=fl.load_state(path)) as run:
            got = next(run)
            took = perf_counter() - began
    other = any(np.asarray(got[key]).tobytes() != np.asarray(wanted[key]).tobytes() for key in wanted)
    return took, sum(refilled), other


@contextmanager
def timed() -> Iterator[list[float]]:
    """Seconds that runs which begin in here spend on reading again what waited."""
    seconds: list[float] = []

    async def timed_refill(members: Iterable[Any], executor: Any) -> None:
        began = perf_counter()
        await refill(members, executor)
        seconds.append(perf_counter() - began)

    with patch("flowload.runtime.run.refill", timed_refill):
        yield seconds


@contextmanager
def cuts_every(seconds: float) -> Iterator[None]:
    """Runs in here save their parts as often."""
    before, Snapshots.every = Snapshots.every, seconds
    try:
        yield
    finally:
        Snapshots.every = before


def expense(graph: fl.Graph, seconds: float) -> float:
    """CPU time a batch in a run that saves its parts every second, by that when it does not."""
    spent, made = [0.0, 0.0], [0, 0]
    with graph.iterate(seed=0, epochs=None) as run:
        next(run)
        for turn in range(4 * ROUNDS):
            with cuts_every((1.0, NEVER)[turn % 2]):
                end, began = perf_counter() + seconds, process_time()
                while perf_counter() < end:
                    next(run)
                    made[turn % 2] += 1
                spent[turn % 2] += process_time() - began
    return spent[0] / made[0] / (spent[1] / made[1])
