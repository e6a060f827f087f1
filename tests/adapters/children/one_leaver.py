"""A rank that is asked to leave: `one_leaver.py STORE RANK WORLD WHAT...`; tells what it did."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

import flowload as fl
from flowload.errors import GraphError, RankError

LANES = 6
ROWS = 24 * LANES  #: twelve batches of each lane


def graph(shard: fl.Graph) -> fl.Graph:
    return fl.rows({"x": np.arange(ROWS)}) >> fl.shuffle() >> shard >> fl.batch(2)


def train(save: Any, asked: Callable[[int], bool], *, steps: int = 0, state: Any = None) -> dict[str, Any]:
    """Train until the end, or so many steps, or a signal; `asked(step)`: it comes here, twice."""
    seen: list[list[int]] = []
    code: Any = None
    try:
        with (
            graph(fl.shard(lanes=LANES)).iterate(seed=1, state=state) as batches,
            fl.on_preempt(batches, save, number=(signal.SIGTERM, signal.SIGUSR1)) as going,
        ):
            for batch in going:
                dist.all_reduce(torch.ones(1))  # a step: all ranks wait for each other
                seen.append(batch["x"].tolist())
                if asked(len(seen)):
                    signal.raise_signal(signal.SIGUSR1)
                    signal.raise_signal(signal.SIGUSR1)
                if len(seen) == steps:
                    break
    except SystemExit as end:
        code = end.code
    return {"seen": seen, "code": code}


def last() -> bool:
    return dist.get_rank() == dist.get_world_size() - 1


def leave(folder: Path) -> dict[str, Any]:
    """The last rank is asked in its third step; then all go on from the one file."""
    file = folder / "state.json"
    told = train(file, lambda step: last() and step == 3)
    assert file.exists()
    state = json.loads(file.read_text())
    return {
        **told,
        "rest": train(file, lambda _: False, state=state)["seen"],
        "lanes": state["standing"]["lanes"],
    }


def each(_: Path) -> dict[str, Any]:
    """A function on every rank has the state."""
    states: list[Any] = []

    def save(state: Any) -> None:
        signal.raise_signal(signal.SIGUSR1)  # torchrun passes on what came to this process, too
        states.append(state)

    told = train(save, lambda step: step == 2)
    signal.raise_signal(signal.SIGUSR1)  # and it may do so at any time
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    return {**told, "delivered": [state["delivered"]["out"] for state in states]}


def end(_: Path) -> dict[str, Any]:
    """The last rank is asked in the last step."""
    return train(lambda _: None, lambda step: last() and step == ROWS // 2 // dist.get_world_size())


def late(_: Path) -> dict[str, Any]:
    """All break in the step in which the last rank was asked: nobody has heard it, so it acts as before."""
    came: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: came.append(number))
    told = train(lambda _: came.append(0), lambda step: last() and step == 2, steps=2)
    signal.signal(signal.SIGUSR1, before)
    return {**told, "came": came}


def one_file(folder: Path) -> dict[str, Any]:
    """One file cannot have the states of several ranks."""
    error = ""
    with graph(fl.shard()).iterate(seed=1) as batches:
        try:
            fl.on_preempt(batches, folder / "one").__enter__()
        except GraphError as found:
            error = str(found)
    return {"error": error}


def dead(_: Path) -> dict[str, Any]:
    """The last rank dies; whoever tells the others is told."""
    try:
        with graph(fl.shard(lanes=LANES)).iterate(seed=1) as batches, fl.on_preempt(batches, print) as going:
            for made, _batch in enumerate(going):
                if made == 2 and last():
                    os._exit(0)
    except RankError as error:
        return {"error": str(error)}
    return {"error": ""}


WHAT = {"leave": leave, "each": each, "end": end, "late": late, "one_file": one_file, "dead": dead}


def main(store: str, rank: int, world: int, *what: str) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world)}
    limit = timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world, timeout=limit)
    for word in what:
        sys.stdout.write(json.dumps(WHAT[word](Path(store).parent)) + "\n")
        sys.stdout.flush()
    if "dead" not in what:
        dist.barrier()
        dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
