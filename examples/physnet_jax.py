"""Train a small PhysNet-like model of energies and forces on packed molecules, in JAX; see physnet_torch.py.

    pip install 'flowload[jax]'
    python examples/physnet_jax.py                                   the sample that ships with flowload
    python examples/physnet_jax.py --data /data/spice --shapes 4 --features 128

Batches have few shapes, and JAX compiles a step once for each. Only distances enter the model, and forces
are minus the gradient of the energy: rotations change neither energy nor physics.
The same command goes on where it was stopped: OUT/checkpoint.npz holds model, optimiser and stream together.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import flowload as fl
from flowload.adapters.jax import as_jax, load_checkpoint, save_checkpoint
from flowload.formats.molecules import PackedMolecules
from flowload.sample import sample_path

ELEMENTS = 119
RADIAL = 32  #: functions of the distance
BETA1, BETA2 = 0.9, 0.999  #: of Adam

Tree = Any  #: JAX's word for nested dicts and lists of arrays


def graphs(options: argparse.Namespace) -> tuple[fl.Graph, fl.Graph]:
    """Training and validation: all conformations of a molecule are in the same part."""
    folder = PackedMolecules(options.data)
    slots = fl.best_slots(folder.sizes(), options.shapes)
    molecules = fl.rows(PackedMolecules(options.data, slots, pairs="molecule"))
    parts = molecules >> fl.split(by="molecule", train=0.9, valid=0.1)
    atoms, learned = options.batch_size * slots[-1], partial(without_elements, elements=elements_of(folder))
    train = parts.drop("valid") >> fl.shuffle() >> fl.batch(atoms=atoms, layout="physnet", drop_last=True)
    return train >> fl.map(learned), parts.drop("train") >> fl.batch(atoms=atoms) >> fl.map(learned)


def elements_of(folder: PackedMolecules) -> np.ndarray:
    """What an atom of each element adds to the energy, by least squares over all molecules."""
    sizes = folder.sizes()
    cells = np.repeat(np.arange(len(sizes)) * ELEMENTS, sizes) + folder.column("Z")
    counts = np.bincount(cells, minlength=len(sizes) * ELEMENTS).reshape(-1, ELEMENTS)
    return np.asarray(np.linalg.lstsq(counts, folder.column("E"), rcond=None)[0])


def without_elements(batch: dict[str, Any], elements: np.ndarray) -> dict[str, Any]:
    """What the model learns: energies less those of the elements fit into float32, totals do not."""
    rest = batch["E"] - elements[batch["Z"]].sum(axis=1)
    return {**batch, "E": rest.astype(np.float32)}


def initial(key: jax.Array, features: int, interactions: int) -> Tree:
    """Parameters."""

    def layer(key: jax.Array, inputs: int, outputs: int) -> Tree:
        return {
            "w": jax.random.normal(key, (inputs, outputs)) / math.sqrt(3 * inputs),
            "b": jnp.zeros(outputs),
        }

    keys = iter(jax.random.split(key, 1 + 5 * interactions))
    shapes = {"gate": (RADIAL, features), "own": (features,) * 2, "others": (features,) * 2}
    shapes |= {"update": (features,) * 2, "energy": (features, 1)}
    return {
        "embedding": jax.random.normal(next(keys), (ELEMENTS, features)),
        "interactions": [
            {name: layer(next(keys), *shape) for name, shape in shapes.items()} for _ in range(interactions)
        ],
        "scale": jnp.full(ELEMENTS, 10.0, jnp.float32),  # kcal/mol, by element
    }


def dense(layer: Tree, x: jax.Array) -> jax.Array:
    """A linear layer."""
    return jnp.asarray(x @ layer["w"] + layer["b"])


def radial(distance: jax.Array, cutoff: float) -> jax.Array:
    """Functions [pairs, RADIAL] of exp(-distance), which with their slopes are 0 at the cutoff."""
    nearest = math.exp(-cutoff)
    centres, width = jnp.linspace(nearest, 1.0, RADIAL), (RADIAL / 2 / (1 - nearest)) ** 2
    x = jnp.minimum(distance / cutoff, 1.0)
    smooth = 1 - 6 * x**5 + 15 * x**4 - 10 * x**3
    return jnp.asarray(smooth[:, None] * jnp.exp(-width * (jnp.exp(-distance)[:, None] - centres) ** 2))


def energy_of(p: Tree, places: jax.Array, numbers: jax.Array, pairs: Any, cutoff: float) -> jax.Array:
    """The energy of one molecule of atoms at places [A, 3]; numbers [A] are 0 where there is none."""
    dst, src = pairs
    there = (numbers[dst] > 0) & (numbers[src] > 0)
    square = jnp.where(
        there, ((places[dst] - places[src]) ** 2).sum(1), cutoff**2
    )  # of what is not there: far
    x, total, basis = p["embedding"][numbers], jnp.zeros(len(numbers)), radial(jnp.sqrt(square), cutoff)
    for layer in p["interactions"]:
        message = (basis @ layer["gate"]["w"]) * jax.nn.softplus(dense(layer["others"], x))[src]
        own = jax.ops.segment_sum(message, dst, len(numbers)) + dense(layer["own"], x)
        x = x + dense(layer["update"], jax.nn.softplus(own))
        total += dense(layer["energy"], jax.nn.softplus(x))[:, 0]
    return jnp.asarray(jnp.where(numbers > 0, total * p["scale"][numbers], 0.0).sum())


def errors(p: Tree, batch: Tree, cutoff: float) -> tuple[jax.Array, jax.Array]:
    """Of energies [B], an atom, and of forces [B, A, 3]: minus the gradient of the energy."""
    pairs = batch["dst_idx"], batch["src_idx"]
    slope = jax.vmap(jax.value_and_grad(energy_of, argnums=1), in_axes=(None, 0, 0, None, None))
    energy, gradient = slope(p, batch["R"], batch["Z"], pairs, cutoff)
    force: jax.Array = -gradient - batch["F"]
    return jnp.asarray((energy - batch["E"]) / batch["N"]), force


@partial(jax.jit, static_argnames=("rate", "weight", "cutoff"))
def update(run: Tree, batch: Tree, *, rate: float, weight: float, cutoff: float) -> tuple[Tree, jax.Array]:
    """One step of Adam: what was trained so far, and a batch, to the same and the loss."""

    def loss(p: Tree) -> jax.Array:
        energy, force = errors(p, batch, cutoff)
        total: jax.Array = weight * (energy**2).mean() + (force**2).sum() / (3 * batch["N"].sum())
        return total

    value, slope = jax.value_and_grad(loss)(run["model"])
    step = run["step"] + 1
    mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, run["mean"], slope)
    square = jax.tree.map(lambda s, g: BETA2 * s + (1 - BETA2) * g**2, run["square"], slope)
    scaled = rate * jnp.sqrt(1 - BETA2**step) / (1 - BETA1**step)
    model = jax.tree.map(lambda p, m, s: p - scaled * m / (jnp.sqrt(s) + 1e-8), run["model"], mean, square)
    return {"model": model, "mean": mean, "square": square, "step": step}, value


def validate(p: Tree, graph: fl.Graph, cutoff: float) -> dict[str, float]:
    """Mean absolute errors: energies in kcal/mol an atom, forces in kcal/mol/Å."""
    sums = np.zeros(4)
    compiled = jax.jit(errors, static_argnames="cutoff")
    with graph.iterate() as batches:
        for batch in batches:
            energy, force = compiled(p, as_jax(batch), cutoff=cutoff)
            atoms = int(batch["N"].sum())
            sums += [float(abs(energy).sum()), len(energy), float(abs(force).sum()), 3 * atoms]
    return {"valid energy": sums[0] / sums[1], "valid force": sums[2] / sums[3]}


def train(options: argparse.Namespace) -> Tree:
    """Train up to so many epochs, or steps; from the checkpoint, if there is one."""
    path, first, stream = options.out / "checkpoint.npz", 0, None
    training, validation = graphs(options)
    model = initial(jax.random.key(options.seed), options.features, options.interactions)
    zeros = jax.tree.map(jnp.zeros_like, model)
    run = {"model": model, "mean": zeros, "square": zeros, "step": jnp.zeros((), int)}
    if loaded := load_checkpoint(path, like={"run": run, "epoch": 0}):
        checkpoint, stream = loaded
        run, first = checkpoint["run"], checkpoint["epoch"]
        log(options.out, epoch=first, step=int(run["step"]), resumed=True)
    step = int(run["step"])
    known = {"rate": options.learning_rate, "weight": options.energy_weight, "cutoff": options.cutoff}
    for epoch in range(first, options.epochs if step < options.steps else first):
        with training.iterate(seed=options.seed, first_epoch=epoch, state=stream) as batches:
            for batch in batches:
                run, loss = update(run, as_jax(batch), **known)
                step += 1
                if step % options.log_every == 0:
                    log(options.out, epoch=epoch, step=step, loss=float(loss))
                if step % options.save_every == 0 or step == options.steps:
                    save_checkpoint(path, {"run": run, "epoch": epoch}, batches)
                if step == options.steps:
                    return run
        stream = None
        log(options.out, epoch=epoch, step=step, **validate(run["model"], validation, options.cutoff))
        save_checkpoint(path, {"run": run, "epoch": epoch + 1})
    return run


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
    add("--out", type=Path, default=Path("runs/physnet_jax"), help="folder of checkpoint and log")
    add("--epochs", type=number, default=8)
    add("--steps", type=number, default=2**62, help="stop after so many steps in all")
    add("--batch-size", type=number, default=16, help="of the largest molecules; of smaller ones more")
    add("--shapes", type=number, default=3, help="sizes to pad to; JAX compiles a step for each")
    add("--learning-rate", type=float, default=1e-3)
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


def main(arguments: Sequence[str] | None = None) -> Tree:
    """Read the options, and train."""
    return train(parse(arguments))


if __name__ == "__main__":
    main()
