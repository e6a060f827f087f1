"""Train a small classifier on rows of one's own, in HDF5 or zarr.

    python examples/rows.py                                          zarr: a small set of images is made first
    python examples/rows.py --data images.h5                         HDF5: pip install 'flowload[hdf5]'

A set is a file or folder with the arrays `images` [N, 1, H, W] and `labels` [N]; rows are read where they
lie, once, straight into their batch. Change the names below for arrays of your own.
The same command goes on where it was stopped: OUT/checkpoint.pt holds net, optimiser and stream together.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import flowload as fl
from flowload.adapters.torch import load_checkpoint, save_checkpoint

ARRAYS = ("images", "labels")
SIDE, CLASSES = 16, 4
HDF5 = (".h5", ".hdf5")


def hdf5() -> Any:
    """The library for HDF5, an extra."""
    try:
        return importlib.import_module("h5py")
    except ModuleNotFoundError as error:
        raise SystemExit("HDF5 needs h5py: pip install 'flowload[hdf5]'") from error


def make(path: Path, rows: int = 4096) -> None:
    """Write images of stripes in four directions, and noise, under another name first: all or nothing."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, rows)
    angle, phase = labels * np.pi / CLASSES, rng.uniform(0, 2 * np.pi, rows)
    y, x = np.mgrid[:SIDE, :SIDE]
    along = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    images = np.sin(along + phase[:, None, None]) + rng.normal(0, 2.5, (rows, SIDE, SIDE))
    arrays = {"images": images[:, None].astype(np.float32), "labels": labels}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".partial.{path.name}")
    if path.suffix in HDF5:
        with hdf5().File(draft, "w") as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=array, chunks=(256, *array.shape[1:]))
    else:
        shutil.rmtree(draft, ignore_errors=True)  # of a run that was killed
        group = zarr.open_group(draft, mode="w")
        for name, array in arrays.items():
            group.create_array(name, data=array, chunks=(256, *array.shape[1:]))
    draft.rename(path)


@contextmanager
def opened(path: Path) -> Iterator[Mapping[str, Any]]:
    """The arrays of a set, for reading."""
    if path.suffix in HDF5:
        with hdf5().File(path) as file:
            yield {name: file[name] for name in ARRAYS}
    else:
        group = zarr.open_group(path, mode="r")
        yield {name: group[name] for name in ARRAYS}


def graphs(arrays: Mapping[str, Any], batch_size: int) -> tuple[fl.Graph, fl.Graph]:
    """Training and validation: a row is in the same part in every run."""
    parts = fl.rows(arrays) >> fl.split(train=0.9, valid=0.1)
    batch = fl.batch(batch_size) >> fl.to_device("auto")
    return parts.drop("valid") >> fl.shuffle() >> batch, parts.drop("train") >> batch


def network(width: int) -> nn.Sequential:
    """Images [B, 1, H, W] to scores of classes [B, CLASSES]."""
    return nn.Sequential(
        nn.Conv2d(1, width, 5, stride=2), nn.ReLU(), nn.Conv2d(width, width, 3), nn.ReLU(),
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES),
    )  # fmt: skip


@torch.no_grad()
def validate(net: nn.Module, graph: fl.Graph) -> dict[str, float]:
    """Loss, and share of right answers."""
    found: list[Tensor] = []
    with graph.iterate() as batches:
        for batch in batches:
            scores, labels = net(batch["images"]), batch["labels"]
            right = (scores.argmax(1) == labels).float()
            found.append(torch.stack([cross_entropy(scores, labels, reduction="none"), right], dim=1))
    loss, right = torch.cat(found).mean(0).tolist()
    return {"valid loss": loss, "valid right": right}


def train(options: argparse.Namespace, arrays: Mapping[str, Any]) -> nn.Module:
    """Train up to so many epochs, or steps; from the checkpoint, if there is one."""
    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    path, step, first, stream = options.out / "checkpoint.pt", 0, 0, None
    net = network(options.width).to(device)
    optimiser = torch.optim.Adam(net.parameters(), options.learning_rate)
    if checkpoint := load_checkpoint(path, device):
        net.load_state_dict(checkpoint.values["net"])
        optimiser.load_state_dict(checkpoint.values["optimiser"])
        optimiser.param_groups[0]["lr"] = options.learning_rate
        step, first, stream = checkpoint.values["step"], checkpoint.values["epoch"], checkpoint.stream
        log(options.out, epoch=first, step=step, resumed=True)

    def save(epoch: int, batches: Any = None) -> None:
        values = {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "epoch": epoch}
        save_checkpoint(path, values, batches)

    training, validation = graphs(arrays, options.batch_size)
    for epoch in range(first, options.epochs if step < options.steps else first):
        with training.iterate(seed=options.seed, first_epoch=epoch, state=stream) as batches:
            for batch in batches:
                loss = cross_entropy(net(batch["images"]), batch["labels"])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                step += 1
                if step % options.log_every == 0:
                    stats = batches.stats()
                    told = {"loss": loss.item(), "rate": stats.delivered / stats.elapsed}
                    log(options.out, epoch=epoch, step=step, **told)
                if step % options.save_every == 0 or step == options.steps:
                    save(epoch, batches)
                if step == options.steps:
                    return net
        stream = None
        log(options.out, epoch=epoch, step=step, **validate(net, validation))
        save(epoch + 1)
    return net


def log(out: Path, **told: float) -> None:
    """A line to see, and one of JSON in OUT/log.jsonl."""
    print("  ".join(f"{name} {value:.4g}" for name, value in told.items()), flush=True)
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps(told) + "\n")


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
    add("--data", type=Path, default=Path("runs/rows/images.zarr"), help="a set; made where there is none")
    add("--out", type=Path, default=Path("runs/rows"), help="folder of checkpoint and log")
    add("--epochs", type=number, default=5)
    add("--steps", type=number, default=2**62, help="stop after so many steps in all")
    add("--batch-size", type=number, default=64, help="rows of a batch")
    add("--learning-rate", type=float, default=3e-3)
    add("--width", type=number, default=16)
    add("--seed", type=int, default=0)
    add("--log-every", type=number, default=20, help="steps")
    add("--save-every", type=number, default=200, help="steps")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    return options


def main(arguments: Sequence[str] | None = None) -> nn.Module:
    """Read the options, and train."""
    options = parse(arguments)
    if not options.data.exists():
        make(options.data)
    with opened(options.data) as arrays:
        return train(options, arrays)


if __name__ == "__main__":
    main()
