"""The README's figures, measured anew: every benchmark in a process of its own, made one section."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from flowload.errors import FlowloadError
from tools.bench.chess.footprint import Footprint
from tools.bench.measuring.markdown import table
from tools.bench.measuring.others import best_of
from tools.bench.measuring.settings import ROOT

from .games.rivals import RIVALS as GAMES
from .molecules.rivals import RIVALS as MOLECULES

__all__ = ["BEGIN", "END", "measure_figures", "put", "section"]

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
BENCHES = ("chess", "games", "molecules", "neural")
CHESS = (
    "work",
    "bare threads, x zlib",
    "flowload, x zlib",
    "of bare threads",
    "by CPU time",
    "event loop, of a core",
)
WORK = (
    "work",
    "flowload",
    "of the bare kernel",
    "x the best other, in any mode",
    "by CPU time",
    "who that is",
)
APART = (
    "lc0's C++ loader is not run by this command. Measured apart, on two such cores and the same games, with "
    "its malloc tuned and a batch of 256, it made 92 k frames/s, and 103 k with zlib-ng preloaded, where "
    "flowload made 390 to 446 k. Of 3 % of the frames it made 6.5 k, and 17.1 k with zlib-ng, where "
    "flowload made 36.9 k: most of that lead is zlib-ng."
)

Result = Mapping[str, Any]


def measure_figures(rounds: int, readme: Path | None, *, quick: bool, tell: Callable[[str], None]) -> str:
    """Run every benchmark, and give the section; with a README, put it between its marks."""
    with TemporaryDirectory() as folder:
        results = {name: run(name, rounds, Path(folder), quick=quick, tell=tell) for name in BENCHES}
    made = section(results, rounds)
    if readme is not None:
        readme.write_text(put(readme.read_text(encoding="utf-8"), made), encoding="utf-8")
    return made


def run(name: str, rounds: int, folder: Path, *, quick: bool, tell: Callable[[str], None]) -> Result:
    """What a benchmark says in JSON. Raises CalledProcessError if it fails."""
    tell(f"=== {name}")
    sheet = folder / f"{name}.json"
    words = [name, "--rounds", str(rounds), "--json", str(sheet), *(["--quick"] if quick else [])]
    command = [sys.executable, str(ROOT / "tools/bench"), *words]
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    found: Result = json.loads(sheet.read_text(encoding="utf-8"))
    return found


def put(text: str, made: str) -> str:
    """A text with another section between its marks. Raises FlowloadError where there are none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, behind = rest.partition(END)
    if not begin or not end:
        raise FlowloadError(f"no section to write to: wanted {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{made}\n{END}{behind}"


def section(results: Mapping[str, Result], rounds: int) -> str:
    """All figures."""
    machine = results["chess"]["machine"]
    head = (
        f"`python tools/bench figures --rounds {rounds}`, on {machine['cpus_used']} CPUs ({machine['cpu']}). "
        "Everybody in turn, medians. Ratios are of measurements that stood side by side: they carry over to "
        "other machines better than what a machine makes in a second."
    )
    rows = [*games(results["games"]), *molecules(results["molecules"]), *recordings(results["neural"])]
    parts = [
        lines(head),
        table(CHESS, list(chess(results["chess"]["rows"]))),
        lines(best_of_chess(results["chess"]["rows"])),
        lines(APART),
        table(WORK, rows),
        "\n".join(lines(f"- {each}", indent="  ") for each in also(results)),
    ]
    return "\n\n".join(parts)


def lines(text: str, indent: str = "") -> str:
    """Prose as the README has it."""
    return textwrap.fill(text, 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def chess(rows: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    """Each work by bare threads and by flowload."""
    known = {row["name"]: row for row in rows}
    for name, row in known.items():
        who, _, work = name.partition(", ")
        bare = known.get(f"bare threads, {work.partition(', to_device')[0]}")
        if who == "flowload" and bare is not None:
            yield (
                work,
                f"{bare['yardstick']['median']:.2f}",
                f"{row['yardstick']['median']:.2f}",
                percent(row["roofline"]["median"]),
                percent(row["efficiency"]["median"]),
                f"{100 * row['loop']:.1f} %",
            )


def best_of_chess(rows: Sequence[Result]) -> str:
    """The best of the others that does all itself, and the best with our kernels inside."""
    own = next(row for row in rows if row["group"] == "graph")
    others = [row for row in rows if row["group"] == "rival"]
    if not others:
        return "Other loaders were not measured."
    told = []
    for ours, what in ((False, "of the other loaders"), (True, "of those with our kernels inside")):
        best = max(
            (row for row in others if row["name"].endswith("our kernels") is ours),
            key=lambda row: row["frames"]["median"],
        )
        told.append(
            f"the best {what}, in any mode, is {best['name'].rpartition(', ')[0]}: flowload makes"
            f" {ratio(own['rounds'], best['rounds']):.1f} x as much,"
            f" {ratio(own['thrift'], best['thrift']):.1f} x by CPU time"
        )
    return f"With every frame, {'; '.join(told)}."


def games(result: Result) -> Iterator[tuple[str, ...]]:
    """Positions, from packed bits and from bytes."""
    for layout, what in (("bits", "games: boards of 193 from packed bits"), ("uint8", "the same from bytes")):
        roof = f"bare kernel, {layout}"
        yield beside(what, result, f"flowload, {layout}", roof, best_of(GAMES))


def molecules(result: Result) -> Iterator[tuple[str, ...]]:
    """Padded molecules."""
    yield beside("molecules: padded, pair indices", result, "flowload", "bare kernel", best_of(MOLECULES))


def beside(what: str, result: Result, own: str, roof: str, rivals: Sequence[str]) -> tuple[str, ...]:
    """A row of rows a second."""
    rows, thrift = result["rows"], result["thrift"]
    known = [name for name in rivals if name in rows]
    best = max(known, key=lambda name: median(rows[name]), default=None)
    return (
        what,
        f"{median(rows[own]) / 1e6:.1f} M/s",
        percent(ratio(rows[own], rows[roof])),
        "" if best is None else f"{ratio(rows[own], rows[best]):.1f}",
        "" if best is None else f"{ratio(thrift[own], thrift[best]):.1f}",
        best or "not measured",
    )


def recordings(result: Result) -> Iterator[tuple[str, ...]]:
    """Windows."""
    for codec, what in (("raw", "recordings: raw windows"), ("zstd", "recordings: windows of zstd")):
        readings = result["windows"][codec]
        speed = {name: [each["speed"] for each in found] for name, found in readings.items()}
        cost = {name: [each["thrift"] for each in found] for name, found in readings.items()}
        best = max(set(speed) - {"flowload", "bare threads"}, key=lambda name: median(speed[name]))
        yield (
            what,
            f"{median(speed['flowload']):.1f} GB/s",
            percent(ratio(speed["flowload"], speed["bare threads"])),
            f"{ratio(speed['flowload'], speed[best]):.1f}",
            f"{ratio(cost[best], cost['flowload']):.1f}",
            best,
        )


def also(results: Mapping[str, Result]) -> Iterator[str]:
    """What has no table."""
    first = results["chess"]["first_batch"]
    alone = first["import torch, and nothing else"]["median"]
    yield (
        f"A fresh process has its first batch in {first['first batch']['median'] / alone:.1f} x the time of "
        f'`import torch` alone, with `to_device("cpu")` in {first[DEVICE]["median"] / alone:.1f} x.'
    )
    ratios = [Footprint(**each).ratio for each in results["chess"]["memory"]]
    yield f"Peak memory of the chess runs is {min(ratios):.2f} to {max(ratios):.2f} of `graph.memory()`."
    large = results["games"]["memory"][1]
    yield (
        f"{large['rows'] / 1e6:,.0f} M packed positions are opened in {1000 * large['opened']:.0f} ms and "
        f"streamed in {(large['peak'] - large['before']) / 1e6:,.0f} MB beyond the imports."
    )
    packed = results["games"]["packing"]
    times = packed["flowload"]["cpu"] / packed["plain Python"]["cpu"]
    yield f"Games are replayed and packed {times:.0f} x as fast as by plain Python, by CPU time."
    far = results["neural"]["overlap"][0]
    yield (
        f"100 ms of loading behind 100 ms of training: {far['speedup']:.2f} x one after the other, "
        f"{1000 * far['wait_mean']:.1f} ms of waiting a window."
    )


DEVICE = 'first batch, to_device("cpu")'


def ratio(own: Sequence[float | None], others: Sequence[float | None]) -> float:
    """The median of the ratios of each round."""
    return median(one / other for one, other in zip(own, others, strict=True) if one and other)


def percent(share: float) -> str:
    """For tables."""
    return f"{100 * share:.0f} %"
