"""Train a latent model of neurons' activity under a stimulus, on windows of a recording.

    python examples/latent.py                                        the sample that ships with flowload
    python examples/latent.py --data /data/fly.zarr --size 16384 --batch-size 256 --choose 500 --passes 4

Activity and stimulus now become a latent state, which moves on with the stimulus alone; from it the activity
of the next steps is read. Each batch is about some neurons and those that they listen to by the connectome.
The next windows are read while one is trained on: how long steps waited for them is told after each epoch.
The same command goes on where it was stopped: OUT/checkpoint.pt holds model, optimiser and stream together.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import zarr
from torch import Tensor, nn

import flowload as fl
from flowload.adapters.torch import load_checkpoint, save_checkpoint
from flowload.sample import sample_path

STIMULUS, CALCIUM = 1, 2  #: columns of a recording


class Data(NamedTuple):
    """The graph of the training windows, the validation rows in memory, and how many neurons there are."""

    training: fl.Graph
    validation: dict[str, Tensor]
    neurons: int


def opened(options: argparse.Namespace, device: torch.device) -> Data:
    """The last tenth of the rows is for validation, and read at once: no row is in both parts."""
    rows, neurons, _ = zarr.open_array(options.data / "timeseries.zarr", mode="r").shape
    border = rows - max(options.size, rows // 10)
    select = {
        "activity": {"columns": CALCIUM},
        "stimulus": {"columns": STIMULUS, "neurons": slice(options.stimuli)},
    }
    plan = fl.epoch_plan(border, options.size, options.batch_size, options.passes)
    windows = fl.windows(
        options.data, options.size, rows=(0, border), select=select, count=plan.chunks_per_epoch
    )
    # Batches of a window share its memory: what is new in each are rows, and neurons with their neighbours.
    sampled = fl.sample_within(
        options.batch_size,
        options.horizon,
        neurons=options.choose,
        graph=options.data,
        per_window=plan.batches_per_chunk,
    )
    held = fl.read_range(options.data, border, rows, select=select)
    validation = {key: torch.from_numpy(array).to(device) for key, array in held.items()}
    return Data(windows >> sampled >> fl.to_device("auto", workers=1), validation, neurons)


class Latent(nn.Module):
    """An encoder and a decoder with a row for each neuron, of which a batch uses some; and a step in time."""

    def __init__(self, neurons: int, stimuli: int, latent: int, hidden: int) -> None:
        super().__init__()
        self.encode = nn.Parameter(torch.randn(neurons, hidden) / hidden**0.5)
        self.encoded = nn.Sequential(
            nn.Linear(hidden + stimuli, hidden), nn.Tanh(), nn.Linear(hidden, latent)
        )
        self.move = nn.Sequential(nn.Linear(latent + stimuli, hidden), nn.Tanh(), nn.Linear(hidden, latent))
        self.decode = nn.Parameter(torch.randn(neurons, latent) / latent**0.5)
        self.rest = nn.Parameter(torch.zeros(neurons))

    def forward(self, activity: Tensor, stimulus: Tensor, neurons: Tensor) -> Tensor:
        """Activity [B, m] of neurons [m], and stimuli [B, horizon, S], to what comes next [B, horizon, m]."""
        seen = (activity - self.rest[neurons]) @ self.encode[neurons] / len(neurons) ** 0.5
        state = self.encoded(torch.cat([seen, stimulus[:, 0]], dim=1))
        states = []
        for now in stimulus.unbind(1):
            state = state + self.move(torch.cat([state, now], dim=1))
            states.append(state)
        return torch.stack(states, dim=1) @ self.decode[neurons].T + self.rest[neurons]


def errors(model: Latent, batch: dict[str, Tensor], horizon: int) -> tuple[Tensor, Tensor]:
    """Mean squared errors: of the model, and of saying that nothing changes."""
    neurons = batch["neurons"]
    rows = batch["index"][:, None] + torch.arange(horizon + 1, device=neurons.device)
    activity = batch["activity"][rows[:, :, None], neurons]
    now, later = activity[:, 0], activity[:, 1:]
    made = model(now, batch["stimulus"][rows[:, :-1]], neurons)
    return (made - later).square().mean(), (now[:, None] - later).square().mean()


@torch.no_grad()
def validate(model: Latent, data: Data, horizon: int) -> dict[str, float]:
    """Of all neurons, from every row of the validation part that has so many behind it."""
    window = data.validation["activity"]
    index = torch.arange(len(window) - horizon, device=window.device)
    neurons = torch.arange(data.neurons, device=window.device)
    batch = {**data.validation, "index": index, "neurons": neurons}
    loss, unchanged = torch.stack(errors(model, batch, horizon)).tolist()
    return {"valid loss": loss, "of no change": loss / unchanged}


def train(options: argparse.Namespace) -> Latent:
    """Train up to so many epochs, or steps; from the checkpoint, if there is one."""
    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    path, step, first, stream = options.out / "checkpoint.pt", 0, 0, None
    data = opened(options, device)
    model = Latent(data.neurons, options.stimuli, options.latent, options.hidden).to(device)
    optimiser = torch.optim.Adam(model.parameters(), options.learning_rate)
    if checkpoint := load_checkpoint(path, device):
        model.load_state_dict(checkpoint.values["model"])
        optimiser.load_state_dict(checkpoint.values["optimiser"])
        optimiser.param_groups[0]["lr"] = options.learning_rate
        step, first, stream = checkpoint.values["step"], checkpoint.values["epoch"], checkpoint.stream
        log(options.out, epoch=first, step=step, resumed=True)

    def save(epoch: int, batches: Any = None) -> None:
        own = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
        save_checkpoint(path, {**own, "step": step, "epoch": epoch}, batches)

    for epoch in range(first, options.epochs if step < options.steps else first):
        with data.training.iterate(seed=options.seed, first_epoch=epoch, state=stream) as batches:
            for batch in batches:
                loss, _ = errors(model, batch, options.horizon)
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 0.5)
                optimiser.step()
                step += 1
                if step % options.log_every == 0:
                    log(options.out, epoch=epoch, step=step, loss=loss.item())
                if step % options.save_every == 0 or step == options.steps:
                    save(epoch, batches)
                if step == options.steps:
                    return model
        stream = None
        wait = batches.stats().chunk_wait  # for windows behind the first, in seconds
        waits = {"windows": wait.waits, "first ms": wait.first * 1e3, "mean ms": wait.mean * 1e3}
        waits |= {"p95 ms": wait.p95 * 1e3, "longest ms": wait.longest * 1e3}
        log(options.out, epoch=epoch, step=step, **validate(model, data, options.horizon), **waits)
        save(epoch + 1)
    return model


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
    add("--data", type=Path, default=sample_path("neural"), help="folder with timeseries.zarr and connectome")
    add("--out", type=Path, default=Path("runs/latent"), help="folder of checkpoint and log")
    add("--epochs", type=number, default=4)
    add("--steps", type=number, default=2**62, help="stop after so many steps in all")
    add("--size", type=number, default=128, help="rows of a window")
    add("--batch-size", type=number, default=32, help="samples of a batch")
    add("--passes", type=number, default=8, help="how often a row is used in an epoch, on average")
    add("--horizon", type=number, default=8, help="steps that are predicted")
    add("--choose", type=number, default=8, help="neurons of a batch, beside those that they listen to")
    add("--stimuli", type=number, default=32, help="neurons of which the stimulus is taken")
    add("--latent", type=number, default=8)
    add("--hidden", type=number, default=64)
    add("--learning-rate", type=float, default=2e-3)
    add("--seed", type=int, default=0)
    add("--log-every", type=number, default=100, help="steps")
    add("--save-every", type=number, default=1000, help="steps")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    return options


def main(arguments: Sequence[str] | None = None) -> Latent:
    """Read the options, and train."""
    return train(parse(arguments))


if __name__ == "__main__":
    main()
