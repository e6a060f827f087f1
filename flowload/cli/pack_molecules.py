"""`flowload pack molecules`: from other people's files to a folder that training maps to memory."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from flowload.formats.molecules_pack import Packed, pack_molecules
from flowload.formats.molecules_units import ENERGIES, LENGTHS, Units

from .figures import counted

__all__ = ["molecules"]

ENERGY_UNITS, LENGTH_UNITS = ", ".join(ENERGIES), ", ".join(LENGTHS)


@click.command()
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--energy", required=True, metavar="UNIT", help=f"Of energies: {ENERGY_UNITS}.")
@click.option("--length", required=True, metavar="UNIT", help=f"Of positions: {LENGTH_UNITS}.")
@click.option("--force", required=True, metavar="UNIT", help="Of forces: energy/length, such as eV/angstrom.")
@click.option("--energy-key", metavar="NAME", help="What XYZ and HDF5 call energies. [energy, energies]")
@click.option("--forces-key", metavar="NAME", help="What they call forces. [forces]")
@click.option("--ignore-cell", is_flag=True, help="Take periodic frames of XYZ as if they were not.")
@click.option("--skip-bad", is_flag=True, help="Leave out molecules that are not finite, and count them.")
def molecules(  # noqa: PLR0913 - parameters are options
    source: Path,
    out: Path,
    energy: str,
    length: str,
    force: str,
    energy_key: str | None,
    forces_key: str | None,
    ignore_cell: bool,
    skip_bad: bool,
) -> int:
    """Write the molecules of INPUT to the new folder OUT, in kcal/mol and Å.

    INPUT is padded molecules (.npz), extended XYZ (.xyz, .extxyz), or HDF5 in the manner of ANI (.h5, .hdf5).
    OUT appears when all of it is written.
    """
    units = Units(energy=energy, length=length, force=force)
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("packing", total=None)

        def tell(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        done = pack_molecules(
            source,
            out,
            units,
            energy_key=energy_key,
            forces_key=forces_key,
            ignore_cell=ignore_cell,
            skip_bad=skip_bad,
            tell=tell,
        )
    click.echo(told(out, done))
    return 0


def told(out: Path, done: Packed) -> str:
    """What was done, in one line."""
    skipped = f", {done.skipped:,} bad ones left out" if done.skipped else ""
    return f"{out}: {counted(done.molecules, 'molecule', 'molecules')}{skipped}"
