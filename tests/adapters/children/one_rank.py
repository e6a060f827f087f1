"""A rank, in a process of its own: `one_rank.py STORE RANK WORLD WHAT...`; tells what it saw."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

import flowload as fl


def most(batch: Any) -> Any:
    return batch["index"] % 7 != 1


def odd(batch: Any) -> Any:
    return batch["index"] % 2 == 1


def graph(keep: Any) -> fl.Graph:
    return fl.rows(1003) >> fl.shard() >> fl.batch(10) >> fl.filter(keep) >> fl.batch(10)


def step() -> None:
    """What every step of a training does: all ranks wait for each other."""
    dist.all_reduce(torch.ones(1))


def whole(keep: Any) -> dict[str, Any]:
    """Three passes, each a run, as under DDP."""
    steps, cut = [], []
    for epoch in range(3):
        with graph(keep).iterate(first_epoch=epoch) as run:
            made = 0
            for _ in run:
                step()
                made += 1
        stats = run.stats()
        assert stats.finished
        steps.append(made)
        cut.append(sum(stats.stages["equal_ranks"].dropped.values()))
    return {"steps": steps, "cut": cut}


def left() -> dict[str, Any]:
    """All leave after the same step, and go on with another run."""
    for _ in range(3):
        with graph(most).iterate() as run:
            for _ in range(5):
                next(run)
                step()
    return whole(most)


def alone() -> dict[str, Any]:
    """One rank looks at the data for itself."""
    batches = 0
    if dist.get_rank() == 0:
        with graph(most).iterate(even="allow") as run:
            batches = sum(1 for _ in run)
    step()
    return {"batches": batches}


def gone() -> dict[str, Any]:
    """The last rank goes; the others are told."""
    last = dist.get_rank() == dist.get_world_size() - 1
    try:
        with graph(most).iterate() as run:
            for made, _ in enumerate(run):
                if last and made == 3:
                    return {"error": ""}
    except fl.FlowloadError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        step()
    return {"error": "none"}


def dead() -> dict[str, Any]:
    """The last rank dies; the others are told."""
    last = dist.get_rank() == dist.get_world_size() - 1
    try:
        with graph(most).iterate() as run:
            for made, _ in enumerate(run):
                if last and made == 3:
                    os._exit(0)
    except fl.FlowloadError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"error": "none"}


def bare() -> dict[str, Any]:
    """No shard: all ranks read everything, and are told."""
    with (fl.rows(9) >> fl.batch(2)).iterate() as run:
        return {"batches": sum(1 for _ in run)}


WHAT = {
    "most": lambda: whole(most),
    "odd": lambda: whole(odd),
    "left": left,
    "alone": alone,
    "gone": gone,
    "dead": dead,
    "bare": bare,
}


def main(store: str, rank: int, world: int, *what: str) -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world)}
    dist.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=world, timeout=timedelta(seconds=60)
    )
    for word in what:
        told = WHAT[word]()
        own = [thread.name for thread in threading.enumerate() if thread.name.startswith("flowload")]
        sys.stdout.write(json.dumps({**told, "threads": own}) + "\n")
        sys.stdout.flush()
    if "dead" not in what:
        dist.barrier()
        dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
