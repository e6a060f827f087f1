"""The molecules benchmark: everybody's batches in turn, then opening and reading a large set."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.bench.games.loaders import Batches, Loader, Reading, watched
from tools.bench.machine import describe_machine
from tools.bench.markdown import table
from tools.bench.settings import ROOT
from tools.bench.spread import Spread

from .corpus import LARGEST, SMALLEST, Corpus, write_molecules
from .loaders import bare, flowload, loop
from .settings import Settings

__all__ = ["measure_molecules", "play"]

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
            bare(corpus, settings, bundles=False),
            bare(corpus, settings, bundles=True),
        ]
        if settings.rivals:
            loaders += [loop(corpus, settings), torch_loader(corpus, settings)]
        wanted = [
            each for each in loaders if not settings.only or any(word in each.name for word in settings.only)
        ]
        readings = play(wanted, settings, tell)
        large = write_molecules(Path(name) / "many", settings.many, settings.num_atoms)
        memory = read_large(large, settings)
    result: dict[str, object] = {
        "machine": describe_machine(settings.cpus),
        "settings": settings.as_json(),
        "rows": {who: [reading.rows for reading in found] for who, found in readings.items()},
        "thrift": {who: [reading.thrift for reading in found] for who, found in readings.items()},
        "memory": memory,
    }
    print(report(readings, memory, settings))
    return result


def torch_loader(corpus: Corpus, settings: Settings) -> Loader:
    """Its module imports torch."""

    @contextmanager
    def start() -> Iterator[Batches]:
        from .rival_torch import open_loader  # noqa: PLC0415 - imports torch

        with open_loader(corpus, settings) as batches:
            yield batches

    return watched("DataLoader, pad-collate", "rival", start)


def play(loaders: Sequence[Loader], settings: Settings, tell: Tell) -> dict[str, list[Reading]]:
    """Measure everybody in turn, A B C A B C: what disturbs the machine for a while disturbs all."""
    readings: dict[str, list[Reading]] = {loader.name: [] for loader in loaders}
    for number in range(settings.rounds):
        for loader in loaders:
            gc.collect()  # what the one before left is not this one's work
            reading = loader.measure(settings.window)
            readings[loader.name].append(reading)
            tell(f"round {number + 1}/{settings.rounds}  {reading.rows:>11,.0f} molecules/s  {loader.name}")
    return readings


def read_large(corpus: Corpus, settings: Settings) -> dict[str, float]:
    """What a process of its own tells of a large set."""
    order = {"folder": str(corpus.folder), "batch": settings.batch, "cpus": settings.cpus}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tools.bench.molecules.memory_child",
            json.dumps({**order, "num_atoms": corpus.num_atoms}),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
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
            f"With bucket({BUCKET}), batches are padded to their own largest molecule, with pairs of one.",
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
        f"{Spread.of(thrift).median:.2f}" if thrift and "DataLoader" not in who else "",
        f"{Spread.of([reading.cores or 0 for reading in found]).median:.2f}",
    )
