"""Train a small NNUE-like net, 193 features to black wins, draw, white wins, on games of Yolah.

    python examples/nnue.py                                          the sample that ships with flowload
    python examples/nnue.py --data /data/yolah --packed /fast/yolah --batch-size 16384
    torchrun --standalone --nproc-per-node 2 examples/nnue.py        one process a GPU (on a CPU by gloo)

The first run replays the games and packs their positions, 32 bytes each; other ranks and later runs map them.
The same command goes on where it was stopped: OUT/checkpoint.pt holds net, optimiser and stream together.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

import flowload as fl
from flowload.adapters.torch import load_checkpoint, save_checkpoint
from flowload.formats.games import Games
from flowload.sample import sample_path

FEATURES = 193  #: black, white and destroyed squares, and whose turn it is
OUTCOMES = 3


def graphs(options: argparse.Namespace) -> tuple[fl.Graph, fl.Graph]:
    """Training and validation: a game is always in the same part, and each rank reads its share of both."""
    positions = fl.rows(Games(options.data, options.packed))
    parts = positions >> fl.split(by="game", train=0.9, valid=0.1)
    batch = fl.batch(options.batch_size) >> fl.to_device("auto")
    return (
        parts.drop("valid") >> fl.shuffle() >> fl.shard() >> batch,
        parts.drop("train") >> fl.shard() >> batch,
    )


class Net(nn.Module):
    """A wide layer over the features, two narrow ones; all clipped to 0 ... 1, as integers want it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(FEATURES, width), nn.Linear(width, 32), nn.Linear(32, 32)])
        self.last = nn.Linear(32, OUTCOMES)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, 193] to scores of the outcomes [B, 3]."""
        for layer in self.layers:
            x = layer(x).clamp(0, 1)
        scores: Tensor = self.last(x)
        return scores

    @torch.no_grad()
    def clip(self) -> None:
        """Keep the weights of the narrow layers where 8-bit integers of 1/64 can hold them."""
        for layer in (*self.layers[1:], self.last):
            layer.weight.clamp_(-127 / 64, 127 / 64)


@torch.no_grad()
def validate(net: nn.Module, graph: fl.Graph, device: torch.device) -> dict[str, float]:
    """Loss and share of right outcomes, over the validation positions of all ranks."""
    sums = torch.zeros(3, device=device)  # loss, right ones, positions
    with graph.iterate() as batches:
        for batch in batches:
            scores, wanted = net(batch["inputs"]), batch["outputs"]
            right = (scores.argmax(1) == wanted).sum()
            loss = cross_entropy(scores, wanted, reduction="sum")
            sums += torch.stack([loss, right, torch.tensor(len(wanted), device=device)])
    if dist.is_initialized():
        dist.all_reduce(sums)
    return {"valid loss": float(sums[0] / sums[2]), "valid right": float(sums[1] / sums[2])}


def train(options: argparse.Namespace, device: torch.device) -> nn.Module:
    """Train up to so many epochs, or steps; from the checkpoint, if there is one."""
    torch.manual_seed(options.seed)
    path, step, first, stream = options.out / "checkpoint.pt", 0, 0, None
    net = Net(options.width).to(device)
    optimiser = torch.optim.Adam(net.parameters(), options.learning_rate)
    if checkpoint := load_checkpoint(path, device):
        net.load_state_dict(checkpoint.values["net"])
        optimiser.load_state_dict(checkpoint.values["optimiser"])
        optimiser.param_groups[0]["lr"] = options.learning_rate
        step, first, stream = checkpoint.values["step"], checkpoint.values["epoch"], checkpoint.stream
        log(options.out, epoch=first, step=step, resumed=True)
    model = DistributedDataParallel(net) if dist.is_initialized() else net

    def save(epoch: int, batches: Any = None) -> None:
        values = {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "epoch": epoch}
        save_checkpoint(path, values, batches)

    training, validation = graphs(options)
    for epoch in range(first, options.epochs if step < options.steps else first):
        with training.iterate(seed=options.seed, first_epoch=epoch, state=stream) as batches:
            for batch in batches:
                loss = cross_entropy(model(batch["inputs"]), batch["outputs"])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                net.clip()
                step += 1
                if step % options.log_every == 0:
                    stats = batches.stats()
                    told = {"loss": loss.item(), "rate": stats.delivered / stats.elapsed}
                    log(
                        options.out,
                        epoch=epoch,
                        step=step,
                        **told,
                        waited=stats.consumer_wait / stats.elapsed,
                    )
                if step % options.save_every == 0 or step == options.steps:
                    save(epoch, batches)
                if step == options.steps:
                    return net
        stream = None
        log(options.out, epoch=epoch, step=step, **validate(net, validation, device))
        save(epoch + 1)
    return net


def log(out: Path, **told: float) -> None:
    """A line to see, and one of JSON in OUT/log.jsonl; from the first rank."""
    if not dist.is_initialized() or dist.get_rank() == 0:
        print("  ".join(f"{name} {value:.4g}" for name, value in told.items()), flush=True)
        with (out / "log.jsonl").open("a") as file:
            file.write(json.dumps(told) + "\n")


@contextmanager
def process_group() -> Iterator[torch.device]:
    """Join the other ranks where torchrun has started this one; gives its device."""
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if "LOCAL_RANK" in os.environ:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        if dist.is_initialized():
            gc.collect()  # DDP holds itself in a circle: free it before its group
            dist.destroy_process_group()


def number(text: str) -> int:
    """An option that counts something."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, from the command line (None)."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", default=str(sample_path("games")), help="files of games, folders or patterns")
    add("--packed", type=Path, help="folder for packed positions; else .flowload beside the data")
    add("--out", type=Path, default=Path("runs/nnue"), help="folder of checkpoint and log")
    add("--epochs", type=number, default=4)
    add("--steps", type=number, default=2**62, help="stop after so many steps in all")
    add("--batch-size", type=number, default=512, help="positions of a batch, of each rank")
    add("--learning-rate", type=float, default=1e-3)
    add("--width", type=number, default=256, help="of the first layer")
    add("--seed", type=int, default=0)
    add("--log-every", type=number, default=50, help="steps")
    add("--save-every", type=number, default=1000, help="steps")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    return options


def main(arguments: Sequence[str] | None = None) -> nn.Module:
    """Read the options, and train."""
    options = parse(arguments)
    with process_group() as device:
        return train(options, device)


if __name__ == "__main__":
    main()
