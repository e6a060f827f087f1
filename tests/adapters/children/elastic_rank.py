"""A rank of a world that changes: under torchrun, `elastic_rank.py FOLDER STEPS WHAT OF [KILLED AT]`.

Reads lanes from the state in FOLDER on, writes each batch's number and digest to a file of its own, and after
every step, with all ranks, the state: that of the first rank (OF is "one"), or of "all". It ends after STEPS
steps (0: with the stream), or dies at step AT.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

import flowload as fl
from flowload.adapters.torch import state_of_all_ranks
from flowload.testing.resume_runs import as_often_as_can_be
from tests.runtime.lanes.worlds import DRAWINGS, LANES, digest


def main(folder: Path, steps: int, what: str, of: str, killed: int = -1, at: int = -1) -> None:
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    kept = folder / "run.state"
    state: Any = fl.load_state(kept)
    since = 0 if state is None else state["delivered"]["out"]
    number = next(b for b in range(since, since + world) if b % world == rank)
    made = 0
    graph = DRAWINGS[what](fl.shard(lanes=LANES), 1)
    with as_often_as_can_be(), graph.iterate(seed=1, state=state) as batches:
        note: dict[str, Any] = {"lanes": len((state or {}).get("standing", {}).get("lanes", ()))}
        note["anew"] = batches.state_cost().begins_anew
        (folder / f"begun-{os.getppid()}-{rank}").write_text(json.dumps(note))
        for batch in batches:
            if rank == killed and made == at:
                os.kill(os.getpid(), signal.SIGKILL)
            dist.all_reduce(torch.ones(1))  # a training step: all ranks wait for each other
            with (folder / f"given-{os.getppid()}-{rank}").open("a") as out:
                out.write(json.dumps([number, digest(batch)]) + "\n")
            number += world
            made += 1
            dist.barrier()
            taken = state_of_all_ranks(batches) if of == "all" else batches.state_dict()
            if rank == 0:  # whichever rank: it is the state of all
                fl.save_state(kept, taken)
            dist.barrier()
            if made == steps:
                break
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    given, count, shape, whose, *numbers = sys.argv[1:]
    main(Path(given), int(count), shape, whose, *map(int, numbers))
