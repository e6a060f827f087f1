"""Train a small PhysNet-like model of energies and forces on packed molecules. In JAX: physnet_jax.py.

    python examples/physnet_torch.py                                 the sample that ships with flowload
    python examples/physnet_torch.py --data /data/spice --cutoff 6 --features 128 --bucket-size 8192

`flowload pack molecules SET.xyz OUT` makes such a folder of extended XYZ, HDF5 or npz. Only distances enter
the model, and forces are minus the gradient of the energy: rotations change neither energy nor physics.
The same command goes on where it was stopped: OUT/checkpoint.pt holds model, optimiser and stream together.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import flowload as fl
from flowload.adapters.torch import load_checkpoint, save_checkpoint
from flowload.formats.molecules import PackedMolecules
from flowload.sample import sample_path

ELEMENTS = 119
RADIAL = 32  #: functions of the distance


def graphs(options: argparse.Namespace, device: str = "auto") -> tuple[fl.Graph, fl.Graph]:
    """Training and validation: all conformations of a molecule are in the same part."""
    molecules = fl.rows(PackedMolecules(options.data, pairs="real", cutoff=options.cutoff))
    parts = molecules >> fl.split(by="molecule", train=0.9, valid=0.1)
    batch = fl.batch(options.batch_size, layout="physnet") >> fl.to_device(device)
    # Molecules of similar size come together, for less padding; large batches and small ones in no order.
    train = parts.drop("valid") >> fl.shuffle() >> fl.bucket(options.bucket_size, shuffle_batches=True)
    return train >> batch, parts.drop("train") >> batch


def energies_of_elements(folder: PackedMolecules) -> Tensor:
    """What an atom of each element adds to the energy [119], by least squares: the model learns the rest."""
    sizes = folder.sizes()
    cells = np.repeat(np.arange(len(sizes)) * ELEMENTS, sizes) + folder.column("Z")
    counts = np.bincount(cells, minlength=len(sizes) * ELEMENTS).reshape(-1, ELEMENTS)
    return torch.from_numpy(np.linalg.lstsq(counts, folder.column("E"), rcond=None)[0])


class Interaction(nn.Module):
    """Atoms take messages from their neighbours, and add to their energy."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gate = nn.Linear(RADIAL, features, bias=False)
        self.own, self.others = nn.Linear(features, features), nn.Linear(features, features)
        self.update, self.energy = nn.Linear(features, features), nn.Linear(features, 1)

    def forward(self, x: Tensor, radial: Tensor, dst: Tensor, src: Tensor) -> tuple[Tensor, Tensor]:
        """Atoms [M, features] and pairs to the atoms' new features, and energies [M]."""
        message = self.gate(radial) * softplus(self.others(x)).index_select(0, src)
        x = x + self.update(softplus(self.own(x).index_add(0, dst, message)))
        return x, self.energy(softplus(x))[:, 0]


class PhysNet(nn.Module):
    """Energies from atomic numbers and distances."""

    elements: Tensor  #: kcal/mol that an atom of each adds

    def __init__(self, features: int, interactions: int, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.embedding = nn.Embedding(ELEMENTS, features)
        self.interactions = nn.ModuleList([Interaction(features) for _ in range(interactions)])
        self.scale = nn.Parameter(torch.full((ELEMENTS,), 10.0))  # kcal/mol, by element
        self.register_buffer("elements", torch.zeros(ELEMENTS, dtype=torch.float64))

    def forward(self, batch: dict[str, Tensor], places: Tensor) -> Tensor:
        """Energies [B], kcal/mol, without those of the elements, of atoms at these places [B, A, 3] in Å."""
        numbers, dst, src = batch["Z"].reshape(-1), batch["dst_idx"], batch["src_idx"]
        flat = places.reshape(-1, 3)
        distance = (flat.index_select(0, dst) - flat.index_select(0, src)).square().sum(1).sqrt()
        x, radial, total = self.embedding(numbers), self.radial(distance), torch.zeros_like(numbers)
        for interaction in self.interactions:
            x, energy = interaction(x, radial, dst, src)
            total = total + energy
        of_atoms = torch.where(numbers > 0, total * self.scale[numbers], 0.0)
        return of_atoms.reshape(batch["Z"].shape).sum(1)

    def radial(self, distance: Tensor) -> Tensor:
        """Functions [pairs, RADIAL] of exp(-distance), which with their slopes are 0 at the cutoff."""
        nearest = math.exp(-self.cutoff)
        centres = torch.linspace(nearest, 1.0, RADIAL, device=distance.device)
        width = (RADIAL / 2 / (1 - nearest)) ** 2
        x = distance / self.cutoff
        smooth = 1 - 6 * x**5 + 15 * x**4 - 10 * x**3
        return smooth[:, None] * torch.exp(-width * (torch.exp(-distance)[:, None] - centres) ** 2)

    def energies_and_forces(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Energies [B] float64 in kcal/mol, and forces [B, A, 3] in kcal/mol/Å."""
        places = batch["R"].detach().requires_grad_()
        with torch.enable_grad():
            energy = self(batch, places)
            (slope,) = torch.autograd.grad(energy.sum(), places, create_graph=self.training)
        return energy + self.elements[batch["Z"]].sum(1), -slope


def errors(model: PhysNet, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Of energies [B], an atom, and of the components of forces of all atoms."""
    energy, forces = model.energies_and_forces(batch)
    return (energy - batch["E"]) / batch["N"], (forces - batch["F"])[batch["Z"] > 0].reshape(-1)


def validate(model: PhysNet, graph: fl.Graph) -> dict[str, float]:
    """Mean absolute errors: energies in kcal/mol an atom, forces in kcal/mol/Å."""
    model.eval()
    with graph.iterate() as batches:
        found = [[part.detach() for part in errors(model, batch)] for batch in batches]
    model.train()
    energy, force = (torch.cat(parts).abs().mean().item() for parts in zip(*found, strict=True))
    return {"valid energy": energy, "valid force": force}


def train(options: argparse.Namespace) -> PhysNet:
    """Train up to so many epochs, or steps; from the checkpoint, if there is one."""
    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    path, step, first, stream = options.out / "checkpoint.pt", 0, 0, None
    training, validation = graphs(options)
    model = PhysNet(options.features, options.interactions, options.cutoff).to(device)
    optimiser = torch.optim.Adam(model.parameters(), options.learning_rate)
    if checkpoint := load_checkpoint(path, device):
        model.load_state_dict(checkpoint.values["model"])
        optimiser.load_state_dict(checkpoint.values["optimiser"])
        optimiser.param_groups[0]["lr"] = options.learning_rate
        step, first, stream = checkpoint.values["step"], checkpoint.values["epoch"], checkpoint.stream
        log(options.out, epoch=first, step=step, resumed=True)
    else:
        model.elements.copy_(energies_of_elements(PackedMolecules(options.data)))

    def save(epoch: int, batches: Any = None) -> None:
        own = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
        save_checkpoint(path, {**own, "step": step, "epoch": epoch}, batches)

    for epoch in range(first, options.epochs if step < options.steps else first):
        with training.iterate(seed=options.seed, first_epoch=epoch, state=stream) as batches:
            for batch in batches:
                energy, force = errors(model, batch)
                loss = options.energy_weight * energy.square().mean() + force.square().mean()
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1000.0)
                optimiser.step()
                step += 1
                if step % options.log_every == 0:
                    told = {
                        "energy": energy.detach().abs().mean().item(),
                        "force": force.detach().abs().mean().item(),
                    }
                    log(options.out, epoch=epoch, step=step, loss=loss.item(), **told)
                if step % options.save_every == 0 or step == options.steps:
                    save(epoch, batches)
                if step == options.steps:
                    return model
        padding = batches.stats().stages["batch"].gauges["padding_efficiency"]
        stream = None
        log(options.out, epoch=epoch, step=step, **validate(model, validation), real_atoms=padding)
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
    add("--data", type=Path, default=sample_path("molecules"), help="folder of packed molecules")
    add("--out", type=Path, default=Path("runs/physnet"), help="folder of checkpoint and log")
    add("--epochs", type=number, default=8)
    add("--steps", type=number, default=2**62, help="stop after so many steps in all")
    add("--batch-size", type=number, default=16, help="molecules of a batch")
    add("--bucket-size", type=number, default=128, help="molecules that are sorted by size")
    add("--learning-rate", type=float, default=3e-3)
    add("--features", type=number, default=32)
    add("--interactions", type=number, default=2)
    add("--cutoff", type=float, default=5.0, help="Å")
    add("--energy-weight", type=float, default=10.0, help="of squared errors an atom beside those of forces")
    add("--seed", type=int, default=0)
    add("--log-every", type=number, default=20, help="steps")
    add("--save-every", type=number, default=200, help="steps")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    return options


def main(arguments: Sequence[str] | None = None) -> PhysNet:
    """Read the options, and train."""
    return train(parse(arguments))


if __name__ == "__main__":
    main()
