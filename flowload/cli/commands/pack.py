"""`flowload pack`: prepare data once, so that training reads them at memory speed."""

from __future__ import annotations

import click

from .pack_games import games
from .pack_molecules import molecules

__all__ = ["pack"]


@click.group()
def pack() -> None:
    """Prepare data once: validated, packed, memory-mapped ever after."""


pack.add_command(games)
pack.add_command(molecules)
