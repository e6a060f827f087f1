"""Whether what was page-locked is released: after errors, without memory, after short runs."""

from __future__ import annotations

import gc
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch

import flowload as fl

from .bench import Bench
from .findings import Finding
from .spies import process_facts

__all__ = ["cycles", "failure", "memory_full"]

RUNS = 10  #: that fail, and that follow: a driver refuses to lock memory twice that was not released
WARM = 20  #: cycles before the first count of memory


def outcome(act: Callable[[], object]) -> str:
    """How it ended, in a word or a line."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the finding tells
        return f"{type(error).__name__}: {str(error).splitlines()[0][:300]}"
    return "well"


def consume(graph: fl.Graph, seed: int, keep: list[Any] | None = None) -> None:
    """All of it; `keep` gets every batch."""
    with graph.iterate(seed=seed) as run:
        for batch in run:
            if keep is not None:
                keep.append(batch)


def failure(bench: Bench) -> Iterator[Finding]:
    """A user's map raises with a page-locked batch in its frame, again and again; then runs must be well."""

    def bad(batch: Any) -> Any:
        if batch["n"].min() < len(bench.host) // 2:
            raise ValueError("the user's own")
        return batch

    loaded = bench.loaded()
    failing = bench.source() >> fl.map(bad) >> fl.to_device(bench.device)
    ends = Counter(outcome(partial(consume, failing, k)) for k in range(RUNS))
    after = Counter(outcome(partial(consume, loaded, k)) for k in range(RUNS))
    gc.collect()
    ok = "well" not in ends and set(after) == {"well"} and not bench.locks.count
    facts = {"failing": dict(ends), "after": dict(after), "page locks left": bench.locks.count}
    yield Finding("runs after a map that raises", ok, facts | process_facts("VmLck", "VmPin"))


def memory_full(bench: Bench) -> Iterator[Finding]:
    """The card runs out of memory in a copy: an error, and afterwards runs as before."""
    if not bench.card.real:
        yield Finding("out of memory in a copy: only a card can tell", None)
        return
    bench.card.forget_peaks()
    _ = bench.there
    total = torch.cuda.mem_get_info(bench.card.device)[1]
    room = 10 * bench.batch_bytes  # for two of the batches below
    held: list[Any] = []
    torch.cuda.set_per_process_memory_fraction((bench.card.reserved + room) / total, bench.card.device)
    try:
        word = outcome(lambda: consume(bench.loaded(4 * bench.sizes.batch), 1, held))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, bench.card.device)
    held.clear()
    bench.card.forget_peaks()
    wrong = bench.wrong(bench.loaded())
    gc.collect()
    ok = "OutOfMemory" in word and not any(wrong) and not bench.locks.count
    facts = {"first": word, "then": wrong._asdict(), "page locks left": bench.locks.count}
    yield Finding("out of memory in a copy, then a run", ok, facts)


def cycles(bench: Bench) -> Iterator[Finding]:
    """Runs that are left after a batch or three: nothing may stay of them."""
    graph, threads = bench.loaded(), threading.active_count()
    reserved, before = 0, {}
    for number in range(bench.sizes.cycles):
        run = graph.iterate(seed=number)
        with run if number % 3 else nullcontext():  # every third is left to whoever collects garbage
            for seen, _ in enumerate(run):
                if seen >= number % 4:
                    break
        del run
        if number == WARM:
            gc.collect()
            reserved, before = bench.card.reserved, process_facts("VmRSS", "VmPin")
    gc.collect()
    bench.card.wait()
    now = bench.card.reserved
    facts = {
        "runs": bench.sizes.cycles,
        "page locks left": bench.locks.count,
        "threads": f"{threads} -> {threading.active_count()}",
        "reserved MB": f"{reserved / 1e6:.0f} -> {now / 1e6:.0f}",
        "before": before,
        "after": process_facts("VmRSS", "VmPin"),
    }
    ok = not bench.locks.count and threading.active_count() <= threads and now <= reserved + 2**21
    yield Finding(f"{bench.sizes.cycles} runs opened and left", ok, facts)
