"""The neural benchmark: windows of a recording by everybody in turn, then loading behind training."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from time import perf_counter, process_time
from typing import NamedTuple

from tools.bench.measuring.machine import describe_machine
from tools.bench.measuring.markdown import table
from tools.bench.measuring.spread import Spread

from .overlap import Overlap, overlap
from .recording import Corpus, recording
from .selected import SELECTED, measure_selected, selected_rows
from .window_readers import AHEAD, Read, readers

__all__ = ["NeuralSettings", "measure_neural"]

HEADER = (
    "windows",
    "GB/s",
    "least - most",
    "of bare threads",
    "of the best rival",
    "CPU s/GB",
    "of bare",
    "of the best rival",
)
OVERLAP = ("loading behind training", "load", "train", "together", "speed-up", "wait, mean", "p95", "longest")


class NeuralSettings(NamedTuple):
    """What is measured."""

    rows: int = 49_152
    columns: int = 2048
    size: int = 16_384
    chunk: int = 1024
    windows: int = 6  #: of a measurement
    rounds: int = 5
    cpus: int = 2
    train: float = 0.1  #: seconds


class Reading(NamedTuple):
    """One measurement."""

    speed: float  #: GB/s
    thrift: float  #: CPU seconds a GB


Readings = Mapping[str, Sequence[Reading]]


def measure_neural(settings: NeuralSettings, tell: Callable[[str], None]) -> dict[str, object]:
    """Measure, show, and give everything as JSON values."""
    tell("writing a recording")
    with recording(settings.rows, settings.columns, settings.size, settings.chunk) as corpus:
        codecs = {codec: play(corpus, codec, settings, tell) for codec in ("raw", "zstd")}
        hidden = overlap(corpus, 2 * settings.windows, settings.train, settings.cpus, tell)
    selected = measure_selected(
        settings.rows // 3,
        settings.columns // 2,
        settings.chunk // 2,
        settings.windows,
        settings.rounds,
        settings.cpus,
        tell,
    )
    print(report(codecs, hidden, corpus))
    print(f"\n{table(SELECTED, selected_rows(selected))}")
    return {
        "machine": describe_machine(settings.cpus),
        "settings": settings._asdict(),
        "windows": {
            codec: {name: [reading._asdict() for reading in own] for name, own in readings.items()}
            for codec, readings in codecs.items()
        },
        "selected": selected,
        "overlap": [{**each._asdict(), "speedup": each.speedup} for each in hidden],
    }


def play(
    corpus: Corpus, codec: str, settings: NeuralSettings, tell: Callable[[str], None]
) -> dict[str, list[Reading]]:
    """Measure everybody in turn: what disturbs the machine for a while disturbs all."""
    found: dict[str, list[Reading]] = {name: [] for name in readers()}
    with ExitStack() as stack:
        opened = {
            name: stack.enter_context(reader(corpus, codec, settings.cpus))
            for name, reader in readers().items()
        }
        for number in range(settings.rounds):
            for name, read in opened.items():
                gc.collect()
                read(AHEAD)  # memory is fresh at first, and windows were read while others were measured
                reading = measure(read, settings.windows, corpus.window_bytes)
                found[name].append(reading)
                tell(f"round {number + 1}/{settings.rounds}  {codec}  {reading.speed:6.2f} GB/s  {name}")
    return found


def measure(read: Read, windows: int, nbytes: int) -> Reading:
    """Read some windows."""
    began, cpu = perf_counter(), process_time()
    read(windows)
    seconds, spent = perf_counter() - began, process_time() - cpu
    return Reading(windows * nbytes / seconds / 1e9, spent / (windows * nbytes / 1e9))


def report(codecs: Mapping[str, Readings], hidden: Sequence[Overlap], corpus: Corpus) -> str:
    """Everything, in Markdown."""
    shape = f"{corpus.size:,} x {corpus.columns:,} float32"
    head = f"windows of {shape}, chunks of {corpus.chunk:,} rows, warm cache"
    rows = [row(codec, name, readings) for codec, readings in codecs.items() for name in readings]
    return "\n\n".join([head, table(HEADER, rows), table(OVERLAP, [hiding(each) for each in hidden])])


def row(codec: str, name: str, readings: Readings) -> tuple[str, ...]:
    """One reader's figures; ratios are taken round by round."""
    own, bare = readings[name], readings["bare threads"]
    speed = Spread.of([reading.speed for reading in own])
    rivals = [each for who, each in readings.items() if who not in ("bare threads", "flowload")]
    best = [max(turn, key=lambda reading: reading.speed) for turn in zip(*rivals, strict=True)]
    roof = Spread.of([a.speed / b.speed for a, b in zip(own, bare, strict=True)])
    beats = Spread.of([a.speed / b.speed for a, b in zip(own, best, strict=True)])
    thrift = Spread.of([reading.thrift for reading in own])
    cost = Spread.of([a.thrift / b.thrift for a, b in zip(own, bare, strict=True)])
    beaten = Spread.of([a.thrift / b.thrift for a, b in zip(own, best, strict=True)])
    return (
        f"{codec}, {name}",
        f"{speed.median:.2f}",
        f"{speed.least:.2f} - {speed.most:.2f}",
        f"{100 * roof.median:.0f} %",
        f"{beats.median:.2f} x",
        f"{thrift.median:.3f}",
        f"{cost.median:.2f} x",
        f"{beaten.median:.2f} x",
    )


def hiding(each: Overlap) -> tuple[str, ...]:
    """One way to load."""
    times = (each.load, each.train, each.together)
    waits = (each.wait_mean, each.wait_p95, each.wait_longest)
    return (
        each.what,
        *(f"{1e3 * seconds:.0f} ms" for seconds in times),
        f"{each.speedup:.2f} x",
        *(f"{1e3 * seconds:.2f} ms" for seconds in waits),
    )
