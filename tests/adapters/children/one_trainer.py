"""A rank of Hugging Face's Trainer, in a process of its own: `one_trainer.py STORE RANK WORLD`.

Tells which rows it trained on, for each way to deal batches, and what a graph with a shard says.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import transformers

import flowload as fl
from flowload.adapters.torch import only

ROWS, SIZE = 200, 8


class Model(torch.nn.Module):
    """Remembers the rows that it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen: list[int] = []

    def forward(self, x: torch.Tensor, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """A loss."""
        self.seen += ids.tolist()
        out = self.layer(x)
        return {"loss": (out * 0).sum(), "logits": out}


def trained(folder: Path, graph: fl.Graph, *, dispatch: bool | None) -> list[int]:
    """Rows that this rank trained on."""
    arguments: Any = transformers.TrainingArguments(
        str(folder), report_to=[], use_cpu=True, save_strategy="no", num_train_epochs=1, disable_tqdm=True,
        per_device_train_batch_size=1, remove_unused_columns=False, logging_strategy="no",
        accelerator_config={"dispatch_batches": dispatch},
    )  # fmt: skip
    data = graph.as_torch_dataset(seed=1, length=-(-ROWS // SIZE))
    model = Model()
    transformers.Trainer(model, arguments, train_dataset=data, data_collator=only).train()
    return model.seen


def main(store: str, rank: int, world: int) -> None:
    """Train, and tell."""
    warnings.simplefilter("ignore")
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
    os.environ |= {"LOCAL_WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}  # not used
    limit = timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world, timeout=limit)
    folder = Path(store).parent / f"rank{rank}"
    rows = fl.rows({"x": np.zeros((ROWS, 1), np.float32), "ids": np.arange(ROWS)}) >> fl.shuffle()
    told: dict[str, Any] = {
        word: trained(folder, rows >> fl.batch(SIZE), dispatch=dispatch)
        for word, dispatch in (("as it is", None), ("each", False))
    }
    try:
        trained(folder, rows >> fl.shard() >> fl.batch(SIZE), dispatch=False)
    except fl.FlowloadError as error:
        told["shard"] = str(error)
    sys.stdout.write(json.dumps(told) + "\n")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
