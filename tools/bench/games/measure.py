"""The games benchmark: packing, then everybody's batches in turn, then memory of large sets."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.bench.measuring.machine import describe_machine
from tools.bench.measuring.others import rivals_of
from tools.bench.measuring.turns import chosen, play

from .corpus import Corpus, pack
from .loaders import bare, flowload
from .memory import Memory, read_by
from .python_replay import python_rate
from .report import report
from .rivals import RIVALS
from .settings import Settings

__all__ = ["measure_games"]

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
        others, absent = rivals_of(RIVALS, __package__, corpus, settings) if settings.rivals else ([], {})
        readings = play(chosen([*own, *others], settings), settings, tell, "rows", attrgetter("rows"))
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
