"""How much of loading hides behind training: one after the other, and read ahead."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

from numpy.typing import NDArray

import flowload as fl
from flowload.abc.operators import Call
from flowload.formats.recordings.part import Piece
from flowload.formats.recordings.recording import Recording, recording
from flowload.formats.recordings.table import RecordingTable
from flowload.stages.windows.window_starts import WindowStartsStage

from .recording import Corpus

__all__ = ["Overlap", "overlap"]


class Overlap(NamedTuple):
    """Seconds a window behind the first; and how long a training loop waited for one."""

    what: str
    load: float  #: of a window, nothing else going on
    train: float
    together: float
    wait_mean: float
    wait_p95: float
    wait_longest: float

    @property
    def speedup(self) -> float:
        """Over one after the other; at most 2 where both take as long."""
        return (self.load + self.train) / self.together


class SlowTable(RecordingTable):
    """As far away as it takes `seconds` to bring a window."""

    seconds: float

    def pieces(self, row: int) -> list[Piece]:
        """All in one."""
        return super().pieces(row)[:1]

    def read(self, row: int, piece: Piece, out: Mapping[str, NDArray[Any]], call: Call) -> None:
        """Wait as for a distant store, then read."""
        time.sleep(self.seconds)
        super().read(row, piece, out, call)


@dataclass(frozen=True)
class Slow(Recording):
    """A recording that is far away."""

    seconds: float = 0.1

    def open(self, *, estimate: bool = False) -> RecordingTable:
        """With windows that take their time."""
        table = super().open(estimate=estimate)
        slow = SlowTable(table.parts, table.size)
        slow.seconds = self.seconds
        return slow


def overlap(
    corpus: Corpus, windows: int, seconds: float, cpus: int, tell: Callable[[str], None]
) -> list[Overlap]:
    """A store where a window takes `seconds` to come; and zstd chunks, trained on as long as they take."""
    small = recording(corpus.path("raw"), corpus.chunk)
    far = fl.place(
        WindowStartsStage(records=Slow(small.parts, small.size, seconds=seconds), count=windows + 1)
    )
    zstd = fl.window_starts(corpus.path("zstd"), corpus.size, count=windows + 1)
    load = alone(zstd, windows, cpus)
    found = [
        ahead("a distant store", far, seconds, seconds, cpus),
        ahead("zstd chunks in the page cache", zstd, load, load, cpus),
    ]
    for each in found:
        tell(f"{each.speedup:.2f} x, {each.what}")
    return found


def alone(starts: fl.Graph, windows: int, cpus: int) -> float:
    """Seconds of a window where nothing is read ahead: a run for each."""
    took: list[float] = []
    for seed in range(min(windows, 5)):
        with (starts >> fl.read_windows()).iterate(seed=seed, cpus=cpus) as batches:
            next(batches)
            stats = batches.stats()
        took.append(stats.stages["read_windows"].busy / cpus)
    return sorted(took)[len(took) // 2]


def ahead(what: str, starts: fl.Graph, load: float, train: float, cpus: int) -> Overlap:
    """A training loop whose steps take `train` seconds on a device: this process only waits for them."""
    ends: list[float] = []
    with (starts >> fl.read_windows()).iterate(cpus=cpus) as batches:
        for _ in batches:
            ends.append(perf_counter())
            time.sleep(train)
        ends.append(perf_counter())
        wait = batches.stats().chunk_wait
    return Overlap(what, load, train, per_window(ends), wait.mean, wait.p95, wait.longest)


def per_window(ends: Sequence[float]) -> float:
    """Seconds a window, behind the first."""
    return (ends[-1] - ends[1]) / (len(ends) - 2)
