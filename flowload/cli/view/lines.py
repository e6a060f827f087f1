"""Lines of text: columns, and what a command prints."""

from __future__ import annotations

from collections.abc import Sequence

import click

from flowload.printable import printable

__all__ = ["align", "say"]


def align(rows: Sequence[Sequence[str]], sides: str, gap: str = "  ") -> list[str]:
    """Rows of cells as lines with straight columns.

    Args:
        rows: the cells; every row as long as `sides`.
        sides: "<" or ">" for each column.
        gap: what stands between columns.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        gap.join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def say(text: str, *, err: bool = False) -> None:
    """Print a text of one line or more, on stderr if asked: the way for all that a command says."""
    click.echo(printable(text, keep="\n"), err=err)
