"""The figures as tables that people read, and READMEs show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.bench.measuring.markdown import table
from tools.bench.measuring.spread import Spread

from .footprint import Footprint
from .rounds import Row

__all__ = ["report"]

RATES = (
    "",
    "frames/s",
    "least - most",
    "MB/s inflated",
    "x zlib",
    "of bare threads",
    "by CPU time",
    "CPUs",
    "event loop",
    "buffers, new",
)
TIMES = ("fresh process, warm caches", "seconds", "least - most")
CPP = "lc0's C++ loader, measured apart on two such cores: 0.61 - 0.72 x zlib at rate 1, 1.5 x at rate 0.03."
MEMORY = ("fresh process", "peak over imports", "graph.memory()", "ratio", "growth in second half")


def report(
    result: Mapping[str, Any], rows: Sequence[Row], first: Mapping[str, Spread], memory: Sequence[Footprint]
) -> str:
    """Everything, in Markdown."""
    absent = [f"\nNot measured: {name}: {why}." for name, why in result["absent"].items()]
    parts = [
        "\n".join(heading(result)),
        table(RATES, [in_words(row) for row in rows]) + "".join(absent),
        CPP,
        table(
            TIMES, [(name, f"{s.median:.2f}", f"{s.least:.2f} - {s.most:.2f}") for name, s in first.items()]
        ),
        table(MEMORY, [sizes(each) for each in memory]),
    ]
    return "\n\n".join(parts)


def heading(result: Mapping[str, Any]) -> Iterator[str]:
    """What the figures are of."""
    machine, settings, data = result["machine"], result["settings"], result["data"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items() if number)
    cpus = f"{machine['cpus_used']} CPUs of {machine['cpus_of_machine']}"
    yield f"{cpus} ({machine['cpu']}), {machine['platform']}"
    yield f"Python {machine['python']}, {versions}"
    yield f"{data['chunks']} games, {data['frames']:,} frames, {data['bytes'] / 1e6:,.0f} MB decompressed"
    yield f"batch {settings['batch']}, reservoir {settings['reservoir']:,}"
    yield f"median of {settings['rounds']} rounds of {settings['seconds']:g} s, everybody in turn"


def in_words(row: Row) -> tuple[str, ...]:
    """Who makes how much."""
    return (
        row.name,
        f"{row.frames.median:,.0f}",
        f"{row.frames.least:,.0f} - {row.frames.most:,.0f}",
        f"{row.inflated.median / 1e6:,.0f}",
        "" if row.yardstick is None else f"{row.yardstick.median:.2f}",
        "" if row.roofline is None else f"{100 * row.roofline.median:.0f} %",
        "" if row.efficiency is None else f"{100 * row.efficiency.median:.0f} %",
        "" if row.cores is None else f"{row.cores:.2f}",
        "" if row.loop is None else f"{100 * row.loop:.1f} %",
        "" if row.buffer_bytes is None else f"{row.buffer_bytes / 1e6:.0f} MB, {row.made}",
    )


def sizes(each: Footprint) -> tuple[str, ...]:
    """How much memory, in fact and as the graph says."""
    return (
        each.name,
        f"{each.taken / 1e6:,.1f} MB",
        f"{each.estimate / 1e6:,.1f} MB",
        f"{each.ratio:.2f}",
        f"{each.growth / 1e6:+,.1f} MB",
    )
