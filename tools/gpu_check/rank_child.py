"""A rank, in a process of its own: `rank_child.py STORE DEVICE`; tells what it saw, and what was wrong."""

from __future__ import annotations

import os
import sys

import numpy as np
import torch
import torch.distributed as dist

import flowload as fl

ROWS, WIDTH, BATCH = 20_000, 64, 256


def main(store: str, device: str) -> None:
    """Read this rank's share, and count together with the others what nobody saw."""
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
    host = np.random.default_rng(0).standard_normal((ROWS, WIDTH), dtype=np.float32)
    there = torch.from_numpy(host).to(device)
    wrong = torch.zeros((), dtype=torch.int64, device=device)
    seen = torch.zeros(ROWS, dtype=torch.int64)
    rows = fl.rows({"x": host, "n": np.arange(ROWS)}) >> fl.shuffle() >> fl.shard()
    where = set()
    with (rows >> fl.batch(BATCH) >> fl.to_device(device)).iterate(seed=1) as run:
        for batch in run:
            wrong += (batch["x"] != there[batch["n"]]).sum()
            seen.index_add_(0, batch["n"].cpu(), torch.ones(len(batch["n"]), dtype=torch.int64))
            where.add(str(batch["x"].device))
    count = int(seen.sum())
    dist.all_reduce(seen)
    missing = int((seen != 1).sum())
    print(f"{count} rows on {', '.join(sorted(where))}, wrong {int(wrong)}, missing {missing}", flush=True)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
