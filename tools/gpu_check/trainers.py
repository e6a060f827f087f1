"""What trainers do around a run: graphs captured beside it, loaders that pin, two ranks on one card."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from flowload.adapters.torch import only

from .bench import Bench
from .failures import outcome
from .findings import Finding

__all__ = ["capture", "loader", "ranks"]

WORLD = 2
CAPTURED = 20  #: products in a captured graph: other threads load meanwhile
CHILD = Path(__file__).with_name("rank_child.py")


def capture(bench: Bench) -> Iterator[Finding]:
    """A CUDA graph captured while a run works: "thread_local" must work; "global" works or says how."""
    if not bench.card.real:
        yield Finding("a graph captured beside a run: only a card can tell", None)
        return
    for mode in ("thread_local", "global"):
        word = outcome(partial(captured, bench, mode))
        ok = word == "well" or (mode == "global" and "thread_local" in word)
        yield Finding(f"a graph captured beside a run, mode {mode!r}", ok, {"outcome": word})


def captured(bench: Bench, mode: str) -> None:
    """Capture, replay, and go on with the run: where the capture was spoilt, the run must say why."""
    matrix = torch.randn(512, 512, device=bench.card.device) / 512**0.5
    with bench.loaded(512).iterate(seed=1, epochs=None) as run:
        next(iter(run))
        torch.mm(matrix, matrix)
        bench.card.wait()
        graph, spoilt = torch.cuda.CUDAGraph(), None
        try:
            with torch.cuda.graph(graph, capture_error_mode=mode):
                product = matrix
                for _ in range(CAPTURED):
                    product = torch.mm(product, matrix)
                    threading.Event().wait(0.01)  # the run copies ahead, as it would in a long capture
            graph.replay()
        except RuntimeError as error:  # a call of another thread's
            spoilt = error
        for number, batch in enumerate(run):
            batch["x"].sum()
            if number >= 50:
                break
        if spoilt is not None:
            raise spoilt
    bench.card.wait()


def loader(bench: Bench) -> Iterator[Finding]:
    """DataLoaders that pin what they give, as Hugging Face's Trainer makes them, over batches on a card."""
    ways: dict[str, dict[str, Any]] = {
        "batch_size=None": {"batch_size": None},
        "batch_size=1, collate_fn=only": {"batch_size": 1, "collate_fn": only},
    }
    for name, how in ways.items():
        dataset = bench.loaded().as_torch_dataset()
        there: set[torch.device] = set()

        def use(dataset: Any = dataset, how: Any = how, there: set[torch.device] = there) -> None:
            for batch in DataLoader(dataset, pin_memory=bench.card.real, **how):
                there.add(batch["x"].device)

        word = outcome(use)
        ok = word == "well" and there == {bench.card.device}
        yield Finding(f"DataLoader(pin_memory=True, {name})", ok, {"outcome": word})


def ranks(bench: Bench) -> Iterator[Finding]:
    """Two processes, as torchrun starts them, on the first card that is visible: together each row once."""
    store = bench.folder / f"ranks_{os.getpid()}"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0]
    children = [
        subprocess.Popen(
            [sys.executable, str(CHILD), str(store), bench.device.partition(":")[0]],
            env={
                **os.environ,
                "CUDA_VISIBLE_DEVICES": visible,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(WORLD),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(WORLD)
    ]
    facts, ok = {}, True
    try:
        for rank, child in enumerate(children):
            said, failed = child.communicate(timeout=120)
            ok = ok and child.returncode == 0 and "wrong 0" in said and "missing 0" in said
            facts[f"rank {rank}"] = said.strip() or failed.strip().splitlines()[-1:]
    finally:
        for child in children:
            child.kill()  # one that has ended does not mind
            child.wait()
        store.unlink(missing_ok=True)
    yield Finding("two ranks on one card", ok, facts)
