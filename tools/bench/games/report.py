"""The figures as tables that people read, and READMEs show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from tools.bench.measuring.loader import Reading
from tools.bench.measuring.markdown import table
from tools.bench.measuring.others import best_of
from tools.bench.measuring.spread import Spread

from .corpus import Rate
from .memory import Memory
from .rivals import RIVALS

__all__ = ["report"]

SPEED = (
    "",
    "rows/s",
    "least - most",
    "CPUs",
    "of bare kernel",
    "by CPU time",
    "x by sample",
    "x best other",
    "by CPU time",
)
MEMORY = ("readers", "opened", "rows/s", "anonymous before", "more at peak", "private at the end", "PSS")
PACKING = ("packing to bits (--no-sync)", "positions/s", "a CPU second", "x Python")
SLOW = RIVALS[0].name

Readings = Mapping[str, Sequence[Reading]]


def report(
    result: Mapping[str, Any], readings: Readings, packing: Mapping[str, Rate], memory: Sequence[Memory]
) -> str:
    """Everything, in Markdown."""
    absent = [f"Not measured: {name}: {why}." for name, why in result["absent"].items()]
    speeds = table(SPEED, [row(name, readings) for name in readings])
    return "\n\n".join(
        [
            "\n".join(heading(result)),
            "\n\n".join([speeds, *absent]),
            table(PACKING, packed(packing)),
            table(MEMORY, [sizes(each) for each in memory]),
        ]
    )


def heading(result: Mapping[str, Any]) -> Iterator[str]:
    """What the figures are of."""
    machine, settings = result["machine"], result["settings"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items() if number)
    cpus = f"{machine['cpus_used']} CPUs of {machine['cpus_of_machine']}"
    yield f"{cpus} ({machine['cpu']}), {machine['platform']}"
    yield f"Python {machine['python']}, {versions}"
    yield f"{settings['rows']:,} rows or a few more, batch {settings['batch']:,}, shuffled"
    yield f"median of {settings['rounds']} rounds of {settings['seconds']:g} s, everybody in turn"


def row(name: str, readings: Readings) -> tuple[str, ...]:
    """Who makes how much; ratios are of measurements that stood side by side."""
    own = readings[name]
    rows = Spread.of([reading.rows for reading in own])
    kind, _, layout = name.partition(", ")
    roof = readings.get(f"bare kernel, {layout}", ()) if kind == "flowload" else ()
    slow = readings.get(SLOW, ()) if kind == "flowload" else ()
    best = best_other(readings) if kind == "flowload" else ()
    return (
        name,
        f"{rows.median:,.0f}",
        f"{rows.least:,.0f} - {rows.most:,.0f}",
        cores(own),
        percent(ratios([each.rows for each in own], [each.rows for each in roof])),
        percent(ratios([each.thrift for each in own], [each.thrift for each in roof])),
        times(ratios([each.rows for each in own], [each.rows for each in slow])),
        times(ratios([each.rows for each in own], [each.rows for each in best])),
        times(ratios([each.thrift for each in own], [each.thrift for each in best])),
    )


def cores(own: Sequence[Reading]) -> str:
    """CPUs that somebody kept busy, child processes included."""
    known = [reading.cores for reading in own if reading.cores is not None]
    return f"{median(known):.2f}" if known else ""


def best_other(readings: Readings) -> list[Reading]:
    """Round by round, the rival with a gather of its own that made most, in whatever mode."""
    names = best_of(RIVALS[1:])
    others = [readings[name] for name in names if name in readings]
    return [max(found, key=lambda reading: reading.rows) for found in zip(*others, strict=True)]


def ratios(own: Sequence[float | None], others: Sequence[float | None]) -> float | None:
    """The median of the ratios of each round; None: the other was not measured."""
    pairs = [(one, other) for one, other in zip(own, others, strict=False) if one and other]
    return median(one / other for one, other in pairs) if pairs else None


def percent(ratio: float | None) -> str:
    """For tables."""
    return "" if ratio is None else f"{100 * ratio:.0f} %"


def times(ratio: float | None) -> str:
    """For tables."""
    return "" if ratio is None else f"{ratio:,.1f}"


def packed(packing: Mapping[str, Rate]) -> list[tuple[str, ...]]:
    """How fast games become positions; ratios to one Python process, by CPU time: core against core."""
    python = packing["plain Python"]
    return [
        (name, f"{rate.wall:,.0f}", f"{rate.cpu:,.0f}", times(rate.cpu / python.cpu))
        for name, rate in packing.items()
    ]


def sizes(each: Memory) -> tuple[str, ...]:
    """How much memory."""
    return (
        each.name,
        f"{1000 * each.opened:.1f} ms",
        f"{each.rate:,.0f}",
        *(f"{size / 1e6:,.0f} MB" for size in (each.before, each.taken, each.private, each.share)),
    )
