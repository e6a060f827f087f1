"""Columns of plain text."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["align"]


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
