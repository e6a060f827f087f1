"""Three runs that are slow for three reasons, and what the verdict says of each before and after its remedy.

    python examples/slow_stage.py disk          rows in random order, of a file that is not in memory
    python examples/slow_stage.py lock          a map in pure Python, which holds the interpreter's lock
    python examples/slow_stage.py trainer       a training loop that takes longer than its batches

Each is explained in docs/howto/slow-stage.md. `disk` writes a file of 1 GiB once, and asks the system to
forget what it keeps of it in memory.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

import flowload as fl
from flowload.formats.rows import NpyRows
from flowload.observe.verdict import Verdict, judge

WIDTH = 1024  #: float32 numbers of a row
BATCHES = 10  #: before it is looked at: the run has begun


class Case(NamedTuple):
    """A run."""

    name: str
    graph: fl.Graph
    train: float = 0.0  #: seconds that the loop takes for a batch


def disk(folder: Path, rows: int) -> Iterator[Case]:
    """The same file twice: from storage, and from memory where it fits."""
    path = folder / "slow_stage.npy"
    if not path.exists() or path.stat().st_size < rows * WIDTH * 4:
        draft = path.with_name(f".partial.{path.name}")
        written = np.lib.format.open_memmap(draft, "w+", np.float32, (rows, WIDTH))
        for start in range(0, rows, 8192):
            written[start : start + 8192] = start
        written.flush()
        del written  # what is mapped is not forgotten
        draft.rename(path)
    graph = fl.rows(NpyRows(path)) >> fl.shuffle() >> fl.batch(64)
    forget(path)
    yield Case("rows in random order, from storage", graph)
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass
    yield Case("the same, read into memory before", graph)


def forget(path: Path) -> None:
    """Have the system forget what it keeps of a file, where it can be asked to."""
    if not hasattr(os, "posix_fadvise"):
        return
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def in_python(batch: dict[str, Any]) -> dict[str, Any]:
    """Clip every number, one by one: the lock is held all the time."""
    x = batch["x"]
    values = [min(max(value, -1.0), 1.0) for value in x.ravel().tolist()]
    return {"x": np.array(values, np.float32).reshape(x.shape)}


def in_numpy(batch: dict[str, Any]) -> dict[str, Any]:
    """The same without the lock."""
    return {"x": np.clip(batch["x"], -1.0, 1.0)}


def arrays() -> fl.Graph:
    """Batches of numbers in memory."""
    x = np.random.default_rng(0).standard_normal((4096, WIDTH)).astype(np.float32)
    return fl.rows({"x": x}) >> fl.shuffle() >> fl.batch(16)


def lock() -> Iterator[Case]:
    """A map in Python, with two threads that take turns; and in numpy."""
    yield Case("a map in pure Python, two workers", arrays() >> fl.map(in_python, workers=2))
    yield Case("the same in numpy", arrays() >> fl.map(in_numpy, workers=2))


def trainer() -> Iterator[Case]:
    """A loop that is slower than its batches, and one that is not."""
    yield Case("a training loop of 20 ms a batch", arrays(), train=0.02)
    yield Case("one of 0.02 ms a batch", arrays(), train=0.00002)


def verdict_of(case: Case, seconds: float) -> Verdict | None:
    """What limited a run of so many seconds."""
    with case.graph.iterate(epochs=None) as batches:
        warm, began = None, perf_counter()
        for number, _ in enumerate(batches):
            until = perf_counter() + case.train
            while perf_counter() < until:  # a loop that computes; in numpy, so without the lock
                np.add.reduce(np.ones(4096))
            if number == BATCHES:
                warm, began = batches.stats(), perf_counter()
            if warm is not None and perf_counter() - began > seconds:
                break
        return judge(batches.stats(), warm)


def told(case: Case, verdict: Verdict | None) -> str:
    """One line."""
    if verdict is None or verdict.short:
        return f"{case.name}: too short to tell"
    limit, then = verdict.limit, verdict.then
    by = "" if limit.kind == "consumer" else f", above all {limit.who!r}"
    return (
        f"{case.name}: {verdict.rate:,.0f} samples/s; the limit is the {limit.kind}{by},"
        f" {limit.used:.0%} used; twice as fast, the whole would give {verdict.gain:.1f} x as much,"
        f" then the {then.kind} limits"
    )


def main(args: Sequence[str] | None = None) -> int:
    """Run a case before and after its remedy, and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", choices=["disk", "lock", "trainer"])
    parser.add_argument("--seconds", type=float, default=4.0, help="of each run")
    parser.add_argument("--folder", type=Path, default=Path(), help="where `disk` writes its file")
    parser.add_argument("--rows", type=int, default=1 << 18, help="of 4 KiB, in that file")
    given = parser.parse_args(args)
    cases = {"lock": lock(), "trainer": trainer(), "disk": disk(given.folder, given.rows)}
    for case in cases[given.case]:
        sys.stdout.write(told(case, verdict_of(case, given.seconds)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
