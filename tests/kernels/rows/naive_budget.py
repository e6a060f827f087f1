"""A stream cut by a budget, row by row."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["cut"]


def takes(costs: Sequence[int], padded: bool) -> int:
    """What a batch of these takes."""
    return len(costs) * max(costs) if padded else sum(costs)


def cut(
    costs: Sequence[int], kinds: Sequence[int], limit: int, *, padded: bool
) -> tuple[list[list[int]], list[list[int]]]:
    """Batches that are complete, in that order, and those that are not, as they began."""
    done: list[list[int]] = []
    growing: dict[int, list[int]] = {}

    def of(rows: Sequence[int]) -> list[int]:
        return [costs[row] for row in rows]

    for row, kind in enumerate(kinds):
        if kind in growing and takes([*of(growing[kind]), costs[row]], padded) > limit:
            done.append(growing.pop(kind))
        growing.setdefault(kind, []).append(row)
        largest = max(of(growing[kind]))
        if padded and takes([*of(growing[kind]), largest], padded) > limit:
            done.append(growing.pop(kind))
    return done, sorted(growing.values())
