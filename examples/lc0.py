"""Train a small lc0 net: policy, value (win, draw, loss) and moves left, on training games of lc0.

    python examples/lc0.py                                           the sample that ships with flowload
    python examples/lc0.py --data '/data/training-run1-*.tar' --pool 200000 --reservoir 500000 --blocks 10
    torchrun --standalone --nproc-per-node 2 examples/lc0.py         one process a GPU (on a CPU by gloo)

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
from torch.nn.functional import cross_entropy, huber_loss
from torch.nn.parallel import DistributedDataParallel

import flowload as fl
from flowload.adapters.torch import expand_planes, load_checkpoint, save_checkpoint
from flowload.sample import sample_path

LOSSES = ("policy", "value", "moves left")


def graphs(options: argparse.Namespace) -> tuple[fl.Graph, fl.Graph]:
    """Training and validation: a game is always in the same part, and each rank reads its share of both."""
    parts = fl.discover(options.data) >> fl.read("lc0") >> fl.split(train=0.9, valid=0.1)
    # Bits: 0.8 KB of planes a position go to the device, not 28, and are expanded there.
    batch = fl.batch(options.batch_size, layout="bits") >> fl.to_device("auto")
    train = parts.drop("valid") >> fl.shard() >> fl.shuffle_pool(options.pool) >> fl.unpack(rate=options.rate)
    return (
        train >> fl.reservoir(options.reservoir) >> batch,
        parts.drop("train") >> fl.shard() >> fl.unpack() >> batch,
    )


class Block(nn.Module):
    """Two convolutions, and a weight for each channel from the mean over the board (squeeze and excite)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(width), nn.BatchNorm2d(width)])
        self.squeeze = nn.Linear(width, width // 4)
        self.excite = nn.Linear(width // 4, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, 8, 8] to the same."""
        y = self.norms[1](self.second(self.norms[0](self.first(x)).relu()))
        weight, bias = self.excite(self.squeeze(y.mean((2, 3))).relu())[:, :, None, None].chunk(2, dim=1)
        out: Tensor = x + weight.sigmoid() * y + bias
        return out.relu()


class Net(nn.Module):
    """A residual tower and three heads."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(112, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.tower = nn.Sequential(stem, *(Block(width) for _ in range(blocks)))
        self.policy = nn.Sequential(nn.Conv2d(width, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 1858))
        self.value = nn.Sequential(nn.Conv2d(width, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 3))
        self.moves = nn.Sequential(nn.Conv2d(width, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 1))

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Planes [B, 112, 8, 8] to scores of moves [B, 1858], of win, draw and loss [B, 3], and moves [B]."""
        x = self.tower(planes)
        return self.policy(x), self.value(x), self.moves(x)[:, 0]


def losses(net: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Policy, value and moves left [3], each the mean over the batch."""
    scores, outcome, moves = net(expand_planes(batch))
    policy, (q, d, left) = batch["probabilities"], batch["values"][:, 0].unbind(1)  # row 0: the result
    scores = scores.masked_fill(policy < 0, -1e9)  # an illegal move has probability -1
    wanted = torch.stack([(1 - d + q) / 2, d, (1 - d - q) / 2], dim=1)
    return torch.stack(
        [
            cross_entropy(scores, policy.clamp(min=0)),
            cross_entropy(outcome, wanted),
            huber_loss(moves, left / 20, delta=0.5),  # in units of 20 plies
        ]
    )


@torch.no_grad()
def validate(net: nn.Module, graph: fl.Graph, device: torch.device) -> dict[str, float]:
    """The losses over all validation games of all ranks."""
    net.eval()
    sums = torch.zeros(4, device=device)  # three losses, and positions
    with graph.iterate() as batches:
        for batch in batches:
            sums += len(batch["bits"]) * torch.cat([losses(net, batch), torch.ones(1, device=device)])
    if dist.is_initialized():
        dist.all_reduce(sums)
    net.train()
    return dict(zip((f"valid {name}" for name in LOSSES), (sums[:3] / sums[3]).tolist(), strict=True))


def train(options: argparse.Namespace, device: torch.device) -> nn.Module:
    """Train up to so many epochs, or steps; from the checkpoint, if there is one."""
    torch.manual_seed(options.seed)
    path, step, first, stream = options.out / "checkpoint.pt", 0, 0, None
    net: nn.Module = Net(options.width, options.blocks).to(device)
    optimiser = torch.optim.AdamW(net.parameters(), options.learning_rate, weight_decay=1e-4)
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
                parts = losses(model, batch)
                optimiser.zero_grad()
                parts.sum().backward()
                nn.utils.clip_grad_norm_(net.parameters(), 10.0)
                optimiser.step()
                step += 1
                if step % options.log_every == 0:
                    stats = batches.stats()
                    told = dict(zip(LOSSES, parts.tolist(), strict=True))
                    told |= {"rate": stats.delivered / stats.elapsed}
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
    add("--data", default=str(sample_path("chess")), help="folder, pattern or files with commas between")
    add("--out", type=Path, default=Path("runs/lc0"), help="folder of checkpoint and log")
    add("--epochs", type=number, default=2)
    add("--steps", type=number, default=2**62, help="stop after so many steps in all")
    add("--batch-size", type=number, default=128, help="positions of a batch, of each rank")
    add("--learning-rate", type=float, default=1e-3)
    add("--width", type=number, default=24, help="channels of the tower")
    add("--blocks", type=number, default=2)
    add("--pool", type=number, default=50_000, help="games that are shuffled among each other")
    add("--reservoir", type=number, default=20_000, help="positions that are shuffled among each other")
    add("--rate", type=float, default=1.0, help="share of a game's positions that a pass takes")
    add("--seed", type=int, default=0)
    add("--log-every", type=number, default=10, help="steps")
    add("--save-every", type=number, default=100, help="steps")
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
