"""The games benchmark: packing, then everybody's batches in turn, then memory of large sets."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.bench.machine import describe_machine

from .corpus import Corpus, pack
from .loaders import Loader, Reading, bare, flowload
from .memory import Memory, read_by
from .python_replay import python_rate
from .report import report
from .rivals import rivals
from .settings import Settings

__all__ = ["measure_games", "play"]

LAYOUTS = ("bits", "uint8")
READERS = 4
PART = 10  #: the large set beside one of its tenth: memory must not depend on the size

Tell = Callable[[str], None]


def measure_games(settings: Settings, tell: Tell) -> dict[str, object]:
    """Measure, show, and give everything as JSON values."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        corpus, _ = pack(folder / "million", settings.rows, LAYOUTS, settings.cpus)
        own = [make(corpus, settings, layout) for layout in LAYOUTS for make in (bare, flowload)]
        others, absent = rivals(corpus, settings) if settings.rivals else ([], {})
        readings = play(chosen([*own, *others], settings), settings, tell)
        python = python_rate(settings.seconds)
        large, rates = pack(folder / "many", settings.many, ("bits",), settings.cpus)
        memory = measure_memory(folder, large, settings, tell)
    packing = {"flowload": rates["bits"], "plain Python": python}
    result: dict[str, object] = {
        "machine": describe_machine(settings.cpus),
        "settings": settings.as_json(),
        "rows": {name: [reading.rows for reading in found] for name, found in readings.items()},
        "thrift": {name: [reading.thrift for reading in found] for name, found in readings.items()},
        "absent": absent,
        "packing": {name: rate._asdict() for name, rate in packing.items()},
        "memory": [each._asdict() for each in memory],
    }
    print(report(result, readings, packing, memory))
    return result


def chosen(loaders: Sequence[Loader], settings: Settings) -> list[Loader]:
    """Those that were asked for."""
    return [
        loader
        for loader in loaders
        if not settings.only or any(word in loader.name for word in settings.only)
    ]


def play(loaders: Sequence[Loader], settings: Settings, tell: Tell) -> dict[str, list[Reading]]:
    """Measure everybody in turn, A B C A B C: what disturbs the machine for a while disturbs all."""
    readings: dict[str, list[Reading]] = {loader.name: [] for loader in loaders}
    for number in range(settings.rounds):
        for loader in loaders:
            gc.collect()  # what the one before left is not this one's work
            reading = loader.measure(settings.window)
            readings[loader.name].append(reading)
            tell(f"round {number + 1}/{settings.rounds}  {reading.rows:>11,.0f} rows/s  {loader.name}")
    return readings


def measure_memory(folder: Path, large: Corpus, settings: Settings, tell: Tell) -> list[Memory]:
    """One reader of a tenth, one of all, several of all."""
    small, _ = pack(folder / "tenth", settings.many // PART, ("bits",), settings.cpus)
    found = [
        read_by(processes, corpus.folders["bits"], len(corpus.order), settings)
        for processes, corpus in ((1, small), (1, large), (READERS, large))
    ]
    for each in found:
        tell(f"memory {each.taken / 1e6:,.0f} MB more at the peak  {each.name}")
    return found
