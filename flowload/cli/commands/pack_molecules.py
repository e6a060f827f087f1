"""`flowload pack molecules`: from other people's files to a folder that training maps to memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from flowload.cli.terminable import terminable
from flowload.cli.view.lines import say
from flowload.formats.molecules.convert.asked import parse_column
from flowload.formats.molecules.convert.pack import Packed, pack_molecules
from flowload.formats.molecules.convert.sets.kinds import KINDS, kind_of
from flowload.formats.molecules.convert.units import ENERGIES, LENGTHS, Units
from flowload.observe.figures import counted

__all__ = ["molecules"]

ENERGY_UNITS, LENGTH_UNITS = ", ".join(ENERGIES), ", ".join(LENGTHS)


@click.command()
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--energy", required=True, metavar="UNIT", help=f"Of energies: {ENERGY_UNITS}.")
@click.option("--length", required=True, metavar="UNIT", help=f"Of positions: {LENGTH_UNITS}.")
@click.option(
    "--force", metavar="UNIT", help="Of forces, where there are some: energy/length, such as eV/angstrom."
)
@click.option(
    "--kind", type=click.Choice(list(KINDS)), help="A set whose names are known, and are taken by default."
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME",
    help="What else is packed: a name that the kind has, all, or NAME=SOURCE:molecule|atom:SHAPE:UNIT.",
)
@click.option("--energy-key", metavar="NAME", help="What energies are called. [energy, energies or E]")
@click.option(
    "--forces-key", "--force-key", metavar="NAME", help="What forces are called; none: without. [forces or F]"
)
@click.option(
    "--gradient-key", metavar="NAME", help="What gradients are called, instead: their sign is turned."
)
@click.option(
    "--charge-key",
    metavar="NAME",
    help="What total charges are called; none: all are 0; smiles: what a SMILES says. [charge, Qtot, q ...]",
)
@click.option("--ignore-cell", is_flag=True, help="Take periodic molecules as if they were not.")
@click.option("--skip-bad", is_flag=True, help="Leave out molecules that are not finite, and count them.")
def molecules(
    source: Path,
    out: Path,
    energy: str,
    length: str,
    force: str | None,
    kind: str | None,
    columns: tuple[str, ...],
    **keys: Any,
) -> int:
    """Write the molecules of INPUT to the new folder OUT, in kcal/mol and Å.

    INPUT is extended XYZ (.xyz, .extxyz), HDF5 in the manner of ANI and SPICE (.h5, .hdf5), padded molecules
    or one molecule's conformations (.npz: rMD17, MD22), a folder of OpenQDC's, or QM9's tar, folder or file.
    OUT appears when all of it is written. Which names in INPUT were used and which were ignored is printed,
    and kept in OUT/meta.json.
    """
    if force is None and kind != "qm9" and keys["forces_key"] != "none":
        raise click.UsageError("Missing option '--force', as there is no '--forces-key none'.")
    units = Units(energy=energy, length=length, force=force)
    known = kind_of(kind).columns
    asked = dict(pair for text in columns for pair in parse_column(text, known, kind))
    console = Console(stderr=True)
    bars = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*bars, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("packing", total=None)

        def tell(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        with terminable():
            done = pack_molecules(source, out, units, kind=kind, columns=asked, **keys, tell=tell)
    say(told(out, done))
    for line in done.told.lines():
        say(f"  {line}")
    return 0


def told(out: Path, done: Packed) -> str:
    """What was done, in one line."""
    skipped = f", {done.skipped:,} bad ones left out" if done.skipped else ""
    return f"{out}: {counted(done.molecules, 'molecule', 'molecules')}{skipped}"
