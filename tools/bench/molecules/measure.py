"""The molecules benchmark: everybody's batches in turn, then opening and reading a large set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.bench.measuring.child import finish, started, told
from tools.bench.measuring.loader import Reading
from tools.bench.measuring.machine import describe_machine
from tools.bench.measuring.markdown import table
from tools.bench.measuring.others import best_of, rivals_of
from tools.bench.measuring.spread import Spread
from tools.bench.measuring.turns import chosen, play

from .corpus import LARGEST, SMALLEST, Corpus, write_molecules
from .loaders import bare, flowload
from .neighbours import measure_neighbours, neighbours_in_words
from .rivals import RIVALS
from .settings import Settings
from .shapes import shaped

__all__ = ["measure_molecules"]

Tell = Callable[[str], None]
Readings = Mapping[str, Sequence[Reading]]

HEADINGS = ("", "molecules/s", "least - most", "flowload is x times", "by CPU time", "CPUs")
OWN = "flowload"
BUCKET = 4096  #: of batches that are padded to their own largest


def measure_molecules(settings: Settings, tell: Tell) -> dict[str, object]:
    """Measure, show, and give everything as JSON values."""
    with TemporaryDirectory() as name:
        corpus = write_molecules(Path(name) / "set", settings.rows, settings.num_atoms)
        loaders = [
            flowload(corpus, settings),
            flowload(corpus, settings, device="cpu"),
            flowload(corpus, settings, bucket=BUCKET),
            *shaped(corpus, settings),
            bare(corpus, settings, bundles=False),
            bare(corpus, settings, bundles=True),
        ]
        others, absent = rivals_of(RIVALS, __package__, corpus, settings) if settings.rivals else ([], {})
        readings = play(
            chosen([*loaders, *others], settings), settings, tell, "molecules", attrgetter("rows")
        )
        large = write_molecules(Path(name) / "many", settings.many, settings.num_atoms)
        memory = read_large(large, settings)
    neighbours = {} if settings.only else measure_neighbours(settings)
    result: dict[str, object] = {
        "machine": describe_machine(settings.cpus),
        "settings": settings.as_json(),
        "rows": {who: [reading.rows for reading in found] for who, found in readings.items()},
        "thrift": {who: [reading.thrift for reading in found] for who, found in readings.items()},
        "memory": memory,
        "neighbours": neighbours,
        "absent": absent,
    }
    print(report(readings, memory, settings))
    if neighbours:
        print(f"\n{neighbours_in_words(neighbours)}")
    return result


def read_large(corpus: Corpus, settings: Settings) -> dict[str, float]:
    """What a process of its own tells of a large set."""
    order = {"folder": str(corpus.folder), "batch": settings.batch, "cpus": settings.cpus}
    child = started("tools.bench.molecules.memory_child", {**order, "num_atoms": corpus.num_atoms})
    found: dict[str, float] = told(child)
    finish(child)
    return found


def report(readings: Readings, memory: Mapping[str, float], settings: Settings) -> str:
    """The figures as people read them, in Markdown."""
    own = readings.get(OWN, ())
    rows = [in_words(who, found, own) for who, found in readings.items()]
    taken = (memory["peak"] - memory["before"]) / 1e6
    return "\n\n".join(
        [
            f"{settings.rows:,} molecules of {SMALLEST} to {LARGEST} atoms, batch {settings.batch}, padded "
            f"to {settings.num_atoms}, PhysNet with pairs; {settings.cpus} CPUs; "
            f"median of {settings.rounds} rounds",
            table(HEADINGS, rows),
            best_in_words(readings, own),
            f"With bucket({BUCKET}), batches are padded to their own largest molecule, with pairs of one;"
            " with slots, to the smallest that holds it.",
            f"{memory['molecules']:,.0f} molecules: opened in {memory['opened'] * 1000:.1f} ms, read once at "
            f"{memory['rate']:,.0f}/s in buckets; {taken:,.0f} MB of anonymous memory more at the peak",
        ]
    )


def in_words(who: str, found: Sequence[Reading], own: Sequence[Reading]) -> tuple[str, ...]:
    """One contender; ratios are taken round by round."""
    rows = Spread.of([reading.rows for reading in found])
    times = [mine.rows / other.rows for mine, other in zip(own, found, strict=False)]
    thrift = [
        (mine.thrift or 0) / other.thrift for mine, other in zip(own, found, strict=False) if other.thrift
    ]
    return (
        who,
        f"{rows.median:,.0f}",
        f"{rows.least:,.0f} - {rows.most:,.0f}",
        f"{Spread.of(times).median:.2f}" if times else "",
        f"{Spread.of(thrift).median:.2f}" if thrift else "",
        f"{Spread.of([reading.cores or 0 for reading in found]).median:.2f}",
    )


def best_in_words(readings: Readings, own: Sequence[Reading]) -> str:
    """Who of the others made most, in whatever mode, and what that is to flowload."""
    others = {name: readings[name] for name in best_of(RIVALS) if name in readings}
    if not others or not own:
        return "The others were not measured."
    name = max(others, key=lambda who: Spread.of([reading.rows for reading in others[who]]).median)
    times, thrift = in_words(name, others[name], own)[3:5]
    return f"The best of the others is '{name}': flowload makes {times} x as much, {thrift} x by CPU time."
