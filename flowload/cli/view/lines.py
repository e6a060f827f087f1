"""What a command prints."""

from __future__ import annotations

import click

from flowload.printable import printable

__all__ = ["say"]


def say(text: str, *, err: bool = False) -> None:
    """Print a text of one line or more, on stderr if asked: the way for all that a command says."""
    click.echo(printable(text, keep="\n"), err=err)
