"""The details beside the picture: of the run, and of each stage, as sections of plain values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypedDict

from flowload.observe.figures import clock, count, duration, duration_of, rate, scaled, share, size
from flowload.observe.stats import NetworkStats, RunStats, StageStats
from flowload.printable import printable

from .cells import Cell
from .rails import Rails, Row
from .spell import Spell, consumer

__all__ = ["Section", "run_panel", "stage_panel"]

SHOWN = 14  #: stages of the ledger that are shown whatever they did


class Section(TypedDict):
    """A part of the details.

    `kind` says what `rows` are: "pairs" (name, value, share or -1), "ledger" (stage, out, dropped, held, what
    is missing, why), "lines" (text, "hot" or nothing), "calls" (p50, p95, longest in seconds), "code" (text).
    """

    title: str
    kind: str
    rows: list[list[Any]]


def pairs(title: str, rows: list[list[Any]]) -> Section:
    """Names and values."""
    shown = [
        [printable(str(row[0])), printable(str(row[1])), round(row[2], 3) if len(row) > 2 else -1]
        for row in rows
    ]
    return Section(title=title, kind="pairs", rows=shown)


def run_panel(rails: Rails, spell: Spell) -> list[Section]:
    """Of the whole run."""
    now = spell.now
    sections = []
    if now.outcome is not None and now.outcome.dump:
        lines = [[printable(line), "" if k else "hot"] for k, line in enumerate(now.outcome.dump[:40])]
        sections.append(Section(title="what each thread is at", kind="lines", rows=lines))
    sections.append(pairs("resources", list(resources(rails, spell))))
    sections.append(Section(title="ledger: in = out + dropped + held", kind="ledger", rows=ledger(now)))
    lost = [
        [f"{stage.name}: {reason}", count(number)]
        for stage in now.stages.values()
        for reason, number in stage.dropped.items()
    ]
    sections.append(pairs("dropped, by reason", lost[:40]))
    told = [
        [f"▲ {clock(w.at)} {printable(w.stage)}: {printable(w.what)}", "hot"] for w in reversed(now.warnings)
    ]
    more = now.warned - len(now.warnings)
    if more > 0:
        told.append([f"and {more} earlier", ""])
    sections.append(Section(title="warnings", kind="lines", rows=told))
    return sections


def resources(rails: Rails, spell: Spell) -> Iterator[list[Any]]:
    """What it takes of the machine."""
    now, before = spell.now, spell.before
    if now.new_chunks is not None:
        yield ["new chunks behind the anchor", count(now.new_chunks)]
    if now.memory_rss:
        yield ["memory of the process", size(now.memory_rss)]
    if rails.memory:
        yield ["of the graph at most", size(rails.memory)]
    cpu = max(0.0, (now.cpu_time - (before.cpu_time if before else 0.0)) / spell.seconds)
    yield ["CPU", f"{cpu:.1f} of {now.cpus}", min(1.0, cpu / max(1, now.cpus))]
    read = now.storage_bytes - (before.storage_bytes if before else 0)
    yield ["from storage", f"{size(max(0, int(read / spell.seconds)))}/s"]
    yield from network(spell)
    leased = f"{now.buffers_leased} of {now.buffers_made}, {size(now.buffer_bytes)}"
    yield ["buffers leased", leased]


def network(spell: Spell) -> Iterator[list[Any]]:
    """What came from object stores; nothing where none was asked."""
    now, before = spell.now.network, spell.before.network if spell.before else NetworkStats()
    if not now.requests:
        return
    came = max(0, int((now.bytes - before.bytes) / spell.seconds))
    asked = max(0.0, (now.requests - before.requests) / spell.seconds)
    waited = min(1.0, max(0.0, (now.waiting - before.waiting) / spell.seconds))
    yield ["from the network", f"{size(came)}/s, {asked:.1f} requests/s"]
    yield ["requests so far", f"{count(now.requests)}, {count(now.failures)} failed, {size(now.bytes)}"]
    yield ["stages wait for it", share(waited), waited]


def ledger(now: RunStats) -> list[list[Any]]:
    """A row for each stage; where they are many, those in which something happened."""
    rows = []
    for stage in now.stages.values():
        lost = sum(stage.dropped.values())
        missing = stage.in_ - stage.out - lost - stage.held
        if len(now.stages) <= SHOWN or lost or missing or stage.held:
            numbers = [scaled(stage.out), count(lost), scaled(stage.held)]
            rows.append([printable(stage.name), *numbers, missing, "wrong" if now.finished else "under way"])
    rest = len(now.stages) - len(rows)
    if rest:
        rows.append([f"the other {rest}: in = out", "", "", "", 0, ""])
    return rows


def stage_panel(row: Row, spell: Spell, cell: Cell) -> list[Section]:
    """Of one row."""
    return taker_panel(row, spell, cell) if row.output else list(sections_of(row, spell, cell))


def taker_panel(row: Row, spell: Spell, cell: Cell) -> list[Section]:
    """Of a consumer."""
    taken = consumer(spell.now, row.output)
    passed = spell.now.elapsed or 1e-9
    return [
        pairs(
            f"output {row.output!r}",
            [
                ["batches taken", count(taken.blocks)],
                ["samples taken", count(taken.samples)],
                ["samples/s, now", cell["out"]],
                ["waits now", share(cell["time"][4])],
                ["waited, of the run", f"{duration(taken.wait)}, {share(taken.wait / passed)}"],
            ],
        )
    ]


def sections_of(row: Row, spell: Spell, cell: Cell) -> Iterator[Section]:
    """Of a stage."""
    stage = spell.now.stages[row.name]
    yield Section(title=f"gives {row.gives}", kind="code", rows=[[row.where]])
    yield Section(title="calls", kind="calls", rows=[[stage.p50, stage.p95, stage.longest]])
    yield pairs("", list(calls(stage)))
    work, disk, late, room, _, idle = cell["time"]
    yield pairs(
        "time of its workers",
        [
            ["busy", share(work)],
            ["in a call, for the disk", share(disk)],
            ["for the lock or a CPU", share(late)],
            ["no room behind", share(room)],
            ["no input", share(idle)],
        ],
    )
    yield pairs("samples and bytes", list(flow(row, stage, spell, cell)))
    lost = sum(stage.dropped.values())
    missing = stage.in_ - stage.out - lost - stage.held
    books = f"{stage.in_:,} = {stage.out:,} + {lost:,} + {stage.held:,}"
    state = "✓" if not missing else f"{missing:+,} under way"
    reasons = [[f"dropped: {reason}", count(number)] for reason, number in stage.dropped.items()]
    yield pairs("ledger: in = out + dropped + held", [[books, state], *reasons[:20]])
    gauges = list(gauges_of(stage))
    if gauges:
        yield pairs("gauges", gauges)
    if row.parameters:
        yield pairs("parameters", [list(pair) for pair in row.parameters])


def calls(stage: StageStats) -> Iterator[list[Any]]:
    """How long they take, and where they run."""
    yield ["p50, p95", f"{duration_of(stage.p50)}, {duration_of(stage.p95)}"]
    yield ["longest", duration_of(stage.longest)]
    yield ["calls", count(stage.calls)]
    yield ["running", f"{stage.running} of {stage.workers}, {stage.executor} executor"]


def flow(row: Row, stage: StageStats, spell: Spell, cell: Cell) -> Iterator[list[Any]]:
    """What goes through it."""
    yield ["samples/s out, now", cell["out"]]
    yield ["samples/s out, of the run", rate(stage.out / spell.now.elapsed if spell.now.elapsed else 0.0)]
    yield ["blocks in, out", f"{count(stage.blocks_in)}, {count(stage.blocks_out)}"]
    yield ["bytes in, out", f"{size(stage.bytes_in)}, {size(stage.bytes_out)}"]
    if stage.missing:
        yield ["with missing data, filled", count(stage.missing)]
    for edge in spell.now.edges:
        if edge.target == row.name:
            yield [f"queue from {edge.source}", f"{edge.blocks} of {edge.capacity}, mean {edge.mean:.1f}"]


def gauges_of(stage: StageStats) -> Iterator[list[Any]]:
    """What its operators measure themselves, and its buffers."""
    for name, value in stage.gauges.items():
        whole = name.endswith(("_fill", "pass_done", "_efficiency"))
        told = share(value) if whole else f"{value:,.4g}" if value != int(value) else count(int(value))
        yield [name, told, value if whole and 0 <= value <= 1 else -1.0]
    if stage.leases is not None:
        leases = stage.leases
        part = min(1.0, leases.leased / leases.made) if leases.made else 0.0
        yield ["buffers leased, made", f"{leases.leased}, {leases.made}", part]
        yield ["bytes of those leased", size(leases.bytes)]
