"""Whether what a consumer sees is what was read: under load, by late copies, behind other stages."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import numpy as np
import torch

import flowload as fl

from .bench import Bench
from .findings import Finding
from .spies import late_copies

__all__ = ["cards", "correct", "elsewhere", "fork", "suspects"]

LATE = 3.0  #: milliseconds that a copy waits: longer than it takes


def correct(bench: Bench) -> Iterator[Finding]:
    """Fast and slow consumers, those that hold batches or work in another stream; copies prompt or late."""
    consumers = {
        "plain": {},
        "slow kernels": {"work": 2.0},
        "holds 20 batches": {"hold": 20, "work": 1.0},
        "a stream of its own": {"stream": bench.card.side_stream(), "work": 1.0},
    }
    for name, how in consumers.items():
        for late in (0.0, LATE):
            with late_copies(bench.card, late):
                wrong = bench.wrong(bench.loaded(), **how)
            title = f"correct, {name}, copies {'late' if late else 'prompt'}"
            yield Finding(title, not any(wrong), wrong._asdict())


def elsewhere(bench: Bench) -> Iterator[Finding]:
    """A run in a process of its own: copies from memory of both, which is used again when they are done.

    Several passes, so that memory is used again, and copied from page-locked.
    """
    for name, hold, work in (("plain", 0, 0.0), ("holds 20 batches", 20, 1.0)):
        for late in (0.0, LATE):
            with late_copies(bench.card, late):
                wrong = bench.wrong(bench.loaded(), epochs=4, process=True, hold=hold, work=work)
            title = f"elsewhere, {name}, copies {'late' if late else 'prompt'}"
            yield Finding(title, not any(wrong), wrong._asdict())


def suspects(bench: Bench) -> Iterator[Finding]:
    """Stages that rebuild a batch behind `to_device`: what must be waited for must survive them."""
    loaded = bench.loaded
    graphs = {
        "to_device >> tee": (loaded() >> fl.tee("a", "b")).drop("b"),
        "to_device >> map": loaded() >> fl.map(lambda batch: batch),
        "to_device >> map that computes": loaded() >> fl.map(doubled_and_halved),
        "to_device >> batch": loaded() >> fl.batch(bench.sizes.batch // 2),
    }
    kept = loaded() >> fl.filter(lambda batch: np.arange(len(batch["n"])) % 2 == 0)
    for where, side in {"default stream": None, "a stream of its own": bench.card.side_stream()}.items():
        for name, graph in graphs.items():
            with late_copies(bench.card, 5.0):
                wrong = bench.wrong(graph, stream=side)
            yield Finding(f"suspect: {name}, {where}", not any(wrong), wrong._asdict())
        with late_copies(bench.card, 5.0):
            wrong = bench.wrong(kept, stream=side)
        ok = not wrong.elements and not wrong.twice
        yield Finding(f"suspect: to_device >> filter, {where}", ok, wrong._asdict())


def doubled_and_halved(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same numbers, made by kernels in the stream of whoever calls this."""
    return {**batch, "x": batch["x"] * 2 / 2}


def cards(bench: Bench) -> Iterator[Finding]:
    """Which card a name means."""
    wanted = bench.card.device
    for name in ("auto", bench.device):
        with (bench.source() >> fl.to_device(name)).iterate() as run:
            found = next(iter(run))["x"].device
        yield Finding(f"to_device({name!r}) is {found}", found == wanted)
    if not bench.card.real or torch.cuda.device_count() < 2:
        yield Finding("cards: only one is here; a second one would be tried as cuda:1", None)
        return
    before = torch.cuda.current_device()
    torch.cuda.set_device(1)
    try:
        with (bench.source() >> fl.to_device("cuda")).iterate() as run:
            batch = next(iter(run))
            right = torch.equal(batch["x"].cpu(), torch.from_numpy(bench.host)[batch["n"].cpu()])
            found = batch["x"].device
    finally:
        torch.cuda.set_device(before)
    yield Finding(f"after set_device(1), to_device('cuda') is {found}", right and found.index == 1)


def fork(bench: Bench) -> Iterator[Finding]:
    """A child that lives on must not keep the pages that the card reads: the parent would write to copies."""
    child = 0
    graph, seen = bench.loaded(), 0
    wrong = torch.zeros((), dtype=torch.int64, device=bench.card.device)
    table = bench.there
    try:
        with graph.iterate(seed=1, epochs=2) as run:
            for number, batch in enumerate(run):
                if number == 5 and (child := os.fork()) == 0:
                    signal.pause()  # until the parent ends it
                    os._exit(0)
                wrong += (batch["x"] != table[batch["n"]]).sum()
                seen += len(batch["n"])
        bench.card.wait()
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    ok = not int(wrong) and seen == 2 * len(bench.host) and child > 0
    yield Finding("a run goes on after a fork", ok, {"elements": int(wrong), "rows": seen})
