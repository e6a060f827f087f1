"""Train on as many processes as there are, on one machine or several: with others it is the same training.

    python examples/elastic.py                                                       one process
    torchrun --standalone --nproc-per-node 2 --max-restarts 3 examples/elastic.py    two, again if one dies

The stream is divided into 12 lanes, and a step's batch is rows of all of them: 1, 2, 3, 4, 6 or 12 ranks
train on the same rows in the same steps. OUT/checkpoint.pt holds net, optimiser and the place of all ranks:
whoever gives the command again, with however many ranks, goes on there. SIGTERM and SIGUSR1, of a scheduler
that wants its machines back, are answered by a checkpoint: all ranks leave after the same step.
OUT/net.pt is what is learned in the end.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

import flowload as fl
from flowload.adapters.torch import load_checkpoint, save_checkpoint
from flowload.formats.games import Games
from flowload.sample import sample_path

LANES = 12


def graph(options: argparse.Namespace) -> fl.Graph:
    """Positions in random order; of every batch each rank gets its share."""
    rows = fl.rows(Games(options.data, options.packed)) >> fl.shuffle() >> fl.shard(lanes=LANES)
    return rows >> fl.batch(options.batch_size, across_lanes=True) >> fl.to_device("auto")


def make_net(width: int) -> nn.Module:
    """193 features to black wins, draw, white wins."""
    return nn.Sequential(nn.Linear(193, width), nn.ReLU(), nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 3))


def train(options: argparse.Namespace, device: torch.device) -> nn.Module:
    """Train so many passes, from the checkpoint if there is one."""
    torch.manual_seed(options.seed)
    path, step, stream = options.out / "checkpoint.pt", 0, None
    net = make_net(options.width).to(device)
    optimiser = torch.optim.SGD(net.parameters(), options.learning_rate, momentum=0.9)
    if checkpoint := load_checkpoint(path, device):
        net.load_state_dict(checkpoint.values["net"])
        optimiser.load_state_dict(checkpoint.values["optimiser"])
        step, stream = checkpoint.values["step"], checkpoint.stream
        log(options.out, step=step, resumed=True)
    model = DistributedDataParallel(net) if dist.is_initialized() else net

    def save(_state: Any = None) -> None:
        values = {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "step": step}
        save_checkpoint(path, values, batches)  # of all ranks: each calls it

    run = graph(options).iterate(seed=options.seed, epochs=options.epochs, state=stream)
    with run as batches, preemptible(batches, save) as going:
        for batch in going:
            loss = cross_entropy(model(batch["inputs"]), batch["outputs"])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
            log(options.out, step=step, loss=mean(loss))
            if step % options.save_every == 0:
                save()
    if first():
        torch.save(net.state_dict(), options.out / "net.pt")
    return net


def preemptible(batches: Any, save: Any) -> Any:
    """The batches until SIGTERM or SIGUSR1; signals come to a program's main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        return nullcontext(batches)
    return fl.on_preempt(batches, save, number=(signal.SIGTERM, signal.SIGUSR1))


def first() -> bool:
    """Whether this rank writes for all."""
    return not dist.is_initialized() or dist.get_rank() == 0


def mean(loss: torch.Tensor) -> float:
    """Over the ranks: that of the whole batch."""
    total = loss.detach().clone()
    if dist.is_initialized():
        dist.all_reduce(total)
        total /= dist.get_world_size()
    return total.item()


def log(out: Path, **told: float) -> None:
    """A line to see, and one of JSON in OUT/log.jsonl; from the first rank."""
    if first():
        print("  ".join(f"{name} {value:.6g}" for name, value in told.items()), flush=True)
        with (out / "log.jsonl").open("a") as file:
            file.write(json.dumps(told) + "\n")


@contextmanager
def process_group() -> Iterator[torch.device]:
    """Join the other ranks where torchrun or SLURM has started this one; gives its device."""
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


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, from the command line (None)."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", default=str(sample_path("games")), help="files of games, folders or patterns")
    add("--packed", type=Path, help="folder for packed positions; else .flowload beside the data")
    add("--out", type=Path, default=Path("runs/elastic"), help="folder of checkpoint, log and net")
    add("--epochs", type=int, default=1)
    add("--batch-size", type=int, default=960, help=f"of all ranks; {LANES} divides it")
    add("--learning-rate", type=float, default=0.05)
    add("--width", type=int, default=128, help="of the first layer")
    add("--seed", type=int, default=0)
    add("--save-every", type=int, default=10, help="steps")
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
