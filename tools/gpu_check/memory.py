"""How much memory: of a consumer that is slow and never waits, and of windows that nearly fill a card."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import flowload as fl

from .bench import Bench
from .findings import Finding
from .spies import late_copies, process_facts

__all__ = ["ahead", "windows"]

GB = 1e9
LIMIT = 8 * GB  #: what current and next window of the full size must fit into, with the work on them
AHEAD = 30  #: batches on the card at most, for a consumer that holds one
STEPS = 8  #: rows from a sample to what it is to predict
CHUNK = 4096  #: rows of the recording that are written at once


def ahead(bench: Bench) -> Iterator[Finding]:
    """Kernels that take longer than copies: copies must not run ahead for ever."""
    size, graph = bench.batch_bytes, bench.loaded()
    said, tops = graph.memory()["to_device"] / size, []
    for count in (bench.sizes.steps, 3 * bench.sizes.steps):
        bench.card.forget_peaks()
        bench.locks.forget_peak()
        beside = bench.card.reserved
        for batch in bench.steps(graph, count, work=5.0):
            batch["x"].sum()
        bench.card.wait()
        allocated, reserved = bench.card.peaks()
        tops.append((reserved - beside) / size)
        facts = {
            "reserved batches": round(tops[-1], 1),
            "allocated MB": round(allocated / 1e6, 1),
            "page-locked batches": round(bench.locks.peak / size, 1),
        }
        yield Finding(f"copies ahead of {count} slow steps", tops[-1] < AHEAD, facts)
    found: dict[str, Any] = {"batches": [round(top, 1) for top in tops], "said": round(said, 1)}
    yield Finding("more steps take no more memory", tops[1] <= max(tops[0] + 2, 1.1 * said), found)


def recording(bench: Bench) -> str:
    """A recording of five halves of a window, row k of which begins with k; written once."""
    import zarr  # noqa: PLC0415 - of this check alone

    rows, neurons = bench.sizes.window_rows, bench.sizes.neurons
    folder = bench.folder / f"recording_{rows}_{neurons}"
    path = folder / "timeseries.zarr"
    done = folder / "complete"
    if done.exists():
        return str(path)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    total = rows * 5 // 2
    array: Any = zarr.create_array(
        str(path), shape=(total, neurons), chunks=(CHUNK, neurons), dtype="float32", compressors=None
    )
    block = np.random.default_rng(0).standard_normal((CHUNK, neurons), dtype=np.float32)
    for begin in range(0, total, CHUNK):
        end = min(begin + CHUNK, total)
        block[:, 0] = np.arange(begin, begin + CHUNK)
        array[begin:end] = block[: end - begin]
    done.touch()
    return str(path)


def room(bench: Bench) -> str | None:
    """Why the windows of this size cannot be tried here; None: they can."""
    window = bench.sizes.window_rows * bench.sizes.neurons * 4
    free = shutil.disk_usage(bench.folder).free
    if free < 3 * window:
        return f"{bench.folder} has {free / GB:.0f} GB free, and the recording takes {2.5 * window / GB:.0f}"
    if bench.card.real:
        left = torch.cuda.mem_get_info(bench.card.device)[0]
        if left < 2.5 * window:
            return f"the card has {left / GB:.1f} GB free, and two windows take {2 * window / GB:.1f}"
    return None


def values_of(batch: Any) -> Any:
    """The window of a batch of `sample_within`: what is neither its numbers nor its begin."""
    return next(batch[name] for name in batch if name not in ("index", "start"))


def windows(bench: Bench) -> Iterator[Finding]:
    """Two windows on the card, and no third: with the work on them in 8 GB, as estimated, run after run."""
    if (reason := room(bench)) is not None:
        yield Finding(f"windows were not tried: {reason}", None)
        return
    began = time.perf_counter()
    path = recording(bench)
    yield Finding("recording", None, {"s": round(time.perf_counter() - began, 1), "at": Path(path).parent})
    yield from sampled(bench, path)
    graph = fl.windows(path, bench.sizes.window_rows, count=3) >> fl.to_device(bench.device)
    graph = graph >> fl.sample_within(64, steps=STEPS, per_window=max(1, bench.sizes.per_window // 4))
    with late_copies(bench.card, 50.0):
        wrong, batches = walk(bench, graph, 1, None)
    facts = {"elements": wrong, "batches": batches}
    yield Finding("suspect: windows >> to_device >> sample_within", not wrong and batches > 0, facts)


def sampled(bench: Bench, path: str) -> Iterator[Finding]:
    """Three runs of samples within windows."""
    window = bench.sizes.window_rows * bench.sizes.neurons * 4
    graph = fl.windows(path, bench.sizes.window_rows, count=6)
    graph = (
        graph
        >> fl.sample_within(64, steps=STEPS, per_window=bench.sizes.per_window)
        >> fl.to_device(bench.device)
    )
    weights = torch.randn(bench.sizes.neurons, 64, device=bench.card.device)
    bench.card.forget_peaks()
    bench.locks.forget_peak()
    beside, estimate = bench.card.reserved, graph.memory()
    for number in range(3):
        began = time.perf_counter()
        wrong, batches = walk(bench, graph, number, weights)
        reserved = bench.card.peaks()[1] - beside
        facts: dict[str, Any] = {
            "elements": wrong,
            "batches": batches,
            "window GB": round(window / GB, 2),
            "reserved windows": round(reserved / window, 2),
            "page-locked windows": round(bench.locks.peak / window, 2),
            "seconds": round(time.perf_counter() - began, 1),
        }
        fits = not bench.card.real or reserved < max(LIMIT, 2.2 * window)
        facts |= process_facts("VmHWM", "VmPin")
        yield Finding(f"windows, run {number}", not wrong and batches > 0 and fits, facts)
    yield from estimated(bench, estimate, bench.card.peaks()[0] - beside, window)


def estimated(bench: Bench, estimate: dict[str, int], used: int, window: int) -> Iterator[Finding]:
    """`graph.memory()` beside what was in use."""
    facts = {f"{key} said, windows": round(value / window, 2) for key, value in estimate.items() if value}
    facts |= {
        "page-locked, windows": round(bench.locks.peak / window, 2),
        "on the card, windows": round(used / window, 2),
    }
    there = estimate["to_device"]  # what stages before it hold is written for the card, so page-locked
    said = there, estimate["total"] - there
    near = all(
        abs(told - found) <= 0.1 * max(told, found) + 2**26
        for told, found in zip(said, (used, bench.locks.peak), strict=True)
    )
    yield Finding("memory() is within 10 %", near if bench.card.real else None, facts)


def walk(bench: Bench, graph: fl.Graph, seed: int, weights: torch.Tensor | None) -> tuple[int, int]:
    """Use every batch: how many elements were wrong, of how many batches."""
    wrong, batches = torch.zeros((), dtype=torch.int64, device=bench.card.device), 0
    with graph.iterate(seed=seed) as run:
        for batch in run:
            values, index = values_of(batch), torch.as_tensor(batch["index"]).to(bench.card.device)
            wrong += (values[index, 0] != (batch["start"] + index).float()).sum()
            if weights is not None:
                torch.mm(values[index + STEPS], weights).sum()
            batches += 1
    bench.card.wait()
    return int(wrong), batches
